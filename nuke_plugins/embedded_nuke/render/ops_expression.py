"""The Expression node: a formula per pixel, on whole pictures at once."""

from __future__ import annotations

import contextlib
import re
from typing import Any, Callable

import numpy as np

from embedded_nuke.render import channels as channel_names
from embedded_nuke.render.frame_expression import look_up
from embedded_nuke.render.image import Box, Image, Pixels
from embedded_nuke.render.masking import blend, inject_mask, no_luminance_mix
from embedded_nuke.render.operation import Operation, fail, op
from embedded_nuke.script.expression import Expression, ExpressionError

_PIXEL = {"r": "rgba.red", "g": "rgba.green", "b": "rgba.blue", "a": "rgba.alpha", "z": "depth.Z",
          "red": "rgba.red", "green": "rgba.green", "blue": "rgba.blue", "alpha": "rgba.alpha"}  # fmt: skip


def _truth(value: Any) -> Any:
    return np.asarray(value) != 0


def _number(value: Any) -> Any:
    return np.asarray(value, np.float32)


OPERATORS: dict[str, Callable[..., Any]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "%": np.fmod, "^": np.power, "neg": np.negative,
    "==": lambda a, b: _number(np.equal(a, b)), "!=": lambda a, b: _number(np.not_equal(a, b)),
    "<": lambda a, b: _number(np.less(a, b)), ">": lambda a, b: _number(np.greater(a, b)),
    "<=": lambda a, b: _number(np.less_equal(a, b)), ">=": lambda a, b: _number(np.greater_equal(a, b)),
    "&&": lambda a, b: _number(_truth(a) & _truth(b)), "||": lambda a, b: _number(_truth(a) | _truth(b)),
    "!": lambda a: _number(~_truth(a)), "?": lambda c, a, b: np.where(_truth(c), a, b),
    "abs": np.abs, "fabs": np.abs, "floor": np.floor, "ceil": np.ceil, "int": np.trunc, "trunc": np.trunc,
    "round": lambda a: np.floor(np.add(a, 0.5)), "rint": lambda a: np.floor(np.add(a, 0.5)),
    "sqrt": np.sqrt, "exp": np.exp, "log": np.log, "log10": np.log10, "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2, "sinh": np.sinh, "cosh": np.cosh,
    "tanh": np.tanh, "hypot": np.hypot, "degrees": np.degrees, "radians": np.radians, "pow": np.power, "fmod": np.fmod,
    # C's fmin and fmax: with one NaN the other value.
    "min": np.fmin, "max": np.fmax, "sign": np.sign, "isnan": lambda a: _number(np.isnan(a)),
    "isinf": lambda a: _number(np.isinf(a)), "isfinite": lambda a: _number(np.isfinite(a)),
}  # fmt: skip


class PixelScope:
    """Names in an Expression node: channels, ``x``, ``y``, ``cx``, ``cy``, ``frame``, temporary names, then knobs and nodes."""

    def __init__(self, o: Operation, image: Image, box: Box) -> None:
        self._operation = o
        self._image = image
        self._box = box
        self._named: dict[str, Any] = {}

    def define(self, name: str, value: Any) -> None:
        """Give a temporary name its value."""
        self._named[name] = value

    def lookup(self, path: str, at: float | None) -> Any:
        """See :class:`embedded_nuke.script.expression.Scope`."""
        if at is None:
            if path in self._named:
                return self._named[path]
            value = self._pixel(path)
            if value is not None:
                return value
        return np.float32(look_up(self._operation, path, at))

    def _pixel(self, path: str) -> Any:
        box, format_ = self._box, self._image.format
        if path in ("x", "y", "cx", "cy"):
            if path.endswith("x"):
                values = np.arange(box.x, box.r, dtype=np.float32)[None, :]
            else:
                values = np.arange(box.t - 1, box.y - 1, -1, dtype=np.float32)[:, None]
            return values if len(path) == 1 else _centred(values, format_.width, format_.height, path)
        if path == "frame":
            return np.float32(self._operation.frame)
        channel = _PIXEL.get(path, path)
        if self._image.has(channel):
            return self._image.plane(channel, box)
        known = path in _PIXEL or (channel_names.layer_of(path) in channel_names.LAYERS and "." in path)
        return np.float32(0) if known else None


def _centred(values: Pixels, width: int, height: int, path: str) -> Pixels:
    """``cx`` runs from -1 to 1 over the width, ``cy`` from -h/w to h/w (the node's help: 0, 0 is the centre)."""
    length = width if path == "cx" else height
    return (values + np.float32(0.5) - np.float32(length / 2)) / np.float32(width / 2)


@op("Expression")
def expression(o: Operation) -> Image:
    """``expr0`` … ``expr3`` into the channels of ``channel0`` … ``channel3``; others and empty expressions keep their values.

    Source: the user guide on the Expression node. All expressions see the input, not each other's results. Computed in
    float32, as Nuke does (assumption: Nuke's own library gives the same last bits of log and pow only within a few units).
    """
    no_luminance_mix(o)
    if o.text("unpremult") not in ("none", "") and channel_names.one(o.text("unpremult")):
        raise fail(o, "unpremult is not rendered in Expression; divide in the expression, or use Unpremult.")
    image = inject_mask(o, o.input(0), 1)
    jobs = _jobs(o, image)
    if not jobs:
        return image
    # What lies outside is found by evaluating just beyond the box where that is the same on all sides.
    wide = image if image.outside is None else image.boxed(image.box.grown(1))
    with np.errstate(all="ignore"):
        planes = _evaluate(o, wide, jobs)
    return _merged(o, image, wide, planes)


def _merged(o: Operation, image: Image, wide: Image, planes: dict[str, Pixels]) -> Image:
    constants = None if image.outside is None else _border(wide, planes)
    if constants is None:
        base, used = Image(wide.channels, wide.box, wide.format, wide.pixels, wide.metadata, None), planes
    else:
        base = image
        used = {name: plane[1:-1, 1:-1] for name, plane in planes.items()} if not image.box.empty else {}
        if image.box.empty:
            used = {name: np.zeros((0, 0), np.float32) for name in planes}
    names = tuple(planes)
    missing = {name: np.zeros((base.box.height, base.box.width), np.float32) for name in names if not base.has(name)}
    before = base.with_channels(missing).only(names) if missing else base.only(names)
    pixels = np.stack([used[name] for name in names], axis=-1)
    after = before.with_pixels(pixels, None if constants is None else [constants[name] for name in names])
    result = blend(o, before, after)
    whole = base.boxed(result.box)
    outside = None if result.outside is None else dict(zip(names, result.outside))
    merged = whole.with_channels({name: result.pixels[:, :, i] for i, name in enumerate(names)}, outside)
    if result.outside is None and merged.outside is not None:
        merged = Image(merged.channels, merged.box, merged.format, merged.pixels, merged.metadata, None)
    return merged


def _border(wide: Image, planes: dict[str, Pixels]) -> dict[str, float] | None:
    """The constant beyond the box, None where an expression has different values around it."""
    constants = {}
    for name, plane in planes.items():
        if plane.size == 0:
            constants[name] = 0.0
            continue
        ring = np.concatenate([plane[0], plane[-1], plane[:, 0], plane[:, -1]])
        if not np.array_equal(ring, np.full_like(ring, ring[0]), equal_nan=True):
            return None
        constants[name] = float(ring[0])
    return constants


def _jobs(o: Operation, image: Image) -> list[tuple[tuple[str, ...], str]]:
    jobs = []
    for index in range(4):
        text = o.text(f"expr{index}").strip()
        names = channel_names.named(o.text(f"channel{index}"), image.channels)
        if text and names:
            jobs.append((names, text))
    return jobs


def _evaluate(o: Operation, image: Image, jobs: list[tuple[tuple[str, ...], str]]) -> dict[str, Pixels]:
    scope = PixelScope(o, image, image.box)
    for index in range(4):
        name = o.text(f"temp_name{index}").strip()
        if name:
            if not re.match(r"[A-Za-z_]\w*$", name):
                raise fail(o, f"temp_name{index} '{name}' is no name; use letters, digits and _.")
            scope.define(name, _value(o, o.text(f"temp_expr{index}"), scope, f"temp_expr{index}"))
    planes: dict[str, Pixels] = {}
    for number, (names, text) in enumerate(jobs):
        for channel in names:
            # In a job over several channels the same formula serves each of them.
            value = _value(o, text, scope, f"expr{number}")
            planes[channel] = np.broadcast_to(_number(value), (image.box.height, image.box.width))
    return planes


def named_values(o: Operation) -> list[tuple[str, float]]:
    """What the expressions name beside pixels, with its value: knobs of this and other nodes, for the node's hash."""
    found = {}
    temporary = {o.text(f"temp_name{index}").strip() for index in range(4)}
    for knob in [*(f"expr{index}" for index in range(4)), *(f"temp_expr{index}" for index in range(4))]:
        if o.text(knob).strip():
            for name in _parsed(o, o.text(knob), knob).names:
                if name not in temporary and name not in _PIXEL and name not in ("x", "y", "cx", "cy", "frame"):
                    with contextlib.suppress(ExpressionError):  # a channel, or a mistake that rendering tells of
                        found[name] = look_up(o, name, None)
    return sorted(found.items())


def _parsed(o: Operation, text: str, knob: str) -> Expression:
    try:
        return Expression(text)
    except ExpressionError as error:
        raise fail(o, f"{knob} cannot be read: {error}") from error


def _value(o: Operation, text: str, scope: PixelScope, knob: str) -> Any:
    try:
        return _number(_parsed(o, text, knob).evaluate(scope, OPERATORS))
    except ExpressionError as error:
        raise fail(o, f"{knob} cannot be evaluated: {error}") from error
