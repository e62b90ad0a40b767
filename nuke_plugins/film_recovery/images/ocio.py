"""Colour spaces through OpenColorIO: reading a working space, writing ACES2065-1.

The configuration is the studio's (environment variable ``OCIO``) or else the ACES studio configuration that OpenColorIO
carries, so that no file has to be shipped. No space or role name is built in beyond those of the ACES interchange.
"""

from __future__ import annotations

import difflib
import os
from typing import Any

import numpy as np
import numpy.typing as npt
import PyOpenColorIO as ocio

from film_recovery.contract.errors import InputError

BUILT_IN = "ocio://studio-config-v2.1.0_aces-v1.3_ocio-v2.3"
ACES = "ACES2065-1"
# SMPTE ST 2065-4 asks for these in an ACES container: AP0 chromaticities (red, green, blue, white) and the flag.
ACES_METADATA: dict[str, Any] = {
    "chromaticities": ("float[8]", (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)),
    "acesImageContainerFlag": 1,
}
FloatArray = npt.NDArray[np.float32]


def load_config(name: str | None = None) -> ocio.Config:
    """The configuration ``name`` (a file or ``ocio://`` name), else that of the environment, else the built-in one.

    Raises :class:`InputError` when it cannot be read.
    """
    wanted = name or os.environ.get("OCIO") or BUILT_IN
    try:
        return ocio.Config.CreateFromFile(wanted)
    except ocio.Exception as error:
        raise InputError(f"The colour configuration {wanted} cannot be read; check the path or the variable OCIO.") from error


def convert(rgb: npt.ArrayLike, source: str, target: str, config: ocio.Config | None = None) -> FloatArray:
    """Convert pixels, (H, W, 3), from one colour space (or role) of the configuration to another; nothing is clamped.

    Raises :class:`InputError` for an unknown space, naming the nearest one.
    """
    config = config or load_config()
    for space in (source, target):
        _require(config, space)
    try:
        processor = config.getProcessor(source, target).getDefaultCPUProcessor()
    except ocio.Exception as error:
        raise InputError(f"No conversion from '{source}' to '{target}': {error}.") from error
    pixels = np.array(rgb, dtype=np.float32, order="C")
    processor.applyRGB(pixels)
    return pixels


def to_aces(rgb: npt.ArrayLike, source: str, config: ocio.Config | None = None) -> FloatArray:
    """Pixels, (H, W, 3), of a colour space as ACES2065-1; write them with :data:`ACES_METADATA`."""
    return convert(rgb, source, ACES, config)


def _require(config: ocio.Config, space: str) -> None:
    if config.getColorSpace(space) is None:
        names = [*config.getColorSpaceNames(), *(role for role, _ in config.getRoles())]
        near = difflib.get_close_matches(space, names, 1, 0.4)
        hint = f"did you mean '{near[0]}'?" if near else f"it has for instance {', '.join(names[:4])}."
        raise InputError(f"The colour configuration has no space '{space}'; {hint}")
