"""What a selection works on: both elements surveyed, partners known, the reference's small pictures in the source's framing."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence as Items
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.contract.curation import MatchRecord
from film_recovery.contract.errors import InputError, UnreadableImageError
from film_recovery.contract.progress import Reporter, SilentReporter
from film_recovery.elements.picture_area import picture_area
from film_recovery.elements.shots import find_shots, shot_ranges
from film_recovery.elements.survey import DETAIL, THUMBNAIL, Survey, survey_element
from film_recovery.images.encodings import encode
from film_recovery.images.ranges import format_frames
from film_recovery.images.sequence import Sequence
from film_recovery.pairs.looks import Looks, find_looks
from film_recovery.pairs.registration import register
from film_recovery.pairs.rules import LARGE_RESIDUAL
from film_recovery.pairs.soundness import Partner, Soundness, judge_frames

FloatArray = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Material:
    """Rows are those of the source's survey. ``survey_b`` is the reference's, its small pictures framed as the source is;
    ``shots`` are (first, one past the last) rows."""

    source: Sequence
    reference: Sequence
    survey_a: Survey
    survey_b: Survey
    mirrored: bool
    partners: list[Partner | None]
    shots: list[tuple[int, int]]
    soundness: Soundness
    looks: Looks

    @property
    def frames(self) -> list[int]:
        """Source frame numbers by row."""
        return [int(frame) for frame in self.survey_a.frames]

    @property
    def candidates(self) -> list[int]:
        """Rows that may become pairs."""
        return [row for row, one in enumerate(self.partners) if one is not None and row not in self.soundness.faults]

    def partner(self, row: int) -> Partner:
        """The partner of a row that has one."""
        found = self.partners[row]
        assert found is not None
        return found


def gather_material(
    source: Sequence,
    reference: Sequence,
    folder: Path,
    match: MatchRecord | None = None,
    offset: int = 0,
    reporter: Reporter = SilentReporter(),
) -> Material:
    """Look through both elements; what was read before and has not changed is not read again.

    Args:
        folder: for ``survey_source`` and ``survey_reference``.
        match: partners, framing and mirroring; without it a frame's partner is the one ``offset`` further on, framed alike.

    Raises:
        InputError: not one source frame has a partner.
        UnreadableImageError: an element holds no readable frame.
        StoppedError: the reporter asked to stop; what was read is kept.
        StorageError: the folder cannot be written.
    """
    surveys = []
    for name, sequence in (("source", source), ("reference", reference)):
        reporter.stage(f"Reading {len(sequence.frames)} frames of {sequence.name}")
        surveys.append(survey_element(sequence, folder / f"survey_{name}", reporter))
    ours, theirs = surveys
    reporter.stage("Looking for shots, faults and looks")
    if match is not None:
        theirs = _framed(theirs, ours, np.array(match.framing, np.float64))
    partners = _partners(ours, theirs, match, offset)
    if not any(partners):
        raise InputError(_no_partner(source, reference, match, offset))
    starts = find_shots(ours.thumbnails)
    soundness = judge_frames(ours, theirs, partners, starts)
    usable = [
        int(frame) not in ours.broken and (partner is None or partner.frame not in theirs.broken)
        for frame, partner in zip(ours.frames, partners, strict=True)
    ]
    rows = [None if one is None or row in soundness.faults else one.row for row, one in enumerate(partners)]
    looks = find_looks(ours.thumbnails, theirs.thumbnails, rows, usable)
    shots = shot_ranges(starts, len(ours.frames))
    mirrored = match is not None and match.mirrored
    return Material(source, reference, ours, theirs, mirrored, partners, shots, soundness, looks)


class PairCheck:
    """Registers real frames, each pair once: the last word on whether both show the same picture."""

    def __init__(self, material: Material) -> None:
        self._material = material
        self.problem = lru_cache(maxsize=None)(self._problem)

    def _problem(self, row: int) -> str:
        """Why the pair of a row cannot be used, empty when it can."""
        material = self._material
        number, partner = material.frames[row], material.partner(row)
        try:
            pictures = [material.source.read(number), material.reference.read(partner.frame)]
        except UnreadableImageError as error:
            return str(error)
        coded = [
            np.asarray(np.nan_to_num(encode(one.rgb, "none" if one.is_coded else "display")), np.float32) for one in pictures
        ]
        if not all(np.isfinite(one.rgb).all() for one in pictures):
            return "it holds pixels that are NaN or infinite"
        if material.mirrored:
            coded[1] = np.ascontiguousarray(coded[1][:, ::-1])
        found = register(coded[0], coded[1], picture_area([coded[0]]), picture_area([coded[1]]))
        if not found.matches:
            return f"it does not register with frame {partner.frame} of the reference (correlation {found.correlation:.2f})"
        if np.isfinite(found.residual_px) and found.residual_px > LARGE_RESIDUAL:
            return f"registered with frame {partner.frame} of the reference it still lies {found.residual_px:.1f} px off"
        return ""


def _framed(survey: Survey, ours: Survey, framing: Matrix) -> Survey:
    """The reference's survey with its small pictures resampled to the source's framing (3x3, source to reference pixels)."""
    if np.allclose(framing, np.eye(3), atol=1e-6) and survey.size == ours.size:
        return survey

    def moved(pictures: npt.NDArray[np.generic], size: tuple[int, int]) -> npt.NDArray[Any]:
        matrix = (np.linalg.inv(_pixels(size, survey.size)) @ framing @ _pixels(size, ours.size))[:2]
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        found = np.empty_like(pictures, subok=False)  # small integers: as floats a whole film would not fit into memory
        for place, one in enumerate(pictures):
            there = cv2.warpAffine(np.asarray(one, np.float32), matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
            found[place] = np.rint(there)
        return found

    return dataclasses.replace(
        survey, thumbnails=moved(survey.thumbnails, THUMBNAIL), details=moved(survey.details, DETAIL)
    )


def _pixels(small: tuple[int, int], size: tuple[int, int]) -> Matrix:
    """3x3: pixels of a small picture to pixels of the frame, centres at whole numbers."""
    x, y = size[0] / small[0], size[1] / small[1]
    return np.array([[x, 0.0, 0.5 * x - 0.5], [0.0, y, 0.5 * y - 0.5], [0.0, 0.0, 1.0]])


def _partners(ours: Survey, theirs: Survey, match: MatchRecord | None, offset: int) -> list[Partner | None]:
    row_of = {int(frame): row for row, frame in enumerate(theirs.frames)}
    if match is None:
        found = {int(frame): (int(frame) + offset, 1.0, 0) for frame in ours.frames}
    else:
        found = {ours_: (theirs_, confidence, off) for ours_, theirs_, confidence, off in match.frames()}
    partners: list[Partner | None] = []
    for frame in ours.frames.tolist():
        there, confidence, off = found.get(frame, (None, 0.0, 0))
        partners.append(Partner(row_of[there], there, confidence, off) if there in row_of else None)
    return partners


def _no_partner(source: Sequence, reference: Sequence, match: MatchRecord | None, offset: int) -> str:
    if match is not None:
        return f"match.json names no frames that {source.name} and {reference.name} have; match these elements again."
    return (
        f"The elements share no frames: {source.name} has {_short(source.frames)}, {reference.name} has "
        f"{_short(reference.frames)}, and the offset is {offset}; correct --offset, or match them and give --match."
    )


def _short(frames: Items[int]) -> str:
    return format_frames(frames) if len(frames) < 12 else f"{frames[0]}-{frames[-1]}"
