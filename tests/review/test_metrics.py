"""Frame and shot figures against scikit-image and against what was done to the picture."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import skimage.metrics

from film_recovery.contract.errors import UsageError
from film_recovery.images.colour import swap_luma
from film_recovery.images.encodings import decode, encode
from film_recovery.review.flicker import chroma_flicker
from film_recovery.review.metrics import chroma_identity, delta_e, luma_identity, measure, psnr, ssim, summarise

FloatArray = npt.NDArray[np.float32]


def _worse(picture: FloatArray, seed: int = 0) -> FloatArray:
    soft = cv2.GaussianBlur(picture, (0, 0), 1.3) * np.float32([1.0, 0.9, 0.8])
    return np.asarray(soft + np.random.default_rng(seed).normal(0.0, 0.02, picture.shape), np.float32)


def test_psnr_and_ssim_agree_with_scikit_image(photograph: FloatArray) -> None:
    truth, result = (np.asarray(encode(rgb, "display"), np.float32) for rgb in (photograph, _worse(photograph)))
    decibels = skimage.metrics.peak_signal_noise_ratio(truth, result, data_range=1.0)
    assert psnr(result, truth) == pytest.approx(decibels, abs=1e-3)
    oracle = skimage.metrics.structural_similarity(
        result, truth, channel_axis=2, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(result, truth) == pytest.approx(oracle, abs=1e-4)
    assert ssim(result[..., 0], truth[..., 0]) == pytest.approx(
        skimage.metrics.structural_similarity(
            result[..., 0], truth[..., 0], data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        ),
        abs=1e-4,
    )


def test_equal_pictures_have_the_ceiling_and_no_difference(photograph: FloatArray) -> None:
    figures = measure(photograph, photograph, "display", keep_luma_of=photograph, keep_chroma_of=photograph, sharp=photograph)
    assert figures.psnr == 120.0
    assert figures.ssim == pytest.approx(1.0, abs=1e-6)
    assert (figures.delta_e_mean, figures.delta_e_p95) == (0.0, 0.0)
    assert (figures.luma_identity, figures.chroma_identity) == (0.0, 0.0)
    assert figures.detail_of_sharp == pytest.approx(1.0)


def test_identity_tells_which_component_moved(photograph: FloatArray, portrait: FloatArray) -> None:
    ours, theirs = photograph[:200, :300], portrait[:200, :300]
    coded = swap_luma(encode(theirs, "display"), encode(ours, "display"), "709")
    recovered = np.asarray(decode(coded.astype(np.float64), "display"), np.float32)
    assert luma_identity(recovered, ours, "display") <= 1e-6
    assert chroma_identity(recovered, ours, "display") > 0.05
    assert luma_identity(recovered, theirs, "display") > 0.05


def test_figures_get_worse_as_the_picture_does(photograph: FloatArray) -> None:
    worse = _worse(photograph)
    middle = (photograph + worse) / 2
    a, b = measure(middle, photograph, "display"), measure(worse, photograph, "display")
    assert a.psnr > b.psnr and a.ssim > b.ssim and a.delta_e_mean < b.delta_e_mean < b.delta_e_p95
    assert a.detail is not None and b.detail is not None and a.detail > b.detail
    assert a.luma_identity is None and a.detail_of_sharp is None


def test_log_and_coded_files_are_measured_too(photograph: FloatArray) -> None:
    worse = _worse(photograph)
    linear = measure(worse, photograph, "display")
    coded = measure(encode(worse, "display"), encode(photograph, "display"), "none")
    assert coded.psnr == pytest.approx(linear.psnr, abs=0.01)
    assert coded.delta_e_mean == pytest.approx(linear.delta_e_mean, abs=0.01)
    assert np.isfinite(measure(worse, photograph, "log").psnr)


def test_delta_e_takes_mean_and_percentile(photograph: FloatArray) -> None:
    half = photograph.copy()
    half[:, :300] *= np.float32([1.0, 0.7, 1.0])
    mean, p95 = delta_e(half, photograph, "display")
    assert p95 > mean > 0.0


def test_summary_takes_means_and_keeps_the_worst_identity(photograph: FloatArray) -> None:
    frames = [
        measure(picture, photograph, "display", frame=number, keep_luma_of=photograph)
        for number, picture in ((7, photograph), (8, _worse(photograph)), (9, photograph * np.float32(0.99)))
    ]
    summary = summarise(frames, 0.004)
    assert summary.frames == [7, 8, 9] and summary.per_frame == frames
    assert summary.luma_identity == max(frame.luma_identity or 0.0 for frame in frames)
    assert summary.delta_e_mean == pytest.approx(sum(frame.delta_e_mean for frame in frames) / 3)
    assert summary.chroma_flicker == 0.004 and summary.detail_of_sharp is None


def test_wrong_sizes_and_empty_summaries_are_refused(photograph: FloatArray) -> None:
    with pytest.raises(UsageError, match="one size"):
        measure(photograph, photograph[1:], "display")
    with pytest.raises(UsageError, match="11 pixels"):
        ssim(photograph[:5], photograph[:5])
    with pytest.raises(UsageError, match="no measured frames"):
        summarise([])


def _shot(photograph: FloatArray, swing: float, grain: float = 0.0) -> list[FloatArray]:
    random = np.random.default_rng(1)
    coded = np.asarray(encode(photograph, "display"), np.float32)
    frames = []
    for time in range(12):
        tint = np.float32([swing * np.sin(time), 0.0, -swing * np.sin(time)])
        noisy = coded + tint + random.normal(0.0, grain, coded.shape) if grain else coded + tint
        frames.append(np.asarray(decode(noisy, "display"), np.float32))
    return frames


def test_flicker_measures_the_swing_of_colour_and_not_the_grain(photograph: FloatArray) -> None:
    still = _shot(photograph, 0.0)
    steady, grainy, swinging = (
        chroma_flicker(shot, still, "display") for shot in (still, _shot(photograph, 0.0, 0.05), _shot(photograph, 0.02))
    )
    assert steady is not None and grainy is not None and swinging is not None
    assert steady < 1e-6
    assert grainy < 0.004
    cb, cr = 0.02 * (1.0 + 0.2126 - 0.0722) / 1.8556, 0.02 * (1.0 - 0.2126 + 0.0722) / 1.5748
    expected = float(np.hypot(cb, cr) * np.std(np.sin(np.arange(12))))
    assert swinging == pytest.approx(expected, rel=0.02)


def test_flicker_looks_only_where_the_guide_stands_still(photograph: FloatArray) -> None:
    moving = [np.roll(photograph, 9 * time, axis=1) for time in range(8)]
    assert chroma_flicker(moving, moving, "display") is None or (chroma_flicker(moving, moving, "display") or 0.0) < 0.005
    assert chroma_flicker(moving[:2], moving[:2], "display") is None
    half = [np.concatenate([photograph[:, :300], frame[:, 300:]], axis=1) for frame in moving]
    figure = chroma_flicker(half, half, "display")
    assert figure is not None and figure < 0.005


def test_flicker_is_counted_in_long_shots_window_by_window(photograph: FloatArray) -> None:
    small = photograph[:128, :128]
    frames = [np.asarray(small * np.float32([1.0 + 0.05 * np.sin(t / 2), 1.0, 1.0]), np.float32) for t in range(60)]
    whole = chroma_flicker(frames, [small] * 60, "display")
    first = chroma_flicker(frames[:24], [small] * 24, "display")
    assert whole is not None and first is not None
    assert whole == pytest.approx(first, rel=0.1)
    with pytest.raises(UsageError, match="one size"):
        chroma_flicker([small, small], [small, small[:64]], "display")
