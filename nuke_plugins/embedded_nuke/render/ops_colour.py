"""Colour nodes with a documented formula.

Grade, Gamma, Add, Multiply, Invert, Clamp, Saturation, Premult, Unpremult, ColorMatrix, Colorspace.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from embedded_nuke.render import channels as channel_names
from embedded_nuke.render import transfer
from embedded_nuke.render.image import RGBA, Image, Pixels
from embedded_nuke.render.masking import no_luminance_mix, per_pixel
from embedded_nuke.render.operation import Operation, fail, op, refuse


def component_values(o: Operation, knob: str, names: tuple[str, ...]) -> Pixels:
    """A colour knob's number for each channel: red, green, blue, alpha by name; others by their place in their layer."""
    values = o.numbers(knob, 4)
    order = ("red", "green", "blue", "alpha")
    result = []
    for name in names:
        component = name.split(".", 1)[1]
        place = order.index(component) if component in order else "xyzw".find(component) if component in "xyzw" else 0
        result.append(values[place])
    return np.array(result, np.float64)


@op("Grade")
def grade(o: Operation) -> Image:
    """``A = multiply·(white - black)/(whitepoint - blackpoint)``, ``B = offset + black - A·blackpoint``, then ``(A·v +
    B)^(1/gamma)``.

    Source: the reference guide's page on Grade (``add`` is its offset). ``reverse`` is the inverse. The clamps come last,
    black at 0 and white at 1. Assumption, after the NDK's sample node: where ``A·v + B`` is negative the power is left out.
    """
    no_luminance_mix(o)

    def run(values: Pixels, names: tuple[str, ...]) -> Pixels:
        knob = {key: component_values(o, key, names) for key in
                ("blackpoint", "whitepoint", "black", "white", "multiply", "add", "gamma")}  # fmt: skip
        span = knob["whitepoint"] - knob["blackpoint"]
        slope = np.where(span == 0, 0.0, knob["multiply"] * (knob["white"] - knob["black"]) / np.where(span == 0, 1, span))
        offset = knob["add"] + knob["black"] - slope * knob["blackpoint"]
        gamma = knob["gamma"]
        slope32, offset32 = slope.astype(np.float32), offset.astype(np.float32)
        with np.errstate(all="ignore"):
            if o.flag("reverse"):
                result = _power(values, gamma)
                result = np.where(slope32 == 0, result - offset32, (result - offset32) / np.where(slope32 == 0, 1, slope32))
            else:
                result = _power(values * slope32 + offset32, 1.0 / np.where(gamma == 0, np.nan, gamma))
        if o.flag("black_clamp"):
            result = np.where(result < 0, np.float32(0), result)
        if o.flag("white_clamp"):
            result = np.where(result > 1, np.float32(1), result)
        return result.astype(np.float32)

    return per_pixel(o, run)


def _power(values: Pixels, exponents: Pixels) -> Pixels:
    """Positive values to a power per channel, others as they are; an exponent of 1 changes no bit."""
    raised = np.where(values > 0, np.where(values > 0, values, 1).astype(np.float32) ** exponents.astype(np.float32), values)
    return np.where(exponents == 1, values, raised).astype(np.float32)


@op("Gamma")
def gamma(o: Operation) -> Image:
    """``v^(1/value)`` per channel (reference guide). Assumption: values of 0 and below are left alone."""

    def run(values: Pixels, names: tuple[str, ...]) -> Pixels:
        exponent = component_values(o, "value", names)
        with np.errstate(all="ignore"):
            return _power(values, 1.0 / np.where(exponent == 0, np.nan, exponent))

    return per_pixel(o, run)


@op("Add")
def add(o: Operation) -> Image:
    """``v + value`` per channel (reference guide)."""
    return per_pixel(o, lambda values, names: values + component_values(o, "value", names).astype(np.float32))


@op("Multiply")
def multiply(o: Operation) -> Image:
    """``v · value`` per channel (reference guide)."""
    return per_pixel(o, lambda values, names: values * component_values(o, "value", names).astype(np.float32))


@op("Invert")
def invert(o: Operation) -> Image:
    """``1 - v`` (reference guide); ``clamp`` then holds it within 0 and 1."""

    def run(values: Pixels, names: tuple[str, ...]) -> Pixels:
        result = np.float32(1) - values
        return np.clip(result, 0, 1) if o.flag("clamp") else result

    return per_pixel(o, run)


@op("Clamp")
def clamp(o: Operation) -> Image:
    """Values below ``minimum`` become it, or ``MinClampTo`` if that is on; above ``maximum`` likewise (reference guide)."""

    def run(values: Pixels, names: tuple[str, ...]) -> Pixels:
        result = values
        for end, below in (("minimum", True), ("maximum", False)):
            if not o.flag(f"{end}_enable"):
                continue
            limit = component_values(o, end, names).astype(np.float32)
            other = "MinClampTo" if below else "MaxClampTo"
            target = component_values(o, other, names).astype(np.float32) if o.flag(f"{other}_enable") else limit
            result = np.where(values < limit if below else values > limit, target, result)
        return result.astype(np.float32)

    return per_pixel(o, run)


_LUMA = {"Rec 709": (0.2125, 0.7154, 0.0721), "Ccir 601": (0.299, 0.587, 0.114), "Average": (1 / 3, 1 / 3, 1 / 3)}


@op("Saturation")
def saturation(o: Operation) -> Image:
    """``luma + (v - luma)·saturation`` on red, green and blue of each layer (reference guide).

    Assumption: ``Rec 709`` weighs with 0.2125, 0.7154, 0.0721, the numbers of Nuke's ``y_convert_rec709`` in the NDK.
    """

    def run(values: Pixels, names: tuple[str, ...]) -> Pixels:
        mode, amount = o.text("mode"), np.float32(o.number("saturation"))
        result = np.array(values)
        for colours in _colours(o, values, names, "a luma"):
            planes = list(colours.values())
            with np.errstate(all="ignore"):
                if mode == "Maximum":
                    luma = np.maximum(np.maximum(planes[0], planes[1]), planes[2])
                else:
                    luma = sum(np.float32(weight) * plane for weight, plane in zip(_LUMA[mode], planes))
                for name, plane in colours.items():
                    if name in names:
                        result[..., names.index(name)] = luma + (plane - luma) * amount
        return result

    return per_pixel(o, run)


def _colours(o: Operation, values: Pixels, names: tuple[str, ...], what: str) -> Iterator[dict[str, Pixels]]:
    """Red, green and blue of each layer that has one of them among ``names``; what the picture lacks is 0.

    Raises:
        RenderError: the picture has one that is not among ``names``.
    """
    for layer in dict.fromkeys(channel_names.layer_of(name) for name in names):
        wanted = [f"{layer}.{part}" for part in ("red", "green", "blue")]
        if not any(name in names for name in wanted):
            continue
        if any(o.input(0).has(name) and name not in names for name in wanted):
            raise fail(o, f"{what} needs all of red, green and blue of '{layer}'; choose the whole layer.")
        yield {name: values[..., names.index(name)] if name in names else np.zeros_like(values[..., 0]) for name in wanted}


def _premultiplied(o: Operation, multiply_by: bool) -> Image:
    image, alpha = o.input(0), channel_names.one(o.text("alpha"))
    if o.flag("invert"):
        multiply_by = not multiply_by
    names = tuple(name for name in channel_names.chosen(o.text("channels"), image.channels) if name != alpha)
    if not alpha or not names or (not image.has(alpha) and not multiply_by):
        return image
    factor = image.plane(alpha)
    constants = dict(zip(image.channels, image.outside or ()))
    beyond = constants.get(alpha, 0.0)
    planes, outside = {}, {}
    for name in names:
        plane = image.plane(name)
        with np.errstate(all="ignore"):
            divided = np.where(factor == 0, plane, plane / np.where(factor == 0, 1, factor))
            planes[name] = plane * factor if multiply_by else divided
        value = constants.get(name, 0.0)
        outside[name] = value * beyond if multiply_by else value / (beyond or 1.0)
    return image.with_channels(planes, outside)


@op("Premult")
def premult(o: Operation) -> Image:
    """Colour times alpha; ``invert`` divides (reference guide)."""
    return _premultiplied(o, True)


@op("Unpremult")
def unpremult(o: Operation) -> Image:
    """Colour over alpha; ``invert`` multiplies. Assumption: where the alpha is 0 colour stays."""
    return _premultiplied(o, False)


@op("ColorMatrix")
def color_matrix(o: Operation) -> Image:
    """Red, green and blue times a 3 × 3 matrix, rows for the results; ``invert`` uses the inverse matrix (reference guide).

    The rows act on the first three chosen channels of each layer, as long as all of red, green and blue are chosen. Products
    are added in float32, left to right.
    """
    matrix: Any = np.array(o.numbers("matrix", 9), np.float64).reshape(3, 3)
    if o.flag("invert"):
        if np.linalg.det(matrix) == 0:
            raise fail(o, "the matrix has no inverse; change it, or turn invert off.")
        matrix = np.linalg.inv(matrix)
    rows = matrix.astype(np.float32)

    def run(values: Pixels, names: tuple[str, ...]) -> Pixels:
        result = np.array(values)
        for colours in _colours(o, values, names, "the matrix"):
            planes = list(colours.values())
            with np.errstate(all="ignore"):
                for row, name in enumerate(colours):
                    if name in names:
                        total = rows[row, 0] * planes[0] + rows[row, 1] * planes[1] + rows[row, 2] * planes[2]
                        result[..., names.index(name)] = total
        return result

    return per_pixel(o, run)


# Colorspace's names and the curve each stands for.
_CURVES = {"RGB": "linear", "sRGB": "sRGB", "rec709": "rec709", "Cineon": "Cineon", "BT1886": "BT1886",
           "1.80": "Gamma1.8", "2.20": "Gamma2.2", "2.40": "Gamma2.4", "2.60": "Gamma2.6"}  # fmt: skip


@op("Colorspace")
def colorspace(o: Operation) -> Image:
    """Between linear RGB and coded RGB (sRGB, rec709, Cineon, BT1886, the gammas); primaries and white point unchanged.

    The curves are those of :mod:`embedded_nuke.render.transfer`. YCbCr, YPbPr, HSV, XYZ and the like, and changes of primaries
    or illuminant, are refused: Nuke's matrices and ranges for them are documented nowhere. Use ColorMatrix with stated
    coefficients.
    """
    for knob in ("colorspace_in", "colorspace_out"):
        if o.text(knob) not in _CURVES:
            raise fail(
                o,
                f"{knob} '{o.text(knob)}' is not rendered here: its matrix, offset and range in Nuke are documented nowhere. "
                f"Use one of {', '.join(_CURVES)}, or a ColorMatrix with stated coefficients.",
            )
    for kind in ("primary", "illuminant"):
        if o.text(f"{kind}_in") != o.text(f"{kind}_out"):
            raise refuse(o, f"{kind}_out", o.text(f"{kind}_out"), f"the same as {kind}_in")
    source, target = _CURVES[o.text("colorspace_in")], _CURVES[o.text("colorspace_out")]

    def run(values: Pixels, names: tuple[str, ...]) -> Pixels:
        if source == target:
            return values
        result = np.array(values)
        places = [index for index, name in enumerate(names) if name != RGBA[3]]
        result[..., places] = transfer.encode(transfer.decode(values[..., places], source), target)
        return result

    return per_pixel(o, run)
