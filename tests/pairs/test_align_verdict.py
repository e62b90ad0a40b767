"""What is said of an aligned pair: every verdict has its reason, and only a clearly better neighbour changes it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from film_recovery.contract.curation import VERDICTS
from film_recovery.pairs.align_measure import Look
from film_recovery.pairs.align_verdict import Usual, Verdict, verdict_of, with_neighbour
from film_recovery.pairs.alignment import Aligned
from film_recovery.pairs.residual import Agreement

USUAL = Usual(0.8, (0.4, 0.5))
SOUND = Agreement(0.1, 0.4, 0.8, 0.95)
ALIGNED = Verdict("aligned")


def look(levels: tuple[float, float] = (0.4, 0.5), contrasts: tuple[float, float] = (0.2, 0.2)) -> Look:
    return Look(None, np.zeros((54, 96, 3), np.uint8), levels, contrasts, [])


def pair(supported: bool = True) -> Aligned:
    return Aligned(1001, 86400, np.eye(3), np.zeros((2, 7)), supported)


@pytest.mark.parametrize(
    ("seen", "found", "supported", "verdict", "words"),
    [
        (look(), SOUND, True, "aligned", ""),
        (look(contrasts=(0.2, 0.001)), SOUND, True, "doubtful", "the reference is black"),
        (look(contrasts=(0.001, 0.001)), SOUND, True, "doubtful", "source and reference"),
        (look(), Agreement(3.0, 9.0, 0.05, 0.0), True, "rejected", "different picture (correlation 0.05)"),
        (look(), Agreement(3.0, 9.0, 0.05, 0.0), False, "rejected", "different picture (correlation 0.05)"),
        (look(levels=(0.9, 0.5)), Agreement(3.0, 9.0, 0.05, 0.0), False, "rejected", "flash in the source"),
        (look(levels=(0.4, 0.1)), SOUND, False, "doubtful", "the reference is much darker"),
        (look(), Agreement(float("inf"), float("inf"), 0.8, 0.95), True, "doubtful", "too little structure"),
        (look(), Agreement(0.1, 0.4, 0.45, 0.95), True, "doubtful", "weaker than the rest"),
        (look(), Agreement(1.6, 2.0, 0.8, 0.95), True, "doubtful", "half of the picture lies 1.6 px"),
        (look(), Agreement(0.3, 6.0, 0.8, 0.95), True, "doubtful", "parts lie 6.0 px"),
    ],
)
def test_a_pair_is_judged_and_the_reason_said(seen: Look, found: Agreement, supported: bool, verdict: str, words: str) -> None:
    judged = verdict_of(seen, pair(supported), found, USUAL, has_neighbours=True, unit=1.0)
    assert judged.verdict == verdict and words in judged.reason
    assert bool(judged.reason) == (verdict != "aligned")


def test_a_black_pair_without_neighbours_is_rejected() -> None:
    assert verdict_of(look(contrasts=(0.0, 0.2)), pair(), SOUND, USUAL, has_neighbours=False, unit=1.0).verdict == "rejected"


@given(st.floats(0.0, 12.0), st.floats(0.2, 5.0))
def test_residuals_are_judged_in_pixels_of_one_width(residual: float, unit: float) -> None:
    found = Agreement(residual * unit, residual * unit, 0.8, 0.95)
    same = Agreement(residual, residual, 0.8, 0.95)
    verdicts = [verdict_of(look(), pair(), one, USUAL, True, scale) for one, scale in ((found, unit), (same, 1.0))]
    if abs(residual - 1.0) > 1e-6:
        assert verdicts[0] == verdicts[1]


FITS = st.dictionaries(st.sampled_from([-2, -1, 1, 2]), st.floats(0.0, 1.0), max_size=4)


@given(st.floats(0.0, 1.0), FITS, st.sampled_from(VERDICTS))
def test_neighbours_only_ever_make_a_verdict_worse(own: float, others: dict[int, float], kind: str) -> None:
    order = ["aligned", "doubtful", "rejected"]
    before = Verdict(kind, "" if kind == "aligned" else "it is so")
    after = with_neighbour(before, 500, {0: own, **others})
    assert order.index(after.verdict) >= order.index(before.verdict)
    assert after.reason.startswith(before.reason)
    if max(others.values(), default=0.0) <= own:
        assert after == before
    if after != before:
        best = max(others, key=lambda step: others[step])
        assert f"Reference frame {500 + best} fits better" in after.reason


def test_a_pair_one_frame_off_is_rejected_with_the_frame_that_fits() -> None:
    judged = with_neighbour(ALIGNED, 86400, {0: 0.70, -1: 0.55, 1: 0.90})
    assert judged == Verdict("rejected", "1 frame off? Reference frame 86401 fits better")
    assert with_neighbour(ALIGNED, 86400, {0: 0.90, 1: 0.9002}) == ALIGNED
