"""Moving a reference onto the source's pixels in one resampling, sharp and without rings round highlights."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.pairs.deformation import position_map

FloatArray = npt.NDArray[np.float32]


def resample(rgb: npt.ArrayLike, matrix: npt.ArrayLike, warp: npt.ArrayLike, shape: Sequence[int]) -> FloatArray:
    """Resample the reference onto the source's pixels.

    Args:
        rgb: (H', W', C) or (H', W') of the reference, any range, values below 0 and above 1 included.
        matrix: 3x3, reference pixels to source pixels.
        warp: (2, 7) coefficients of :mod:`deformation`.
        shape: the source's (height, width).

    Returns:
        float32 (height, width, C) or (height, width). Lanczos of 8x8 pixels, held near the values of the nearest 3x3 pixels:
        a result may lie beyond the brightest by a quarter and beyond the darkest by half of its own value (or of 1, or of
        their distance, if smaller). So fine detail keeps its contrast, and a highlight of 50 leaves no dark ring and nothing
        negative. Beyond the reference its edge is repeated. When nothing moves the pixels come back untouched.
    """
    picture = np.ascontiguousarray(rgb, dtype=np.float32)
    height, width = int(shape[0]), int(shape[1])
    square, coefficients = np.asarray(matrix, np.float64), np.asarray(warp, np.float64)
    if picture.shape[:2] == (height, width) and np.array_equal(square, np.eye(3)) and not coefficients.any():
        return picture.copy()
    there = position_map(square, coefficients, (width, height))
    result = resample_at(picture, there, 1.0 / max(float(np.sqrt(abs(np.linalg.det(square[:2, :2])))), 1e-6))
    return np.asarray(result.reshape(height, width, *picture.shape[2:]), dtype=np.float32)


def resample_at(picture: FloatArray, there: FloatArray, shrink: float) -> FloatArray:
    """The picture at positions (H, W, 2), as :func:`resample` describes it; ``shrink`` is how many of its pixels one new pixel
    spans."""
    if shrink > 1.2:  # fewer pixels out than in: what the new grid cannot hold would alias
        sigma = 0.45 * float(np.sqrt(shrink**2 - 1.0))
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.float32)
    around = np.ones((3, 3), np.uint8)
    lowest, highest = (change(picture, around, borderType=cv2.BORDER_REPLICATE) for change in (cv2.erode, cv2.dilate))
    x, y = cv2.split(there)
    sharp, low, high = (
        cv2.remap(part, x, y, flags, borderMode=cv2.BORDER_REPLICATE)
        for part, flags in ((picture, cv2.INTER_LANCZOS4), (lowest, cv2.INTER_NEAREST), (highest, cv2.INTER_NEAREST))
    )
    room = np.minimum(high - low, 1.0)
    low = low - 0.5 * np.minimum(room, np.abs(low))
    high = high + 0.25 * np.minimum(room, np.abs(high))
    return np.asarray(np.clip(sharp, low, high), dtype=np.float32)
