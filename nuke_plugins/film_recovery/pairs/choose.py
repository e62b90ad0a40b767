"""Choosing pairs: one after the other the frame that helps most, then exchanges until none helps any more."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

from film_recovery.elements.selection import spread_frames
from film_recovery.pairs.coverage import Coverage

_ROUNDS = 2  # of exchanges
_CANDIDATES = 160  # frames that are tried; more of a long scope are too alike to matter


def choose(
    coverage: Coverage,
    candidates: Sequence[int],
    count: int,
    kept: Sequence[int],
    may_join: Callable[[int, Sequence[int]], bool],
    start: Sequence[int] = (),
    rounds: int = _ROUNDS,
) -> list[int]:
    """Choose rows for a scope; those that are kept come first, then the others in the order in which each helps most.

    Args:
        coverage: judges sets of rows.
        candidates: rows that may be chosen, ascending.
        count: how many rows are wanted, ``kept`` among them; fewer when no candidate may join any more.
        kept: rows that are in whatever they bring.
        may_join: whether a row may stand beside others (it is no neighbour of theirs).
        start: an earlier choice that is to be completed; its rows may be exchanged.
        rounds: how often exchanges are tried at every place.
    """
    tried = spread_frames(candidates, _CANDIDATES)
    chosen = _greedy(coverage, tried, count, [*kept, *(row for row in start if row not in kept)][:count], may_join)
    free = len(kept)
    for _ in range(rounds if len(chosen) > free else 0):
        before = list(chosen)
        for place in range(free, len(chosen)):
            chosen[place] = _best_exchange(coverage, tried, chosen, place, may_join)
        if chosen == before:
            break
    return chosen[:free] + _by_gain(coverage, chosen[:free], chosen[free:])


def _greedy(
    coverage: Coverage, tried: Sequence[int], count: int, chosen: list[int], may_join: Callable[[int, Sequence[int]], bool]
) -> list[int]:
    """Lazy greedy: what a row adds seldom grows while others join, so most need not be judged again (Minoux 1978)."""
    now = coverage.expect(chosen).error
    waiting = [(coverage.expect([*chosen, row]).error - now, row) for row in tried if row not in chosen]
    heapq.heapify(waiting)
    while len(chosen) < count and waiting:
        _, row = heapq.heappop(waiting)
        if not may_join(row, chosen):
            continue
        gain = coverage.expect([*chosen, row]).error - now
        if waiting and gain > waiting[0][0]:
            heapq.heappush(waiting, (gain, row))
            continue
        chosen.append(row)
        now += gain
    return chosen


def _best_exchange(
    coverage: Coverage,
    tried: Sequence[int],
    chosen: Sequence[int],
    place: int,
    may_join: Callable[[int, Sequence[int]], bool],
) -> int:
    others = [row for index, row in enumerate(chosen) if index != place]
    best, error = chosen[place], coverage.expect(chosen).error
    for row in tried:
        if row in chosen or not may_join(row, others):
            continue
        found = coverage.expect([*others, row]).error
        if found < error - 1e-12:
            best, error = row, found
    return best


def _by_gain(coverage: Coverage, first: Sequence[int], rest: Sequence[int]) -> list[int]:
    """The rows in the order in which each helps most after those before it."""
    ordered: list[int] = []
    left = list(rest)
    while left:
        best = min(left, key=lambda row: coverage.expect([*first, *ordered, row]).error)
        left.remove(best)
        ordered.append(best)
    return ordered
