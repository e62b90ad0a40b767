"""Scopes cover a film once; splits lie where the reference's colours part."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from film_recovery.pairs.looks import Looks
from film_recovery.pairs.scopes import find_splits, make_scopes


def looks_of(which: list[int], changes: list[tuple[float, float]], most: int = 3) -> Looks:
    """Every row shows one look, ``which``, and the reference changes it as said."""
    count = len(which)
    shares = np.zeros((count, most), np.float32)
    shares[range(count), which] = 1.0
    moved = np.zeros((count, most, 2), np.float32)
    moved[range(count), which] = changes
    centres = np.array([[0.2, -0.2, 0.2], [0.5, 0.2, -0.2], [0.8, 0.0, 0.0]], np.float32)[:most]
    return Looks(shares, moved, np.ones(count, bool), centres, centres, np.ones(count, np.float32))


def shots_of(lengths: list[int]) -> list[tuple[int, int]]:
    ends = np.cumsum(lengths).tolist()
    return list(zip([0, *ends[:-1]], ends, strict=True))


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(0, 2)), min_size=1, max_size=8),
    st.sampled_from(["shot", "scene", "sequence"]),
)
def test_every_row_is_in_one_scope_and_no_shot_is_parted(film: list[tuple[int, int]], kind: str) -> None:
    shots = shots_of([length for length, _ in film])
    which = [look for length, look in film for _ in range(length)]
    scopes = make_scopes(kind, shots, looks_of(which, [(0.0, 0.0)] * len(which)))
    assert [row for scope in scopes for row in scope.rows] == list(range(len(which)))
    assert {scope.first for scope in scopes} <= {first for first, _ in shots}
    changes = sum(one[1] != two[1] for one, two in itertools.pairwise(film))
    assert len(scopes) == {"shot": len(film), "scene": changes + 1, "sequence": 1}[kind]
    assert len({scope.name for scope in scopes}) == len(scopes)


@given(st.lists(st.integers(12, 30), min_size=2, max_size=6), st.data())
def test_a_split_is_where_the_same_colour_changes_otherwise(lengths: list[int], data: st.DataObject) -> None:
    shots = shots_of(lengths)
    at = shots[data.draw(st.integers(1, len(shots) - 1))][0]
    count = shots[-1][1]
    looks = looks_of([1] * count, [(0.1, 0.0) if row < at else (-0.1, 0.05) for row in range(count)])
    scope = make_scopes("sequence", shots, looks)[0]
    splits = find_splits(scope, shots, looks)
    assert [split.at for split in splits] == [at]
    mean = looks.changes[:, 1].mean(axis=0)
    expected = np.sqrt(((looks.changes[:, 1] - mean) ** 2).sum(axis=1).mean())
    assert splits[0].before == pytest.approx(expected, rel=1e-4) and splits[0].after == pytest.approx(0.0, abs=1e-6)


def test_other_colours_that_change_otherwise_are_no_conflict() -> None:
    looks = looks_of([0] * 20 + [1] * 20, [(0.1, 0.0)] * 20 + [(-0.1, 0.0)] * 20)
    shots = shots_of([20, 20])
    assert find_splits(make_scopes("sequence", shots, looks)[0], shots, looks) == []


def test_no_scope_becomes_too_short_to_serve() -> None:
    looks = looks_of([1] * 25, [(0.1, 0.0)] * 20 + [(-0.1, 0.0)] * 5)
    shots = shots_of([20, 5])
    assert find_splits(make_scopes("sequence", shots, looks)[0], shots, looks) == []
