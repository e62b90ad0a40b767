"""Colour spaces through OpenColorIO: reading a working space, writing ACES2065-1.

The configuration is the studio's (environment variable ``OCIO``) or else the ACES studio configuration that OpenColorIO
carries, so that no file has to be shipped. No space or role name is built in beyond those of the ACES interchange.
"""

from __future__ import annotations

import difflib
import functools
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PyOpenColorIO as ocio

from film_recovery.contract.errors import InputError
from film_recovery.images.frame import FloatArray, Frame

BUILT_IN = "ocio://studio-config-v2.1.0_aces-v1.3_ocio-v2.3"
ACES = "ACES2065-1"
_ACES_ROLE = "aces_interchange"
# SMPTE ST 2065-4 asks for AP0 chromaticities (red, green, blue, white) and the flag; write_frame leaves the flag out of
# compressed files, since such a file is no ACES container. colorInteropID is the name of the ASWF colour interop forum.
ACES_METADATA: dict[str, Any] = {
    "chromaticities": ("float[8]", (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)),
    "acesImageContainerFlag": 1,
    "colorInteropID": "lin_ap0_scene",
}


def load_config(name: str | Path | None = None) -> ocio.Config:
    """The configuration ``name`` (a file or ``ocio://`` name), else that of the environment, else the built-in one.

    Raises:
        InputError: it cannot be read.
    """
    return _load(str(name or os.environ.get("OCIO") or BUILT_IN))


def convert(rgb: npt.ArrayLike, source: str, target: str, config: ocio.Config | None = None) -> FloatArray:
    """Convert pixels, (H, W, 3), from one colour space, alias or role of the configuration to another; nothing is clamped.

    Raises:
        InputError: an unknown space, with the nearest names, or two spaces between which the configuration has no way.
    """
    config = config or load_config()
    for space in (source, target):
        if config.getColorSpace(space) is None:
            raise InputError(f"The colour configuration has no space '{space}'; {_nearest(config, space)}")
    try:
        processor = config.getProcessor(source, target).getDefaultCPUProcessor()
    except ocio.Exception as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(f"No conversion from '{source}' to '{target}' ({reason}); choose other colour spaces.") from error
    pixels = np.array(rgb, dtype=np.float32, order="C")
    processor.applyRGB(pixels)
    return pixels


def to_aces(rgb: npt.ArrayLike, source: str, config: ocio.Config | None = None) -> FloatArray:
    """Pixels, (H, W, 3), of a colour space as ACES2065-1; write them with :data:`ACES_METADATA`."""
    config = config or load_config()
    return convert(rgb, source, ACES if config.getColorSpace(ACES) is not None else _ACES_ROLE, config)


def aces_frame(frame: Frame, source: str) -> Frame:
    """A frame of the colour space ``source`` as an ACES2065-1 frame that says so in its header; all else is carried."""
    rgb = to_aces(frame.rgb, source)
    return replace(frame, rgb=rgb, metadata={**frame.metadata, **ACES_METADATA}, pixel_type="half")


@functools.lru_cache(maxsize=4)
def _load(name: str) -> ocio.Config:
    try:
        return ocio.Config.CreateFromFile(name)
    except (ocio.Exception, ocio.ExceptionMissingFile) as error:
        raise InputError(f"The colour configuration {name} cannot be read; check the path or the variable OCIO.") from error


def _nearest(config: ocio.Config, space: str) -> str:
    names = [*config.getColorSpaceNames(), *(role for role, _ in config.getRoles())]
    spelled = {name.lower(): name for name in names}
    near = difflib.get_close_matches(space.lower(), spelled, 3, 0.5)
    if near:
        return f"did you mean {' or '.join(repr(spelled[name]) for name in near)}?"
    return f"it has for instance {', '.join(names[:4])}."
