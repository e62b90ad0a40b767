"""What the network is asked for: the learned channels right at the pixel and in their structure. Always in float32."""

from __future__ import annotations

import torch
from torch.nn import functional

from film_recovery.contract.errors import DivergedError

# Averages over 4 and 16 pixels: the reference's grain and what alignment leaves average out, a wrong colour does not.
_POOLS = (4, 16)


def recovery_loss(task: str, predicted: torch.Tensor, target: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
    """Mean absolute error at the pixel plus, as structure, of local means and (spatial) of differences between neighbours.

    ``predicted`` and ``target`` are (B, O, H, W), coded; ``gain`` (1, O, 1, 1) is the size of a usual change, so that the
    learned channels count alike. Returns a scalar without unit.
    """
    error = (predicted.float() - target.float()) / gain
    loss = error.abs().mean()
    for pool in _POOLS:
        loss = loss + functional.avg_pool2d(error, pool).abs().mean()
    if task == "spatial":
        loss = loss + (error[:, :, 1:] - error[:, :, :-1]).abs().mean() * 0.5
        loss = loss + (error[:, :, :, 1:] - error[:, :, :, :-1]).abs().mean() * 0.5
    return loss


def check_finite(loss: torch.Tensor, step: int, frames: list[int]) -> float:
    """The loss as a number. Raises :class:`DivergedError` naming the frames of the step when it is not finite."""
    value = float(loss.detach())
    if value != value or value in (float("inf"), float("-inf")):
        raise DivergedError(
            f"The loss is not finite at step {step} (frames {sorted(set(frames))}); check these frames for extreme values, "
            "or train again with a lower learning rate or precision fp32."
        )
    return value
