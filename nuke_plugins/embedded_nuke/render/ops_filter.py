"""Blur and Median."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import OpenImageIO as oiio

from embedded_nuke.render.image import Box, Image, Pixels
from embedded_nuke.render.masking import blend, inject_mask
from embedded_nuke.render.operation import Operation, chosen_channels, fail, op

# How many standard deviations of a Gaussian are summed.
_REACH = 4.0


def gaussian_kernel(size: float) -> Any:
    """Weights of a Gaussian for Blur's ``size``: a standard deviation of size / 2.4.

    Assumption, after the documentation of Natron's Blur, which is made to match Nuke's.
    """
    deviation = size / 2.4
    reach = max(1, math.ceil(_REACH * deviation))
    places = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (places / deviation) ** 2)
    return (weights / weights.sum()).astype(np.float32)


def box_kernel(size: float) -> Any:
    """Weights of a box ``size`` pixels wide, the outer ones in part."""
    half = size / 2
    reach = max(0, math.ceil(half - 0.5))
    places = np.arange(-reach, reach + 1)
    weights = np.clip(half + 0.5 - np.abs(places), 0, 1)
    return (weights / weights.sum()).astype(np.float32)


def blur_kernel(o: Operation, size: float) -> Any:
    """The weights along one axis: box; triangle and quadratic are two and three boxes one after the other (reference guide)."""
    name = o.text("filter")
    if size <= 0:
        return np.ones(1, np.float32)
    if name == "gaussian":
        return gaussian_kernel(size)
    times = {"box": 1, "triangle": 2, "quadratic": 3}.get(name)
    if times is None:
        raise fail(o, f"the filter '{name}' does not exist; use gaussian, box, triangle or quadratic.")
    kernel = box_kernel(size)
    for _ in range(times - 1):
        kernel = np.convolve(kernel, box_kernel(size))
    return kernel.astype(np.float32)


def _convolved(source: Pixels, kernel: Any, axis: int, length: int) -> Pixels:
    result = np.zeros([length if at == axis else size for at, size in enumerate(source.shape)], np.float32)
    for tap, weight in enumerate(kernel):
        if weight:
            part = [slice(None)] * source.ndim
            part[axis] = slice(tap, tap + length)
            result += source[tuple(part)] * weight
    return result


@op("Blur")
def blur(o: Operation) -> Image:
    """A separable blur of the chosen channels, pixels of ``size`` across and up; edges count as they lie outside.

    ``crop`` keeps the box within the format (and the old box), without it the box grows by the reach of the filter. ``quality``
    trades speed in Nuke and has no effect here.
    """
    image = inject_mask(o, o.input(0), 1)
    names = chosen_channels(o, image)
    kernels = [blur_kernel(o, size) for size in o.numbers("size", 2)]
    reach_x, reach_y = (len(kernel) // 2 for kernel in kernels)
    if not names or (reach_x == 0 and reach_y == 0) or image.box.empty:
        return image
    # Repeated edges blur to something that does not end; a constant does.
    box = image.box.grown(reach_x, reach_y) if image.outside is not None else image.box
    if o.flag("crop"):
        box = (
            box.intersection(image.format.box.union(image.box))
            if not image.format.box.contains(image.box)
            else (box.intersection(image.format.box))
        )
    source = image.window(Box(box.x - reach_x, box.y - reach_y, box.r + reach_x, box.t + reach_y), names)
    pixels = _convolved(_convolved(source, kernels[0], 1, box.width), kernels[1], 0, box.height)
    return chosen_result(o, image.boxed(box), names, pixels)


def chosen_result(o: Operation, image: Image, names: tuple[str, ...], pixels: Pixels) -> Image:
    """The picture with new values in some channels, by mask and mix."""
    before = image.only(names)
    result = blend(o, before, before.with_pixels(pixels, before.outside))
    whole = image.boxed(result.box)
    constants = None if result.outside is None else dict(zip(names, result.outside))
    merged = whole.with_channels({name: result.pixels[:, :, index] for index, name in enumerate(names)}, constants)
    return merged if result.outside is not None or merged.outside is None else replace(merged, outside=None)


@op("Median")
def median(o: Operation) -> Image:
    """The middle value of a window of ``size`` pixels across and up, per channel (OpenImageIO's median_filter).

    Assumption: the size is the width of the window, made odd by rounding up. Nuke's ``ignore_top_line`` is refused.
    """
    if o.flag("ignore_top_line"):
        raise fail(o, "ignore_top_line is not rendered here, since its maths is not documented; turn it off.")
    image = inject_mask(o, o.input(0), 1)
    names = chosen_channels(o, image)
    width, height = (max(1, math.ceil(value)) | 1 for value in o.numbers("size", 2))
    if not names or (width == 1 and height == 1) or image.box.empty:
        return image
    source = image.window(image.box.grown(width // 2, height // 2), names)
    filtered = oiio.ImageBufAlgo.median_filter(oiio.ImageBuf(np.ascontiguousarray(source)), width, height)
    if filtered.has_error:
        raise fail(o, filtered.geterror())
    pixels = np.asarray(filtered.get_pixels(oiio.FLOAT), np.float32).reshape(source.shape)
    top, left = height // 2, width // 2
    return chosen_result(o, image, names, pixels[top : top + image.box.height, left : left + image.box.width])
