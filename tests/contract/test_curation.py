"""The records of curation: what two matched elements have in common, laid out in the order of the film."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
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


def test_a_reversed_record_is_the_match_of_the_exchanged_elements() -> None:
    framing = [[-1.03, 0.002, 960.0], [0.001, 1.02, -4.0], [1e-6, -2e-6, 1.0]]
    record = dataclasses.replace(_record([(1, 11), (2, 13)], [1, 2, 3], [11, 12, 13], duplicates_b=[12]), framing=framing)
    back = record.reversed()
    assert back.partners() == {11: 1, 13: 2}
    assert (back.a, back.b, back.only_a, back.only_b, back.duplicates_a) == ("b", "a", [[12, 12]], [[3, 3]], [12])
    expected = np.linalg.inv(np.array(framing))
    assert np.allclose(back.framing, expected / expected[2, 2], rtol=1e-9)
    assert record.between("./b", "a") == back
    assert record.between("a", "b") == record.between("elsewhere", "b") == record
    moved = dataclasses.replace(record, a="/one/pos/scan.####.exr", b="/one/neg/scan.####.exr")
    assert moved.between("/two/neg/scan.####.exr", "/two/pos/scan.####.exr") == moved.reversed()
    assert moved.between("/two/pos/scan.####.exr", "/two/neg/scan.####.exr") == moved


def test_an_elements_own_line_keeps_its_numbers() -> None:
    line = _record([(1, 11), (4, 12)], [1, 2, 3, 4], [11, 12]).own_line()
    assert [(moment.frame, moment.a, moment.b) for moment in line] == [(1, 1, 11), (2, 2, None), (3, 3, None), (4, 4, 12)]
