"""Do the pairs agree on colour, and do those to learn from have the colours of those held out?

All of it on means of cells, in which grain has gone. What the pairs say of a colour is a polynomial of the second degree in
coded Y, Cb and Cr, fitted by least squares to the cells of the other pairs: one pair that says something else than all
others, where it has their colours, is found by leaving each out in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from film_recovery.contract.findings import Finding
from film_recovery.images.familiar import LOW, FamiliarColours, confidence_at, in_units
from film_recovery.pairs.explain import name_colour
from film_recovery.training.guidance.views import View, frames_text

_FEWEST = 3  # training pairs from which on they can outvote one
_RIDGE = 1e-4
_KNOWN = 1.0  # distance to the colours of the others up to which a cell is judged
_LEAST_CELLS = 30
_OFF, _OFF_LEVEL = 0.012, 0.022  # coded Cb, Cr: mean error that counts, and where it is a level, which training takes off
_TIMES, _TIMES_WORST = 2.2, 1.6  # times the median and the largest of what the other pairs are off among themselves
_LEVEL = 0.7  # of the squared error: so much in one common shift is a level, not another law
_UNFAMILIAR = 0.2  # share of a held-out picture
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Stray:
    """A pair whose colour the others do not foretell: ``error`` is its root mean square in coded Cb and Cr, ``usual`` the
    median of the others' among themselves; ``shift`` (Cb, Cr) the part that is common to the whole picture."""

    frame: int
    held_out: bool
    error: float
    usual: float
    shift: tuple[float, float]

    @property
    def is_level(self) -> bool:
        """Whether one shift of the whole picture explains it."""
        return self.shift[0] ** 2 + self.shift[1] ** 2 > _LEVEL * self.error**2


def find_strays(views: Sequence[View]) -> list[Stray]:
    """Pairs that say something else of colour than the training pairs; training pairs are found one after the other, the worst
    first, as long as enough are left to outvote them."""
    said = _Said(views)
    kept = [place for place, view in enumerate(views) if not view.held_out]
    found: list[Stray] = []
    while len(kept) >= _FEWEST:
        stray = said.worst(kept)
        if stray is None:
            break
        found.append(stray)
        kept = [place for place in kept if views[place].frame != stray.frame]
    if len(kept) < 2:
        return found
    among = said.among(kept)
    for place in (place for place, view in enumerate(views) if view.held_out):
        stray = said.stray(place, kept, among)
        if stray is not None:
            found.append(stray)
    return found


def judge_agreement(views: Sequence[View], task: str) -> list[Finding]:
    """Pairs of which the colour is not that of the others; chroma recovery alone learns colour from the reference."""
    if task != "chroma":
        return []
    findings, strays = [], find_strays(views)
    for stray in (stray for stray in strays if not stray.held_out):
        if stray.is_level:
            findings.append(Finding(
                "other-colour",
                f"The reference of frame {stray.frame} has a cast that those of the other pairs have not: "
                f"{_shift_words(stray.shift)}.",
                "Take a frame beside it, or balance this reference like the others: the model would learn to flicker.",
                [stray.frame],
            ))  # fmt: skip
        else:
            findings.append(Finding(
                "other-colour",
                f"The colour of the reference of frame {stray.frame} is not what the other pairs say: {_of_255(stray.error)} "
                f"of 255 off, among themselves {_of_255(stray.usual)}.",
                "It is of another grade, print or scene light: leave this pair out, or train another model for frames like it.",
                [stray.frame],
            ))  # fmt: skip
    held = [stray for stray in strays if stray.held_out and not stray.is_level]
    if held:
        frames = [stray.frame for stray in sorted(held, key=lambda stray: -stray.error)]
        findings.append(Finding(
            "wrong-hue",
            f"In held-out {frames_text(frames)} colours have other hues in the reference than the training pairs teach: "
            f"{_of_255(max(stray.error for stray in held))} of 255 off.",
            f"Frames like {frames[0]} will come out wrong: add one as a pair if its reference is right, or look whether the "
            "references of the training pairs are of one grade.", frames,
        ))  # fmt: skip
    return findings


def judge_familiarity(views: Sequence[View]) -> list[Finding]:
    """Held-out frames of which much has colours that no training pair has."""
    training, shares = [view for view in views if not view.held_out], {}
    colours = FamiliarColours.of([view.cells for view in training], [view.believed for view in training])
    if colours is None:
        return []
    unlike: dict[int, str] = {}
    for view in (view for view in views if view.held_out):
        unknown = confidence_at(colours.distance(view.cells)) < LOW
        shares[view.frame] = float(unknown.mean())
        if shares[view.frame] > _UNFAMILIAR:
            unlike[view.frame] = name_colour(np.asarray(np.median(view.cells[unknown], axis=0), np.float32))
    if not unlike:
        return []
    frames = sorted(unlike, key=lambda frame: -shares[frame])
    return [Finding(
        "unfamiliar-colours",
        f"In held-out {frames_text(frames)} up to {shares[frames[0]]:.0%} of the picture has colours that no training pair "
        f"has, most of them {unlike[frames[0]]}.",
        f"What becomes of frames like {frames[0]} is a guess: add one as a pair.", frames,
    )]  # fmt: skip


class _Said:
    """What each pair says of colour, as sums that can be added up and solved for any choice of pairs."""

    def __init__(self, views: Sequence[View]) -> None:
        self._views = views
        self._terms = [_terms(view.cells[view.believed]) for view in views]
        self._changes = [(view.wanted - view.cells)[view.believed][:, 1:].astype(np.float64) for view in views]
        self._normal = [terms.T @ terms for terms in self._terms]
        self._right = [terms.T @ change for terms, change in zip(self._terms, self._changes, strict=True)]
        units = [in_units(view.cells[view.believed]) for view in views]
        trees = [cKDTree(one) if len(one) else None for one in units]
        self._near = [
            [
                np.zeros(len(one), bool) if tree is None else tree.query(one, distance_upper_bound=_KNOWN)[0] < _KNOWN
                for tree in trees
            ]
            for one in units
        ]

    def worst(self, kept: Sequence[int]) -> Stray | None:
        """The pair without which the others agree best, if it is far from what they say."""
        found = []
        for place in kept:
            others = [other for other in kept if other != place]
            stray = self.stray(place, others, self.among(others))
            if stray is not None:
                found.append(stray)
        return max(found, key=lambda stray: stray.error / stray.usual, default=None)

    def stray(self, place: int, others: Sequence[int], among: Sequence[float]) -> Stray | None:
        """The pair as a stray among the others, whose errors ``among`` themselves are given; None if it is none."""
        error, shift = self._error(place, others)
        view, usual = self._views[place], max(float(np.median(among)), 1e-3)
        stray = Stray(view.frame, view.held_out, error, usual, shift)
        least = _OFF_LEVEL if stray.is_level else _OFF
        return stray if error > max(_TIMES * usual, _TIMES_WORST * max(among), least) else None

    def among(self, kept: Sequence[int]) -> list[float]:
        """Errors of pairs among themselves, each foretold by the others."""
        return [self._error(place, [other for other in kept if other != place])[0] for place in kept]

    def _error(self, place: int, others: Sequence[int]) -> tuple[float, tuple[float, float]]:
        """Root mean square of what the others foretell of a pair's Cb and Cr, and the median of the difference."""
        judged = np.logical_or.reduce([self._near[place][other] for other in others]) if others else np.zeros(0, bool)
        if np.count_nonzero(judged) < _LEAST_CELLS:
            return 0.0, (0.0, 0.0)
        normal = np.sum([self._normal[other] for other in others], axis=0)
        normal = normal + _RIDGE * float(np.trace(normal)) / len(normal) * np.eye(len(normal))
        weights = np.linalg.solve(normal, np.sum([self._right[other] for other in others], axis=0))
        left = self._changes[place][judged] - self._terms[place][judged] @ weights
        size = np.sqrt((left**2).sum(axis=1))
        left = left[size <= np.quantile(size, 0.95)]  # without what moved or was dirty in one of the two
        shift = np.median(left, axis=0)
        return float(np.sqrt((left**2).sum(axis=1).mean())), (float(shift[0]), float(shift[1]))


def _terms(ycbcr: npt.NDArray[np.float32]) -> FloatArray:
    """(N, 3) to the ten terms of a polynomial of the second degree."""
    y, b, r = (ycbcr[:, axis].astype(np.float64) for axis in range(3))
    return np.stack([np.ones_like(y), y, b, r, y * y, b * b, r * r, y * b, y * r, b * r], axis=1)


def _of_255(value: float) -> str:
    return f"{value * 255:.0f}" if value * 255 >= 2 else f"{value * 255:.1f}"


def _shift_words(shift: tuple[float, float]) -> str:
    blue, red = shift
    words = [f"{abs(value) * 255:.0f} of 255 more {names[value < 0]}"
             for value, names in ((blue, ("blue", "yellow")), (red, ("red", "cyan"))) if abs(value) * 255 >= 1.5]  # fmt: skip
    return " and ".join(words) or "a slight one"
