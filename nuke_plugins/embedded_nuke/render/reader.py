"""Reading image files through OpenImageIO, with the names, boxes and metadata that Nuke's Read gives."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import OpenImageIO as oiio

from embedded_nuke.render import channels as channel_names
from embedded_nuke.render.files import located, split_prefix, with_frame
from embedded_nuke.render.frame_expression import frame_by_expression
from embedded_nuke.render.image import Box, Format, Pixels
from embedded_nuke.render.operation import Operation, RenderError
from embedded_nuke.render.ranges import clamp_frame, read_shift

_BITS = {"half": "16-bit half float", "float": "32-bit float", "double": "64-bit float", "uint8": "8-bit fixed",
         "uint16": "16-bit fixed", "uint10": "10-bit fixed", "uint12": "12-bit fixed", "uint": "32-bit fixed"}  # fmt: skip


@dataclass(frozen=True)
class FileImage:
    """What a file holds: channels by Nuke's names, windows with y upwards, the values as stored (no colour transform)."""

    channels: tuple[str, ...]
    box: Box
    format: Format
    pixels: Pixels
    metadata: dict[str, Any]
    depth: str  # int8, int16, log or float
    aspect_given: bool


def asked_frame(o: Operation) -> int | None:
    """The frame of the clip that a Read shows at its frame, by ``frame_mode``, ``before``, ``after``; None: black."""
    frame = o.frame
    if o.text("frame_mode") == "expression" and o.text("frame").strip():
        frame = frame_by_expression(o, o.text("frame"))
    else:
        frame += read_shift(o)
    first, last = int(o.number("first")), int(o.number("last"))
    if last < first:
        return round(frame)
    return clamp_frame(round(frame), first, last, o.text("before"), o.text("after"))


def read_file_name(o: Operation, frame: int | None = None) -> str:
    """The path that the node reads at its frame, empty for black or an empty knob. A Write reads its own frame."""
    pattern = o.text("file")
    if not pattern:
        return ""
    if frame is None:
        frame = round(o.frame) if o.class_name == "Write" else asked_frame(o)
    if frame is None:
        return ""
    return located(with_frame(split_prefix(pattern)[1], frame), o.root_text("project_directory"))


def header_format(o: Operation) -> Format | None:
    """The format of the Read's file at its frame from the header alone, None where there is no readable file."""
    path = read_file_name(o)
    source = oiio.ImageInput.open(path) if path and os.path.isfile(path) else None
    if source is None:
        oiio.geterror()
        return None
    found, given = _format(source.spec())
    source.close()
    return read_format(o, found, given)


def read_format(o: Operation, found: Format, aspect_given: bool) -> Format:
    """Name and pixel aspect of the knob ``format`` where the file has the same size and states no other aspect."""
    chosen = o.own_format("format")
    if chosen is None or (chosen.width, chosen.height) != (found.width, found.height):
        return found
    return Format(found.width, found.height, found.pixel_aspect if aspect_given else chosen.pixel_aspect, chosen.name)


def read_file(path: str) -> FileImage:
    """Read one file whole.

    Integers become ``code / largest code``; alpha is a channel like any other and is not multiplied in. Further parts of a
    multi-part EXR join, cut or filled with 0 to the union of all parts' boxes.

    Raises:
        RenderError: no such file, damaged, not an image, deep.
    """
    if not os.path.isfile(path):
        raise RenderError(f"{path} does not exist.")
    hint = oiio.ImageSpec()
    hint.attribute("oiio:UnassociatedAlpha", 1)
    source = oiio.ImageInput.open(path, hint)
    if source is None:
        raise RenderError(f"{path} cannot be opened as an image ({_reason(oiio.geterror())}).")
    try:
        first = source.spec()
        if first.deep:
            raise RenderError(f"{path} holds deep pixels; flatten it with DeepToImage in Nuke.")
        format_, given = _format(first)
        depth, bits = _depth(source, first)
        metadata = _metadata(path, source, first, bits)
        parts = _parts(path, source, format_)
    finally:
        source.close()
    box = parts[0][0]
    for other, _ in parts[1:]:
        box = box.union(other)
    planes: dict[str, Pixels] = {}
    for part_box, part_planes in parts:
        for name, plane in part_planes.items():
            planes.setdefault(name, _placed(plane, part_box, box))
    pixels = np.stack(list(planes.values()), axis=-1) if planes else np.zeros((box.height, box.width, 0), np.float32)
    return FileImage(tuple(planes), box, format_, pixels, metadata, depth, given)


def _placed(plane: Pixels, part: Box, box: Box) -> Pixels:
    if part == box:
        return plane
    whole = np.zeros((box.height, box.width), np.float32)
    whole[box.t - part.t : box.t - part.y, part.x - box.x : part.r - box.x] = plane
    return whole


def _parts(path: str, source: Any, format_: Format) -> list[tuple[Box, dict[str, Pixels]]]:
    parts = []
    index = 0
    while index == 0 or (source.format_name() == "openexr" and source.seek_subimage(index, 0)):
        spec = source.spec()
        if spec.deep:
            raise RenderError(f"{path} holds deep pixels in part {index + 1}; flatten it with DeepToImage in Nuke.")
        parts.append((_box(spec, format_), _planes(path, source, spec, index)))
        index += 1
    source.geterror()  # that there is no further part
    return parts


def _planes(path: str, source: Any, spec: Any, part: int) -> dict[str, Pixels]:
    values = source.read_image(part, 0, 0, spec.nchannels, "float")
    problem = source.geterror()
    if values is None or problem:
        raise RenderError(f"{path} is damaged or not whole ({_reason(problem)}); copy or render this frame again.")
    array = np.asarray(values, np.float32).reshape(spec.height, spec.width, spec.nchannels)
    bits = spec.get_int_attribute("oiio:BitsPerSample", 0)
    if str(spec.format) == "uint16" and bits in (10, 12):
        # Stored in 16 bits by repeating the upper ones; back to whole codes.
        array = np.floor(array * np.float32(65535.0) / 2 ** (16 - bits) + 1e-3) / np.float32(2**bits - 1)
    layer = spec.get_string_attribute("oiio:subimagename") if part else ""
    layer = layer[: -len(".main")] if layer.endswith(".main") else layer
    if spec.nchannels <= 2 and spec.channelnames[0] in ("Y", "I", "L", "gray"):
        planes = dict.fromkeys(("rgba.red", "rgba.green", "rgba.blue"), array[:, :, 0])
        if spec.nchannels == 2:
            planes["rgba.alpha"] = array[:, :, 1]
        return planes
    names = [channel_names.from_file(name, layer) for name in spec.channelnames]
    ordered = sorted(range(len(names)), key=lambda index: _rank(names[index]))
    return {names[index]: np.ascontiguousarray(array[:, :, index]) for index in ordered}


def _rank(name: str) -> tuple[int, str, int]:
    layer, component = name.split(".", 1)
    order = ["red", "green", "blue", "alpha", "x", "y", "z", "u", "v"]
    return (0 if layer == "rgba" else 1, layer, order.index(component) if component in order else len(order))


def _format(spec: Any) -> tuple[Format, bool]:
    aspect = float(spec.get_float_attribute("PixelAspectRatio", 0.0))
    # Assumption: DPX files often hold nonsense here; what is far from any lens counts as not given.
    given = 0.1 <= aspect <= 10.0
    return Format(spec.full_width, spec.full_height, aspect if given else 1.0), given and aspect != 1.0


def _box(spec: Any, format_: Format) -> Box:
    """The data window with y upwards; the display window begins at 0, 0 as in Nuke, wherever the file puts it."""
    x, top = spec.x - spec.full_x, format_.height - (spec.y - spec.full_y)
    return Box(x, top - spec.height, x + spec.width, top)


def _depth(source: Any, spec: Any) -> tuple[str, str]:
    kind, bits = str(spec.format), spec.get_int_attribute("oiio:BitsPerSample", 0)
    name = f"uint{bits}" if kind == "uint16" and bits in (10, 12) else kind
    if source.format_name() in ("dpx", "cineon"):
        return "log", name
    return ("int8" if kind == "uint8" else "int16" if kind in ("uint16", "uint") else "float"), name


def _metadata(path: str, source: Any, spec: Any, bits: str) -> dict[str, Any]:
    """``input/…`` and, of an EXR, every header attribute as ``exr/…`` (Foundry's metadata pages)."""
    status = os.stat(path)
    reader = {"openexr": "exr"}.get(source.format_name(), source.format_name())
    values: dict[str, Any] = {
        "input/filename": path.replace(os.sep, "/"),
        "input/width": spec.full_width,
        "input/height": spec.full_height,
        "input/filesize": status.st_size,
        "input/ctime": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(status.st_ctime)),
        "input/mtime": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(status.st_mtime)),
        "input/bitsperchannel": _BITS.get(bits, bits),
        "input/filereader": reader,
    }
    for attribute in spec.extra_attribs:
        name, value = str(attribute.name), attribute.value
        if name == "smpte:TimeCode":
            text = spec.metadata_val(attribute)
            values["input/timecode"] = str(text)
            name, value = "timeCode", str(text)
        if reader == "exr" and not name.startswith("oiio:"):
            values[f"exr/{_EXR_NAMES.get(name, name)}"] = list(value) if isinstance(value, (tuple, np.ndarray)) else value
        if name == "FramesPerSecond":
            values["input/frame_rate"] = _rate(value)
    return values


# What OpenImageIO calls attributes that have a name of their own in the EXR header.
_EXR_NAMES = {
    "FramesPerSecond": "framesPerSecond", "PixelAspectRatio": "pixelAspectRatio", "Copyright": "owner", "DateTime": "capDate",
    "ImageDescription": "comments", "ExposureTime": "expTime", "FNumber": "aperture", "XResolution": "xDensity",
    "openexr:lineOrder": "lineOrder", "worldtocamera": "worldToCamera", "worldtoNDC": "worldToNDC",
    "smpte:KeyCode": "keyCode",
}  # fmt: skip


def _rate(value: Any) -> float:
    if isinstance(value, (tuple, list, np.ndarray)) and len(value) == 2:
        return float(value[0]) / float(value[1] or 1)
    return float(value)


def _reason(text: str) -> str:
    return " ".join(text.split())[:160] or "no reason given"
