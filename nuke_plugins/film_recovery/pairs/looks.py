"""What the frames of a film look like, counted: which colours in which light each holds, and what the reference makes of them.

Everything comes from the thumbnails of two surveys, so a reel of thousands of frames is looked through in seconds. Colours are
those of the source *after* the density balance that a training fits first: only then do distances mean the same in a faded
layer as in a kept one. All values are display-coded, 0..1, BT.709.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from film_recovery.elements.survey import ByteArray
from film_recovery.images.colour import rgb_to_ycbcr
from film_recovery.images.encodings import decode, encode
from film_recovery.pairs.balance import DensityBalance, fit_balance

CELLS = (48, 27)  # columns and rows in which a frame is looked at: 2x2 pixels of a thumbnail
_INNER = (slice(1, -1), slice(1, -1))  # rows and columns without the rim, where scan borders lie
_BALANCE_FRAMES = 48
_LUMA_STEP, _CHROMA_STEP = 0.10, 0.04  # of the grid in which colours are counted
_GRID = 16 * 64 * 64
_MOST_LOOKS = 260
_FEWEST_CELLS = 6  # a colour with fewer cells in the whole film is taken for noise
FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Looks:
    """N frames of a source and their M looks (colours in a light).

    ``shares`` (N, M) float32: which share of each frame has which look; rows sum to 1, or to 0 for a frame without a picture.
    ``changes`` (N, M, 2) float32: mean Cb and Cr that the reference adds to the balanced source there, 0 where none is known.
    ``known`` (N,) says which frames have a partner. ``centres`` (M, 3) are the looks' balanced Y, Cb, Cr; ``shown`` (M, 3) the
    same as the reference shows them; ``textures`` (N,) is each frame's mean
    fine contrast, coded.
    """

    shares: FloatArray
    changes: FloatArray
    known: npt.NDArray[np.bool_]
    centres: FloatArray
    shown: FloatArray
    textures: FloatArray


def find_looks(source: ByteArray, reference: ByteArray, partners: Sequence[int | None], usable: Sequence[bool]) -> Looks:
    """Count the looks of a film.

    Args:
        source: thumbnails (N, H, W, 3) of the source.
        reference: thumbnails (R, H, W, 3) of the reference, brought to the source's framing.
        partners: for every source frame the row of its partner, or None.
        usable: for every source frame whether it and its partner are whole; others teach nothing about colours.
    """
    known = np.array([row is not None and ok for row, ok in zip(partners, usable, strict=True)], bool)
    balance = thumbnail_balance(source, reference, partners, known)
    count, cells = len(source), (CELLS[0] - 2) * (CELLS[1] - 2)
    keys = np.zeros((count, cells), np.uint16)
    ours, theirs = np.zeros((count, cells, 3), np.float16), np.zeros((count, cells, 3), np.float16)
    textures = np.zeros(count, np.float32)
    for index in range(count):
        if not usable[index]:
            continue
        picture = rgb_to_ycbcr(balanced(source[index], balance), "709")
        grey = np.asarray(source[index], np.float32).mean(axis=-1)
        textures[index] = float(np.abs(cv2.Laplacian(grey, cv2.CV_32F)).mean() / 255.0)
        small = _cells(picture)
        ours[index], keys[index] = small, _keys(small)
        row = partners[index]
        if row is not None:
            other = rgb_to_ycbcr(np.asarray(reference[row], np.float32) / 255.0, "709")
            theirs[index] = _cells(other)
    return _counted(keys, ours, theirs, np.array(usable, bool), known, textures)


def thumbnail_balance(
    source: ByteArray, reference: ByteArray, partners: Sequence[int | None], known: npt.NDArray[np.bool_]
) -> DensityBalance:
    """The density balance that thumbnails of the two elements give; the identity without partners."""
    rows = np.flatnonzero(known)
    if not len(rows):
        return DensityBalance.identity()
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, _BALANCE_FRAMES).astype(np.int64))]
    linear = [
        [np.asarray(decode(np.asarray(picture, np.float32) / 255.0, "display"), np.float32) for picture in both]
        for both in ((source[row], reference[_row(partners[row])]) for row in rows.tolist())
    ]
    return fit_balance([both[0] for both in linear], [both[1] for both in linear])


def balanced(thumbnail: ByteArray, balance: DensityBalance) -> FloatArray:
    """A thumbnail after the balance, float32 (H, W, 3), display-coded, -0.1..1.2."""
    linear = np.asarray(decode(np.asarray(thumbnail, np.float32) / 255.0, "display"), np.float32)
    return np.asarray(np.clip(encode(balance.apply(linear), "display"), -0.1, 1.2), np.float32)


def _cells(picture: FloatArray) -> FloatArray:
    """Means (C, 3) of the cells of a picture (H, W, 3), without the rim."""
    return np.asarray(cv2.resize(picture, CELLS, interpolation=cv2.INTER_AREA)[_INNER].reshape(-1, 3), np.float32)


def _row(row: int | None) -> int:
    assert row is not None
    return row


def _keys(ycc: FloatArray) -> npt.NDArray[np.uint16]:
    """Cells (C, 3) to numbers of a grid over Y, Cb, Cr, below :data:`_GRID`."""
    luma = np.clip(np.floor(ycc[:, 0] / _LUMA_STEP), -2, 13).astype(np.int32) + 2
    cb, cr = (np.clip(np.floor(ycc[:, axis] / _CHROMA_STEP), -32, 31).astype(np.int32) + 32 for axis in (1, 2))
    return np.asarray((luma * 64 + cb) * 64 + cr, np.uint16)


def _counted(
    keys: npt.NDArray[np.uint16],
    ours: npt.NDArray[np.float16],
    theirs: npt.NDArray[np.float16],
    usable: npt.NDArray[np.bool_],
    known: npt.NDArray[np.bool_],
    textures: FloatArray,
) -> Looks:
    """Frame by frame, so that a long film takes little more memory than its cells."""
    rows = np.flatnonzero(usable)
    grid_totals, grid_sums = np.zeros(_GRID, np.int64), np.zeros((_GRID, 3))
    for index in rows:
        np.add.at(grid_totals, keys[index], 1)
        np.add.at(grid_sums, keys[index], ours[index].astype(np.float64))
    numbers = np.flatnonzero(grid_totals)
    totals = grid_totals[numbers]
    means = grid_sums[numbers] / totals[:, None]
    order = np.argsort(-totals, kind="stable")
    kept = np.sort(order[: max(min(_MOST_LOOKS, int((totals >= _FEWEST_CELLS).sum())), 1)])
    # A rare colour counts for the nearest one that is kept, by distance in steps of the grid.
    scale = np.array([1.0 / _LUMA_STEP, 1.0 / _CHROMA_STEP, 1.0 / _CHROMA_STEP])
    look_of = np.zeros(_GRID, np.int64)
    if len(kept):
        look_of[numbers] = cKDTree(means[kept] * scale).query(means * scale)[1]
    count, looks = len(keys), len(kept)
    shares = np.zeros((count, looks), np.float32)
    changes = np.zeros((count, looks, 2), np.float32)
    centres, shown = np.zeros((looks, 3)), np.zeros((looks, 3))
    mass, mass_shown = np.zeros(looks), np.zeros(looks)
    for index in rows:
        here, cells = look_of[keys[index]], ours[index].astype(np.float64)
        n = np.bincount(here, minlength=looks)
        shares[index] = n / len(here)
        mass += n
        centres += np.stack([np.bincount(here, cells[:, axis], looks) for axis in range(3)], axis=1)
        if known[index]:
            others = theirs[index].astype(np.float64)
            mass_shown += n
            sums = np.stack([np.bincount(here, others[:, axis], looks) for axis in range(3)], axis=1)
            shown += sums
            delta = [np.bincount(here, others[:, axis] - cells[:, axis], looks) for axis in (1, 2)]
            changes[index] = np.stack(delta, axis=1) / np.maximum(n, 1)[:, None]
    centres /= np.maximum(mass, 1.0)[:, None]
    shown = np.where(mass_shown[:, None] > 0, shown / np.maximum(mass_shown, 1.0)[:, None], centres)
    return Looks(shares, changes, known, centres.astype(np.float32), shown.astype(np.float32), textures)
