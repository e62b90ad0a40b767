"""The records of curation: what two matched elements have in common, laid out in the order of the film."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from film_recovery.contract.curation import MatchRecord, Segment

_IDENTITY = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]


def _stretches(frames: list[int]) -> list[list[int]]:
    """Consecutive numbers as [first, last]."""
    found: list[list[int]] = []
    for frame in frames:
        if found and frame == found[-1][1] + 1:
            found[-1][1] = frame
        else:
            found.append([frame, frame])
    return found


def _record(pairs: list[tuple[int, int]], a: list[int], b: list[int], **more: list[int]) -> MatchRecord:
    segments: list[list[int]] = []
    for one, other in pairs:
        if segments and (one, other) == (segments[-1][0] + segments[-1][2], segments[-1][1] + segments[-1][2]):
            segments[-1][2] += 1
        else:
            segments.append([one, other, 1])
    ours, theirs = {one for one, _ in pairs}, {other for _, other in pairs}
    return MatchRecord(
        "a", "b", False, _IDENTITY, [Segment(one, other, length, 1.0, [0] * length) for one, other, length in segments],
        _stretches([frame for frame in a if frame not in ours]), _stretches([frame for frame in b if frame not in theirs]),
        **more,
    )  # fmt: skip


@given(st.lists(st.sampled_from(["both", "a", "b"]), max_size=60), st.integers(1, 900), st.integers(1, 900))
def test_the_time_line_is_the_film_again(film: list[str], first_a: int, first_b: int) -> None:
    """Each picture of the film stands in a, in b, or in both; runs of what only one has are ordered a before b."""
    pairs, a, b = [], [], []
    for where in film:
        if where != "b":
            a.append(first_a + len(a))
        if where != "a":
            b.append(first_b + len(b))
        if where == "both":
            pairs.append((a[-1], b[-1]))
    line = _record(pairs, a, b).timeline(1001)
    assert [moment.frame for moment in line] == list(range(1001, 1001 + len(film)))
    assert [moment.a for moment in line if moment.a is not None] == a
    assert [moment.b for moment in line if moment.b is not None] == b
    assert [(m.a, m.b) for m in line if m.a is not None and m.b is not None] == pairs
    for before, after in itertools.pairwise(line):
        assert not (before.a is None and after.b is None), "what only a has comes first"


def test_a_repeated_frame_without_a_partner_has_no_place_of_its_own() -> None:
    line = _record([(1, 11), (2, 13)], [1, 2], [11, 12, 13], duplicates_b=[12]).timeline()
    assert [(moment.a, moment.b) for moment in line] == [(1, 11), (2, 13)]
