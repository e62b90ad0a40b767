"""The most probable way in which two series of frames run side by side, each with frames that the other lacks.

A pair hidden Markov model (Durbin, Eddy, Krogh, Mitchison 1998, *Biological Sequence Analysis*, chapter 4) with three states:
two frames match, a frame of a has no partner, a frame of b has none. Both series keep their order. Only a band of the matrix
of all pairs is looked at, every row as wide as it is, so that a reel of 10 000 frames stays small, also where it lost half of
them at one place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Natural logarithms. A loss begins at one frame in twenty and goes on for long once it has begun.
_BEGIN_GAP, _GO_ON, _END_GAP, _TURN = np.log(0.05), np.log(0.93), np.log(0.05), np.log(0.02)
_STAY = np.log(0.90)
_NEVER = -np.inf


@dataclass(frozen=True)
class Band:
    """Which pairs may match: for row ``i`` the columns ``first[i]`` to ``last[i]``, both included, ascending with the rows.

    ``score`` holds for each row, ``last[i] - first[i] + 1`` float32, the logarithm of how much more likely a pair shows one
    picture than two, for column ``first[i] + k``. ``columns`` is how many columns there are altogether.
    """

    first: IntArray
    last: IntArray
    score: Sequence[npt.NDArray[np.float32]]
    columns: int


@dataclass(frozen=True)
class Path:
    """Matched pairs in order: ``rows`` and ``columns`` (P,), and ``probability``, row by row that of every pair of the band."""

    rows: IntArray
    columns: IntArray
    probability: Sequence[npt.NDArray[np.float32]]


def most_probable_path(band: Band) -> Path:
    """The chain of pairs with the greatest expected number of right ones, and how probable every pair is.

    The chain maximises the sum of posterior probabilities; this is steadier than the single most probable path where the
    picture stands still.
    """
    forward, backward = _sweep(band), _sweep(_mirrored(band))
    probability = []
    for score, there, back in zip(band.score, forward.match, reversed(backward.match), strict=True):
        with np.errstate(invalid="ignore"):
            log = there + back[::-1] - np.where(np.isfinite(score), score, 0.0) - forward.total
        probability.append(np.where(np.isfinite(log), np.exp(np.minimum(log, 0.0)), 0.0).astype(np.float32))
    rows, columns = _best_chain(band, probability)
    return Path(rows, columns, probability)


@dataclass(frozen=True)
class _Sweep:
    match: list[Array]  # row by row: log-probability of all ways up to and with this pair
    total: float


def _sweep(band: Band) -> _Sweep:
    """Forward algorithm. State rows are kept for all columns of the band's row, one to the left of it included."""
    match: list[Array] = []
    before_first, before_last = 0, int(band.columns)
    # Before the first row: nothing matched yet, some frames of b may have been passed over. What begins as after a match ends
    # as before one, so that the sweep from the other end sees the same probabilities.
    consumed = np.arange(band.columns + 1)
    m_before = np.where(consumed == 0, 0.0, _NEVER)
    x_before = np.full(band.columns + 1, _NEVER)
    y_before = np.where(consumed > 0, _BEGIN_GAP + _GO_ON * (consumed - 1), _NEVER)
    for row, score in enumerate(band.score):
        first, last = int(band.first[row]), int(band.last[row])
        # Columns are counted as "consumed": a state at c has used up c frames of b. This row spans first .. last + 1.
        m_here = np.full(last - first + 2, _NEVER)
        m_old, x_old, y_old = (
            _cut(part, before_first, before_last, first - 1, last + 1) for part in (m_before, x_before, y_before)
        )
        entering = np.logaddexp(np.logaddexp(m_old[:-1] + _STAY, x_old[:-1] + _END_GAP), y_old[:-1] + _END_GAP)
        m_here[1:] = entering[1:] + score
        match.append(m_here[1:])
        x_here = np.logaddexp(m_old[1:] + _BEGIN_GAP, x_old[1:] + _GO_ON)
        y_here = _run_along(np.logaddexp(m_here + _BEGIN_GAP, x_here + _TURN))
        m_before, x_before, y_before, before_first, before_last = m_here, x_here, y_here, first, last + 1
    # Every way ends after the last column: those that ended their matches before have run along to there.
    m_last, x_last, y_last = float(m_before[-1]), float(x_before[-1]), float(y_before[-1])
    left = band.columns - before_last
    if left == 0:
        return _Sweep(match, float(np.logaddexp(m_last + _STAY, np.logaddexp(x_last, y_last) + _END_GAP)))
    passing = np.logaddexp(m_last + _BEGIN_GAP, np.logaddexp(x_last + _TURN, y_last + _GO_ON))
    return _Sweep(match, float(passing + _GO_ON * (left - 1) + _END_GAP))


def _run_along(source: Array) -> Array:
    """Passing over frames of b: ``y[c] = log(exp(source[c - 1]) + exp(y[c - 1] + GO_ON))``, as one running sum."""
    steps = _GO_ON * np.arange(len(source))
    run = np.logaddexp.accumulate(source - steps)
    result = np.full(len(source), _NEVER)
    result[1:] = run[:-1] + steps[:-1]
    return result


def _cut(part: Array, first: int, last: int, new_first: int, new_last: int) -> Array:
    """The values of columns ``new_first`` to ``new_last`` of a row that spans ``first`` to ``last``; never outside of it."""
    result = np.full(new_last - new_first + 1, _NEVER)
    low, high = max(first, new_first), min(last, new_last)
    if low <= high:
        result[low - new_first : high - new_first + 1] = part[low - first : high - first + 1]
    return result


def _mirrored(band: Band) -> Band:
    """The same band seen from the end."""
    first, last = band.columns - 1 - band.last[::-1], band.columns - 1 - band.first[::-1]
    return Band(first, last, [score[::-1] for score in reversed(band.score)], band.columns)


def _best_chain(band: Band, probability: Sequence[npt.NDArray[np.float32]]) -> tuple[IntArray, IntArray]:
    """The ascending chain of pairs with the largest sum of probabilities (maximum expected accuracy)."""
    rows = len(band.first)
    came_from: list[npt.NDArray[np.int8]] = []
    best_before, before_first, before_last = np.zeros(band.columns + 1), 0, int(band.columns)
    for row in range(rows):
        first, last = int(band.first[row]), int(band.last[row])
        old = _held(best_before, before_first, before_last, first, last + 1)
        diagonal = np.full(last - first + 2, _NEVER)
        diagonal[1:] = old[:-1] + probability[row]
        here = np.maximum(old, diagonal)
        running = np.maximum.accumulate(here)
        choice = np.where(running > here, 2, np.where(diagonal > old, 1, 0)).astype(np.int8)
        came_from.append(choice)
        best_before, before_first, before_last = running, first, last + 1
    chain = []
    column = before_last
    for row in range(rows - 1, -1, -1):
        first, last = int(band.first[row]), int(band.last[row])
        column = min(column, last + 1)
        while column > first and came_from[row][column - first] == 2:
            column -= 1
        if column > first and came_from[row][column - first] == 1:
            chain.append((row, column - 1))
            column -= 1
    chain.reverse()
    pairs = np.array(chain, np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _held(part: Array, first: int, last: int, new_first: int, new_last: int) -> Array:
    """Like :func:`_cut`, for running maxima: right of the old row its last value still holds."""
    columns = np.arange(new_first, new_last + 1)
    result = part[np.clip(columns - first, 0, last - first)].copy()
    result[columns < first] = _NEVER if first > 0 else 0.0
    return result
