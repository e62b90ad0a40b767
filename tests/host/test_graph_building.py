"""What the package builds in the node graph: stacks of pairs, labels, backdrops, places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
import pytest


def _file(pattern: str, frame: int) -> Any:
    return oiio.ImageBuf(pattern.replace("####", str(frame))).get_pixels(oiio.FLOAT)


def test_frame_n_of_a_stack_is_the_nth_pair(nuke: Any, reads: Any, elements: dict[str, str]) -> None:
    from embedded_nuke.render import engine
    from film_recovery_nuke.graph import Pair, build_pair_stacks

    pairs = [Pair(1009, 1010, False, "night"), Pair(1002, 1002, True), Pair(1005, 1004)]
    source, reference = build_pair_stacks(pairs, *reads(nuke))
    assert engine.frame_range(source) == (1, 3)
    for number, pair in enumerate(pairs, start=1):
        for stack, side, frame in ((source, "source", pair.source), (reference, "reference", pair.reference)):
            assert np.array_equal(engine.render_node(stack, number).pixels[..., :3], _file(elements[side], frame))
    labels = [node["label"].value() for node in nuke.allNodes("FrameHold") if node.input(0).name() == "Source"]
    assert labels == ["1009:1010\nnight", "1002:1002 held out", "1005:1004"]


@pytest.mark.parametrize("reason", ["", "night\nblue", "faces [close-up]", "[python {open('made', 'w')}]", "50 $ \\ [a"])
def test_a_label_tells_its_pair_and_runs_nothing(
    nuke: Any, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from film_recovery_nuke.graph import Pair, label_of, pair_of_label

    monkeypatch.chdir(tmp_path)
    pair = Pair(-1, 7, True, reason, by_hand=True)
    assert pair_of_label(label_of(pair)) == pair
    hold = nuke.nodes.FrameHold(label=label_of(pair))
    assert hold["label"].evaluate() == f"-1:7 held out{chr(10) + reason if reason else ''}"
    assert not (tmp_path / "made").exists()
    assert [pair_of_label(text) for text in ("", "night", "1009", "1001 with 7")] == [None] * 4


def test_what_is_built_stands_where_the_elements_stand(nuke: Any) -> None:
    from film_recovery_nuke.errors import HostError
    from film_recovery_nuke.graph import Pair, build_pair_stacks

    group = nuke.nodes.Group(name="Shot")
    with group:
        inside = [nuke.nodes.Constant(name=name) for name in ("Neg", "Print")]
    outside = nuke.nodes.Constant(name="Outside")
    stacks = build_pair_stacks([Pair(1001, 1001), Pair(1002, 1002)], *inside)
    assert [stack.fullName().split(".")[0] for stack in stacks] == ["Shot", "Shot"]
    assert {hold.input(0).name() for hold in group.nodes() if hold.Class() == "FrameHold"} == {"Neg", "Print"}
    before = len(nuke.allNodes(recurseGroups=True))
    with pytest.raises(HostError, match=r"Shot\.Neg and Outside stand in different groups"):
        build_pair_stacks([Pair(1001, 1001)], inside[0], outside)
    assert len(nuke.allNodes(recurseGroups=True)) == before


def test_every_node_lies_within_its_backdrop_and_nothing_overlaps(nuke: Any, reads: Any) -> None:
    from film_recovery_nuke.graph import Pair, build_pair_stacks

    clips = build_pair_stacks([Pair(frame, frame) for frame in range(1001, 1010)], *reads(nuke))
    boxes = []
    for clip, back in zip(clips, sorted(nuke.allNodes("BackdropNode"), key=lambda node: node.xpos())):
        left, top = back.xpos(), back.ypos()
        right, bottom = left + back["bdwidth"].value(), top + back["bdheight"].value()
        frames = [clip.input(index) for index in range(clip.inputs())]
        for node in (clip, *frames, *(frame.input(0) for frame in frames)):
            assert left < node.xpos() < right
            assert top < node.ypos() < bottom
        boxes.append((left, right))
    assert boxes[0][1] <= boxes[1][0]
    places = [(node.xpos(), node.ypos()) for node in nuke.allNodes() if node.Class() != "BackdropNode"]
    assert len(places) == len(set(places))


def test_a_script_with_stacks_comes_back_from_its_file(nuke: Any, reads: Any, tmp_path: Path, elements: dict[str, str]) -> None:
    from embedded_nuke.render import engine
    from film_recovery_nuke.graph import Pair, build_pair_stacks

    source, _ = build_pair_stacks([Pair(1003, 1003), Pair(1007, 1007)], *reads(nuke))
    name = source.name()
    nuke.scriptSaveAs(str(tmp_path / "stacks.nk"), 1)
    nuke.scriptOpen(str(tmp_path / "stacks.nk"))
    assert np.array_equal(engine.render_node(nuke.toNode(name), 2).pixels[..., :3], _file(elements["source"], 1007))


def test_without_a_pair_nothing_is_built(nuke: Any, reads: Any) -> None:
    from film_recovery_nuke.errors import HostError
    from film_recovery_nuke.graph import build_pair_stacks

    made = reads(nuke)
    with pytest.raises(HostError, match="no pair yet"):
        build_pair_stacks([], *made)
    assert len(nuke.allNodes()) == 2
