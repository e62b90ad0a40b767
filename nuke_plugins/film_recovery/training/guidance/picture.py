"""The picture that shows a finding: source, reference, target, what the model gives, and a map of the error with its scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import numpy.typing as npt

from film_recovery.contract.findings import Finding
from film_recovery.images.colour_difference import delta_e_2000, linear_to_lab
from film_recovery.images.drawing import Cell, display, draw_grid, save_png, to_uint8
from film_recovery.images.encodings import to_linear
from film_recovery.pairs.dataset import Pair
from film_recovery.pairs.overlays import Box

WORST = 20.0  # ΔE2000 at the end of the scale
_WIDE = 640  # pixels: pictures are looked at, and errors averaged, at this width
_GRAIN = 2.0  # pixels: sigma of the mean that takes grain out of the map
_MARK = (255, 96, 64)
FloatArray = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]


def draw_finding(
    path: Path,
    finding: Finding,
    pair: Pair,
    recovered: FloatArray,
    encoding: str,
    boxes: Sequence[Box] = (),
    marks: Mapping[str, npt.NDArray[np.bool_]] | None = None,
) -> None:
    """Write the picture as PNG, whole or not at all.

    Args:
        pair: the pair to show; ``recovered`` (H, W, 3) what the model gives for it, in the working space of ``encoding``.
        boxes: rectangles to mark, pixels of the pair.
        marks: pixels to mark, (H, W) of any size, of the ``source`` and of the ``reference``.

    Raises:
        StorageError: the disk is full.
    """
    ratio = _WIDE / pair.source.shape[1]
    size = (_WIDE, max(round(pair.source.shape[0] * ratio), 1))
    source, reference, target, output = (_resized(part, size) for part in (pair.source, pair.reference, pair.target, recovered))
    errors = error_map(output, target, encoding)
    shown = [to_uint8(display(part, encoding)) for part in (source, reference, target, output)]
    for side, picture in zip(("source", "reference"), shown, strict=False):
        if marks and side in marks:
            there = cv2.resize(marks[side].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
            picture[there] = _MARK
    for x, y, width, height in boxes:
        left, top, right, bottom = (round(side * ratio) for side in (x, y, x + width, y + height))
        for picture in shown:
            cv2.rectangle(picture, (left, top), (right, bottom), _MARK, 2)
    believed = np.ones(size[::-1], np.float32) if pair.trust is None else _resized(pair.trust, size)
    held = ", held out" if pair.held_out else ""
    rows: list[list[Cell]] = [
        [(f"source {pair.frame}{held}{_cut(marks, 'source')}", shown[0]), (f"reference{_cut(marks, 'reference')}", shown[1]),
         ("target", shown[2])],
        [
            ("recovered", shown[3]),
            (f"error of recovered to target, mean {errors.mean():.1f}\nΔE2000, grain averaged out: {_scale_words()}",
             with_scale(heat(errors))),
            ("what the training believes of the pair: white all, black nothing",
             np.repeat(np.asarray(np.clip(believed, 0.0, 1.0) * 255.0, np.uint8)[..., None], 3, axis=2)),
        ],
    ]  # fmt: skip
    save_png(path, draw_grid(rows, f"{finding.name}: frame {pair.frame}", 480, finding.text))


def error_map(recovered: FloatArray, target: FloatArray, encoding: str) -> FloatArray:
    """CIEDE2000 of local means, (H, W): what is left when grain is averaged out, which no model could foretell."""
    linear = [np.asarray(to_linear(part, encoding), np.float32) for part in (recovered, target)]
    smooth = [cv2.GaussianBlur(part, (0, 0), _GRAIN) for part in linear]
    return np.asarray(delta_e_2000(*(linear_to_lab(part) for part in smooth)), np.float32)


def heat(errors: FloatArray) -> Bytes:
    """Errors (H, W) in colours: black 0, white :data:`WORST` and more."""
    colours = matplotlib.colormaps["inferno"](np.clip(errors / WORST, 0.0, 1.0))
    return np.asarray(colours[..., :3] * 255.0 + 0.5, np.uint8)


def with_scale(picture: Bytes) -> Bytes:
    """The picture with the scale as a bar along its foot, from 0 to :data:`WORST` by fives."""
    high = max(picture.shape[0] // 24, 6)
    bar = heat(np.broadcast_to(np.linspace(0.0, WORST, picture.shape[1], dtype=np.float32), (high, picture.shape[1])))
    bar = np.ascontiguousarray(bar)
    for step in range(1, 4):
        bar[:, picture.shape[1] * step // 4 - 1 : picture.shape[1] * step // 4 + 1] = 128
    gap = np.full((3, picture.shape[1], 3), 58, np.uint8)
    return np.concatenate([picture, gap, bar])


def _cut(marks: Mapping[str, npt.NDArray[np.bool_]] | None, side: str) -> str:
    return ", cut off where it is marked" if marks and side in marks else ""


def _scale_words() -> str:
    return f"bar from 0 to {WORST:.0f}, ticks every {WORST / 4:.0f}; 1 is just visible, 10 plain"


def _resized(picture: FloatArray, size: tuple[int, int]) -> FloatArray:
    shrinks = picture.shape[1] > size[0]
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), np.float32)
