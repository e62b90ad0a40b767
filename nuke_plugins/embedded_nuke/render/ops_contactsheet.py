"""ContactSheet: pictures in rows and columns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from embedded_nuke.render.image import Box, Format, Image
from embedded_nuke.render.operation import Operation, Request, fail, op, requests
from embedded_nuke.render.resample import resample_axes


def _shown(o: Operation) -> list[Request]:
    """Each connected input once, or with ``splitinputs`` every frame from ``startframe`` to ``endframe`` of each input.

    Source: the reference guide, *Split Input*: the frames of an input side by side. Assumption: -1 means the input's own range.
    """
    connected = [index for index in range(o.input_count) if o.has_input(index)]
    if not o.flag("splitinputs"):
        return [(index, o.frame) for index in connected]
    shown: list[Request] = []
    for index in connected:
        first, last = o.input_range(index)
        if o.number("startframe") >= 0:
            first = int(o.number("startframe"))
        if o.number("endframe") >= 0:
            last = int(o.number("endframe"))
        shown.extend((index, float(frame)) for frame in range(first, last + 1))
    return shown[: _rows_and_columns(o)[0] * _rows_and_columns(o)[1]]


@requests("ContactSheet")
def _sheet_requests(o: Operation) -> list[Request]:
    return _shown(o)


def _rows_and_columns(o: Operation) -> tuple[int, int]:
    rows, columns = int(o.number("rows")), int(o.number("columns"))
    if rows < 1 or columns < 1:
        raise fail(o, f"{rows} rows and {columns} columns hold nothing; use 1 or more.")
    return rows, columns


def _place(o: Operation, number: int, rows: int, columns: int) -> tuple[int, int]:
    """Row counted from the top and column from the left of picture ``number``."""
    row, column = divmod(number, columns)
    order = o.text("colorder")
    if order == "RightLeft" or (order == "Snake" and row % 2):
        column = columns - 1 - column
    return (row if o.text("roworder") == "TopBottom" else rows - 1 - row), column


@op("ContactSheet")
def contact_sheet(o: Operation) -> Image:
    """The inputs in a sheet of ``width`` × ``height`` pixels, each fitted into its cell with its shape kept.

    Source: the reference guide. ``gap`` pixels lie between cells; ``center`` puts a picture into the middle of its cell, else
    it stands at the lower left. Assumption: no gap around the sheet, and pictures are scaled with the cubic filter.
    """
    rows, columns = _rows_and_columns(o)
    sheet = Format(max(1, int(o.number("width"))), max(1, int(o.number("height"))))
    gap = o.number("gap")
    cell_width = (sheet.width - gap * (columns - 1)) / columns
    cell_height = (sheet.height - gap * (rows - 1)) / rows
    if cell_width < 1 or cell_height < 1:
        raise fail(o, "the cells have no room; make the sheet larger or the gap smaller.")
    pictures = [o.input(index, frame) for index, frame in _shown(o)[: rows * columns]]
    names = tuple(dict.fromkeys(name for picture in pictures for name in picture.channels))
    pixels = np.zeros((sheet.height, sheet.width, len(names)), np.float32)
    for number, picture in enumerate(pictures):
        row, column = _place(o, number, rows, columns)
        left = column * (cell_width + gap)
        bottom = (rows - 1 - row) * (cell_height + gap)
        _paste(pixels, names, picture, (left, bottom, cell_width, cell_height), o.flag("center"))
    metadata = pictures[0].metadata if pictures else {}
    return Image(names, sheet.box, sheet, pixels, metadata, (0.0,) * len(names))


def _paste(
    pixels: object, names: tuple[str, ...], picture: Image, cell: tuple[float, float, float, float], center: bool
) -> None:
    left, bottom, width, height = cell
    full = picture.format
    scale_x = min(width / full.width, height / (full.height / full.pixel_aspect))
    scale_y = scale_x / full.pixel_aspect
    size = max(1, round(full.width * scale_x)), max(1, round(full.height * scale_y))
    x = round(left + ((width - size[0]) / 2 if center else 0))
    y = round(bottom + ((height - size[1]) / 2 if center else 0))
    box = Box(x, y, x + size[0], y + size[1])
    ratio = size[0] / full.width, size[1] / full.height
    source = replace(picture.boxed(full.box), outside=None)
    xs = (np.arange(size[0]) + 0.5) / ratio[0]
    ys = (np.arange(size[1] - 1, -1, -1) + 0.5) / ratio[1]
    small = resample_axes(source, box, xs, ys, (1 / ratio[0], 1 / ratio[1]), "cubic")
    _put(pixels, names, small, source.channels, box)


def _put(pixels: object, names: tuple[str, ...], small: object, channels: tuple[str, ...], box: Box) -> None:
    target, values = np.asarray(pixels), np.asarray(small)
    height, width = target.shape[:2]
    inside = box.intersection(Box(0, 0, width, height))
    rows = slice(height - inside.t, height - inside.y)
    cut = values[box.t - inside.t : box.t - inside.y, inside.x - box.x : inside.r - box.x]
    for index, name in enumerate(channels):
        target[rows, inside.x : inside.r, names.index(name)] = cut[:, :, index]
