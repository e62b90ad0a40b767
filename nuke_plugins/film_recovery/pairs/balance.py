"""The neutral density balance: 12 numbers that undo a dye fading before anything is kept of the source.

Dark fading scales each layer's dye (Wallace 1989), and dyes absorb unwantedly in the other layers, so to first order a faded
density is an affine image of the original one: ``D' = A f A^-1 D + stain``. Its inverse is again a 3x3 matrix and an
offset in density; this module fits them from pairs. It is small on purpose: 12 numbers cannot invent a grade.

Density ends at 3.0. What lies below that in linear light, negative values included, is carried past the balance by addition,
so that it survives and can never be blown up by the matrix.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.images.density import apply_balance
from film_recovery.images.encodings import below_toe, density_to_linear, linear_to_density

_BLOCK = 8  # pixels; averages grain, and is coarse against the residual of a first registration
_RIDGE = 3e-6  # pulls towards "no change" where the pairs say nothing
_ITERATIONS = 12
_BLACK = 2.5  # density in all three layers, 0.003 of the light: a mask or a crushed black, which no fading has moved
_UNHEARD = 1e-6  # weight of what must not decide: the rest decides wherever there is any
FloatArray = npt.NDArray[np.float32]
_Blocks = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class DensityBalance:
    """``D_out = matrix @ D_in + offset`` on base-10 density of linear RGB; what density leaves out is added unchanged."""

    matrix: npt.NDArray[np.float64]
    offset: npt.NDArray[np.float64]

    @classmethod
    def identity(cls) -> DensityBalance:
        """The balance that changes nothing."""
        return cls(np.eye(3), np.zeros(3))

    @classmethod
    def from_numbers(cls, numbers: Sequence[float]) -> DensityBalance:
        """From 12 numbers: the matrix by rows, then the offset."""
        values = np.asarray(numbers, dtype=np.float64)
        return cls(values[:9].reshape(3, 3), values[9:12])

    @property
    def numbers(self) -> list[float]:
        """The 12 numbers: the matrix by rows, then the offset."""
        return [float(value) for value in (*self.matrix.ravel(), *self.offset)]

    def apply(self, linear: Any) -> npt.NDArray[np.float32]:
        """Balance linear RGB, shape (..., 3), any range; returns float32 of the same shape."""
        return apply_balance(linear, self.numbers)


def balance_planes(red: Any, green: Any, blue: Any, balance: DensityBalance, xp: ModuleType) -> list[Any]:
    """The same on three separate planes (tensors of any shape), for the exported graph."""
    planes = (red, green, blue)
    density = [linear_to_density(plane, xp) for plane in planes]
    rows = zip(planes, balance.matrix.tolist(), balance.offset.tolist(), strict=True)
    return [
        density_to_linear(sum(w * d for w, d in zip(row, density, strict=True)) + shift) + below_toe(plane, xp)
        for plane, row, shift in rows
    ]


def fit_balance(
    sources: Iterable[npt.ArrayLike], references: Iterable[npt.ArrayLike], trust: Sequence[FloatArray | None] | None = None
) -> DensityBalance:
    """Fit the balance that takes the sources to the references, robustly.

    Args:
        sources: linear RGB pictures, (H, W, 3) each, faded; taken one after the other.
        references: the same pictures, aligned, from the element that kept its colour.
        trust: what of each to believe, (H, W), 0..1; None is all.

    Block means of density are compared: averaging commutes with the affine model and grain is additive in density. Flat
    blocks count more, since optical blur averages light and not density, and a Cauchy weight lets dust and misregistered
    edges fall out. What is black on one side counts only where there is nothing else: it has no density to compare. Each pair
    has an offset of its own while the matrix is fitted (flicker would otherwise pass for a lack of contrast); their mean is
    the balance's offset.
    """
    blocks = [
        _blocks(np.asarray(source, np.float32), np.asarray(reference, np.float32), None if trust is None else trust[index])
        for index, (source, reference) in enumerate(zip(sources, references, strict=True))
    ]
    weights = [np.repeat(flatness[:, None], 3, axis=1) for _, _, flatness in blocks]
    matrix, offsets = np.eye(3), np.zeros((len(blocks), 3))
    for _ in range(_ITERATIONS):
        for channel in range(3):
            matrix[channel], offsets[:, channel] = _solve_channel(blocks, [w[:, channel] for w in weights], channel)
        residuals = [r - s @ matrix.T - offset for (s, r, _), offset in zip(blocks, offsets, strict=True)]
        scale = 1.4826 * np.median(np.abs(np.concatenate(residuals)), axis=0) + 1e-4
        weights = [
            flatness[:, None] / (1.0 + (residual / (2.0 * scale)) ** 2)
            for (_, _, flatness), residual in zip(blocks, residuals, strict=True)
        ]
    return DensityBalance(matrix, offsets.mean(axis=0))


def _solve_channel(
    blocks: Sequence[_Blocks], weights: Sequence[npt.NDArray[np.float64]], channel: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """One row of the matrix, (3,), and the offset of every pair, (P,), by weighted least squares."""
    identity = np.eye(3)[channel]
    normal, right, means = np.zeros((3, 3)), np.zeros(3), []
    for (source, reference, _), weight in zip(blocks, weights, strict=True):
        centre = weight @ source / weight.sum()
        level = float(weight @ reference[:, channel] / weight.sum())
        spread = source - centre
        normal += (spread * weight[:, None]).T @ spread
        right += (spread * weight[:, None]).T @ (reference[:, channel] - level)
        means.append((centre, level))
    ridge = _RIDGE * sum(float(weight.sum()) for weight in weights)
    row = np.linalg.solve(normal + ridge * np.eye(3), right + ridge * identity)
    return row, np.array([level - centre @ row for centre, level in means])


def _blocks(source: FloatArray, reference: FloatArray, trust: FloatArray | None) -> _Blocks:
    """Block-mean densities of both, (N, 3) each, and a weight (N,): flatness, where there is something to believe."""
    height, width = (max(side // _BLOCK, 1) for side in source.shape[:2])
    shape = (width, height)
    density = [np.asarray(linear_to_density(picture), np.float32) for picture in (source, reference)]
    means = [cv2.resize(picture, shape, interpolation=cv2.INTER_AREA).reshape(-1, 3) for picture in density]
    smooth = cv2.GaussianBlur(density[1].mean(axis=-1), (0, 0), 1.5)
    first = cv2.resize(smooth, shape, interpolation=cv2.INTER_AREA)
    second = cv2.resize(smooth**2, shape, interpolation=cv2.INTER_AREA)
    spread = np.maximum(second - first**2, 0.0).ravel()
    flatness = 1.0 / (spread + 0.02**2)
    weight = flatness / flatness.max()
    if trust is not None:
        weight = weight * np.maximum(cv2.resize(trust, shape, interpolation=cv2.INTER_AREA).ravel(), _UNHEARD)
    black = np.maximum(means[0].min(axis=1), means[1].min(axis=1)) > _BLACK
    weight = np.where(black, weight * _UNHEARD, weight)
    return means[0].astype(np.float64), means[1].astype(np.float64), np.asarray(weight, np.float64)
