"""Read, and Write with ``reading`` on: files as pictures."""

from __future__ import annotations

import os
import re

import numpy as np

from embedded_nuke.render.colour_management import convert, file_space, working_space
from embedded_nuke.render.image import ALPHA, RGB, Format, Image, black
from embedded_nuke.render.operation import Operation, RenderError, Request, fail, op, requests
from embedded_nuke.render.ops_generate import checker_pattern
from embedded_nuke.render.reader import FileImage, asked_frame, read_file, read_file_name, read_format

_NUMBER = re.compile(r"-?\d+")


@op("Read")
def read(o: Operation) -> Image:
    """A file of the sequence as a picture in the working space.

    Sources: the knobs' documentation; the EXR reader's *edge pixels*, whose usual setting *plate detect* repeats the edges
    where the data window covers the format and has black outside otherwise (Foundry's reference guide, Read). Assumption:
    other file types repeat their edges.
    """
    frame = asked_frame(o)
    if frame is None:
        return _replacement(o, "black")
    path = read_file_name(o, frame)
    if not path:
        raise fail(o, "the knob 'file' is empty; choose a file.")
    try:
        found = read_file(path)
    except RenderError as error:
        return _missing(o, frame, error)
    return _picture(o, found, frame)


@op("Write")
def write_reading(o: Operation) -> Image:
    """The Write's own file of the frame, with ``reading`` on; without it a Write hands its input on."""
    path = read_file_name(o)
    if not path:
        raise fail(o, "reading is on but the knob 'file' is empty; give it a file name.")
    try:
        found = read_file(path)
    except RenderError as error:
        choice = o.text("on_error")
        if choice == "read input":
            return o.input(0)
        if choice in ("black", "checkerboard"):
            return _replacement(o, choice)
        raise fail(o, f"{error} Render it, or turn reading off.") from error
    return _picture(o, found, round(o.frame))


@requests("Write")
def _no_inputs(o: Operation) -> list[Request]:
    return []


def _picture(o: Operation, found: FileImage, frame: int) -> Image:
    format_ = read_format(o, found.format, found.aspect_given)
    metadata = dict(found.metadata)
    metadata["input/frame"] = frame
    outside = None if found.box == found.format.box or found.box.contains(found.format.box) else (0.0,) * len(found.channels)
    image = Image(found.channels, found.box, format_, found.pixels, metadata, outside)
    if not o.flag("raw"):
        image = _to_working(o, image, found.depth)
    if o.has("auto_alpha") and o.flag("auto_alpha") and not image.has(ALPHA) and image.has(RGB[0]):
        ones = np.ones((image.box.height, image.box.width), np.float32)
        image = image.with_channels({ALPHA: ones}, {ALPHA: 0.0})
    return image


def _to_working(o: Operation, image: Image, depth: str) -> Image:
    present = tuple(name for name in RGB if image.has(name))
    source, target = file_space(o, depth), working_space(o)
    if not present or source == target:
        return image
    values = image.window(image.box, RGB)
    if o.flag("premultiplied") and image.has(ALPHA):
        alpha = image.plane(ALPHA)[:, :, None]
        safe = np.where(alpha == 0, np.float32(1), alpha)
        converted = convert(o, values / safe, source, target) * safe
    else:
        converted = convert(o, values, source, target)
    planes = {name: converted[:, :, RGB.index(name)] for name in present}
    return image.with_channels(planes, dict.fromkeys(present, 0.0))


def _missing(o: Operation, frame: int, error: RenderError) -> Image:
    """What ``on_error`` says where a frame is missing or damaged."""
    choice = o.text("on_error")
    if choice in ("black", "checkerboard"):
        return _replacement(o, choice)
    if choice == "nearest frame":
        nearest = _nearest(o, frame)
        if nearest is not None:
            return _picture(o, read_file(read_file_name(o, nearest)), nearest)
    advice = "Restore the file, or choose another on_error."
    raise fail(o, f"{error} {advice}") from error


def _nearest(o: Operation, frame: int) -> int | None:
    """The frame of the clip nearest to ``frame`` whose file is there; the earlier one of two."""
    first, last = int(o.number("first")), int(o.number("last"))
    folder = os.path.dirname(read_file_name(o, frame))
    # By the files that are there, since a clip may claim a range of millions.
    words = {word for name in (os.listdir(folder) if os.path.isdir(folder) else []) for word in _NUMBER.findall(name)}
    numbers = {int(word) for word in words} | {abs(int(word)) for word in words}  # the sign may be a hyphen
    there = [number for number in numbers if first <= number <= last and os.path.isfile(read_file_name(o, number))]
    return min(there, key=lambda number: (abs(number - frame), number), default=None)


def _replacement(o: Operation, kind: str) -> Image:
    """Black or a checkerboard of the clip's format, RGB."""
    format_ = _clip_format(o)
    if kind == "black":
        return black(format_, RGB, format_.box)
    pixels = checker_pattern(format_, (64.0, 64.0), np.array([[0.1] * 3, [0.5] * 3, [0.1] * 3, [0.5] * 3], np.float32))
    return Image(RGB, format_.box, format_, pixels)


def _clip_format(o: Operation) -> Format:
    """The knob's format if set, else that of the nearest file that is there, else the root's."""
    chosen = o.own_format("format")
    if chosen is not None:
        return chosen
    if o.class_name == "Read":
        nearest = _nearest(o, int(o.number("first")))
        if nearest is not None:
            return read_file(read_file_name(o, nearest)).format
    return o.format("format")
