"""Where the reference lies on the source: a projective matrix, then a smooth warp of low order, as one map of positions.

The source pixel ``p`` shows the reference at ``inverse(matrix) (p + warp(p))``. The warp is a sum of products of Legendre
polynomials ``P_i(u) P_j(v)`` of total degree 2 and 3, where u and v run from -1 to 1 over the source: free of shift, scale,
rotation and shear, which belong to the matrix. Film curls, shrinks unevenly and was copied through lenses; nothing of that
needs more.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from film_recovery.images.frame import Frame
from film_recovery.images.io import write_frame

FloatArray = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]

TERMS = ((2, 0), (1, 1), (0, 2), (3, 0), (2, 1), (1, 2), (0, 3))  # degrees in u and v
NO_WARP: Matrix = np.zeros((2, len(TERMS)))
NO_WARP.setflags(write=False)


def basis(points: npt.ArrayLike, size: Sequence[int]) -> Matrix:
    """(N, 7) values of the warp's terms at points (N, 2), x and y in pixels of a picture of ``size`` (width, height)."""
    position = np.asarray(points, np.float64)
    u, v = (2.0 * position[:, axis] / max(size[axis] - 1, 1) - 1.0 for axis in (0, 1))
    return np.stack([_legendre(i, u) * _legendre(j, v) for i, j in TERMS], axis=-1)


def warp_at(points: npt.ArrayLike, warp: npt.ArrayLike, size: Sequence[int]) -> Matrix:
    """(N, 2) displacements in source pixels at points (N, 2), for coefficients (2, 7)."""
    return np.asarray(basis(points, size) @ np.asarray(warp, np.float64).T)


def reference_points(points: npt.ArrayLike, matrix: npt.ArrayLike, warp: npt.ArrayLike, size: Sequence[int]) -> Matrix:
    """(N, 2) positions in the reference of source points (N, 2).

    Args:
        matrix: 3x3, reference pixels to source pixels.
        warp: (2, 7) coefficients, source pixels.
        size: the source's (width, height).
    """
    position = np.asarray(points, np.float64) + warp_at(points, warp, size)
    inverse = np.linalg.inv(np.asarray(matrix, np.float64))
    there = np.column_stack([position, np.ones(len(position))]) @ inverse.T
    return np.asarray(there[:, :2] / there[:, 2:])


def position_map(matrix: npt.ArrayLike, warp: npt.ArrayLike, size: Sequence[int]) -> FloatArray:
    """The reference position that every source pixel shows: float32 (H, W, 2), x and y; arguments as for reference_points."""
    width, height = int(size[0]), int(size[1])
    coefficients = np.asarray(warp, np.float64)
    u = np.linspace(-1.0, 1.0, width) if width > 1 else np.zeros(1)
    v = np.linspace(-1.0, 1.0, height) if height > 1 else np.zeros(1)
    across, down = ({degree: _legendre(degree, axis) for degree in range(4)} for axis in (u, v))
    x = np.broadcast_to(np.arange(width, dtype=np.float64), (height, width)).copy()
    y = np.broadcast_to(np.arange(height, dtype=np.float64)[:, None], (height, width)).copy()
    for (i, j), dx, dy in zip(TERMS, *coefficients, strict=True):
        if dx or dy:
            term = down[j][:, None] * across[i][None]
            x += dx * term
            y += dy * term
    inverse = np.linalg.inv(np.asarray(matrix, np.float64))
    depth = inverse[2, 0] * x + inverse[2, 1] * y + inverse[2, 2]
    there = [(inverse[row, 0] * x + inverse[row, 1] * y + inverse[row, 2]) / depth for row in (0, 1)]
    return np.asarray(np.stack(there, axis=-1), np.float32)


def fit_warp(
    points: npt.ArrayLike, shifts: npt.ArrayLike, weights: npt.ArrayLike, size: Sequence[int]
) -> tuple[Matrix, Matrix]:
    """The affine map and the warp that explain displacements best, by weighted least squares with a slight pull to none.

    Args:
        points: (N, 2) source pixels.
        shifts: (N, 2) displacements there.
        weights: (N,).

    Returns:
        Affine coefficients (2, 3) on ``(x, y, 1)`` and warp coefficients (2, 7). With fewer than 12 points there is no warp.
    """
    position, values = np.asarray(points, np.float64), np.asarray(shifts, np.float64)
    root = np.sqrt(np.asarray(weights, np.float64))[:, None]
    u, v = (2.0 * position[:, axis] / max(size[axis] - 1, 1) - 1.0 for axis in (0, 1))
    terms = np.column_stack([u, v, np.ones(len(u)), basis(position, size)])
    if len(position) < 12:
        terms = terms[:, :3]
    pull = np.zeros(terms.shape[1])
    pull[3:] = 1e-3 * float((root**2).sum())
    normal = (terms * root).T @ (terms * root) + np.diag(pull + 1e-9)
    solved = np.linalg.solve(normal, (terms * root).T @ (values * root)).T
    scale = np.array([2.0 / max(size[0] - 1, 1), 2.0 / max(size[1] - 1, 1)])
    affine = np.column_stack([solved[:, :2] * scale, solved[:, 2] - solved[:, 0] - solved[:, 1]])
    warp = np.zeros((2, len(TERMS)))
    warp[:, : solved.shape[1] - 3] = solved[:, 3:]
    return affine, warp


def write_stmap(path: Path, warp: npt.ArrayLike, size: Sequence[int]) -> None:
    """The warp alone as an STMap, to stand after the matrix: a 32-bit float picture of the source's size.

    Red is ``(x + 0.5) / width`` of ``p + warp(p)`` and green ``1 - (y + 0.5) / height``, since Nuke counts from the lower left
    corner; blue is 0. Raises :class:`StorageError`.
    """
    width, height = int(size[0]), int(size[1])
    there = position_map(np.eye(3), warp, size)
    rgb = np.zeros((height, width, 3), np.float32)
    rgb[..., 0] = (there[..., 0] + 0.5) / width
    rgb[..., 1] = 1.0 - (there[..., 1] + 0.5) / height
    write_frame(path, Frame.from_rgb(rgb, pixel_type="float"), pixel_type="float", compression="zip")


def _legendre(degree: int, x: Matrix) -> Matrix:
    return np.polynomial.legendre.Legendre.basis(degree)(x)
