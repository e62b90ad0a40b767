"""Whole pictures in single precision, fast: half to single and back, planes, and the curves of :mod:`images.encodings`.

Beside a network that takes 0.2 seconds a megapixel, NumPy's powers and logarithms (scalar in single precision) would take as
long again. Here a power is a logarithm and an exponential of OpenCV, which computes eight at a time, and curves go through a
picture a few rows after the other, so that what lies between two steps stays in the processor's cache. Values differ from
:mod:`images.encodings` by rounding, under 1e-6 of their size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.images import encodings

_BAND = 32  # rows
_MOST_CHANNELS = 64  # that OpenCV is asked to part
FloatArray = npt.NDArray[np.float32]
HalfArray = npt.NDArray[np.float16]


def to_half(values: FloatArray) -> HalfArray:
    """Float32 (H, ...) as half, rounded to the nearest, ties to even; what exceeds half becomes infinite."""
    flat = np.ascontiguousarray(values).reshape(len(values), -1)
    return np.asarray(cv2.multiply(flat, 1.0, dtype=cv2.CV_16F), np.float16).reshape(values.shape)


def from_half(values: HalfArray) -> FloatArray:
    """Half (H, ...) as float32, exactly."""
    flat = np.ascontiguousarray(values).reshape(len(values), -1)
    return np.asarray(cv2.multiply(flat, 1.0, dtype=cv2.CV_32F), np.float32).reshape(values.shape)


def planes_of(picture: FloatArray) -> list[FloatArray]:
    """The channels of a picture (H, W, C), each contiguous (H, W)."""
    if picture.shape[2] > _MOST_CHANNELS:
        return [np.ascontiguousarray(picture[:, :, index]) for index in range(picture.shape[2])]
    return [np.asarray(plane, np.float32) for plane in cv2.split(np.ascontiguousarray(picture))]


def from_planes(planes: list[FloatArray]) -> FloatArray:
    """A picture (H, W, C), C at least 2, of planes (H, W): the opposite of :func:`planes_of`."""
    return np.asarray(cv2.merge([np.ascontiguousarray(plane) for plane in planes]), np.float32)


def by_bands(function: Callable[..., FloatArray], *pictures: FloatArray) -> FloatArray:
    """``function`` of float32 pictures of one shape (H, W, 3), called with a few rows of each, (rows, 3 W), at a time."""
    first = pictures[0]
    result = np.empty(first.shape, np.float32)
    flat = [np.ascontiguousarray(picture, np.float32).reshape(len(first), -1) for picture in pictures]
    out = result.reshape(len(first), -1)
    for top in range(0, len(first), _BAND):
        rows = slice(top, top + _BAND)
        out[rows] = function(*(picture[rows] for picture in flat))
    return result


def encoded(values: FloatArray, encoding: str) -> FloatArray:
    """:func:`encodings.encode` of float32 (rows, columns). The display curve is a factor, constant where it is straight."""
    if encoding == "display":
        size = cv2.max(np.abs(values), 0.0031308)
        curve = _exp(_log(size) * np.float32(1.0 / 2.4))
        return np.asarray(values * ((curve * np.float32(1.055) - np.float32(0.055)) / size), np.float32)
    if encoding == "log":
        straight = values - cv2.max(values, encodings.CCT_X_BREAK)  # 0 above the break
        bent = _log(cv2.max(values, encodings.CCT_X_BREAK)) * np.float32(1.0 / (17.52 * math.log(2.0)))
        return np.asarray(bent + np.float32(9.72 / 17.52) + straight * np.float32(encodings.CCT_SLOPE), np.float32)
    return np.asarray(encodings.encode(values, encoding), np.float32)


def decoded(values: FloatArray, encoding: str) -> FloatArray:
    """:func:`encodings.decode` of float32 (rows, columns), the inverse of :func:`encoded`."""
    if encoding == "display":
        size = cv2.max(np.abs(values), 0.04045)
        curve = _exp(_log((size + np.float32(0.055)) * np.float32(1.0 / 1.055)) * np.float32(2.4))
        return np.asarray(values * (curve / size), np.float32)
    if encoding == "log":
        above = cv2.max(values, encodings.CCT_Y_BREAK)
        bent = _exp(above * np.float32(17.52 * math.log(2.0)) - np.float32(9.72 * math.log(2.0)))
        return np.asarray(bent + (values - above) * np.float32(1.0 / encodings.CCT_SLOPE), np.float32)
    return np.asarray(encodings.decode(values, encoding), np.float32)


def to_linear(values: FloatArray, encoding: str) -> FloatArray:
    """:func:`encodings.to_linear` of float32 (rows, columns)."""
    return decoded(values, "display") if encoding == "none" else values


def from_linear(values: FloatArray, encoding: str) -> FloatArray:
    """:func:`encodings.from_linear` of float32 (rows, columns)."""
    return encoded(values, "display") if encoding == "none" else values


def balanced(linear: FloatArray, matrix: FloatArray) -> FloatArray:
    """The density balance of linear RGB, float32 (rows, 3 columns): ``matrix`` (3, 4) of densities and the offset beside it."""
    above = cv2.max(linear, encodings.DENSITY_TOE)
    mixing = np.asarray(matrix, np.float64) * [1.0, 1.0, 1.0, -math.log(10.0)]  # natural logarithms
    density = mixed(np.asarray(_log(above)), mixing)
    return np.asarray(_exp(density) + (linear - above), np.float32)


def mixed(values: FloatArray, matrix: npt.ArrayLike) -> FloatArray:
    """RGB, float32 (rows, 3 columns), through a matrix (3, 3), or (3, 4) with what is added."""
    pixels = values.reshape(len(values), -1, 3)
    return np.asarray(cv2.transform(pixels, np.asarray(matrix, np.float32)), np.float32).reshape(values.shape)


def _exp(values: Any) -> FloatArray:
    return np.asarray(cv2.exp(np.asarray(values, np.float32)), np.float32)


def _log(values: Any) -> FloatArray:
    return np.asarray(cv2.log(np.asarray(values, np.float32)), np.float32)
