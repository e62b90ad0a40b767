"""How much softer the targets' colour is than the source can show it: what a training must not ask the network to copy.

Video carries colour at half or a quarter of the resolution, a soft print blurs it, and a reference that lies a pixel or two off
blurs it in effect: over all directions the best that can be known of it is a blurred picture. A network that is asked to match
such targets pixel by pixel learns to bleed. So its colour is blurred as much before it is compared.

Softness is measured against luma, which the source has sharp: the cross-spectra of both colours with luma, averaged over all
directions, fall together with frequency for as long as both are equally sharp; noise, which luma does not share, leaves them
alone.

A source's colour can also be finer than its targets' because it is wrong: a layer that is less sharp than the others fringes
every edge, and a table of colours makes a little colour of luma. Such targets are right, and to be copied. What tells the two
apart is the reference itself. A print that is soft or lies off is so in its luma too, and film has grain as fine in its colour
as in its luma, which video has not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
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
_BLOCK = 128  # pixels of a row that are blurred in one product, or up to twice as many


def measure_softness(luma: Sequence[FloatArray], colour: Sequence[FloatArray], target: Sequence[FloatArray]) -> float:
    """Standard deviation in pixels of the blur that takes ``colour`` to ``target``; 0 when there is none to speak of.

    Args:
        luma: coded luma of each pair, (H, W).
        colour: coded learned channels as sharp as the source has them, (C, H, W).
        target: what they should become, (C, H, W).

    Tiles of 64 pixels; the ratio of both cross-spectra is fitted by ``exp(-2 (pi sigma f)^2)``, the transfer function of a
    Gaussian, times a gain; each ring counts by the root of the first's strength.
    """
    return noticeable(_blur(luma, colour, target))


def softest(luma: Sequence[FloatArray], reference: Sequence[FloatArray]) -> float:
    """How much softer than the source's colour the reference's can be at most, pixels: as much as its luma is, by the same
    measure, and as its colour is softer than its own luma. Grain of the source, which its luma shares with itself, makes this
    larger than it is: up to 0.5 pixels by a grain of 0.02 coded, up to 0.8 by 0.04.

    ``luma`` is the source's, coded, (H, W) each, and ``reference`` coded YCbCr on the same pixels, (3, H, W) each. The latter
    softness is that of a Gaussian fitted to the ratio of both powers, which grain lifts and video's narrow colour ends.
    """
    lying = _blur(luma, [ours[None] for ours in luma], [theirs[:1] for theirs in reference])
    own = np.zeros((2, _BINS))
    for picture in reference:
        for part in _parts(picture.shape[1:], len(reference)):
            powers = [_in_rings(np.abs(_spectrum(channel[part])) ** 2) for channel in picture]
            own += [powers[0], powers[1] + powers[2]]
    of_power = _fit(own[0], own[1], own[0] > 0.0)
    return math.hypot(lying, of_power / math.sqrt(2.0))


def noticeable(sigma: float) -> float:
    """A blur worth minding, pixels, else 0."""
    return round(sigma, 1) if sigma >= NEGLIGIBLE else 0.0


def _blur(luma: Sequence[FloatArray], colour: Sequence[FloatArray], target: Sequence[FloatArray]) -> float:
    sharp, soft = np.zeros(_BINS), np.zeros(_BINS)
    for ours, given, wanted in zip(luma, colour, target, strict=True):
        for part in _parts(ours.shape, len(luma)):
            guide = np.conj(_spectrum(ours[part]))
            for channel in range(len(given)):
                own, other = (_in_rings((_spectrum(p[channel][part]) * guide).real) for p in (given, wanted))
                sign = 1.0 if own[:4].sum() >= 0.0 else -1.0
                sharp += sign * own
                soft += sign * other
    return _fit(sharp, soft, sharp > 0.01 * sharp.max(), np.sqrt(np.abs(sharp)))


def _parts(shape: tuple[int, ...], pictures: int) -> Iterator[tuple[slice, slice]]:
    """Tiles of one of so many pictures, evenly over it."""
    height, width = shape
    places = [(y, x) for y in range(0, height - _TILE + 1, _TILE // 2) for x in range(0, width - _TILE + 1, _TILE // 2)]
    step = max(len(places) * pictures // _TILES, 1)
    return ((slice(y, y + _TILE), slice(x, x + _TILE)) for y, x in places[::step])


def _spectrum(tile: FloatArray) -> npt.NDArray[np.complex128]:
    """Of a tile under a window, without its mean."""
    return np.asarray(np.fft.fft2((tile - tile.mean()) * _window()), np.complex128)


@lru_cache(maxsize=1)
def _window() -> npt.NDArray[np.float64]:
    return np.outer(np.hanning(_TILE), np.hanning(_TILE))


def _in_rings(power: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Sums over rings of equal width, (_BINS,)."""
    ring, inside = _rings()
    return np.asarray(np.bincount(ring, power.ravel()[inside], _BINS), np.float64)


@lru_cache(maxsize=1)
def _rings() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    axis = np.fft.fftfreq(_TILE)
    radius = np.hypot(axis[:, None], axis[None, :]).ravel()
    inside = (radius > 0.0) & (radius < _HIGHEST)
    return np.minimum((radius[inside] / _HIGHEST * _BINS).astype(np.int64), _BINS - 1), inside


def _fit(
    sharp: npt.NDArray[np.float64],
    soft: npt.NDArray[np.float64],
    told: npt.NDArray[np.bool_],
    weight: npt.NDArray[np.float64] | float = 1.0,
) -> float:
    """The blur whose transfer function, times any gain, fits the ratio of two spectra best among a fine row of blurs, by the
    rings that are ``told``; 0 where they are too few."""
    told = told & (np.arange(_BINS) > 0)  # a tile without its mean has nothing in the lowest
    if told.sum() < 4:
        return 0.0
    frequency = (np.arange(_BINS)[told] + 0.5) * _HIGHEST / _BINS
    ratio = soft[told] / sharp[told]
    weight = np.broadcast_to(weight, _BINS)[told]  # of the strength its root: or the lowest rings would decide alone
    best, least = 0.0, np.inf
    for sigma in np.arange(0.0, LARGEST + 0.01, 0.1):
        shape = np.exp(-2.0 * (np.pi * sigma * frequency) ** 2)
        gain = float((weight * ratio * shape).sum() / max((weight * shape**2).sum(), 1e-12))
        left = float((weight * (ratio - gain * shape) ** 2).sum())
        if left < least:
            best, least = float(sigma), left
    return best


def soften(channels_BCHW: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian blur of (B, C, H, W) by ``sigma`` pixels, edges replicated; untouched for 0.

    As products with banded matrices, block by block of large pictures: on a CPU a tenth of the time that a convolution of
    single channels takes.
    """
    if sigma <= 0.0:
        return channels_BCHW
    across = _in_blocks(channels_BCHW, sigma, -1, lambda part, matrix: part @ matrix.T)
    return _in_blocks(across, sigma, -2, lambda part, matrix: matrix @ part)


def _in_blocks(
    picture: torch.Tensor, sigma: float, axis: int, product: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """The ``product`` of parts of a picture along an axis and of the matrices that blur them."""
    side, reach, parts = picture.shape[axis], _reach(sigma), []
    if side <= 2 * _BLOCK:
        return product(picture, _blur_matrix(side, sigma, picture.device))
    for begin in range(0, side, _BLOCK):
        low, high = max(begin - reach, 0), min(begin + _BLOCK + reach, side)
        matrix = _blur_matrix(high - low, sigma, picture.device)[begin - low : begin - low + _BLOCK]
        parts.append(product(picture.narrow(axis, low, high - low), matrix))  # a part's own edges reach no pixel of its block
    return torch.cat(parts, dim=axis)


def _reach(sigma: float) -> int:
    return max(int(3.0 * sigma + 0.5), 1)


@lru_cache(maxsize=16)
def _blur_matrix(side: int, sigma: float, device: torch.device) -> torch.Tensor:
    """(side, side): each row holds what a pixel takes from the others."""
    reach = _reach(sigma)
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / sigma) ** 2)
    taps = (taps / taps.sum()).to(torch.float32)
    matrix, places = torch.zeros(side, side), torch.arange(side)
    for tap, weight in enumerate(taps):
        matrix.index_put_((places, (places + tap - reach).clamp(0, side - 1)), weight.expand(side), accumulate=True)
    return matrix.to(device)
