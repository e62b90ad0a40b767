"""Which parts of large pictures a closed-form start is learned from.

A table of colours and a filter of some hundred numbers are known from a megapixel as well as from ten, and every step before
them goes pixel by pixel; pictures that are small enough stay whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

_AREA, _TILE = 1_200_000, 192  # pixels of all pictures together that are learned from; side of a part of one
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
    step = max(int((sum(picture.shape[0] * picture.shape[1] for picture in source) / _AREA) ** 0.5), 1)
    at = (slice(None, None, step), slice(None, None, step))
    return [
        (picture[at], goal[at], None if believed is None else believed[at], number)
        for number, (picture, goal, believed) in enumerate(zip(source, target, trust, strict=True))
    ]


def tiles_of(
    source: Sequence[FloatArray], target: Sequence[FloatArray], trust: Sequence[FloatArray | None], margin: int
) -> list[Part]:
    """Tiles spread evenly over each picture, with a trust of 0 in a ``margin`` of pixels where a filter lacks neighbours."""
    share = _AREA / len(source)
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
        for row in np.linspace(0, height - side, rows + 2)[1:-1].astype(int):
            for column in np.linspace(0, width - side, columns + 2)[1:-1].astype(int):
                part = (slice(row, row + side), slice(column, column + side))
                inner = np.zeros((side, side), np.float32)
                inner[margin : side - margin, margin : side - margin] = 1.0
                found.append((picture[part], goal[part], whole[part] * inner, number))
    return found
