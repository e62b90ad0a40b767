"""Steadied recoveries in the graph: whatever is baked first, the frames are those of the command line on the whole element."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

from embedded_nuke.render import engine

RGB = ("rgba.red", "rgba.green", "rgba.blue")


def picture(node: Any, frame: int) -> Any:
    return np.asarray(engine.render_node(node, frame).only(RGB).pixels)


@pytest.fixture
def shot(nuke: Any, reads: Callable[..., Any], tiny_model: Path, tmp_path: Path) -> Any:
    """A saved script with a RecoveryInference that steadies."""
    source, _ = reads(nuke)
    node = nuke.nodes.RecoveryInference(inputs=[source], name="Chroma", steady=True, useGPUIfAvailable=False)
    (tmp_path / "shot").mkdir()
    nuke.scriptSaveAs(str(tmp_path / "shot" / "shot.nk"), overwrite=1)
    node["modelFile"].setValue(tiny_model.as_posix())
    return node


def test_parts_of_a_range_are_what_the_command_line_gives_of_the_whole(
    nuke: Any, shot: Any, worker: Path, elements: dict[str, str], tiny_model: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from film_recovery_nuke.nodes import inference

    monkeypatch.setattr(inference, "_AT_ONCE", 2)
    assert inference.bake(shot, [1007]).baked == [1007]
    report = inference.bake(shot, [1002, 1007, 1008, 1011])
    assert (report.baked, report.kept) == ([1002, 1008, 1011], [1007])
    assert not list((tmp_path / "shot").glob("recovery/*/.*")), "no rendered input stays"
    command = [
        str(worker), "-m", "film_recovery.cli.main", "apply", str(tiny_model), "--input", elements["source"],
        "--output", str(tmp_path / "cli.####.exr"), "--device", "cpu",
    ]  # fmt: skip
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run(command, cwd=str(tmp_path), env=clean, check=True, capture_output=True, timeout=120)
    for frame in (1002, 1007, 1008, 1011):
        expected = nuke.nodes.Read(file=(tmp_path / f"cli.{frame}.exr").as_posix(), file_type="exr", raw=True)
        assert np.array_equal(picture(shot, frame), picture(expected, 1)), frame

    steadied = picture(shot, 1007)
    shot["steady"].setValue(False)
    assert inference.bake(shot, [1007]).baked == [1007], "the frame is another one"
    assert not np.array_equal(picture(shot, 1007), steadied)


def test_a_changed_neighbour_makes_a_frame_new(nuke: Any, shot: Any) -> None:
    from film_recovery_nuke.nodes import inference

    assert inference.bake(shot, [1004]).baked == [1004]
    grade = nuke.nodes.Grade(inputs=[shot.input(0)])
    grade["white"].setExpression("frame == 1008 ? 1.02 : 1")
    shot.setInput(0, grade)
    assert inference.bake(shot, [1004]).baked == [1004]
    assert inference.bake(shot, [1004]).kept == [1004]


def test_frames_beyond_the_clip_change_none_of_those_within(nuke: Any, shot: Any) -> None:
    from film_recovery_nuke import needs
    from film_recovery_nuke.nodes import inference

    assert [frame for frame in range(995, 1020) if not needs.is_beyond(shot, frame)] == list(range(1001, 1013))
    assert needs.neighbours(shot, 1013) == [] and 1012 in needs.neighbours(shot, 1011)
    assert inference.bake(shot, [1011, 1012]).baked == [1011, 1012]
    alone = [picture(shot, frame) for frame in (1011, 1012)]
    inference.clear_cache(shot)
    assert inference.bake(shot, [1011, 1012, 1013, 1016]).baked == [1011, 1012, 1013, 1016]
    assert [np.array_equal(picture(shot, frame), one) for frame, one in zip((1011, 1012), alone)] == [True, True]
    held = picture(shot, 1013)
    assert np.array_equal(picture(shot, 1016), held)
    inference.clear_cache(shot)
    assert inference.bake(shot, [1013]).baked == [1013]
    assert np.array_equal(picture(shot, 1013), held)


def test_neighbours_are_asked_of_a_pass_above(nuke: Any, shot: Any, tiny_model: Path) -> None:
    from film_recovery_nuke import needs

    shot["steady"].setValue(False)
    second = nuke.nodes.RecoveryInference(inputs=[shot], name="Second", modelFile=tiny_model.as_posix())
    assert needs.needed([second], [1005]).of(shot) == [1005]
    second["steady"].setValue(True)
    assert needs.needed([second], [1005]).of(shot) == list(range(1001, 1013)), "within the range of the element"
    assert needs.needed([second], [1005]).of(second) == [1005]
    second["cardTask"].setValue("spatial")
    assert needs.needed([second], [1005]).of(shot) == list(range(1003, 1008)), "those that grain is averaged over"
    second["grain"].setValue("source")
    assert needs.needed([second], [1005]).of(shot) == [1005], "the source's grain is put back"
    second["cardTask"].setValue("as-is")
    assert needs.needed([second], [1005]).of(shot) == [1005]
