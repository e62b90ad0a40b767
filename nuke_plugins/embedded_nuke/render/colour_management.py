"""Colour spaces by the root's settings: Nuke's own curves, or an OpenColorIO config."""

from __future__ import annotations

import copy
import os
from functools import lru_cache
from typing import Any

import numpy as np
import PyOpenColorIO as ocio

from embedded_nuke.render import transfer
from embedded_nuke.render.image import Pixels
from embedded_nuke.render.operation import Operation, RenderError, fail

# The root's knob for each depth of file, and what it holds in a new script.
_BY_DEPTH = {
    "int8": ("int8Lut", "sRGB"),
    "int16": ("int16Lut", "sRGB"),
    "log": ("logLut", "Cineon"),
    "float": ("floatLut", "linear"),
}


def config_of(o: Operation) -> Any | None:
    """The OpenColorIO config in force, None for Nuke's own curves.

    The environment variable ``OCIO`` wins, as in Nuke; else with ``colorManagement OCIO`` the root's ``OCIO_config``:
    ``custom`` names a file in ``customOCIOConfigPath``, ``nuke-default`` is Nuke's own curves, and names with ``cg-config`` or
    ``studio-config`` stand for OpenColorIO's built-in configs.
    """
    if o.root_text("colorManagement") != "OCIO":
        return None
    path = os.environ.get("OCIO", "") or _config_path(o)
    if not path:
        return None
    try:
        return _load(path, _stamp(path))
    except ocio.Exception as error:
        raise fail(o, f"the OpenColorIO config {path} cannot be read ({error}); correct the root's OCIO_config.") from error


def _config_path(o: Operation) -> str:
    name = o.root_text("OCIO_config")
    if name == "custom":
        return o.root_text("customOCIOConfigPath")
    if not name or name == "nuke-default":
        return ""
    for kind in ("cg-config", "studio-config"):
        if kind in name:
            registry = [found[0] for found in ocio.BuiltinConfigRegistry().getBuiltinConfigs()]
            version = name[name.index(kind) :]
            return f"ocio://{version if version in registry else next(found for found in reversed(registry) if kind in found)}"
    raise fail(o, f"the root's OCIO_config '{name}' comes with Nuke only; choose 'custom' and a config file, or set OCIO.")


def _stamp(path: str) -> tuple[int, int]:
    if path.startswith("ocio://") or not os.path.exists(path):
        return 0, 0
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=8)
def _load(path: str, stamp: tuple[int, int]) -> Any:
    return ocio.Config.CreateFromFile(path)


def apply_processor(pixels: Pixels, processor: Any) -> Pixels:
    """Run an OpenColorIO processor on (height, width, 3) values, in float32."""
    values = np.array(pixels, np.float32, order="C")
    if values.size:
        processor.getDefaultCPUProcessor().applyRGB(values)
    return values


def convert(o: Operation, pixels: Pixels, source: str, target: str) -> Pixels:
    """RGB of shape (…, 3) from one colour space or role to another. Raises :class:`RenderError` for an unknown name."""
    if source == target:
        return pixels
    config = config_of(o)
    if config is None:
        for space in (source, target):
            if not transfer.knows(space):
                known = ", ".join(transfer.known_spaces())
                raise fail(o, f"the colour space '{space}' is not rendered here; use one of {known}, or an OpenColorIO config.")
        return transfer.encode(transfer.decode(pixels, source), target)
    try:
        processor = config.getProcessor(_context(o, config), source, target)
    except ocio.Exception as error:
        raise fail(o, f"no conversion from '{source}' to '{target}' ({error}).") from error
    return apply_processor(pixels, processor)


def _context(o: Operation, config: Any) -> Any:
    context = copy.deepcopy(config.getCurrentContext())
    for index in range(1, 5):
        if o.has(f"key{index}") and o.text(f"key{index}"):
            context.setStringVar(o.text(f"key{index}"), o.text(f"value{index}"))
    return context


def working_space(o: Operation) -> str:
    """The root's working space: ``scene_linear`` unless set otherwise."""
    return o.root_text("workingSpaceLUT") or ("scene_linear" if o.root_text("colorManagement") == "OCIO" else "linear")


def file_space(o: Operation, depth: str) -> str:
    """The colour space of a file by the Read's or Write's ``colorspace``; ``default`` asks the root by the file's depth.

    ``depth`` is ``int8``, ``int16``, ``log`` or ``float``.
    """
    chosen = o.text("colorspace")
    # "default (sRGB)" is how some versions store it.
    if chosen != "default" and not chosen.startswith("default ("):
        return chosen
    knob, usual = _BY_DEPTH[depth]
    return o.root_text(knob) or ("scene_linear" if depth == "float" and config_of(o) is not None else usual)


__all__ = ["RenderError", "apply_processor", "config_of", "convert", "file_space", "working_space"]
