"""How unlike two frames are, fine enough to tell a frame from its neighbours.

Frames are compared as vectors of mean 0 and length 1, sampled from the detail planes. Between true partners remain weave,
grain, blur and whatever the copying did. Weave is taken off by the best small shift, which costs the more the larger it is.
What stays the same over neighbouring pairs (an edge that one element shows softer, dirt in the gate) is learnt from them and
taken off too; without that a slow gesture would drown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.elements.framing import Framing, blurred, grid_positions, sample, unit_vectors

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
Details = npt.NDArray[np.int8]

GRID, MARGIN = (160, 90), 0.08
_BLUR = 0.7  # detail pixels
_SHIFT_COST = 0.02  # of the mean squared slope: weave of a thousandth or two of the width is nearly free
_ROWS, _COLUMNS = 40, 384  # frames in memory at once
_NEIGHBOURS, _NEAR = 24, 40  # pairs to learn from, and how many rows off they may be
_LEAST_NEIGHBOURS = 6
_MOTIONS = 8  # directions of motion that a pattern may not hold


@dataclass(frozen=True)
class Looks:
    """Frames sampled for comparison, (N, P) each: values, and slopes to the right and down per grid step."""

    values: FloatArray
    across: FloatArray
    down: FloatArray


def looks(details: Details, framing: Framing | None = None) -> Looks:
    """Sample frames (N, 108, 192); with a framing at the places where b shows what a shows on the grid."""
    positions = grid_positions(*GRID, MARGIN)
    values = unit_vectors(sample(blurred(details, _BLUR), positions if framing is None else framing.apply(positions)))
    shaped = values.reshape(-1, GRID[1], GRID[0])
    across = np.asarray([cv2.Sobel(plane, cv2.CV_32F, 1, 0, scale=1 / 8) for plane in shaped], np.float32)
    down = np.asarray([cv2.Sobel(plane, cv2.CV_32F, 0, 1, scale=1 / 8) for plane in shaped], np.float32)
    return Looks(values, across.reshape(len(values), -1), down.reshape(len(values), -1))


def unlikeness(ours: Looks, theirs: Looks, pattern: FloatArray | None = None) -> FloatArray:
    """Squared distance (N, M) of every frame to every other after the best small shift: 0 alike, 2 unrelated.

    ``pattern`` (P,) is what a has more than b wherever they are partners; it is taken off a first.
    """
    values, across, down = theirs.values, theirs.across, theirs.down
    mine = ours.values if pattern is None else ours.values - pattern
    distance = (mine**2).sum(axis=1)[:, None] + (values**2).sum(axis=1)[None] - 2.0 * (mine @ values.T)
    ax = mine @ across.T - (values * across).sum(axis=1)
    ay = mine @ down.T - (values * down).sum(axis=1)
    xx, xy, yy = _shift_system(theirs)
    gained = (yy * ax * ax - 2.0 * xy * ax * ay + xx * ay * ay) / (xx * yy - xy * xy)
    return np.asarray(np.maximum(distance - gained, 1e-5), np.float32)


def usual_difference(ours: Looks, theirs: Looks, motion: FloatArray) -> FloatArray:
    """What pairs of partners, row by row the same, have in common: (P,) that a has more than b.

    Part of it may come of partners that are all one frame off; in a steady pan that part looks like any other. So whatever lies
    along the usual ``motion`` (N, P), the change of b per frame, is left out.
    """
    left = ours.values - theirs.values
    ax, ay = (left * theirs.across).sum(axis=1), (left * theirs.down).sum(axis=1)
    xx, xy, yy = _shift_system(theirs)
    determinant = xx * yy - xy * xy
    left = left - ((yy * ax - xy * ay) / determinant)[:, None] * theirs.across
    left = left - ((xx * ay - xy * ax) / determinant)[:, None] * theirs.down
    pattern = np.median(left, axis=0)
    _, strength, directions = np.linalg.svd(motion, full_matrices=False)
    moving = directions[:_MOTIONS][strength[:_MOTIONS] > 1e-6]
    return np.asarray(pattern - (pattern @ moving.T) @ moving, np.float32)


def _shift_system(theirs: Looks) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The normal equations of the best shift of each frame, (N,) each: xx, xy, yy, with what a shift costs."""
    xx, yy = (theirs.across**2).sum(axis=1), (theirs.down**2).sum(axis=1)
    xy = (theirs.across * theirs.down).sum(axis=1)
    cost = _SHIFT_COST * 0.5 * float((xx + yy).mean()) + 1e-9
    return xx + cost, xy, yy + cost


def banded_unlikeness(
    details_a: Details,
    details_b: Details,
    framing: Framing,
    first: IntArray,
    last: IntArray,
    known: tuple[IntArray, IntArray] | None = None,
    go_on: Callable[[], None] = lambda: None,
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Unlikeness of the pairs of a band, row by row: as they are, and less what partners nearby usually differ by.

    Column ``first[i] + k`` of row ``i``, up to ``last[i]``, stands at ``k``. ``known`` are pairs found before,
    rows and columns ascending, to learn from; without them both results are the same. A few dozen frames are in memory at once.
    ``go_on`` is called again and again; what it raises ends the work.
    """
    rows = len(first)
    plain = [np.full(int(width) + 1, np.inf, np.float32) for width in last - first]
    learnt = plain if known is None else [row.copy() for row in plain]
    for begin in range(0, rows, _ROWS):
        go_on()
        end = min(begin + _ROWS, rows)
        ours = looks(details_a[begin:end])
        pattern = _pattern_near(details_a, details_b, framing, known, (begin + end) // 2)
        low, high = int(first[begin:end].min()), int(last[begin:end].max())
        for start in range(low, high + 1, _COLUMNS):
            stop = min(start + _COLUMNS, high + 1)
            theirs = looks(details_b[start:stop], framing)
            blocks = [(plain, unlikeness(ours, theirs))]
            if known is not None:
                blocks.append((learnt, blocks[0][1] if pattern is None else unlikeness(ours, theirs, pattern)))
            for result, block in blocks:
                for row in range(begin, end):
                    left, right = max(int(first[row]), start), min(int(last[row]) + 1, stop)
                    if left < right:
                        result[row][left - first[row] : right - first[row]] = block[row - begin, left - start : right - start]
    return plain, learnt


def _pattern_near(
    details_a: Details, details_b: Details, framing: Framing, known: tuple[IntArray, IntArray] | None, row: int
) -> FloatArray | None:
    if known is None:
        return None
    away = np.abs(known[0] - row)
    near = np.sort(np.argsort(away, kind="stable")[:_NEIGHBOURS])
    near = near[away[near] <= _NEAR]
    if len(near) < _LEAST_NEIGHBOURS:
        return None
    columns = known[1][near]
    theirs = looks(details_b[columns], framing)
    beside = np.where(columns + 1 < len(details_b), columns + 1, columns - 1)
    motion = looks(details_b[beside], framing).values - theirs.values
    length = np.linalg.norm(motion, axis=1)
    steady = motion[length < 4.0 * np.median(length) + 1e-9]  # without the cuts
    return usual_difference(looks(details_a[known[0][near]]), theirs, steady)
