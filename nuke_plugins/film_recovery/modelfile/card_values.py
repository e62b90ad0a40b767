"""What the values of a model card may be. The card comes out of a file, and its numbers steer memory and colour."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from film_recovery.contract.card import ModelCard
from film_recovery.contract.job import KEPT
from film_recovery.images.colour import MATRIX_NAMES
from film_recovery.images.encodings import ENCODING_NAMES
from film_recovery.images.familiar import FamiliarColours

_LARGEST_FIELD = 4096  # pixels; far beyond any network of this program
_LARGEST_MULTIPLE = 256  # pixels
_GRAIN = (("frequency", "source", "reference", "recovered"), ("level", "strength"), ("softness",))  # curves of equal length
_LONGEST_CURVE, _LARGEST_BLUR = 256, 64.0


def unfit_value(card: ModelCard) -> str | None:
    """The name of the first field whose value inference could not work with, or None when all fit."""
    unfit = next((name for name, fits in _FITS.items() if not fits(getattr(card, name))), None)
    return "kept" if unfit is None and card.kept != KEPT[card.task] else unfit


def _one_of(*names: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in names


def _whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _is_balance(value: Any) -> bool:
    return value is None or (
        isinstance(value, list)
        and len(value) == 12
        and all(type(number) in (int, float) and math.isfinite(number) for number in value)
    )


def _is_grain(value: Any) -> bool:
    """Empty, or all of the curves with as many numbers as they go with others."""
    if value == {}:
        return True
    if not isinstance(value, dict) or set(value) != {name for group in _GRAIN for name in group}:
        return False
    numbers = [number for curve in value.values() if isinstance(curve, list) for number in curve]
    return all(isinstance(curve, list) and 0 < len(curve) <= _LONGEST_CURVE for curve in value.values()) and (
        all(type(number) in (int, float) and math.isfinite(number) and number >= 0.0 for number in numbers)
        and all(len({len(value[name]) for name in group}) == 1 for group in _GRAIN)
        and value["softness"][0] <= _LARGEST_BLUR
    )


def _are_colours(value: Any) -> bool:
    """Empty, or colours that a confidence map can be made of."""
    if not isinstance(value, str):
        return False
    try:
        return not value or len(FamiliarColours.from_text(value).colours) > 0
    except ValueError:
        return False


_FITS: dict[str, Callable[[Any], bool]] = {
    "task": _one_of(*KEPT),
    "encoding": _one_of(*ENCODING_NAMES),
    "matrix": _one_of(*MATRIX_NAMES),
    "balance": _is_balance,
    "receptive_field": _whole(0, _LARGEST_FIELD),
    "multiple": _whole(1, _LARGEST_MULTIPLE),
    "opset": _whole(1, 10_000),
    "channels_in": lambda value: value == ["R", "G", "B"],
    "channels_out": lambda value: value == ["R", "G", "B"],
    "grain": _is_grain,
    "colours": _are_colours,
    "files": lambda value: isinstance(value, dict),
}
