"""What the network is asked for: the learned channels right at the pixel and in their structure. Always in float32."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from film_recovery.contract.errors import DivergedError
from film_recovery.training.softness import soften
from film_recovery.training.spatial_losses import spatial_loss

# Averages over 4 and 16 pixels: the reference's grain and what alignment leaves average out, a wrong colour does not.
_POOLS = (4, 16)
_LEAST_TRUST = 0.05  # crops of which less is believed do not count as much as others

_QUIET = 1.0  # how much a correction costs that is finer than the targets can judge


def recovery_loss(
    task: str,
    predicted: torch.Tensor,
    start: torch.Tensor,
    target: torch.Tensor,
    gain: torch.Tensor,
    softness: float,
    trust: torch.Tensor,
) -> torch.Tensor:
    """Mean absolute error at the pixel plus, as structure, of local means; for spatial recovery see :mod:`spatial_losses`.

    ``predicted``, the closed-form ``start`` and ``target`` are (B, O, H, W), coded; ``gain`` (1, O, 1, 1) is the size of a
    usual change, so that the learned channels count alike. With targets that are softer by ``softness`` pixels the prediction
    is blurred as much before it is compared, and what the network changes more finely than that has to pay, since no target
    speaks for it. ``trust`` (B, 1, H, W) weighs the pixels against each other. Returns a scalar without unit.
    """
    if task == "spatial":
        return spatial_loss(predicted, target, gain, trust)
    weight = trust / trust.mean().clamp_min(_LEAST_TRUST)
    difference = (soften(predicted.float(), softness) - target.float()) / gain
    error = difference * weight
    loss = error.abs().mean()
    if softness:
        change = (predicted.float() - start.float()) / gain
        loss = loss + _QUIET * (change - soften(change, softness)).abs().mean()
    for pool in _POOLS:
        loss = loss + functional.avg_pool2d(error, pool).abs().mean()
    return loss


def check_finite(value: torch.Tensor, step: int, frames: list[int]) -> float:
    """A loss, or the sum of all weights, as a number; waits for the device. Raises :class:`DivergedError`, which names the
    frames of the step, when it is not finite."""
    number = float(value)
    if not math.isfinite(number):
        raise DivergedError(
            f"The training diverged at step {step} (frames {sorted(set(frames))}): its loss or weights are not finite. Check "
            "these frames for extreme values, or train again with precision fp32 or another seed."
        )
    return number
