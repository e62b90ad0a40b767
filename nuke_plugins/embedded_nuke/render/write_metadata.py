"""Which metadata goes into the header of a written EXR.

The five modes are those of Write's knob ``metadata``: *no metadata*; *default metadata* (time code, edge code, frame rate,
exposure and the hash of the node graph); *default metadata and exr/* the same with all ``exr/`` keys; *all metadata except
input/*; *all metadata*. ``exr/name`` becomes the attribute ``name``; other keys get the prefix ``nuke/`` unless ``noprefix`` is
on (Foundry's pages, and the NDK's exrWriter).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import OpenImageIO as oiio

from embedded_nuke.render.operation import Operation, fail

MODES = ("no metadata", "default metadata", "default metadata and exr/*", "all metadata except input/*", "all metadata")
# Filled by the writer itself, from the picture and the knobs.
_OWN = frozenset(
    [
        "compression", "dataWindow", "displayWindow", "pixelAspectRatio", "screenWindowCenter", "screenWindowWidth",
        "lineOrder", "channels", "type", "name", "view", "chunkCount", "version", "multiView", "PixelAspectRatio",
    ]
)  # fmt: skip


def set_metadata(o: Operation, spec: Any, metadata: Mapping[str, Any], input_hash: str) -> None:
    """Fill the header by the Write's mode. Raises :class:`RenderError` for an unknown mode."""
    mode = o.text("metadata") if o.has("metadata") and o.text("metadata") else "default metadata"
    if mode not in MODES:
        raise fail(o, f"metadata '{mode}' does not exist; use one of {', '.join(MODES)}.")
    if mode == "no metadata":
        return
    attributes: dict[str, Any] = {}
    prefix = "" if o.has("noprefix") and o.flag("noprefix") else "nuke/"
    for key, value in sorted(metadata.items()):
        if key.startswith("exr/"):
            if mode != "default metadata":
                attributes[key[4:]] = value
        elif mode == "all metadata" or (mode == "all metadata except input/*" and not key.startswith("input/")):
            attributes[f"{prefix}{key}"] = value
    _defaults(attributes, metadata)
    if input_hash:
        attributes["nuke/node_hash"] = input_hash
    for name, value in attributes.items():
        if name not in _OWN:
            _set(spec, name, value)


def _defaults(attributes: dict[str, Any], metadata: Mapping[str, Any]) -> None:
    """The optional standard fields, from ``exr/…`` or ``input/…``."""
    for target, keys in (
        ("timeCode", ("input/timecode", "exr/timeCode")),
        ("framesPerSecond", ("input/frame_rate", "exr/framesPerSecond")),
        ("expTime", ("input/exposure", "exr/expTime")),
        ("keyCode", ("input/edgecode", "exr/keyCode")),
    ):
        for key in keys:
            if key in metadata:
                attributes[target] = metadata[key]
                break


def _set(spec: Any, name: str, value: Any) -> None:
    if name == "timeCode":
        _set_time_code(spec, str(value))
    elif name == "framesPerSecond":
        _set_rate(spec, value)
    elif isinstance(value, bool):
        spec.attribute(name, int(value))
    elif isinstance(value, (int, float, str)):
        spec.attribute(name, value)
    elif isinstance(value, (list, tuple)) and value and all(isinstance(part, (int, float)) for part in value):
        kind = "int" if all(isinstance(part, int) for part in value) else "float"
        types = {2: f"{'vec2' if kind == 'float' else 'int[2]'}", 3: "vector" if kind == "float" else "int[3]", 16: "matrix"}
        spec.attribute(name, oiio.TypeDesc(types.get(len(value), f"{kind}[{len(value)}]")), tuple(value))
    else:
        spec.attribute(name, str(value))


def _set_rate(spec: Any, value: Any) -> None:
    if isinstance(value, (list, tuple)) and len(value) == 2:
        numerator, denominator = int(value[0]), int(value[1])
    else:
        try:
            rate = float(value)
        except (TypeError, ValueError):
            return
        # 23.976 and its kin are multiples of 1000/1001.
        whole = round(rate * 1001 / 1000)
        is_ntsc = abs(rate - whole * 1000 / 1001) < 5e-4 and abs(rate - round(rate)) > 1e-3
        exact = (round(rate * 1000), 1000) if rate % 1 else (round(rate), 1)
        numerator, denominator = (whole * 1000, 1001) if is_ntsc else exact
    spec.attribute("FramesPerSecond", oiio.TypeDesc("rational"), (numerator, denominator))


def _set_time_code(spec: Any, text: str) -> None:
    """``hh:mm:ss:ff`` (``;`` before the frames means drop frame) as the two words of SMPTE ST 12, each digit in four bits."""
    drop = ";" in text
    parts = text.replace(";", ":").split(":")
    try:
        hours, minutes, seconds, frames = (int(part) for part in parts)
    except ValueError:
        return
    word = 0
    for shift, value in ((0, frames), (8, seconds), (16, minutes), (24, hours)):
        word |= (value % 10) << shift | (value // 10) << (shift + 4)
    spec.attribute("smpte:TimeCode", oiio.TypeDesc("timecode"), (word | (1 << 6 if drop else 0), 0))
