"""What a recovered frame is worth: figures against a truth, one frame at a time and over a shot.

All pictures come in the working space, (H, W, 3), any range, cut to the picture area by the caller, result and truth in the
same geometry. Each figure names the domain in which it is taken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.contract.errors import UsageError
from film_recovery.images.colour import luma, rgb_to_ycbcr
from film_recovery.images.colour_difference import delta_e_map
from film_recovery.images.encodings import encode
from film_recovery.review.detail import BAND, detail

CEILING_DB = 120.0  # of equal pictures; an infinity would not survive JSON
_SSIM_RADIUS, _SSIM_SIGMA = 5, 1.5
_SSIM_C1, _SSIM_C2 = 0.01**2, 0.03**2

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FrameMetrics:
    """Figures of one frame; None where what they need was not given.

    Attributes:
        frame: its number.
        psnr: dB, coded RGB, peak 1. ssim: 0..1, coded RGB.
        delta_e_mean, delta_e_p95: CIEDE2000, mean and 95th percentile over the pixels.
        luma_identity: largest coded luma difference to the picture whose luma is to be kept.
        chroma_identity: largest coded Cb or Cr difference to the picture whose chroma is to be kept.
        detail: band-limited gain against the truth, 1 = all its detail (``review.detail``).
        hallucinated: of the same band.
        detail_of_sharp: ``detail`` divided by the sharp element's own ``detail``.
    """

    frame: int
    psnr: float
    ssim: float
    delta_e_mean: float
    delta_e_p95: float
    luma_identity: float | None = None
    chroma_identity: float | None = None
    detail: float | None = None
    hallucinated: float | None = None
    detail_of_sharp: float | None = None


@dataclass(frozen=True)
class SequenceMetrics:
    """Figures over frames: means, but identities are the largest of all frames, and ``delta_e_p95`` is the mean of the frames'
    own percentiles. ``chroma_flicker`` see ``review.flicker``.
    """

    frames: list[int]
    psnr: float
    ssim: float
    delta_e_mean: float
    delta_e_p95: float
    luma_identity: float | None = None
    chroma_identity: float | None = None
    detail: float | None = None
    hallucinated: float | None = None
    detail_of_sharp: float | None = None
    chroma_flicker: float | None = None
    per_frame: list[FrameMetrics] = field(default_factory=list)


def psnr(result: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Peak signal-to-noise ratio in dB of coded pictures of one shape, any channels, peak 1: ``-10 log10(mean square)``.

    At most 120 dB, which equal pictures have. Not clipped: values outside 0..1 count as they are.
    """
    a, b = _pair(result, truth)
    error = float(np.square(a - b, dtype=np.float64).mean())
    return min(-10.0 * math.log10(max(error, 1e-30)), CEILING_DB)


def ssim(result: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Structural similarity of coded pictures, (H, W) or (H, W, C), mean over channels and pixels; 1 for equal ones.

    Z. Wang, A. Bovik, H. Sheikh, E. Simoncelli, "Image quality assessment: from error visibility to structural similarity",
    IEEE Transactions on Image Processing 13(4), 2004: Gaussian window 11 x 11, sigma 1.5, K1 0.01, K2 0.03, peak 1, windows
    inside the picture only. Raises :class:`UsageError` for pictures under 11 pixels a side.
    """
    a, b = _pair(result, truth)
    if min(a.shape[:2]) < 2 * _SSIM_RADIUS + 1:
        raise UsageError(f"SSIM needs pictures of at least 11 pixels a side; found {a.shape[:2]}.")
    mean_a, mean_b = _window(a), _window(b)
    shared = mean_a * mean_b
    squares = mean_a**2 + mean_b**2
    covariance = _window(a * b) - shared
    variances = _window(a**2 + b**2) - squares
    values = ((2.0 * shared + _SSIM_C1) * (2.0 * covariance + _SSIM_C2)) / ((squares + _SSIM_C1) * (variances + _SSIM_C2))
    inside = slice(_SSIM_RADIUS, -_SSIM_RADIUS)
    return float(values[inside, inside].mean(dtype=np.float64))


def delta_e(result: npt.ArrayLike, truth: npt.ArrayLike, encoding: str) -> tuple[float, float]:
    """CIEDE2000 of two working-space pictures: mean and 95th percentile over the pixels (``colour_difference.delta_e_map``)."""
    values = delta_e_map(*_pair(result, truth), encoding)
    return float(values.mean(dtype=np.float64)), float(np.percentile(values, 95.0))


def luma_identity(result: npt.ArrayLike, kept: npt.ArrayLike, encoding: str, matrix: str = "709") -> float:
    """Largest absolute difference of coded luma between two working-space pictures; chroma recovery promises <= 1e-6."""
    a, b = (luma(encode(rgb, encoding), matrix) for rgb in _pair(result, kept))
    return float(np.abs(a - b).max())


def chroma_identity(result: npt.ArrayLike, kept: npt.ArrayLike, encoding: str, matrix: str = "709") -> float:
    """Largest absolute difference of coded Cb or Cr between two working-space pictures; spatial recovery promises <= 1e-6."""
    a, b = (rgb_to_ycbcr(encode(rgb, encoding), matrix)[..., 1:] for rgb in _pair(result, kept))
    return float(np.abs(a - b).max())


def measure(
    result: npt.ArrayLike,
    truth: npt.ArrayLike,
    encoding: str,
    *,
    matrix: str = "709",
    frame: int = 0,
    keep_luma_of: npt.ArrayLike | None = None,
    keep_chroma_of: npt.ArrayLike | None = None,
    sharp: npt.ArrayLike | None = None,
    band: tuple[float, float] = BAND,
) -> FrameMetrics:
    """All figures of one frame.

    Args:
        result, truth: working space, (H, W, 3) each.
        encoding, matrix: of the working space, as in the job.
        keep_luma_of: the balanced source, if luma was to be kept; keep_chroma_of: the source, if chroma was.
        sharp: the sharp element in the same geometry, to give detail as a share of its own.
        band: cycles per pixel of the detail figures.

    Raises :class:`UsageError` when sizes differ.
    """
    a, b = _pair(result, truth)
    coded_a, coded_b = (np.asarray(encode(rgb, encoding), np.float32) for rgb in (a, b))
    mean, p95 = delta_e(a, b, encoding)
    true_luma = luma(coded_b, matrix)
    figures = detail(luma(coded_a, matrix), true_luma, band)
    of_sharp = None
    if sharp is not None:
        own = detail(luma(encode(_pair(sharp, b)[0], encoding), matrix), true_luma, band).gain
        of_sharp = figures.gain / own if own > 0.0 else None
    return FrameMetrics(
        frame=frame,
        psnr=psnr(coded_a, coded_b),
        ssim=ssim(coded_a, coded_b),
        delta_e_mean=mean,
        delta_e_p95=p95,
        luma_identity=None if keep_luma_of is None else luma_identity(a, keep_luma_of, encoding, matrix),
        chroma_identity=None if keep_chroma_of is None else chroma_identity(a, keep_chroma_of, encoding, matrix),
        detail=figures.gain,
        hallucinated=figures.hallucinated,
        detail_of_sharp=of_sharp,
    )


def summarise(frames: Sequence[FrameMetrics], chroma_flicker: float | None = None) -> SequenceMetrics:
    """Figures over a shot, see :class:`SequenceMetrics`. Raises :class:`UsageError` when there are no frames."""
    if not frames:
        raise UsageError("There are no measured frames to summarise.")
    return SequenceMetrics(
        frames=[figures.frame for figures in frames],
        psnr=_mean(frames, "psnr") or 0.0,
        ssim=_mean(frames, "ssim") or 0.0,
        delta_e_mean=_mean(frames, "delta_e_mean") or 0.0,
        delta_e_p95=_mean(frames, "delta_e_p95") or 0.0,
        luma_identity=max(_given(frames, "luma_identity"), default=None),
        chroma_identity=max(_given(frames, "chroma_identity"), default=None),
        detail=_mean(frames, "detail"),
        hallucinated=_mean(frames, "hallucinated"),
        detail_of_sharp=_mean(frames, "detail_of_sharp"),
        chroma_flicker=chroma_flicker,
        per_frame=list(frames),
    )


def _given(frames: Sequence[FrameMetrics], name: str) -> list[float]:
    values = [getattr(figures, name) for figures in frames]
    return [value for value in values if value is not None]


def _mean(frames: Sequence[FrameMetrics], name: str) -> float | None:
    values = _given(frames, name)
    return sum(values) / len(values) if values else None


def _pair(first: npt.ArrayLike, second: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    a, b = np.asarray(first, np.float32), np.asarray(second, np.float32)
    if a.shape != b.shape or a.size == 0:
        raise UsageError(f"Pictures to compare must be of one size; found {a.shape} and {b.shape}. Crop or align them first.")
    return a, b


def _window(picture: FloatArray) -> FloatArray:
    size = 2 * _SSIM_RADIUS + 1
    return np.asarray(cv2.GaussianBlur(picture, (size, size), _SSIM_SIGMA, borderType=cv2.BORDER_REFLECT), np.float32)
