"""Large pictures in tiles of one fixed shape that add up to what the whole picture would have given.

A tile's outermost pixels, as far in as the model's receptive field, saw the tile's edge instead of the picture and are thrown
away; between the good parts of two tiles a linear feather hides the last bits of rounding. Tiles start on the model's own
pixel grid and the last ones end where the padded picture ends, so every kept pixel sees exactly what it sees in the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from film_recovery.contract.errors import DeviceError

FloatArray = npt.NDArray[np.float32]
WHOLE_PIXELS = 2_200_000  # up to about 1080p a frame goes through as a whole
DEFAULT_TILE = 1280
_FEATHER = 16  # pixels


class OutOfMemory(Exception):
    """The device had no room for a tile of this size; the tiler answers with smaller tiles."""


def recover(
    run: Callable[[FloatArray], FloatArray], rgb: FloatArray, tile: int | None, margin: int, multiple: int
) -> FloatArray:
    """Run a picture (H, W, 3) whole or in tiles, halving the tile when memory runs out.

    Args:
        run: recovers one picture or tile, same shape out.
        tile: side in pixels; None takes the whole picture when it is small enough.
        margin: the model's receptive field, pixels.
        multiple: the model's grid, pixels.

    Raises:
        DeviceError: not even the smallest tile fits.
    """
    height, width = rgb.shape[:2]
    side = tile or (max(height, width) if height * width <= WHOLE_PIXELS else DEFAULT_TILE)
    smallest = smallest_tile(margin, multiple)
    while True:
        try:
            if side >= max(height, width):
                return run(rgb)
            return _recover_tiled(run, rgb, max(side, smallest), margin, multiple)
        except OutOfMemory as error:
            if side <= smallest:
                raise DeviceError(
                    f"Not enough memory for a tile of {side} pixels; close other programs or use device cpu."
                ) from error
            side = max(min(side, max(height, width)) // 2, smallest)


def smallest_tile(margin: int, multiple: int) -> int:
    """The smallest tile, in pixels, that has something left between its margins."""
    return _round_up(2 * margin + _FEATHER + 4 * multiple, multiple)


def tile_starts(length: int, tile: int, margin: int, multiple: int) -> list[int]:
    """Where tiles begin along one axis whose padded length is ``length`` (a multiple of ``multiple``)."""
    if tile >= length:
        return [0]
    stride = (tile - 2 * margin - _FEATHER) // multiple * multiple
    starts = list(range(0, length - tile, stride))
    return [*starts, length - tile]


def _recover_tiled(
    run: Callable[[FloatArray], FloatArray], rgb: FloatArray, tile: int, margin: int, multiple: int
) -> FloatArray:
    height, width = rgb.shape[:2]
    padding = ((0, -height % multiple), (0, -width % multiple), (0, 0))
    padded = np.pad(rgb, padding, mode="edge")
    side = _round_up(tile, multiple)
    total = np.zeros_like(padded, dtype=np.float64)
    weights = np.zeros(padded.shape[:2], np.float64)
    for rows, columns, weight in _tiles(padded.shape[0], padded.shape[1], side, margin, multiple):
        part = run(np.ascontiguousarray(padded[rows, columns]))
        total[rows, columns] += part * weight[..., None]
        weights[rows, columns] += weight
    return np.asarray(total / weights[..., None], np.float32)[:height, :width]


def _tiles(
    height: int, width: int, side: int, margin: int, multiple: int
) -> Iterator[tuple[slice, slice, npt.NDArray[np.float64]]]:
    tall, wide = min(side, height), min(side, width)
    for top in tile_starts(height, tall, margin, multiple):
        vertical = _weight(top, tall, height, margin)
        for left in tile_starts(width, wide, margin, multiple):
            horizontal = _weight(left, wide, width, margin)
            yield slice(top, top + tall), slice(left, left + wide), vertical[:, None] * horizontal[None, :]


def _weight(start: int, size: int, length: int, margin: int) -> npt.NDArray[np.float64]:
    """Weight of a tile's pixels along one axis: 0 in the margin, a ramp over the feather, 1 inside and at picture edges."""
    weight = np.ones(size)
    ramp = np.concatenate([np.zeros(margin), np.arange(1, _FEATHER + 1) / (_FEATHER + 1)])
    if start > 0:
        weight[: len(ramp)] = ramp
    if start + size < length:
        weight[-len(ramp) :] = np.minimum(weight[-len(ramp) :], ramp[::-1])
    return weight


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
