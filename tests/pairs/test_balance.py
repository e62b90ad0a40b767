from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from film_recovery.images.encodings import density_to_linear, linear_to_density
from film_recovery.pairs.balance import DensityBalance, balance_planes, fit_balance

FADE = np.array([[0.38, 0.04, 0.01], [0.03, 0.88, 0.03], [0.02, 0.05, 0.62]])
STAIN = np.array([0.15, 0.02, 0.08])


def faded(linear: np.ndarray) -> np.ndarray:
    return np.asarray(density_to_linear(linear_to_density(linear.astype(np.float64)) @ FADE.T + STAIN), np.float32)


def test_a_fading_is_undone(photograph: np.ndarray) -> None:
    truth = photograph * 0.9 + 0.01
    balance = fit_balance([faded(truth)], [truth])
    assert np.abs(balance.apply(faded(truth)) - truth).mean() < 2e-3
    assert np.allclose(balance.matrix @ FADE, np.eye(3), atol=0.03)


def test_the_fit_stands_grain_dust_and_a_shifted_reference(photograph: np.ndarray) -> None:
    random = np.random.default_rng(1)
    truth = photograph * 0.9 + 0.01
    reference = np.roll(truth, 1, axis=1) * 10 ** (0.04 * random.standard_normal(truth.shape)).astype(np.float32)
    reference[50:80, 60:110] = 0.001  # a hair in the gate
    clean = fit_balance([faded(truth)], [truth])
    spoiled = fit_balance([faded(truth)], [reference])
    difference = np.abs(spoiled.apply(faded(truth)) - clean.apply(faded(truth)))
    assert difference.mean() < 0.012


@pytest.mark.parametrize("level", [0.0, 0.002])
def test_what_is_black_on_both_sides_does_not_decide(photograph: np.ndarray, level: float) -> None:
    """A mask that was multiplied in, or crushed blacks: no fading has moved them."""
    truth = photograph * 0.9 + 0.01
    source, reference = faded(truth), truth.copy()
    height, width = truth.shape[:2]
    box = (slice(height // 2, height // 2 + height // 6), slice(width // 4, 3 * width // 4))
    source[box] = reference[box] = level
    balance = fit_balance([source], [reference])
    assert np.allclose(balance.matrix @ FADE, np.eye(3), atol=0.03)
    night = fit_balance([np.full_like(source, level)], [np.full_like(source, level)])  # and nothing else
    assert np.isfinite(night.numbers).all()


def test_what_is_not_believed_does_not_decide(photograph: np.ndarray) -> None:
    truth = photograph * 0.9 + 0.01
    reference, trust = truth.copy(), np.ones(truth.shape[:2], np.float32)
    third = truth.shape[0] // 3
    reference[:third], trust[:third] = 0.5, 0.0  # a title, flat and large
    balance = fit_balance([faded(truth)], [reference], [trust])
    assert np.allclose(balance.matrix @ FADE, np.eye(3), atol=0.03)
    assert not np.allclose(fit_balance([faded(truth)], [reference]).matrix @ FADE, np.eye(3), atol=0.1)


def test_identity_pairs_need_no_balance(photograph: np.ndarray) -> None:
    balance = fit_balance([photograph], [photograph])
    assert np.allclose(balance.matrix, np.eye(3), atol=1e-3)
    assert np.allclose(balance.offset, 0.0, atol=1e-3)


@settings(max_examples=50)
@given(st.lists(st.floats(-2.0, 40.0, width=32), min_size=3, max_size=3))
def test_array_and_graph_agree_also_below_zero_and_above_one(colour: list[float]) -> None:
    balance = DensityBalance(np.linalg.inv(FADE), -STAIN)
    pixel = np.array(colour, np.float32)
    planes = [torch.tensor([value], dtype=torch.float64) for value in pixel]
    tensor = torch.cat(balance_planes(*planes, balance, torch)).numpy()
    assert np.allclose(balance.apply(pixel), tensor, rtol=1e-5, atol=1e-6)


def test_numbers_round_trip() -> None:
    balance = DensityBalance(FADE, STAIN)
    again = DensityBalance.from_numbers(balance.numbers)
    assert len(balance.numbers) == 12
    assert np.array_equal(again.matrix, FADE) and np.array_equal(again.offset, STAIN)
