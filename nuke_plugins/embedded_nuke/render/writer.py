"""Writing frames: what a Write node makes of its input, whole or not at all.

Sources: the exrWriter of the NDK's examples (data window = bounding box without the black border, display window from 0, 0,
channel names, the metadata modes and their ``nuke/`` prefix); Foundry's pages on file names and on rendering metadata.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import OpenImageIO as oiio

from embedded_nuke.render import channels as channel_names
from embedded_nuke.render.colour_management import convert, file_space, working_space
from embedded_nuke.render.files import kind_of, located, split_prefix, with_frame
from embedded_nuke.render.frame_expression import frame_by_expression
from embedded_nuke.render.image import ALPHA, RGB, RGBA, Box, Image, Pixels
from embedded_nuke.render.operation import Operation, RenderError, fail, refuse
from embedded_nuke.render.resample import resize
from embedded_nuke.render.write_metadata import set_metadata

_EXR_COMPRESSION = {
    "none": "none", "RLE": "rle", "Zip (1 scanline)": "zips", "Zip (16 scanlines)": "zip", "PIZ Wavelet (32 scanlines)": "piz",
    "PXR24 (lossy)": "pxr24", "B44": "b44", "B44A": "b44a", "DWAA": "dwaa", "DWAB": "dwab",
}  # fmt: skip
_TIFF_COMPRESSION = {"none": "none", "PackBits": "packbits", "LZW": "lzw", "Deflate": "zip"}
_DEPTHS = {
    "tiff": {"8 bit": "uint8", "16 bit": "uint16", "32 bit": "float", "32 bit float": "float"},
    "png": {"8 bit": "uint8", "16 bit": "uint16"},
    "dpx": {"8 bit": "uint8", "10 bit": "uint10", "12 bit": "uint12", "16 bit": "uint16"},
    "exr": {"16 bit half": "half", "32 bit float": "float"},
    "jpeg": {"8 bit": "uint8"},
    "targa": {"8 bit": "uint8"},
    "hdr": {"32 bit float": "float"},
}
_USUAL_DEPTH = {"tiff": "8 bit", "png": "8 bit", "dpx": "10 bit", "exr": "16 bit half", "jpeg": "8 bit", "targa": "8 bit",
                "hdr": "32 bit float"}  # fmt: skip
# How many channels each can hold; EXR any.
_CHANNELS = {"tiff": 4, "png": 4, "targa": 4, "dpx": 4, "jpeg": 3, "hdr": 3}
_SUFFIX = {"exr": ".exr", "tiff": ".tif", "png": ".png", "dpx": ".dpx", "jpeg": ".jpg", "targa": ".tga", "hdr": ".hdr"}


def write_image(o: Operation, image: Image, input_hash: str) -> str:
    """Write the picture into the Write's file of the frame; gives the path.

    Raises:
        RenderError: no file name or folder, no channel to write, an unknown type, depth or compression, a disk that is full.
    """
    scale = proxy_scale(o)
    pattern = (o.text("proxy") if scale != 1.0 else "") or o.text("file")
    if not pattern:
        raise fail(o, "the knob 'file' is empty; give it a file name.")
    prefix, name = split_prefix(pattern)
    path = located(with_frame(name, _number(o)), o.root_text("project_directory"))
    kind = kind_of(path, o.text("file_type"), prefix)
    if kind not in _DEPTHS:
        raise fail(o, f"files of the type '{kind or 'unknown'}' are not written here; use one of {', '.join(sorted(_DEPTHS))}.")
    depth = _depth(o, kind)
    wanted = channel_names.chosen(o.text("channels"), image.channels)
    if not wanted:
        raise fail(o, f"no channel selected or available: '{o.text('channels')}' of {', '.join(image.channels) or 'nothing'}.")
    _prepare_folder(o, path)
    picture = image if scale == 1.0 else resize(image, scale)
    picture = _coded(o, picture, kind, depth)
    with _whole(o, path, _SUFFIX[kind]) as temporary:
        if kind == "exr":
            _write_exr(o, temporary, picture.only(wanted), depth, image.metadata, input_hash)
        else:
            _write_flat(o, temporary, picture, wanted, kind, depth)
    return path


def proxy_scale(o: Operation) -> float:
    """The root's proxy scale, 1.0 with proxy mode off: the proxy format's width over the format's, or ``proxy_scale``."""
    if o.root_text("proxy").lower() not in ("true", "1"):
        return 1.0
    if o.root_text("proxy_type") == "scale":
        return float(o.root_text("proxy_scale") or 0.5)
    try:
        small, full = (float(o.root_text(name).split()[0]) for name in ("proxy_format", "format"))
    except (IndexError, ValueError):
        return 0.5
    return small / full


def _number(o: Operation) -> int:
    mode, value = o.text("frame_mode"), o.text("frame").strip()
    if not value:
        return round(o.frame)
    number = frame_by_expression(o, value)
    if mode == "start at":
        return round(o.frame - o.input_range(0)[0] + number)
    return round(o.frame + number) if mode == "offset" else round(number)


def _depth(o: Operation, kind: str) -> str:
    chosen = o.text("datatype") if o.has("datatype") and o.text("datatype") else _USUAL_DEPTH[kind]
    if chosen not in _DEPTHS[kind]:
        raise fail(o, f"datatype '{chosen}' does not exist for {kind}; use one of {', '.join(_DEPTHS[kind])}.")
    return _DEPTHS[kind][chosen]


def _prepare_folder(o: Operation, path: str) -> None:
    folder = os.path.dirname(path)
    if os.path.isdir(folder):
        return
    if not o.flag("create_directories"):
        raise fail(o, f"the folder {folder} does not exist; make it, or turn create_directories on.")
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise fail(o, f"the folder {folder} cannot be made ({error.strerror}); choose another.") from error


@contextlib.contextmanager
def _whole(o: Operation, path: str, suffix: str) -> Iterator[str]:
    """A temporary name beside ``path``, renamed to it on success and removed otherwise (Nuke writes to a ``.tmp`` likewise)."""
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.partial{suffix}")
    try:
        yield temporary
        descriptor = os.open(temporary, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except OSError as error:
        raise fail(o, f"cannot write {path}: {error.strerror or error}; free some space or choose another folder.") from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _coded(o: Operation, image: Image, kind: str, depth: str) -> Image:
    """The picture in the file's colour space: ``raw`` leaves the values alone."""
    present = tuple(name for name in RGB if image.has(name))
    if o.flag("raw") or not present:
        return image
    if o.has("transformType") and o.text("transformType") == "display":
        raise refuse(o, "transformType", "display", "colorspace")
    by_depth = "log" if kind == "dpx" else "int8" if depth == "uint8" else "float" if depth in ("half", "float") else "int16"
    target, source = file_space(o, by_depth), working_space(o)
    if target == source:
        return image
    values = image.window(image.box, RGB)
    alpha = image.plane(ALPHA)[:, :, None] if o.flag("premultiplied") and image.has(ALPHA) else None
    if alpha is not None:
        safe = np.where(alpha == 0, np.float32(1), alpha)
        converted = convert(o, values / safe, source, target) * safe
    else:
        converted = convert(o, values, source, target)
    constants = None
    if image.outside is not None:
        beyond = np.array([[[dict(zip(image.channels, image.outside)).get(name, 0.0) for name in RGB]]], np.float32)
        constants = dict(zip(RGB, convert(o, beyond, source, target)[0, 0].tolist()))
    planes = {name: converted[:, :, RGB.index(name)] for name in present}
    return image.with_channels(planes, constants)


def _write_exr(o: Operation, path: str, image: Image, depth: str, metadata: Any, input_hash: str) -> None:
    if o.has("autocrop") and o.flag("autocrop"):
        image = image.boxed(_autocrop(image))
    if image.box.empty:
        image = image.boxed(Box(0, 0, 1, 1))
    groups: list[tuple[str, tuple[str, ...]]] = [("", image.channels)]
    if o.has("interleave") and o.text("interleave") == "channels":
        groups = _by_layer(o, image.channels)
    specs = []
    for layer, names in groups:
        spec = _exr_spec(o, image, names, depth)
        if layer:
            spec.attribute("oiio:subimagename", f"{layer}.main")
        set_metadata(o, spec, metadata, input_hash)
        specs.append(spec)
    sink = oiio.ImageOutput.create(path)
    if sink is None:
        raise fail(o, f"no writer for EXR files ({oiio.geterror()}).")
    done = sink.open(path, tuple(specs)) if len(specs) > 1 else sink.open(path, specs[0])
    for index, (_, names) in enumerate(groups):
        if done and index:
            done = sink.open(path, specs[index], "AppendSubimage")
        done = done and sink.write_image(np.ascontiguousarray(image.only(names).pixels))
    _finish(o, sink, done)


def _by_layer(o: Operation, names: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
    layers: dict[str, list[str]] = {}
    for name in names:
        layers.setdefault(channel_names.layer_of(name), []).append(name)
    first = o.text("first_part") if o.has("first_part") else ""
    return [(layer, tuple(layers[layer])) for layer in sorted(layers, key=lambda layer: (layer != first, layer))]


def _exr_spec(o: Operation, image: Image, names: tuple[str, ...], depth: str) -> Any:
    spec = oiio.ImageSpec(image.box.width, image.box.height, len(names), depth)
    spec.channelnames = tuple(channel_names.to_file(name) for name in names)
    spec.x, spec.y = image.box.x, image.format.height - image.box.t
    spec.full_x, spec.full_y, spec.full_width, spec.full_height = 0, 0, image.format.width, image.format.height
    spec.attribute("PixelAspectRatio", float(image.format.pixel_aspect))
    spec.attribute("oiio:UnassociatedAlpha", 1)
    if ALPHA in names:
        spec.alpha_channel = names.index(ALPHA)
    chosen = o.text("compression") if o.has("compression") and o.text("compression") else "Zip (1 scanline)"
    if chosen not in _EXR_COMPRESSION:
        raise fail(o, f"compression '{chosen}' does not exist; use one of {', '.join(_EXR_COMPRESSION)}.")
    compression = _EXR_COMPRESSION[chosen]
    if compression.startswith("dwa"):
        level = o.number("dw_compression_level") if o.has("dw_compression_level") else 45.0
        compression = f"{compression}:{level:g}"
    spec.attribute("compression", compression)
    return spec


def _autocrop(image: Image) -> Box:
    """The smallest box that holds every value other than 0; a single pixel at 0, 0 where all are 0."""
    filled = np.any(image.pixels != 0, axis=2)
    rows, columns = np.flatnonzero(filled.any(axis=1)), np.flatnonzero(filled.any(axis=0))
    if rows.size == 0:
        return Box(0, 0, 1, 1)
    box = image.box
    return Box(box.x + int(columns[0]), box.t - int(rows[-1]) - 1, box.x + int(columns[-1]) + 1, box.t - int(rows[0]))


def _write_flat(o: Operation, path: str, image: Image, wanted: tuple[str, ...], kind: str, depth: str) -> None:
    """One picture over the whole format, colour and perhaps alpha."""
    names: tuple[str, ...] = RGBA if ALPHA in wanted and _CHANNELS[kind] == 4 else RGB
    # A single other layer is written as the colour, as Nuke does for types without layers.
    if not any(name in wanted for name in RGBA):
        wanted = wanted[: len(RGB)]
        values = image.window(image.format.box, wanted)
        pixels = np.zeros((*values.shape[:2], 3), np.float32)
        pixels[:, :, : values.shape[2]] = values
        names = RGB
    else:
        pixels = np.array(image.window(image.format.box, names))
        for index, name in enumerate(names):
            if name not in wanted:
                pixels[:, :, index] = 0.0
    bits = int(depth[4:]) if depth in ("uint10", "uint12") else 0
    spec = oiio.ImageSpec(image.format.width, image.format.height, len(names), "uint16" if bits else depth)
    spec.channelnames = tuple(channel_names.to_file(name) for name in names)
    spec.attribute("PixelAspectRatio", float(image.format.pixel_aspect))
    spec.attribute("oiio:UnassociatedAlpha", 1)
    _flat_attributes(o, spec, kind, bits)
    sink = oiio.ImageOutput.create(path)
    done = sink is not None and sink.open(path, spec) and sink.write_image(_codes(pixels, depth))
    _finish(o, sink, done)


def _codes(pixels: Pixels, depth: str) -> Any:
    """Integers rounded to the nearest code and held within them. Assumption: Nuke dithers 8-bit files, these are not."""
    if depth in ("half", "float"):
        return np.ascontiguousarray(pixels)
    bits = int(depth[4:])
    codes = np.rint(np.nan_to_num(pixels, nan=0.0).clip(0.0, 1.0) * np.float32(2**bits - 1))
    if bits == 8:
        return codes.astype(np.uint8)
    whole = codes.astype(np.uint16)
    return whole << (16 - bits) | whole >> (2 * bits - 16) if bits < 16 else whole


def _flat_attributes(o: Operation, spec: Any, kind: str, bits: int) -> None:
    if bits:
        spec.attribute("oiio:BitsPerSample", bits)
    if kind == "tiff":
        chosen = o.text("compression") if o.has("compression") and o.text("compression") else "Deflate"
        if chosen not in _TIFF_COMPRESSION:
            raise fail(o, f"compression '{chosen}' does not exist for tiff; use one of {', '.join(_TIFF_COMPRESSION)}.")
        spec.attribute("compression", _TIFF_COMPRESSION[chosen])
    elif kind == "jpeg":
        quality = o.number("_jpeg_quality") if o.has("_jpeg_quality") else 0.75
        spec.attribute("compression", f"jpeg:{max(1, min(100, round(quality * 100)))}")
        if o.has("_jpeg_sub_sampling") and o.text("_jpeg_sub_sampling") in ("4:4:4", "4:2:2", "4:2:0", "4:1:1"):
            spec.attribute("jpeg:subsampling", o.text("_jpeg_sub_sampling"))


def _finish(o: Operation, sink: Any | None, done: bool) -> None:
    if sink is None:
        raise fail(o, f"no writer for this type of file ({' '.join(oiio.geterror().split())}).")
    problem = sink.geterror()
    done = sink.close() and done
    late = sink.geterror()  # after every TIFF, also a good one, it holds a complaint
    if not done or problem:
        reason = " ".join((problem or late).split())[:200]
        raise fail(o, f"the file cannot be written ({reason}); free some space, or choose another folder.")


__all__ = ["RenderError", "proxy_scale", "write_image"]
