"""Animation curves: Foundry's text form, its rules for slopes, and what happens at and beyond the ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedded_nuke.script.curve import Curve, CurveError, Key, parse_curve

_NUMBERS = st.floats(-1e4, 1e4, allow_nan=False).map(lambda number: round(number, 3))


def test_keys_without_a_frame_go_on_by_the_last_step() -> None:
    assert [key.frame for key in parse_curve("curve 5 6 7").keys] == [0, 1, 2]
    assert [key.frame for key in parse_curve("curve x10 1 2 3").keys] == [10, 11, 12]
    assert [key.frame for key in parse_curve("curve x10 1 x15 2 3 4").keys] == [10, 15, 20, 25]


def test_letters_hold_until_the_next_one() -> None:
    curve = parse_curve("curve i K x1 2 x5 8 L x9 0 x11 4")
    assert [key.mode for key in curve.keys] == ["K", "K", "L", "L"]
    assert [curve.value(frame) for frame in (1, 4.9, 5, 8.9, 10)] == pytest.approx([2, 2, 8, 8, 2])


def test_catmull_rom_keys_take_the_slope_from_neighbour_to_neighbour() -> None:
    curve = parse_curve("curve R x0 0 x1 1 x2 4 x3 9")
    # y = x² is met between the inner keys, where both slopes are 2x.
    assert [curve.value(x) for x in (1.25, 1.5, 1.75)] == pytest.approx([1.5625, 2.25, 3.0625])


def test_the_ends_of_a_curve_do_not_bend() -> None:
    curve = parse_curve("curve R x0 0 x1 1 x2 4")
    step = 1e-3
    bend = curve.value(0) - 2 * curve.value(step) + curve.value(2 * step)
    assert bend / step**2 == pytest.approx(0.0, abs=0.01)


def test_cubic_keys_are_a_natural_spline() -> None:
    # Solved by hand: slopes 1.5, 0, -1.5.
    curve = parse_curve("curve C x0 0 1 0")
    assert curve.value(0.5) == pytest.approx(0.6875)
    curve = parse_curve("curve C x0 0 x2 3 x3 -1 x7 5 x8 5")
    step = 1e-4
    for frame in (2.0, 3.0, 7.0):
        left = curve.value(frame) - 2 * curve.value(frame - step) + curve.value(frame - 2 * step)
        right = curve.value(frame) - 2 * curve.value(frame + step) + curve.value(frame + 2 * step)
        assert left / step**2 == pytest.approx(right / step**2, abs=0.05)


def test_slopes_given_by_hand_win() -> None:
    flat = parse_curve("curve x0 0 s0 x10 10 s0")
    assert flat.value(2.5) == pytest.approx(10 * (3 * 0.25**2 - 2 * 0.25**3))
    broken = parse_curve("curve L x0 0 x10 10 s1 t-1 x20 0")
    assert (broken.keys[1].slope_in, broken.keys[1].slope_out) == (1, -1)
    assert broken.value(15) == pytest.approx(5)


def test_longer_handles_pull_the_curve() -> None:
    plain, pulled = parse_curve("curve x0 0 s0 x10 10 s0"), parse_curve("curve x0 0 s0 v2 x10 10 s0 u2")
    assert pulled.value(5) == pytest.approx(5)
    assert pulled.value(2.5) < plain.value(2.5)
    assert parse_curve("curve x0 0 s0 v99 x10 10 s0 u-4").value(5) >= 0  # beyond 0 to 3: held there


def test_outside_of_the_keys() -> None:
    assert [parse_curve("curve x1 0 x11 10").value(frame) for frame in (-9, 21)] == [0, 10]
    assert [parse_curve("curve l x1 0 x11 10").value(frame) for frame in (-9, 21)] == pytest.approx([-10, 20])
    assert [parse_curve("curve l x1 0 k x11 10").value(frame) for frame in (-9, 21)] == pytest.approx([-10, 10])
    assert parse_curve("curve l x5 3").value(99) == 3
    assert parse_curve("curve").value(3) == 0


def test_an_expression_may_stand_before_the_keys() -> None:
    curve = parse_curve('"curve * 2" x1 0 x3 4')
    assert (curve.expression, curve.value(2)) == ("curve * 2", pytest.approx(2))
    assert parse_curve(curve.with_key(5, 1).text()).expression == "curve * 2"


@pytest.mark.parametrize(
    "text", ["", "curve xq 1", "curve x1 inf", "curve s1", "curve KL x1 1", "curve x1 1 x1 2", "frame", "{", "a b"]
)
def test_what_is_no_curve_is_refused(text: str) -> None:
    with pytest.raises(CurveError):
        parse_curve(text)


def test_a_new_key_leaves_the_others_as_they_are() -> None:
    curve = parse_curve("curve K x1 0 L x5 1 s2 t3 v2 x9 2").with_key(7, 5.0)
    assert curve.text() == "curve K x1 0 L x5 1 s2 t3 v2 x7 5 x9 2"
    assert parse_curve(curve.text()).keys == curve.keys
    assert curve.with_key(7, 6.0).keys[2] == Key(7, 6.0, "L")
    assert Curve([]).with_key(3, 1.0).text() == "curve x3 1"


_KEYS = st.builds(
    Key, st.integers(-99, 99).map(float), _NUMBERS, st.sampled_from("KLSRC"), st.none() | _NUMBERS, st.none(),
    st.sampled_from("kl"), st.sampled_from([0.0, 0.5, 1.0, 3.0]), st.sampled_from([0.0, 1.0, 2.0]),
)  # fmt: skip


@given(st.lists(_KEYS, max_size=6, unique_by=lambda key: key.frame), st.floats(-200, 200))
def test_any_keys_come_back_from_their_text_and_the_curve_meets_them(keys: list[Key], frame: float) -> None:
    curve = parse_curve(Curve(keys).text())
    for key, other in zip(sorted(keys, key=lambda key: key.frame), curve.keys):
        assert (key.frame, key.value, key.mode, key.slope_in) == (other.frame, other.value, other.mode, other.slope_in)
        assert curve.value(key.frame) == key.value
    assert abs(curve.value(frame)) < 1e9


@given(st.text(alphabet='curve KLSRCklxstuv0123.-ieI{}"\\ ', max_size=50))
def test_no_text_crashes_the_reader_of_curves(text: str) -> None:
    for spelled in (text, "curve " + text):
        try:
            curve = parse_curve(spelled)
        except CurveError:
            continue
        assert isinstance(curve.value(3.5), float)
        assert [key.frame for key in parse_curve(curve.with_key(1e6, 0.0).text()).keys if key.frame == 1e6] == [1e6]
