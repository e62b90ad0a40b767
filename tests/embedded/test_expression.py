"""Nuke's expressions: functions of its guide, C's numbers, refusals with reasons, and no text that crashes."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedded_nuke.graph.values import component_at, components_text, read_components
from embedded_nuke.script.expression import FUNCTIONS, REFUSED, Expression, ExpressionError


class _Scope:
    def lookup(self, path: str, at: float | None) -> float:
        known = {"frame": 12.0, "parent.amount": 3.0, "Read1.first": 1001.0, "nan": math.nan}
        if path not in known:
            raise ExpressionError(f"there is no '{path[:80]}'")
        return known[path] if at is None else at


def _value(text: str) -> float:
    return float(Expression(text).evaluate(_Scope()))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("equal(frame, 3, 12)", 1), ("equal(frame, 3, 11)", 0), ("inrange(frame, 1, 5, 10, 12)", 1),
        ("inrange(frame, 1, 5)", 0),
        ("ldexp(3, 4)", 48), ("pow2(-3)", 9), ("step(2, 2)", 1), ("step(2, 1.9)", 0), ("smoothstep(0, 1, 2)", 1),
        ("mix(2, 4, .5)", 3), ("hypot(3, 4)", 5), ("degrees(pi)", 180), ("PI", math.pi), ("true()", 1), ("pi()", math.pi),
        ("frame()", 12), ("fmod(-7, 4)", -3), ("rint(2.5)", 3), ("int(2.9)", 2), ("floor(-2.5)", -3), ("trunc(-2.5)", -2),
        ("clamp(5, 1, 3)", 3), ("10 - 4 - 3", 3), ("2 * 3 % 4", 2), ("1 < 2 == 1", 1), ("0 ? 1 : 0 ? 2 : 3", 3),
        ("!!frame", 1), ("--2", 2), ("2 ^ -1", 0.5), ("1e3 + .5", 1000.5), ("frame - Read1.first + 1", -988),
        ("max(1)", 1), ("min(4, 3, 2, 5)", 2), ("parent.amount(frame - 2)", 10),
    ],
)  # fmt: skip
def test_the_functions_of_the_guide(text: str, value: float) -> None:
    assert _value(text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1/0", math.inf), ("-1/0", -math.inf), ("log(0)", -math.inf), ("exp(1e4)", math.inf), ("pow(0, -1)", math.inf),
     ("pow(-10, 401)", -math.inf), ("floor(1/0)", math.inf), ("sinh(-1e4)", -math.inf)],
)  # fmt: skip
def test_infinities_as_in_c(text: str, value: float) -> None:
    assert _value(text) == value


@pytest.mark.parametrize(
    "text", ["0/0", "nan/0", "acos(2)", "sqrt(-1)", "log(-1)", "fmod(1/0, 2)", "1 % 0", "pow(-8, 1/3)", "sin(1/0)"]
)
def test_no_number_as_in_c(text: str) -> None:
    assert math.isnan(_value(text))


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_functions_that_cannot_be_the_same_are_refused_with_the_reason(name: str) -> None:
    assert name not in FUNCTIONS
    with pytest.raises(ExpressionError, match=REFUSED[name]):
        Expression(f"1 + {name}(frame, 2)")


@pytest.mark.parametrize(
    "text", ["inrange(1, 2, 3, 4)", "pow(1)", "sin()", "lerp(1, 2)", "sin(1, 2)", "frame(,1)", "foo()", "1 = 2", "1 ? 2"]
)
def test_wrong_calls_are_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        _value(text)


@pytest.mark.parametrize(
    "text",
    [
        "-" * 499 + "1", "!" * 499 + "1", "1" + "+1" * 249, "1?" * 600, "(" * 600, "2^" * 249 + "1",
        "a" * 100_000, "1+" * 200_000,
    ],
    ids=["minus", "not", "sum", "choice", "brackets", "power", "name", "long"],
)  # fmt: skip
def test_long_and_deep_expressions_end(text: str) -> None:
    with contextlib.suppress(ExpressionError):
        _value(text)


@given(
    st.lists(
        st.sampled_from(
            [*"()+-*/%^?:,!<>=", "**", "&&", "||", "==", "frame", "1", ".5", "1e300", "nan", "a.b", *sorted(FUNCTIONS)]
        ),
        max_size=25,
    )
)
def test_no_expression_raises_anything_else(words: list[str]) -> None:
    try:
        value = _value(" ".join(words))
    except ExpressionError:
        return
    assert isinstance(value, float)


@given(st.text(max_size=40))
def test_no_text_crashes_the_reader_of_expressions(text: str) -> None:
    with contextlib.suppress(ExpressionError):
        Expression(text).evaluate(_Scope())


def test_names_are_told() -> None:
    assert Expression("Read1.first + frame() + parent.amount(3) + pi").names == ["Read1.first", "frame", "parent.amount"]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("{{curve x0 0 x20 20}}", 12), ('{{"curve * 2" x0 0 x20 20}}', 24), ("{{curve(frame-10) x0 0 x20 20}}", 2),
        ("{{frame+1 i}}", 13), ('{{"frame > 3 ? 7 : 8"}}', 7),
    ],
)  # fmt: skip
def test_a_knobs_expression_may_use_its_own_curve(word: str, value: float) -> None:
    (component,) = read_components([word])
    assert component_at(component, 12.0, _Scope()) == pytest.approx(value)
    (again,) = read_components([components_text([component])])
    assert component_at(again, 12.0, _Scope()) == pytest.approx(value)
