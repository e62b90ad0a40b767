"""The rectangle that all pairs share: the picture of both elements, without a pixel that one of them does not have."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from film_recovery.images.frame import Window

_FILTER_REACH = 3  # pixels that resampling looks beyond a point


def mapped_back(area: Window, matrix: npt.NDArray[np.float64]) -> Window:
    """The largest upright rectangle of source pixels certain to fall inside ``area`` of the reference.

    ``matrix`` (2x3) takes source pixels to reference pixels. Width or height is 0 or less when nothing is left.
    """
    inverse = np.linalg.inv(np.concatenate([matrix, [[0.0, 0.0, 1.0]]]))
    scale = max(float(np.abs(np.linalg.svd(matrix[:, :2], compute_uv=False)).max()), 1.0)
    reach = _FILTER_REACH * scale
    left, top = area.x + reach, area.y + reach
    right, bottom = area.x + area.width - 1 - reach, area.y + area.height - 1 - reach
    corners = inverse @ np.array([[left, right, left, right], [top, top, bottom, bottom], [1.0, 1.0, 1.0, 1.0]])
    x, y = corners[0], corners[1]
    # Corners are upper left, upper right, lower left, lower right; the innermost of each side bounds the rectangle.
    first_x, last_x = int(np.ceil(max(x[0], x[2]) - 1e-6)), int(np.floor(min(x[1], x[3]) + 1e-6))
    first_y, last_y = int(np.ceil(max(y[0], y[1]) - 1e-6)), int(np.floor(min(y[2], y[3]) + 1e-6))
    return Window(first_x, first_y, last_x - first_x + 1, last_y - first_y + 1)


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
    return np.ascontiguousarray(picture[window.y : window.y + window.height, window.x : window.x + window.width])
