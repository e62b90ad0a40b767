"""Codings between the working space of the files and the domain in which networks learn.

Every coding is one-to-one on all finite numbers: values below 0 and above 1 survive, nothing is clamped, and
``decode(encode(x))`` returns ``x`` to about 1e-6 of its size. The same lines run on NumPy arrays and on PyTorch tensors
(``xp`` is the module), so training, the exported graph and the host agree by construction.

======== ============================================== =====================================================
name     files hold                                     the coded domain is
======== ============================================== =====================================================
display  linear light, display-referred, white at 1     the sRGB curve (IEC 61966-2-1), mirrored below 0
log      scene-linear light, any range                  the ACEScct curve (Academy S-2016-001), straight below
none     values that are already coded (PNG, TIFF, DPX) the values themselves
======== ============================================== =====================================================
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, Literal, get_args

import numpy as np

from film_recovery.contract.errors import UsageError

EncodingName = Literal["display", "log", "none"]
ENCODING_NAMES: tuple[str, ...] = get_args(EncodingName)

# ACEScct: straight below X_BREAK, so it continues below 0 by itself.
CCT_SLOPE, CCT_OFFSET = 10.5402377416545, 0.0729055341958355
CCT_X_BREAK, CCT_Y_BREAK = 0.0078125, 0.155251141552511

# Linear light below which density has no meaning (D 3.0); the logarithm stops there.
DENSITY_TOE = 1e-3


def encode(values: Any, encoding: str, xp: ModuleType = np) -> Any:
    """Working-space values of any shape to the coded domain. Raises :class:`UsageError` for an unknown name."""
    if encoding == "display":
        size = xp.abs(values)
        curve = 1.055 * xp.clip(size, 0.0031308, None) ** (1.0 / 2.4) - 0.055
        return xp.where(size <= 0.0031308, values * 12.92, xp.sign(values) * curve)
    if encoding == "log":
        curve = (xp.log2(xp.clip(values, CCT_X_BREAK, None)) + 9.72) / 17.52
        return xp.where(values <= CCT_X_BREAK, values * CCT_SLOPE + CCT_OFFSET, curve)
    return _unchanged(values, encoding)


def decode(values: Any, encoding: str, xp: ModuleType = np) -> Any:
    """Coded values of any shape back to the working space; the inverse of :func:`encode`."""
    if encoding == "display":
        size = xp.abs(values)
        curve = ((xp.clip(size, 0.04045, None) + 0.055) / 1.055) ** 2.4
        return xp.where(size <= 0.0031308 * 12.92, values / 12.92, xp.sign(values) * curve)
    if encoding == "log":
        curve = 2.0 ** (xp.clip(values, CCT_Y_BREAK, None) * 17.52 - 9.72)
        return xp.where(values <= CCT_Y_BREAK, (values - CCT_OFFSET) / CCT_SLOPE, curve)
    return _unchanged(values, encoding)


def to_linear(values: Any, encoding: str, xp: ModuleType = np) -> Any:
    """Working-space values to linear light: themselves, unless the files hold coded values (``none``: sRGB-coded)."""
    return decode(values, "display", xp) if encoding == "none" else _linear_already(values, encoding)


def from_linear(values: Any, encoding: str, xp: ModuleType = np) -> Any:
    """Linear light to working-space values; the inverse of :func:`to_linear`."""
    return encode(values, "display", xp) if encoding == "none" else _linear_already(values, encoding)


def linear_to_density(values: Any, xp: ModuleType = np) -> Any:
    """Linear light to density, ``D = -log10(T)``, at most 3.0 (at ``DENSITY_TOE`` and below)."""
    return -xp.log10(xp.clip(values, DENSITY_TOE, None))


def density_to_linear(density: Any) -> Any:
    """Density to linear light, ``T = 10^-D``."""
    return 10.0 ** (-density)


def below_toe(values: Any, xp: ModuleType = np) -> Any:
    """What density leaves out of linear light: 0 above ``DENSITY_TOE``, the (negative) difference below.

    ``density_to_linear(linear_to_density(x)) + below_toe(x)`` is ``x`` for every finite ``x``.
    """
    return xp.clip(values - DENSITY_TOE, None, 0.0)


def _linear_already(values: Any, encoding: str) -> Any:
    if encoding not in ENCODING_NAMES:
        _unchanged(values, encoding)
    return values


def _unchanged(values: Any, encoding: str) -> Any:
    if encoding != "none":
        raise UsageError(f"Unknown encoding '{encoding}'; choose one of {', '.join(ENCODING_NAMES)}.")
    return values
