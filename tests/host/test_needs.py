"""Which frames a bake has to make: handles, holds, offsets, retimes, animated knobs, groups and chains."""

from __future__ import annotations

from typing import Any, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedded_nuke.render import engine
from embedded_nuke.render.node_operation import NodeOperation
from embedded_nuke.render.operation import requests_of
from embedded_nuke.render.ranges import range_of


@pytest.fixture
def chroma(nuke: Any) -> Any:
    """An inference node over a clip of 1001 to 1055."""
    clip = nuke.nodes.FrameRange(inputs=[nuke.nodes.Constant()], first_frame=1001, last_frame=1055)
    return nuke.nodes.RecoveryInference(inputs=[clip], name="Chroma")


def asked(end: Any, frames: Any, of: Any) -> list[int]:
    """The frames that are needed of one inference node."""
    from film_recovery_nuke import needs

    return needs.needed([end], frames).of(of)


def test_a_plain_range_is_itself(nuke: Any, chroma: Any) -> None:
    write = nuke.nodes.Write(inputs=[nuke.nodes.Blur(inputs=[nuke.nodes.Dot(inputs=[chroma])])])
    assert asked(write, range(1001, 1056), chroma) == list(range(1001, 1056))
    assert asked(chroma, [1007], chroma) == [1007]


def test_handles_and_a_clip_put_elsewhere(nuke: Any, chroma: Any) -> None:
    moved = nuke.nodes.TimeOffset(inputs=[chroma], time_offset=-1000)
    assert asked(moved, range(1, 11), chroma) == list(range(1001, 1011))
    assert asked(moved, range(-7, 19), chroma) == list(range(993, 1019))
    clip = nuke.nodes.TimeClip(inputs=[chroma], first=1009, last=1047, before="hold", after="black")
    clip["frame_mode"].setValue("start at")
    clip["frame"].setValue("1")
    assert asked(clip, [-3, 1, 2, 39], chroma) == [1009, 1010, 1047]
    clip["frame_mode"].setValue("expression")
    clip["frame"].setValue("frame*2 + 1000")
    assert asked(clip, [10, 11], chroma) == [1020, 1022]


def test_holds_retimes_and_stacks(nuke: Any, chroma: Any) -> None:
    hold = nuke.nodes.FrameHold(inputs=[chroma], firstFrame=1030)
    assert asked(hold, range(1, 9), chroma) == [1030]
    hold["increment"].setValue(4)
    assert asked(hold, [1030, 1033, 1034], chroma) == [1030, 1034]
    slow = nuke.nodes.Retime(inputs=[chroma])
    for knob, value in (("input.first", 1001), ("input.last", 1055), ("output.first", 1), ("output.last", 109), ("speed", 0.5)):
        slow[knob].setValue(value)
    assert asked(slow, [1, 2, 4, 200], chroma) == [1001, 1002, 1003, 1055]
    ends = []
    for frame in (1003, 1044, 1009):
        held = nuke.nodes.FrameHold(inputs=[chroma], firstFrame=frame)
        ends.append(nuke.nodes.FrameRange(inputs=[held], first_frame=1, last_frame=1))
    stack = nuke.nodes.AppendClip(inputs=ends)
    assert asked(stack, [1], chroma) == [1003]
    assert asked(stack, [2, 3, 99], chroma) == [1009, 1044]


def test_animated_knobs_count_at_each_frame(nuke: Any, chroma: Any) -> None:
    other = nuke.nodes.RecoveryInference(inputs=[nuke.nodes.Constant()], name="Other")
    switch = nuke.nodes.Switch(inputs=[other, chroma])
    switch["which"].setAnimated()
    switch["which"].setValueAt(0, 1010)
    switch["which"].setValueAt(1, 1011)
    assert asked(switch, range(1008, 1014), chroma) == [1011, 1012, 1013]
    assert asked(switch, range(1008, 1014), other) == [1008, 1009, 1010]
    hold = nuke.nodes.FrameHold(inputs=[chroma])
    hold["firstFrame"].setExpression("1000 + floor(frame / 10)")
    assert asked(hold, [15, 27], chroma) == [1001, 1002]


def test_groups_and_what_is_switched_off(nuke: Any, chroma: Any) -> None:
    group = nuke.nodes.Group()
    with group:
        inside = nuke.nodes.TimeOffset(inputs=[nuke.nodes.Input()], time_offset=5)
        nuke.nodes.Output(inputs=[inside])
    group.setInput(0, chroma)
    assert asked(group, [1010], chroma) == [1005]
    group["disable"].setValue(True)
    assert asked(group, [1010], chroma) == [1010]
    chroma["disable"].setValue(True)
    assert asked(group, [1010], chroma) == []
    chroma["disable"].setValue(False)
    write = nuke.nodes.Write(inputs=[chroma], reading=True)
    assert asked(write, [1010], chroma) == []


def test_a_lifetime_and_a_switch_that_asks_for_more_than_there_is(nuke: Any, chroma: Any) -> None:
    hold = nuke.nodes.FrameHold(inputs=[chroma], firstFrame=1003, useLifetime=True, lifetimeStart=1001, lifetimeEnd=1005)
    assert asked(hold, [1004], chroma) == [1003]
    assert asked(hold, [1000, 1006], chroma) == [1000, 1006], "it passes them on"
    hold["useLifetime"].setValue(False)
    assert asked(hold, [1006], chroma) == [1003]
    chroma["useLifetime"].setValue(True)
    chroma["lifetimeStart"].setValue(1001)
    chroma["lifetimeEnd"].setValue(1002)
    assert asked(chroma, range(1000, 1005), chroma) == [1001, 1002]
    chroma["useLifetime"].setValue(False)
    assert asked(nuke.nodes.Switch(inputs=[nuke.nodes.Constant(), chroma], which=5), [1004], chroma) == [1004]


def test_an_inference_node_inside_a_group_is_found(nuke: Any) -> None:
    group = nuke.nodes.Group(name="Shot")
    with group:
        inner = nuke.nodes.RecoveryInference(inputs=[nuke.nodes.Input()], name="Inner")
        nuke.nodes.Output(inputs=[inner])
    assert inner.fullName() == "Shot.Inner"
    assert asked(group, [3], inner) == [3]


def test_a_comparison_over_frames_asks_for_all_of_them(nuke: Any, chroma: Any) -> None:
    sheet = nuke.nodes.ContactSheet(inputs=[chroma], splitinputs=True, startframe=1001, endframe=1008, rows=2, columns=3)
    assert asked(sheet, [1], chroma) == [1001, 1002, 1003, 1004, 1005, 1006]


def test_what_feeds_comes_first_whatever_frame_asks_first(nuke: Any, chroma: Any) -> None:
    """At 1001 the second pass does not look at the first one; at 1002 it does."""
    from film_recovery_nuke import needs

    plate = nuke.nodes.Constant()
    switch = nuke.nodes.Switch(inputs=[plate, chroma])
    switch["which"].setExpression("frame > 1001")
    spatial = nuke.nodes.RecoveryInference(inputs=[nuke.nodes.TimeOffset(inputs=[switch], time_offset=0)], name="ASecondPass")
    found = needs.needed([spatial], [1001, 1002])
    assert [node.name() for node in found.order] == ["Chroma", "ASecondPass"]
    assert found.of(chroma) == [1002]
    assert found.of(spatial) == [1001, 1002]
    assert not found.warnings


def test_a_timing_that_is_not_known_is_told_and_taken_as_it_is(nuke: Any, chroma: Any) -> None:
    from film_recovery_nuke import needs

    blend = nuke.nodes.FrameBlend(inputs=[chroma], name="Blend")
    clip = nuke.nodes.TimeClip(inputs=[blend], first=1, last=2000, frame="no_such_thing + 1", name="Clip")
    found = needs.needed([clip], [1003, 1004])
    assert found.of(chroma) == [1003, 1004]
    assert len(found.warnings) == 2
    assert "Clip (TimeClip)" in found.warnings[0] and "Blend (FrameBlend)" in found.warnings[1]


def test_what_looks_at_other_frames_too_is_told_and_still_shows_its_own(start_nuke: Callable[..., Any]) -> None:
    """Denoising over time, vectors, plug-ins: which other frames they ask for, their knobs do not tell here."""
    nuke = start_nuke(flavour="nukex")
    from embedded_nuke.table import table
    from film_recovery_nuke import needs

    read = nuke.nodes.Read(file="/film/neg.####.exr", file_type="exr", first=1001, last=1055)
    inference = nuke.nodes.RecoveryInference(inputs=[read], name="Chroma")
    clean = nuke.nodes.Denoise2(inputs=[inference], name="Clean")
    assert not needs.needed([clean], [1005]).warnings
    clean["enable_temporal"].setValue(True)
    found = needs.needed([clean], [1005])
    assert found.of(inference) == [1005]
    assert [warning.partition(":")[0] for warning in found.warnings] == ["Clean (Denoise2)"]
    clean.setInput(0, read)
    assert needs.shown_frame(clean, 1005) == 1005
    # The stand-in knows these by name only, so another node stands there.
    for kind in ("MotionBlur", "VectorGenerator", "SmartVector", "OFXuk.co.thefoundry.furnace.f_deflicker2_v403"):
        assert kind in table.class_names()
        assert needs._looks_aside(read, kind, 1005)
    assert not needs._looks_aside(read, "Blur", 1005)


def test_ends_may_be_asked_at_frames_of_their_own(nuke: Any, chroma: Any) -> None:
    from film_recovery_nuke import needs

    later = nuke.nodes.TimeOffset(inputs=[chroma], time_offset=-10)
    assert needs.needed_at([(chroma, [1003]), (later, [1001, 1002])]).of(chroma) == [1003, 1011, 1012]


RULES = st.sampled_from(["hold", "loop", "bounce", "black"])
KINDS = st.one_of(
    st.tuples(
        st.just("TimeOffset"), st.fixed_dictionaries({"time_offset": st.integers(-30, 30), "reverse_input": st.booleans()})
    ),
    st.tuples(
        st.just("FrameHold"), st.fixed_dictionaries({"firstFrame": st.integers(-20, 60), "increment": st.integers(0, 7)})
    ),
    st.tuples(
        st.just("TimeClip"),
        st.fixed_dictionaries(
            {
                "first": st.integers(-5, 10), "last": st.integers(12, 40), "reverse": st.booleans(), "before": RULES,
                "after": RULES, "frame_mode": st.sampled_from(["expression", "start at", "offset"]),
                "frame": st.sampled_from(["", "7", "-3"]),
            }
        ),
    ),
    st.tuples(
        st.just("FrameRange"),
        st.fixed_dictionaries({"first_frame": st.integers(-5, 5), "last_frame": st.integers(8, 30)}),
    ),
    st.tuples(
        st.just("Retime"),
        st.fixed_dictionaries({"speed": st.sampled_from([0.25, 0.5, 1.0, 2.0]), "reverse": st.booleans()}),
    ),
)  # fmt: skip


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chain=st.lists(KINDS, min_size=1, max_size=4), frames=st.sets(st.integers(-40, 90), min_size=1, max_size=3))
def test_whatever_the_renderer_asks_for_is_among_them(nuke: Any, chain: Any, frames: set[int]) -> None:
    node = start = nuke.nodes.RecoveryInference(inputs=[nuke.nodes.Constant()])
    for kind, knobs in chain:
        node = getattr(nuke.nodes, kind)(inputs=[node])
        for name, value in knobs.items():
            node[name].setValue(value)
    found: set[int] = set()
    todo = [(node, float(frame)) for frame in frames]
    while todo:
        one, frame = todo.pop()
        if one is start:
            found.add(round(frame))
            continue
        asks = requests_of(NodeOperation(one, frame, engine.render_node, range_of))
        todo += [(one.input(index), at) for index, at in asks]
    assert found <= set(asked(node, frames, start))
