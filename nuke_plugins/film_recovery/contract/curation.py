"""What the work before a training leaves behind: ``match.json``, ``pairs.json`` and ``align.json``, read by both programs.

Frames are the numbers of the files. Pixels are those of the whole picture as stored: centres at whole numbers, row 0 on top.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from film_recovery.contract.errors import InputError
from film_recovery.contract.records import load_entries, load_record, save_record

MATCH_SCHEMA, PAIRS_SCHEMA, ALIGN_SCHEMA = "film-recovery/match", "film-recovery/pairs", "film-recovery/align"
VERSION = 1
SCOPES = ("shot", "scene", "sequence")
VERDICTS = ("aligned", "doubtful", "rejected")
_FLAT = 1e-6  # the determinant of what makes a picture a thousandth as large


@dataclass(frozen=True)
class Segment:
    """Frames that run side by side: frame ``first_a + k`` of a shows what ``first_b + k`` of b shows, for k below ``length``.

    ``confidence`` (0..1) is the mean probability of the frames named, given their uncertainty; ``plus_minus`` has one whole
    number a frame: 0 where the picture moves and the frame is certain, n where it stands still and the partner may be up to n
    frames off.
    """

    first_a: int
    first_b: int
    length: int
    confidence: float
    plus_minus: list[int]


@dataclass(frozen=True)
class Moment:
    """One frame of the time line that two elements share: its number, and the frame of a and of b that shows it, or None."""

    frame: int
    a: int | None
    b: int | None


@dataclass(frozen=True)
class MatchRecord:
    """Which frames of two elements show the same picture: ``match.json``.

    ``segments`` ascend in both elements. ``framing`` (3x3) takes pixels of a to pixels of b as they lie most of the time;
    ``mirrored`` says that b is the mirror image of a (the matrix holds the mirroring). ``only_a`` and ``only_b`` list the
    stretches ``[first, last]`` of frames without a partner; ``duplicates_a`` and ``duplicates_b`` frames that repeat the one
    before. ``notes`` are sentences for a person.
    """

    a: str
    b: str
    mirrored: bool
    framing: list[list[float]]
    segments: list[Segment]
    only_a: list[list[int]]
    only_b: list[list[int]]
    duplicates_a: list[int] = field(default_factory=list)
    duplicates_b: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def partners(self) -> dict[int, int]:
        """The frame of b for every matched frame of a."""
        return {part.first_a + k: part.first_b + k for part in self.segments for k in range(part.length)}

    def frames(self) -> Iterator[tuple[int, int, float, int]]:
        """Frame of a, frame of b, confidence of the segment, plus-minus, ascending."""
        for part in self.segments:
            for k in range(part.length):
                yield part.first_a + k, part.first_b + k, part.confidence, part.plus_minus[k]

    def reversed(self) -> MatchRecord:
        """The same with a and b exchanged."""
        segments = [dataclasses.replace(part, first_a=part.first_b, first_b=part.first_a) for part in self.segments]
        return dataclasses.replace(
            self, a=self.b, b=self.a, framing=_inverse(self.framing), segments=segments, only_a=self.only_b, only_b=self.only_a,
            duplicates_a=self.duplicates_b, duplicates_b=self.duplicates_a,
        )  # fmt: skip

    def between(self, source: str, reference: str) -> MatchRecord:
        """The record as seen from ``source``: reversed where a was rather the reference and b the source, else as it is."""
        return self.reversed() if are_exchanged(self.a, self.b, source, reference) else self

    def own_line(self) -> list[Moment]:
        """Every frame of a at its own number, with its partner."""
        partners = self.partners()
        alone = [frame for start, end in self.only_a for frame in range(start, end + 1)]
        return [Moment(frame, frame, partners.get(frame)) for frame in sorted([*partners, *alone])]

    def timeline(self, first: int = 1001) -> list[Moment]:
        """Both elements conformed: every picture that either of them has, in the order of the film, numbered from ``first``.

        Between two segments the frames that only a has stand before those that only b has. A frame without a partner that
        repeats the one before it is left out.
        """
        alone = [
            [frame for start, end in stretches for frame in range(start, end + 1) if frame not in repeated]
            for stretches, repeated in ((self.only_a, set(self.duplicates_a)), (self.only_b, set(self.duplicates_b)))
        ]
        pictures: list[tuple[int | None, int | None]] = []
        done = [0, 0]
        for pair in [*sorted(self.partners().items()), None]:
            for side in (0, 1):
                while done[side] < len(alone[side]) and (pair is None or alone[side][done[side]] < pair[side]):
                    frame = alone[side][done[side]]
                    pictures.append((None, frame) if side else (frame, None))
                    done[side] += 1
            if pair is not None:
                pictures.append(pair)
        return [Moment(first + index, a, b) for index, (a, b) in enumerate(pictures)]

    def save(self, path: Path) -> None:
        """Write the record, whole or not at all."""
        save_record(path, self, MATCH_SCHEMA, VERSION)


@dataclass(frozen=True)
class ChosenPair:
    """One frame of the source with its partner. ``scope`` names the part of the film it was chosen for; ``adds`` lists in words
    what the pair brings that the ones before lacked; ``by_hand`` marks a person's own pick."""

    source: int
    reference: int
    held_out: bool
    reason: str
    scope: str = "sequence"
    adds: list[str] = field(default_factory=list)
    by_hand: bool = False


@dataclass(frozen=True)
class ScopeRecord:
    """One part of the film that one model is for: source frames ``first`` to ``last``, the share 0..1 of its looks that the
    chosen pairs cover, and what is still uncovered, in words."""

    name: str
    first: int
    last: int
    covered: float
    uncovered: list[str]


@dataclass(frozen=True)
class SelectionRecord:
    """Which pairs to train on and which to hold out: ``pairs.json``. ``scope`` is one of :data:`SCOPES`; ``rejected`` lists
    frames that were passed over, each ``{"source": frame, "reason": words}``; ``advice`` are sentences for a person."""

    source: str
    reference: str
    scope: str
    pairs: list[ChosenPair]
    scopes: list[ScopeRecord]
    rejected: list[dict[str, Any]] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)

    @property
    def training(self) -> list[ChosenPair]:
        """The pairs to train on."""
        return [pair for pair in self.pairs if not pair.held_out]

    @property
    def held_out(self) -> list[ChosenPair]:
        """The pairs to judge by."""
        return [pair for pair in self.pairs if pair.held_out]

    def between(self, source: str, reference: str) -> SelectionRecord:
        """The record for ``source`` and ``reference``: its pairs are exchanged where they were chosen for the other direction,
        as for the other pass of a combined recovery."""
        if not are_exchanged(self.source, self.reference, source, reference):
            return self
        pairs = [dataclasses.replace(pair, source=pair.reference, reference=pair.source) for pair in self.pairs]
        return dataclasses.replace(self, source=self.reference, reference=self.source, pairs=pairs)

    def save(self, path: Path) -> None:
        """Write the record, whole or not at all."""
        save_record(path, self, PAIRS_SCHEMA, VERSION)


@dataclass(frozen=True)
class FrameAlignment:
    """How one reference frame lies on its source frame.

    ``matrix`` (3x3, last element 1) takes reference pixels to source pixels. ``warp`` names an entry of
    :attr:`AlignmentRecord.warps`, or is None. ``residual_px`` and ``residual_p95`` are what is left, in source pixels, None
    where nothing could be measured. ``verdict`` is one of :data:`VERDICTS`, with the ``reason`` in
    words unless it is ``aligned``.
    """

    source: int
    reference: int
    matrix: list[list[float]]
    warp: str | None
    residual_px: float | None
    residual_p95: float | None
    correlation: float
    verdict: str
    reason: str = ""


@dataclass(frozen=True)
class WarpRecord:
    """A smooth warp that a stretch of frames shares.

    ``coefficients`` are two rows, x and y, of displacements in source pixels: weights of the products of Legendre polynomials
    ``P_i(u) P_j(v)`` with total degree 2 and 3 in the order u2, uv, v2, u3, u2v, uv2, v3, where u and v run from -1 to 1 over
    the source's width and height (first to last pixel centre). The source pixel p shows the reference at
    ``inverse(matrix) (p + warp(p))``. ``stmap`` is the same as an image, a path beside the record.
    """

    name: str
    coefficients: list[list[float]]
    stmap: str


@dataclass(frozen=True)
class AlignmentRecord:
    """How a reference lies on a source, frame by frame: ``align.json``.

    Sizes are [width, height]; ``crop`` [x, y, width, height] in source pixels is the picture that both have in every aligned
    frame; ``masks`` are rectangles [x, y, width, height] in source pixels (subtitles, logos) to leave out on both sides.
    """

    source: str
    reference: str
    source_size: list[int]
    reference_size: list[int]
    mirrored: bool
    crop: list[int]
    masks: list[list[int]]
    frames: list[FrameAlignment]
    warps: list[WarpRecord] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write the record, whole or not at all."""
        save_record(path, self, ALIGN_SCHEMA, VERSION)


def load_match(path: Path) -> MatchRecord:
    """Read ``match.json``. Raises :class:`InputError` when it is absent, damaged or of another version."""
    record = load_record(path, MatchRecord, MATCH_SCHEMA, VERSION)
    found = dataclasses.replace(record, segments=load_entries(Segment, record.segments, path, "segment"))
    if not _can_be_inverted(found.framing):
        raise InputError(f"{path} is damaged (its framing is no 3x3 matrix with an inverse); match the elements again.")
    for part in found.segments:
        if part.length < 1 or len(part.plus_minus) != part.length:
            raise InputError(f"{path} is damaged (the segment at frame {part.first_a} is uneven); match the elements again.")
    return found


def load_selection(path: Path) -> SelectionRecord:
    """Read ``pairs.json``. Raises :class:`InputError` when it is absent, damaged or of another version."""
    record = load_record(path, SelectionRecord, PAIRS_SCHEMA, VERSION)
    pairs, scopes = (
        load_entries(ChosenPair, record.pairs, path, "pair"),
        load_entries(ScopeRecord, record.scopes, path, "scope"),
    )
    return dataclasses.replace(record, pairs=pairs, scopes=scopes)


def load_alignment(path: Path) -> AlignmentRecord:
    """Read ``align.json``. Raises :class:`InputError` when it is absent, damaged or of another version."""
    record = load_record(path, AlignmentRecord, ALIGN_SCHEMA, VERSION)
    frames, warps = (
        load_entries(FrameAlignment, record.frames, path, "frame"),
        load_entries(WarpRecord, record.warps, path, "warp"),
    )
    if not all(len(mask) == 4 and min(mask[2:]) >= 0 for mask in record.masks):
        raise InputError(f"{path} is damaged (a mask is not x, y, width, height); align the elements again.")
    known = {warp.name for warp in warps}
    for frame in frames:
        if not _can_be_inverted(frame.matrix):
            raise InputError(
                f"{path} is damaged (the matrix of frame {frame.source} is no 3x3 matrix with an inverse); align the elements "
                "again."
            )
        if frame.verdict not in VERDICTS or (frame.warp is not None and frame.warp not in known):
            raise InputError(f"{path} is damaged (frame {frame.source} names what is not there); align the elements again.")
    return dataclasses.replace(record, frames=frames, warps=warps)


def are_exchanged(a: str, b: str, source: str, reference: str) -> bool:
    """Whether what was made of the elements ``a`` and ``b`` was made of a reference and a source, and not the other way round.

    Names are compared from their ends, since folders are moved and the same files are named from other places.
    """
    return _alike(a, reference) + _alike(b, source) > _alike(a, source) + _alike(b, reference)


def _alike(one: str, other: str) -> int:
    """How many parts of two paths are the same, counted from their ends."""
    parts = [os.path.abspath(name).replace(os.sep, "/").split("/")[::-1] for name in (one, other)]
    same = 0
    while same < min(len(part) for part in parts) and parts[0][same] == parts[1][same]:
        same += 1
    return same


def _can_be_inverted(matrix: list[list[float]]) -> bool:
    """Whether a matrix is 3x3, of finite numbers, and can be inverted, it and its inverse with 1 in their last places."""
    if [len(row) for row in matrix] != [3, 3, 3] or not all(math.isfinite(value) for row in matrix for value in row):
        return False
    (a, b, c), (d, e, f), (g, h, i) = matrix
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return min(abs(determinant), abs(a * e - b * d), abs(i)) > _FLAT


def _inverse(matrix: list[list[float]]) -> list[list[float]]:
    """Of a 3x3, by cofactors, with 1 in its last place: the package inside Nuke has no numpy."""
    (a, b, c), (d, e, f), (g, h, i) = matrix
    rows = [[e * i - f * h, c * h - b * i, b * f - c * e], [f * g - d * i, a * i - c * g, c * d - a * f],
            [d * h - e * g, b * g - a * h, a * e - b * d]]  # fmt: skip
    return [[value / rows[2][2] for value in row] for row in rows]
