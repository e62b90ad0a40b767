"""Pictures to judge with: N-way comparison, enlarged detail; 8-bit, in display coding."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.contract.errors import UsageError
from film_recovery.images.drawing import Bytes, Cell, draw_grid, enlarge, to_uint8

FloatArray = npt.NDArray[np.float32]
_MOST = 6  # pictures side by side, beyond which none is large enough to judge


def comparison(panels: Sequence[Cell], title: str = "", cell_width: int = 640) -> Bytes:
    """Two to six labelled display pictures: 2 in a row, 3 as two above one, 4 as 2 x 2, 5 and 6 in rows of three.

    Raises :class:`UsageError` for another number.
    """
    if not 2 <= len(panels) <= _MOST:
        raise UsageError(f"A comparison shows 2 to {_MOST} pictures; {len(panels)} were given.")
    columns = 2 if len(panels) <= 4 else 3
    rows = [list(panels[begin : begin + columns]) for begin in range(0, len(panels), columns)]
    return draw_grid(rows, title, cell_width)


def detail_crops(
    panels: Sequence[Cell], centre: tuple[float, float] = (0.5, 0.5), size: int = 220, factor: int = 2, title: str = ""
) -> Bytes:
    """The same square of every picture, each pixel repeated ``factor`` times, to judge sharpness and grain by.

    ``centre`` is the share of width and height; ``size`` pixels a side, less where the picture is smaller.
    """
    cells = [(label, enlarge(crop(picture, centre, size), factor)) for label, picture in panels]
    rows = [cells[begin : begin + 2] for begin in range(0, len(cells), 2)]  # two columns fit a report's page unscaled
    return draw_grid(rows, title, size * factor, f"{size} × {size} pixels, each shown {factor} × {factor} times, no filter")


def crop(picture: npt.ArrayLike, centre: tuple[float, float], size: int) -> Bytes:
    """A square of at most ``size`` pixels a side about ``centre`` (shares of width and height), moved inside the picture."""
    pixels = to_uint8(picture)
    height, width = pixels.shape[:2]
    left = int(np.clip(round(centre[0] * width) - size // 2, 0, max(width - size, 0)))
    top = int(np.clip(round(centre[1] * height) - size // 2, 0, max(height - size, 0)))
    return pixels[top : top + size, left : left + size]


def busiest(picture: npt.ArrayLike, size: int = 220) -> tuple[float, float]:
    """The centre (shares of width and height) of the square with the most fine detail: where sharpness shows best."""
    grey = to_uint8(picture).astype(np.float32).mean(axis=-1)
    fine = np.abs(grey - cv2.GaussianBlur(grey, (0, 0), 2.0))
    side = min(size, *grey.shape)
    sums = cv2.boxFilter(fine, -1, (side, side), normalize=True, borderType=cv2.BORDER_REPLICATE)
    half = side // 2
    inner = sums[half : max(grey.shape[0] - half, half + 1), half : max(grey.shape[1] - half, half + 1)]
    row, column = np.unravel_index(int(inner.argmax()), inner.shape)
    return (float(column) + half) / grey.shape[1], (float(row) + half) / grey.shape[0]
