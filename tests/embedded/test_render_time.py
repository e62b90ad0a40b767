"""Time nodes, frame ranges, hashes, cache, groups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("OpenImageIO")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from embedded_nuke.render import engine  # noqa: E402
from embedded_nuke.render.cache import ImageCache  # noqa: E402
from embedded_nuke.render.files import split_prefix, with_frame  # noqa: E402
from embedded_nuke.render.image import Box, Format, black  # noqa: E402
from embedded_nuke.render.ranges import clamp_frame  # noqa: E402


@pytest.fixture
def sequence(nuke: Any, tmp_path: Path, write_file: Any) -> Any:
    """A Read over frames 11 to 16; every pixel holds the frame's number."""
    for frame in range(11, 17):
        write_file(tmp_path / f"in.{frame:04d}.exr", np.full((2, 2, 3), frame, np.float32))
    return nuke.nodes.Read(file=str(tmp_path / "in.%04d.exr").replace("\\", "/"), first=11, last=16)


def shown(node: Any, frame: float) -> float:
    return float(engine.render_node(node, frame).pixels[0, 0, 0])


def test_frame_hold_and_offset(nuke: Any, sequence: Any) -> None:
    hold = nuke.nodes.FrameHold(inputs=[sequence], firstFrame=13)
    assert [shown(hold, frame) for frame in (1, 13, 99)] == [13, 13, 13]
    hold["increment"].setValue(2)
    assert [shown(hold, frame) for frame in (12, 13, 14, 15, 16)] == [11, 13, 13, 15, 15]
    assert engine.frame_range(hold) == (11, 16)
    offset = nuke.nodes.TimeOffset(inputs=[sequence], time_offset=100)
    assert engine.frame_range(offset) == (111, 116) and shown(offset, 113) == 13
    offset["reverse_input"].setValue(True)
    assert [shown(offset, frame) for frame in (111, 116)] == [16, 11]


def test_frame_range_and_clip(nuke: Any, sequence: Any) -> None:
    ranged = nuke.nodes.FrameRange(inputs=[sequence])
    assert engine.frame_range(ranged) == (11, 16)
    ranged["first_frame"].setValue(12)
    ranged["last_frame"].setValue(13)
    assert engine.frame_range(ranged) == (12, 13) and shown(ranged, 15) == 15
    clip = nuke.nodes.TimeClip(inputs=[sequence], first=12, last=14)
    assert engine.frame_range(clip) == (12, 14)
    assert [shown(clip, frame) for frame in (11, 12, 14, 15)] == [0, 12, 14, 0]
    clip["frame_mode"].setValue("start at")
    clip["frame"].setValue("1001")
    assert engine.frame_range(clip) == (1001, 1003) and shown(clip, 1002) == 13
    clip["reverse"].setValue(True)
    assert shown(clip, 1001) == 14


def test_stack_of_pairs_by_append_clip(nuke: Any, sequence: Any) -> None:
    """What the pair table builds: FrameHold and FrameRange 1 to 1 for every pair, one AppendClip."""
    clips = []
    for frame in (12, 16, 11):
        hold = nuke.nodes.FrameHold(inputs=[sequence], firstFrame=frame)
        clips.append(nuke.nodes.FrameRange(inputs=[hold], first_frame=1, last_frame=1))
    append = nuke.nodes.AppendClip(inputs=clips)
    assert engine.frame_range(append) == (1, 3)
    assert [shown(append, frame) for frame in (1, 2, 3)] == [12, 16, 11]
    assert [shown(append, frame) for frame in (-5, 9)] == [12, 11]
    append["firstFrame"].setValue(1001)
    assert engine.frame_range(append) == (1001, 1003) and shown(append, 1002) == 16
    longer = nuke.nodes.AppendClip(inputs=[sequence, clips[0]])
    assert engine.frame_range(longer) == (1, 7) and [shown(longer, frame) for frame in (1, 6, 7)] == [11, 16, 12]
    longer["dissolve"].setValue(1)
    assert engine.frame_range(longer) == (1, 6) and shown(longer, 6) == 14  # half of 16, half of 12


def test_retime(nuke: Any, sequence: Any) -> None:
    node = nuke.nodes.Retime(inputs=[sequence], speed=0.5)
    for name, value in {"input.first": 11, "input.last": 16, "output.first": 1, "output.last": 11}.items():
        node[name].setValue(value)
    assert engine.frame_range(node) == (1, 11)
    assert [shown(node, frame) for frame in (1, 2, 3, 11, 30)] == [11, 11.5, 12, 16, 16]
    node["filter"].setValue("none")
    assert shown(node, 2) == 11
    node["reverse"].setValue(True)
    assert shown(node, 1) == 16


def test_blends_and_fades_of_stills_change_with_the_frame(nuke: Any, sequence: Any) -> None:
    """What is asked of the input is the same at every frame, and still the pictures differ."""
    still = nuke.nodes.FrameHold(inputs=[sequence], firstFrame=12)
    clip = nuke.nodes.TimeClip(inputs=[still], first=1, last=9, fadeIn=2, fadeInType="linear")
    assert [shown(clip, frame) for frame in (1, 2, 3, 4)] == pytest.approx([4, 8, 12, 12])
    slow = nuke.nodes.Retime(inputs=[sequence], speed=0.25)
    for knob, value in (("input.first", 11), ("input.last", 16), ("output.first", 11), ("output.last", 31)):
        slow[knob].setValue(value)
    assert [shown(slow, frame) for frame in (11, 12, 13, 14, 15)] == [11, 11.25, 11.5, 11.75, 12]
    clips = [nuke.nodes.FrameRange(inputs=[one], first_frame=1, last_frame=4) for one in (still, nuke.nodes.Constant())]
    joined = nuke.nodes.AppendClip(inputs=clips, dissolve=3)
    assert [shown(joined, frame) for frame in (1, 2, 3, 4, 5)] == pytest.approx([12, 9, 6, 3, 0])
    assert engine.node_hash(joined, 2) != engine.node_hash(joined, 3)


def test_a_clone_is_rendered_with_the_values_of_its_original(nuke: Any, sequence: Any) -> None:
    original = nuke.nodes.Multiply(inputs=[sequence], value=2)
    twin = nuke.clone(original)
    twin.setInput(0, sequence)
    assert shown(twin, 11) == 22
    original["value"].setValue(3)
    assert shown(twin, 11) == 33


def test_a_format_is_asked_at_the_frame_that_is_rendered(nuke: Any, tmp_path: Path, write_file: Any) -> None:
    for frame, width in ((1, 4), (2, 8)):
        write_file(tmp_path / f"in.{frame}.exr", np.ones((2, width, 3), np.float32))
    read = nuke.nodes.Read(file=(tmp_path / "in.%d.exr").as_posix(), first=1, last=2)
    scaled = nuke.nodes.Multiply(inputs=[read])
    scaled["value"].setExpression("input.width")
    assert shown(nuke.nodes.FrameHold(inputs=[scaled], firstFrame=2), 1) == 8


def test_ranges_of_several_inputs(nuke: Any, sequence: Any) -> None:
    moved = nuke.nodes.TimeOffset(inputs=[sequence], time_offset=10)
    merge = nuke.nodes.Merge2(inputs=[sequence, moved])
    assert engine.frame_range(merge) == (11, 16)
    merge["rangeinput"].setValue("All")
    assert engine.frame_range(merge) == (11, 26)
    merge["rangeinput"].setValue("A")
    assert engine.frame_range(merge) == (21, 26)
    assert engine.frame_range(nuke.nodes.ContactSheet(inputs=[sequence, moved])) == (11, 26)
    assert engine.frame_range(nuke.nodes.Blur()) == (1, 10)
    write = nuke.nodes.Write(inputs=[sequence], first=3, last=4)
    assert engine.frame_range(write) == (11, 16)
    write["use_limit"].setValue(True)
    assert engine.frame_range(write) == (3, 4)


def test_hashes_follow_time_and_what_matters(nuke: Any, sequence: Any) -> None:
    hold = nuke.nodes.FrameHold(inputs=[sequence], firstFrame=13)
    blur = nuke.nodes.Blur(inputs=[hold], size=2)
    assert engine.node_hash(blur, 1) == engine.node_hash(blur, 50)
    assert engine.node_hash(sequence, 12) != engine.node_hash(sequence, 13)
    before = engine.node_hash(blur, 1)
    blur["label"].setValue("note")
    blur["xpos"].setValue(300)
    blur.setName("Another")
    assert engine.node_hash(blur, 1) == before
    dot = nuke.nodes.Dot(inputs=[blur])
    assert engine.node_hash(dot, 1) == before
    blur["size"].setValue(3)
    assert engine.node_hash(blur, 1) != before
    blur["disable"].setValue(True)
    assert engine.node_hash(blur, 1) == engine.node_hash(hold, 1)
    before = engine.node_hash(sequence, 12)
    sequence["disable"].setValue(True)
    assert engine.node_hash(sequence, 12) != before and engine.render_node(sequence, 12).channels == ()


def test_animated_knobs_count_at_their_frame(nuke: Any, sequence: Any) -> None:
    node = nuke.nodes.Multiply(inputs=[sequence])
    node["value"].fromScript("{{curve x11 1 x16 6}}")
    assert shown(node, 11) == 11 and shown(node, 16) == 96
    assert engine.node_hash(node, 11) != engine.node_hash(node, 12)


def test_group_inputs_and_unconnected_ones(nuke: Any, sequence: Any) -> None:
    group = nuke.nodes.Group()
    with group:
        first = nuke.nodes.Input()
        second = nuke.nodes.Input()
        second["number"].setValue(1)
        merge = nuke.nodes.Merge2(inputs=[first, second], operation="plus")
        nuke.nodes.Output(inputs=[merge])
    group.setInput(0, sequence)
    assert shown(group, 12) == 12 and engine.frame_range(group) == (11, 16)
    group.setInput(1, nuke.nodes.TimeOffset(inputs=[sequence], time_offset=1))
    assert shown(group, 13) == 13 + 12


def test_pictures_without_a_source(nuke: Any) -> None:
    image = engine.render_node(nuke.nodes.Blur(), 1)
    assert image.channels == () and (image.format.width, image.format.height) == (16, 12)
    with pytest.raises(engine.RenderError, match="has no picture"):
        engine.render_node(nuke.nodes.StickyNote(), 1)


def test_long_chains_render(nuke: Any, sequence: Any) -> None:
    node = sequence
    for _ in range(400):
        node = nuke.nodes.Add(inputs=[node], value=1.0)
    assert shown(node, 11) == 411


def test_sample_reads_the_picture(nuke: Any, sequence: Any) -> None:
    assert engine.sample(sequence, "rgba.red", (0.5, 0.5, 1, 1), 12) == 12
    assert engine.sample(sequence, "red", (1, 1, 2, 2), 12) == 12
    assert engine.sample(sequence, "depth.Z", (1, 1, 1, 1), 12) == 0


def test_cache_is_bounded_in_bytes() -> None:
    cache = ImageCache(10_000)
    picture = black(Format(10, 10), ("rgba.red",) * 3, Box(0, 0, 10, 10))  # 1200 bytes
    for number in range(20):
        cache.put(str(number), picture)
        assert cache.used <= cache.limit
    assert cache.counts() == (8, 9600) and cache.get("0") is None and cache.get("19") is picture
    cache.put("large", black(Format(99, 99), ("rgba.red",), Box(0, 0, 99, 99)))
    assert cache.get("large") is None
    cache.resize(0)
    assert cache.counts() == (0, 0)


@given(st.integers(-500, 500), st.integers(-50, 50), st.integers(1, 9), st.sampled_from(["hold", "loop", "bounce"]))
def test_frames_outside_stay_in_the_clip(frame: int, first: int, length: int, rule: str) -> None:
    last = first + length - 1
    found = clamp_frame(frame, first, last, rule, rule)
    assert found is not None and first <= found <= last
    if first <= frame <= last:
        assert found == frame
    elif rule != "hold":
        period = length if rule == "loop" else max(1, 2 * length - 2)
        assert found == clamp_frame(frame + period, first, last, rule, rule) or first <= frame + period <= last
    assert clamp_frame(frame, first, last, "black", "black") == (frame if first <= frame <= last else None)


def test_file_names() -> None:
    assert with_frame("a.####.exr", 7) == "a.0007.exr" and with_frame("a.%04d.exr", -5) == "a.-005.exr"
    assert with_frame("a.%d.#.exr", 12345) == "a.12345.12345.exr" and with_frame("%V/%v.exr", 1) == "main/m.exr"
    assert split_prefix("exr:/path/###") == ("exr", "/path/###") and split_prefix("c:/a.exr") == ("", "c:/a.exr")
