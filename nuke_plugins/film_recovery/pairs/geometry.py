"""What every step of an alignment asks of its matrices, areas and pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from film_recovery.images.frame import Window

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]


def square(matrix: npt.ArrayLike) -> Matrix:
    """The 3x3 of a 2x3."""
    return np.vstack([np.asarray(matrix, np.float64), [0.0, 0.0, 1.0]])


def picture_mask(shape: Sequence[int], area: Window | None, masks: Sequence[Sequence[int]] = ()) -> ByteArray:
    """255 inside ``area`` (all of it if None) and outside of all ``masks`` (x, y, width, height), 0 elsewhere; uint8 (H, W)."""
    mask = np.full((int(shape[0]), int(shape[1])), 255 if area is None else 0, np.uint8)
    if area is not None:
        mask[max(area.y, 0) : area.y + area.height, max(area.x, 0) : area.x + area.width] = 255
    for x, y, width, height in masks:
        mask[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)] = 0
    return mask


def as_planes(picture: npt.ArrayLike) -> FloatArray:
    """A picture, (H, W, C) or (H, W), as float32 (H, W, C) with at most three channels, the first ones."""
    array = np.asarray(picture, np.float32)
    return np.ascontiguousarray(array[..., None] if array.ndim == 2 else array[..., :3])
