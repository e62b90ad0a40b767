"""What the values of a model card may be. The card comes out of a file, and its numbers steer memory and colour."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from film_recovery.contract.card import ModelCard
from film_recovery.contract.job import KEPT
from film_recovery.images.colour import MATRIX_NAMES
from film_recovery.images.encodings import ENCODING_NAMES

_LARGEST_FIELD = 4096  # pixels; far beyond any network of this program
_LARGEST_MULTIPLE = 256  # pixels


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
    "files": lambda value: isinstance(value, dict),
}
