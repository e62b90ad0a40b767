"""Recovered colour that shimmers where the source does not change: averaged over five frames along the motion.

A network answers to grain, which is another one in every frame, and so the colour of a wall comes and goes by a step or two.
Its recovered Cb and Cr, on small pictures, are averaged with those of the two frames before and after it. These are followed
along the source's motion (Farneback's optical flow, 2003) and count as far as the source shows the same there: a weight falls
off where the densities of the small pictures differ by more than they usually do, which is their grain, and where colours
differ too much to be shimmer. What the average changes is slow over the picture; it is added to the full one, whose detail and
luma stay.

Each frame depends on a fixed window, so that chunks give the same bits as the whole range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.images.colour import rgb_to_ycbcr, ycbcr_to_rgb_matrix
from film_recovery.images.encodings import encode, from_linear
from film_recovery.inference.steady import Deviation, SmallPicture, followed, motion, small_light

_USUAL = 2.0  # of the median difference of two followed pictures: what differs by that counts a quarter
_NARROWEST, _WIDEST = 0.004, 0.06  # density
_ANOTHER = 0.05  # density: a larger median difference is a cut, or motion that cannot be followed
_SHIMMER = 0.02  # coded Cb and Cr: what differs by that counts a quarter; it is five steps of 8-bit video

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Tie:
    """Where a frame's content lies in another frame: ``at`` (h, w, 2), x and y, and how much it is the same, (h, w), 0 to 1."""

    frame: int
    at: FloatArray
    weight: FloatArray


def tie(ours: SmallPicture, theirs: SmallPicture, deviations: tuple[Deviation, Deviation], frame: int) -> Tie | None:
    """How ``ours`` is tied to ``theirs``, which is ``frame``; each has its own flicker in density. None: another shot."""
    if ours.density.shape != theirs.density.shape:
        return None
    at = motion(ours, theirs)
    flicker = np.asarray(np.subtract(deviations[1], deviations[0]), np.float32)
    difference = np.asarray(cv2.blur(followed(theirs.density, at) - ours.density - flicker, (3, 3)), np.float32)
    away = np.abs(difference).max(axis=-1)
    median = float(np.median(away))
    if not median <= _ANOTHER:
        return None
    return Tie(frame, at, falling(away / np.float32(np.clip(_USUAL * median, _NARROWEST, _WIDEST))))


def small_chroma(recovered: FloatArray, encoding: str, matrix: str) -> FloatArray:
    """Coded Cb and Cr, (h, w, 2), of a small picture of what was recovered, working-space RGB (H, W, 3)."""
    coded = encode(from_linear(small_light(recovered, encoding), encoding), encoding)
    return np.ascontiguousarray(rgb_to_ycbcr(coded, matrix)[..., 1:], np.float32)


def unsteadiness(ours: FloatArray, beside: Sequence[tuple[Tie, FloatArray]], matrix: str) -> FloatArray:
    """What takes the shimmer out of a frame: a change of coded RGB, (h, w, 3), without luma.

    ``ours`` is the frame's :func:`small_chroma`, ``beside`` those of the frames that it is tied to.
    """
    total, weights = ours.copy(), np.ones(ours.shape[:2], np.float32)
    for tied, theirs in beside:
        chroma = followed(theirs, tied.at)
        weight = tied.weight * falling(np.abs(chroma - ours).max(axis=-1) / np.float32(_SHIMMER))
        total += chroma * weight[..., None]
        weights += weight
    change = total / weights[..., None] - ours
    return np.asarray(cv2.transform(change, ycbcr_to_rgb_matrix(matrix)[:, 1:].astype(np.float32)), np.float32)


def falling(ratio: FloatArray) -> FloatArray:
    """A weight of 1 at 0, a quarter at 1, next to nothing from 3 on: a squared Cauchy weight."""
    return np.asarray(1.0 / np.square(1.0 + np.square(ratio)), np.float32)
