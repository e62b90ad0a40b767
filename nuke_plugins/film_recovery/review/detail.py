"""Detail that is really there: band-limited agreement with a sharp picture, ring by ring of spatial frequency.

A plain spectrum counts grain and ringing as detail. Here the picture's band is projected on the truth's: only what is
coherent with the truth counts, grain averages out because it is independent of it. With O and T the Fourier transforms of
the two coded lumas (both windowed), summed over a band:

* gain ``Re<O, T> / <T, T>``: the share of the truth's detail that the picture shows, 1 = all of it, above 1 = sharpened;
* hallucinated share ``1 - sum_k |<O, T>_k|^2 / <T, T>_k / <O, O>``, with k the rings of the band: the part of the picture's
  band energy that no linear filter of the truth explains. Grain of its own counts here too, so compare it with an element's.

A displacement between the two pictures lowers the gain as blur does, so both must be in the same geometry. Gain per ring is
the cross-spectral estimate of the transfer function (Bendat & Piersol, *Random Data*, chapter 6).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.signal import windows

from film_recovery.contract.errors import UsageError

BAND = (0.10, 0.35)  # cycles per pixel: above the shapes, below where scanners alias
RINGS = 48
_TAPER = 0.12  # share of each side over which the window falls to zero, so that borders do not leak into the band
_SMALLEST = 16  # pixels: with fewer there are no rings to speak of

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class DetailFigures:
    """Figures of one band, see the module's head. All are 0 when the truth has nothing in the band."""

    gain: float
    hallucinated: float


def detail(picture: npt.ArrayLike, truth: npt.ArrayLike, band: tuple[float, float] = BAND) -> DetailFigures:
    """Detail of a coded luma against the truth's, (H, W) each, in a band of cycles per pixel.

    Raises :class:`UsageError` when the shapes differ or a side is under 16 pixels.
    """
    frequency, own, true, cross = ring_energies(picture, truth)
    inside = (frequency >= band[0]) & (frequency <= band[1])
    o, t, c = own[inside], true[inside], cross[inside]
    total, wanted, shared = float(o.sum()), float(t.sum()), float(c.sum())
    if wanted <= 0.0 or total <= 0.0:
        return DetailFigures(0.0, 0.0)
    explained = float((c**2 / np.maximum(t, 1e-30)).sum())
    return DetailFigures(gain=shared / wanted, hallucinated=float(np.clip(1.0 - explained / total, 0.0, 1.0)))


def ring_counts(shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """How many coefficients of the full Fourier transform of a picture of this shape lie in each of the rings."""
    index, share = _ring_index(shape)
    return np.asarray(np.bincount(index.ravel(), share.ravel(), RINGS + 1)[:RINGS], np.float64)


def window_energy(shape: tuple[int, ...]) -> float:
    """Sum of squares of the window before the transform: white noise of variance v has v times this in each coefficient."""
    return float(np.prod([np.sum(windows.tukey(side, 2.0 * _TAPER) ** 2) for side in shape]))


def ring_energies(
    picture: npt.ArrayLike, truth: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Ring centres, and per ring the energies <O, O>, <T, T> and the real part of <O, T>."""
    o, t = np.asarray(picture, np.float32), np.asarray(truth, np.float32)
    if o.shape != t.shape or o.ndim != 2 or min(o.shape) < _SMALLEST:
        raise UsageError(
            f"Detail is compared between two single-channel pictures of one size, at least {_SMALLEST} pixels a side; "
            f"found {o.shape} and {t.shape}."
        )
    index, share = _ring_index(o.shape)
    first, second = _transform(o), _transform(t)
    energies = [
        np.asarray(np.bincount(index.ravel(), (share * part).ravel(), RINGS + 1)[:RINGS], np.float64)
        for part in (np.abs(first) ** 2, np.abs(second) ** 2, (first * second.conj()).real)
    ]
    centres = np.asarray((np.arange(RINGS) + 0.5) * (0.5 / RINGS), np.float64)
    return centres, energies[0], energies[1], energies[2]


def _transform(luma: FloatArray) -> npt.NDArray[np.complex64]:
    taper = [np.asarray(windows.tukey(side, 2.0 * _TAPER), np.float32) for side in luma.shape]
    window = taper[0][:, None] * taper[1][None]
    level = float((luma * window).sum() / window.sum())
    return np.asarray(fft.rfft2((luma - level) * window), np.complex64)


def _ring_index(shape: tuple[int, ...]) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Of every rfft2 coefficient its ring (RINGS beyond 0.5 cycles/px), and for how many of the full FFT it stands."""
    radius = np.hypot(fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])[None])
    index = np.minimum((radius * (RINGS / 0.5)).astype(np.int64), RINGS)
    share = np.full(radius.shape, 2.0, np.float32)  # rfft2 keeps one of each conjugate pair, but for the first column …
    share[:, 0] = 1.0
    if shape[1] % 2 == 0:
        share[:, -1] = 1.0  # … and the Nyquist column of an even width
    return index, share
