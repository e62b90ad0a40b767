"""Labelled pictures for people: grids of frames on a dark ground, drawn in display coding and written as 8-bit PNG.

Labels stand in a strip under each picture and never on it: what is judged is not covered. Pictures are shrunk by area
averaging and enlarged only by whole multiples of nearest neighbours, so nothing is sharpened or smoothed on the way.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from film_recovery.contract.atomic import atomic_path
from film_recovery.contract.errors import UsageError
from film_recovery.images.encodings import encode

GROUND = (22, 22, 24)  # neutral, so that it does not tint the eye
INK = (232, 232, 230)
QUIET_INK = (150, 150, 152)
SEPARATOR = (58, 58, 62)
GAP = 10  # pixels between cells
MARGIN = 18  # pixels round the grid

Bytes = npt.NDArray[np.uint8]
Cell = tuple[str, npt.NDArray[np.float32] | Bytes]


def display(rgb: npt.ArrayLike, encoding: str) -> npt.NDArray[np.float32]:
    """Working space to what a display shows, 0..1: the sRGB curve unless the values are coded already; beyond 0..1 clips.

    ``log`` files hold linear light and get the same curve; that is a plain look at them, without a film look or tone mapping.
    """
    shown = encode(np.asarray(rgb, np.float32), "none" if encoding == "none" else "display")
    return np.asarray(np.clip(shown, 0.0, 1.0), np.float32)


def to_uint8(rgb_display: npt.ArrayLike) -> Bytes:
    """Display-coded RGB, (H, W, 3), float 0..1 or uint8 already, as uint8; values beyond 0..1 clip, NaN is black."""
    values = np.asarray(rgb_display)
    if values.ndim != 3 or values.shape[2] != 3:
        raise UsageError(f"A picture to draw must have the shape (height, width, 3); this one has {values.shape}.")
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    finite = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=1.0, neginf=0.0)
    return np.asarray(np.clip(finite, 0.0, 1.0) * 255.0 + 0.5, np.uint8)


def fit_width(rgb_display: npt.ArrayLike, width: int) -> Bytes:
    """The picture as uint8, at most ``width`` pixels wide: shrunk by area, or enlarged by a whole multiple."""
    picture = to_uint8(rgb_display)
    height, old = picture.shape[:2]
    if old > width:
        size = (width, max(round(height * width / old), 1))
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    return enlarge(picture, max(width // old, 1))


def enlarge(rgb_display: npt.ArrayLike, factor: int) -> Bytes:
    """Every pixel repeated ``factor`` times both ways, as uint8."""
    return np.ascontiguousarray(to_uint8(rgb_display).repeat(factor, axis=0).repeat(factor, axis=1))


def draw_grid(rows: Sequence[Sequence[Cell]], title: str = "", cell_width: int = 480, subtitle: str = "") -> Bytes:
    """A labelled grid.

    Args:
        rows: each a list of ``(label, picture)``; pictures are display-coded (H, W, 3), uint8 or float 0..1. Rows may differ
            in length (a short row is centred) and pictures in size.
        title: drawn large above the grid; ``subtitle`` small below it. Either may be empty.
        cell_width: pixels; pictures are brought to this width, see :func:`fit_width`.

    Returns uint8 (H, W, 3). Raises :class:`UsageError` when there is nothing to draw or an array is not an RGB picture.
    """
    if not rows or not all(rows):
        raise UsageError("There is no picture to draw; give at least one row with one picture.")
    drawn = [[(label, fit_width(picture, cell_width)) for label, picture in row] for row in rows]
    cell = max(picture.shape[1] for row in drawn for _, picture in row)
    text_size = max(12, min(40, cell // 26))
    labels = [[wrap(label, font(text_size), cell - 8) for label, _ in row] for row in drawn]
    strip = [max(len(lines) for lines in row) * _line_height(text_size) + 8 for row in labels]
    heights = [max(picture.shape[0] for _, picture in row) + below for row, below in zip(drawn, strip, strict=True)]
    columns = max(len(row) for row in drawn)
    width = 2 * MARGIN + columns * cell + (columns - 1) * GAP
    head = _head(title, subtitle, width, text_size)
    canvas = Image.new("RGB", (width, head.height + sum(heights) + GAP * (len(rows) - 1) + MARGIN), GROUND)
    canvas.paste(head, (0, 0))
    pen = ImageDraw.Draw(canvas)
    top = head.height
    for row, lines_of, height, below in zip(drawn, labels, heights, strip, strict=True):
        left = (width - len(row) * cell - (len(row) - 1) * GAP) // 2
        for (_, picture), lines in zip(row, lines_of, strict=True):
            rows_high, columns_wide = picture.shape[:2]
            x, y = left + (cell - columns_wide) // 2, top
            pen.rectangle((x - 1, y - 1, x + columns_wide, y + rows_high), outline=SEPARATOR)
            canvas.paste(Image.fromarray(picture), (x, y))
            for number, line in enumerate(lines):
                where = (left + cell // 2, top + height - below + 5 + number * _line_height(text_size))
                pen.text(where, line, font=font(text_size), fill=INK, anchor="ma")
            left += cell + GAP
        top += height + GAP
    return np.asarray(canvas, np.uint8)


def save_png(path: Path, rgb_display: npt.ArrayLike) -> Path:
    """Write an 8-bit RGB PNG, whole or not at all; floats 0..1 are rounded. Raises :class:`StorageError` on a full disk."""
    picture = Image.fromarray(to_uint8(rgb_display))
    with atomic_path(Path(path)) as temporary:
        picture.save(temporary, format="PNG", compress_level=4)
    return Path(path)


@functools.lru_cache(maxsize=64)
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib carries, at ``size`` pixels."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


def wrap(text: str, face: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """The text in as many lines as its own line breaks and ``width`` pixels need; a single word that is too long is cut."""
    clean = unicodedata.normalize("NFC", text)
    lines: list[str] = []
    for paragraph in clean.split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if line and face.getlength(longer) > width:
                lines.append(line)
                longer = word
            line = _cut(longer, face, width)
        lines.append(line)
    return lines


def _cut(text: str, face: ImageFont.FreeTypeFont, width: int) -> str:
    if face.getlength(text) <= width:
        return text
    while text and face.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _line_height(size: int) -> int:
    return round(size * 1.35)


def _head(title: str, subtitle: str, width: int, text_size: int) -> Image.Image:
    """The band with title and subtitle above a grid; only the margin when there is neither."""
    styles = [(title, round(text_size * 1.45), True, INK), (subtitle, text_size, False, QUIET_INK)]
    lines = [
        (line, size, bold, ink)
        for text, size, bold, ink in styles
        if text
        for line in wrap(text, font(size, bold), width - 2 * MARGIN)
    ]
    height = MARGIN + sum(_line_height(size) for _, size, _, _ in lines) + (GAP if lines else 0)
    band = Image.new("RGB", (width, height), GROUND)
    pen = ImageDraw.Draw(band)
    top = MARGIN - 4 if lines else MARGIN
    for line, size, bold, ink in lines:
        pen.text((MARGIN, top), line, font=font(size, bold), fill=ink, anchor="la")
        top += _line_height(size)
    return band
