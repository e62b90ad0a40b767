"""Which parts of large pictures a closed-form start is learned from.

A table of colours and a filter of some hundred numbers are known from a megapixel as well as from ten, and every step before
them goes pixel by pixel; pictures that are small enough stay whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

_TABLE_AREA = 300_000  # pixels of all pictures together, at least, that a table of colours is learned from
LEARNED_AREA = 600_000  # that a filter is
STATISTICS_AREA = 150_000  # that mean and deviation are
_TILE = 72  # side of a part of a picture: many small ones show more of it than a few large ones
BELIEVED = 0.5  # trust from which on a pixel tells the level of its picture
FloatArray = npt.NDArray[np.float32]
Coder = Callable[[FloatArray], FloatArray]
# picture and target (H, W, 3), trust (H, W) or None for all, and which of the pictures it is of
Part = tuple[FloatArray, FloatArray, FloatArray | None, int]


def as_it_is(values: FloatArray) -> FloatArray:
    """For values that are coded already."""
    return values


def thinned(
    source: Sequence[FloatArray], target: Sequence[FloatArray], trust: Sequence[FloatArray | None]
) -> list[Part]:
    """Every n-th pixel of every n-th row, so that all colours of a picture are there: for what looks at pixels one by one."""
    step = max(int((sum(picture.shape[0] * picture.shape[1] for picture in source) / _TABLE_AREA) ** 0.5), 1)
    at = (slice(None, None, step), slice(None, None, step))
    return [
        (picture[at], goal[at], None if believed is None else believed[at], number)
        for number, (picture, goal, believed) in enumerate(zip(source, target, trust, strict=True))
    ]


def tiles_of(
    source: Sequence[FloatArray], target: Sequence[FloatArray], trust: Sequence[FloatArray | None], area: int, margin: int = 0
) -> list[Part]:
    """Tiles spread evenly over each picture, about ``area`` pixels of all together, with a trust of 0 in a ``margin`` of pixels
    where a filter lacks neighbours."""
    share = area / len(source)
    found: list[Part] = []
    for number, (picture, goal, believed) in enumerate(zip(source, target, trust, strict=True)):
        height, width = picture.shape[:2]
        whole = np.ones((height, width), np.float32) if believed is None else believed
        if height * width <= share:
            found.append((picture, goal, whole, number))
            continue
        side = min(_TILE, height, width)
        many = max(int(share / side**2), 1)
        rows = max(round((many * height / width) ** 0.5), 1)
        columns = max(round(many / rows), 1)
        for row in _middles(height, side, rows):
            for column in _middles(width, side, columns):
                part = (slice(row, row + side), slice(column, column + side))
                inner = np.zeros((side, side), np.float32)
                inner[margin : side - margin, margin : side - margin] = 1.0
                found.append((picture[part], goal[part], whole[part] * inner, number))
    return found


def _middles(length: int, side: int, count: int) -> npt.NDArray[np.int64]:
    """Where parts of so many pixels begin that lie in the middles of ``count`` equal stretches, or as near as there is room."""
    middles = (np.arange(count) + 0.5) * length / count - side / 2.0
    return np.asarray(np.clip(np.rint(middles), 0, length - side), np.int64)
