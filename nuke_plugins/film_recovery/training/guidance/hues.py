"""Where what the model gives has another hue than the target, colour by colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from film_recovery.contract.findings import Finding
from film_recovery.pairs.explain import name_colour
from film_recovery.training.guidance.views import View

_COLOURED = 0.06  # coded chroma of the target, from which on a hue can be wrong
_OFF = 0.04  # coded Cb, Cr: mean error of one colour
_TURNED = 0.5  # of the error: across the colour, a turn of hue and not a paler one
_AREA = 0.02  # of the picture
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class WrongHue:
    """In ``frame`` the colour ``wanted`` (in words) comes out as ``given``, over ``share`` of the picture; ``error`` coded."""

    frame: int
    wanted: str
    given: str
    share: float
    error: float


def wrong_hues(view: View, recovered: FloatArray) -> list[WrongHue]:
    """Colours of one pair that come out wrong, the worst first; ``recovered`` (h, w, 3) are the model's cells, coded YCbCr."""
    chroma = np.hypot(view.wanted[..., 1], view.wanted[..., 2])
    judged = view.believed & (chroma > _COLOURED)
    hue = np.floor(np.arctan2(view.wanted[..., 2], view.wanted[..., 1]) / (np.pi / 6.0)).astype(int)
    found = []
    for sector in np.unique(hue[judged]):
        there = judged & (hue == sector)
        share = float(there.mean())
        if share < _AREA:
            continue
        wanted, given = view.wanted[there].mean(axis=0), recovered[there].mean(axis=0)
        error = (given - wanted)[1:].astype(np.float64)
        size = float(np.hypot(*error))
        across = abs(float(wanted[1] * error[1] - wanted[2] * error[0])) / max(float(np.hypot(*wanted[1:])), 1e-6)
        if size > _OFF and across > _TURNED * size:
            found.append(WrongHue(view.frame, name_colour(wanted), name_colour(given), share, size))
    return sorted(found, key=lambda one: -one.error * one.share)


def judge_hues(views: Sequence[View], recovered: Mapping[int, FloatArray]) -> list[Finding]:
    """Held-out frames in which a colour comes out with another hue; ``recovered`` are the model's cells by frame."""
    held = [view for view in views if view.held_out and view.frame in recovered]
    found = [one for view in held for one in wrong_hues(view, recovered[view.frame])]
    if not found:
        return []
    worst = max(found, key=lambda one: one.error * one.share)
    frames = list(dict.fromkeys([worst.frame, *(one.frame for one in found)]))
    comes = f"come out as {worst.given}" if worst.given != worst.wanted else "come out with another hue"
    return [Finding(
        "wrong-hue",
        f"In held-out frame {worst.frame} {worst.wanted} ({worst.share:.0%} of the picture) {comes}, {worst.error * 255:.0f} "
        "of 255 off.",
        f"Frames like {worst.frame} are wrong: add one as a pair.", frames,
    )]  # fmt: skip
