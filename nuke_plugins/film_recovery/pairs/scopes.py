"""Which parts of a film one model is for, and where one model would have to serve two masters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from film_recovery.pairs.looks import Looks

_ALIKE = 0.62  # Bhattacharyya coefficient of two stretches of film that are of one scene
_WORTH, _LEAST = 0.25, 4.0 / 255.0  # share of the conflict that a split must end; conflict below which none is needed, coded
_SHORTEST = 12  # frames that a scope split off must have
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scope:
    """Rows ``first`` to ``last`` (with it) of the source."""

    name: str
    first: int
    last: int

    @property
    def rows(self) -> range:
        """All of them."""
        return range(self.first, self.last + 1)


@dataclass(frozen=True)
class Split:
    """A scope that two models would serve better, parted at row ``at``; one mapping is wrong by ``before`` on average (root
    mean square of Cb and Cr, coded), two by ``after``."""

    at: int
    before: float
    after: float


def make_scopes(kind: str, shots: Sequence[tuple[int, int]], looks: Looks) -> list[Scope]:
    """The scopes of a film: its ``shot``s, its ``scene``s (neighbouring shots of like looks) or the one ``sequence``.

    ``shots`` are (first, one past the last) rows.
    """
    if kind == "sequence":
        return [Scope("sequence", 0, shots[-1][1] - 1)] if shots else []
    if kind == "shot":
        return [Scope(f"shot {index + 1}", first, last - 1) for index, (first, last) in enumerate(shots)]
    smooth = _blurred_shares(looks)
    scenes: list[tuple[int, int]] = []
    for first, last in shots:
        if scenes and _alike(smooth[scenes[-1][0] : scenes[-1][1]], smooth[first:last]) >= _ALIKE:
            scenes[-1] = (scenes[-1][0], last)
        else:
            scenes.append((first, last))
    return [Scope(f"scene {index + 1}", first, last - 1) for index, (first, last) in enumerate(scenes)]


def _blurred_shares(looks: Looks) -> FloatArray:
    """Shares (N, M), spread over neighbouring looks so that near colours count as like ones."""
    steps = looks.centres.astype(np.float64) / np.array([0.10, 0.04, 0.04])
    near = np.exp(-0.5 * ((steps[:, None] - steps[None]) ** 2).sum(axis=-1) / 1.5**2)
    near /= near.sum(axis=1, keepdims=True)
    return np.asarray(looks.shares @ near)


def _alike(first: FloatArray, second: FloatArray) -> float:
    sums = [part.sum(axis=0) for part in (first, second)]
    if not all(part.sum() > 0 for part in sums):
        return 1.0  # without a picture it belongs to what was before
    return float(np.sqrt(sums[0] / sums[0].sum() * sums[1] / sums[1].sum()).sum())


def find_splits(scope: Scope, shots: Sequence[tuple[int, int]], looks: Looks) -> list[Split]:
    """Cuts at which to divide a scope, best first: before and after them, the same source colours have other reference colours.

    The conflict is what is left when one colour of the reference stands for each look of the source, over whole shots; like a
    regression tree, a cut is proposed where two tables end a quarter of it, and then again on each side.
    """
    inside = [(first, last) for first, last in shots if scope.first <= first and last - 1 <= scope.last]
    counts, sums = [], []
    for first, last in inside:
        rows = np.arange(first, last)[looks.known[first:last]]
        shares = looks.shares[rows].astype(np.float64)
        counts.append(shares.sum(axis=0))
        sums.append((shares[..., None] * looks.changes[rows]).sum(axis=0))
    return _split(inside, np.array(counts), np.array(sums)) if len(inside) > 1 else []


def _split(shots: Sequence[tuple[int, int]], counts: FloatArray, sums: FloatArray) -> list[Split]:
    """Recursive; counts (S, M), sums (S, M, 2)."""
    total = float(counts.sum())
    if len(shots) < 2 or total <= 0:
        return []
    whole = _conflict(counts, sums)
    before = float(np.sqrt(whole / total))
    if before < _LEAST:
        return []
    found: list[tuple[float, int]] = []
    for place in range(1, len(shots)):
        lengths = shots[place][0] - shots[0][0], shots[-1][1] - shots[place][0]
        if min(lengths) >= _SHORTEST:
            left = _conflict(counts[:place], sums[:place]) + _conflict(counts[place:], sums[place:])
            found.append((left, place))
    if not found:
        return []
    left, place = min(found)
    after = float(np.sqrt(left / total))
    if after > (1.0 - _WORTH) * before:
        return []
    sides = [_split(shots[part], counts[part], sums[part]) for part in (slice(None, place), slice(place, None))]
    return [Split(shots[place][0], before, after), *sides[0], *sides[1]]


def _conflict(counts: FloatArray, sums: FloatArray) -> float:
    """Sum of squared differences of the shots' mappings from their common one."""
    held = np.maximum(counts, 1e-9)
    own = sums / held[..., None]
    common = sums.sum(axis=0) / np.maximum(counts.sum(axis=0), 1e-9)[:, None]
    return float((counts * ((own - common) ** 2).sum(axis=-1)).sum())
