"""Nodes that change box or format: Crop, Reformat, CopyBBox, AdjBBox, BlackOutside, Mirror2, Position."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from embedded_nuke.render.image import Box, Format, Image
from embedded_nuke.render.operation import Operation, fail, op
from embedded_nuke.render.resample import is_filter, resample_axes


@op("Crop")
def crop(o: Operation) -> Image:
    """Cut the picture to ``box``, with black outside (``crop``) or with repeated edges.

    ``intersect`` keeps within the old box, ``reformat`` makes the box the format, ``softness`` fades inwards by a smoothstep
    over so many pixels (reference guide). Corners of the box are rounded to whole pixels. Without ``intersect`` the new box is
    the knob's even where the picture has no pixels. Assumption: the fade's shape.
    """
    image = o.input(0)
    left, bottom, right, top = (math.floor(value + 0.5) for value in o.numbers("box", 4))
    box = Box(left, bottom, right, top)
    if o.flag("intersect"):
        box = box.intersection(image.box)
    if box.empty:
        # Nothing is left: one black pixel, as Nuke cannot have an empty box.
        box = Box(left, bottom, left + 1, bottom + 1)
        image = replace(image, pixels=np.zeros_like(image.pixels), outside=(0.0,) * len(image.channels))
    if not o.flag("crop") and not image.box.empty and not image.box.intersection(box).empty:
        # Edges repeat: those of the part that is left.
        inside = image.boxed(image.box.intersection(box))
        result = replace(inside, outside=None if image.outside is None else image.outside).boxed(box)
        result = replace(result, outside=None)
    else:
        result = image.boxed(box).black_outside()
    result = _softened(result, o.numbers("softness", 2))
    return _as_format(result) if o.flag("reformat") else result


def _as_format(image: Image) -> Image:
    box = image.box
    format_ = Format(box.width, box.height, image.format.pixel_aspect)
    return replace(image, box=box.moved(-box.x, -box.y), format=format_)


def _softened(image: Image, softness: Any) -> Image:
    if not any(softness):
        return image
    box = image.box
    ramps = []
    for length, size in ((softness[0], box.width), (softness[1], box.height)):
        places = np.arange(size) + 0.5
        distance = np.minimum(places, size - places)
        at = np.clip(distance / length, 0, 1) if length > 0 else np.ones(size)
        ramps.append((at * at * (3 - 2 * at)).astype(np.float32))
    return replace(image, pixels=image.pixels * ramps[1][:, None, None] * ramps[0][None, :, None])


@op("CopyBBox")
def copy_bbox(o: Operation) -> Image:
    """B's picture (input 0) with the box of A (input 1); edges repeat or stay black as B's did (reference guide)."""
    image, other = o.input(0), o.input(1)
    return image.boxed(other.box) if o.has_input(1) else image


@op("AdjBBox")
def adjust_bbox(o: Operation) -> Image:
    """A box larger by ``numpixels`` on each side. What negative numbers cut off is replaced by the edge (guide)."""
    image = o.input(0)
    across, up = (round(value) for value in o.numbers("numpixels", 2))
    box = image.box.grown(across, up)
    if box.empty:
        return image
    result = image.boxed(box)
    return result if box.contains(image.box) else replace(result, outside=None)


@op("BlackOutside")
def black_outside(o: Operation) -> Image:
    """Black instead of repeated edges (reference guide)."""
    return o.input(0).black_outside()


@op("Mirror2")
def mirror(o: Operation) -> Image:
    """``flip`` turns the picture upside down, ``flop`` left to right, about the middle of the format (reference guide)."""
    image = o.input(0)
    box, pixels = image.box, image.pixels
    if o.flag("flip"):
        box, pixels = Box(box.x, image.format.height - box.t, box.r, image.format.height - box.y), pixels[::-1]
    if o.flag("flop"):
        box, pixels = Box(image.format.width - box.r, box.y, image.format.width - box.x, box.t), pixels[:, ::-1]
    return replace(image, box=box, pixels=np.ascontiguousarray(pixels))


@op("Position")
def position(o: Operation) -> Image:
    """Moved by whole pixels, without filtering (reference guide). Fractions are rounded to the nearest pixel."""
    across, up = (math.floor(value + 0.5) for value in o.numbers("translate", 2))
    image = o.input(0)
    return replace(image, box=image.box.moved(across, up))


def _target_format(o: Operation, image: Image) -> tuple[Format, bool]:
    """The new format, and whether its shape is fixed (else one side follows from the picture's shape)."""
    kind, old = o.text("type"), image.format
    if kind == "to format":
        return o.format("format"), True
    if kind == "scale":
        across, up = o.numbers("scale", 2)
        size = max(1, round(old.width * across)), max(1, round(old.height * up))
        return Format(size[0], size[1], old.pixel_aspect), True
    if kind != "to box":
        raise fail(o, f"type '{kind}' does not exist; use to format, to box or scale.")
    aspect = o.number("box_pixel_aspect") if o.flag("box_fixed") else old.pixel_aspect
    return Format(max(1, int(o.number("box_width"))), max(1, int(o.number("box_height"))), aspect), o.flag("box_fixed")


def _scales(o: Operation, old: Format, new: Format) -> tuple[float, float]:
    """How much wider and higher the picture becomes, in pixels, by ``resize``; shapes are kept on the screen."""
    if o.text("type") == "scale":
        across, up = o.numbers("scale", 2)
        return across, up
    across, up = new.width / old.width, new.height / old.height
    resize = o.text("resize")
    if resize == "none":
        return 1.0, 1.0
    if resize == "distort":
        return across, up
    # A picture that keeps its shape: pixels of another aspect need another count of lines.
    by_width = (across, across * new.pixel_aspect / old.pixel_aspect)
    by_height = (up * old.pixel_aspect / new.pixel_aspect, up)
    if resize == "width":
        return by_width
    if resize == "height":
        return by_height
    smaller = by_width if by_width[0] <= by_height[0] else by_height
    larger = by_height if smaller is by_width else by_width
    return smaller if resize == "fit" else larger


@op("Reformat")
def reformat(o: Operation) -> Image:
    """Another format: *to format*, *to box* or *scale*, the picture resized by width, height, fit, fill, distort, or not at
    all.

    Source: the reference guide. Without ``center`` the lower left corners meet. The box is cut to the format unless ``pbb``
    keeps it. ``turn`` is a quarter turn, ``flip`` and ``flop`` mirror first. Edges repeat outside unless ``black_outside``.
    ``clamp`` makes negative results 0. Assumption: ``turn`` turns counter-clockwise.
    """
    image = _turned(o, o.input(0))
    old = image.format
    new, fixed = _target_format(o, image)
    across, up = _scales(o, old, new)
    if not fixed:
        new = Format(max(1, round(old.width * across)), max(1, round(old.height * up)), old.pixel_aspect)
        if o.text("resize") == "none":
            new = Format(int(o.number("box_width")), int(o.number("box_height")), old.pixel_aspect)
    left = (new.width - old.width * across) / 2 if o.flag("center") else 0.0
    bottom = (new.height - old.height * up) / 2 if o.flag("center") else 0.0
    if o.text("resize") == "none" and o.text("type") != "scale":
        left, bottom = float(math.floor(left)), float(math.floor(bottom))
    result = scaled_image(o, image, (across, up), (left, bottom), new, o.flag("pbb"))
    if o.flag("black_outside"):
        result = result.black_outside()
    if o.flag("clamp"):
        result = replace(result, pixels=np.maximum(result.pixels, np.float32(0)))
    return replace(result, format=new)


def _turned(o: Operation, image: Image) -> Image:
    box, pixels, format_ = image.box, image.pixels, image.format
    if o.flag("flip"):
        box, pixels = Box(box.x, format_.height - box.t, box.r, format_.height - box.y), pixels[::-1]
    if o.flag("flop"):
        box, pixels = Box(format_.width - box.r, box.y, format_.width - box.x, box.t), pixels[:, ::-1]
    if o.flag("turn"):
        pixels = np.rot90(pixels)
        box = Box(format_.height - box.t, box.x, format_.height - box.y, box.r)
        format_ = Format(format_.height, format_.width, 1 / format_.pixel_aspect)
    return replace(image, box=box, pixels=np.ascontiguousarray(pixels), format=format_)


def scaled_image(
    o: Operation, image: Image, scale: tuple[float, float], offset: tuple[float, float], new: Format, keep_box: bool
) -> Image:
    """The picture scaled and moved; its box is cut to the new format unless ``keep_box``."""
    old = image.box
    box = Box(
        math.floor(old.x * scale[0] + offset[0] + 1e-6), math.floor(old.y * scale[1] + offset[1] + 1e-6),
        math.ceil(old.r * scale[0] + offset[0] - 1e-6), math.ceil(old.t * scale[1] + offset[1] - 1e-6),
    )  # fmt: skip
    if not keep_box:
        box = box.intersection(new.box)
    if box.empty or old.empty:
        return replace(image, box=Box(0, 0, 0, 0), pixels=np.zeros((0, 0, len(image.channels)), np.float32))
    if scale == (1.0, 1.0) and offset == (math.floor(offset[0]), math.floor(offset[1])):
        moved = replace(image, box=old.moved(int(offset[0]), int(offset[1])))
        return moved.boxed(box)
    name = o.text("filter")
    if not is_filter(name):
        raise fail(o, f"the filter '{name}' does not exist.")
    xs = (np.arange(box.x, box.r) + 0.5 - offset[0]) / scale[0]
    ys = (np.arange(box.t - 1, box.y - 1, -1) + 0.5 - offset[1]) / scale[1]
    pixels = resample_axes(image, box, xs, ys, (1 / scale[0], 1 / scale[1]), name)
    return replace(image, box=box, pixels=pixels)
