"""Spatial figures on constructed pictures whose answers are known: blurred, sharpened, with grain, with a halo."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import skimage.data
from scipy import ndimage

from film_recovery.contract.errors import UsageError
from film_recovery.review.bands import OCTAVES, grain_rings, measure_spatial, overshoot
from film_recovery.review.detail import RINGS

FloatArray = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def truth() -> FloatArray:
    """A still with texture everywhere: white noise shaped like a picture, under a photograph."""
    photograph = np.asarray(skimage.data.brick(), np.float32)[:320, :400] / 255.0
    fine = np.random.default_rng(5).standard_normal((320, 400)).astype(np.float32)
    return np.asarray(photograph + 0.02 * ndimage.gaussian_filter(fine, 0.6), np.float32)


def _filtered(picture: FloatArray, low: float, high: float, gain: float) -> FloatArray:
    """The picture with everything between two frequencies multiplied by ``gain``."""
    fy, fx = np.fft.fftfreq(picture.shape[0])[:, None], np.fft.rfftfreq(picture.shape[1])[None]
    radius = np.hypot(fy, fx)
    response = np.where((radius >= low) & (radius < high), gain, 1.0)
    return np.asarray(np.fft.irfft2(np.fft.rfft2(picture) * response, picture.shape), np.float32)


def _noise(shape: tuple[int, ...], deviation: float, seed: int) -> FloatArray:
    return np.asarray(np.random.default_rng(seed).standard_normal(shape) * deviation, np.float32)


def test_the_truth_itself_has_everything_and_invents_nothing(truth: FloatArray) -> None:
    figures = measure_spatial(truth, truth, truth)
    assert figures.detail == pytest.approx(1.0, abs=1e-6)
    assert figures.hallucinated == pytest.approx(0.0, abs=1e-6)
    assert figures.limit == 0.5
    assert figures.overshoot is None or figures.overshoot < 0.1
    assert all(band.transfer == pytest.approx(1.0, abs=1e-5) and band.coherence > 0.99999 for band in figures.octaves)


def test_a_band_at_half_its_strength_has_a_quarter_of_its_energy(truth: FloatArray) -> None:
    low, high = OCTAVES[2]
    bands = measure_spatial(_filtered(truth, low, high, 0.5), truth, truth).octaves
    assert bands[2].transfer == pytest.approx(0.5, abs=0.03)
    assert bands[2].detail == pytest.approx(0.25, abs=0.03)
    assert bands[2].hallucinated < 0.02
    for other in (bands[0], bands[3]):
        assert other.detail == pytest.approx(1.0, abs=0.05)


def test_sharpening_one_band_does_not_make_up_for_another(truth: FloatArray) -> None:
    blurred = _filtered(truth, 1 / 8, 0.8, 0.3)
    sharpened = _filtered(blurred, 1 / 16, 1 / 8, 2.0)
    figures = [measure_spatial(picture, truth, truth) for picture in (blurred, sharpened)]
    assert figures[1].octaves[1].transfer > 1.8
    assert figures[1].detail == pytest.approx(figures[0].detail, abs=0.02)
    assert figures[1].detail < 0.9


def test_added_noise_is_hallucinated_in_its_known_share_and_is_no_detail(truth: FloatArray) -> None:
    noise = _filtered(_noise(truth.shape, 0.05, 1), 0.0, 1 / 4, 0.0)
    band = measure_spatial(truth + noise, truth, truth).octaves[3]
    radius = np.hypot(np.fft.fftfreq(320)[:, None], np.fft.fftfreq(400)[None])
    inside = (radius >= 1 / 4) & (radius < 1 / 2)
    share = 0.05**2 * inside.mean() / (0.05**2 * inside.mean() + band.energy**2)
    assert band.hallucinated == pytest.approx(share, abs=0.06)
    assert band.transfer == pytest.approx(1.0, abs=0.1)
    assert band.coherence == pytest.approx(1.0 - share, abs=0.06)


def test_without_a_truth_the_reference_less_its_grain_says_nearly_the_same(truth: FloatArray) -> None:
    flat = truth.copy()
    flat[:, 250:] = ndimage.gaussian_filter(truth, 20)[:, 250:]  # a sky, in which grain can be seen for itself
    reference = flat + _noise(flat.shape, 0.02, 2)
    result = ndimage.gaussian_filter(flat, 0.7) + _noise(flat.shape, 0.005, 3)
    known, guessed = measure_spatial(result, reference, flat), measure_spatial(result, reference)
    assert guessed.detail == pytest.approx(known.detail, abs=0.05)
    assert guessed.hallucinated == pytest.approx(known.hallucinated, abs=0.08)
    # With the grain taken for picture, the result would seem to lack much more.
    assert measure_spatial(result, reference, grain=np.zeros(RINGS)).detail < known.detail - 0.05


def test_grain_power_of_white_noise_is_its_variance() -> None:
    power = grain_rings([0.5 + _noise((256, 320), 0.03, seed) for seed in range(3)])
    assert power.shape == (RINGS,)
    assert np.median(power) == pytest.approx(0.03**2, rel=0.25)


def _steps() -> FloatArray:
    """Soft steps of height 0.4 in many directions."""
    y, x = np.mgrid[:256, :256].astype(np.float32)
    squares = np.zeros((256, 256), np.float32)
    for row in range(24, 220, 48):
        for column in range(24, 220, 48):
            inside = np.abs((x - column - 12) * 0.9 + (y - row - 12) * 0.4) < 11
            squares[inside & (np.abs((y - row - 12) * 0.9 - (x - column - 12) * 0.4) < 11)] = 1.0
    return np.asarray(0.3 + 0.4 * ndimage.gaussian_filter(squares, 0.7), np.float32)


def test_overshoot_is_the_halo_of_unsharp_masking_and_grain_has_none() -> None:
    steps = _steps()
    assert overshoot(steps, steps) == pytest.approx(0.0, abs=0.1)
    assert (overshoot(steps + _noise(steps.shape, 0.04, 4), steps) or 0.0) < 1.0
    assert (overshoot(ndimage.gaussian_filter(steps, 1.5), steps) or 0.0) < 0.1
    sharpened = steps + 1.0 * (steps - ndimage.gaussian_filter(steps, 2.0))
    x = np.arange(101)[None]
    profile = 0.5 * (1.0 + np.asarray(ndimage.gaussian_filter1d(np.sign(x - 50.0), 0.7)))[0]
    expected = 100.0 * float((2.0 * profile - ndimage.gaussian_filter1d(profile, 2.0)).max() - 1.0)
    assert overshoot(sharpened, steps) == pytest.approx(expected, rel=0.25)


def test_a_flat_picture_has_no_edges_to_judge() -> None:
    assert overshoot(np.full((64, 64), 0.5), np.full((64, 64), 0.5)) is None


def test_pictures_of_other_sizes_are_refused() -> None:
    with pytest.raises(UsageError):
        measure_spatial(np.zeros((64, 64)), np.zeros((64, 65)), np.zeros((64, 64)))
    with pytest.raises(UsageError):
        overshoot(np.zeros((64, 64)), np.zeros((64, 65)))
