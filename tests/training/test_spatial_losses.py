"""What the spatial loss asks for: the clean picture, though every target has grain of its own."""

from __future__ import annotations

import pytest
import torch

from film_recovery.training.losses import recovery_loss
from film_recovery.training.spatial_losses import spatial_loss

GAIN = torch.full((1, 1, 1, 1), 0.02)


def test_the_best_answer_to_grainy_targets_is_the_picture_without_grain_however_skewed_the_grain() -> None:
    torch.manual_seed(0)
    picture = torch.rand(1, 1, 16, 16)
    grain = torch.distributions.Exponential(1.0).sample((400, 1, 16, 16)) - 1.0  # as in deep shadows: few bright, many dark
    answer = torch.zeros(1, 1, 16, 16, requires_grad=True)
    optimiser = torch.optim.SGD([answer], lr=5e-2)
    for _ in range(300):
        optimiser.zero_grad()
        spatial_loss(answer.expand(400, -1, -1, -1), picture + 0.05 * grain, GAIN, torch.ones(400, 1, 16, 16)).backward()
        optimiser.step()
    away = answer.detach() - picture
    assert abs(float(away.mean())) < 0.001  # the median of such grain lies at -0.3 of its deviation, 0.015 too dark
    assert float(away.std()) < 0.05 / 400**0.5 * 1.5


def test_pixels_that_are_not_believed_do_not_count_and_spatial_recovery_is_trained_with_it() -> None:
    target, predicted = torch.zeros(2, 1, 8, 8), torch.full((2, 1, 8, 8), 0.02)
    trust = torch.ones(2, 1, 8, 8)
    trust[:, :, :4] = 0.0
    other = target.clone()
    other[:, :, :4] = 9.0
    assert float(spatial_loss(predicted, target, GAIN, trust)) == pytest.approx(1.0)
    assert float(spatial_loss(predicted, other, GAIN, trust)) == pytest.approx(1.0)
    asked = recovery_loss("spatial", predicted, predicted, target, GAIN, 0.0, trust)
    assert float(asked) == pytest.approx(1.0)
