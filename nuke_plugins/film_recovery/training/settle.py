"""How much of a trained correction of colour is handed out: no more than the held-out pairs speak for.

A network that has learned a little about its pairs and nothing about other frames can still come out a few hundredths of a dB
ahead on one held-out pair, by chance. So the smallest share of its correction is taken that is no worse than the best by more
than a standard error: the rule of Breiman, Friedman, Olshen and Stone (*Classification and Regression Trees*, 1984, 3.4.3).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch.nn import functional

from film_recovery.training.data import PreparedPair
from film_recovery.training.evaluate import error_map
from film_recovery.training.graph import RecoveryGraph

SHARES = (0.5, 0.75, 1.0)  # with less, what is lost of a good correction outweighs what is saved of a bad one
UNJUDGED = 0.25  # where no pair is held out: nothing tells whether a correction helps other frames
_PLACES = 4  # a side, of each held-out picture, whose errors are compared
_NEIGHBOURS = 4.0  # places that show the same things, and count as one
_MOST_LOST = 0.1  # dB of the held-out figure, at most


def share_to_hand_out(graph_with: Callable[[float], RecoveryGraph], pairs: Sequence[PreparedPair]) -> float:
    """The smallest of :data:`SHARES` that does as well on the held-out ``pairs`` as can be told, and no worse than the start;
    :data:`UNJUDGED` without any.

    ``graph_with`` makes the recovery with a share of its correction, 0..1; with 0 it is the start.
    """
    if not pairs:
        return UNJUDGED
    errors = {share: _errors(graph_with(share), pairs) for share in (0.0, *SHARES)}
    figures = {share: float(-10.0 * places.mean(dim=1).log10().mean()) for share, places in errors.items()}
    best = max(SHARES, key=lambda share: figures[share])
    least = max(figures[best] - _MOST_LOST, min(figures[0.0], figures[best]))
    usual = errors[best].mean(dim=1, keepdim=True)  # pairs count alike, as in the figure
    for share in SHARES:
        apart = ((errors[share] - errors[best]) / usual).flatten()
        doubt = float(apart.std()) / math.sqrt(max(len(apart) / _NEIGHBOURS, 1.0))
        if float(apart.mean()) <= doubt and figures[share] >= least:
            return share
    return best


@torch.no_grad()
def _errors(graph: RecoveryGraph, pairs: Sequence[PreparedPair]) -> torch.Tensor:
    """Mean square error of every place of every pair, (pairs, places), coded RGB squared."""
    found = [functional.adaptive_avg_pool2d(error_map(graph, pair).square().sum(dim=1), _PLACES).flatten() for pair in pairs]
    return torch.stack(found).double().cpu().clamp_min(1e-12)
