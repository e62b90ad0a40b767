"""The curves of Nuke's own colour management, between linear light and coded values; nothing is clamped.

Sources: sRGB is IEC 61966-2-1, rec709 ITU-R BT.709, Cineon Kodak's 10-bit printing density with black 95, white 685 and gamma
0.6 as in Nuke's Log2Lin knobs; the gammas are powers. Below the straight parts the straight line goes on, so negative values
survive. Assumption: powers mirror negative values instead of giving NaN.
"""

from __future__ import annotations

from typing import Callable

import numpy as np

from embedded_nuke.render.image import Pixels

Curve = Callable[[Pixels], Pixels]


def _srgb_decode(v: Pixels) -> Pixels:
    return np.where(v <= 0.04045, v / 12.92, ((np.maximum(v, 0.04045) + 0.055) / 1.055) ** 2.4)


def _srgb_encode(v: Pixels) -> Pixels:
    return np.where(v <= 0.0031308, v * 12.92, 1.055 * np.maximum(v, 0.0031308) ** (1 / 2.4) - 0.055)


def _rec709_decode(v: Pixels) -> Pixels:
    return np.where(v < 0.081, v / 4.5, ((np.maximum(v, 0.081) + 0.099) / 1.099) ** (1 / 0.45))


def _rec709_encode(v: Pixels) -> Pixels:
    return np.where(v < 0.018, v * 4.5, 1.099 * np.maximum(v, 0.018) ** 0.45 - 0.099)


_CINEON_BLACK = 10.0 ** ((95.0 - 685.0) * 0.002 / 0.6)


def _cineon_decode(v: Pixels) -> Pixels:
    return (10.0 ** ((v * 1023.0 - 685.0) * (0.002 / 0.6)) - _CINEON_BLACK) / (1.0 - _CINEON_BLACK)


def _cineon_encode(v: Pixels) -> Pixels:
    light = np.maximum(v * (1.0 - _CINEON_BLACK) + _CINEON_BLACK, 1e-10)
    return (np.log10(light) * (0.6 / 0.002) + 685.0) / 1023.0


def _power(exponent: float) -> Curve:
    return lambda v: np.sign(v) * np.abs(v) ** exponent


def _same(v: Pixels) -> Pixels:
    return v


_CURVES: dict[str, tuple[Curve, Curve]] = {
    "linear": (_same, _same),
    "raw": (_same, _same),
    "sRGB": (_srgb_decode, _srgb_encode),
    "rec709": (_rec709_decode, _rec709_encode),
    "Cineon": (_cineon_decode, _cineon_encode),
    "BT1886": (_power(2.4), _power(1 / 2.4)),
    **{f"Gamma{gamma}": (_power(float(gamma)), _power(1 / float(gamma))) for gamma in ("1.8", "2.2", "2.4", "2.6")},
}
# The roles of the config that comes with Nuke (nuke-default).
ROLES = {
    "scene_linear": "linear", "reference": "linear", "default": "linear", "compositing_log": "Cineon", "color_timing": "Cineon",
    "data": "raw", "color_picking": "sRGB", "matte_paint": "sRGB", "texture_paint": "sRGB",
}  # fmt: skip


def known_spaces() -> tuple[str, ...]:
    """The names that :func:`decode` and :func:`encode` take, without the roles."""
    return tuple(_CURVES)


def _find(space: str) -> tuple[Curve, Curve] | None:
    name = space.rsplit("/", 1)[-1].strip()
    return _CURVES.get(ROLES.get(name, name))


def knows(space: str) -> bool:
    """Whether there is a curve for this name or role."""
    return _find(space) is not None


def decode(values: Pixels, space: str) -> Pixels:
    """Coded values of a space to linear light, float32. Raises KeyError for a space without a documented curve."""
    return _apply(values, space, 0)


def encode(values: Pixels, space: str) -> Pixels:
    """Linear light to coded values of a space, float32. Raises KeyError for a space without a documented curve."""
    return _apply(values, space, 1)


def _apply(values: Pixels, space: str, direction: int) -> Pixels:
    curves = _find(space)
    if curves is None:
        raise KeyError(space)
    if curves[direction] is _same:
        return values
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(curves[direction](np.asarray(values, np.float64)), np.float32)
