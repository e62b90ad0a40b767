"""A recovery of colour stays near its table where nothing was learned: the filter within the grain, the network in reach."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data
import torch
from skimage.filters import gaussian

from film_recovery.images.colour import rgb_to_ycbcr
from film_recovery.training.data import PreparedPair
from film_recovery.training.evaluate import held_out_figure
from film_recovery.training.graph import RecoveryGraph
from film_recovery.training.initial import with_share
from film_recovery.training.start import fit_start

_GRAIN = 0.01


def _pictures() -> tuple[np.ndarray, np.ndarray]:
    """A coded picture with grain in each channel, and the same without it."""
    clean = skimage.data.astronaut()[64:320, 96:352].astype(np.float32) / 255.0
    noise = np.random.default_rng(3).standard_normal(clean.shape).astype(np.float32) * _GRAIN
    return clean + noise, clean


@pytest.mark.parametrize(("blur", "deviations", "left"), [(0.0, 4.0, 0.8), (1.2, 1.5, 0.95)])
def test_the_filter_takes_out_grain_and_changes_no_pixel_by_much_more(blur: float, deviations: float, left: float) -> None:
    """By targets that are as soft as this, in pixels; what is recovered shall be sharp, with so much of the error left."""
    coded, clean = _pictures()
    start = fit_start("chroma", [coded], [gaussian(clean, blur, channel_axis=2).astype(np.float32)], "709", 0)
    assert (float(start.softness) > 0.0) == (blur > 0.0)
    planes = torch.from_numpy(coded).permute(2, 0, 1)[None]
    ycc = torch.from_numpy(rgb_to_ycbcr(coded, "709")).permute(2, 0, 1)[None].float()
    looked_up, done = start.looked_up(planes, ycc)[:, 1:], start(planes, ycc)
    wanted = torch.from_numpy(rgb_to_ycbcr(clean, "709")).permute(2, 0, 1)[None, 1:].float()[:, -2:]
    assert (done - wanted).square().mean() < left * (looked_up - wanted).square().mean()
    # The deviation of Cb and Cr of independent grain in three channels, by the rows of the matrix, and a tenth more.
    rows = rgb_to_ycbcr(np.eye(3, dtype=np.float32)[None], "709")[0, :, 1:]
    largest = 1.1 * deviations * _GRAIN * float(np.sqrt(np.square(rows).sum(axis=0)).max())
    assert 0.55 * largest <= float((done - looked_up).abs().max()) <= largest


def test_an_edge_of_colour_survives_a_target_that_is_softer_than_the_measure_says() -> None:
    """The filter is fitted to a blurred target; what it would smear of the edge is larger than grain."""
    coded = np.full((128, 128, 3), 0.3, np.float32)
    coded[:, 64:] = (0.7, 0.3, 0.2)
    coded += np.random.default_rng(5).standard_normal(coded.shape).astype(np.float32) * 0.003
    target = torch.nn.functional.avg_pool2d(torch.from_numpy(coded).permute(2, 0, 1)[None], 7, 1, 3, count_include_pad=False)
    start = fit_start("chroma", [coded], [target[0].permute(1, 2, 0).numpy()], "709", 0, tolerant=False)
    planes = torch.from_numpy(coded).permute(2, 0, 1)[None]
    ycc = torch.from_numpy(rgb_to_ycbcr(coded, "709")).permute(2, 0, 1)[None].float()
    change = start(planes, ycc) - start.looked_up(planes, ycc)[:, 1:]
    assert float(change.abs().max()) < 0.01


def test_a_network_that_says_anything_stays_within_reach() -> None:
    torch.manual_seed(0)
    graph = RecoveryGraph("chroma", size="small", encoding="display", matrix="709", balance=None).eval()
    for parameter in graph.network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    graph.standardise([0.4, 0, 0, 0, 0], [0.2, 0.1, 0.1, 0.1, 0.1], [0.004, 0.006])
    features = torch.rand(1, 5, 64, 64) * 3.0
    with torch.no_grad():
        change = (graph.correct(features) - features[:, 3:]).abs().amax(dim=(0, 2, 3))
    assert graph.reach is not None
    assert torch.all(change <= torch.tensor([0.004, 0.006]) * graph.reach * 1.0001)
    assert torch.all(change > torch.tensor([0.004, 0.006]) * graph.reach * 0.9)  # it did say something


def test_without_a_correction_the_start_alone_is_handed_out() -> None:
    torch.manual_seed(1)
    graph = RecoveryGraph("chroma", size="small", encoding="display", matrix="709", balance=None).eval()
    for parameter in graph.network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    rgb = torch.rand(1, 3, 48, 80)
    with torch.no_grad():
        assert not torch.equal(graph(rgb), rgb)
        graph.network.load_state_dict(with_share(graph.network.state_dict(), 0.0))
        assert torch.allclose(graph(rgb), rgb, atol=1e-6)  # a fresh start changes nothing


def test_the_held_out_figure_is_blind_to_flicker_and_sees_a_wrong_colour() -> None:
    graph = RecoveryGraph("chroma", size="small", encoding="display", matrix="709", balance=None).eval()
    coded, _ = _pictures()
    features = torch.from_numpy(rgb_to_ycbcr(coded, "709")).permute(2, 0, 1).float()
    features = torch.cat([features, features[1:]])
    trust, target = torch.ones(1, *features.shape[1:]), features[3:] + torch.randn(2, *features.shape[1:]) * 0.005
    shifted, half = target.clone() + torch.tensor([0.02, -0.01])[:, None, None], target.clone()
    half[:, :128] += 0.02
    same, off, wrong = (
        held_out_figure(graph, [PreparedPair(1, features, goal, trust)], True) for goal in (target, shifted, half)
    )
    assert abs(same - off) < 1e-3
    assert wrong < same - 3.0


def test_the_held_out_figure_of_as_is_sees_a_wrong_level() -> None:
    graph = RecoveryGraph("as-is", size="small", encoding="display", matrix="709", balance=None).eval()
    ycc = torch.rand(3, 48, 80)
    target, trust = ycc + torch.randn(3, 48, 80) * 0.005, torch.ones(1, 48, 80)
    same, off = (
        held_out_figure(graph, [PreparedPair(1, torch.cat([ycc, ycc]), goal, trust)], True) for goal in (target, target + 0.1)
    )
    assert off < same - 10.0
