"""What surroundings say: what no table of colours can know is learned from them, within bounds, and of any picture."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from film_recovery.contract.job import TrainingJob
from film_recovery.images.colour import rgb_to_ycbcr, ycbcr_to_rgb
from film_recovery.images.encodings import decode, encode
from film_recovery.pairs.dataset import Dataset, Pair
from film_recovery.pairs.manifest import Manifest
from film_recovery.pairs.targets import make_target
from film_recovery.training.build import build_graph
from film_recovery.training.context import CELL, Context
from film_recovery.training.context_fit import fit_context
from film_recovery.training.data import prepare
from film_recovery.training.evaluate import held_out_figure
from film_recovery.training.graph import RecoveryGraph

FloatArray = npt.NDArray[np.float32]


def hanging_on_surroundings(picture: FloatArray, by: float = 0.2) -> FloatArray:
    """A coded picture whose Cb and Cr are changed by so much of the luma around: Gaussian, 20 pixels."""
    ycc = rgb_to_ycbcr(picture, "709")
    around = cv2.GaussianBlur(ycc[..., 0], (0, 0), 20.0)
    ycc[..., 1:] += by * np.stack([around, -around], axis=-1)
    return ycbcr_to_rgb(ycc, "709")


def change_of(graph: RecoveryGraph, picture: FloatArray) -> FloatArray:
    """What the start makes of Cb and Cr, less what they were, (2, H, W)."""
    with torch.no_grad():
        features = graph.features(graph.coded_source(torch.from_numpy(picture).permute(2, 0, 1)[None]))
        return (features[0, 3:] - features[0, 1:3]).numpy()


def fitted(
    pictures: list[FloatArray], targets: list[FloatArray], trust: list[FloatArray | None] | None = None, softness: float = 0.0
) -> RecoveryGraph:
    """A recovery of coded pictures whose start has nothing but context."""
    graph = RecoveryGraph("chroma", size="small", encoding="none", matrix="709", balance=None)
    graph.start.softness.fill_(softness)
    features = np.concatenate([rgb_to_ycbcr(one, "709").reshape(-1, 3) for one in pictures])
    changes = [target - picture for picture, target in zip(pictures, targets, strict=True)]
    wanted = np.concatenate([rgb_to_ycbcr(change, "709")[..., 1:].reshape(-1, 2) for change in changes])
    mean, deviation = ([*of(axis=0), *of(axis=0)[1:]] for of in (features.mean, features.std))
    graph.standardise(mean, deviation, np.maximum(np.abs(wanted).mean(axis=0), 1e-3))
    fit_context(graph, pictures, targets, trust or [None] * len(pictures), 0)
    return graph


def left_over(graph: RecoveryGraph, picture: FloatArray, target: FloatArray) -> float:
    """Root mean square of what is still wanted of Cb and Cr, over that of what was."""
    wanted = rgb_to_ycbcr(target - picture, "709")[..., 1:].transpose(2, 0, 1)
    return float(np.sqrt(np.square(change_of(graph, picture) - wanted).mean() / np.square(wanted).mean()))


@pytest.fixture(scope="module")
def coded(photograph: FloatArray, portrait: FloatArray) -> list[FloatArray]:
    return [np.asarray(encode(picture, "display"), np.float32) for picture in (photograph, portrait)]


def test_what_hangs_on_the_surroundings_is_learned_for_other_pictures(coded: list[FloatArray]) -> None:
    learned, other = ((picture, hanging_on_surroundings(picture)) for picture in coded)
    graph = fitted(*([part] for part in learned))
    assert left_over(graph, *learned) < 0.1
    assert left_over(graph, *other) < 0.3


def test_frames_that_flicker_teach_no_flicker(coded: list[FloatArray]) -> None:
    """Each target is off as a whole by its own amount: the mean is learned, and not which frame is which."""
    picture, target = coded[0], hanging_on_surroundings(coded[0])
    flicker = [ycbcr_to_rgb(np.float32([0.0, by, -by]), "709") for by in (0.05, -0.02, -0.03)]
    noisy = [picture + np.random.default_rng(seed).normal(0.0, 0.02, picture.shape).astype(np.float32) for seed in range(3)]
    graph = fitted(noisy, [target + off for off in flicker])
    levels = [change_of(graph, one).mean(axis=(1, 2)) for one in noisy]
    assert np.ptp(levels, axis=0).max() < 1e-3
    assert left_over(graph, picture, target) < 0.15


def test_what_is_not_believed_is_not_learned(coded: list[FloatArray]) -> None:
    picture, target = coded[0], hanging_on_surroundings(coded[0])
    spoilt, trust = target.copy(), np.ones(target.shape[:2], np.float32)
    spoilt[240:320] += ycbcr_to_rgb(np.float32([0.0, 0.5, 0.5]), "709")
    careless = fitted([picture], [spoilt])
    trust[240:320] = 0.0
    assert left_over(fitted([picture], [spoilt], [trust]), picture, target) < 0.15 < left_over(careless, picture, target)
    assert not change_of(fitted([picture], [spoilt], [np.zeros_like(trust)]), picture).any()


def test_soft_targets_do_not_blur_what_is_found(coded: list[FloatArray]) -> None:
    """The truth changes with the luma of each cell; the targets' colour is blurred by as much as a cell."""
    ycc = rgb_to_ycbcr(coded[0], "709")
    cells = cv2.resize(ycc[..., 0], (600 // CELL, 400 // CELL), interpolation=cv2.INTER_AREA)
    change = cv2.resize(cells, (600, 400), interpolation=cv2.INTER_NEAREST)
    ycc[..., 1:] += 0.2 * np.stack([change, -change], axis=-1)
    truth = ycbcr_to_rgb(ycc, "709")
    ycc[..., 1:] = cv2.GaussianBlur(ycc[..., 1:], (0, 0), 8.0)
    soft = ycbcr_to_rgb(ycc, "709")
    aware, copying = (left_over(fitted([coded[0]], [soft], softness=by), coded[0], truth) for by in (8.0, 0.0))
    assert aware < 0.8 * copying


def test_the_stranger_the_surroundings_the_less_of_what_they_say_is_done(coded: list[FloatArray]) -> None:
    """More is never turned into less, and however strange they are nothing is changed by more than 16 usual changes."""
    graph = fitted([coded[0]], [hanging_on_surroundings(coded[0])])
    context, usual = graph.start.context, graph.gain[0, :, 0, 0]
    assert context is not None
    even = [torch.full((1, 5, 64, 64), level) for level in (1.0, 2.0, 4.0, 400.0)]
    changes = torch.stack([context(features)[0, :, 0, 0].abs() / usual for features in even])
    assert bool((changes[1:] > changes[:-1]).all())
    assert float(changes.max()) < 16.0
    assert bool((changes[1] < 2.0 * changes[0]).all())


def test_small_pictures_are_left_out(coded: list[FloatArray]) -> None:
    tiny = coded[0][:15, :40]
    assert not change_of(fitted([tiny], [hanging_on_surroundings(tiny)]), tiny).any()


@settings(max_examples=25)
@given(st.integers(1, 70), st.integers(1, 70))
def test_any_size_goes_through_and_even_pictures_are_changed_evenly(height: int, width: int) -> None:
    torch.manual_seed(height)
    context = Context(5, 2)
    for buffer in (context.mixing, context.shift, context.weight, context.bias):
        buffer.normal_()
    context.limit.fill_(1.0)
    change = context(torch.rand(1, 5, 1, 1).expand(1, 5, height, width))
    assert change.shape == (1, 2, height, width)
    assert float((change - change[:, :, :1, :1]).abs().max()) < 1e-4


def test_nothing_farther_than_its_receptive_field_counts() -> None:
    torch.manual_seed(1)
    context = Context(5, 2)
    for buffer in (context.mixing, context.shift, context.weight):
        buffer.normal_(std=0.3)
    context.limit.fill_(1.0)
    reaches = []
    for place in range(120, 136):
        picture = torch.rand(1, 5, 256, 256, requires_grad=True)
        context(picture)[0, 0, place, place].backward()
        assert picture.grad is not None
        rows = picture.grad.abs().sum(dim=(0, 1, 3)).nonzero().ravel()
        reaches.append(max(place - int(rows.min()), int(rows.max()) - place))
    assert context.receptive_field - 16 <= max(reaches) <= context.receptive_field


def test_some_pixels_of_large_pictures_teach_what_all_of_them_do(
    coded: list[FloatArray], monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(4)
    large = [cv2.resize(picture, (1500, 1100), interpolation=cv2.INTER_LINEAR) for picture in coded]
    targets = [hanging_on_surroundings(picture) for picture in large]
    noisy = [picture + random.normal(0.0, 0.03, picture.shape).astype(np.float32) for picture in large]
    found = []
    for area, cells in ((200_000, 10_000), (100_000_000, 100_000_000)):
        monkeypatch.setattr("film_recovery.training.context_fit._AREA", area)
        monkeypatch.setattr("film_recovery.training.context_fit._CELLS", cells)
        graph = fitted([noisy[0]], [targets[0]])
        assert left_over(graph, large[0], targets[0]) < 0.1
        assert left_over(graph, large[1], targets[1]) < 0.2
        found.append(change_of(graph, large[0]))
    wanted = rgb_to_ycbcr(targets[0] - large[0], "709")[..., 1:]
    assert np.abs(found[0] - found[1]).mean() < 0.03 * np.abs(wanted).mean()


def test_a_fresh_start_of_a_shot_has_its_context(coded: list[FloatArray]) -> None:
    """End to end: what table and filter leave over, less is left of it, on a part of the picture that was not learned from."""
    ycc = rgb_to_ycbcr(coded[1], "709")
    ycc[..., 1:] *= 0.3 + 0.9 * cv2.GaussianBlur(ycc[..., :1], (0, 0), 16.0)[..., None]
    faded = ycbcr_to_rgb(ycc, "709")
    faded += np.random.default_rng(2).normal(0.0, 0.01, faded.shape).astype(np.float32)
    pair = Pair(0, False, *(np.ascontiguousarray(part[:, :320]) for part in (faded, coded[1], coded[1])))
    dataset = Dataset(Manifest("chroma", "none", "709", "luma", None, [0, 0, 320, 512], "", "", 0, {}, [], []), [pair])
    graph = build_graph(TrainingJob("chroma", "", "", steps=1, device="cpu", initial_weights="none"), dataset)
    rest = np.ascontiguousarray(faded[:, 320:])
    whole = left_over(graph, rest, coded[1][:, 320:])
    assert graph.start.context is not None
    graph.start.context.limit.zero_()
    assert whole < 0.9 * left_over(graph, rest, coded[1][:, 320:])


def test_the_context_corrects_the_start_as_it_is_and_not_as_it_were_without_bounds(photograph: FloatArray) -> None:
    """References of soft colour let the filter change little, and it would change even colours by more."""
    random, pairs = np.random.default_rng(1), []
    for number, (x, y) in enumerate(((0, 0), (140, 60), (60, 120), (280, 0), (200, 200), (20, 208))):
        truth = photograph[y : y + 192, x : x + 320]
        faded = np.asarray(truth ** np.float32([0.5, 0.9, 0.8]) * 0.8 * random.normal(1.0, 0.02, truth.shape), np.float32)
        coded = rgb_to_ycbcr(np.asarray(encode(truth, "display"), np.float32), "709")
        coded[..., 1:] = cv2.GaussianBlur(coded[..., 1:], (0, 0), 4.0)
        soft = np.asarray(decode(ycbcr_to_rgb(coded, "709"), "display"), np.float32)
        pairs.append(Pair(101 + number, number == 2, faded, soft, make_target("chroma", faded, soft, "display", "709")))
    manifest = Manifest("chroma", "display", "709", "luma", None, [0, 0, 320, 192], "", "", 0, {}, [], [], [])
    torch.manual_seed(0)
    graph = build_graph(TrainingJob("chroma", "", "", steps=1, device="cpu"), Dataset(manifest, pairs))
    assert float(graph.start.softness) > 3.0
    assert held_out_figure(graph, [prepare(graph, pairs[2], torch.device("cpu"))], start_only=True) > 48.0
