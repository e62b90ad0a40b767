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

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

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
    """Gaussian blur of (B, C, H, W) by ``sigma`` pixels, edges replicated; untouched for 0."""
    if sigma <= 0.0:
        return channels_BCHW
    reach = max(int(3.0 * sigma + 0.5), 1)
    taps = torch.arange(-reach, reach + 1, dtype=channels_BCHW.dtype, device=channels_BCHW.device)
    kernel = torch.exp(-0.5 * (taps / sigma) ** 2)
    kernel = kernel / kernel.sum()
    count = channels_BCHW.shape[1]
    across = functional.pad(channels_BCHW, (reach, reach, 0, 0), mode="replicate")
    across = functional.conv2d(across, kernel.view(1, 1, 1, -1).expand(count, 1, 1, -1), groups=count)
    down = functional.pad(across, (0, 0, reach, reach), mode="replicate")
    return functional.conv2d(down, kernel.view(1, 1, -1, 1).expand(count, 1, -1, 1), groups=count)
