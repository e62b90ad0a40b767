"""OCIOColorSpace, OCIOFileTransform, Vectorfield: OpenColorIO does the maths."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any, Callable

import numpy as np
import PyOpenColorIO as ocio

from embedded_nuke.render import transfer
from embedded_nuke.render.colour_management import apply_processor, convert
from embedded_nuke.render.files import located
from embedded_nuke.render.image import RGB, RGBA, Image, Pixels
from embedded_nuke.render.masking import per_pixel
from embedded_nuke.render.operation import Operation, fail, op, refuse

_INTERPOLATION = {
    "nearest": ocio.INTERP_NEAREST,
    "linear": ocio.INTERP_LINEAR,
    "tetrahedral": ocio.INTERP_TETRAHEDRAL,
    "best": ocio.INTERP_BEST,
}
_VECTORFIELD = {"step field": "nearest", "trilinear field": "linear"}
_VECTORFIELD_FILES = frozenset([".cube", ".3dl", ".csp", ".cub"])


def _on_colour(o: Operation, function: Callable[[Pixels], Pixels], masked: bool = True) -> Image:
    """Run on red, green and blue of every chosen layer; other channels stay. Absent ones count as 0."""

    def run(values: Pixels, names: tuple[str, ...]) -> Pixels:
        wanted = [names.index(name) if name in names else -1 for name in RGB]
        if not any(place >= 0 for place in wanted):
            return values
        colour = np.zeros((*values.shape[:-1], 3), np.float32)
        for index, place in enumerate(wanted):
            if place >= 0:
                colour[..., index] = values[..., place]
        changed = function(colour)
        result = np.array(values)
        for index, place in enumerate(wanted):
            if place >= 0:
                result[..., place] = changed[..., index]
        return result

    if masked:
        return per_pixel(o, run)
    image = o.input(0)
    names = tuple(name for name in RGBA[:3] if image.has(name))
    if not names:
        return image
    source = image.only(names)
    beyond = None if source.outside is None else run(np.array([[source.outside]], np.float32), names)[0, 0]
    after = run(source.pixels, names)
    planes = {name: after[:, :, index] for index, name in enumerate(names)}
    return image.with_channels(planes, None if beyond is None else dict(zip(names, beyond.tolist())))


@op("OCIOColorSpace")
def ocio_colorspace(o: Operation) -> Image:
    """From ``in_colorspace`` to ``out_colorspace`` of the root's OpenColorIO config, with the context of key1 … value4.

    With Nuke's own colour management the names are curves of :mod:`embedded_nuke.render.transfer`.
    """
    source, target = o.text("in_colorspace"), o.text("out_colorspace")
    if o.has("reverse_transform") and o.flag("reverse_transform"):
        source, target = target, source
    return _on_colour(o, lambda values: convert(o, values, source, target))


@lru_cache(maxsize=16)
def _file_processor(path: str, stamp: tuple[int, int], interpolation: str, invert: bool, cccid: str) -> Any:
    direction = ocio.TRANSFORM_DIR_INVERSE if invert else ocio.TRANSFORM_DIR_FORWARD
    transform = ocio.FileTransform(src=path, cccId=cccid, interpolation=_INTERPOLATION[interpolation], direction=direction)
    return ocio.Config.CreateRaw().getProcessor(transform)


def _lut(o: Operation, path: str, interpolation: str, invert: bool, cccid: str) -> Callable[[Pixels], Pixels]:
    if not path:
        raise fail(o, "no file is chosen.")
    path = located(path, o.root_text("project_directory"))
    try:
        status = os.stat(path)
        processor = _file_processor(path, (status.st_size, status.st_mtime_ns), interpolation, invert, cccid)
    except OSError as error:
        raise fail(o, f"{path} cannot be read ({error.strerror}); choose another file.") from error
    except ocio.Exception as error:
        raise fail(o, f"{path} cannot be used: {error}") from error
    return lambda values: apply_processor(values, processor)


@op("OCIOFileTransform")
def ocio_file_transform(o: Operation) -> Image:
    """A LUT or CDL file applied in ``working_space`` (OpenColorIO's FileTransform); the picture itself is scene-linear."""
    if o.text("interpolation") not in _INTERPOLATION:
        raise refuse(o, "interpolation", o.text("interpolation"), ", ".join(_INTERPOLATION))
    apply = _lut(o, o.text("file"), o.text("interpolation"), o.flag("invert"), o.text("cccid"))
    space = o.text("working_space")

    def run(values: Pixels) -> Pixels:
        return convert(o, apply(convert(o, values, "scene_linear", space)), space, "scene_linear")

    return _on_colour(o, run)


@op("Vectorfield")
def vectorfield(o: Operation) -> Image:
    """A 3D LUT on values coded as ``colorspaceIn``; its result is taken as ``colorspaceOut`` and made linear again.

    Cube files go through OpenColorIO; ``.vf``, ``.vfz``, ``.blut`` and ``.cms`` are Nuke's and others' own and are refused.
    Assumption: *trilinear field* and *step field* are OpenColorIO's linear and nearest interpolation.
    """
    path = o.text("vfield_file")
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in _VECTORFIELD_FILES:
        raise fail(o, f"'{suffix or path}' files are not read here; use one of {', '.join(sorted(_VECTORFIELD_FILES))}.")
    if o.text("interpolation") not in _VECTORFIELD:
        raise refuse(o, "interpolation", o.text("interpolation"), ", ".join(_VECTORFIELD))
    apply = _lut(o, path, _VECTORFIELD[o.text("interpolation")], False, "")
    spaces = [o.text("colorspaceIn"), o.text("colorspaceOut")]
    for space in spaces:
        if not transfer.knows(space):
            raise refuse(o, "colorspaceIn or colorspaceOut", space, ", ".join(transfer.known_spaces()))
    return _on_colour(o, lambda v: transfer.decode(apply(transfer.encode(v, spaces[0])), spaces[1]), masked=False)
