"""Rendered frames that went wrong, and the pairs that would have taught the model better.

Three signs: a frame's colour is farther from the reference than that of other frames, of the film or around it; it jumps
against both neighbours, their motion taken off, and the reference does not; or much of it has looks that no training pair
holds. All of it on small pictures, in coded Cb and Cr. Frames that stray one after the other are one proposal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
_AROUND = 12  # frames on each side that a frame is judged against: shots differ in what is usual
_GAP = 3  # frames: what strays again so soon after is one stretch
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Proposal:
    """Frames that stray. ``source`` is the worst of the stretch ``first`` to ``last`` (source frames), ``reason`` what is wrong
    with it; ``pair_source`` and ``pair_reference`` the pair to add, the frame itself or the one most like it that has a sound
    partner (None without one). ``strength`` is 1 at the limit of what counts."""

    source: int
    reason: str
    pair_source: int | None
    pair_reference: int | None
    strength: float
    first: int
    last: int

    @property
    def frames(self) -> str:
        """The stretch in words, at the start of a sentence."""
        if self.first == self.last:
            return f"Frame {self.source} strays"
        return f"Frames {self.first}-{self.last} stray, most {self.source}"


def find_outliers(material: Material, rendered: Survey, training: Sequence[int]) -> list[Proposal]:
    """Look through a render; the worst comes first.

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
    proposals = []
    for stretch in _stretches(sorted(found), material.shots):
        worst = max(stretch, key=lambda row: found[row][0])
        proposals.append(_proposal(material, worst, found[worst], training, (stretch[0], stretch[-1])))
    return sorted(proposals, key=lambda proposal: -proposal.strength)


def _stretches(rows: Sequence[int], shots: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Rows in order, parted at cuts and where more than a few between them do not stray."""
    starts = [first for first, _ in shots]
    found: list[list[int]] = []
    for row in rows:
        if found and row - found[-1][-1] <= _GAP and not any(found[-1][-1] < start <= row for start in starts):
            found[-1].append(row)
        else:
            found.append([row])
    return found


_Strengths = tuple[dict[int, tuple[float, float]], Callable[[int, float], str]]


def _from_reference(material: Material, shown: dict[int, FloatArray]) -> _Strengths:
    sound = set(material.candidates)
    values = {
        row: _worst_mean(np.abs(_chroma(picture) - _chroma(material.survey_b.thumbnails[material.partner(row).row])))
        for row, picture in shown.items()
        if row in sound
    }
    usual = {row: float(np.median(list(near.values()))) for row, near in _near(values, material.shots)}
    return (
        _judged(values, _FROM_REFERENCE, material.shots),
        lambda row, value: (
            f"its colour is {value * 255:.0f} of 255 away from the reference's in its worst parts "
            f"(usual around it: {usual[row] * 255:.0f})"
        ),
    )


def _from_neighbours(material: Material, shown: dict[int, FloatArray]) -> _Strengths:
    values = {}
    for first, last in material.shots:
        for row in range(first + 1, last - 1):
            near = (row - 1, row, row + 1)
            if all(one in shown for one in near):
                # What the film itself does, lightning or fast motion, is taken off.
                values[row] = _jump([shown[one] for one in near], _kept(material, near))
    return (
        _judged(values, _FROM_NEIGHBOURS, material.shots),
        lambda _row, value: f"its colour jumps by {value * 255:.0f} of 255 against both neighbours",
    )


def _kept(material: Material, rows: Sequence[int]) -> list[npt.NDArray[np.uint8]]:
    """The rows as the reference shows them, or the source where a partner lacks."""
    partners = [material.partners[row] for row in rows]
    known = [material.survey_b.thumbnails[one.row] for one in partners if one is not None]
    return known if len(known) == len(rows) else [material.survey_a.thumbnails[row] for row in rows]


def _unheld(
    material: Material, shown: dict[int, FloatArray], coverage: Coverage, words: Words, training: Sequence[int]
) -> _Strengths:
    lacking = 1.0 - coverage.held(training)
    shares = material.looks.shares[:, coverage.present].astype(np.float64)
    values = {row: (float(shares[row] @ lacking) / _UNHELD, float(shares[row] @ lacking)) for row in shown}
    return values, lambda row, value: f"{value:.0%} of it are colours that no training pair holds ({words.most(row, lacking)})"


def _judged(values: dict[int, float], least: float, shots: Sequence[tuple[int, int]]) -> dict[int, tuple[float, float]]:
    """Row to (strength, value): 1 is what stands out by four deviations, and is visible at all, of the film or of what is
    around it in its shot."""
    if not values:
        return {}
    whole = _limit(list(values.values()), least)
    return {
        row: (values[row] / min(whole, _limit(list(near.values()), least)), values[row]) for row, near in _near(values, shots)
    }


def _limit(values: Sequence[float], least: float) -> float:
    middle = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(np.array(values) - middle)))
    return max(middle + _SIGMAS * spread, middle + least)


def _near(values: dict[int, float], shots: Sequence[tuple[int, int]]) -> Iterator[tuple[int, dict[int, float]]]:
    """Every row with the values around it in its shot, its own among them."""
    for first, last in shots:
        for row in (row for row in range(first, last) if row in values):
            reach = range(max(row - _AROUND, first), min(row + _AROUND + 1, last))
            yield row, {one: values[one] for one in reach if one in values}


def _chroma(thumbnail: npt.NDArray[np.generic]) -> FloatArray:
    """Coded Cb and Cr of the cells of a small picture, (27, 48, 2)."""
    ycc = rgb_to_ycbcr(np.asarray(thumbnail, np.float32) / 255.0, "709")
    return np.asarray(cv2.resize(ycc, CELLS, interpolation=cv2.INTER_AREA)[..., 1:], np.float32)


def _worst_mean(differences: FloatArray) -> float:
    """Mean of the worst tenth of the cells; (H, W, 2)."""
    cells = np.sort(differences.sum(axis=-1).ravel())
    return float(cells[-max(int(_WORST * len(cells)), 1) :].mean())


def _jump(pictures: Sequence[npt.NDArray[np.generic]], kept: Sequence[npt.NDArray[np.generic]]) -> float:
    """How much farther the middle one of three frames is from its neighbours than in the film itself; of the neighbour where it
    is less, as a stray frame differs from both and a frame beside a stray one from one of them."""
    return max(min(_apart_moved(pictures[1], pictures[other]) - _apart_moved(kept[1], kept[other]) for other in (0, 2)), 0.0)


def _apart_moved(first: npt.NDArray[np.generic], second: npt.NDArray[np.generic]) -> float:
    """How far the chroma of two neighbouring frames is apart in its worst parts, the second laid onto the first."""
    pictures = [np.asarray(one, np.float32) for one in (first, second)]
    x, y = frame_shift(*(np.ascontiguousarray(one.mean(axis=-1)) for one in pictures))
    size = (pictures[0].shape[1], pictures[0].shape[0])
    move = np.array([[1.0, 0.0, x], [0.0, 1.0, y]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(pictures[1], move, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return _worst_mean(np.abs(_chroma(pictures[0]) - _chroma(moved)))


def _proposal(
    material: Material, row: int, found: tuple[float, str], training: Sequence[int], stretch: tuple[int, int]
) -> Proposal:
    candidates = [one for one in material.candidates if one not in set(training)]
    best: int | None = row
    if row not in candidates:
        shares = np.sqrt(material.looks.shares)
        best = max(candidates, key=lambda one: float(shares[one] @ shares[row]), default=None)
    reference = None if best is None else material.partner(best).frame
    strength, reason = found
    frames = material.frames
    return Proposal(
        frames[row],
        reason,
        None if best is None else frames[best],
        reference,
        round(strength, 2),
        frames[stretch[0]],
        frames[stretch[1]],
    )
