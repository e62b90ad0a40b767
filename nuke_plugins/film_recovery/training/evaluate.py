"""Held-out figures: the whole picture, the averaged weights, the coded domain."""

from __future__ import annotations

import math
from collections.abc import Sequence

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
    whose colour is off in just the way that a held-out frame happens to be would seem the better one. Pixels count as far as
    they are to be believed.
    """
    figures, softness = [], float(graph.start.softness)
    for pair in pairs:
        learned = pair.features[None, 3:] if start_only else recover_learned(graph, pair)
        error = functional.conv2d(soften(learned, softness) - pair.target[None], graph.to_rgb[:, graph.learned])
        weight = pair.trust / pair.trust.mean().clamp_min(1e-6)
        error = error - (error * weight).mean(dim=(2, 3), keepdim=True)
        figures.append(-10.0 * math.log10(max(float((error.double().square() * weight).mean()), 1e-12)))
    return sum(figures) / len(figures)
