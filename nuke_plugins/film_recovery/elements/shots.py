"""Where one shot ends and the next begins, from the thumbnails of a survey; nothing is trained and nothing is read again.

Two frames belong to one shot when the parts of one are found again in the other, a little moved: blocks are searched by
normalised correlation on log-coded pictures whose channels were brought to one contrast, so that fading, exposure and flicker
say nothing. Pictures that have nothing in common reach about 0.6, as any two pictures do; a fast pan stays above 0.8.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

_ALIKE = 0.72  # likeness below which nothing is found again
_DROP = 0.10  # a cut is less alike than the frames around it by this much: fast motion is not
_AROUND = 4  # frames on each side that say how alike frames are here
_FLASH = 3  # frames: a disturbance this short or shorter is no shot
_BLOCK = (16, 18)  # width, height
_REACH = 10  # thumbnail pixels a block may have moved, a tenth of the width
_PLAIN = 2.5  # standard deviation, of 255: a frame that shows less is black, white or unreadable
_DISSOLVES = (8, 12, 18, 26)  # frames tried
_MIXED = 0.92  # share of the change that a mixture of both ends must explain
_LIT = 0.25  # of the brightest line; what never gets lighter is border
_MARGIN = 0.025  # of the lit part; soft edges and weave
_SAMPLES = 200
_LOG_TOE = 8.0  # of 255; keeps grain of the blacks from counting
FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]


def find_shots(thumbnails: ByteArray) -> list[int]:
    """Index of the first frame of every shot, ascending; the first is 0, and none for no frames.

    Flashes and torn pictures of up to three frames, flicker, fades of exposure and a jump over lost frames are no cuts as long
    as the picture is found again within a tenth of its width; a longer jump is taken for a cut, as nothing tells it apart.
    Frames without a picture (black, white, unreadable) belong to the shot before them. A dissolve between quiet shots counts
    as a cut near its middle; one between moving pictures may pass unseen.

    Args:
        thumbnails: uint8 (N, H, W, 3), display-coded, as :attr:`film_recovery.elements.survey.Survey.thumbnails`.
    """
    count = len(thumbnails)
    if not count:
        return []
    shown = [index for index in range(count) if shows_something(thumbnails[index])]

    inside = inside_of(thumbnails)

    @lru_cache(maxsize=64)
    def picture(place: int) -> FloatArray:
        return levelled(thumbnails[shown[place]], inside)

    def alike(first: int, second: int) -> float:
        return likeness(picture(first), picture(second))

    steps = np.array([1.0, *(alike(place - 1, place) for place in range(1, len(shown)))])
    cuts = [place for place in range(1, len(shown)) if _is_cut(steps, place, alike)]
    cuts = _merged(cuts, steps)
    cuts = sorted({*cuts, *_dissolves(thumbnails, shown, cuts, alike)})
    return [0, *(shown[place] for place in cuts)]


def shows_something(thumbnail: ByteArray) -> bool:
    """Whether a frame is neither black, white, of one colour nor unreadable; uint8 (H, W, 3), display-coded."""
    return float(np.asarray(thumbnail).std(axis=(0, 1)).max()) >= _PLAIN


def shot_ranges(starts: list[int], count: int) -> list[tuple[int, int]]:
    """(first, one past the last) index of every shot."""
    return list(zip(starts, [*starts[1:], count], strict=True))


def likeness(first: FloatArray, second: FloatArray) -> float:
    """How much of the second picture is found in the first, -1 to 1; both (54, 96) float32 of :func:`levelled`."""
    direct = float((first * second).mean() / np.sqrt((first * first).mean() * (second * second).mean() + 1e-9))
    if direct > 0.9:
        return direct  # nothing moved: no search
    wide = cv2.copyMakeBorder(first, _REACH, _REACH, _REACH, _REACH, cv2.BORDER_REFLECT)
    (width, height), found, weights = _BLOCK, 0.0, 1e-6
    for y in range(0, second.shape[0] - height + 1, height):
        for x in range(0, second.shape[1] - width + 1, width):
            block = second[y : y + height, x : x + width]
            area = wide[y : y + height + 2 * _REACH, x : x + width + 2 * _REACH]
            weight = float(block.std())
            if weight > 1e-3:
                found += weight * float(cv2.matchTemplate(area, block, cv2.TM_CCOEFF_NORMED).max())
                weights += weight
    return found / weights


def inside_of(thumbnails: ByteArray) -> tuple[slice, slice]:
    """Rows and columns inside of dark borders: a gate's edge stands still through every cut and would make all frames alike."""
    step = max(len(thumbnails) // _SAMPLES, 1)
    brightest = np.asarray(thumbnails[::step], np.uint8).max(axis=(0, 3)).astype(np.float32)
    found = []
    for axis in (1, 0):
        line = np.median(brightest, axis=axis)
        lit = np.flatnonzero(line > _LIT * line.max())
        first, last = (int(lit[0]), int(lit[-1]) + 1) if len(lit) else (0, len(line))
        if last - first < len(line) // 4:  # a bright edge or scratch in a dark element, not its picture
            first, last = 0, len(line)
        margin = max(round(_MARGIN * (last - first)), 1)
        found.append(slice(first + margin, last - margin))
    return found[0], found[1]


def levelled(thumbnail: ByteArray, inside: tuple[slice, slice]) -> FloatArray:
    """What is inside, enlarged to a whole thumbnail, log-coded, every channel with mean 0 and like contrast, one plane."""
    size = (thumbnail.shape[1], thumbnail.shape[0])
    cut = cv2.resize(np.ascontiguousarray(thumbnail[inside]), size, interpolation=cv2.INTER_LINEAR)
    coded = np.log2(np.asarray(cut, np.float32) + _LOG_TOE)
    coded = np.asarray(cv2.GaussianBlur(coded, (0, 0), 1.0), np.float32)
    coded -= coded.mean(axis=(0, 1))
    plane = (coded / (coded.std(axis=(0, 1)) + 0.05)).mean(axis=-1)
    return np.asarray(plane - plane.mean(), np.float32)


def _is_cut(steps: npt.NDArray[np.float64], place: int, alike: Callable[[int, int], float]) -> bool:
    if steps[place] >= _ALIKE:
        return False
    around = np.concatenate([steps[max(place - _AROUND, 1) : place], steps[place + 1 : place + 1 + _AROUND]])
    if len(around) and steps[place] > np.median(around) - _DROP:
        return False
    # A flash, a torn frame or a few foreign ones: what came before is there again after them.
    before = range(max(place - _FLASH - 1, 0), place)
    after = range(place, min(place + _FLASH + 1, len(steps)))
    return all(alike(first, second) < _ALIKE for first in before for second in after)


def _merged(cuts: list[int], steps: npt.NDArray[np.float64]) -> list[int]:
    """Of cuts within a flash's length of each other only the strongest."""
    kept: list[int] = []
    for place in cuts:
        if kept and place - kept[-1] <= _FLASH:
            if steps[place] < steps[kept[-1]]:
                kept[-1] = place
        else:
            kept.append(place)
    return kept


def _dissolves(
    thumbnails: ByteArray, shown: list[int], cuts: list[int], alike: Callable[[int, int], float]
) -> list[int]:  # fmt: skip
    """Middles of dissolves: everything between two unlike frames is a mixture of the two, ever more of the second."""
    found: list[int] = []
    for length in _DISSOLVES:
        half = length // 2
        for middle in range(half, len(shown) - half):
            first, last = middle - half, middle + half
            if any(first < cut <= last for cut in cuts) or any(abs(middle - other) <= length for other in found):
                continue
            if not _is_mixed(thumbnails, [shown[place] for place in range(first, last + 1)]) or alike(first, last) >= _ALIKE:
                continue
            found.append(middle)
    return found


def _is_mixed(thumbnails: ByteArray, frames: list[int]) -> bool:
    quarter = len(frames) // 4
    ends = [np.asarray(thumbnails[index], np.float32).ravel() for index in (frames[0], frames[-1])]
    change = ends[1] - ends[0]
    size = float(change @ change)
    if size < len(change) * 64.0:  # the ends differ by less than 8 of 255: nothing happens here
        return False
    shares = []
    for place in (quarter, len(frames) // 2, len(frames) - 1 - quarter):
        from_first = np.asarray(thumbnails[frames[place]], np.float32).ravel() - ends[0]
        share = float(from_first @ change) / size
        left = float(((from_first - share * change) ** 2).mean())
        if left > (1.0 - _MIXED) * size / len(change) * max(share * (1.0 - share), 0.05) * 4.0:
            return False
        shares.append(share)
    return shares[0] > 0.03 and shares[0] + 0.1 < shares[1] < shares[2] - 0.1 and shares[2] < 0.97
