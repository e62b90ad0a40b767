"""Two matched elements on one time line: every project frame shows the file that the record names, rendered and traced."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from film_recovery.contract.curation import MatchRecord, Segment
from film_recovery.contract.errors import FilmRecoveryError

_IDENTITY = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]


def _record(segments: list[tuple[int, int, int]], only_a: list[list[int]], only_b: list[list[int]]) -> MatchRecord:
    made = [Segment(a, b, length, 1.0, [0] * length) for a, b, length in segments]
    return MatchRecord("a", "b", False, _IDENTITY, made, only_a, only_b)


def _counting(nuke: Any) -> Any:
    """A node whose picture at a frame is that frame / 1000."""
    made = nuke.nodes.Constant()
    made["color"].setExpression("frame/1000")
    return made


def test_both_elements_show_the_same_picture_at_every_project_frame(nuke: Any, rendered: Any) -> None:
    from film_recovery_nuke import conform, needs

    # a lacks the film's head and end, and lost two frames in a splice where b is whole; b lost a frame that a has.
    record = _record([(1, 503, 4), (6, 507, 2), (8, 511, 3)], [[5, 5]], [[501, 502], [509, 510], [514, 515]])
    warps = conform.conform(record, _counting(nuke), _counting(nuke), first=101)
    shows = [tuple(round(1000 * float(rendered(warp, frame)[0, 0, 0])) for warp in warps) for frame in range(101, 117)]
    assert shows == [
        (1, 501), (1, 502), (1, 503), (2, 504), (3, 505), (4, 506), (5, 506), (6, 507), (7, 508), (7, 509), (7, 510),
        (8, 511), (9, 512), (10, 513), (10, 514), (10, 515),
    ]  # fmt: skip
    assert [(needs.shown_frame(warps[0], at), needs.shown_frame(warps[1], at)) for at in range(101, 117)] == shows
    assert [(warp.firstFrame(), warp.lastFrame()) for warp in warps] == [(101, 116)] * 2
    labels = [warp.input(0)["label"].value() for warp in warps]
    assert labels == ["conformed\nlacks 101-102,110-111,115-116", "conformed\nlacks 107"]
    switch = nuke.nodes.Switch(inputs=list(warps))
    conform.switch_where_missing(switch, record.timeline(101))
    assert [int(switch["which"].getValueAt(at)) for at in range(101, 117)] == [1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1]


def test_elements_without_a_common_picture_cannot_be_conformed(nuke: Any) -> None:
    from film_recovery_nuke import conform

    with pytest.raises(FilmRecoveryError, match="No frame was matched"):
        conform.conform(_record([], [[1, 9]], [[1, 9]]), _counting(nuke), _counting(nuke))


def test_an_element_whose_files_have_other_numbers_is_refused(nuke: Any) -> None:
    from film_recovery_nuke import conform

    nuke.root()["first_frame"].setValue(1001)
    nuke.root()["last_frame"].setValue(1010)
    own, moved = (nuke.nodes.Read(file="/film/a.####.exr", first=1, last=10) for _ in range(2))
    moved["frame_mode"].setValue("start at")
    moved["frame"].setValue("1001")
    one, two = _record([(1, 1, 5)], [], []), _record([(1, 1, 2), (3, 4, 2)], [], [])
    before = len(nuke.allNodes())
    told = r"Read2 shows its file 1 at frame 1001, but the match counts files"
    with pytest.raises(FilmRecoveryError, match=told):
        conform.conform(one, own, moved)
    for record in (one, two):
        with pytest.raises(FilmRecoveryError, match=told):
            conform.place(record, moved)
    assert len(nuke.allNodes()) == before
    conform.conform(two, own, own)


_STEPS = st.lists(st.one_of(st.none(), st.integers(0, 3)), min_size=1, max_size=60)


@given(
    _STEPS.filter(lambda steps: any(step is not None for step in steps)),
    st.lists(st.sampled_from([1, 1, 1, 2, 40]), min_size=60, max_size=60),
)
def test_between_its_keys_a_straight_line_gives_every_file(steps: list[int | None], apart: list[int]) -> None:
    import numpy as np

    from film_recovery_nuke import conform

    files: list[int | None] = []
    at = 10
    for step in steps:
        at += step or 0
        files.append(None if step is None else at)
    frames = [1001 + sum(apart[:place]) for place in range(len(files))]  # a scan's numbers may have gaps
    keys = conform.lookup_keys(frames, files)
    found = np.floor(np.interp(frames, *zip(*keys)) + 0.5)
    held = next(file for file in files if file is not None)
    for frame, file, value in zip(frames, files, found):
        held = held if file is None else file
        assert value == held, frame
