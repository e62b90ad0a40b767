from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from film_recovery.elements.selection import between, default_pairs, overlap, spread_frames


@dataclass
class Element:
    frames: list[int]


FRAMES = st.sets(st.integers(-50, 3000), min_size=1, max_size=80).map(sorted)


@given(FRAMES, st.integers(1, 12))
def test_a_spread_is_distinct_ascending_and_reaches_both_ends(frames: list[int], count: int) -> None:
    chosen = spread_frames(frames, count)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(count, len(frames))
    assert set(chosen) <= set(frames)
    if len(chosen) >= 2:
        assert (chosen[0], chosen[-1]) == (frames[0], frames[-1])


@given(FRAMES, FRAMES, st.integers(-20, 20))
def test_default_pairs_exist_in_both_elements_and_never_cross_the_line(ours: list[int], theirs: list[int], offset: int) -> None:
    training, held_out = default_pairs(overlap(Element(ours), Element(theirs), offset))
    assert not set(training) & set(held_out)
    assert all(frame in ours and frame + offset in theirs for frame in [*training, *held_out])
    common = overlap(Element(ours), Element(theirs), offset)
    assert bool(training) == bool(common)
    assert len(held_out) <= 2
    if len(common) >= 8:
        assert (len(training), len(held_out)) == (6, 2)
        assert all(training[0] < frame < training[-1] for frame in held_out)


def test_a_shot_gives_six_pairs_and_two_between_them() -> None:
    training, held_out = default_pairs(overlap(Element(list(range(1001, 1049))), Element(list(range(1001, 1065)))))
    assert training == [1001, 1010, 1020, 1029, 1039, 1048]
    assert held_out == [1015, 1034]


def test_few_frames_are_nearly_all_trained_on() -> None:
    assert default_pairs([7]) == ([7], [])
    assert default_pairs([1, 2, 3, 4]) == ([1, 2, 4], [3])


def test_elements_without_a_common_frame_give_nothing() -> None:
    assert default_pairs(overlap(Element([1, 2]), Element([3, 4]))) == ([], [])


def test_held_out_frames_lie_midway() -> None:
    assert between(range(1, 101), [1, 50, 100], 2) == [25, 75]
