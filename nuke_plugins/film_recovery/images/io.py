"""Reading and writing single images through OpenImageIO: EXR, DPX, TIFF, PNG, JPEG (reading only). Nothing is clamped or
quantised on the way in; what goes out is whole or absent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio

from film_recovery.contract.atomic import atomic_path
from film_recovery.contract.errors import InputError, MissingFrameError, StorageError, UnreadableImageError
from film_recovery.images.attributes import UNASSOCIATED, kept_attributes, set_attributes
from film_recovery.images.channels import find_colour, luminance_chroma_to_rgb, luminance_weights
from film_recovery.images.frame import FloatArray, Frame, Window
from film_recovery.images.single import from_half, from_planes, planes_of, to_half
from film_recovery.images.subsampled import read_subsampled

# What each kind of file can hold; the first is the usual depth.
WRITABLE: dict[str, tuple[str, ...]] = {
    ".exr": ("half", "float"),
    ".png": ("uint16", "uint8"),
    ".tif": ("uint16", "uint8", "float"),
    ".tiff": ("uint16", "uint8", "float"),
    ".dpx": ("uint10", "uint8", "uint12", "uint16"),
}
_HALF_MAX = 65504.0
# Deflate at its fastest: grain hardly compresses. OpenImageIO's usual level makes files 3 % smaller in 1.3 times the time.
_LEVELS = {"zip": "zip:1", "zips": "zips:1"}
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"


def read_frame(path: Path | str) -> Frame:
    """Read one image.

    Integer files give ``code / largest code``, floating ones their values. Colour is R, G, B at the top of the file, else of
    its first layer that has them, else luminance and chroma, else one gray channel three times. Further parts of a multi-part
    EXR join the extra channels, cut or filled with 0 to the colour's data window; a name that is taken gets the part's before
    it. Alpha is a channel like any other and never multiplied in.

    Raises:
        MissingFrameError: the file does not exist.
        UnreadableImageError: it is truncated, damaged, empty, or not an image with colour.
    """
    path = Path(path)
    try:
        is_there = path.is_file()
    except OSError as error:
        raise UnreadableImageError(f"{path} cannot be read ({error.strerror}); check the permissions, or the disk.") from error
    if not is_there:
        raise MissingFrameError(f"{path} does not exist; check the path and the frame number.")
    content = _read(path)
    names = list(content.planes)
    colour = find_colour(names, path)
    rgb = content.first
    if rgb is None or colour.indices != (0, 1, 2):
        rgb = from_planes([content.planes[names[index]] for index in colour.indices])
    if colour.is_luminance_chroma:
        chromaticities = content.metadata.get("chromaticities")
        rgb = luminance_chroma_to_rgb(rgb, luminance_weights(chromaticities[1] if chromaticities else None))
    return Frame(
        rgb=rgb,
        data_window=content.data_window,
        display_window=content.display_window,
        extra={
            name: np.ascontiguousarray(plane)
            for index, (name, plane) in enumerate(content.planes.items())
            if index not in colour.indices
        },
        metadata=content.metadata,
        pixel_type=content.kinds[names[colour.indices[0]]],
        source=str(path),
    )


def write_frame(
    path: Path | str,
    frame: Frame,
    pixel_type: str | None = None,
    compression: str = "zip",
    before_renaming: Callable[[Path], None] | None = None,
) -> None:
    """Write one image, whole or not at all; the suffix chooses the format, ``pixel_type`` its depth (None: usual for it).

    Where the kind of file cannot hold the windows (:func:`windows_in`), the picture is cut, or filled with black, to the
    display window. Only EXR carries channels beside RGB (TIFF and PNG: ``A``), only EXR and DPX a time code. In an EXR an extra
    channel is half where half holds it exactly, else float. Integer files end at 0 and 1. Equal frames give equal files.
    ``before_renaming`` is called with the temporary file once it is written; what it raises leaves ``path`` as it was.

    Raises:
        InputError: colour is not finite or does not fit the pixel type, or the suffix cannot hold it.
        StorageError: the disk is full, read-only or failing.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    kind = _kind(path, pixel_type)
    _check_values(path, frame, kind)
    spec, planes = _spec(_held(frame, suffix), kind, suffix)
    set_attributes(spec, frame.metadata, suffix, compression)
    if suffix == ".exr":
        spec.attribute("compression", _LEVELS.get(compression, compression))
    try:
        with atomic_path(path) as temporary:
            _write(path, temporary, spec, planes)
            if before_renaming is not None:
                before_renaming(temporary)
    except OSError as error:
        advice = "shorten the name or choose another folder"
        raise StorageError(f"Cannot write {path}: {error.strerror or error}; {advice}.") from error


def windows_in(suffix: str, frame: Frame) -> tuple[Window, Window]:
    """Data and display window of a frame as a file of this kind has them.

    EXR holds any, TIFF and DPX those that nowhere begin below 0, PNG none: there the picture is the display window.
    """
    data, display = frame.data_window, frame.display_window
    if suffix == ".exr" or (suffix != ".png" and min(data.x, data.y, display.x, display.y) >= 0):
        return data, display
    whole = Window(0, 0, display.width, display.height)
    return whole, whole


@dataclass
class _Content:
    planes: dict[str, FloatArray]
    kinds: dict[str, str]
    data_window: Window
    display_window: Window
    metadata: dict[str, Any]
    first: FloatArray | None = None  # the first three planes as one picture (H, W, 3), where they lie in memory like that


def _read(path: Path) -> _Content:
    # Without this, colour would be multiplied by alpha, in the file's integers.
    raw = oiio.ImageSpec()
    raw.attribute(UNASSOCIATED, 1)
    source = oiio.ImageInput.open(str(path), raw)
    if source is None:
        reason = _complaint(oiio)
        if "Subsampled" in reason:
            planes, window, display, metadata, kind = read_subsampled(path)
            return _Content(planes, dict.fromkeys(planes, kind), window, display, metadata)
        raise UnreadableImageError(f"{path} cannot be opened as an image ({_reason(reason)}); replace the file.")
    try:
        parts = [("", _read_part(path, source, 0))]
        while source.format_name() == "openexr" and source.seek_subimage(len(parts), 0):
            name = source.spec().get_string_attribute("oiio:subimagename")
            parts.append((name, _read_part(path, source, len(parts))))
        _complaint(source)  # that there is no further part
    finally:
        source.close()
    return parts[0][1] if len(parts) == 1 else _joined(parts, path)


def _read_part(path: Path, source: oiio.ImageInput, part: int) -> _Content:
    spec = source.spec()
    if spec.deep:
        raise UnreadableImageError(f"{path} holds deep pixels; flatten it first, for instance with Nuke's DeepToImage.")
    try:
        # Halves as they are: OpenImageIO takes far longer to turn them into floats.
        pixels = source.read_image(part, 0, 0, spec.nchannels, "half" if set(_stored(spec)) == {"half"} else "float")
    except MemoryError as error:
        size = f"{spec.width}x{spec.height} pixels with {spec.nchannels} channels"
        raise UnreadableImageError(f"{path} claims {size}, which memory cannot hold; it is damaged or too large.") from error
    problem = _complaint(source)
    if pixels is None or problem:
        raise UnreadableImageError(f"{path} is damaged or not whole ({_reason(problem)}); copy or render this frame again.")
    shaped = np.asarray(pixels).reshape(spec.height, spec.width, spec.nchannels)
    values = from_half(shaped) if shaped.dtype == np.float16 else np.asarray(shaped, np.float32)
    bits = spec.get_int_attribute("oiio:BitsPerSample", 0)
    base = f"uint{bits}" if str(spec.format) == "uint16" and bits in (10, 12) else str(spec.format)
    if base != str(spec.format):
        # Stored in 16 bits by repeating the upper ones; back to whole codes.
        values = np.floor(values * np.float32(65535.0) / 2 ** (16 - bits) + 1e-3) / np.float32(2**bits - 1)
    kinds = [base] * spec.nchannels if base != str(spec.format) else _stored(spec)
    first = values if spec.nchannels == 3 else None
    parted = planes_of(values) if first is None else [values[:, :, index] for index in range(3)]
    planes = dict(zip(spec.channelnames, parted, strict=True))
    if source.format_name() == "openexr":
        for index, (name, kind) in enumerate(zip(list(planes), kinds, strict=True)):
            if kind == "uint":  # identifiers, not brightness; exact up to 2^24
                whole = source.read_image(part, 0, index, index + 1, "uint")
                planes[name], first = np.asarray(whole, np.float32).reshape(spec.height, spec.width), None
    window = Window(spec.x, spec.y, spec.width, spec.height)
    display = Window(spec.full_x, spec.full_y, spec.full_width, spec.full_height)
    return _Content(planes, dict(zip(planes, kinds, strict=True)), window, display, kept_attributes(spec), first)


def _stored(spec: oiio.ImageSpec) -> list[str]:
    return [str(spec.channelformat(index)) for index in range(spec.nchannels)]


def _joined(parts: list[tuple[str, _Content]], path: Path) -> _Content:
    """One content of several parts, by name: over the windows, and with the header, of the part that has the colour."""
    planes: dict[str, tuple[_Content, str]] = {}
    for part, content in parts:
        for name in content.planes:
            planes[name if name not in planes else f"{part or 'part'}.{name}"] = (content, name)
    owner = planes[list(planes)[find_colour(list(planes), path).indices[0]]][0]
    window = owner.data_window
    fitted = {free: _fitted(content.planes[name], content.data_window, window) for free, (content, name) in planes.items()}
    kinds = {free: content.kinds[name] for free, (content, name) in planes.items()}
    return _Content(fitted, kinds, window, owner.display_window, owner.metadata)


def _fitted(plane: FloatArray, theirs: Window, ours: Window) -> FloatArray:
    """A plane over a window cut, or filled with 0, to another."""
    if theirs == ours:
        return plane
    rows = slice(max(ours.y, theirs.y), min(ours.y + ours.height, theirs.y + theirs.height))
    columns = slice(max(ours.x, theirs.x), min(ours.x + ours.width, theirs.x + theirs.width))
    fitted = np.zeros((ours.height, ours.width), np.float32)
    if rows.start < rows.stop and columns.start < columns.stop:
        fitted[rows.start - ours.y : rows.stop - ours.y, columns.start - ours.x : columns.stop - ours.x] = plane[
            rows.start - theirs.y : rows.stop - theirs.y, columns.start - theirs.x : columns.stop - theirs.x
        ]
    return fitted


def _kind(path: Path, pixel_type: str | None) -> str:
    suffix = path.suffix.lower()
    if suffix not in WRITABLE:
        raise InputError(f"Cannot write {path}: use one of {', '.join(WRITABLE)} as the suffix.")
    kinds = WRITABLE[suffix]
    if pixel_type in (None, *kinds):
        return pixel_type or kinds[0]
    if str(pixel_type).startswith(("int", "uint")) and suffix != ".exr":
        return "uint16"  # a depth that only other kinds of file have; 16 bits hold it
    raise InputError(f"Cannot write {path} as {pixel_type}: {suffix} holds {', '.join(kinds)}; choose another suffix or type.")


def _held(frame: Frame, suffix: str) -> Frame:
    """The frame over the windows that the file will have."""
    data, display = windows_in(suffix, frame)
    if (data, display) == (frame.data_window, frame.display_window):
        return frame
    ours, theirs = frame.display_window, frame.data_window  # of a PNG, the display window begins at 0
    planes = [_fitted(plane, theirs, ours) for plane in (*planes_of(frame.rgb), *frame.extra.values())]
    extra = dict(zip(frame.extra, planes[3:], strict=True))
    return replace(frame, rgb=from_planes(planes[:3]), data_window=data, display_window=display, extra=extra)


def _spec(frame: Frame, kind: str, suffix: str) -> tuple[oiio.ImageSpec, np.ndarray[Any, Any]]:
    kept = frame.extra if suffix == ".exr" else {"A"} if suffix != ".dpx" else ()  # the names of others would be lost
    extra = {name: plane for name, plane in frame.extra.items() if name in kept}
    names = ("R", "G", "B", *extra)
    planes = np.ascontiguousarray(np.dstack([frame.rgb, *(plane[:, :, None] for plane in extra.values())]), np.float32)
    bits = int(kind[4:]) if kind in ("uint10", "uint12") else 0
    spec = oiio.ImageSpec(frame.data_window.width, frame.data_window.height, len(names), "uint16" if bits else kind)
    spec.channelnames = names
    if kind == "half" and extra:
        spec.channelformats = ("half", "half", "half", *("half" if _fits_half(plane) else "float" for plane in extra.values()))
    spec.alpha_channel = names.index("A") if "A" in extra else -1  # OpenImageIO takes any fourth channel for it
    if "A" in extra and (suffix == ".png" or frame.metadata.get(UNASSOCIATED)):  # else a PNG's colour would be divided by it
        spec.attribute(UNASSOCIATED, 1)
    window = frame.display_window
    spec.x, spec.y = frame.data_window.x, frame.data_window.y
    spec.full_x, spec.full_y, spec.full_width, spec.full_height = window.x, window.y, window.width, window.height
    if not bits:
        # OpenImageIO takes ten times as long to turn floats into halves.
        return spec, to_half(planes) if kind == "half" and set(_stored(spec)) == {"half"} else planes
    spec.attribute("oiio:BitsPerSample", bits)
    # Rounded here, since the writer cuts the lower bits off.
    codes = np.rint(planes.clip(0.0, 1.0) * np.float32(2**bits - 1)).astype(np.uint16)
    return spec, codes << (16 - bits) | codes >> (2 * bits - 16)


def _fits_half(plane: FloatArray) -> bool:
    with np.errstate(over="ignore"):
        return bool(np.array_equal(from_half(to_half(plane)), plane, equal_nan=True))


def _check_values(path: Path, frame: Frame, kind: str) -> None:
    if not frame.rgb.size:
        return
    lowest, highest = float(frame.rgb.min()), float(frame.rgb.max())  # NaN where there is any
    if not np.isfinite([lowest, highest]).all():
        count = int(np.count_nonzero(~np.isfinite(frame.rgb)))
        raise InputError(f"Not writing {path}: {count} values of colour are NaN or infinite; repair the input frame first.")
    if kind == "half" and max(-lowest, highest) > _HALF_MAX:
        raise InputError(f"Not writing {path}: colour exceeds 65504, the largest half; write float instead.")


def _write(path: Path, temporary: Path, spec: oiio.ImageSpec, planes: np.ndarray[Any, Any]) -> None:
    sink = oiio.ImageOutput.create(str(temporary))
    if sink is None:
        raise InputError(f"Cannot write {path}: this build of OpenImageIO has no writer for {path.suffix}.")
    done = sink.open(str(temporary), spec) and sink.write_image(planes)
    problem = _complaint(sink)
    done = sink.close() and done
    late = _complaint(sink)  # after every TIFF, also a good one, it holds a complaint
    if not done or problem:
        reason = _reason((problem or late).replace(str(temporary), path.name))
        raise StorageError(f"Cannot write {path} ({reason}); free some space and run again.")
    if path.suffix.lower() == ".dpx":
        _name_dpx(path, temporary)
    _check_written(path, temporary)


def _name_dpx(path: Path, temporary: Path) -> None:
    """Put the file's own name into its header (SMPTE ST 268, field 4) instead of the temporary one."""
    with open(temporary, "r+b") as stream:
        stream.seek(36)
        stream.write(path.name.encode("utf-8")[:99].ljust(100, b"\0"))


def _check_written(path: Path, temporary: Path) -> None:
    """Read the end of what was written: where only the last bytes did not fit on the disk, no writer notices."""
    source = oiio.ImageInput.open(str(temporary))
    whole = source is not None
    if source is not None:
        spec = source.spec()
        last = spec.y + spec.height
        whole = source.read_scanlines(0, 0, last - 1, last, 0, 0, spec.nchannels, "float") is not None
        _complaint(source)
        source.close()
    _complaint(oiio)
    if path.suffix.lower() == ".png":
        whole = whole and temporary.read_bytes().endswith(_PNG_END)
    if not whole:
        raise StorageError(f"Cannot write {path}: what reached the disk is not whole; free some space and run again.")


def _complaint(owner: Any) -> str:
    """What OpenImageIO, one of its files or the library itself, complains of, which it then forgets; empty for nothing."""
    try:
        return str(owner.geterror())
    except UnicodeDecodeError:  # it quotes the bytes of a damaged header
        return "it holds bytes that are no text"


def _reason(text: str) -> str:
    return " ".join(text.split())[:160] or "no reason given"
