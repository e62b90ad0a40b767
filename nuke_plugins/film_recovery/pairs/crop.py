"""The rectangle that all pairs share: the picture of both elements, without a pixel that one of them does not have."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from film_recovery.images.frame import Window
from film_recovery.pairs.deformation import warp_at

_FILTER_REACH = 3  # pixels that resampling looks beyond a point


def shared_crop(areas: Iterable[Window]) -> Window:
    """The intersection, its corner and size made even by moving inwards. The size is 0 when nothing is shared."""
    windows = list(areas)
    left, top = (max(getattr(window, axis) for window in windows) for axis in ("x", "y"))
    right = min(window.x + window.width for window in windows)
    bottom = min(window.y + window.height for window in windows)
    left, top = left + left % 2, top + top % 2
    return Window(left, top, max((right - left) // 2 * 2, 0), max((bottom - top) // 2 * 2, 0))


def cut(picture: npt.NDArray[np.float32], window: Window) -> npt.NDArray[np.float32]:
    """The pixels of ``window`` as an array of their own."""
    return np.ascontiguousarray(window.cut(picture))


def mapped_area(area: Window, matrix: npt.ArrayLike, warp: npt.ArrayLike, size: tuple[int, int]) -> Window:
    """The largest upright rectangle of source pixels certain to fall inside ``area`` of the reference, warp included.

    Args:
        area: the reference's picture.
        matrix: 3x3, reference pixels to source pixels; a mirroring one is welcome.
        warp: (2, 7) coefficients of :mod:`film_recovery.pairs.deformation`.
        size: the source's (width, height).

    Width or height is 0 or less when nothing is left.
    """
    square = np.asarray(matrix, np.float64)
    reach = _FILTER_REACH * max(1.0 / float(np.abs(np.linalg.svd(square[:2, :2], compute_uv=False)).min()), 1.0)
    left, top = area.x + reach, area.y + reach
    right, bottom = area.x + area.width - 1 - reach, area.y + area.height - 1 - reach
    along = np.linspace(0.0, 1.0, 17)[:, None]
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    sides = [corners[k] + along * (corners[(k + 1) % 4] - corners[k]) for k in range(4)]  # top, right, bottom, left
    there = [_in_source(side, square, warp, size) for side in sides]
    across, down = (
        sorted((there[1], there[3]), key=lambda p: p[:, 0].mean()),
        sorted((there[0], there[2]), key=lambda p: p[:, 1].mean()),
    )
    first_x, last_x = int(np.ceil(across[0][:, 0].max() - 1e-6)), int(np.floor(across[1][:, 0].min() + 1e-6))
    first_y, last_y = int(np.ceil(down[0][:, 1].max() - 1e-6)), int(np.floor(down[1][:, 1].min() + 1e-6))
    return Window(first_x, first_y, last_x - first_x + 1, last_y - first_y + 1)


def _in_source(
    points: npt.NDArray[np.float64], matrix: npt.NDArray[np.float64], warp: npt.ArrayLike, size: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """The source positions that show reference points (N, 2): ``p`` with ``p + warp(p) = matrix q``, by a few steps."""
    moved = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    aim = moved[:, :2] / moved[:, 2:]
    found = aim
    for _ in range(4):  # the warp is slow: each step leaves a hundredth of the error
        held = np.clip(found, 0.0, np.array(size, np.float64) - 1.0)  # polynomials run away outside
        found = aim - warp_at(held, warp, size)
    return np.asarray(found)
