"""How the picture of one element is cut against another's: one transform for the whole film, and whether one is mirrored.

Positions are shares of the frame, 0 to 1 from its left and upper edge, so that sizes and pixel aspects do not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy import sparse

from film_recovery.elements.survey import DETAIL, DETAIL_UNIT

FloatArray = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]

_ROUNDS = 6  # of refining
_ZOOMS = (0.86, 0.89, 0.92, 0.95, 0.975, 1.0, 1.025, 1.05, 1.08, 1.12, 1.16)
_SHIFTS = np.arange(-0.10, 0.101, 0.02)
_SEARCH_GRID, _SEARCH_MARGIN, _SEARCH_BLUR = (24, 14), 0.16, 3.0  # columns and rows; share of the frame; detail pixels
_REFINE_GRID, _REFINE_MARGIN = (64, 36), 0.10
_KEYS, _AMONG = 48, 500  # frames of the shorter element, and those of the longer one among which they are looked for
_RELUCTANCE = 0.5  # correlation per share of the frame


@dataclass(frozen=True)
class Framing:
    """``matrix`` (2x3) takes a position in a to the position in b that shows the same point, both as shares of the frame."""

    matrix: Matrix

    @property
    def is_mirrored(self) -> bool:
        """Whether b is the mirror image of a."""
        return bool(np.linalg.det(self.matrix[:, :2]) < 0.0)

    def apply(self, positions: Matrix) -> Matrix:
        """(P, 2) positions in b of (P, 2) positions in a."""
        return np.asarray(positions @ self.matrix[:, :2].T + self.matrix[:, 2])

    def between(self, box_a: Framing, box_b: Framing) -> Framing:
        """The same for whole frames, where this is of a box of each (:func:`box_framing`)."""
        boxes = [np.vstack([box.matrix, [0.0, 0.0, 1.0]]) for box in (self, box_a, box_b)]
        return Framing((boxes[2] @ boxes[0] @ np.linalg.inv(boxes[1]))[:2])

    def in_pixels(self, size_a: tuple[int, int], size_b: tuple[int, int]) -> Matrix:
        """3x3: pixels of a (centres at whole numbers) to pixels of b; sizes are (width, height)."""
        into = np.array([[1.0 / size_a[0], 0.0, 0.5 / size_a[0]], [0.0, 1.0 / size_a[1], 0.5 / size_a[1]], [0.0, 0.0, 1.0]])
        out = np.array([[size_b[0], 0.0, -0.5], [0.0, size_b[1], -0.5], [0.0, 0.0, 1.0]])
        return np.asarray(out @ np.vstack([self.matrix, [0.0, 0.0, 1.0]]) @ into)


def box_framing(left: float, top: float, width: float, height: float) -> Framing:
    """From positions within a box, as shares of it, to those in the frame; the box is given as shares of the frame."""
    return Framing(np.array([[width, 0.0, left], [0.0, height, top]]))


def plain_framing(zoom: float = 1.0, right: float = 0.0, down: float = 0.0, mirrored: bool = False) -> Framing:
    """Zoom about the middle, then shift; with ``mirrored`` left and right change places first."""
    across = -zoom if mirrored else zoom
    return Framing(np.array([[across, 0.0, 0.5 - 0.5 * across + right], [0.0, zoom, 0.5 - 0.5 * zoom + down]]))


def grid_positions(columns: int, rows: int, margin: float) -> Matrix:
    """(columns * rows, 2) positions, row by row, evenly spread with a margin at each side."""
    x, y = np.meshgrid(np.linspace(margin, 1.0 - margin, columns), np.linspace(margin, 1.0 - margin, rows))
    return np.stack([x.ravel(), y.ravel()], axis=-1)


def sample(planes: npt.NDArray[np.generic], positions: Matrix) -> FloatArray:
    """Values (N, P) of planes (N, H, W) at positions (P, 2), bilinear; beyond the frame its edge goes on."""
    height, width = planes.shape[1:]
    x = np.clip(positions[:, 0] * width - 0.5, 0.0, width - 1.0001)
    y = np.clip(positions[:, 1] * height - 0.5, 0.0, height - 1.0001)
    left, top = x.astype(np.int64), y.astype(np.int64)
    fx, fy = x - left, y - top
    corner = top * width + left
    weights = np.concatenate([(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy]).astype(np.float32)
    columns = np.concatenate([corner, corner + 1, corner + width, corner + width + 1])
    rows = np.tile(np.arange(len(positions)), 4)
    operator = sparse.csr_matrix((weights, (rows, columns)), shape=(len(positions), width * height))
    flat = np.asarray(planes, np.float32).reshape(len(planes), -1)
    return np.ascontiguousarray((operator @ flat.T).T, np.float32)


def blurred(planes: npt.NDArray[np.int8], sigma: float) -> FloatArray:
    """Detail planes (N, 108, 192) as float32, blurred by ``sigma`` of their pixels."""
    smooth = [cv2.GaussianBlur(plane.astype(np.float32), (0, 0), sigma) for plane in planes]
    return np.asarray(smooth, np.float32).reshape(-1, DETAIL[1], DETAIL[0]) / np.float32(DETAIL_UNIT)


def unit_vectors(values: FloatArray) -> FloatArray:
    """Rows with mean 0 and length 1; a row without any contrast becomes 0."""
    centred = values - values.mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=-1, keepdims=True), 1e-3), np.float32)


def find_framing(details_a: npt.NDArray[np.int8], details_b: npt.NDArray[np.int8]) -> tuple[Framing, float]:
    """The framing under which most frames of the shorter element find a likeness in the longer one, among zooms from 0.86 to
    1.16 and shifts of 10 %, also mirrored.

    Returns:
        The framing and the mean correlation (-1 to 1) of the better half of the shorter one's key frames with their best
        partners: of a long element most have none where the other is a few frames. In a steady pan another framing looks like
        another moment; between such equals the smaller shift is taken.
    """
    is_a_longer = len(details_a) > len(details_b)
    counts = (_AMONG, _KEYS) if is_a_longer else (_KEYS, _AMONG)
    keys_a, keys_b = (
        details[np.unique(np.linspace(0, len(details) - 1, count).astype(np.int64))]
        for details, count in zip((details_a, details_b), counts, strict=True)
    )
    positions = grid_positions(*_SEARCH_GRID, _SEARCH_MARGIN)
    ours = unit_vectors(sample(_quartered(blurred(keys_a, _SEARCH_BLUR)), positions))
    theirs = _quartered(blurred(keys_b, _SEARCH_BLUR))

    def score(framing: Framing) -> float:
        likeness = (ours @ unit_vectors(sample(theirs, framing.apply(positions))).T).max(axis=0 if is_a_longer else 1)
        return float(np.sort(likeness)[len(likeness) // 2 :].mean())

    best, best_score, best_worth = plain_framing(), -2.0, -2.0
    for mirrored in (False, True):
        for zoom in _ZOOMS:
            for right in _SHIFTS:
                for down in _SHIFTS:
                    framing = plain_framing(zoom, right, down, mirrored)
                    found = score(framing)
                    worth = found - _RELUCTANCE * float(np.hypot(right, down))
                    if worth > best_worth:
                        best, best_score, best_worth = framing, found, worth
    return best, best_score


def _quartered(planes: FloatArray) -> FloatArray:
    """A quarter of the size, for thousands of tries."""
    size = (DETAIL[0] // 4, DETAIL[1] // 4)
    return np.asarray([cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in planes], np.float32)


def refine_framing(
    details_a: npt.NDArray[np.int8],
    details_b: npt.NDArray[np.int8],
    framing: Framing,
    pairs: Sequence[tuple[int, int]],
    blur: float,
) -> Framing:
    """The affine framing that fits given pairs of frames best, all at once (Gauss-Newton, Cauchy weights).

    Args:
        pairs: rows of the two elements; wrong ones among them are outvoted.
        blur: in detail pixels; the farther off the start may be, the larger.
    """
    positions = grid_positions(*_REFINE_GRID, _REFINE_MARGIN)
    ours = unit_vectors(sample(blurred(details_a[[a for a, _ in pairs]], blur), positions))
    planes = blurred(details_b[[b for _, b in pairs]], blur)
    across = np.asarray([cv2.Sobel(plane, cv2.CV_32F, 1, 0, scale=1 / 8) for plane in planes])
    down = np.asarray([cv2.Sobel(plane, cv2.CV_32F, 0, 1, scale=1 / 8) for plane in planes])
    width, height = DETAIL
    u, v = positions[:, 0].astype(np.float32), positions[:, 1].astype(np.float32)
    for _ in range(_ROUNDS):
        there = framing.apply(positions)
        values = sample(planes, there)
        values -= values.mean(axis=1, keepdims=True)
        length = np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-3)
        values /= length
        gx, gy = sample(across, there) * width / length, sample(down, there) * height / length
        left = ours - values
        usual = np.maximum(np.median(np.abs(left), axis=1, keepdims=True), 1e-6)
        weight = 1.0 / (1.0 + (left / (2.0 * usual)) ** 2)
        slopes = np.stack([gx, gx * u, gx * v, gy, gy * u, gy * v], axis=-1)
        weighted = slopes * weight[..., None]
        normal = np.einsum("npk,npl->kl", weighted, slopes, dtype=np.float64)
        right = np.einsum("npk,np->k", weighted, left, dtype=np.float64)
        step = np.linalg.solve(normal + 1e-5 * np.trace(normal) * np.eye(6), right)
        framing = Framing(framing.matrix + np.array([[step[1], step[2], step[0]], [step[4], step[5], step[3]]]))
    return framing
