"""How surely each part of an aligned pair shows the same thing on both sides, blind to colour.

Subtitles, dust, scratches, what moved between two takes of a frame and what is still out of place lie low; a flat sky, in
which nothing speaks for or against, lies high.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.images.encodings import encode
from film_recovery.pairs.geometry import as_planes, picture_mask
from film_recovery.pairs.residual import band_pass, canonical_planes

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]

_NEIGHBOURHOOD = 6.0  # sigma in pixels of a picture 960 wide
_AROUND = 36.0  # the same, of the surroundings: islands that are alike by chance are not believed
_FINE, _COARSE = 1.4, 9.0  # sigmas of the band that is compared, the same pixels
_STILL = 0.15  # of the mean energy: what is flatter than that says little
_EXPECTED = 0.45  # likeness that even a grainy, soft pair reaches where it is the same
_NEARBY = (0.45, 0.92)  # of the pair's usual likeness: where confidence is 0 and 1
_SURROUNDED = (0.3, 0.75)
_HARDLY = 0.1  # mean confidence


def pair_trust(
    source: npt.ArrayLike, reference: npt.ArrayLike, encoding: str, masks: Sequence[Sequence[int]] = ()
) -> FloatArray | None:
    """What of an aligned pair a training should believe: float32 (H, W), 0..1; None for all of it.

    Where the two hardly agree anywhere, nothing in them tells right from wrong, and the verdict on the pair as a whole has to
    be enough: then all but the masks is believed.

    Args:
        source, reference: (H, W, 3) in the working space of ``encoding``, the reference on the source's pixels.
        masks: rectangles [x, y, width, height] that are not believed at all.
    """
    ours, theirs = (np.asarray(encode(np.asarray(part, np.float32), encoding), np.float32) for part in (source, reference))
    mask = picture_mask(ours.shape, None, masks)
    found = local_confidence(ours, theirs, mask)
    if mask.any() and float(found[mask > 0].mean()) >= _HARDLY:
        return found
    return None if mask.all() else (mask > 0).astype(np.float32)


def local_confidence(source: npt.ArrayLike, moved: npt.ArrayLike, mask: npt.ArrayLike | None = None) -> FloatArray:
    """How surely each pixel's neighbourhood shows the same picture on both sides.

    Both pictures are band-passed, divided by their local contrast and brought to one plane each by the channel weights under
    which they correlate most (see :mod:`residual`), so fading, a reversed or lost channel, exposure and shading say nothing.
    The likeness is the contrast-structure term of SSIM (Wang et al. 2004), ``(2 cov + k) / (var + var + k)``, in a Gaussian
    window and in a wider one; it is judged against what the same pair reaches usually, so that grain and softness alone lower
    nothing.

    Args:
        source: coded picture (H, W, C) or (H, W), any range.
        moved: the reference on the source's pixels, (H, W, C') or (H, W), coded alike.
        mask: (H, W), 0 where nothing should be compared (scan borders, beyond the reference); confidence is 0 there.

    Returns:
        float32 (H, W), 0..1, smooth. All 0 when nothing in the two pictures corresponds.
    """
    ours, theirs = as_planes(source), as_planes(moved)
    if ours.shape[:2] != theirs.shape[:2]:
        raise ValueError(f"local_confidence needs pictures of one size, not {ours.shape[:2]} and {theirs.shape[:2]}")
    shape = ours.shape[:2]
    inside = np.full(shape, 255, np.uint8) if mask is None else np.where(np.asarray(mask) > 0, 255, 0).astype(np.uint8)
    unit = max(shape[1] / 960.0, 0.5)
    bands = [band_pass(part, _FINE * unit, _COARSE * unit, inside) for part in (ours, theirs)]
    weights = canonical_planes(bands[0], bands[1], inside)
    if weights is None:
        return np.zeros(shape, np.float32)
    one, two = (np.ascontiguousarray(part @ weight, np.float32) for part, weight in zip(bands, weights, strict=True))
    alike, energy = _likeness(one, two, inside > 0, _NEIGHBOURHOOD * unit)
    around, _ = _likeness(one, two, inside > 0, _AROUND * unit)
    speaking = (inside > 0) & (energy > 2.0 * _STILL)
    usual = max(float(np.median(alike[speaking])) if speaking.any() else 0.0, _EXPECTED)
    found = _rise(alike / usual, *_NEARBY) * _rise(around / usual, *_SURROUNDED)
    return np.where(inside > 0, found, np.float32(0.0)).astype(np.float32)


def _rise(values: FloatArray, none: float, full: float) -> FloatArray:
    """0 up to ``none``, 1 from ``full``, smooth between."""
    part = np.clip((values - none) / (full - none), 0.0, 1.0)
    return np.asarray(part * part * (3.0 - 2.0 * part), np.float32)


def _likeness(one: FloatArray, two: FloatArray, inside: npt.NDArray[np.bool_], sigma: float) -> tuple[FloatArray, FloatArray]:
    """Likeness -1..1 and the energy there as a share of the mean, both (H, W); ``one`` and ``two`` have unit variance."""
    weight = inside.astype(np.float32)
    near = np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-3)
    middle = [float(plane[inside].mean()) for plane in (one, two)]
    level = [max(float(plane[inside].std()), 1e-6) for plane in (one, two)]
    first, second = ((plane - m) / s * weight for plane, m, s in zip((one, two), middle, level, strict=True))
    product, energy = (
        np.asarray(cv2.GaussianBlur(part, (0, 0), sigma), np.float32) / near
        for part in (first * second, 0.5 * (first**2 + second**2))
    )
    return (product + 0.5 * _STILL) / (energy + 0.5 * _STILL), energy
