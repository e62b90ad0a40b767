"""Pairs as the judges look at them: coded, not too large, and as means of cells in which grain has gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.images.colour import rgb_to_ycbcr
from film_recovery.images.encodings import encode
from film_recovery.pairs.balance import DensityBalance
from film_recovery.pairs.dataset import Dataset, Pair, apply_balance
from film_recovery.pairs.geometry import picture_mask

_WIDEST = 1280  # pixels; of larger pictures the judges see smaller ones
_CELLS = 44  # across the longer side
_BELIEVED = 0.5  # trust of a cell from which on it counts
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """One pair.

    Attributes:
        frame, held_out: of the pair.
        source, reference: coded RGB, float32 (H, W, 3) each, at most 1280 pixels wide; the source is not balanced.
        ratio: pixels of the pair for one of these, 1 or more.
        corner: where the pair's upper left pixel lies in the source's data window, x and y.
        cells: coded YCbCr of the balanced source, means of cells, (h, w, 3); ``wanted`` the same of the target.
        believed: (h, w) bool, cells that show the same on both sides.
        inside: uint8 (H, W), 255 where the pair is trained on, 0 under the alignment's masks.
    """

    frame: int
    held_out: bool
    source: FloatArray
    reference: FloatArray
    ratio: float
    corner: tuple[int, int]
    cells: FloatArray
    wanted: FloatArray
    believed: npt.NDArray[np.bool_]
    inside: npt.NDArray[np.uint8]


def views_of(dataset: Dataset) -> list[View]:
    """Every pair of a dataset, ascending by frame."""
    return [view_of(pair, dataset) for pair in dataset.pairs]


def view_of(pair: Pair, dataset: Dataset) -> View:
    """One pair of a dataset."""
    encoding, matrix = dataset.manifest.encoding, dataset.manifest.matrix
    balance = dataset.manifest.balance
    ratio, size = _view(pair.source)
    small = [_shrunk(part, size) for part in (pair.source, pair.reference, pair.target)]
    balanced = apply_balance(small[0], DensityBalance.from_numbers(balance) if balance else None, encoding)
    source, reference, target, seen = (np.asarray(encode(part, encoding), np.float32) for part in (*small, balanced))
    trust = np.ones(size[::-1], np.float32) if pair.trust is None else _shrunk(pair.trust, size)
    allowed = _shrunk(picture_mask(pair.source.shape, None, dataset.manifest.masks).astype(np.float32), size)
    return View(
        pair.frame, pair.held_out, source, reference, ratio, (dataset.manifest.crop[0], dataset.manifest.crop[1]),
        means(rgb_to_ycbcr(seen, matrix)), means(rgb_to_ycbcr(target, matrix)), means(trust) >= _BELIEVED,
        np.where(allowed > 254.0, 255, 0).astype(np.uint8),
    )  # fmt: skip


def cells_in_view(picture: FloatArray, dataset: Dataset) -> FloatArray:
    """What is given for a picture of the dataset, working space (H, W, 3), in the cells of its view: coded YCbCr, (h, w, 3)."""
    coded = encode(_shrunk(picture, _view(picture)[1]), dataset.manifest.encoding)
    return means(rgb_to_ycbcr(np.asarray(coded, np.float32), dataset.manifest.matrix))


def _view(picture: FloatArray) -> tuple[float, tuple[int, int]]:
    """How many pixels of a picture go to one of its view, 1 or more, and the view's width and height."""
    height, width = picture.shape[:2]
    ratio = max(width / _WIDEST, 1.0)
    return ratio, (max(round(width / ratio), 1), max(round(height / ratio), 1))


def means(picture: FloatArray) -> FloatArray:
    """A picture (H, W, ...) as means of square cells of whole pixels, about 44 along its longer side."""
    height, width = picture.shape[:2]
    cell = max(round(max(height, width) / _CELLS), 1)
    return _shrunk(picture, (max(width // cell, 1), max(height // cell, 1)))


def frames_text(frames: Sequence[int]) -> str:
    """``frame 7`` or ``frames 7, 9 and 3 more``."""
    if len(frames) == 1:
        return f"frame {frames[0]}"
    shown = [str(frame) for frame in frames[:4]]
    if len(frames) > 4:
        return f"frames {', '.join(shown)} and {len(frames) - 4} more"
    return f"frames {', '.join(shown[:-1])} and {shown[-1]}"


def _shrunk(picture: FloatArray, size: tuple[int, int]) -> FloatArray:
    return np.asarray(cv2.resize(np.asarray(picture, np.float32), size, interpolation=cv2.INTER_AREA), np.float32)
