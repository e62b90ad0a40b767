"""Large pictures in tiles of one fixed shape that add up to what the whole picture would have given.

A tile's outermost pixels, as far in as the model's receptive field, saw the tile's edge instead of the picture and are thrown
away; between the good parts of two tiles a linear feather hides the last bits of rounding. Tiles start on the model's own
pixel grid and the last ones end where the padded picture ends, so every kept pixel sees exactly what it sees in the whole.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from film_recovery.contract.errors import DeviceError

FloatArray = npt.NDArray[np.float32]
WHOLE_PIXELS = 4_900_000  # up to 2K a frame goes through as a whole, 4K in two tiles, which share a tenth
_FEATHER = 16  # pixels


class OutOfMemory(Exception):
    """The device had no room for a tile of this size; the tiler answers with smaller tiles."""


def recover(
    run: Callable[[FloatArray], FloatArray],
    rgb: FloatArray,
    tile: int | None,
    margin: int,
    multiple: int,
    on_smaller: Callable[[int], None] | None = None,
) -> FloatArray:
    """Run a picture (H, W, 3) whole or in tiles, halving the tile when memory runs out.

    Args:
        run: recovers one picture or tile, same shape out; raises :class:`OutOfMemory`.
        tile: largest side in pixels; None takes the whole picture when it is small enough, and otherwise the tiles of at most
            ``WHOLE_PIXELS`` that overlap least, so that memory does not grow with the picture.
        margin: the model's receptive field, pixels.
        multiple: the model's grid, pixels.
        on_smaller: told the side that is tried next when one did not fit, so that the next frame can begin with it.

    Raises:
        DeviceError: not even the smallest tile fits.
    """
    height, width = rgb.shape[:2]
    smallest = smallest_tile(margin, multiple)
    shape = largest_tile(height, width, margin, multiple) if tile is None else (tile, tile)
    while True:
        try:
            if shape[0] >= height and shape[1] >= width:
                return run(rgb)
            return _recover_tiled(run, rgb, (max(shape[0], smallest), max(shape[1], smallest)), margin, multiple)
        except OutOfMemory as error:
            if max(shape) <= smallest:
                raise DeviceError(
                    f"Not enough memory for a tile of {max(shape)} pixels; close other programs or use device cpu."
                ) from error
            side = max(min(max(shape), max(height, width)) // 2, smallest)
            shape = (side, side)
            if on_smaller is not None:
                on_smaller(side)


def largest_tile(height: int, width: int, margin: int, multiple: int) -> tuple[int, int]:
    """The tiles (height, width) of at most ``WHOLE_PIXELS`` that cover a picture with least overlap; the picture if it fits."""
    if height * width <= WHOLE_PIXELS:
        return height, width
    height, width, smallest = _round_up(height, multiple), _round_up(width, multiple), smallest_tile(margin, multiple)
    best, least = (smallest, smallest), float("inf")
    for across in range(smallest, width + multiple, multiple):
        columns = len(tile_starts(width, across, margin, multiple))
        down = min(WHOLE_PIXELS // across // multiple * multiple, height)
        if down < smallest:
            continue
        down = tile_side(height, down, margin, multiple)
        work = columns * across * len(tile_starts(height, down, margin, multiple)) * down
        if work < least:
            best, least = (down, across), work
    return best


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


def tile_side(length: int, largest: int, margin: int, multiple: int) -> int:
    """The side of equal tiles, at most ``largest``, that cover ``length`` with least overlap; all are on the model's grid."""
    if largest >= length:
        return length
    shared = _round_up(2 * margin + _FEATHER, multiple)
    stride = (largest - 2 * margin - _FEATHER) // multiple * multiple
    count = -(-(length - largest) // stride) + 1
    return min(_round_up(-(-(length - shared) // count), multiple) + shared, largest)


def _recover_tiled(
    run: Callable[[FloatArray], FloatArray], rgb: FloatArray, tile: tuple[int, int], margin: int, multiple: int
) -> FloatArray:
    height, width = rgb.shape[:2]
    padded = np.pad(rgb, ((0, -height % multiple), (0, -width % multiple), (0, 0)), mode="edge")
    rows = _strips(padded.shape[0], _round_up(tile[0], multiple), margin, multiple)
    columns = _strips(padded.shape[1], _round_up(tile[1], multiple), margin, multiple)
    total = np.zeros_like(padded)
    for row, vertical in rows:
        for column, horizontal in columns:
            part = run(np.ascontiguousarray(padded[row, column]))
            total[row, column] += part * (vertical[:, None, None] * horizontal[None, :, None])
    return np.ascontiguousarray(total[:height, :width])


def _strips(length: int, largest: int, margin: int, multiple: int) -> list[tuple[slice, FloatArray]]:
    """The tiles along one axis and their pixels' weights, which add up to 1 everywhere.

    A weight is 0 in the margin, a ramp over the feather, 1 inside and at picture edges, before they are made to add up.
    """
    side = tile_side(length, largest, margin, multiple)
    ramp = np.concatenate([np.zeros(margin), np.arange(1, _FEATHER + 1) / (_FEATHER + 1)])
    strips, total = [], np.zeros(length)
    for start in tile_starts(length, side, margin, multiple):
        weight = np.ones(side)
        if start > 0:
            weight[: len(ramp)] = ramp
        if start + side < length:
            weight[-len(ramp) :] = np.minimum(weight[-len(ramp) :], ramp[::-1])
        strips.append((slice(start, start + side), weight))
        total[start : start + side] += weight
    return [(where, np.asarray(weight / total[where], np.float32)) for where, weight in strips]


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
