"""A job that cannot be done is refused before anything is written."""

from __future__ import annotations

from typing import Any

import pytest

from film_recovery.contract.errors import UsageError
from film_recovery.contract.job import TrainingJob

_NAN, _INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"seed": -1}, "The seed is -1"),
        ({"encoding": "srgb"}, "Unknown encoding 'srgb'; choose auto, display, log, none"),
        ({"matrix": "240"}, "Unknown matrix '240'; choose one of 709, 601, 2020"),
        ({"seed": 2**63}, "The seed is"),
        ({"steps": None, "minutes": _NAN}, "and an end"),
        ({"steps": None, "minutes": _INFINITE}, "and an end"),
        ({"balance": [1.0] * 11 + [_NAN]}, "NaN or infinite"),
        ({"balance": [1.0] * 11 + [_INFINITE]}, "NaN or infinite"),
    ],
)
def test_numbers_that_no_training_can_have_are_refused(values: dict[str, Any], words: str) -> None:
    whole: dict[str, Any] = {"task": "chroma", "source": "a", "reference": "b", "steps": 1}
    TrainingJob(**whole).check()
    with pytest.raises(UsageError, match=words):
        TrainingJob(**{**whole, **values}).check()
