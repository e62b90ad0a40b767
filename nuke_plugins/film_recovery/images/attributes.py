"""What of a file's header travels with a frame, and what of it a file of another kind can take."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import OpenImageIO as oiio

FPS, TIME_CODE = "FramesPerSecond", "smpte:TimeCode"
UNASSOCIATED = "oiio:UnassociatedAlpha"  # that colour was not multiplied by alpha: of files that can tell
# They describe how the old file was laid out, and would be wrong in the new one.
_LAYOUT = {
    "channels", "chunkCount", "compression", "dataWindow", "displayWindow", "fovcot", "lineOrder", "name", "planarconfig",
    "textureformat", "tiles", "type", "version", "view", "worldtocamera", "worldtoNDC", "wrapmodes",
    "dpx:DittoKey", "dpx:EndOfImagePadding", "dpx:EndOfLinePadding", "dpx:ImageDescriptor", "dpx:Packing", "dpx:TimeCode",
    "dpx:UserBits", "dpx:Version",
    "Exif:ColorSpace", "Exif:MakerNote", "Exif:PixelXDimension", "Exif:PixelYDimension",
}  # fmt: skip
_LAYOUT_PREFIXES = ("oiio:", "openexr:", "tiff:", "png:", "jpeg:", "ICCProfile:", "Exif:Interop")
_DPX_RATES = ("dpx:FrameRate", "dpx:TemporalFrameRate")


def kept_attributes(spec: oiio.ImageSpec) -> dict[str, Any]:
    """The header of a file that was read: plain str, int, float, or ``(type, value)`` for everything else.

    A DPX header's frame rate is also found under ``FramesPerSecond``, the name that EXR files use.
    """
    kept: dict[str, Any] = {}
    for attribute in spec.extra_attribs:
        if attribute.name in _LAYOUT or (attribute.name.startswith(_LAYOUT_PREFIXES) and attribute.name != UNASSOCIATED):
            continue
        simple = str(attribute.type) in ("string", "int", "float")
        kept[attribute.name] = attribute.value if simple else (attribute.type, attribute.value)
    rate = next((kept[name] for name in _DPX_RATES if isinstance(kept.get(name), float) and kept[name] > 0.0), None)
    if rate and FPS not in kept:
        kept[FPS] = rational(rate)
    return kept


def set_attributes(spec: oiio.ImageSpec, metadata: dict[str, Any], suffix: str, compression: str) -> None:
    """Put ``metadata`` into the header of a file that is going to be written, leaving out what it cannot truthfully say."""
    # OpenImageIO would write the time of day, and equal pictures would give unequal files.
    spec.attribute("DateTime", "")
    for name, value in metadata.items():
        if name in _LAYOUT or name.startswith(_LAYOUT_PREFIXES):
            continue
        if name == "ICCProfile" and suffix == ".exr":
            continue  # it describes the coded values of the old file
        if name == "acesImageContainerFlag" and not (suffix == ".exr" and compression == "none"):
            continue  # SMPTE ST 2065-4 files are not compressed
        # OpenImageIO drops names with the prefix of another format.
        spelled = name.replace("dpx/", "dpx:", 1) if suffix == ".dpx" else name.replace("dpx:", "dpx/", 1)
        if isinstance(value, tuple):
            spec.attribute(spelled, *value)
        else:
            spec.attribute(spelled, value)
    rate = frames_per_second(metadata)
    if suffix == ".dpx" and rate:
        for name in _DPX_RATES:
            spec.attribute(name, rate)


def frames_per_second(metadata: dict[str, Any]) -> float | None:
    """The frame rate that the header tells, in frames per second; None when it tells none."""
    value = metadata.get(FPS)
    if isinstance(value, tuple):
        value = value[1]
    if isinstance(value, (tuple, list)):
        return float(value[0]) / float(value[1]) if len(value) == 2 and value[1] else None
    return float(value) if value else None


def packed_time(hours: int, minutes: int, seconds: int, frame: int) -> int:
    """A time as SMPTE ST 12-1 packs it, two decimal digits a byte, frames lowest, flags 0; ``frame`` is 0 to 39."""
    return sum((part // 10 << 4 | part % 10) << 8 * place for place, part in enumerate((frame, seconds, minutes, hours)))


def rational(rate: float | Fraction) -> tuple[oiio.TypeDesc, tuple[int, int]]:
    """A frame rate as EXR headers hold it: 23.976 becomes 24000/1001."""
    exact = Fraction(rate).limit_denominator(1000)
    nominal = Fraction(round(float(rate)) * 1000, 1001)
    if exact.denominator != 1 and abs(float(nominal) - float(rate)) < 2e-3:
        exact = nominal
    return oiio.TypeDesc("rational"), (exact.numerator, exact.denominator)
