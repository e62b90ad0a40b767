"""How well a few pairs would serve a whole scope: the expected error of a colour mapping learned from them.

The mapping from source colour to the reference's chroma is taken for a Gaussian process over the looks of the film (Rasmussen
and Williams 2006, chapter 2): a smooth surface that a pair pins down at the colours it holds, better where it holds much of
them, and less and less farther away. What is left at every look, weighted by how much of the scope has it, is the error to
expect; choosing pairs that make it small is the I-optimal design of experiments (Krause, Singh and Guestrin 2008). Where the
reference is known for the whole scope, the error that the surface really makes there is added: so a pair whose colours are
not those of the rest (another grade, a fading of its own) serves less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular

from film_recovery.pairs.looks import Looks

_LUMA_REACH, _CHROMA_REACH = 0.18, 0.10  # coded; how far what was learned at one colour helps at others
_BEND, _TILT = 0.03, 0.02  # coded; usual size of the mapping's bends, and of its constant and linear part
_NOISE = 0.015  # coded; of one pair's word on one look, however much of the frame has it
_ENOUGH = 0.01  # share of a frame at which it says half as much about a look as it can say
_RARE = 0.9  # power of the shares: rare looks count for more than their area
_TRUST = 4.0  # of the squared error that is measured, beside the one that is expected
_HELD_LUMA, _HELD_CHROMA = 0.08, 0.035  # coded; within this a look counts as held by a pair
_HELD_SHARE = 0.002  # share of a frame at which a pair half holds a look
_VIVID = 0.045 * 120.0  # a difference counts for less in a saturated colour (as in CIE94), here by coded chroma
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Expected:
    """What a set of pairs leaves: ``error``, coded, to compare sets with; ``covered`` 0..1, the share of the scope's picture
    whose colours, in their light, some pair holds."""

    error: float
    covered: float


class Coverage:
    """Judges sets of frames for one scope.

    Args:
        looks: of the film.
        scope: rows of the frames to serve.
        trust: (N,) how much each frame's word counts, 0..1; all the same if None.

    ``present`` (L,) are the looks that the scope has, ``mass`` (L,) their shares of its picture.
    """

    def __init__(self, looks: Looks, scope: Sequence[int], trust: FloatArray | None = None) -> None:
        rows = np.asarray(scope, np.int64)
        total = looks.shares[rows].sum(axis=0, dtype=np.float64)
        self.present = np.flatnonzero(total > 0)
        self._looks = looks
        self._trust = np.ones(len(looks.shares)) if trust is None else trust
        mass = total[self.present] / max(total.sum(), 1e-9)
        self.mass = mass
        vivid = np.hypot(looks.shown[self.present, 1], looks.shown[self.present, 2])
        weights = mass**_RARE / (1.0 + _VIVID * vivid)
        self.weights = weights / max(float(weights.sum()), 1e-9)
        centres = looks.centres[self.present].astype(np.float64)
        self._prior = _covariance(centres)
        self._near = np.exp(-0.5 * _apart(centres, _HELD_LUMA, _HELD_CHROMA))
        known = rows[looks.known[rows]]
        shares = looks.shares[known][:, self.present].astype(np.float64)
        seen = shares.sum(axis=0)
        changes = looks.changes[known][:, self.present].astype(np.float64)
        self._truth = (changes * shares[..., None]).sum(axis=0) / np.maximum(seen, 1e-9)[:, None]
        self._is_known = seen > 0

    def expect(self, chosen: Sequence[int]) -> Expected:
        """What is to be expected of a mapping learned from the rows ``chosen``."""
        variance = np.diag(self._prior).copy()
        learned = np.zeros((len(self.present), 2))
        if len(chosen):
            rows = np.asarray(chosen, np.int64)
            shares = self._looks.shares[rows][:, self.present].astype(np.float64)
            says = shares / (shares + _ENOUGH) * self._trust[rows, None]
            total = says.sum(axis=0)
            at = np.flatnonzero(total > 0.02)
            changes = self._looks.changes[rows][:, self.present[at]].astype(np.float64)
            told = (changes * says[:, at, None]).sum(axis=0) / total[at, None]
            normal = self._prior[np.ix_(at, at)] + np.diag(_NOISE**2 / total[at])
            lower = np.linalg.cholesky(normal)
            spread = solve_triangular(lower, self._prior[at], lower=True, check_finite=False)
            variance -= (spread**2).sum(axis=0)
            learned = spread.T @ solve_triangular(lower, told, lower=True, check_finite=False)
        off = np.where(self._is_known, ((self._truth - learned) ** 2).sum(axis=1), 0.0)
        error = float(self.weights @ np.sqrt(np.maximum(variance, 0.0) + _TRUST * off))
        return Expected(error, float(self.mass @ self.held(chosen)))

    def held(self, chosen: Sequence[int]) -> FloatArray:
        """(L,) 0..1: how well the rows hold each look of the scope, or one that is hardly different."""
        if not len(chosen):
            return np.zeros(len(self.present))
        shares = self._looks.shares[np.asarray(chosen, np.int64)][:, self.present].astype(np.float64)
        there = 1.0 - np.prod(_HELD_SHARE / (shares + _HELD_SHARE), axis=0)
        return np.asarray((self._near * there[None]).max(axis=1))


def _apart(centres: FloatArray, luma: float, chroma: float) -> FloatArray:
    """Squared distances (L, L) in units of ``luma`` and ``chroma``."""
    scaled = centres / np.array([luma, chroma, chroma])
    return np.asarray(((scaled[:, None] - scaled[None]) ** 2).sum(axis=-1))


def _covariance(centres: FloatArray) -> FloatArray:
    """Prior covariance (M, M) of the mapping's change at the looks."""
    apart = _apart(centres, _LUMA_REACH, _CHROMA_REACH)
    spread = centres - centres.mean(axis=0) if len(centres) else centres
    linear = 1.0 + spread @ spread.T * 16.0
    return np.asarray(_BEND**2 * np.exp(-0.5 * apart) + _TILT**2 * linear)
