"""Softness of the targets' colour: measured where it is known, blind to noise, and what the start makes of it."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import scipy.ndimage
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from film_recovery.contract.job import TrainingJob
from film_recovery.images.colour import rgb_to_ycbcr, ycbcr_to_rgb
from film_recovery.pairs.dataset import Dataset, Pair
from film_recovery.pairs.manifest import Manifest
from film_recovery.training.build import build_graph
from film_recovery.training.softness import measure_softness, soften, softest
from film_recovery.training.start import fit_start

FloatArray = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def components(photograph: FloatArray) -> FloatArray:
    """YCbCr of a display-coded photograph, (3, H, W)."""
    return np.ascontiguousarray(rgb_to_ycbcr(photograph ** (1 / 2.2), "709").transpose(2, 0, 1), np.float32)


def grain(shape: tuple[int, ...], sigma: float, seed: int) -> FloatArray:
    return np.asarray(np.random.default_rng(seed).normal(0.0, sigma, shape), np.float32)


def blurred(channels: FloatArray, sigma: float) -> FloatArray:
    return np.stack([cv2.GaussianBlur(part, (0, 0), sigma) if sigma else part for part in channels])


@pytest.mark.parametrize("sigma", [0.0, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_a_known_blur_is_measured_through_noise(components: FloatArray, sigma: float, noise: float) -> None:
    colour = components[1:] + grain(components[1:].shape, noise, 1)
    target = 1.6 * blurred(components[1:], sigma) + grain(components[1:].shape, noise, 2)
    assert measure_softness([components[0]], [colour], [target]) == pytest.approx(sigma, abs=0.15 * sigma + 0.15)


def test_lying_off_is_like_softness(components: FloatArray) -> None:
    shifts = [(2, 0), (-1, 2), (0, -2), (-2, 1)]
    targets = [np.roll(components[1:], shift, axis=(1, 2)) for shift in shifts]
    found = measure_softness([components[0]] * 4, [components[1:]] * 4, targets)
    assert 1.0 < found < 2.6


def test_too_little_to_tell_is_none() -> None:
    flat = np.full((128, 128), 0.4, np.float32)
    assert measure_softness([flat], [np.stack([flat, flat])], [np.stack([flat, flat])]) == 0.0


def film(coded: FloatArray, seed: int) -> FloatArray:
    """A scan of coded RGB (H, W, 3) as YCbCr (3, H, W): every layer has a grain of its own."""
    layers = cv2.GaussianBlur(grain(coded.shape, 0.03, seed), (0, 0), 0.7)
    return np.ascontiguousarray(rgb_to_ycbcr(coded + layers, "709").transpose(2, 0, 1))


@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("kind", ["print", "video"])
def test_a_reference_says_itself_how_soft_its_colour_is(components: FloatArray, kind: str, sigma: float) -> None:
    picture = ycbcr_to_rgb(components.transpose(1, 2, 0), "709")
    reference = film(cv2.GaussianBlur(picture, (0, 0), sigma) if kind == "print" else picture, 2)
    if kind == "video":
        reference[1:] = blurred(reference[1:], sigma)
    assert softest([film(picture, 1)[0]], [reference]) == pytest.approx(sigma, abs=0.3 * sigma)


def test_references_that_lie_off_are_as_soft_as_that_makes_them(components: FloatArray) -> None:
    picture = ycbcr_to_rgb(components.transpose(1, 2, 0), "709")
    shifts = [(2, 0), (-1, 2), (0, -2), (-2, 1)]
    references = [np.roll(film(picture, 10 + seed), shift, axis=(1, 2)) for seed, shift in enumerate(shifts)]
    assert 1.0 < softest([film(picture, seed)[0] for seed in range(4)], references) < 2.6


def test_colour_of_a_source_that_is_fine_and_wrong_does_not_make_a_sharp_reference_soft(components: FloatArray) -> None:
    """Colour that is smooth in truth has taken on some of the source's luma, as a table of colours does to it."""
    truth = np.stack([components[0], *blurred(components[1:], 3.0)])
    source, reference = (film(ycbcr_to_rgb(truth.transpose(1, 2, 0), "709"), seed) for seed in (1, 2))
    detail = truth[0] - cv2.GaussianBlur(truth[0], (0, 0), 6.0)
    source[1:] += 0.15 * detail * np.sign(truth[1:])
    assert measure_softness([source[0]], [source[1:]], [reference[1:]]) > 1.0
    most = softest([source[0]], [reference])
    assert most < 0.6
    pictures = [ycbcr_to_rgb(part.transpose(1, 2, 0), "709") for part in (source, reference)]
    start = fit_start("chroma", pictures[:1], pictures[1:], "709", 0, softest=most)
    assert float(start.softness) == 0.0


@pytest.mark.parametrize("kind", ["sharp", "video"])
def test_a_training_compares_as_softly_as_its_references_are(components: FloatArray, kind: str) -> None:
    """The source's colour has fine errors, by which any reference would pass for soft."""
    truth = np.stack([components[0], *blurred(components[1:], 3.0 if kind == "sharp" else 0.0)])
    detail = truth[0] - cv2.GaussianBlur(truth[0], (0, 0), 6.0)
    pairs = []
    for number in range(2):
        source, reference = (film(ycbcr_to_rgb(truth.transpose(1, 2, 0), "709"), 2 * number + side) for side in (1, 2))
        if kind == "sharp":
            source[1:] += 0.15 * detail * np.sign(truth[1:])
        else:
            reference[1:] = blurred(reference[1:], 2.0)
        sides = (source, reference, np.stack([source[0], *reference[1:]]))
        pairs.append(Pair(number, False, *(ycbcr_to_rgb(part.transpose(1, 2, 0), "709") for part in sides)))
    height, width = truth.shape[1:]
    manifest = Manifest("chroma", "none", "709", "luma", None, [0, 0, width, height], "", "", 0, {}, [], [])
    graph = build_graph(TrainingJob("chroma", "", "", steps=1, device="cpu", size="small"), Dataset(manifest, pairs))
    assert float(graph.start.softness) == pytest.approx(2.0 if kind == "video" else 0.0, abs=0.6 if kind == "video" else 0.0)


def test_softening_is_a_gaussian(components: FloatArray) -> None:
    ours = soften(torch.from_numpy(components)[None], 1.7)[0].numpy()
    theirs = np.stack([scipy.ndimage.gaussian_filter(part, 1.7, mode="nearest", truncate=3.0) for part in components])
    np.testing.assert_allclose(ours, theirs, atol=2e-4)
    as_it_is = torch.from_numpy(components)[None]
    assert soften(as_it_is, 0.0) is as_it_is


@settings(max_examples=30)
@given(st.integers(1, 700), st.integers(1, 700), st.sampled_from([0.6, 2.3, 8.0]))
def test_softening_is_a_gaussian_whatever_the_size(height: int, width: int, sigma: float) -> None:
    picture = np.random.default_rng(height).normal(size=(1, 2, height, width)).astype(np.float32)
    ours = soften(torch.from_numpy(picture), sigma).numpy()
    theirs = scipy.ndimage.gaussian_filter(picture.astype(np.float64), (0, 0, sigma, sigma), mode="nearest", truncate=3.0)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("kind", ["video colour", "lies off"])
def test_the_start_stays_sharp_when_the_targets_are_not(components: FloatArray, kind: str) -> None:
    """Colour lost its strength and has grain; the targets are soft or lie 2 px off. The truth is what is asked."""
    truth = components.transpose(1, 2, 0)
    faded = truth * np.float32([1.0, 0.5, 0.5])
    sources, targets, plain = [], [], []
    for seed, shift in enumerate([(2, 0), (-1, 2), (0, -2), (-2, 1)]):
        noisy = faded.copy()
        noisy[..., 1:] += grain(noisy[..., 1:].shape, 0.004, seed)
        wanted = truth.copy()
        if kind == "lies off":
            wanted[..., 1:] = np.roll(truth[..., 1:], shift, axis=(0, 1))
        else:
            wanted[..., 1:] = cv2.GaussianBlur(truth[..., 1:], (0, 0), 2.5)
        sources.append(ycbcr_to_rgb(noisy, "709"))
        targets.append(ycbcr_to_rgb(wanted, "709"))
        plain.append(noisy)
    start = fit_start("chroma", sources, targets, "709", 0)
    assert 1.0 < float(start.softness) < 3.5
    given = [torch.from_numpy(np.ascontiguousarray(p.transpose(2, 0, 1)))[None] for p in (sources[0], plain[0])]
    with torch.no_grad():
        found = start(*given)[0].numpy()
    inner = (slice(None), slice(20, -20), slice(20, -20))
    ours = np.abs(found - components[1:])[inner].mean()
    copied = np.abs(np.stack([rgb_to_ycbcr(t, "709") for t in targets]).transpose(0, 3, 1, 2)[0, 1:] - components[1:])[
        inner
    ].mean()
    assert ours < 0.9 * copied  # closer to the truth than what it was shown


def test_a_large_picture_teaches_the_same_filter_by_its_parts(photograph: FloatArray, monkeypatch: pytest.MonkeyPatch) -> None:
    """From evenly spread parts, what the start makes of the picture is what it would make when fitted on all of it."""
    from film_recovery.training import parts, start

    random = np.random.default_rng(4)
    large = cv2.resize(np.clip(photograph, 0.0, 1.0), (1800, 1200), interpolation=cv2.INTER_LINEAR).astype(np.float32) ** 0.5
    faded = large @ np.array([[0.8, 0.2, 0.1], [0.1, 0.6, 0.1], [0.05, 0.1, 0.5]], np.float32)
    faded = (faded + random.normal(0.0, 0.02, faded.shape)).astype(np.float32)
    assert faded[..., 0].size > parts.LEARNED_AREA
    parted = fit_start("chroma", [faded], [large], "709", 0)
    for module in (parts, start):
        monkeypatch.setattr(module, "LEARNED_AREA", 10 * faded[..., 0].size)
    whole = fit_start("chroma", [faded], [large], "709", 0)
    part = np.ascontiguousarray(faded[300:700, 400:1000])
    given = [torch.from_numpy(np.ascontiguousarray(p.transpose(2, 0, 1)))[None] for p in (part, rgb_to_ycbcr(part, "709"))]
    with torch.no_grad():
        ours, expected = parted(*given), whole(*given)
    wanted = torch.from_numpy(rgb_to_ycbcr(large[300:700, 400:1000], "709")[..., 1:].transpose(2, 0, 1))
    errors = [float((found[0] - wanted).square().mean().sqrt()) for found in (ours, expected)]
    assert errors[0] < 1.05 * errors[1]
    assert float((ours - expected).abs().mean()) < 0.25 * errors[1]
