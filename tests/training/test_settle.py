"""Of a correction as much is handed out as the held-out pairs speak for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from film_recovery.training.data import PreparedPair
from film_recovery.training.evaluate import held_out_figure
from film_recovery.training.graph import RecoveryGraph
from film_recovery.training.initial import with_share
from film_recovery.training.settle import GIVEN_UP, SHARES, share_to_hand_out

_GAIN = 0.1  # by which the correction enlarges Cb


def _graph(share: float) -> RecoveryGraph:
    """A recovery whose whole correction makes Cb stronger by a tenth."""
    torch.manual_seed(0)
    graph = RecoveryGraph("chroma", size="small", encoding="none", matrix="709", balance=None)
    graph.reach = None
    with torch.no_grad():
        graph.network.affine.bias[3] = _GAIN  # gain of the fourth input, Cb of the start, on the first output
    graph.network.load_state_dict(with_share(graph.network.state_dict(), share))
    return graph.requires_grad_(False)


def _pair(gains: np.ndarray, noise: float, number: int = 0) -> PreparedPair:
    """A held-out pair whose Cb is stronger by another gain in every place (4, 4)."""
    random = np.random.default_rng(number)
    features = random.normal(0.0, 0.1, (5, 64, 64)).astype(np.float32)
    target = features[3:].copy()
    target[0] *= 1.0 + np.kron(gains, np.ones((16, 16), np.float32)).astype(np.float32)
    target += random.normal(0.0, noise, target.shape).astype(np.float32)
    return PreparedPair(number, torch.from_numpy(features), torch.from_numpy(target), torch.ones(1, 64, 64))


def test_a_correction_that_is_right_everywhere_is_handed_out_whole() -> None:
    assert share_to_hand_out(_graph, [_pair(np.full((4, 4), _GAIN), 0.002)]) == 1.0


def test_a_correction_that_hardly_shows_is_not_handed_out() -> None:
    """Right as it is: the held-out pair has so much grain that it gains a few hundredths of a decibel."""
    pair = _pair(np.full((4, 4), _GAIN), 0.11)
    figures = [held_out_figure(_graph(share), [pair]) for share in (0.0, 1.0)]
    assert 0.0 < figures[1] - figures[0] < GIVEN_UP
    assert share_to_hand_out(_graph, [pair]) == 0.0


def test_half_of_a_correction_is_handed_out_where_half_of_it_is_right() -> None:
    assert share_to_hand_out(_graph, [_pair(np.full((4, 4), 0.5 * _GAIN), 0.002)]) == 0.5


def test_of_a_correction_that_is_as_often_wrong_as_right_little_is_handed_out() -> None:
    random = np.random.default_rng(5)
    gains = _GAIN * np.where(random.permutation(16) < 9, 1.0, -1.0).reshape(4, 4)
    assert share_to_hand_out(_graph, [_pair(gains, 0.02)]) == 0.0


def test_a_quarter_of_a_correction_is_handed_out_that_nothing_judges() -> None:
    assert share_to_hand_out(_graph, []) == 0.25


@pytest.mark.parametrize("seed", range(8))
def test_the_smallest_share_is_taken_that_gives_up_no_more_than_a_twentieth_of_a_decibel(seed: int) -> None:
    random = np.random.default_rng(seed)
    pairs = [_pair(random.normal(0.07, 0.08, (4, 4)), random.uniform(0.001, 0.03), number) for number in range(2)]
    chosen = share_to_hand_out(_graph, pairs)
    figures = {share: held_out_figure(_graph(share), pairs) for share in SHARES}
    assert figures[chosen] >= max(figures.values()) - 0.05
    assert all(figures[share] < max(figures.values()) - 0.05 for share in SHARES if share < chosen)
