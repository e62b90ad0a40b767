"""Reading and writing single images through OpenImageIO: EXR, DPX, TIFF, PNG, JPEG. Nothing is clamped or quantised on the
way in; what goes out is whole or absent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio

from film_recovery.contract.atomic import atomic_path
from film_recovery.contract.errors import InputError, MissingFrameError, StorageError, UnreadableImageError
from film_recovery.images.frame import FloatArray, Frame, Window

_HALF_MAX = 65504.0
_OUTPUT_TYPES = {"half": "half", "float": "float", "uint8": "uint8", "uint10": "uint10", "uint12": "uint12", "uint16": "uint16"}
_DEFAULT_TYPE = {".exr": "half", ".png": "uint16", ".tif": "uint16", ".tiff": "uint16", ".dpx": "uint10", ".jpg": "uint8"}
# Attributes that describe the old file and would be wrong or unstable in the new one.
_DROPPED = (
    "compression", "oiio:", "openexr:", "textureformat", "wrapmodes", "fovcot", "worldtocamera", "worldtoNDC", "tiff:", "png:",
    "jpeg:", "dpx:", "ICCProfile", "planarconfig", "Exif:", "chunkCount", "version", "name",
)  # fmt: skip


def read_frame(path: Path | str) -> Frame:
    """Read one image.

    Raises:
        MissingFrameError: the file does not exist.
        UnreadableImageError: it is truncated, damaged, empty, or not an image with colour.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFrameError(f"{path} does not exist; check the path and the frame number.")
    source = oiio.ImageInput.open(str(path))
    if source is None:
        raise UnreadableImageError(f"{path} cannot be opened as an image ({_reason(oiio.geterror())}); replace the file.")
    try:
        spec = source.spec()
        pixels = source.read_image(0, 0, 0, spec.nchannels, "float")
        problem = source.geterror()
    finally:
        source.close()
    if pixels is None or problem:
        raise UnreadableImageError(f"{path} is damaged or not whole ({_reason(problem)}); copy or render this frame again.")
    planes = np.asarray(pixels, np.float32).reshape(spec.height, spec.width, spec.nchannels)
    colour = _colour_channels(list(spec.channelnames), path)
    rgb = np.ascontiguousarray(planes[:, :, colour])
    extra = {
        name: np.ascontiguousarray(planes[:, :, index]) for index, name in enumerate(spec.channelnames) if index not in colour
    }
    return Frame(
        rgb=rgb,
        data_window=Window(spec.x, spec.y, spec.width, spec.height),
        display_window=Window(spec.full_x, spec.full_y, spec.full_width, spec.full_height),
        extra=extra,
        metadata=_metadata(spec),
        pixel_type=_pixel_type(spec),
        source=str(path),
    )


def write_frame(path: Path | str, frame: Frame, pixel_type: str | None = None, compression: str = "zip") -> None:
    """Write one image, whole or not at all; the suffix chooses the format, ``pixel_type`` its depth (None: usual for it).

    Raises:
        InputError: the values are not finite, do not fit the pixel type, or the suffix is unknown.
        StorageError: the disk is full, read-only or failing.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    kind = pixel_type or _DEFAULT_TYPE.get(suffix)
    if suffix not in _DEFAULT_TYPE or kind not in _OUTPUT_TYPES:
        raise InputError(f"Cannot write {path}: use one of {', '.join(_DEFAULT_TYPE)} as the suffix.")
    if suffix != ".exr" and kind in ("half", "float") and suffix not in (".tif", ".tiff"):
        kind = _DEFAULT_TYPE[suffix]
    _check_values(path, frame, kind)
    spec, planes = _spec(frame, kind, compression, suffix)
    with atomic_path(path) as temporary:
        sink = oiio.ImageOutput.create(str(temporary))
        if sink is None:
            raise InputError(f"Cannot write {path}: this build of OpenImageIO has no writer for {suffix}.")
        written = sink.open(str(temporary), spec) and sink.write_image(planes)
        problem = sink.geterror()
        closed = sink.close()
        if not (written and closed):
            raise StorageError(f"Cannot write {path} ({_reason(problem or sink.geterror())}); free some space and run again.")


def _spec(frame: Frame, kind: str, compression: str, suffix: str) -> tuple[oiio.ImageSpec, FloatArray]:
    carries = suffix in (".exr", ".tif", ".tiff")
    extra = frame.extra if carries else {name: plane for name, plane in frame.extra.items() if name == "A" and suffix == ".png"}
    names = ("R", "G", "B", *extra)
    planes = np.ascontiguousarray(np.dstack([frame.rgb, *(plane[:, :, None] for plane in extra.values())]), np.float32)
    depth = {"uint10": "uint16", "uint12": "uint16"}.get(kind, kind)
    spec = oiio.ImageSpec(frame.data_window.width, frame.data_window.height, len(names), depth)
    spec.channelnames = names
    if "A" in extra:
        spec.alpha_channel = names.index("A")
        spec.attribute("oiio:UnassociatedAlpha", 1)  # no (un)premultiplication behind our back
    if suffix in (".exr", ".tif", ".tiff"):
        spec.x, spec.y = frame.data_window.x, frame.data_window.y
        window = frame.display_window
        spec.full_x, spec.full_y, spec.full_width, spec.full_height = window.x, window.y, window.width, window.height
    spec.attribute("DateTime", "")  # OpenImageIO would write the time of day, and equal pictures would give unequal files
    for name, value in frame.metadata.items():
        if isinstance(value, tuple):
            spec.attribute(name, *value)
        else:
            spec.attribute(name, value)
    if suffix == ".exr":
        spec.attribute("compression", compression)
    if kind in ("uint10", "uint12"):
        spec.attribute("oiio:BitsPerSample", int(kind[4:]))
    return spec, planes


def _check_values(path: Path, frame: Frame, kind: str) -> None:
    for name, plane in (("colour", frame.rgb), *frame.extra.items()):
        if not np.isfinite(plane).all():
            count = int(np.count_nonzero(~np.isfinite(plane)))
            raise InputError(f"Not writing {path}: {count} values of {name} are NaN or infinite; repair the input frame first.")
        if kind == "half" and plane.size and float(np.abs(plane).max()) > _HALF_MAX:
            raise InputError(f"Not writing {path}: {name} exceeds 65504, the largest half; write float instead.")


def _colour_channels(names: list[str], path: Path) -> list[int]:
    """Indices of red, green and blue: top-level first, then the first layer that has all three, then gray."""
    lowered = [name.lower() for name in names]
    for triple in (("r", "g", "b"), ("red", "green", "blue")):
        if all(part in lowered for part in triple):
            return [lowered.index(part) for part in triple]
        for name in lowered:
            layer, dot, part = name.rpartition(".")
            if dot and part == triple[0] and all(f"{layer}.{other}" in lowered for other in triple):
                return [lowered.index(f"{layer}.{other}") for other in triple]
    for gray in ("y", "i", "l", "gray", "grey"):
        if gray in lowered:
            return [lowered.index(gray)] * 3
    if len(names) in (1, 2):
        return [0, 0, 0]
    raise UnreadableImageError(f"{path} has no colour channels (found {', '.join(names[:6])}); write it with R, G and B.")


def _pixel_type(spec: oiio.ImageSpec) -> str:
    kind = str(spec.format)
    bits = spec.get_int_attribute("oiio:BitsPerSample", 0)
    return f"uint{bits}" if kind == "uint16" and bits in (10, 12) else kind


def _metadata(spec: oiio.ImageSpec) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for attribute in spec.extra_attribs:
        if attribute.name.startswith(_DROPPED):
            continue
        simple = str(attribute.type) in ("string", "int", "float")
        kept[attribute.name] = attribute.value if simple else (attribute.type, attribute.value)
    return kept


def _reason(text: str) -> str:
    return " ".join(text.split())[:160] or "no reason given"
