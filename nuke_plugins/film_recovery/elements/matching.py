"""Which frames of two elements show the same picture, whatever is missing, trimmed, reframed, mirrored or faded on either side.

1. The framing of b against a is found on key frames (:mod:`framing`).
2. Both are walked coarsely: likeness of small pictures, then the most probable path (:mod:`monotone`).
3. Along that path every frame is compared finely with those nearby (:mod:`likeness`), three times, each time with what the
   pairs found before have taught about framing and about what the elements always differ by.
4. The path becomes segments, each frame with how many frames it may be off where the picture stands still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import percentile_filter

from film_recovery.contract.errors import InputError, StoppedError
from film_recovery.contract.progress import Reporter, SilentReporter
from film_recovery.elements import likeness
from film_recovery.elements.framing import Framing, blurred, find_framing, grid_positions, refine_framing, sample, unit_vectors
from film_recovery.elements.monotone import Band, Path, most_probable_path

FloatArray = npt.NDArray[np.float32]
Details = npt.NDArray[np.int8]
IntArray = npt.NDArray[np.int64]

_COARSE_ROWS = 2000  # the coarse walk takes every n-th frame of longer elements
_COARSE_GRID, _COARSE_MARGIN, _COARSE_BLUR = (32, 18), 0.10, 2.0
_COARSE_EVIDENCE, _FINE_EVIDENCE = 20.0, 80.0  # independent places that a frame counts for
_RELATED = 0.4  # squared distance beyond which two pictures are not called alike at all
_REACH = 10  # frames to both sides of the coarse path
_WINDOW = 31  # frames over which the usual unlikeness of partners is taken
_FARTHEST = 12  # frames by which a still picture may be off and still be told
_DISTINCT = 1.2  # times as unlike as the partner; measured: of frames so told 99.6 % are right
_STRANGER = 1.8  # times as unlike as partners usually are around there
_LEAST_EVIDENCE = 6.0  # of a whole segment, natural logarithm


@dataclass(frozen=True)
class Found:
    """Partners by row: ``rows`` and ``columns`` (P,) ascending, ``confidence`` (P,) that the partner is right give or take
    ``plus_minus`` (P,) frames; the framing of b against a."""

    rows: IntArray
    columns: IntArray
    confidence: FloatArray
    plus_minus: IntArray
    framing: Framing


def match_frames(details_a: Details, details_b: Details, reporter: Reporter = SilentReporter()) -> Found:
    """Match two elements by the detail planes of their frames, (N, 108, 192) and (M, 108, 192) int8, which may lie on disk.

    Raises:
        InputError: one of them has no frames.
        StoppedError: the reporter asked to stop.
    """
    if not len(details_a) or not len(details_b):
        raise InputError("One of the elements has no frames; name files that hold some.")
    framing, alike = find_framing(details_a, details_b)
    if alike < 0.3:
        return _nothing(framing)
    step = max(-(-max(len(details_a), len(details_b)) // _COARSE_ROWS), 1)
    path = _coarse_path(details_a[::step], details_b[::step], framing)
    if not len(path.rows):
        return _nothing(framing)
    rows, columns = path.rows * step, path.columns * step
    first, last = _band_around(rows, columns, len(details_a), len(details_b), _REACH + 3 * step)
    for blur in (3.0, 1.5):
        framing = _refined(details_a, details_b, framing, rows, columns, blur)
    known: tuple[IntArray, IntArray] | None = None

    def go_on() -> None:
        if reporter.should_stop():
            raise StoppedError("Stopped while matching; run again, and the frames need not be read anew.")

    for turn in range(3):
        reporter.progress(turn, 3, "pass")
        plain, learnt = likeness.banded_unlikeness(details_a, details_b, framing, first, last, known, go_on)
        band = Band(first, last, _evidence(learnt, _FINE_EVIDENCE), len(details_b))
        path = most_probable_path(band)
        if not len(path.rows):
            return _nothing(framing)
        known = path.rows, path.columns
        framing = _refined(details_a, details_b, framing, *known, 1.0)
    reporter.progress(3, 3, "pass")
    return _found(path, band, plain, framing)


def _nothing(framing: Framing) -> Found:
    none = np.zeros(0, np.int64)
    return Found(none, none, np.zeros(0, np.float32), none, framing)


def _coarse_path(details_a: Details, details_b: Details, framing: Framing) -> Path:
    """The path through all pairs of few frames, by small blurred pictures."""
    positions = grid_positions(*_COARSE_GRID, _COARSE_MARGIN)
    ours, theirs = (
        np.concatenate([
            unit_vectors(sample(blurred(details[start : start + 256], _COARSE_BLUR), places))
            for start in range(0, len(details), 256)
        ])
        for details, places in ((details_a, positions), (details_b, framing.apply(positions)))
    )  # fmt: skip
    distance = np.maximum(2.0 - 2.0 * (ours @ theirs.T), 1e-5)
    rows, columns = distance.shape
    first, last = np.zeros(rows, np.int64), np.full(rows, columns - 1, np.int64)
    return most_probable_path(Band(first, last, _evidence(list(distance), _COARSE_EVIDENCE), columns))


def _evidence(distance: Sequence[FloatArray], places: float) -> list[FloatArray]:
    """How much more likely a pair is one picture than two neighbouring ones, natural logarithm, for a band of distances, row by
    row.

    Both are Gaussian: partners differ by what they usually do around there, strangers by as much as the best partner's own
    neighbours do. So a frame that moves is told sharply, one that stands still hardly at all, and a frame whose true partner
    is lost is not given to the next best one.
    """
    best = [int(row.argmin()) for row in distance]
    least = np.array([row[place] for row, place in zip(distance, best, strict=True)], np.float64)
    related = least < _RELATED
    if not related.any():
        return [np.full_like(row, -np.inf) for row in distance]
    usual = percentile_filter(least, 40, min(_WINDOW, max(len(least), 1)), mode="nearest")
    usual = np.minimum(usual, 3.0 * np.median(least[related]))
    scores = []
    for row, place, common in zip(distance, best, usual.tolist(), strict=True):
        beside = [float(row[other]) for other in (place - 1, place + 1) if 0 <= other < len(row) and np.isfinite(row[other])]
        strange = max(min(beside, default=2.0 * common), 1.05 * common)
        score = 0.5 * places * (np.log(strange / common) - row.astype(np.float64) / common + 1.0)
        scores.append(np.where(row < _RELATED, score, -np.inf).astype(np.float32))
    return scores


def _band_around(rows: IntArray, columns: IntArray, count_a: int, count_b: int, reach: int) -> tuple[IntArray, IntArray]:
    """First and last column of every row: those that the path reaches within ``reach`` rows, and as many columns more."""
    every = np.arange(count_a)
    before = np.searchsorted(rows, every - reach, side="left")  # the first pair that is near
    after = np.searchsorted(rows, every + reach, side="right") - 1
    # Where the path says nothing nearby, anything between the pairs before and after is possible.
    low = np.where(before > 0, columns[np.maximum(before - 1, 0)], 0)
    low = np.where(
        (before < len(rows)) & (rows[np.minimum(before, len(rows) - 1)] <= every),
        columns[np.minimum(before, len(rows) - 1)],
        low,
    )
    high = np.where(after < len(rows) - 1, columns[np.minimum(after + 1, len(rows) - 1)], count_b - 1)
    high = np.where((after >= 0) & (rows[np.maximum(after, 0)] >= every), columns[np.maximum(after, 0)], high)
    first, last = np.clip(low - reach, 0, count_b - 1), np.clip(high + reach, 0, count_b - 1)
    return np.minimum.accumulate(first[::-1])[::-1].astype(np.int64), np.maximum.accumulate(last).astype(np.int64)


def _refined(
    details_a: Details, details_b: Details, framing: Framing, rows: IntArray, columns: IntArray, blur: float
) -> Framing:
    chosen = np.unique(np.linspace(0, len(rows) - 1, 60).astype(np.int64))
    return refine_framing(details_a, details_b, framing, [(int(rows[at]), int(columns[at])) for at in chosen], blur)


def _found(path: Path, band: Band, distance: Sequence[FloatArray], framing: Framing) -> Found:
    """Confidence and uncertainty of every pair; runs that nothing speaks for are dropped."""
    keep = np.zeros(len(path.rows), bool)
    at = path.columns - band.first[path.rows]
    evidence, sure, own = (
        np.array([values[row][place] for row, place in zip(path.rows, at, strict=True)])
        for values in (band.score, path.probability, distance)
    )
    breaks = np.flatnonzero((np.diff(path.rows) != 1) | (np.diff(path.columns) != 1)) + 1
    for run in np.split(np.arange(len(path.rows)), breaks):
        keep[run] = sure[run].mean() >= 0.5 or evidence[run].sum() >= _LEAST_EVIDENCE
    half = _WINDOW // 2  # a cut changes what is usual, so either side may speak for a pair
    usual = np.maximum(*(percentile_filter(own, 50, half, mode="nearest", origin=side * (half // 2)) for side in (-1, 1)))
    limit = _STRANGER * usual
    keep &= own < limit  # else its true partner is lost, and this one is only the nearest
    rows, columns = _with_overlooked(path.rows[keep], path.columns[keep], limit[keep], band, distance)
    at = columns - band.first[rows]
    confidence, plus_minus = np.zeros(len(rows), np.float32), np.zeros(len(rows), np.int64)
    for index, (row, place) in enumerate(zip(rows, at, strict=True)):
        off = _indistinct(distance[row], int(place))
        plus_minus[index] = off
        confidence[index] = min(float(path.probability[row][max(place - off, 0) : place + off + 1].sum()), 1.0)
    return Found(rows, columns, confidence, plus_minus, framing)


def _with_overlooked(
    rows: IntArray, columns: IntArray, limit: FloatArray, band: Band, distance: Sequence[FloatArray]
) -> tuple[IntArray, IntArray]:
    """Pairs between the others that the path left out, though each is the other's nearest and no stranger to it."""
    if not len(rows):
        return rows, columns
    nearest = np.array([row.argmin() for row in distance]) + band.first
    nearest_row: dict[int, tuple[float, int]] = {}
    for row, (first, last) in enumerate(zip(band.first, band.last, strict=True)):
        for place in range(int(last - first) + 1):
            entry = (float(distance[row][place]), row)
            column = int(first) + place
            if entry < nearest_row.get(column, (np.inf, 0)):
                nearest_row[column] = entry
    found = list(zip(rows.tolist(), columns.tolist(), strict=True))
    for row in sorted(set(range(len(band.first))) - set(rows.tolist())):
        column = int(nearest[row])
        if nearest_row[column][1] != row:
            continue
        after = int(np.searchsorted(rows, row))
        allowed = float(limit[min(after, len(limit) - 1)])
        before_fits = after == 0 or columns[after - 1] < column
        after_fits = after == len(rows) or column < columns[after]
        if before_fits and after_fits and nearest_row[column][0] < allowed:
            found.append((row, column))
    chain: list[tuple[int, int]] = []
    for row, column in sorted(found):  # several may have been found in one gap
        if not chain or column > chain[-1][1]:
            chain.append((row, column))
    table = np.array(chain, np.int64)
    return table[:, 0], table[:, 1]


def _indistinct(distance: FloatArray, place: int) -> int:
    """How many frames away, at most, a frame looks like the partner without a break."""
    alike = distance < _DISTINCT * distance[place]
    farthest = 0
    for direction in (-1, 1):
        off = 1
        while off <= _FARTHEST and 0 <= place + direction * off < len(alike) and alike[place + direction * off]:
            farthest = max(farthest, off)
            off += 1
    return farthest
