"""Sampling pictures between pixels, with Nuke's filters.

The kernels (Foundry's user guide, *Choosing a filtering algorithm*, and the NDK's Filter): impulse takes the nearest pixel;
linear is a triangle; cubic is 1 - 3x² + 2|x|³, which neither blurs nor overshoots; Keys, Simon, Rifman, Mitchell, Parzen and
notch are the cubics of Mitchell and Netravali (SIGGRAPH 1988) with B, C = (0, ½), (0, ¾), (0, 1), (⅓, ⅓), (1, 0), (3/2, -¼);
Lanczos4, Lanczos6 and sinc4 are (windowed) sines. Where a picture shrinks, kernels widen with it. A pixel's middle lies at x +
0.5.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Callable

import numpy as np

from embedded_nuke.render.image import Box, Format, Image, Pixels

Kernel = Callable[[Any], Any]
# No kernel reads more pixels than this to each side; stronger shrinking samples what is in reach.
_WIDEST = 64


def _bc(b: float, c: float) -> Kernel:
    def kernel(x: Any) -> Any:
        inner = (12 - 9 * b - 6 * c) * x**3 + (-18 + 12 * b + 6 * c) * x**2 + (6 - 2 * b)
        outer = (-b - 6 * c) * x**3 + (6 * b + 30 * c) * x**2 + (-12 * b - 48 * c) * x + (8 * b + 24 * c)
        return np.where(x < 1, inner, np.where(x < 2, outer, 0.0)) / 6

    return kernel


def _cubic(x: Any) -> Any:
    return np.where(x < 1, 1 - (3 - 2 * x) * x * x, 0.0)


def _linear(x: Any) -> Any:
    return np.maximum(0.0, 1 - x)


def _lanczos(size: int, window: float) -> Kernel:
    def kernel(x: Any) -> Any:
        shape = np.sinc(x) * (np.sinc(x / window) if window else 1.0)
        return np.where(x < size, shape, 0.0)

    return kernel


# Name: kernel of |x| and how far it reaches, in pixels.
KERNELS: dict[str, tuple[Kernel, float]] = {
    "linear": (_linear, 1.0),
    "cubic": (_cubic, 1.0),
    "keys": (_bc(0.0, 0.5), 2.0),
    "simon": (_bc(0.0, 0.75), 2.0),
    "rifman": (_bc(0.0, 1.0), 2.0),
    "mitchell": (_bc(1 / 3, 1 / 3), 2.0),
    "parzen": (_bc(1.0, 0.0), 2.0),
    "notch": (_bc(1.5, -0.25), 2.0),
    "lanczos4": (_lanczos(2, 2.0), 2.0),
    "lanczos6": (_lanczos(3, 3.0), 3.0),
    "sinc4": (_lanczos(2, 0.0), 2.0),
}


def kernel_reach(name: str) -> float:
    """How far a filter reaches, in pixels; 0.5 for ``impulse``."""
    return KERNELS[name.lower()][1] if name.lower() in KERNELS else 0.5


def is_filter(name: str) -> bool:
    """Whether Nuke has a filter of this name; case does not matter."""
    return name.lower() == "impulse" or name.lower() in KERNELS


def axis_weights(positions: Any, stretch: float, name: str) -> tuple[Any, Any]:
    """Which source pixels feed each position along one axis, and how much: two arrays (positions, taps).

    ``positions`` are places in source pixels (a pixel's middle is at + 0.5); ``stretch`` is how many source pixels one result
    pixel covers, 1 or less where the picture grows.
    """
    positions = np.asarray(positions, np.float64)
    if name.lower() == "impulse":
        return np.floor(positions).astype(np.int64)[:, None], np.ones((positions.size, 1), np.float32)
    kernel, reach = KERNELS[name.lower()]
    widen = max(1.0, abs(stretch))
    span = min(reach * widen, float(_WIDEST))
    first = np.floor(positions - span - 0.5).astype(np.int64) + 1
    indices = first[:, None] + np.arange(math.ceil(2 * span) + 1)[None, :]
    weights = kernel(np.abs(indices + 0.5 - positions[:, None]) / widen)
    return indices, (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def resample_axes(image: Image, box: Box, xs: Any, ys: Any, stretch: tuple[float, float], name: str) -> Pixels:
    """Sample where columns and rows are independent: column i of ``box`` at ``xs[i]``, row j (from the top) at ``ys[j]``.

    ``xs`` and ``ys`` are source coordinates, y upwards.
    """
    columns, column_weights = axis_weights(xs, stretch[0], name)
    rows, row_weights = axis_weights(ys, stretch[1], name)
    region = Box(int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
    source = image.window(region)
    narrow = np.zeros((source.shape[0], box.width, source.shape[2]), np.float32)
    for tap in range(columns.shape[1]):
        weight = column_weights[:, tap]
        if weight.any():
            narrow += _weighted(source[:, columns[:, tap] - region.x], weight[None, :, None])
    result = np.zeros((box.height, box.width, source.shape[2]), np.float32)
    for tap in range(rows.shape[1]):
        weight = row_weights[:, tap]
        if weight.any():
            result += _weighted(narrow[region.t - 1 - rows[:, tap]], weight[:, None, None])
    return result


def _weighted(values: Pixels, weight: Any) -> Pixels:
    """Values times weights; a weight of 0 also stops NaN and infinities of pixels that do not count."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(weight == 0, np.float32(0), values * weight)


def resample_map(image: Image, map_x: Any, map_y: Any, stretch_x: Any, stretch_y: Any, name: str) -> Pixels:
    """Sample at any place: ``map_x`` and ``map_y`` (height, width) are source coordinates, y upwards.

    ``stretch_x`` and ``stretch_y``, arrays of the same shape or numbers, say how many source pixels a result pixel covers.
    """
    shape = map_x.shape
    finite = np.isfinite(map_x) & np.isfinite(map_y)
    # Far outside everything is the edge or the constant: keep indices within an integer's reach.
    limit = 2.0**24
    xs = np.where(finite, np.clip(map_x, -limit, limit), -limit)
    ys = np.where(finite, np.clip(map_y, -limit, limit), -limit)
    if name.lower() == "impulse":
        return _gather(image, np.floor(xs).astype(np.int64), np.floor(ys).astype(np.int64))
    kernel, reach = KERNELS[name.lower()]
    widen_x = np.minimum(np.maximum(1.0, np.broadcast_to(np.abs(stretch_x), shape)), _WIDEST / reach)
    widen_y = np.minimum(np.maximum(1.0, np.broadcast_to(np.abs(stretch_y), shape)), _WIDEST / reach)
    taps_x, first_x = _taps(xs, reach, widen_x)
    taps_y, first_y = _taps(ys, reach, widen_y)
    total = np.zeros((*shape, len(image.channels)), np.float32)
    weight_sum = np.zeros(shape, np.float32)
    row_weights = [kernel(np.abs(first_y + j + 0.5 - ys) / widen_y).astype(np.float32) for j in range(taps_y)]
    for i in range(taps_x):
        column = first_x + i
        column_weight = kernel(np.abs(column + 0.5 - xs) / widen_x).astype(np.float32)
        for j in range(taps_y):
            weight = column_weight * row_weights[j]
            if weight.any():
                total += _weighted(_gather(image, column, first_y + j), weight[:, :, None])
                weight_sum += weight
    return total / weight_sum[:, :, None]


def _taps(positions: Any, reach: float, widen: Any) -> tuple[int, Any]:
    first = np.floor(positions - reach * widen - 0.5).astype(np.int64) + 1
    return math.ceil(2 * reach * float(widen.max())) + 1, first


def _gather(image: Image, columns: Any, rows: Any) -> Pixels:
    """Pixels at integer coordinates (y upwards), with what lies outside."""
    box = image.box
    if box.empty:
        constants = image.outside or (0.0,) * len(image.channels)
        return np.broadcast_to(np.array(constants, np.float32), (*columns.shape, len(image.channels)))
    found = image.pixels[np.clip(box.t - 1 - rows, 0, box.height - 1), np.clip(columns - box.x, 0, box.width - 1)]
    if image.outside is None:
        return found
    inside = (columns >= box.x) & (columns < box.r) & (rows >= box.y) & (rows < box.t)
    return np.where(inside[:, :, None], found, np.array(image.outside, np.float32))


def resize(image: Image, scale: float) -> Image:
    """The whole picture, box and format at another scale, with the cubic filter; what proxy mode does to a full frame."""
    size = [max(1, round(length * scale)) for length in (image.format.width, image.format.height)]
    small = Format(size[0], size[1], image.format.pixel_aspect)
    sx, sy = small.width / image.format.width, small.height / image.format.height
    if image.box.empty:
        return replace(image, format=small)
    box = Box(
        math.floor(image.box.x * sx), math.floor(image.box.y * sy), math.ceil(image.box.r * sx), math.ceil(image.box.t * sy)
    )
    xs = (np.arange(box.x, box.r) + 0.5) / sx
    ys = (np.arange(box.t - 1, box.y - 1, -1) + 0.5) / sy
    return replace(image, box=box, format=small, pixels=resample_axes(image, box, xs, ys, (1 / sx, 1 / sy), "cubic"))
