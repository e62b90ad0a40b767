"""Pictures from nothing: Constant and CheckerBoard2."""

from __future__ import annotations

from typing import Any

import numpy as np

from embedded_nuke.render import channels as channel_names
from embedded_nuke.render.image import RGBA, Format, Image, Pixels
from embedded_nuke.render.operation import Operation, op


@op("Constant")
def constant(o: Operation) -> Image:
    """One colour over the format, in the chosen channels and red, green, blue, alpha where the colour has an alpha.

    Source: the reference guide; the four numbers go to the channels of the layer in order. The box is the format, edges repeat.
    Assumption: with the fresh ``channels rgb`` a colour whose alpha is not 0 fills the alpha too.
    """
    format_ = o.format("format")
    values = o.numbers("color", 4)
    chosen = channel_names.named(o.text("channels"))
    order = ("red", "green", "blue", "alpha")
    numbers = []
    for place, name in enumerate(chosen):
        part = name.split(".", 1)[1]
        numbers.append(values[order.index(part)] if part in order else values[min(place, 3)])
    if o.text("channels").strip() == "rgb" and values[3]:
        chosen, numbers = RGBA, values
    pixels = np.broadcast_to(np.array(numbers, np.float32), (format_.height, format_.width, len(chosen)))
    return Image(tuple(chosen), format_.box, format_, np.ascontiguousarray(pixels))


def checker_pattern(format_: Format, size: tuple[float, float], colours: Any) -> Pixels:
    """Boxes of ``size`` pixels counted from the middle of the format; colours 0 and 1 in one row, 2 and 3 in the next.

    ``colours`` has the shape (4, channels).
    """
    columns = np.floor((np.arange(format_.width) + 0.5 - format_.width / 2) / max(size[0], 1e-6)).astype(np.int64)
    rows = np.floor((np.arange(format_.height)[::-1] + 0.5 - format_.height / 2) / max(size[1], 1e-6)).astype(np.int64)
    across, up = columns[None, :] % 2, rows[:, None] % 2
    # One diagonal holds 0 and 2, the other 1 and 3, so that four different colours make a pattern of 2 × 2 boxes.
    index = np.where(up == 0, np.where(across == 0, 0, 1), np.where(across == 0, 3, 2))
    return np.ascontiguousarray(np.asarray(colours, np.float32)[index])


@op("CheckerBoard2")
def checkerboard(o: Operation) -> Image:
    """A checkerboard of four colours with lines between the boxes and through the middle of the format, RGBA.

    Source: the knobs' names and defaults. Assumptions: the pattern is centred, lines are centred on the edges of the boxes,
    and with the default colours (0 and 2 dark, 1 and 3 light) neighbours differ.
    """
    format_ = o.format("format")
    colours = np.array([o.numbers(f"color{index}", 4) for index in range(4)], np.float32)
    size = tuple(o.numbers("boxsize", 2))
    pixels = checker_pattern(format_, (size[0], size[1]), colours)
    for axis, extent in ((1, format_.width), (0, format_.height)):
        width = o.numbers("linewidth", 2)[1 - axis]
        middle_width = o.numbers("centerlinewidth", 2)[1 - axis]
        places = np.arange(extent) + 0.5 - extent / 2
        places = places if axis else places[::-1]
        step = max(size[1 - axis], 1e-6)
        nearest = np.abs(places - np.round(places / step) * step)
        _paint(pixels, axis, nearest < width / 2, o.numbers("linecolor", 4))
        _paint(pixels, axis, np.abs(places) < middle_width / 2, o.numbers("centerlinecolor", 4))
    return Image(RGBA, format_.box, format_, pixels)


def _paint(pixels: Pixels, axis: int, hit: Any, colour: Any) -> None:
    if axis:
        pixels[:, hit] = np.array(colour, np.float32)
    else:
        pixels[hit] = np.array(colour, np.float32)
