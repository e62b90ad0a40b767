"""The one YCbCr module: exact BT.601, BT.709 and BT.2020 (non-constant luminance), full range, float, never clamped.

``Y = Kr R + Kg G + Kb B``, ``Cb = (B - Y) / (2 (1 - Kb))``, ``Cr = (R - Y) / (2 (1 - Kr))`` on coded (non-linear) RGB.
Sources: ITU-R BT.601-7 section 2.5, BT.709-6 section 3, BT.2020-2 table 4. Kr and Kb are the recommendations' decimals; all
other coefficients are computed from them, so a round trip is exact to the last bits of the number type.

Works on NumPy arrays with the channels last. PyTorch code takes :func:`rgb_to_ycbcr_matrix` and its inverse.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from film_recovery.contract.errors import UsageError

MatrixName = Literal["601", "709", "2020"]
FloatArray = npt.NDArray[np.float32]

_LUMA: dict[str, tuple[float, float]] = {"601": (0.299, 0.114), "709": (0.2126, 0.0722), "2020": (0.2627, 0.0593)}
MATRIX_NAMES: tuple[str, ...] = get_args(MatrixName)


def luma_coefficients(matrix: str) -> npt.NDArray[np.float64]:
    """Return ``(Kr, Kg, Kb)`` as float64, shape (3,). Raises :class:`UsageError` for an unknown name."""
    if matrix not in _LUMA:
        raise UsageError(f"Unknown YCbCr matrix '{matrix}'; choose one of {', '.join(MATRIX_NAMES)}.")
    kr, kb = _LUMA[matrix]
    return np.array([kr, 1.0 - kr - kb, kb])


def rgb_to_ycbcr_matrix(matrix: str) -> npt.NDArray[np.float64]:
    """Return the 3x3 matrix, rows Y, Cb, Cr, that takes a coded RGB column vector to YCbCr (Cb and Cr centred on 0)."""
    kr, kg, kb = luma = luma_coefficients(matrix)
    blue, red = 2.0 * (1.0 - kb), 2.0 * (1.0 - kr)
    return np.array([luma, [-kr / blue, -kg / blue, (1.0 - kb) / blue], [(1.0 - kr) / red, -kg / red, -kb / red]])


def ycbcr_to_rgb_matrix(matrix: str) -> npt.NDArray[np.float64]:
    """Return the 3x3 matrix, rows R, G, B, that takes a YCbCr column vector back to coded RGB."""
    kr, kg, kb = luma_coefficients(matrix)
    blue, red = 2.0 * (1.0 - kb), 2.0 * (1.0 - kr)
    return np.array([[1.0, 0.0, red], [1.0, -kb * blue / kg, -kr * red / kg], [1.0, blue, 0.0]])


def rgb_to_ycbcr(rgb: npt.ArrayLike, matrix: str) -> FloatArray:
    """Coded RGB, shape (..., 3), any range, to float32 YCbCr of the same shape."""
    return _apply(rgb, rgb_to_ycbcr_matrix(matrix))


def ycbcr_to_rgb(ycbcr: npt.ArrayLike, matrix: str) -> FloatArray:
    """YCbCr, shape (..., 3), any range, to float32 coded RGB of the same shape."""
    return _apply(ycbcr, ycbcr_to_rgb_matrix(matrix))


def luma(rgb: npt.ArrayLike, matrix: str) -> FloatArray:
    """Luma Y of coded RGB, shape (..., 3), as float32 of shape (...)."""
    return _apply(rgb, luma_coefficients(matrix)[None])[..., 0]


def swap_luma(colour_from: npt.ArrayLike, luma_from: npt.ArrayLike, matrix: str) -> FloatArray:
    """Coded RGB with the luma of ``luma_from`` and the Cb, Cr of ``colour_from``; both (..., 3), neither clamped."""
    coded = np.asarray(colour_from, dtype=np.float32)
    weights = luma_coefficients(matrix)
    # R, G and B all move by the same amount when only Y changes, so there is no need to leave RGB.
    step = (np.asarray(luma_from, dtype=np.float64) - coded) @ weights
    return np.asarray(coded + step[..., None], dtype=np.float32)


def _apply(values: npt.ArrayLike, matrix: npt.NDArray[np.float64]) -> FloatArray:
    return np.asarray(np.asarray(values, dtype=np.float64) @ matrix.T, dtype=np.float32)
