"""Which rows of a render stray: limits against plain statistics, stretches against a slow count."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import median_abs_deviation

from film_recovery.pairs import outliers

LENGTH = 60
LEAST = 5.0 / 255.0


@given(st.lists(st.floats(0.0, 0.5), min_size=1, max_size=40))
def test_the_limit_is_four_deviations_and_visible(values: list[float]) -> None:
    expected = np.median(values) + max(4.0 * median_abs_deviation(values, scale="normal"), LEAST)
    assert abs(outliers._limit(values, LEAST) - expected) < 1e-4


@given(st.sets(st.integers(0, LENGTH - 1)), st.sets(st.integers(1, LENGTH - 1), max_size=5))
def test_stretches_hold_every_row_once_and_never_cross_a_cut(rows: set[int], cuts: set[int]) -> None:
    starts = [0, *sorted(cuts)]
    shots = list(zip(starts, [*starts[1:], LENGTH], strict=True))
    found = outliers._stretches(sorted(rows), shots)
    assert [row for stretch in found for row in stretch] == sorted(rows)
    shot = {row: index for index, (first, last) in enumerate(shots) for row in range(first, last)}
    for stretch in found:
        assert len({shot[row] for row in stretch}) == 1 and all(np.diff(stretch) <= 3)
    for before, after in itertools.pairwise(found):
        assert after[0] - before[-1] > 3 or shot[after[0]] != shot[before[-1]]


@settings(deadline=None)
@given(st.integers(0, 39), st.integers(0, 19), st.floats(0.03, 0.3))
def test_a_frame_that_is_usual_in_another_shot_strays_in_its_own(seed: int, place: int, more: float) -> None:
    """The first shot is twice as far off as the second's stray frame; a limit of the whole film would hide it."""
    random = np.random.default_rng(seed)
    values = {row: 0.30 + random.uniform(-0.002, 0.002) for row in range(20)}
    values |= {row: 0.02 + random.uniform(-0.002, 0.002) for row in range(20, 40)}
    stray = 20 + place
    values[stray] += more
    judged = outliers._judged(values, LEAST, [(0, 20), (20, 40)])
    assert [row for row, (strength, _) in judged.items() if strength >= 1.0] == [stray]


def test_motion_and_lightning_are_no_jump_but_a_changed_hue_is(photograph: npt.NDArray[np.float32]) -> None:
    coded = np.clip(photograph**0.45 * 255.0, 0, 255).astype(np.uint8)
    film = [
        cv2.resize(coded[20:290, 40 + 12 * step : 520 + 12 * step], (96, 54), interpolation=cv2.INTER_AREA) for step in range(3)
    ]
    assert outliers._jump(film, film) == 0.0
    flash = [film[0], np.clip(film[1].astype(float) * 1.5, 0, 255).astype(np.uint8), film[2]]
    assert outliers._jump(flash, flash) == 0.0
    warm = [film[0], np.clip(film[1] * np.array([1.3, 1.0, 0.8]), 0, 255).astype(np.uint8), film[2]]
    assert outliers._jump(warm, film) > 10.0 / 255.0
    assert outliers._jump([film[0], film[1], warm[1]], film) < 3.0 / 255.0  # beside a stray frame
