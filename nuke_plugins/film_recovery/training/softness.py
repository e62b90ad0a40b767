"""How much softer the targets' colour is than the source can show it: what a training must not ask the network to copy.

Video carries colour at half or a quarter of the resolution, a soft print blurs it, and a reference that lies a pixel or two off
blurs it in effect: over all directions the best that can be known of it is a blurred picture. A network that is asked to match
such targets pixel by pixel learns to bleed. So its colour is blurred as much before it is compared.

Softness is measured against luma, which the source has sharp: the cross-spectra of both colours with luma, averaged over all
directions, fall together with frequency for as long as both are equally sharp; noise, which luma does not share, leaves them
alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

FloatArray = npt.NDArray[np.float32]

LARGEST = 8.0  # pixels
NEGLIGIBLE = 0.6  # pixels: below it pixels are compared as they are
_TILE = 64
_BINS = 24
_HIGHEST = 0.35  # cycles per pixel; beyond it there is little but noise
_TILES = 600


def measure_softness(luma: Sequence[FloatArray], colour: Sequence[FloatArray], target: Sequence[FloatArray]) -> float:
    """Standard deviation in pixels of the blur that takes ``colour`` to ``target``; 0 when there is none to speak of.

    Args:
        luma: coded luma of each pair, (H, W).
        colour: coded learned channels as sharp as the source has them, (C, H, W).
        target: what they should become, (C, H, W).

    Tiles of 64 pixels; the ratio of both cross-spectra is fitted by ``exp(-2 (pi sigma f)^2)``, the transfer function of a
    Gaussian, times a gain; each ring counts by the root of the first's strength.
    """
    sharp, soft = np.zeros(_BINS), np.zeros(_BINS)
    ring, inside = _rings()
    window = np.outer(np.hanning(_TILE), np.hanning(_TILE))
    for ours, given, wanted in zip(luma, colour, target, strict=True):
        height, width = ours.shape
        places = [(y, x) for y in range(0, height - _TILE + 1, _TILE // 2) for x in range(0, width - _TILE + 1, _TILE // 2)]
        step = max(len(places) * len(luma) // _TILES, 1)
        for y, x in places[::step]:
            part = (slice(y, y + _TILE), slice(x, x + _TILE))
            guide = np.conj(np.fft.fft2((ours[part] - ours[part].mean()) * window))
            for channel in range(len(given)):
                first, second = (np.fft.fft2((p[channel][part] - p[channel][part].mean()) * window) for p in (given, wanted))
                own = (first * guide).real
                sign = 1.0 if np.bincount(ring, own.ravel()[inside], _BINS)[:4].sum() >= 0.0 else -1.0
                sharp += sign * np.bincount(ring, own.ravel()[inside], _BINS)
                soft += sign * np.bincount(ring, (second * guide).real.ravel()[inside], _BINS)
    return _fit(sharp, soft)


def _rings() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    axis = np.fft.fftfreq(_TILE)
    radius = np.hypot(axis[:, None], axis[None, :]).ravel()
    inside = (radius > 0.0) & (radius < _HIGHEST)
    return np.minimum((radius[inside] / _HIGHEST * _BINS).astype(np.int64), _BINS - 1), inside


def _fit(sharp: npt.NDArray[np.float64], soft: npt.NDArray[np.float64]) -> float:
    """The blur whose transfer function, times any gain, fits the ratio of the spectra best among a fine row of blurs."""
    frequency = (np.arange(_BINS) + 0.5) * _HIGHEST / _BINS
    weight = np.where(sharp > 0.01 * sharp.max(), np.abs(sharp), 0.0)
    if not (weight > 0.0).sum() >= 4:
        return 0.0
    ratio = np.where(weight > 0.0, soft / np.where(weight > 0.0, sharp, 1.0), 0.0)
    weight = np.sqrt(weight)  # or the lowest ring, where nothing can be told, would decide alone
    best, least = 0.0, np.inf
    for sigma in np.arange(0.0, LARGEST + 0.01, 0.1):
        shape = np.exp(-2.0 * (np.pi * sigma * frequency) ** 2)
        gain = float((weight * ratio * shape).sum() / max((weight * shape**2).sum(), 1e-12))
        left = float((weight * (ratio - gain * shape) ** 2).sum())
        if left < least:
            best, least = float(sigma), left
    return round(best, 1) if best >= NEGLIGIBLE else 0.0


def soften(channels_BCHW: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian blur of (B, C, H, W) by ``sigma`` pixels, edges replicated; untouched for 0.

    As two products with banded matrices: on a CPU a tenth of the time that a convolution of single channels takes.
    """
    if sigma <= 0.0:
        return channels_BCHW
    height, width = channels_BCHW.shape[2:]
    down, across = (_blur_matrix(side, sigma, channels_BCHW.device) for side in (height, width))
    return down @ channels_BCHW @ across.T


@lru_cache(maxsize=8)
def _blur_matrix(side: int, sigma: float, device: torch.device) -> torch.Tensor:
    """(side, side): each row holds what a pixel takes from the others."""
    reach = max(int(3.0 * sigma + 0.5), 1)
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / sigma) ** 2)
    taps = (taps / taps.sum()).to(torch.float32)
    matrix, places = torch.zeros(side, side), torch.arange(side)
    for tap, weight in enumerate(taps):
        matrix.index_put_((places, (places + tap - reach).clamp(0, side - 1)), weight.expand(side), accumulate=True)
    return matrix.to(device)
