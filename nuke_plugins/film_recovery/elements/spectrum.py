"""How far the detail of a picture reaches before its grain covers it.

The radially averaged power spectrum of coded luma is taken in small overlapping tiles. Its mean over the tiles holds picture
and grain; the tiles with the least power at a frequency (flat sky, walls) hold grain alone and give the floor there. Detail
ends where the mean no longer stands clear of the floor, that is where the picture's own power falls below the grain's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

TILE = 64  # pixels: small enough that some tiles are flat
_BINS = 32  # frequencies from 0 to 0.5 cycles per pixel
_FLOOR_PERCENTILE = 10.0
_TEXTURE = (0.02, 0.15)  # cycles per pixel, where every picture has more than grain
_FINE = 0.25  # cycles per pixel: above, grain outweighs the texture of flat parts
_LEVELS, _FEWEST_TILES = 8, 12
_CLEAR = 2.0  # mean over floor at which picture and grain have equal power
_VISIBLE = (1.0 / 1023.0) ** 2 / 12.0  # power of 10-bit rounding: finer than that is no detail, even without any grain
_USABLE = (0.02, 0.98)  # coded luma of tiles that are neither crushed nor blown out
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Spectrum:
    """Power spectra of coded luma: white noise of variance v has power v at every frequency.

    ``frequency`` (N,) in cycles per pixel, ``mean`` (N,) over all tiles, ``floor`` (N,) of the flattest tiles.
    """

    frequency: FloatArray
    mean: FloatArray
    floor: FloatArray

    @property
    def resolution(self) -> float:
        """The frequency, cycles per pixel (0 to 0.5), at which detail sinks into the grain."""
        clear = self.mean > _CLEAR * np.maximum(self.floor, _VISIBLE)
        clear[: max(2, len(clear) // 16)] = True  # a tile is too small to judge the lowest frequencies
        below = np.flatnonzero(~(clear | np.append(clear[1:], False)))  # one noisy bin does not end the detail
        if not len(below):
            return 0.5
        last = int(below[0])
        if last == 0:
            return float(self.frequency[0])
        above = np.log(np.maximum(self.mean, 1e-30) / (_CLEAR * np.maximum(self.floor, _VISIBLE)))
        left, right = float(above[last - 1]), float(above[last])
        share = left / (left - right) if left > 0.0 > right else 0.0
        return float(self.frequency[last - 1] + share * (self.frequency[last] - self.frequency[last - 1]))

    def detail(self, low: float = 0.1, high: float = 0.5) -> float:
        """Root-mean-square coded luma of the picture alone, grain taken off, between two frequencies in cycles per pixel."""
        inside = (self.frequency >= low) & (self.frequency <= high)
        width = 0.5 / len(self.frequency)
        power = np.maximum(self.mean - self.floor, 0.0)[inside]
        return float(np.sqrt((power * 2.0 * np.pi * self.frequency[inside] * width).sum()))


def measure_spectrum(lumas: Sequence[npt.ArrayLike]) -> Spectrum:
    """The spectrum of some coded luma pictures, (H, W) each, all at least 16 pixels in both directions.

    Tiles that are crushed to black or blown out say nothing about grain and are left out, unless there are no others.
    """
    frequency, spectra, levels = _tile_spectra(lumas)
    usable = (levels > _USABLE[0]) & (levels < _USABLE[1])
    if usable.sum() >= 8:
        spectra = spectra[usable]
    return Spectrum(frequency, spectra.mean(axis=0), np.percentile(spectra, _FLOOR_PERCENTILE, axis=0))


def grain_power(
    lumas: Sequence[npt.ArrayLike], guides: Sequence[npt.ArrayLike] | None = None
) -> tuple[FloatArray, FloatArray]:
    """Frequency (cycles per pixel) and power of the grain alone: the mean spectrum of the flattest tiles.

    Tiles are chosen by their power at low frequencies, where picture outweighs grain, so that the choice says nothing of the
    grain itself: unlike a percentile of the power the mean is not biased. Where no part is flat, texture counts as grain.
    ``guides``, of the same shapes, choose the tiles instead. ``lumas`` as for :func:`measure_spectrum`; white noise of
    variance v has power v.
    """
    frequency, spectra, levels = _tile_spectra(lumas)
    if guides is not None:
        _, guide, levels = _tile_spectra(guides)
    else:
        guide = spectra
    usable = (levels > _USABLE[0]) & (levels < _USABLE[1])
    if usable.sum() < 8:
        usable[:] = True
    texture = guide[:, (frequency > _TEXTURE[0]) & (frequency < _TEXTURE[1])].mean(axis=1)
    flat = usable & (texture <= np.percentile(texture[usable], _FLOOR_PERCENTILE))
    return frequency, np.asarray(spectra[flat].mean(axis=0), np.float64)


def grain_by_level(lumas: Sequence[npt.ArrayLike]) -> tuple[FloatArray, FloatArray]:
    """Levels of coded luma, and the grain's deviation there as a share of its mean over the levels that the pictures have.

    Of the tiles of each level the flattest quarter are looked at, above a quarter cycle per pixel; levels that too few tiles
    have take the nearest one's. ``lumas`` as for :func:`measure_spectrum`.
    """
    frequency, spectra, levels = _tile_spectra(lumas)
    texture = spectra[:, (frequency > _TEXTURE[0]) & (frequency < _TEXTURE[1])].mean(axis=1)
    fine = spectra[:, frequency > _FINE].mean(axis=1)
    centres, found = (np.arange(_LEVELS) + 0.5) / _LEVELS, {}
    for centre in centres:
        near = np.flatnonzero(np.abs(levels - centre) <= 0.5 / _LEVELS)
        if len(near) >= _FEWEST_TILES:
            flat = near[texture[near] <= np.percentile(texture[near], 25.0)]
            found[float(centre)] = float(np.sqrt(fine[flat].mean()))
    if not found or max(found.values()) <= 0.0:
        return centres, np.ones(_LEVELS)
    strength = np.interp(centres, list(found), list(found.values()))
    return centres, np.asarray(strength / np.mean(list(found.values())), np.float64)


def _tile_spectra(lumas: Sequence[npt.ArrayLike]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Frequency (N,), the radial power spectrum of every tile (tiles, N), and every tile's mean luma (tiles,)."""
    smallest = min(min(np.shape(picture)) for picture in lumas)
    side = min(TILE, smallest // 2 * 2)
    ring, count = _rings(side)
    window = np.outer(np.hanning(side), np.hanning(side))
    rows, levels = [], []
    for picture in lumas:
        for tile in _tiles(np.asarray(picture, np.float64), side):
            level = float(tile.mean())
            power = np.abs(np.fft.fft2((tile - level) * window)) ** 2 / float((window**2).sum())
            rows.append(np.bincount(ring.ravel(), weights=power.ravel(), minlength=len(count))[:-1] / count[:-1])
            levels.append(level)
    frequency = (np.arange(len(count) - 1) + 0.5) * 0.5 / (len(count) - 1)
    return frequency, np.array(rows), np.array(levels)


def _tiles(picture: FloatArray, side: int) -> list[FloatArray]:
    step = side // 2
    height, width = picture.shape
    return [
        picture[top : top + side, left : left + side]
        for top in range(0, height - side + 1, step)
        for left in range(0, width - side + 1, step)
    ]


def _rings(side: int) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """The bin of every FFT coefficient (the last bin gathers the corners beyond 0.5) and how many fall into each."""
    bins = min(_BINS, side // 2)
    axis = np.fft.fftfreq(side)
    radius = np.hypot(axis[:, None], axis[None, :])
    ring = np.minimum((radius / 0.5 * bins).astype(np.int64), bins)
    return ring, np.maximum(np.bincount(ring.ravel(), minlength=bins + 1), 1).astype(np.float64)
