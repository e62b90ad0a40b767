"""Spatial recovery without lies: what detail came back, octave by octave, and what was made up.

All pictures are coded luma, (H, W), any range, in one geometry. With O, T and R the Fourier transforms of the result, of the
truth and of the reference (``review.detail``), summed over rings k of spatial frequency:

* transfer ``Re<O, T> / <T, T>``: the cross-spectral estimate of the transfer function (Bendat & Piersol, *Random Data*, ch. 6);
* coherence ``|<O, T>|^2 / (<O, O> <T, T>)``, 0 to 1: the share of the result's energy that is a filtered copy of the truth;
* hallucinated energy ``1 - sum_k |<O, T>_k|^2 / <T, T>_k / sum_k <O, O>_k``: the share that is none, be it invented, ringing or
  grain that was left;
* detail ``sum_k <T, T>_k min(h_k, r_k)^2 / sum_k <T, T>_k r_k^2`` with h and r the transfers of result and reference: the share
  of the reference's own signal energy that the result has. A ring that is sharpened beyond the reference makes up for no other.

Where no truth is known, the reference takes its place and the power of its grain (:func:`grain_rings`) is taken off its own:
the grains of result and reference are independent, so the cross-spectrum needs no correction.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.contract.errors import UsageError
from film_recovery.elements.spectrum import grain_power
from film_recovery.review.detail import RINGS, ring_counts, ring_energies, window_energy

LOWEST = 1.0 / 16.0  # cycles per pixel: below are the shapes, which every element has
OCTAVES = ((1.0 / 32.0, 1.0 / 16.0), (1.0 / 16.0, 1.0 / 8.0), (1.0 / 8.0, 1.0 / 4.0), (1.0 / 4.0, 1.0 / 2.0))
_CLEAR = 0.5  # share of the reference's power that is picture, where its grain band begins
_EDGES, _REACH, _PLATEAU = 0.03, 4, 0.25  # share of the pixels; px to each side; change beyond 2 px as a share of the step
_LEAST_STEP = 0.05  # coded luma

FloatArray = npt.NDArray[np.float32]
Rings = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BandFigures:
    """One band, cycles per pixel; ``transfer``, ``coherence``, ``detail`` and ``hallucinated`` as in the module's head.
    ``energy``: root-mean-square coded luma of the truth's signal in the band."""

    low: float
    high: float
    transfer: float
    coherence: float
    detail: float
    hallucinated: float
    energy: float


@dataclass(frozen=True)
class SpatialFigures:
    """``octaves`` one by one; ``detail`` from 1/16 cycles per pixel up to ``limit``, where the reference's grain is as strong
    as its picture; ``hallucinated`` from 1/16 to 1/2; ``overshoot`` in per cent (:func:`overshoot`), None without edges."""

    octaves: list[BandFigures]
    limit: float
    detail: float
    hallucinated: float
    overshoot: float | None


def measure_spatial(
    result: npt.ArrayLike, reference: npt.ArrayLike, truth: npt.ArrayLike | None = None, grain: npt.ArrayLike | None = None
) -> SpatialFigures:
    """All figures of one frame.

    Args:
        result: recovered luma.
        reference: the sharp element's luma, with its grain.
        truth: the picture behind both; without it the reference less its ``grain`` stands for it.
        grain: power of the reference's grain in each of the ``RINGS`` rings, white noise of variance v having v
            (:func:`grain_rings`); measured on this frame when neither it nor a truth is given.

    Raises :class:`UsageError` when the shapes differ or a side is under 16 pixels (128 where grain has to be measured).
    """
    sharp = np.asarray(reference, np.float32)
    if truth is None:
        power = grain_rings([sharp]) if grain is None else np.asarray(grain, np.float64)
        frequency, own, whole, cross = ring_energies(result, sharp)
        true = np.maximum(whole - power * ring_counts(sharp.shape) * window_energy(sharp.shape), 1e-3 * whole)
        reached, clear = np.ones(RINGS), true / np.maximum(whole, 1e-30)
        edges = None if min(sharp.shape) < 3 * _REACH else cv2.GaussianBlur(sharp, (0, 0), 1.0)
        own_edges = None if edges is None else cv2.GaussianBlur(np.asarray(result, np.float32), (0, 0), 1.0)
    else:
        frequency, own, true, cross = ring_energies(result, truth)
        _, sharp_own, _, sharp_cross = ring_energies(sharp, truth)
        reached = np.clip(sharp_cross / np.maximum(true, 1e-30), 0.0, None)
        clear = sharp_cross**2 / np.maximum(true * sharp_own, 1e-30)
        edges, own_edges = np.asarray(truth, np.float32), np.asarray(result, np.float32)
    limit = _limit(frequency, clear)
    scale = sharp.size * window_energy(sharp.shape)
    parts = (frequency, own, true, cross, reached)
    octaves = [_band(low, high, *parts, scale) for low, high in OCTAVES]
    halo = None if edges is None or own_edges is None else overshoot(own_edges, edges)
    return SpatialFigures(
        octaves, limit, _band(LOWEST, limit, *parts, scale).detail, _band(LOWEST, 0.5, *parts, scale).hallucinated, halo
    )


def overshoot(result: npt.ArrayLike, truth: npt.ArrayLike) -> float | None:
    """Halo in per cent: how far the result goes beyond the truth's local minimum and maximum beside strong edges.

    Profiles of nine pixels are read across the strongest edges of the truth that have a plateau on both sides (as the
    edge-spread function of ISO 12233), normalised so that the truth goes from 0 to 1. Of the result's profiles, averaged over
    all edges so that grain says nothing, it is what lies above 1 or below 0, the larger of the two; a result equal to the
    truth has 0. None where fewer than 20 such edges are found. Both are coded luma (H, W).
    """
    sharp, found = np.asarray(truth, np.float32), np.asarray(result, np.float32)
    if sharp.shape != found.shape or sharp.ndim != 2:
        raise UsageError(f"Halos are measured between two lumas of one size; found {found.shape} and {sharp.shape}.")
    dx, dy = (cv2.GaussianBlur(cv2.Sobel(sharp, cv2.CV_32F, *axis, ksize=3), (0, 0), 0.7) / 8.0 for axis in ((1, 0), (0, 1)))
    strength = np.hypot(dx, dy)
    strength[: _REACH + 1] = strength[-_REACH - 1 :] = strength[:, : _REACH + 1] = strength[:, -_REACH - 1 :] = 0.0
    peak = strength >= cv2.dilate(strength, np.ones((3, 3), np.uint8))
    y, x = np.nonzero(peak & (strength > max(np.quantile(strength, 1.0 - _EDGES), 1e-6)))
    if not len(y):
        return None
    nx, ny = dx[y, x] / strength[y, x], dy[y, x] / strength[y, x]
    at = np.arange(-_REACH, _REACH + 1, dtype=np.float32)
    where = (x[:, None] + nx[:, None] * at).astype(np.float32), (y[:, None] + ny[:, None] * at).astype(np.float32)
    true, own = (np.asarray(cv2.remap(p, *where, cv2.INTER_LINEAR), np.float32) for p in (sharp, found))
    low, high = true.min(axis=1, keepdims=True), true.max(axis=1, keepdims=True)
    step = high - low
    flat = np.maximum(np.ptp(true[:, :3], axis=1), np.ptp(true[:, -3:], axis=1)) < _PLATEAU * step[:, 0]
    clean = flat & (step[:, 0] > _LEAST_STEP)
    if clean.sum() < 20:
        return None
    span = step[clean]
    above = ((own[clean] - high[clean]) / span).mean(axis=0)
    below = ((low[clean] - own[clean]) / span).mean(axis=0)
    return 100.0 * max(float(above.max()), float(below.max()), 0.0)


def grain_rings(lumas: list[FloatArray]) -> Rings:
    """Power of an element's grain in the ``RINGS`` rings from 0 to 0.5 cycles per pixel (``elements.spectrum.grain_power``)."""
    frequency, power = grain_power(lumas)
    return np.asarray(np.interp((np.arange(RINGS) + 0.5) * (0.5 / RINGS), frequency, power), np.float64)


def _band(
    low: float, high: float, frequency: Rings, own: Rings, true: Rings, cross: Rings, reached: Rings, scale: float
) -> BandFigures:
    inside = (frequency >= low) & (frequency < high)
    o, t, c, r = own[inside], true[inside], cross[inside], reached[inside]
    total, wanted, whole = float(o.sum()), float(t.sum()), float((t * r**2).sum())
    if wanted <= 0.0:
        return BandFigures(low, high, 0.0, 0.0, 0.0, 1.0 if total > 0.0 else 0.0, 0.0)
    transfer = c / np.maximum(t, 1e-30)
    explained = float(np.minimum(c * transfer, o).sum())
    return BandFigures(
        low=low,
        high=high,
        transfer=float(c.sum()) / wanted,
        coherence=min(float(c.sum()) ** 2 / max(total * wanted, 1e-30), 1.0),  # a guess of the grain may be too high
        detail=float((t * np.clip(np.minimum(transfer, r), 0.0, None) ** 2).sum()) / max(whole, 1e-30),
        hallucinated=float(np.clip(1.0 - explained / total, 0.0, 1.0)) if total > 0.0 else 0.0,
        energy=float(np.sqrt(wanted / scale)),
    )


def _limit(frequency: Rings, clear: Rings) -> float:
    """Where picture sinks into grain for good: two rings in a row below a half."""
    below = (clear < _CLEAR) & np.append(clear[1:] < _CLEAR, True) & (frequency > LOWEST)
    return float(frequency[np.argmax(below)]) if below.any() else 0.5

