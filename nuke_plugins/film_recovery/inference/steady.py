"""How a frame's colour deviates from its neighbours': the flicker of whole frames that a model, seeing one, cannot know.

A faded layer that flickers by 0.005 in density flickers three times as much once the balance has given it back its contrast.
Every frame is compared with frames up to 16 before it on small pictures of density: along the optical flow for near ones, in
place for far ones. Patches whose content is the same in both (what is left after their own mean is small) each tell a change
per channel; their median is the change of the whole frame, if they agree. Least squares make of all comparisons in the window
one curve of density per channel, and a frame's deviation is its distance to the line through the frames beside it: beside a
cut these lie on one side, and the mean of a slow change would lie off it.

What must not be ironed out stays: frames count in that line by how near their level is (a bilateral filter over time), so that
fades, lightning and switched lamps have only their own kind for neighbours, and a steady rise keeps its slope. The window
ends at a cut, where neither neighbours nor frames a flash apart show the same picture. What is left is indistinguishable from
flicker: a true change of the whole frame's colour, slower than a frame or two, smaller than 0.05 in density and gone within
two seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.contract.card import ModelCard
from film_recovery.contract.errors import MissingFrameError, UnreadableImageError
from film_recovery.contract.steady import WINDOW
from film_recovery.images import single
from film_recovery.images.colour import luma_coefficients
from film_recovery.images.encodings import linear_to_density
from film_recovery.images.frame import Frame
from film_recovery.images.movie import Movie
from film_recovery.images.sequence import Sequence

_LAGS = (1, 2, 4, 8, 16)  # frames compared; far ones keep errors from adding up
_BRIDGED = 4  # the longest lag that can bridge a flash or a torn frame; where none of these holds, there is a cut
_WIDTH = 160  # pixels of a small picture; each averages the grain of tens or hundreds
_PATCH = 8  # small pixels
_THINNEST, _DENSEST = 0.02, 2.2  # density: patches that are burnt out or black say nothing
_SAME = 0.03  # density: largest deviation inside a patch between two frames that show the same
_AGREED = 0.02  # density: largest median deviation of the patches from their median; more is not a change of the whole frame
_FEWEST, _SHARE = 12, 0.15  # patches, and their share of all that are exposed, that must show the same
_NOISE = 0.004  # density: what a patch changes inside by grain alone
_ROUNDS = 6
_LIKE = 0.05  # density: a frame whose level differs by more is not a neighbour but another light
_USUAL_SLOPE = 1e-4  # density a frame: what flickers tells a slope badly, and then a level line is the better guess
_WEAK = 1e-6  # weight that ties the curve to zero where nothing is compared
_DECIMALS = 4  # of a deviation: what cannot be seen shall not make frames stale when a neighbour changes a little

FloatArray = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float64]
Deviation = tuple[float, float, float]  # red, green, blue, density
NO_DEVIATION: Deviation = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class SmallPicture:
    """A frame's statistics: density (h, w, 3), at most 160 wide, and the plane (h, w), uint8, by which content is followed."""

    density: FloatArray
    plane: npt.NDArray[np.uint8]


class Steadiness:
    """Deviations of the frames of one source, each from a fixed window of frames around it, so that chunks do not matter.

    Small pictures and comparisons are kept as long as frames near them are asked for: in a run of frames each is read once.

    Args:
        frames: the frames there are, which may have gaps.
        read: gives a frame as working-space RGB (H, W, 3), or None where it cannot be read, which then counts as a gap.
        encoding: of the working space.
    """

    def __init__(self, frames: list[int], read: Callable[[int], FloatArray | None], encoding: str) -> None:
        self._frames, self._read, self._encoding = frozenset(frames), read, encoding
        self._pictures: dict[int, SmallPicture | None] = {}
        self._changes: dict[tuple[int, int], tuple[Vector, float] | None] = {}
        self._lock = threading.Lock()

    def deviation(self, frame: int) -> Deviation:
        """By how much the frame's density is too high, red, green, blue; zeros where no neighbour can tell."""
        with self._lock:
            self._forget(range(frame - WINDOW, frame + WINDOW + 1))
            first, last = self._shot(frame)
            curve = self._curve(range(first, last + 1), frame)
        if curve is None:
            return NO_DEVIATION
        levels, away = curve
        own = levels[away == 0.0][0]
        distance = np.abs(levels - own).max(axis=1)
        weights = np.clip(1.0 - (distance / _LIKE) ** 2, 0.0, None) ** 2
        line = _line(away, levels, weights)
        red, green, blue = (round(float(value), _DECIMALS) + 0.0 for value in own - line)
        return (red, green, blue)

    def picture(self, frame: int) -> SmallPicture | None:
        """A frame's small picture, None where it cannot be read; kept if it was in the window of the last deviation."""
        with self._lock:
            return self._picture(frame)

    def _shot(self, frame: int) -> tuple[int, int]:
        """First and last frame of the part of the window that shows the same shot."""
        first = last = frame
        while first > frame - WINDOW and self._holds(first - 1, frame):
            first -= 1
        while last < frame + WINDOW and self._holds(last, frame):
            last += 1
        return first, last

    def _holds(self, before: int, middle: int) -> bool:
        """Whether content goes on from ``before`` to the frame after it, or over a disturbance of a few frames."""
        for lag in (lag for lag in _LAGS if lag <= _BRIDGED):
            for start in range(before - lag + 1, before + 1):
                inside = start >= middle - WINDOW and start + lag <= middle + WINDOW
                if inside and self._change(start, start + lag) is not None:
                    return True
        return False

    def _curve(self, frames: range, frame: int) -> tuple[Vector, Vector] | None:
        """Density levels (N, 3) of the frames that are tied to ``frame`` by comparisons, itself too, and how many frames after
        it they are (N,)."""
        ties = [
            (start, start + lag, found)
            for start in frames
            for lag in _LAGS
            if start + lag in frames and (found := self._change(start, start + lag)) is not None
        ]
        beside: dict[int, list[int]] = {}
        for start, end, _ in ties:
            beside.setdefault(start, []).append(end)
            beside.setdefault(end, []).append(start)
        tied, reached = {frame}, [frame]
        while reached:
            more = [other for other in beside.get(reached.pop(), []) if other not in tied]
            tied.update(more)
            reached += more
        if len(tied) < 2:
            return None
        order = sorted(tied)
        place = {number: index for index, number in enumerate(order)}
        normal, right = _WEAK * np.eye(len(order)), np.zeros((len(order), 3))
        for start, end, (change, weight) in ties:
            if start not in place:
                continue
            a, b = place[start], place[end]
            normal[a, a] += weight
            normal[b, b] += weight
            normal[a, b] -= weight
            normal[b, a] -= weight
            right[b] += weight * change
            right[a] -= weight * change
        return np.asarray(np.linalg.solve(normal, right), np.float64), np.array(order, np.float64) - frame

    def _change(self, first: int, second: int) -> tuple[Vector, float] | None:
        pair = (first, second)
        if pair not in self._changes:
            before, after = self._picture(first), self._picture(second)
            self._changes[pair] = None if before is None or after is None else frame_change(before, after)
        return self._changes[pair]

    def _picture(self, frame: int) -> SmallPicture | None:
        if frame not in self._pictures:
            rgb = self._read(frame) if frame in self._frames else None
            self._pictures[frame] = None if rgb is None else small_picture(rgb, self._encoding)
        return self._pictures[frame]

    def _forget(self, window: range) -> None:
        self._pictures = {frame: picture for frame, picture in self._pictures.items() if frame in window}
        self._changes = {pair: change for pair, change in self._changes.items() if pair[0] in window and pair[1] in window}


def _line(away: Vector, levels: Vector, weights: Vector) -> Vector:
    """Where a line through ``levels`` (N, C) that are so far ``away`` (N,) is at 0: (C,).

    The more the levels scatter around it the less it slopes: a ridge of their variance over that of slopes there are (Hoerl and
    Kennard 1970).
    """
    middle, mean = weights @ away / weights.sum(), weights @ levels / weights.sum()
    beside = weights * (away - middle)
    spread = max(float(beside @ (away - middle)), 1e-9)
    slope = beside @ levels / spread
    left = weights @ np.square(levels - mean - np.outer(away - middle, slope)) / weights.sum()
    return np.asarray(mean - middle * slope * spread / (spread + left / _USUAL_SLOPE**2))


def source_reader(
    sequence: Sequence, card: ModelCard, keep: Callable[[int, Frame], None]
) -> Callable[[int], FloatArray | None]:
    """Reads a sequence's frames for :class:`Steadiness`; None for those that are gone, unreadable or of another kind.

    ``keep`` is given every frame that was read, so that who needs it later need not read it again. While a frame is looked at,
    a thread of its own reads the next: at the beginning of a run everything waits for the first window.
    """
    # A movie is decoded forwards: who reads at two places of it needs two readers.
    ahead = replace(sequence, movie=Movie(sequence.movie.path)) if sequence.movie else sequence
    reader, there = ThreadPoolExecutor(1, "ahead"), frozenset(sequence.frames)
    following: dict[int, Future[Frame]] = {}  # the next frame, at most one
    asked: set[int] = set()

    def read(number: int) -> FloatArray | None:
        found = following.pop(number, None) or reader.submit(ahead.read, number)
        following.clear()  # what is left there was passed over
        asked.add(number)
        if number + 1 in there and number + 1 not in asked:
            following[number + 1] = reader.submit(ahead.read, number + 1)
        try:
            frame = found.result()
        except (MissingFrameError, UnreadableImageError):
            return None  # told when it is its turn, if it is asked for
        keep(number, frame)
        return frame.rgb if frame.is_coded == (card.encoding == "none") else None

    return read


def steadied(rgb: FloatArray, deviation: Deviation, encoding: str) -> FloatArray:
    """Working-space RGB (H, W, 3), any range, without its deviation in density: linear light times ``10 ** deviation``."""
    gain = np.tile(np.power(10.0, np.asarray(deviation)).astype(np.float32), rgb.shape[1])  # of a whole row

    def rows(values: FloatArray) -> FloatArray:
        return single.from_linear(single.to_linear(values, encoding) * gain, encoding)

    return single.by_bands(rows, rgb)


def with_kept_luma(recovered: FloatArray, source: FloatArray, card: ModelCard, change: FloatArray | None = None) -> FloatArray:
    """``recovered`` with the luma of the balanced ``source``, as the model itself keeps it; both (H, W, 3), working space.

    What the model kept was the luma of the steadied picture; Cb and Cr stay, coded, and nothing is clamped. ``change`` of coded
    RGB, (h, w, 3), a small picture without luma, is enlarged and added.
    """
    encoding, numbers = card.encoding, card.balance
    to_luma = np.tile(luma_coefficients(card.matrix), (3, 1))
    balance = None
    if numbers is not None:
        balance = np.hstack([np.reshape(numbers[:9], (3, 3)), np.reshape(numbers[9:12], (3, 1))]).astype(np.float32)

    def rows(result: FloatArray, kept: FloatArray, added: FloatArray | None = None) -> FloatArray:
        if balance is not None:
            kept = single.from_linear(single.balanced(single.to_linear(kept, encoding), balance), encoding)
        coded = single.encoded(result, encoding)
        if added is not None:
            coded = coded + added
        return single.decoded(coded + single.mixed(single.encoded(kept, encoding) - coded, to_luma), encoding)

    if change is None:
        return single.by_bands(rows, recovered, source)
    height, width = recovered.shape[:2]
    large = np.asarray(cv2.resize(change, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    return single.by_bands(rows, recovered, source, large)


def small_picture(rgb: FloatArray, encoding: str) -> SmallPicture:
    """A frame, working-space RGB (H, W, 3), as block means of light in density."""
    density = np.asarray(linear_to_density(small_light(rgb, encoding)), np.float32)
    mean = density.mean(axis=-1)
    plane = np.nan_to_num((mean - np.median(mean)) * 100.0 + 128.0)
    return SmallPicture(density, np.asarray(np.clip(plane, 0.0, 255.0), np.uint8))


def small_light(rgb: FloatArray, encoding: str) -> FloatArray:
    """Block means of a frame's linear light, (h, w, 3), at most 160 wide; ``rgb`` (H, W, 3) is working-space RGB."""
    height, width = rgb.shape[:2]
    size = (min(width, _WIDTH), max(round(height * min(width, _WIDTH) / width), 1))
    linear = rgb if encoding != "none" else single.by_bands(lambda rows: single.to_linear(rows, encoding), rgb)
    return np.asarray(cv2.resize(linear, size, interpolation=cv2.INTER_AREA), np.float32)


def frame_change(first: SmallPicture, second: SmallPicture) -> tuple[Vector, float] | None:
    """Change of density from one frame to another, (3,), and its weight; None where they do not show the same.

    Content is followed by Farneback's optical flow (2003). Patches count the more the less they change inside, and those far
    from the common change hardly (Cauchy weights, squared).
    """
    if first.density.shape != second.density.shape:
        return None
    there = followed(second.density, motion(first, second))
    change = there - first.density
    means = _patch_means(change)
    squares = (_patch_means(np.square(change)) - np.square(means)).mean(axis=-1)
    inside = np.sqrt(np.maximum(squares, 0.0))
    levels = np.stack([_patch_means(first.density), _patch_means(there)])
    exposed = ((levels > _THINNEST) & (levels < _DENSEST)).all(axis=(0, 3))
    same = exposed & (inside <= _SAME)
    told = means[same].astype(np.float64)
    if len(told) < max(_FEWEST, _SHARE * float(np.count_nonzero(exposed))):
        return None
    weights = 1.0 / (np.square(inside[same], dtype=np.float64) + _NOISE**2)
    common = np.median(told, axis=0)
    for _ in range(_ROUNDS):
        away = np.abs(told - common).max(axis=1)
        scale = 1.5 * float(np.median(away)) + 3e-4
        robust = weights / (1.0 + (away / scale) ** 2) ** 2
        common = robust @ told / robust.sum()
    spread = float(np.median(np.abs(told - common).max(axis=1)))
    return (common, len(told) / (spread + 1e-3) ** 2) if spread <= _AGREED else None


def motion(first: SmallPicture, second: SmallPicture) -> FloatArray:
    """For every pixel of the first picture its place in the second, (h, w, 2), x and y; both have one size."""
    flow = cv2.calcOpticalFlowFarneback(first.plane, second.plane, None, 0.5, 3, 13, 3, 5, 1.1, 0)
    y, x = np.indices(first.plane.shape, np.float32)
    return np.stack([x + flow[..., 0], y + flow[..., 1]], axis=-1)


def followed(picture: FloatArray, at: FloatArray) -> FloatArray:
    """What a picture (h, w, C) holds at these places, (h, w, 2)."""
    return np.asarray(cv2.remap(picture, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _patch_means(picture: FloatArray) -> FloatArray:
    """Means of whole patches, (rows, columns, 3); what is left at right and bottom is cut off."""
    rows, columns = picture.shape[0] // _PATCH, picture.shape[1] // _PATCH
    if not rows or not columns:
        return np.zeros((rows, columns, 3), np.float32)
    whole = picture[: rows * _PATCH, : columns * _PATCH]
    return np.asarray(cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA), np.float32)
