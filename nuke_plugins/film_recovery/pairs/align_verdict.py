"""Whether an aligned pair can be used, and in words why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.contract.errors import InputError
from film_recovery.images.frame import Window
from film_recovery.pairs.align_measure import Look
from film_recovery.pairs.align_pictures import Elements, grown, scaled, shrunk
from film_recovery.pairs.alignment import Aligned
from film_recovery.pairs.registration import register
from film_recovery.pairs.residual import Agreement

FloatArray = npt.NDArray[np.float32]

NEIGHBOURS = (-1, 1, -2, 2)
_SMALL = 640  # pixels: width at which neighbours are compared
_CLEAR, _SLIGHT = 0.75, 0.9  # of what the pair's own difference is: a neighbour that differs less fits better
_CLEAR_STEP, _SLIGHT_STEP = 0.02, 0.008  # of correlation: and by so much at least
PLAIN = 0.012  # coded deviation below which a picture shows nothing
_BORROWED = 0.25  # correlation at which a pair that could not be registered still shows the same, laid as its neighbours
_WEAK = 0.6  # of the usual correlation of its shot
_LIGHT = 0.25  # coded: change of mean level against the shot's that is a flash or a loss of light
_FAR, _PARTS_FAR = 1.0, 4.0  # pixels of a picture 960 wide: median and 95th percentile that are too much


@dataclass(frozen=True)
class Verdict:
    """One of :data:`film_recovery.contract.curation.VERDICTS` and the reason, empty when aligned."""

    verdict: str
    reason: str = ""


@dataclass(frozen=True)
class Usual:
    """What is usual in a shot: correlation, and mean coded level of both sides."""

    correlation: float
    levels: tuple[float, float]

    @classmethod
    def of(cls, looks: Sequence[Look], agreements: Sequence[Agreement]) -> Usual:
        """The medians; correlations of matching pairs only."""
        good = [found.correlation for found in agreements if found.matches]
        levels = np.median([look.levels for look in looks], axis=0)
        return cls(float(np.median(good)) if good else 0.0, (float(levels[0]), float(levels[1])))


def verdict_of(look: Look, aligned: Aligned, found: Agreement, usual: Usual, has_neighbours: bool, unit: float) -> Verdict:
    """Judge one pair.

    Args:
        look: the first look at it.
        aligned: how it lies.
        found: what was measured then, working pixels.
        usual: of its shot.
        has_neighbours: whether other pairs of the shot speak for themselves.
        unit: working pixels in a pixel of a picture 960 wide.
    """
    if min(look.contrasts) < PLAIN:
        which = " and ".join(n for n, c in zip(("source", "reference"), look.contrasts, strict=True) if c < PLAIN)
        return _leaning(f"the {which} is black or without detail", has_neighbours)
    light = _change_of_light(look, usual)
    if not aligned.supported:
        if has_neighbours and found.correlation >= _BORROWED:
            return _leaning(light or "too weak to be aligned by itself: dissolve, blur or damage", True)
        if light and has_neighbours:
            return Verdict("rejected", f"{light}; nothing of the picture is found again")
        return Verdict("rejected", f"different picture (correlation {found.correlation:.2f})")
    if not found.matches:
        return Verdict("rejected", f"{light or 'different picture'} (correlation {found.correlation:.2f})")
    if not np.isfinite(found.residual_px):
        return Verdict("doubtful", "too little structure to measure how well it lies")
    if found.correlation < _WEAK * usual.correlation:
        return Verdict("doubtful", f"{light or 'much weaker than the rest of its shot: dissolve, blur or damage'}")
    if found.residual_px > _FAR * unit:
        return Verdict("doubtful", f"half of the picture lies {found.residual_px / unit:.1f} px or more off (at 960 px width)")
    if found.residual_p95 > _PARTS_FAR * unit:
        return Verdict("doubtful", f"parts lie {found.residual_p95 / unit:.1f} px or more off (at 960 px width)")
    return Verdict("aligned")


def with_neighbour(own: Verdict, reference: int, fits: Mapping[int, float]) -> Verdict:
    """The verdict when the fits of reference frames beside the pair's are known.

    Args:
        reference: the pair's reference frame.
        fits: correlation by distance in frames; 0 is the pair itself.
    """
    best = max(fits, key=lambda step: fits[step])
    if best == 0 or (own.verdict == "rejected" and fits[best] < 0.5):
        return own
    left, gain = (1.0 - fits[best]) / max(1.0 - fits[0], 1e-6), fits[best] - fits[0]
    words = f"{abs(best)} frame{'s' if abs(best) > 1 else ''} off? Reference frame {reference + best} fits better"
    words = words[0].upper() + words[1:] if not own.reason else words
    if left < _CLEAR and gain > _CLEAR_STEP:
        return Verdict("rejected", words if own.verdict == "aligned" else f"{own.reason}; {words}")
    if left < _SLIGHT and gain > _SLIGHT_STEP and own.verdict != "rejected":
        return Verdict("doubtful", words if own.verdict == "aligned" else f"{own.reason}; {words}")
    return own


def neighbour_fits(elements: Elements, aligned: Aligned, masks: Sequence[Sequence[int]]) -> dict[int, float]:
    """How well the reference frames beside a pair's fit its source: correlation by distance in frames, 0 the pair itself.

    Each is aligned from where the pair lies and compared in a small size, all in the same way. Frames that are not there or
    cannot be read are left out.
    """
    there = set(elements.reference.frames)
    ours, area, ratio = _small(elements, elements.read_source(aligned.source), 0)
    small_masks = [grown(mask, ratio) for mask in masks]
    fits = {}
    for step in (0, *NEIGHBOURS):
        frame = aligned.reference + step
        if frame not in there:
            continue
        try:
            theirs, other, other_ratio = _small(elements, elements.read_reference(frame), 1)
        except InputError:  # absent, damaged, or of another size: nobody has paired it
            continue
        # Warp and perspective are left out: at this size they are less than a pixel, and alike for all.
        inverse = np.linalg.inv(aligned.matrix)
        start = np.diag([other_ratio, other_ratio, 1.0]) @ inverse @ np.diag([1.0 / ratio, 1.0 / ratio, 1.0])
        found = register(ours, theirs, area, other, start=(start / start[2, 2])[:2], masks=small_masks)
        fits[step] = found.correlation
    return fits


def _small(elements: Elements, picture: FloatArray, index: int) -> tuple[FloatArray, Window, float]:
    ratio = min(1.0, _SMALL / picture.shape[1])
    size = scaled((picture.shape[1], picture.shape[0]), ratio)
    small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)
    return small, shrunk(elements.areas[index], ratio), ratio


def _leaning(reason: str, has_neighbours: bool) -> Verdict:
    return Verdict("doubtful", f"{reason}; it lies as its neighbours do") if has_neighbours else Verdict("rejected", reason)


def _change_of_light(look: Look, usual: Usual) -> str:
    """Words when one side is much lighter or darker than the rest of the shot."""
    for name, level, normal in zip(("source", "reference"), look.levels, usual.levels, strict=True):
        if level - normal > _LIGHT:
            return f"flash in the {name}"
        if normal - level > _LIGHT:
            return f"the {name} is much darker than the rest of its shot"
    return ""
