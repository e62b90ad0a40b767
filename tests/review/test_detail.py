"""Detail counts what is coherent with the truth and nothing else."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import scipy.signal

from film_recovery.contract.errors import UsageError
from film_recovery.images.colour import luma
from film_recovery.images.encodings import encode
from film_recovery.review.detail import detail, ring_counts, ring_energies, window_energy

FloatArray = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def truth(photograph: FloatArray) -> FloatArray:
    return luma(encode(photograph, "display"), "709")


def test_equal_pictures_have_all_the_detail_and_nothing_invented(truth: FloatArray) -> None:
    figures = detail(truth, truth)
    assert figures.gain == pytest.approx(1.0, abs=1e-6)
    assert figures.hallucinated == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("share", [0.25, 0.6, 1.4])
def test_gain_is_the_contrast_of_the_detail(truth: FloatArray, share: float) -> None:
    assert detail(truth * np.float32(share) + 0.2, truth).gain == pytest.approx(share, rel=1e-4)


def test_grain_does_not_count_as_detail_but_as_not_in_truth(truth: FloatArray) -> None:
    blurred = cv2.GaussianBlur(truth, (0, 0), 1.5)
    grainy = blurred + np.random.default_rng(3).normal(0.0, 0.04, truth.shape).astype(np.float32)
    clean, noisy = detail(blurred, truth), detail(grainy, truth)
    assert noisy.gain == pytest.approx(clean.gain, abs=0.03)
    assert clean.gain < 0.6
    assert clean.hallucinated < 0.1 < 0.3 < noisy.hallucinated


def test_unrelated_texture_has_no_gain(truth: FloatArray) -> None:
    noise = np.random.default_rng(5).normal(0.5, 0.1, truth.shape)
    assert abs(detail(noise, truth).gain) < 0.1
    assert detail(noise, truth).hallucinated > 0.9


def test_transfer_follows_the_blur_that_was_applied(truth: FloatArray) -> None:
    sigma = 1.0
    frequency, _, true, cross = ring_energies(cv2.GaussianBlur(truth, (0, 0), sigma), truth)
    middle = (frequency > 0.05) & (frequency < 0.3)
    expected = np.exp(-2.0 * (np.pi * sigma * frequency) ** 2)
    assert np.abs(cross / true - expected)[middle].max() < 0.05


def test_a_flat_truth_has_no_detail_to_compare() -> None:
    flat = np.full((32, 40), 0.5, np.float32)
    assert detail(flat, flat) == detail(flat + 0.1, flat)
    assert detail(flat, flat).gain == 0.0


@pytest.mark.parametrize("shape", [(148, 164), (149, 164), (148, 165), (151, 153)])
def test_power_of_white_noise_is_its_variance_times_the_windows_energy(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).normal(0.0, 0.3, shape)
    frequency, energy, _, _ = ring_energies(noise, noise)
    window = np.outer(*(scipy.signal.windows.tukey(side, 0.24) for side in shape))
    assert window_energy(shape) == pytest.approx(np.square(window).sum())
    assert (energy / ring_counts(shape))[4:].mean() == pytest.approx(0.09 * window_energy(shape), rel=0.05)
    assert frequency[0] > 0.0 and frequency[-1] < 0.5


def test_sizes_that_differ_are_refused_in_words(truth: FloatArray) -> None:
    with pytest.raises(UsageError, match="one size"):
        detail(truth, truth[1:])
    with pytest.raises(UsageError, match="16 pixels"):
        detail(truth[:8, :8], truth[:8, :8])
