"""The formulas of Merge2. Source: the table *Merge Operations* of Foundry's user guide.

Overlay and hard-light: the table says *multiply* and *screen*; that they double their side first is an assumption. ``A`` and
``B`` are values, ``a`` and ``b`` the alphas of the two inputs; all are float32 arrays.
"""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

Formula = Callable[[Any, Any, Any, Any], Any]


def _divided(top: Any, bottom: Any) -> Any:
    """A quotient that is 0 where the divisor is."""
    zero = bottom == 0
    return np.where(zero, np.float32(0), top / np.where(zero, np.float32(1), bottom))


def _screen(A: Any, B: Any, a: Any = None, b: Any = None) -> Any:
    """``A + B - AB`` where A or B is at most 1, else the larger, as the table says."""
    return np.where((A <= 1) | (B <= 1), A + B - A * B, np.where(B > A, B, A))


def _multiply(A: Any, B: Any, a: Any = None, b: Any = None) -> Any:
    """``AB``, and ``A`` where both are negative, so that two negative values do not become bright."""
    return np.where((A < 0) & (B < 0), A, A * B)


def _color_burn(A: Any, B: Any, a: Any, b: Any) -> Any:
    """Darken B towards A: ``1 - (1 - B) / A``. Assumption: held at 0, and white stays white."""
    return np.where(B >= 1, B, np.where(A <= 0, np.float32(0), 1 - np.minimum(1, _divided(1 - B, A))))


def _color_dodge(A: Any, B: Any, a: Any, b: Any) -> Any:
    """Brighten B towards A: ``B / (1 - A)``. Assumption: held at 1, and black stays black."""
    return np.where(B <= 0, B, np.where(A >= 1, np.float32(1), np.minimum(1, _divided(B, 1 - A))))


def _soft_light(A: Any, B: Any, a: Any, b: Any) -> Any:
    product = A * B
    return np.where(product < 1, B * (2 * A + (B * (1 - product))), 2 * product)


OPERATIONS: dict[str, Formula] = {
    "atop": lambda A, B, a, b: A * b + B * (1 - a),
    "average": lambda A, B, a, b: (A + B) / 2,
    "color-burn": _color_burn,
    "color-dodge": _color_dodge,
    "conjoint-over": lambda A, B, a, b: np.where(a > b, A, A + B * (1 - _divided(a, b))),
    "copy": lambda A, B, a, b: A,
    "difference": lambda A, B, a, b: np.abs(A - B),
    "disjoint-over": lambda A, B, a, b: np.where(a + b < 1, A + B, A + B * _divided(1 - a, b)),
    "divide": lambda A, B, a, b: np.where((A < 0) & (B < 0), np.float32(0), _divided(A, B)),
    "exclusion": lambda A, B, a, b: A + B - 2 * A * B,
    "from": lambda A, B, a, b: B - A,
    "geometric": lambda A, B, a, b: _divided(2 * A * B, A + B),
    "hard-light": lambda A, B, a, b: np.where(A < 0.5, 2 * A * B, _screen(2 * A - 1, B)),
    "hypot": lambda A, B, a, b: np.sqrt(A * A + B * B),
    "in": lambda A, B, a, b: A * b,
    "mask": lambda A, B, a, b: B * a,
    "matte": lambda A, B, a, b: A * a + B * (1 - a),
    "max": lambda A, B, a, b: np.where(B > A, B, A),
    "min": lambda A, B, a, b: np.where(B < A, B, A),
    "minus": lambda A, B, a, b: A - B,
    "multiply": _multiply,
    "out": lambda A, B, a, b: A * (1 - b),
    "over": lambda A, B, a, b: A + B * (1 - a),
    "overlay": lambda A, B, a, b: np.where(B < 0.5, 2 * A * B, _screen(A, 2 * B - 1)),
    "plus": lambda A, B, a, b: A + B,
    "screen": _screen,
    "soft-light": _soft_light,
    "stencil": lambda A, B, a, b: B * (1 - a),
    "under": lambda A, B, a, b: A * (1 - b) + B,
    "xor": lambda A, B, a, b: A * (1 - b) + B * (1 - a),
}
# Blends for which ``screen_alpha`` (Alpha masking) is offered: the alpha becomes a + b - ab instead of following the formula.
ALPHA_MASKED = frozenset(
    [
        "average", "color-burn", "color-dodge", "difference", "divide", "exclusion", "from", "geometric", "hard-light", "hypot",
        "minus", "multiply", "overlay", "plus", "screen", "soft-light", "max", "min",
    ]
)  # fmt: skip
