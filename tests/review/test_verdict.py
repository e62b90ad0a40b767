"""The verdict says who won, also when it is not us."""

from __future__ import annotations

import pytest

from film_recovery.contract.errors import UsageError
from film_recovery.review.verdict import MethodScore, verdict


def _scores(result: float, lut: float = 3.7, **more: float) -> list[MethodScore]:
    return [
        MethodScore("35 mm internegative", "element", 24.0),
        MethodScore("16 mm print", "element", 5.7, chroma_flicker=0.003),
        MethodScore("free 33³ LUT", "baseline", lut, delta_e_p95=9.0, chroma_flicker=0.005),
        MethodScore("recovered", "result", result, **more),
    ]


def _plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def test_a_win_says_by_how_much_and_over_whom() -> None:
    judged = verdict(_scores(2.1))
    assert judged.outcome == "win"
    assert _plain(judged.headline) == (
        "The recovery is closest to the truth: mean ΔE2000 2.10, 43 % less than the best other method (free 33³ LUT, 3.70)."
    )
    assert "37 % of the better element's (16 mm print, 5.70)" in _plain(" ".join(judged.details))


def test_a_loss_to_a_simpler_method_is_said_with_advice() -> None:
    judged = verdict(_scores(4.6), "the reference")
    assert judged.outcome == "lose"
    assert "does not win: free 33³ LUT is closer to the reference" in judged.headline
    assert "20 % less than the recovery's 4.60" in _plain(judged.headline)
    assert "add pairs" in judged.headline


def test_a_loss_to_an_element_says_that_it_got_worse() -> None:
    judged = verdict([MethodScore("16 mm print", "element", 2.0), MethodScore("recovered", "result", 3.0)])
    assert judged.outcome == "lose" and "makes it worse" in judged.headline


@pytest.mark.parametrize("result", [3.6, 3.7, 3.8])
def test_within_three_percent_nobody_wins(result: float) -> None:
    judged = verdict(_scores(result))
    assert judged.outcome == "tie" and "No clear winner" in judged.headline


def test_alone_there_is_nothing_to_compare() -> None:
    assert verdict([MethodScore("recovered", "result", 2.0)]).outcome == "alone"


def test_perfect_others_do_not_divide_by_zero() -> None:
    assert verdict([MethodScore("copy", "element", 0.0), MethodScore("recovered", "result", 0.0)]).outcome == "tie"
    assert verdict([MethodScore("copy", "element", 0.0), MethodScore("recovered", "result", 1.0)]).outcome == "lose"


def test_what_speaks_against_a_win_is_said_too() -> None:
    judged = verdict(_scores(2.1, delta_e_p95=12.0, chroma_flicker=0.009, luma_identity=0.02, detail_of_sharp=0.71))
    words = _plain(" ".join(judged.details))
    assert "worst twentieth" in words and "12.00 against 9.00" in words
    assert "flickers more than that of free 33³ LUT: 0.0090 against 0.0050" in words
    assert "luma it promises to keep moved by up to 2.0e-02" in words
    assert "71 % of the sharp element's fine detail" in words


def test_a_kept_component_and_steady_colour_are_confirmed() -> None:
    words = " ".join(verdict(_scores(2.1, chroma_flicker=0.004, luma_identity=3e-7, detail=0.9)).details)
    assert "kept exactly" in words and "No simpler method holds its colour steadier" in words


def test_exactly_one_result_is_judged() -> None:
    with pytest.raises(UsageError, match="0 were given"):
        verdict([MethodScore("16 mm print", "element", 5.0)])
