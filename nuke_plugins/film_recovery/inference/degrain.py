"""Grain of the source that a spatial recovery has left: averaged over five frames along the motion.

Grain is another one in every frame and the picture is not, so what follows the motion adds up and grain does not. The recovered
luma of the two frames before and after is laid on the frame's own by optical flow (DIS; Kroeger et al., *Fast Optical Flow
using Dense Inverse Search*, ECCV 2016), taken between recovered lumas, where there is less grain to mislead it. A neighbour
counts as far as it shows the same: its weight falls off where a patch differs by more than quiet patches do, which is grain,
and where the small pictures of the source differ.

Only what is finer than about sixteen pixels is averaged. The level of every place stays the frame's own, and with it flicker,
fades and flashes. Colour stays as it is.

Each frame depends on a fixed window, so that chunks give the same bits as the whole range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.contract.card import ModelCard
from film_recovery.images import single
from film_recovery.images.colour import luma_coefficients
from film_recovery.inference.shimmer import Tie, falling

_FLOW_WIDTH = 768  # pixels: finer motion is not worth its time
_FLOW_BLUR = 1.0  # of those pixels
_EXPOSED = (0.5, 99.5)  # percentiles of luma that the flow sees apart
_LEVEL = 6.0  # pixels: what a Gaussian of this deviation leaves is level and not averaged
_COARSER = 4  # so much smaller is the picture that the level is taken of
_PATCH = 7  # pixels a side
_QUIET = 0.25  # share of the patches that show the same and hardly move, so that they differ by grain alone, in any picture
_TO_MEDIAN = 1.15  # what patches usually differ by, over what so many of them do, where there is nothing but grain
_CONSTANT = 1e-4  # coded luma: patches that differ by less on average, as of bars and crushed blacks, tell nothing of grain
_SAMPLED = 4  # every fourth patch a side tells what patches usually differ by
_SMALLEST = 32  # pixels a side of what flow is taken of; of less than 16 OpenCV's crashes
_LEAST = 1e-6  # coded luma: keeps a quotient of nothing by nothing finite
_TRUSTED = 0.5  # a small picture's weight from which it says nothing against a neighbour: half of all are under 0.64 by grain

FloatArray = npt.NDArray[np.float32]
Plane = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Averaged:
    """A ``change`` of coded luma, (H, W), and the share of the grain's power that is ``left`` after it, 0 to 1."""

    change: FloatArray
    left: float


def coded_luma(rgb: FloatArray, card: ModelCard) -> FloatArray:
    """Coded luma, (H, W), of a picture in the working space, (H, W, 3)."""
    coded = single.by_bands(lambda rows: single.encoded(rows, card.encoding), rgb)
    return np.asarray(cv2.transform(coded, luma_coefficients(card.matrix)[None].astype(np.float32)), np.float32)


def average(ours: FloatArray, beside: Sequence[tuple[Tie, FloatArray]]) -> Averaged:
    """What averaging does to a frame's recovered :func:`coded_luma`; ``beside`` are those of the frames that it is tied to.

    Pictures that are too small for flow stay as they are, and those of another size count nothing.
    """
    if min(_flow_size(ours)) < _SMALLEST:
        return Averaged(np.zeros_like(ours), 1.0)
    seen = _plane(ours)
    total, weights, squares = np.zeros_like(ours), np.ones_like(ours), np.ones_like(ours)
    differs = np.zeros(ours.shape, bool)
    for tied, theirs in beside:
        if theirs.shape != ours.shape:  # their small pictures may be of one size
            continue
        whole = _laid_on(seen, theirs) - ours
        difference = _without_level(whole)
        squared = cv2.blur(np.square(difference), (_PATCH, _PATCH), borderType=cv2.BORDER_REFLECT)
        away = np.sqrt(np.maximum(squared, 0.0))  # OpenCV's running sums go below zero by rounding
        grainy = cv2.blur(np.abs(whole), (_PATCH, _PATCH), borderType=cv2.BORDER_REFLECT) > _CONSTANT
        differs |= grainy
        told = away[::_SAMPLED, ::_SAMPLED][grainy[::_SAMPLED, ::_SAMPLED]]
        usual = max(_TO_MEDIAN * float(np.quantile(told, _QUIET)) if told.size else 0.0, _LEAST)
        weight = falling(np.maximum(away / np.float32(usual) - 1.0, 0.0))
        trust = cv2.resize(tied.weight, ours.shape[::-1], interpolation=cv2.INTER_LINEAR)
        weight *= np.minimum(trust / np.float32(_TRUSTED), 1.0)
        total += difference * weight
        weights += weight
        squares += np.square(weight)
    left = squares / np.square(weights)
    return Averaged(_without_level(total / weights), float(np.mean(left[differs] if differs.any() else left)))


def with_luma_change(rgb: FloatArray, change: FloatArray, card: ModelCard) -> FloatArray:
    """A picture in the working space, (H, W, 3), with a change of its coded luma, (H, W); coded Cb and Cr stay."""

    def rows(values: FloatArray, added: FloatArray) -> FloatArray:
        return single.decoded(single.encoded(values, card.encoding) + added, card.encoding)

    return single.by_bands(rows, rgb, np.asarray(cv2.merge([change] * 3), np.float32))


def _without_level(picture: FloatArray) -> FloatArray:
    height, width = picture.shape
    size = (max(width // _COARSER, 1), max(height // _COARSER, 1))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), _LEVEL / _COARSER, borderType=cv2.BORDER_REFLECT)
    return np.asarray(picture - cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _laid_on(seen: Plane, theirs: FloatArray) -> FloatArray:
    """``theirs`` where it shows what is ``seen``, the :func:`_plane` of a frame of the same size."""
    height, width = theirs.shape
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(seen, _plane(theirs), None)
    large = cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR)
    y, x = np.indices(theirs.shape, np.float32)
    x += large[..., 0] * np.float32(width / seen.shape[1])
    y += large[..., 1] * np.float32(height / seen.shape[0])
    return np.asarray(cv2.remap(theirs, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _plane(luma: FloatArray) -> Plane:
    """What flow is taken of: small, with little grain, from the darkest to the brightest that there is."""
    small = cv2.GaussianBlur(cv2.resize(luma, _flow_size(luma), interpolation=cv2.INTER_AREA), (0, 0), _FLOW_BLUR)
    low, high = np.percentile(small[::_SAMPLED, ::_SAMPLED], _EXPOSED)
    scale = 255.0 / max(float(high - low), _LEAST)
    return np.asarray(np.clip((small - low) * scale, 0.0, 255.0), np.uint8)


def _flow_size(luma: FloatArray) -> tuple[int, int]:
    """Width and height."""
    height, width = luma.shape
    return min(width, _FLOW_WIDTH), round(height * min(width, _FLOW_WIDTH) / width)
