"""What a spatial recovery is asked for: the mean of all sharp pictures that fit what the source shows.

The reference has grain of its own, which nothing in the source foretells. The mean square error is smallest for the mean of the
targets, in which grain that is independent of the source cancels (Lehtinen et al., *Noise2Noise*, ICML 2018); the mean absolute
error asks for their median, which lies lower where grain is skewed and gives away detail, and errors of gradients or of a
Laplacian pyramid weigh grain more than picture, since that is where grain has most of its power.
``bench/spatial.py --losses`` compares them.
"""

from __future__ import annotations

import torch

_LEAST_TRUST = 0.05  # crops of which less is believed do not count as much as others


def spatial_loss(predicted: torch.Tensor, target: torch.Tensor, gain: torch.Tensor, trust: torch.Tensor) -> torch.Tensor:
    """Mean square error in usual changes: a scalar without unit, float32.

    ``predicted`` and ``target`` are coded luma (B, 1, H, W), ``gain`` (1, 1, 1, 1) the size of a usual change, ``trust``
    (B, 1, H, W), 0..1, weighs the pixels against each other.
    """
    weight = trust / trust.mean().clamp_min(_LEAST_TRUST)
    return (((predicted.float() - target.float()) / gain).square() * weight).mean()
