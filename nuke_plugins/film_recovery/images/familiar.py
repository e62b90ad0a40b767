"""Which colours a model has learned, and how far those of a picture are from them: the number that a confidence map holds.

A model knows a colour where its pairs showed it; elsewhere it extends what it knows. On simulated elements with known truth the
mean squared error of recovered colour grows in proportion to the distance from the nearest colour of the pairs, as that of a
random walk does that nothing pins down any more. So

    ``confidence = usual / expected = 1 / sqrt(1 + distance beyond what counts as known / 0.35)``

is the share that the error of the colours learned has in the error to expect: 1, as on the colours of the pairs; 0.5, twice
that; 0.25, four times. It foretells what comes of colours that the pairs lack, and says nothing of pairs that teach wrong
things, of grain, or of which of two errors is larger among colours that are known. The curve is the same for every model:
estimates from a model's own pairs, with one of them or part of their colours left out, came no nearer to the truth.
In CIEDE2000 of cells (``bench/confidence.md``) errors rise sooner than that: from a distance of 0.25 on they are half to nine
tenths as large again as foretold; which cells are doubted first is the same whatever the curve.

Colours are those that the model sees, balanced and coded, as means of cells of 4x4 pixels: grain is no colour of its own.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from film_recovery.images.colour import rgb_to_ycbcr
from film_recovery.images.density import apply_balance
from film_recovery.images.encodings import encode, from_linear, to_linear

MOST_COLOURS = 2048
LOW = 0.5  # confidence: from here on down the error to expect is more than twice the usual
_CELL = 4  # pixels
_LUMA, _CHROMA = 0.2, 0.035  # coded: units of distance along Y, and along Cb and Cr
_BIN = np.array([0.04, 0.015, 0.015])  # coded Y, Cb, Cr: colours of one bin are one
_LEAST = 5e-4  # of a picture, all pairs together: what is rarer has hardly been learned
_BELIEVED = 0.5  # trust of a cell from which on it counts
_KNOWN, _WALK = 0.15, 0.35  # distances: up to where a colour counts as known, and in which squared error grows by the usual
_LOWEST, _HIGHEST = np.array([-0.25, -0.5, -0.5]), np.array([1.25, 0.5, 0.5])  # Y, Cb, Cr that are told apart
_NODES = (25, 65, 65)  # of the table of distances
FloatArray = npt.NDArray[np.float32]


def cells_of(rgb: npt.ArrayLike, balance: Sequence[float] | None, encoding: str, matrix: str) -> FloatArray:
    """The colours of a picture as a model sees them: float32 (h, w, 3) Y, Cb, Cr, coded, of 4x4 pixels each.

    Args:
        rgb: (H, W, 3) in the working space of ``encoding``, any finite values.
        balance: the 12 numbers of the density balance in the model, or None.
    """
    picture = np.asarray(rgb, np.float32)
    height, width = (max(-(-side // _CELL), 1) for side in picture.shape[:2])
    small = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.float32)
    return seen_colours(small, balance, encoding, matrix)


def seen_colours(rgb: FloatArray, balance: Sequence[float] | None, encoding: str, matrix: str) -> FloatArray:
    """The same pixel by pixel, (..., 3), for pictures that are small already."""
    if balance is not None:
        rgb = np.asarray(from_linear(apply_balance(to_linear(rgb, encoding), balance), encoding), np.float32)
    return rgb_to_ycbcr(encode(rgb, encoding), matrix)


def in_units(ycbcr: npt.ArrayLike) -> FloatArray:
    """Coded Y, Cb, Cr (..., 3) in the units of :meth:`FamiliarColours.distance`."""
    return np.asarray(np.asarray(ycbcr, np.float32) / np.array([_LUMA, _CHROMA, _CHROMA], np.float32), np.float32)


def confidence_at(distance: npt.ArrayLike) -> FloatArray:
    """Distances of :meth:`FamiliarColours.distance`, any shape, to confidence, 0..1."""
    beyond = np.maximum(np.asarray(distance, np.float32) - np.float32(_KNOWN), np.float32(0.0))
    return np.asarray(1.0 / np.sqrt(np.float32(1.0) + beyond / np.float32(_WALK)), np.float32)


@dataclass(frozen=True)
class FamiliarColours:
    """The colours that a model has learned: ``colours`` (N, 3) float32 coded Y, Cb, Cr, 1 to :data:`MOST_COLOURS` of them."""

    colours: FloatArray

    @classmethod
    def of(cls, cells: Sequence[FloatArray], trust: Sequence[npt.ArrayLike | None]) -> FamiliarColours | None:
        """The colours of pairs: ``cells`` of each as :func:`cells_of` gives them, ``trust`` (H, W), 0..1, of its pixels, or
        None for all. None where no colour is believed.

        Colours are counted in bins and stand at the means of their bins; where there are too many, the most frequent stay.
        """
        believed = [np.ones(one.shape[:2], bool) if t is None else _shrunk(t, one) >= _BELIEVED
                    for one, t in zip(cells, trust, strict=True)]  # fmt: skip
        values = np.concatenate([one[there] for one, there in zip(cells, believed, strict=True)]).astype(np.float64)
        if not len(values):
            return None
        shares = np.concatenate([np.full(int(there.sum()), 1.0 / there.size) for there in believed])
        _, bins = np.unique(np.floor(values / _BIN).astype(np.int64), axis=0, return_inverse=True)
        bins = bins.ravel()
        count, share = np.bincount(bins), np.bincount(bins, shares)
        means = np.stack([np.bincount(bins, values[:, axis]) / count for axis in range(3)], axis=1)
        order = np.argsort(-share, kind="stable")[:MOST_COLOURS]
        kept = order[: max(int(np.count_nonzero(share[order] >= _LEAST)), 1)]
        return cls(_decoded(_codes(means[kept])))

    @classmethod
    def from_text(cls, text: str) -> FamiliarColours:
        """Back from :meth:`to_text`. Raises :class:`ValueError` for anything else, and for too many colours."""
        if len(text) > 4 * MOST_COLOURS:
            raise ValueError(f"more than {MOST_COLOURS} colours")
        try:
            codes = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
        except binascii.Error as error:
            raise ValueError(str(error)) from error
        if not codes.size or codes.size % 3:
            raise ValueError(f"{codes.size} bytes are no colours of three")
        return cls(_decoded(codes.reshape(-1, 3)))

    def to_text(self) -> str:
        """Base64 of three bytes a colour: Y from -0.25 to 1.25, Cb and Cr from -0.5 to 0.5, in 255 steps."""
        return base64.b64encode(np.unique(_codes(self.colours), axis=0).tobytes()).decode("ascii")

    def distance(self, ycbcr: npt.ArrayLike) -> FloatArray:
        """How far coded Y, Cb, Cr (..., 3) is from the nearest colour that was learned, float32 (...).

        In units of 0.2 along Y and 0.035 along Cb and Cr, by a table that is trilinear between its nodes;
        at a colour that stands alone it is up to 0.4 too much.
        """
        values = np.asarray(ycbcr, np.float32)
        steps = ((np.array(_NODES) - 1) / (_HIGHEST - _LOWEST)).astype(np.float32)
        at = (np.clip(values, _LOWEST, _HIGHEST).astype(np.float32) - _LOWEST.astype(np.float32)) * steps
        found = map_coordinates(self._table, at.reshape(-1, 3).T, np.float32, order=1, mode="nearest")
        return np.asarray(found, np.float32).reshape(values.shape[:-1])

    def confidence(self, rgb: npt.ArrayLike, balance: Sequence[float] | None, encoding: str, matrix: str) -> FloatArray:
        """The confidence map of a picture, float32 (H, W), 0..1, smooth over cells of 4 pixels; arguments as for
        :func:`cells_of`. It is the picture's own: neither other frames nor tiles change a bit of it."""
        height, width = np.shape(rgb)[:2]
        cells = confidence_at(self.distance(cells_of(rgb, balance, encoding, matrix)))
        return np.asarray(cv2.resize(cells, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)

    @cached_property
    def _table(self) -> FloatArray:
        unit = np.array([_LUMA, _CHROMA, _CHROMA])
        axes = [np.linspace(low, high, n) for low, high, n in zip(_LOWEST, _HIGHEST, _NODES, strict=True)]
        nodes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        return np.asarray(cKDTree(self.colours / unit).query(nodes / unit)[0], np.float32).reshape(_NODES)


def _shrunk(trust: npt.ArrayLike, cells: FloatArray) -> FloatArray:
    size = (cells.shape[1], cells.shape[0])
    return np.asarray(cv2.resize(np.asarray(trust, np.float32), size, interpolation=cv2.INTER_AREA), np.float32)


def _codes(colours: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    part = (np.clip(np.asarray(colours, np.float64), _LOWEST, _HIGHEST) - _LOWEST) / (_HIGHEST - _LOWEST)
    return np.asarray(np.rint(part * 255.0), np.uint8)


def _decoded(codes: npt.NDArray[np.uint8]) -> FloatArray:
    return np.asarray(_LOWEST + codes / 255.0 * (_HIGHEST - _LOWEST), np.float32)
