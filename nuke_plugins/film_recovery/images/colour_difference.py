"""How different two colours look: CIELAB and CIEDE2000, vectorised, in the number type of the inputs.

Sources: CIE 015:2018 (CIELAB); G. Sharma, W. Wu, E. Dalal, "The CIEDE2000 color-difference formula: implementation notes,
supplementary test data, and mathematical observations", Color Research & Application 30(1), 2005, equations 2 to 22. Tested
against the paper's own table and against colour-science; float32 on cache-sized pieces is many times faster than either
library (a 960x540 picture in about a tenth of a second).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from film_recovery.images.encodings import to_linear

_PIECE = 1 << 15  # pixels at a time: the temporaries of one piece stay in the cache
_BENDS = (216.0 / 24389.0, 24389.0 / 27.0)  # where the CIELAB root becomes a line, and the slope of it
_25_TO_7 = 25.0**7
FloatArray = npt.NDArray[np.float32]


def _rgb_to_xyz() -> npt.NDArray[np.float64]:
    """Linear Rec.709 RGB to XYZ relative to the white D65 (x 0.3127, y 0.3290), each row divided by the white's value."""
    xy = np.array([[0.640, 0.330], [0.300, 0.600], [0.150, 0.060]])
    primaries = np.stack([xy[:, 0] / xy[:, 1], np.ones(3), (1.0 - xy.sum(axis=1)) / xy[:, 1]])
    white = np.array([0.3127 / 0.3290, 1.0, (1.0 - 0.3127 - 0.3290) / 0.3290])
    return np.asarray((primaries * np.linalg.solve(primaries, white)) / white[:, None], np.float64)


_XYZ = _rgb_to_xyz()


def linear_to_lab(linear: npt.ArrayLike) -> npt.NDArray[Any]:
    """Linear light with Rec.709 primaries, (..., 3), white at 1, to CIELAB under D65 (L* 0..100), same shape.

    Float64 stays float64, everything else is computed as float32. Values are clipped to 0..1 first: a display cannot show
    the rest, so the eye that CIELAB models never meets it.
    """
    values = np.asarray(linear)
    kind = np.float64 if values.dtype == np.float64 else np.float32
    relative = np.clip(values, 0.0, 1.0).astype(kind, copy=False) @ _XYZ.T.astype(kind)
    low, slope = _BENDS
    root = np.where(relative > low, np.cbrt(relative), (slope * relative + 16.0) / 116.0)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    return np.asarray(np.stack([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)], axis=-1), kind)


def delta_e_2000(first: npt.ArrayLike, second: npt.ArrayLike) -> npt.NDArray[Any]:
    """CIEDE2000 of two CIELAB arrays, (..., 3) each, with kL = kC = kH = 1; shape (...), 0 for equal colours.

    Float64 inputs are computed in float64, all others in float32 (right to about 1e-3).
    """
    a, b = np.asarray(first), np.asarray(second)
    kind = np.float64 if np.float64 in (a.dtype, b.dtype) else np.float32
    flat_a, flat_b = (np.reshape(lab, (-1, 3)).astype(kind, copy=False) for lab in (a, b))
    out = np.empty(len(flat_a), kind)
    for begin in range(0, len(out), _PIECE):
        piece = slice(begin, begin + _PIECE)
        out[piece] = _difference(flat_a[piece].T, flat_b[piece].T)
    return out.reshape(a.shape[:-1])


def delta_e_map(result: npt.ArrayLike, truth: npt.ArrayLike, encoding: str) -> FloatArray:
    """CIEDE2000 per pixel of two pictures in the working space, (H, W, 3) each: (H, W) float32.

    Working space, to linear light (``encodings.to_linear``), clipped to 0..1, CIELAB D65 from Rec.709 primaries.
    """
    labs = [linear_to_lab(np.asarray(to_linear(np.asarray(rgb, np.float32), encoding), np.float32)) for rgb in (result, truth)]
    return np.asarray(delta_e_2000(*labs), np.float32)


def _difference(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Sharma's equations 2 to 22 on (3, N) each; angles in radians."""
    l1, a1, b1 = first
    l2, a2, b2 = second
    mean_c7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) * 0.5) ** 7
    stretch = 1.5 - 0.5 * np.sqrt(mean_c7 / (mean_c7 + _25_TO_7))
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.arctan2(b1, a1) % (2.0 * np.pi), np.arctan2(b2, a2) % (2.0 * np.pi)
    coloured = (c1 * c2) > 0.0
    turn = h2 - h1
    far = np.abs(turn) > np.pi
    turn = np.where(far, turn - np.copysign(2.0 * np.pi, turn), turn) * coloured
    hue_sum = h1 + h2
    # The mean hue on the shorter way round; without colour in one of the two there is only one hue, and the sum is it.
    round_way = np.where(hue_sum < 2.0 * np.pi, hue_sum + 2.0 * np.pi, hue_sum - 2.0 * np.pi)
    mean_h = np.where(coloured, np.where(far, round_way, hue_sum) * 0.5, hue_sum)
    mean_l, mean_c = (l1 + l2) * 0.5, (c1 + c2) * 0.5
    weight_t = (
        1.0
        - 0.17 * np.cos(mean_h - np.pi / 6.0)
        + 0.24 * np.cos(2.0 * mean_h)
        + 0.32 * np.cos(3.0 * mean_h + np.pi / 30.0)
        - 0.20 * np.cos(4.0 * mean_h - 63.0 * np.pi / 180.0)
    )
    from_grey = (mean_l - 50.0) ** 2
    scale_l = 1.0 + 0.015 * from_grey / np.sqrt(20.0 + from_grey)
    scale_c = 1.0 + 0.045 * mean_c
    scale_h = 1.0 + 0.015 * mean_c * weight_t
    c7 = mean_c**7
    blue = np.pi / 3.0 * np.exp(-(((mean_h * (180.0 / np.pi) - 275.0) / 25.0) ** 2))
    rotation = -2.0 * np.sqrt(c7 / (c7 + _25_TO_7)) * np.sin(blue)
    part_l = (l2 - l1) / scale_l
    part_c = (c2 - c1) / scale_c
    part_h = 2.0 * np.sqrt(c1 * c2) * np.sin(turn * 0.5) / scale_h
    total = part_l**2 + part_c**2 + part_h**2 + rotation * part_c * part_h
    return np.asarray(np.sqrt(np.maximum(total, 0.0)))
