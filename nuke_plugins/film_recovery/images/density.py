"""The density balance on arrays: base-10 density of linear RGB through a 3x3 matrix and an offset."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from film_recovery.images.encodings import below_toe, density_to_linear, linear_to_density


def apply_balance(linear: npt.ArrayLike, numbers: Sequence[float]) -> npt.NDArray[np.float32]:
    """Balance linear RGB, shape (..., 3), any range, by 12 numbers: the matrix by rows, then the offset, in density.

    Density ends at 3.0. What lies below that in linear light, negative values included, is carried past the balance by
    addition, so that it survives and can never be blown up by the matrix. Returns float32 of the same shape.
    """
    values = np.asarray(linear, dtype=np.float64)
    matrix, offset = np.asarray(numbers[:9], np.float64).reshape(3, 3), np.asarray(numbers[9:12], np.float64)
    balanced = density_to_linear(linear_to_density(values) @ matrix.T + offset)
    return np.asarray(balanced + below_toe(values), dtype=np.float32)
