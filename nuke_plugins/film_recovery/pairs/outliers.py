"""Rendered frames that went wrong, and the pairs that would have taught the model better.

Three signs: a frame's colour is farther from the reference than that of other frames; it jumps against both neighbours, their
motion taken off; or much of it has looks that no training pair holds. All of it on small pictures, in coded Cb and Cr.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.elements.faults import frame_shift
from film_recovery.elements.survey import Survey
from film_recovery.images.colour import rgb_to_ycbcr
from film_recovery.pairs.coverage import Coverage
from film_recovery.pairs.explain import Words
from film_recovery.pairs.looks import CELLS
from film_recovery.pairs.material import Material

_WORST = 0.1  # share of a frame's cells that speak for it: a stray object is a small part of the frame
_FROM_REFERENCE, _FROM_NEIGHBOURS, _UNHELD = 5.0 / 255.0, 3.0 / 255.0, 0.25  # least that counts, coded and as a share
_SIGMAS = 4.0
_STRETCH = 12  # frames: outliers nearer than this are one
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Proposal:
    """A frame that strays, worst first. ``source`` is the stray frame, ``reason`` what is wrong with it; ``pair_source`` and
    ``pair_reference`` the pair to add, the frame itself or the one most like it that has a sound partner (None without one).
    ``strength`` is 1 at the limit of what counts."""

    source: int
    reason: str
    pair_source: int | None
    pair_reference: int | None
    strength: float


def find_outliers(material: Material, rendered: Survey, training: Sequence[int]) -> list[Proposal]:
    """Look through a render.

    Args:
        material: of the source and the reference that the model was trained on.
        rendered: its frames have the numbers of the source's.
        training: rows of the source that the model was trained on.
    """
    row_of = {frame: row for row, frame in enumerate(material.frames)}
    frames = [int(frame) for frame in rendered.frames]
    shown = {
        row_of[frame]: rendered.thumbnails[index]
        for index, frame in enumerate(frames)
        if frame in row_of and frame not in rendered.broken
    }
    coverage = Coverage(material.looks, range(len(material.frames)))
    words = Words(material.looks, coverage, material.frames)
    found: dict[int, tuple[float, str]] = {}
    for strengths, say in (
        _from_reference(material, shown),
        _from_neighbours(material, shown),
        _unheld(material, shown, coverage, words, training),
    ):
        for row, (strength, value) in strengths.items():
            if strength >= 1.0:
                before = found.get(row, (0.0, ""))
                text = say(row, value)
                found[row] = (max(before[0], strength), f"{before[1]}; {text}" if before[1] else text)
    worst: list[int] = []
    for row in sorted(found, key=lambda row: -found[row][0]):
        if all(abs(row - other) >= _STRETCH for other in worst):
            worst.append(row)
    return [_proposal(material, row, found[row], training) for row in worst]


_Strengths = tuple[dict[int, tuple[float, float]], Callable[[int, float], str]]


def _from_reference(material: Material, shown: dict[int, FloatArray]) -> _Strengths:
    sound = set(material.candidates)
    values = {
        row: _worst_mean(np.abs(_chroma(picture) - _chroma(material.survey_b.thumbnails[material.partner(row).row])))
        for row, picture in shown.items()
        if row in sound
    }
    usual = float(np.median(list(values.values()))) if values else 0.0
    return (
        _judged(values, _FROM_REFERENCE),
        lambda _row, value: (
            f"its colour is {value * 255:.0f} of 255 away from the reference's in its worst parts (usual: {usual * 255:.0f})"
        ),
    )


def _from_neighbours(material: Material, shown: dict[int, FloatArray]) -> _Strengths:
    values = {}
    for first, last in material.shots:
        for row in range(first + 1, last - 1):
            if all(one in shown for one in (row - 1, row, row + 1)):
                here = shown[row]
                # A stray frame differs from both; a frame beside a stray one from one of them.
                values[row] = min(_apart_moved(here, shown[other]) for other in (row - 1, row + 1))
    return _judged(
        values, _FROM_NEIGHBOURS
    ), lambda _row, value: f"its colour jumps by {value * 255:.0f} of 255 against both neighbours"


def _unheld(
    material: Material, shown: dict[int, FloatArray], coverage: Coverage, words: Words, training: Sequence[int]
) -> _Strengths:
    lacking = 1.0 - coverage.held(training)
    shares = material.looks.shares[:, coverage.present].astype(np.float64)
    values = {row: (float(shares[row] @ lacking) / _UNHELD, float(shares[row] @ lacking)) for row in shown}
    return values, lambda row, value: f"{value:.0%} of it are colours that no training pair holds ({words.most(row, lacking)})"


def _judged(values: dict[int, float], least: float) -> dict[int, tuple[float, float]]:
    """Row to (strength, value): 1 is what stands out of the others by four deviations and is visible at all."""
    if not values:
        return {}
    all_values = np.array(list(values.values()))
    middle = float(np.median(all_values))
    spread = 1.4826 * float(np.median(np.abs(all_values - middle)))
    limit = max(middle + _SIGMAS * spread, middle + least)
    return {row: (value / limit, value) for row, value in values.items()}


def _chroma(thumbnail: npt.NDArray[np.generic]) -> FloatArray:
    """Coded Cb and Cr of the cells of a small picture, (27, 48, 2)."""
    ycc = rgb_to_ycbcr(np.asarray(thumbnail, np.float32) / 255.0, "709")
    return np.asarray(cv2.resize(ycc, CELLS, interpolation=cv2.INTER_AREA)[..., 1:], np.float32)


def _worst_mean(differences: FloatArray) -> float:
    """Mean of the worst tenth of the cells; (H, W, 2)."""
    cells = np.sort(differences.sum(axis=-1).ravel())
    return float(cells[-max(int(_WORST * len(cells)), 1) :].mean())


def _apart_moved(first: npt.NDArray[np.generic], second: npt.NDArray[np.generic]) -> float:
    """How far the chroma of two neighbouring frames is apart, mean over the frame, the second laid onto the first."""
    pictures = [np.asarray(one, np.float32) for one in (first, second)]
    x, y = frame_shift(*(np.ascontiguousarray(one.mean(axis=-1)) for one in pictures))
    size = (pictures[0].shape[1], pictures[0].shape[0])
    move = np.array([[1.0, 0.0, x], [0.0, 1.0, y]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(pictures[1], move, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return float(np.abs(_chroma(pictures[0]) - _chroma(moved)).sum(axis=-1).mean())


def _proposal(material: Material, row: int, found: tuple[float, str], training: Sequence[int]) -> Proposal:
    candidates = [one for one in material.candidates if one not in set(training)]
    best: int | None = row
    if row not in candidates:
        shares = np.sqrt(material.looks.shares)
        best = max(candidates, key=lambda one: float(shares[one] @ shares[row]), default=None)
    reference = None if best is None else material.partner(best).frame
    strength, reason = found
    frames = material.frames
    return Proposal(frames[row], reason, None if best is None else frames[best], reference, round(strength, 2))
