"""Text2: words over a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import OpenImageIO as oiio

from embedded_nuke.render.channels import chosen, layer_of, named
from embedded_nuke.render.image import ALPHA, DEFAULT_FORMAT, EMPTY, RGBA, Box, Image, Pixels
from embedded_nuke.render.masking import blend
from embedded_nuke.render.operation import Operation, fail, op
from embedded_nuke.render.ops_warp import affine_matrix
from embedded_nuke.render.resample import resample_map

# Of OpenImageIO's own fonts, so that every machine draws the same letters.
FONT = "DroidSans"
# A font's capitals are about this part of its size; lines stand this far apart, both in font sizes.
_ASCENT, _LINE = 0.93, 1.17


@op("Text2")
def text(o: Operation) -> Image:
    """The ``message`` in ``box``, by ``xjustify`` and ``yjustify``, drawn with OpenImageIO and put over the input by
    ``opacity``.

    Source: the reference guide for box, justification, colour, opacity, background, ``replace``, ``invert``, ``output``,
    ``cliptype``. Assumption: letters. Nuke's fonts, kerning, tracking and ramps are not reproduced; the font is always
    OpenImageIO's DroidSans, one size (``font_size`` times ``global_font_scale``) for all. Lines break only where the message
    does.
    """
    image = o.input(0)
    if o.text("ramp") != "none" or o.flag("enable_shadows"):
        raise fail(o, "ramps and shadows of text are not drawn here; set ramp to none and enable_shadows to off.")
    canvas = _canvas(o, image)
    coverage = _transformed(o, _coverage(o, image, canvas), canvas)
    if o.flag("invert"):
        coverage = 1.0 - coverage
    names = _outputs(o, image)
    if not names:
        return image
    colour = dict(zip(("red", "green", "blue", "alpha"), o.numbers("color", 4)))
    base = Image(image.channels, canvas, image.format, image.window(canvas), image.metadata, image.outside)
    if o.flag("replace"):
        base = Image(base.channels, canvas, base.format, np.zeros_like(base.pixels), base.metadata, base.outside)
    missing = {name: np.zeros((canvas.height, canvas.width), np.float32) for name in names if not base.has(name)}
    base = base.with_channels(missing) if missing else base
    before = base.only(names)
    after = np.array(before.pixels)
    if o.flag("enable_background"):
        box = _text_box(o, image, canvas)
        back = dict(zip(("red", "green", "blue", "alpha"), o.numbers("background_color", 4)))
        after = _over(after, names, _filled(box, canvas), back, o.number("background_opacity"))
    after = _over(after, names, coverage, colour, o.number("opacity"))
    result = blend(o, before, before.with_pixels(after, before.outside))
    merged = base.boxed(result.box)
    constants = None if result.outside is None else dict(zip(names, result.outside))
    return merged.with_channels({name: result.pixels[:, :, index] for index, name in enumerate(names)}, constants)


def _outputs(o: Operation, image: Image) -> tuple[str, ...]:
    wanted = o.text("output")
    return tuple(dict.fromkeys(named(wanted, RGBA) + chosen(wanted, image.channels)))


def _canvas(o: Operation, image: Image) -> Box:
    """Where pixels may change, by ``cliptype``: the format, the input's box, both, or what they share."""
    kind, format_box = o.text("cliptype"), image.format.box
    if kind == "bbox":
        return image.box if not image.box.empty else format_box
    if kind == "intersect":
        return image.box.intersection(format_box) if not image.box.empty else format_box
    return image.box.union(format_box) if not image.box.empty else format_box


def _box(o: Operation, image: Image) -> tuple[float, float, float, float]:
    """The text's box; a fresh node's ``0 0 -1 -1`` stands for the format."""
    x, y, r, t = o.numbers("box", 4)
    if r <= x or t <= y:
        return 0.0, 0.0, float(image.format.width), float(image.format.height)
    return x, y, r, t


def _lines(o: Operation) -> list[str]:
    return o.text("message").split("\n")


def _layout(o: Operation, image: Image) -> list[tuple[str, float, float, float]]:
    """Each line with its left end, its baseline and its width; pixels, y upwards."""
    size = _font_size(o)
    x, y, r, t = _box(o, image)
    lines = _lines(o)
    step = size * (_LINE + o.number("leading"))
    height = size * _ASCENT + step * (len(lines) - 1) + size * (_LINE - _ASCENT)
    top = {"top": t, "center": (y + t + height) / 2, "bottom": y + height}[o.text("yjustify")]
    placed = []
    for number, line in enumerate(lines):
        roi = oiio.ImageBufAlgo.text_size(line, round(size), FONT) if line.strip() else oiio.ROI(0, 0, 0, 0)
        width = float(roi.xend) if line.strip() else 0.0
        left = {"right": r - width, "center": (x + r - width) / 2}.get(o.text("xjustify"), x)
        placed.append((line, left, top - size * _ASCENT - number * step, width))
    return placed


def _font_size(o: Operation) -> float:
    return max(1.0, o.number("font_size") * o.number("global_font_scale"))


def _coverage(o: Operation, image: Image, canvas: Box) -> Pixels:
    """How much of each pixel of the canvas the letters cover, 0 to 1."""
    buffer = oiio.ImageBuf(oiio.ImageSpec(max(1, canvas.width), max(1, canvas.height), 1, "float"))
    oiio.ImageBufAlgo.zero(buffer)
    for line, left, baseline, _ in _layout(o, image):
        if line.strip() and not oiio.ImageBufAlgo.render_text(
            buffer, round(left) - canvas.x, canvas.t - round(baseline), line, round(_font_size(o)), FONT, (1.0,)
        ):
            raise fail(o, f"the text cannot be drawn ({buffer.geterror()}).")
    return np.array(buffer.get_pixels(oiio.FLOAT), np.float32).reshape(canvas.height, canvas.width)


def _text_box(o: Operation, image: Image, canvas: Box) -> Box:
    """The box behind the letters, with its borders."""
    size, placed = _font_size(o), [line for line in _layout(o, image) if line[0].strip()]
    if not placed:
        return EMPTY
    across, up = o.number("background_border_x"), o.number("background_border_y")
    return Box(
        round(min(left for _, left, _, _ in placed) - across),
        round(placed[-1][2] - size * (_LINE - _ASCENT) - up),
        round(max(left + width for _, left, _, width in placed) + across),
        round(placed[0][2] + size * _ASCENT + up),
    ).intersection(canvas)


def _filled(box: Box, canvas: Box) -> Pixels:
    plane = np.zeros((canvas.height, canvas.width), np.float32)
    if not box.empty:
        plane[canvas.t - box.t : canvas.t - box.y, box.x - canvas.x : box.r - canvas.x] = 1.0
    return plane


def _transformed(o: Operation, coverage: Pixels, canvas: Box) -> Pixels:
    """The letters through the node's own translate, rotate, scale and skew."""
    matrix = affine_matrix(o)
    if np.array_equal(matrix, np.eye(3)):
        return coverage
    if abs(np.linalg.det(matrix)) < 1e-12:
        raise fail(o, "the text's scale is 0; correct it.")
    inverse = np.linalg.inv(matrix)
    xs = np.arange(canvas.x, canvas.r)[None, :] + 0.5
    ys = np.arange(canvas.t - 1, canvas.y - 1, -1)[:, None] + 0.5
    picture = Image(("a.a",), canvas, DEFAULT_FORMAT, coverage[:, :, None], {}, (0.0,))
    map_x = inverse[0, 0] * xs + inverse[0, 1] * ys + inverse[0, 2]
    map_y = inverse[1, 0] * xs + inverse[1, 1] * ys + inverse[1, 2]
    stretch = (float(np.hypot(inverse[0, 0], inverse[0, 1])), float(np.hypot(inverse[1, 0], inverse[1, 1])))
    return resample_map(picture, map_x, map_y, stretch[0], stretch[1], "cubic")[:, :, 0]


def _over(values: Pixels, names: tuple[str, ...], coverage: Pixels, colour: Any, opacity: float) -> Pixels:
    """Colour over the picture: ``c·k + v·(1 - k·alpha)``, k being coverage times opacity."""
    weight = coverage * np.float32(opacity)
    held_out = np.float32(1) - weight * np.float32(colour["alpha"])
    for index, name in enumerate(names):
        part = name.split(".", 1)[1]
        number = colour.get(part, colour["alpha"] if layer_of(name) == ALPHA else colour["red"])
        values[:, :, index] = weight * np.float32(number) + values[:, :, index] * held_out
    return values
