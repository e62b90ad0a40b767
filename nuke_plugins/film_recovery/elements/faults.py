"""Faults that show over time or between lines: unsteadiness, dust, repeated frames, combed fields; None where unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

_FEWEST_STEPS = 8  # frames below which unsteadiness cannot be told from the camera
_OUTLIER = 2.5  # deviations; a position lost in fast motion counts no more than this
_SPECK = 0.10  # coded contrast below which a speck is not counted
_SIGMAS = 6.0
_SAME = 0.2  # share of the usual change below which a frame repeats the one before
_STILL = 0.6  # of 255: with less change a frame nothing tells a repetition from a still picture
_LONGEST_PERIOD = 25
_COMB_TILE = 32
COMBED = 1.5
FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Cadence:
    """Repeated frames. ``repeats`` are indexes of frames that show the one before again. ``period`` says that every so many
    frames one is a repetition (5 is left by a 2:3 pulldown whose fields were joined, 2 is twice printed); None: no rhythm."""

    repeats: list[int]
    period: int | None

    def sentence(self) -> str:
        """In plain words."""
        if self.period is not None:
            known = {2: "printed twice, or 12 to 24 frames a second", 4: "18 to 24 frames a second", 5: "24 to 30 by pulldown",
                     25: "24 to 25 frames a second"}  # fmt: skip
            meaning = f" (as from {known[self.period]})" if self.period in known else ""
            return f"one frame of every {self.period} repeats the one before{meaning}"
        return f"{len(self.repeats)} frames repeat the one before, without a rhythm" if self.repeats else "no frame is repeated"


def cadence(thumbnails: ByteArray) -> Cadence | None:
    """Repeated frames of one shot, from its thumbnails (N, H, W, 3) uint8.

    A repetition changes far less than its neighbours do, flicker of the whole picture left out. None with fewer than ten
    frames, or where so little moves that a repetition would look like any other frame.
    """
    count = len(thumbnails)
    if count < 10:
        return None
    change, previous = np.zeros(count), None
    for index in range(count):
        plane = np.asarray(thumbnails[index], np.float32).mean(axis=-1)
        plane = cv2.GaussianBlur(plane, (0, 0), 0.8)
        plane *= 100.0 / max(float(plane.mean()), 1.0)
        if previous is not None:
            change[index] = float(np.sqrt(((plane - previous) ** 2).mean()))
        previous = plane
    usual = float(np.quantile(change[1:], 0.75))
    if usual < _STILL:
        return None
    repeats = []
    for index in range(1, count):
        near = np.concatenate([change[max(index - 4, 1) : index], change[index + 1 : index + 5]])
        here = float(np.quantile(near, 0.75))
        if here >= _STILL and change[index] < _SAME * here:
            repeats.append(index)
    return Cadence(repeats, _period(repeats, count))


def _period(repeats: list[int], count: int) -> int | None:
    flags = np.zeros(count, bool)
    flags[repeats] = True
    for period in range(2, _LONGEST_PERIOD + 1):
        if count < 3 * period:
            break
        hits = np.array([flags[phase::period].mean() for phase in range(period)])
        best = int(np.argmax(hits))
        outside = np.delete(hits, best)
        if hits[best] >= 0.8 and outside.max() <= 0.2:
            return period
    return None


def frame_shift(first: FloatArray, second: FloatArray) -> tuple[float, float]:
    """How far the second luma picture (H, W) lies right of and below the first, pixels, by phase correlation.

    It is drawn to whole pixels, by up to 0.26 where the truth is half a pixel; a single peak refined step by step (OpenCV's
    iterative variant) would be closer on clean pictures and is lost on grainy ones.
    """
    window = cv2.createHanningWindow((first.shape[1], first.shape[0]), cv2.CV_32F)
    a, b = (cv2.GaussianBlur(picture, (0, 0), 1.0) for picture in (first, second))
    (x, y), _ = cv2.phaseCorrelate(a - float(a.mean()), b - float(b.mean()), window)
    return float(x), float(y)


def unsteadiness(shifts: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """Root-mean-square unsteadiness in x and y, pixels, from the shifts of consecutive frames of one shot.

    The camera's smooth path is taken off, and weave slower than about a sixth of the frame rate goes with it: the figure is
    that of the jump from frame to frame. None with fewer than eight shifts.
    """
    if len(shifts) < _FEWEST_STEPS:
        return None
    steps = np.asarray(shifts, np.float64)
    # White jump j puts j(t) - j(t-1) into the steps: their second difference is free of any path of even acceleration.
    bend = np.diff(steps, n=2, axis=0)
    # The positions' third difference: binomials 1, 3, 3, 1.
    usual = 1.4826 * np.median(np.abs(bend), axis=0)
    spread = np.sqrt((np.clip(bend, -_OUTLIER * usual, _OUTLIER * usual) ** 2).mean(axis=0) / 20.0)
    return float(spread[0]), float(spread[1])


def specks(
    before: FloatArray, here: FloatArray, after: FloatArray, shifts: tuple[tuple[float, float], ...] | None = None
) -> tuple[int, int]:
    """Dark and bright specks that one frame alone has; coded luma (H, W), 0..1, of three consecutive frames.

    What lies outside all that both neighbours show nearby (spike detection) counts when it stands out of grain and the
    neighbours agree with each other. Specks in fast motion are left out, and ones at the same place in neighbours too.
    ``shifts`` are those of ``before`` and ``after`` against ``here``, where they are known already.
    """
    shape = (here.shape[1], here.shape[0])
    both = []
    for other, (x, y) in zip((before, after), shifts or (frame_shift(here, before), frame_shift(here, after)), strict=True):
        move = np.array([[1.0, 0.0, x], [0.0, 1.0, y]])
        both.append(cv2.warpAffine(other, move, shape, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                                   borderMode=cv2.BORDER_REPLICATE))  # fmt: skip
    soft = [cv2.GaussianBlur(picture, (0, 0), 0.8) for picture in (*both, here)]
    near = np.ones((5, 5), np.uint8)
    highest = np.maximum(*(cv2.dilate(picture, near) for picture in soft[:2]))
    lowest = np.minimum(*(cv2.erode(picture, near) for picture in soft[:2]))
    apart = np.abs(soft[0] - soft[1])
    noise = 1.4826 * float(np.median(apart)) / np.sqrt(2.0)
    limit = max(_SPECK, _SIGMAS * noise)
    agree = cv2.dilate(apart, np.ones((7, 7), np.uint8)) < limit
    agree[:4], agree[-4:], agree[:, :4], agree[:, -4:] = False, False, False, False
    counts = [
        cv2.connectedComponents((mask & agree).astype(np.uint8), connectivity=8)[0] - 1
        for mask in (lowest - soft[2] > limit, soft[2] - highest > limit)
    ]
    return counts[0], counts[1]


def combing(luma: FloatArray) -> float:
    """How much two fields of one frame (coded luma, H, W) show different moments: 1.1 or less when they do not, above
    :data:`COMBED` when something moves by a few pixels between them.

    Lines next to each other differ more than lines of the same field do; the same ratio across columns, where no fields are,
    is the picture's own, and 1 is that of grain. The 95th percentile over tiles of 32 pixels: only what moves combs.
    """
    down, across = _neighbour_ratio(luma), _neighbour_ratio(np.ascontiguousarray(luma.T)).T
    rows, columns = min(down.shape[0], across.shape[0]), min(down.shape[1], across.shape[1])
    ratio = down[:rows, :columns] / np.maximum(across[:rows, :columns], 1.0)
    return float(np.quantile(ratio, 0.95)) if ratio.size else 0.0


def _neighbour_ratio(luma: FloatArray) -> FloatArray:
    """Of every tile: mean square second difference of adjacent lines over that of every second line."""
    adjacent = np.zeros_like(luma)
    second = np.zeros_like(luma)
    adjacent[2:-2] = (luma[1:-3] + luma[3:-1] - 2.0 * luma[2:-2]) ** 2
    second[2:-2] = (luma[:-4] + luma[4:] - 2.0 * luma[2:-2]) ** 2
    size = (max(luma.shape[1] // _COMB_TILE, 1), max(luma.shape[0] // _COMB_TILE, 1))
    top, bottom = (cv2.resize(part, size, interpolation=cv2.INTER_AREA) for part in (adjacent, second))
    return np.asarray((top + 1e-6) / (bottom + 1e-6), np.float32)
