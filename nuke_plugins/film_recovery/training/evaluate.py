"""Held-out figures: the whole picture, the averaged weights, the coded domain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch.nn import functional

from film_recovery.training.data import PreparedPair
from film_recovery.training.graph import RecoveryGraph
from film_recovery.training.network import MULTIPLE
from film_recovery.training.softness import soften


@torch.no_grad()
def recover_learned(graph: RecoveryGraph, pair: PreparedPair) -> torch.Tensor:
    """The learned channels of a whole prepared pair, (1, O, H, W), coded."""
    height, width = pair.area
    padded = functional.pad(pair.features[None], (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="replicate")
    return graph.correct(padded)[:, :, :height, :width]


@torch.no_grad()
def held_out_figure(graph: RecoveryGraph, pairs: Sequence[PreparedPair], start_only: bool = False) -> float:
    """Mean PSNR in dB of the recovered coded RGB to the target, peak 1; of the start alone if asked.

    The kept component is the same on both sides, so only the learned channels' error counts, carried to RGB by the matrix.
    Where the targets' colour is softer than the source's, what is recovered is blurred as much first: being sharper than the
    reference is no error. Nor is the mean error of a frame: elements flicker, which one frame does not tell, so that a model
    whose colour is off in just the way that a held-out frame happens to be would seem the better one. Targets that somebody
    made (as-is) do not flicker. Pixels count as far as they are to be believed.
    """
    errors = [float(error_map(graph, pair, start_only).double().square().mean()) for pair in pairs]
    return sum(-10.0 * math.log10(max(error, 1e-12)) for error in errors) / len(errors)


@torch.no_grad()
def error_map(graph: RecoveryGraph, pair: PreparedPair, start_only: bool = False) -> torch.Tensor:
    """The error that :func:`held_out_figure` counts, (1, 3, H, W), coded RGB; each pixel's times the root of its trust, whose
    mean is 1."""
    learned = pair.features[None, 3:] if start_only else recover_learned(graph, pair)
    softness = float(graph.start.softness)
    error = functional.conv2d(soften(learned, softness) - pair.target[None], graph.to_rgb[:, graph.learned])
    weight = pair.trust / pair.trust.mean().clamp_min(1e-6)
    if graph.task != "as-is":
        error = error - (error * weight).mean(dim=(2, 3), keepdim=True)
    return error * weight.sqrt()


@torch.no_grad()
def level_spread(graph: RecoveryGraph, pairs: Sequence[PreparedPair], start_only: bool = False) -> float:
    """How much the levels of recovered frames spread against their targets: the standard deviation over the pairs of the mean
    error of each, coded, over all learned channels; 0 of fewer than two pairs."""
    if len(pairs) < 2:
        return 0.0
    levels = []
    for pair in pairs:
        learned = pair.features[None, 3:] if start_only else recover_learned(graph, pair)
        weight = pair.trust / pair.trust.mean().clamp_min(1e-6)
        levels.append(((learned - pair.target[None]) * weight).double().mean(dim=(2, 3))[0])
    return float(torch.stack(levels).std(dim=0, correction=0).square().sum().sqrt())


def middle(pair: PreparedPair, side: int = 256) -> PreparedPair:
    """The middle of a pair, at most ``side`` pixels each way: enough to tell a frame's level."""
    height, width = pair.area
    top, left = max(height - side, 0) // 2, max(width - side, 0) // 2
    features, target, trust = (
        part[:, top : top + side, left : left + side] for part in (pair.features, pair.target, pair.trust)
    )
    return replace(pair, features=features, target=target, trust=trust)
