"""Which frames must not become pairs, and why: broken, black, flashed, torn, marked on one side, dissolving, blurred.

All of it is seen on the small pictures of two surveys. What both elements show (lightning, a title that was filmed) is no
fault; what only one of them has would be learned as if it were colour or detail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.elements.shots import shot_ranges, shows_something
from film_recovery.elements.survey import DETAIL_UNIT, Survey

BESIDE_CUT = "beside a cut"
_AROUND = 3  # frames on each side that a frame is compared with
_FLASH = 0.12  # natural logarithm of light: a flash is more than this, and
_SIGMAS = 6.0  # more than so many usual deviations of its shot
_TORN = 0.35  # correlation with the neighbours that one element lacks and the other has
_MOVED = (8, 6)  # coarse pixels, a twelfth of the frame, that the picture may move from frame to frame
_TILE = (12, 9)  # detail pixels, width and height
_MARK_ENERGY, _MARK_RATIO, _MARK_LIKENESS = 1.6, 3.0, 0.35
_MARKED_TILES = 3
_SOFT_CUT, _DISSOLVE = 0.35, 13  # share of the change that a hard cut makes at once; half of the longest dissolve, frames
_BLURRED = 0.6  # of the usual fine contrast of the frames around
_NEARBY = 10  # frames on each side
_UNSURE = 0.5  # confidence of a match
_STILL_TRUST = 0.6  # of a frame whose partner may be some frames off
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Partner:
    """Where a source frame's partner is: its ``row`` in the reference's survey and ``frame`` number, how sure the match is
    (0..1), and by how many frames it may be off."""

    row: int
    frame: int
    confidence: float = 1.0
    plus_minus: int = 0


@dataclass(frozen=True)
class Soundness:
    """``faults`` are rows of the source that must not be used, with the reason; ``trust`` (N,) 0..1 how much the word
    of a row counts."""

    faults: dict[int, str]
    trust: npt.NDArray[np.float64]


def judge_frames(source: Survey, reference: Survey, partners: Sequence[Partner | None], starts: Sequence[int]) -> Soundness:
    """Judge every frame of the source that has a partner.

    Args:
        source: (N frames).
        reference: its small pictures already in the source's framing.
        partners: for every source frame.
        starts: first rows of the source's shots.
    """
    count = len(source.frames)
    rows = [row for row in range(count) if partners[row] is not None]
    faults: dict[int, str] = {}
    trust = np.ones(count)
    for row in rows:
        partner = partners[row]
        assert partner is not None
        _single_faults(source, reference, row, partner, faults)
        if partner.plus_minus:
            trust[row] = _STILL_TRUST
    known = _Known(source, reference, partners, [row for row in rows if row not in faults])
    for first, last in shot_ranges(list(starts), count):
        inside = [row for row in known.rows if first <= row < last]
        _flashes(known, inside, faults)
        _tears(known, inside, faults)
        _marks(known, inside, faults)
        _blurs(known, inside, faults, trust)
    _cuts(source, starts, rows, faults)
    return Soundness(faults, trust)


@dataclass(frozen=True)
class _Known:
    """What the judging of one frame among others needs."""

    source: Survey
    reference: Survey
    partners: Sequence[Partner | None]
    rows: list[int]

    def other(self, row: int) -> int:
        partner = self.partners[row]
        assert partner is not None
        return partner.row


def _single_faults(source: Survey, reference: Survey, row: int, partner: Partner, faults: dict[int, str]) -> None:
    for name, survey, index in (("source", source, row), ("reference", reference, partner.row)):
        frame = int(survey.frames[index])
        if frame in survey.broken:
            faults[row] = f"frame {frame} of the {name} cannot be read"
        elif not shows_something(survey.thumbnails[index]):
            faults[row] = f"frame {frame} of the {name} shows nothing (black or one colour)"
    if row not in faults and partner.confidence < _UNSURE:
        faults[row] = f"the match with frame {partner.frame} of the reference is not sure ({partner.confidence:.0%})"


def _flashes(known: _Known, rows: Sequence[int], faults: dict[int, str]) -> None:
    """A frame brighter or darker than those around it in one element alone."""
    if len(rows) < 2 * _AROUND:
        return
    light = np.array([
        [np.log(float(np.asarray(picture).mean()) + 4.0) for picture in (
            known.source.thumbnails[row], known.reference.thumbnails[known.other(row)])]
        for row in rows
    ])  # fmt: skip
    away = np.zeros_like(light)
    for place in range(len(rows)):
        near = [other for other in range(max(place - _AROUND, 0), min(place + _AROUND + 1, len(rows))) if other != place]
        away[place] = light[place] - np.median(light[near], axis=0)
    usual = 1.4826 * np.median(np.abs(away), axis=0) + 1e-4
    for place, row in enumerate(rows):
        for side, name in enumerate(("source", "reference")):
            size, other = abs(away[place, side]), abs(away[place, 1 - side])
            if size > max(_FLASH, _SIGMAS * usual[side]) and other < 0.5 * size:
                faults.setdefault(row, f"a flash in the {name}")


def _tears(known: _Known, rows: Sequence[int], faults: dict[int, str]) -> None:
    """A frame that is not found again beside it in one element, though its partner is in the other."""
    if len(rows) < 3:
        return
    ours = [_coarse(known.source.details[row]) for row in rows]
    theirs = [_coarse(known.reference.details[known.other(row)]) for row in rows]
    likeness = np.array([[_beside(planes, place) for planes in (ours, theirs)] for place in range(len(rows))])
    usual = np.median(likeness, axis=0)
    for place, row in enumerate(rows):
        lack = usual - likeness[place]
        for side, name in enumerate(("source", "reference")):
            if lack[side] > _TORN and lack[side] - lack[1 - side] > _TORN:
                faults.setdefault(row, f"the {name} is torn, spliced or damaged there")


def _coarse(plane: npt.NDArray[np.int8]) -> FloatArray:
    soft = cv2.GaussianBlur(np.asarray(plane, np.float32) / DETAIL_UNIT, (0, 0), 2.0)
    return np.asarray(cv2.resize(soft, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.float32)


def _beside(planes: Sequence[FloatArray], place: int) -> float:
    """The better correlation with a neighbour, wherever the camera has moved to: a pan alone must not make frames unlike."""
    across, down = _MOVED
    here = np.ascontiguousarray(planes[place][down:-down, across:-across])
    if float(here.std()) < 1e-3:
        return 0.0  # nothing is there to be found again
    near = [planes[other] for other in (place - 1, place + 1) if 0 <= other < len(planes)]
    return max(float(cv2.matchTemplate(other, here, cv2.TM_CCOEFF_NORMED).max()) for other in near)


def _marks(known: _Known, rows: Sequence[int], faults: dict[int, str]) -> None:
    """Subtitles, logos, hairs, blotches: tiles with much more going on in one element, unlike what the other shows there."""
    for row in rows:
        if row in faults:
            continue
        marked = marked_tiles(known.source.details[row], known.reference.details[known.other(row)])
        for side, name in enumerate(("source", "reference")):
            count, lowest = _largest_group(marked[side])
            if count >= _MARKED_TILES:
                what = "a subtitle or title" if lowest >= 0.66 and count >= 2 * _MARKED_TILES else "dirt, damage or lettering"
                faults[row] = f"{what} in the {name} alone"


def marked_tiles(
    ours: npt.NDArray[np.int8], theirs: npt.NDArray[np.int8]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Tiles (12, 16) in which the first detail plane (108, 192) has what the second lacks, and the other way round."""
    planes = [np.asarray(plane, np.float32) / DETAIL_UNIT for plane in (ours, theirs)]
    planes = [np.asarray(cv2.GaussianBlur(plane, (0, 0), 0.8), np.float32) for plane in planes]
    size = (planes[0].shape[1] // _TILE[0], planes[0].shape[0] // _TILE[1])
    powers = [cv2.resize(plane**2, size, interpolation=cv2.INTER_AREA) for plane in planes]
    both = cv2.resize(planes[0] * planes[1], size, interpolation=cv2.INTER_AREA)
    likeness = both / np.sqrt(powers[0] * powers[1] + 1e-6)
    level = [power / max(float(power.mean()), 1e-6) for power in powers]
    found = [
        (level[side] > _MARK_ENERGY) & (level[side] > _MARK_RATIO * level[1 - side]) & (likeness < _MARK_LIKENESS)
        for side in (0, 1)
    ]
    return np.asarray(found[0], bool), np.asarray(found[1], bool)


def _largest_group(marked: npt.NDArray[np.bool_]) -> tuple[int, float]:
    """Tiles of the largest connected group, and how far down the frame its middle lies (0 to 1)."""
    count, _, stats, centroids = cv2.connectedComponentsWithStats(marked.astype(np.uint8), connectivity=8)
    if count < 2:
        return 0, 0.0
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    return int(stats[largest, cv2.CC_STAT_AREA]), float((centroids[largest, 1] + 0.5) / marked.shape[0])


def _blurs(known: _Known, rows: Sequence[int], faults: dict[int, str], trust: npt.NDArray[np.float64]) -> None:
    """Frames with much less fine contrast than those around them, in either element."""
    if len(rows) < 2 * _AROUND:
        return
    fine = np.array([
        [_fine_contrast(picture) for picture in (known.source.thumbnails[row], known.reference.thumbnails[known.other(row)])]
        for row in rows
    ])  # fmt: skip
    for place, row in enumerate(rows):
        near = fine[max(place - _NEARBY, 0) : place + _NEARBY + 1]
        ratio = float((fine[place] / np.maximum(np.median(near, axis=0), 1e-6)).min())
        if ratio < _BLURRED:
            faults.setdefault(row, "blurred by motion or out of focus, against the frames around it")
        trust[row] *= float(np.clip(ratio, 0.5, 1.0))


def _fine_contrast(thumbnail: npt.NDArray[np.uint8]) -> float:
    luma = np.asarray(thumbnail, np.float32).mean(axis=-1)
    return float(np.abs(cv2.Laplacian(luma, cv2.CV_32F)).mean() / (luma.mean() + 4.0))


def _cuts(source: Survey, starts: Sequence[int], rows: Sequence[int], faults: dict[int, str]) -> None:
    """Frames beside a cut (splices, half-exposed frames) and within a dissolve."""
    with_partner = set(rows)
    count = len(source.frames)
    for start in [start for start in starts if start > 0]:
        jump = _apart(source, start - 1, start)
        whole = _apart(source, max(start - _DISSOLVE, 0), min(start + _DISSOLVE, count - 1))
        soft = jump < _SOFT_CUT * whole
        reach = _DISSOLVE if soft else 1
        for row in range(max(start - reach, 0), min(start + reach, count)):
            if row in with_partner:
                faults.setdefault(row, "within a dissolve" if soft else BESIDE_CUT)


def _apart(survey: Survey, first: int, second: int) -> float:
    pictures = [np.asarray(survey.thumbnails[row], np.float32) for row in (first, second)]
    return float(np.abs(pictures[0] - pictures[1]).mean())
