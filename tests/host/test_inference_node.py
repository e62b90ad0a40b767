"""RecoveryInference as an artist uses it: baking, status, outputs, and everything that may be missing, with the real worker."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

from embedded_nuke.api import progress
from embedded_nuke.render import engine

RGB = ("rgba.red", "rgba.green", "rgba.blue")


def picture(node: Any, frame: int) -> Any:
    """RGB of a node, (H, W, 3)."""
    return np.asarray(engine.render_node(node, frame).only(RGB).pixels)


def messages() -> list[str]:
    """Everything the artist was told."""
    import embedded_nuke

    return embedded_nuke.session().messages


@pytest.fixture
def shot(nuke: Any, reads: Callable[..., Any], tiny_model: Path, tmp_path: Path) -> Any:
    """A saved script with a RecoveryInference on the faded source."""
    source, _ = reads(nuke)
    node = nuke.nodes.RecoveryInference(inputs=[source], name="Chroma")
    (tmp_path / "shot").mkdir()
    nuke.scriptSaveAs(str(tmp_path / "shot" / "shot.nk"), overwrite=1)
    node["useGPUIfAvailable"].setValue(False)
    node["modelFile"].setValue(tiny_model.as_posix())
    return node


def test_the_status_tells_what_is_fresh_stale_and_missing(nuke: Any, shot: Any) -> None:
    from film_recovery_nuke.nodes import inference

    assert shot["status"].value() == "12 missing of 12 frames."
    shot["bakeFrames"].setValue("1003-1005,1009")
    report = inference.bake_range(shot)
    assert (report.baked, report.kept) == ([1003, 1004, 1005, 1009], [])
    assert shot["status"].value() == "4 fresh of 4 frames."
    assert inference.bake_range(shot).kept == [1003, 1004, 1005, 1009]

    shot["bakeFrames"].setValue("")
    assert inference.refresh(shot) == "4 fresh, 8 missing of 12 frames (to bake: 1001-1002,1006-1008,1010-1012)."
    grade = nuke.nodes.Grade(inputs=[shot.input(0)])
    grade["white"].setExpression("frame < 1005 ? 1.1 : 1")
    shot.setInput(0, grade)
    shot["bakeFrames"].setValue("1003-1005")
    assert "stale" in inference.refresh(shot)
    assert inference.bake_range(shot).baked == [1003, 1004], "1005 is the same picture and is only found to be so"
    assert inference.refresh(shot) == "3 fresh of 3 frames."

    inference.cache_of(shot).recovered(1004).unlink()
    assert inference.refresh(shot) == "2 fresh, 1 missing of 3 frames (to bake: 1004)."
    colours = {text: tile(shot) for text in ("missing",)}
    inference.bake_range(shot)
    assert tile(shot) != colours["missing"]
    assert inference.clear_cache(shot) == 4
    assert shot["status"].value() == "3 missing of 3 frames."
    assert tile(shot) == colours["missing"]


def tile(node: Any) -> int:
    return int(node["tile_color"].value())


def test_a_baked_frame_is_what_the_command_line_gives(
    nuke: Any, shot: Any, worker: Path, elements: dict[str, str], tiny_model: Path, tmp_path: Path
) -> None:
    from film_recovery_nuke.nodes import inference

    nuke.frame(1007)
    assert inference.bake_frame(shot).baked == [1007]
    command = [
        str(worker), "-m", "film_recovery.cli.main", "apply", str(tiny_model), "--input", elements["source"],
        "--output", str(tmp_path / "cli.####.exr"), "--frames", "1007", "--device", "cpu", "--no-steady",
    ]  # fmt: skip
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run(command, cwd=str(tmp_path), env=clean, check=True, capture_output=True, timeout=120)
    expected = nuke.nodes.Read(file=(tmp_path / "cli.1007.exr").as_posix(), file_type="exr", raw=True)
    assert np.array_equal(picture(shot, 1007), picture(expected, 1))
    assert not np.array_equal(picture(shot, 1007), picture(shot.input(0), 1007))


def test_a_model_for_coded_values_is_baked(
    nuke: Any, shot: Any, worker: Path, elements: dict[str, str], tmp_path: Path
) -> None:
    from film_recovery_nuke.nodes import inference

    command = [
        str(worker), "-m", "film_recovery.cli.main", "train", "--task", "chroma", "--source", elements["source"],
        "--reference", elements["reference"], "--frames", "1001,1009", "--encoding", "none", "--size", "small", "--patch", "32",
        "--batch", "1", "--steps", "2", "--align", "none", "--device", "cpu", "--out", str(tmp_path / "coded"),
    ]  # fmt: skip
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run(command, cwd=str(tmp_path), env=clean, check=True, capture_output=True, timeout=300)
    shot["modelFile"].setValue((tmp_path / "coded").as_posix())
    assert inference.bake(shot, [1003]).baked == [1003]
    assert not np.array_equal(picture(shot, 1003), picture(shot.input(0), 1003))


def test_mix_and_outputs(nuke: Any, shot: Any) -> None:
    from film_recovery_nuke.nodes import inference

    inference.bake(shot, [1002])
    source, recovered = picture(shot.input(0), 1002), picture(shot, 1002)
    shot["mix"].setValue(0.25)
    assert np.allclose(picture(shot, 1002), 0.75 * source + 0.25 * recovered, atol=1e-6)
    shot["mix"].setValue(1.0)
    shot["output"].setValue("difference")
    assert np.allclose(picture(shot, 1002), np.abs(recovered - source), atol=1e-6)
    shot["output"].setValue("kept-component check")
    moved = picture(shot, 1002)
    assert 0.0 <= moved.max() <= 5e-4, "stored as halves"
    assert moved[..., 1:].max() == 0.0, "chroma recovery keeps luma alone"
    shot["row0"].setValue([1.2, 0.0, 0.0])
    assert picture(shot, 1002).max() > 0.01, "the check is against the balanced source"


def test_the_card_decides_what_the_check_looks_at(nuke: Any, shot: Any, tiny_model: Path) -> None:
    card = json.loads(tiny_model.with_suffix(".json").read_text(encoding="utf-8"))
    assert (shot["cardTask"].value(), shot["cardEncoding"].value()) == ("chroma", card["encoding"])
    assert shot["cardMatrix"].value() == card["matrix"]
    numbers = [number for knob in ("row0", "row1", "row2", "offset") for number in shot[knob].value()]
    assert np.allclose(numbers, card["balance"])


def test_other_channels_windows_and_metadata_go_past_the_model(
    nuke: Any, shot: Any, tmp_path: Path, exr: Callable[..., Path]
) -> None:
    """Overscan, pixels that are not square, alpha, a header entry: all as in the input."""
    from film_recovery_nuke.nodes import inference

    wide = np.random.default_rng(4).random((40, 72, 4)).astype(np.float32)
    path = exr(tmp_path / "wide.exr", wide, window=(-4, -4), full=(0, 0, 64, 32), PixelAspectRatio=2.0, shot="A 12")
    nuke.root()["format"].setValue("64 32 0 0 64 32 2 scope")
    read = nuke.nodes.Read(file=path.as_posix(), file_type="exr", first=1, last=1, raw=True)
    shot.setInput(0, read)
    inference.bake(shot, [1])
    before, after = engine.render_node(read, 1), engine.render_node(shot, 1)
    assert (after.box, after.format, after.channels) == (before.box, before.format, before.channels)
    assert np.array_equal(after.plane("rgba.alpha"), before.plane("rgba.alpha"))
    assert not np.array_equal(after.only(RGB).pixels, before.only(RGB).pixels)
    assert after.metadata["exr/shot"] == before.metadata["exr/shot"] == "A 12"
    assert dict(after.metadata) == dict(before.metadata)


def test_the_same_frame_number_is_asked_of_the_input(nuke: Any, shot: Any) -> None:
    """A retimed, animated input: frame 1010 of the node is what the input shows at 1010."""
    from film_recovery_nuke.nodes import inference

    source = shot.input(0)
    inference.bake(shot, [1005])
    early = picture(shot, 1005)
    shot.setInput(0, nuke.nodes.TimeOffset(inputs=[source], time_offset=5))
    grade = nuke.nodes.Multiply(inputs=[shot.input(0)])
    grade["value"].setExpression("frame == 1010 ? 1 : 0.5")
    shot.setInput(0, grade)
    inference.bake(shot, [1010, 1011])
    assert np.array_equal(picture(shot, 1010), early)
    assert not np.array_equal(picture(shot, 1011), early)


def test_it_bakes_at_full_scale_and_leaves_the_script_as_it_was(nuke: Any, shot: Any) -> None:
    from film_recovery_nuke.nodes import inference

    nuke.root()["proxy"].setValue(True)
    inference.bake(shot, [1001])
    assert nuke.root()["proxy"].value()
    nuke.root()["proxy"].setValue(False)
    assert picture(shot, 1001).shape == (96, 128, 3)
    assert shot.node("BakeWrite")["disable"].value()
    assert not list(inference.cache_of(shot).folder.glob(".*"))


def test_what_is_missing_is_told_in_one_sentence(nuke: Any, shot: Any, tiny_model: Path, tmp_path: Path) -> None:
    from film_recovery_nuke.errors import HostError
    from film_recovery_nuke.nodes import inference

    lonely = tmp_path / "lonely" / "chroma.onnx"
    lonely.parent.mkdir()
    shutil.copy(tiny_model, lonely)
    shot["modelFile"].setValue(lonely.as_posix())
    assert "chroma.json has to lie beside it" in shot["status"].value()
    card = json.loads(tiny_model.with_suffix(".json").read_text(encoding="utf-8"))
    for change, words in (
        ({"encoding": "secret"}, "encoding = secret"), ({"balance": [1, 2]}, "not 12 numbers"),
        ({"version": 99}, "has version 99"),
    ):  # fmt: skip
        lonely.with_suffix(".json").write_text(json.dumps({**card, **change}), encoding="utf-8")
        assert words in inference.refresh(shot)
    lonely.with_suffix(".json").write_text("{", encoding="utf-8")
    with pytest.raises(HostError, match="not JSON"):
        inference.bake(shot, [1001])
    shot["modelFile"].setValue((tmp_path / "no.onnx").as_posix())
    assert "no.onnx does not exist" in shot["status"].value()
    shot["modelFile"].setValue("")
    assert inference.refresh(shot) == "No model."
    inference.bake_frame(shot)
    assert "choose a model file first" in messages()[-1]
    shot["modelFile"].setValue(tiny_model.as_posix())
    shot.setInput(0, None)
    with pytest.raises(HostError, match="has no input"):
        inference.bake(shot, [1001])


def test_a_runs_folder_names_its_model(shot: Any, tiny_run: Path, tiny_model: Path) -> None:
    from film_recovery_nuke.nodes import inference

    shot["modelFile"].setValue(tiny_run.as_posix())
    assert inference.model_path(shot) == tiny_model


def test_another_model_never_shows_frames_of_the_old_one(shot: Any, tiny_model: Path, tmp_path: Path) -> None:
    from film_recovery_nuke.nodes import inference

    inference.bake(shot, [1001])
    shot["bakeFrames"].setValue("1001")
    other = tmp_path / "other"
    shutil.copytree(tiny_model.parent, other)
    model = other / "chroma.onnx"
    model.write_bytes(model.read_bytes() + b"\x62\x00")
    shot["modelFile"].setValue(model.as_posix())
    assert shot["status"].value() == "1 missing of 1 frames."
    with pytest.raises(RuntimeError, match="does not exist"):
        engine.render_node(shot, 1001)
    shot["modelFile"].setValue(tiny_model.as_posix())
    assert shot["status"].value() == "1 fresh of 1 frames."
    assert picture(shot, 1001).any()


def test_without_a_model_no_frame_of_the_former_one_is_shown(shot: Any, tiny_model: Path, tmp_path: Path) -> None:
    from film_recovery_nuke.nodes import inference

    inference.bake(shot, [1001])
    for model in ("", (tmp_path / "no.onnx").as_posix()):
        shot["modelFile"].setValue(model)
        assert shot["status"].value() == "No model." if not model else "no.onnx does not exist" in shot["status"].value()
        with pytest.raises(RuntimeError, match=r"not_baked/recovered\.1001\.exr does not exist"):
            engine.render_node(shot, 1001)
        shot["missingFrames"].setValue("black")
        assert picture(shot, 1001).max() == 0.0
        shot["missingFrames"].setValue("error")
        shot["modelFile"].setValue(tiny_model.as_posix())
        assert picture(shot, 1001).any()


def test_missing_frames_look_as_chosen_here_and_fail_without_a_gui(
    start_nuke: Callable[..., Any], nuke: Any, shot: Any, tmp_path: Path
) -> None:
    from film_recovery_nuke.nodes import inference

    inference.bake(shot, [1001])
    with pytest.raises(RuntimeError, match=r"recovered\.1002\.exr does not exist"):
        engine.render_node(shot, 1002)
    shot["missingFrames"].setValue("black")
    assert picture(shot, 1002).max() == 0.0
    shot["missingFrames"].setValue("checkerboard")
    assert picture(shot, 1002).max() > 0.0
    nuke.scriptSave("")
    farm = start_nuke(gui=False)
    farm.scriptOpen(str(tmp_path / "shot" / "shot.nk"))
    node = farm.toNode("Chroma")
    assert picture(node, 1001).any()
    with pytest.raises(RuntimeError, match=r"recovered\.1002\.exr does not exist"):
        engine.render_node(node, 1002)


def test_script_and_cache_move_together(
    start_nuke: Callable[..., Any], nuke: Any, shot: Any, tmp_path: Path
) -> None:
    from film_recovery_nuke.nodes import inference

    inference.bake(shot, [1001])
    wanted = picture(shot, 1001)
    nuke.scriptSave("")
    shutil.move(str(tmp_path / "shot"), str(tmp_path / "elsewhere"))
    later = start_nuke()
    later.scriptOpen(str(tmp_path / "elsewhere" / "shot.nk"))
    assert np.array_equal(picture(later.toNode("Chroma"), 1001), wanted)


def test_a_script_that_was_never_saved_needs_a_whole_folder(
    nuke: Any, reads: Callable[..., Any], tiny_model: Path, tmp_path: Path
) -> None:
    from film_recovery_nuke.errors import HostError
    from film_recovery_nuke.nodes import inference

    source, _ = reads(nuke)
    node = nuke.nodes.RecoveryInference(inputs=[source], modelFile=tiny_model.as_posix())
    with pytest.raises(HostError, match="Save the script first"):
        inference.bake(node, [1001])
    (tmp_path / "file").write_text("", encoding="utf-8")
    node["cacheFolder"].setValue((tmp_path / "file").as_posix())
    with pytest.raises(HostError, match="in the place of a folder"):
        inference.bake(node, [1001])
    node["cacheFolder"].setValue((tmp_path / "cache").as_posix())
    assert inference.bake(node, [1001]).baked == [1001]


def test_two_nodes_keep_their_frames_apart(nuke: Any, shot: Any) -> None:
    from film_recovery_nuke.nodes import inference

    inference.bake(shot, [1001])
    twin = nuke.nodes.RecoveryInference(inputs=[shot], name="Twin", modelFile=shot["modelFile"].value())
    twin["cacheKey"].setValue(shot["cacheKey"].value())  # as copy and paste does
    inference.bake(twin, [1001])
    assert inference.cache_of(twin).folder != inference.cache_of(shot).folder
    assert not np.array_equal(picture(twin, 1001), picture(shot, 1001))
    assert inference.clear_cache(twin) == 1
    assert inference.states(shot, [1001]) == ["fresh"]


def test_cancelled_at_any_point_whole_frames_stay(nuke: Any, shot: Any) -> None:
    from film_recovery_nuke.nodes import inference

    shot["bakeFrames"].setValue("1001-1004")
    seen: list[str] = []

    def press(at: int) -> Callable[[Any], None]:
        def watch(task: Any) -> None:
            seen.append(task.message)
            if len(seen) >= at:
                task.cancel()

        return watch

    for at in (1, 4, 9):
        seen.clear()
        progress.watch_tasks(press(at))
        try:
            inference.bake_range(shot)
        finally:
            progress.watch_tasks(None)
        assert shot.node("BakeWrite")["disable"].value()
        assert not list(inference.cache_of(shot).folder.glob(".*"))
        inference.refresh(shot)
    assert "frame 1001" in seen
    inference.bake_range(shot)
    assert inference.states(shot, [1001, 1002, 1003, 1004]) == ["fresh"] * 4


def test_a_frame_that_cannot_be_rendered_names_itself(shot: Any) -> None:
    from film_recovery_nuke.errors import HostError
    from film_recovery_nuke.nodes import inference

    shot.input(0)["file"].setValue("/nowhere/source.####.exr")
    with pytest.raises(HostError, match="Frame 1003 of Chroma cannot be rendered"):
        inference.bake(shot, [1003])
    assert shot.node("BakeWrite")["disable"].value()


def test_a_frame_that_has_no_room_is_told_as_such(shot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from film_recovery.contract.errors import StorageError
    from film_recovery_nuke import frames
    from film_recovery_nuke.nodes import inference

    monkeypatch.setattr(frames, "ROOM", 2**62)  # more than any disk has
    shot.input(0)["file"].setValue("/nowhere/source.####.exr")
    with pytest.raises(StorageError, match=r"Frame 1003 of Chroma cannot be rendered, and .* MB left"):
        inference.bake(shot, [1003])


def test_a_worker_that_is_not_there_or_fails(shot: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from film_recovery.contract.exit_codes import ExitCode
    from film_recovery_nuke.errors import HostError
    from film_recovery_nuke.nodes import inference

    shot["precision"].setValue("fp16")
    shot.input(0)["first"].setValue(1001)
    good = os.environ["FILM_RECOVERY_PYTHON"]
    monkeypatch.setenv("FILM_RECOVERY_PYTHON", str(tmp_path / "none"))
    with pytest.raises(HostError, match="does not exist"):
        inference.bake(shot, [1001])
    crashing = tmp_path / "python"
    crashing.write_text(
        f'#!/bin/sh\ncase "$*" in *protocol*) exec "{good}" "$@";; esac\necho "the disk is gone" >&2\nexit 8\n',
        encoding="utf-8",
    )
    crashing.chmod(0o755)
    monkeypatch.setenv("FILM_RECOVERY_PYTHON", str(crashing))
    with pytest.raises(HostError, match="frames 1001 could not be recovered: the disk is gone") as caught:
        inference.bake(shot, [1001])
    assert caught.value.exit_code == ExitCode.STORAGE
    assert inference.states(shot, [1001]) == ["missing"]
    assert not list(inference.cache_of(shot).folder.glob(".*"))


def test_a_placeholder_is_never_baked(nuke: Any, shot: Any) -> None:
    """What stands on the screen for a frame that is not baked is no picture to recover."""
    from film_recovery_nuke.errors import HostError
    from film_recovery_nuke.nodes import inference

    inference.bake(shot, [1001])
    twin = nuke.nodes.RecoveryInference(inputs=[shot], name="Twin", modelFile=shot["modelFile"].value())
    twin["useGPUIfAvailable"].setValue(False)
    shot["missingFrames"].setValue("black")
    twin["missingFrames"].setExpression("1 + 1")
    with pytest.raises(HostError, match=r"Frame 1002 of Twin cannot be rendered: .*recovered\.1002\.exr does not exist"):
        inference.bake(twin, [1002])
    assert inference.bake(twin, [1001]).baked == [1001]
    assert (shot["missingFrames"].value(), twin["missingFrames"].value()) == ("black", "checkerboard")
    assert twin["missingFrames"].hasExpression()
    assert picture(shot, 1002).max() == 0.0


def test_a_frame_that_another_bake_began_meanwhile_is_not_taken_for_ours(shot: Any) -> None:
    from film_recovery_nuke.errors import HostError
    from film_recovery_nuke.nodes import inference

    cache = inference.cache_of(shot, make_key=True)

    def meanwhile() -> bool:
        """Begin the same frame of another picture, while the worker makes ours."""
        found = cache.record(1001)
        if found is not None and found.input_file != "another":
            cache.begin(1001, dataclasses.replace(found, input_file="another"))
        return False

    with pytest.raises(HostError, match=r"another process bakes frame 1001 .*another picture.*recovered\.1001\.exr"):
        inference.bake(shot, [1001], meanwhile)
    assert (cache.record(1001).input_file, cache.record(1001).file) == ("another", "")
    assert inference.bake(shot, [1001]).baked == [1001]


def test_the_status_follows_what_makes_frames_stale(nuke: Any, shot: Any) -> None:
    """By itself, and without rendering anything."""
    from film_recovery_nuke.nodes import inference

    shot["bakeFrames"].setValue("1003-1004")
    assert shot["status"].value() == "2 missing of 2 frames."
    inference.bake_range(shot)
    renders: list[str] = []
    nuke.addBeforeRender(lambda: renders.append(nuke.thisNode().name()))
    for knob, value in (("precision", "fp32"), ("steady", True), ("confidence", True)):
        before = shot[knob].value()
        shot[knob].setValue(value)
        assert shot["status"].value() == "2 stale of 2 frames.", knob
        shot[knob].setValue(before)
        assert shot["status"].value() == "2 fresh of 2 frames.", knob
    shot["grain"].setValue("source")
    assert shot["status"].value() == "2 fresh of 2 frames.", "grain is of spatial recoveries"
    shot.setInput(0, nuke.nodes.Multiply(inputs=[shot.input(0)], value=0.9))
    assert inference.refresh(shot) == "2 stale of 2 frames."
    assert renders == []


def test_a_script_with_several_views_is_refused(nuke: Any, shot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from film_recovery_nuke.errors import HostError
    from film_recovery_nuke.nodes import inference

    monkeypatch.setattr(nuke, "views", lambda: ["left", "right"])
    with pytest.raises(HostError, match="Chroma: the script has the views left, right, but one view is recovered"):
        inference.bake(shot, [1001])
    assert inference.cache_of(shot) is None


def test_a_cache_folder_that_nuke_would_read_as_a_pattern_is_refused(nuke: Any, shot: Any, tmp_path: Path) -> None:
    from film_recovery_nuke.errors import HostError
    from film_recovery_nuke.nodes import inference

    for name, letter in (("reel#3", "#"), ("100%done", "%")):
        shot["cacheFolder"].setValue((tmp_path / name).as_posix())
        with pytest.raises(HostError, match=f"{name}: '{letter}' has a meaning in file names of Nuke; choose another cache"):
            inference.bake(shot, [1001])
    shot["cacheFolder"].setValue("")
    (tmp_path / "reel#4").mkdir()
    nuke.scriptSaveAs(str(tmp_path / "reel#4" / "shot.nk"), 1)
    with pytest.raises(HostError, match=r"reel#4/recovery/Chroma_\w+: '#' has a meaning"):
        inference.bake(shot, [1001])
    assert [path.name for path in (tmp_path / "reel#4").iterdir()] == ["shot.nk"]
