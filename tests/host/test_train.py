"""RecoveryTrain, from verifying to the inference node, with the real worker; and everything that can stop it."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest

SETTINGS = {"frames": "1001,1004,1008,1012", "heldOut": "1006", "trainFor": "steps", "modelSize": "Small", "cropSize": "64"}


@pytest.fixture
def make_node(reads: Any, tmp_path: Path) -> Any:
    """A RecoveryTrain on both elements, in a script that lies in ``tmp_path / 'script'``."""

    def make(nuke: Any, saved: bool = True, **settings: Any) -> Any:
        source, reference = reads(nuke)
        if saved:
            (tmp_path / "script").mkdir(exist_ok=True)
            nuke.scriptSaveAs(str(tmp_path / "script" / "s.nk"), 1)
        node = nuke.nodes.RecoveryTrain(inputs=[source, reference])
        node["steps"].setValue(12)
        for name, value in {**SETTINGS, **settings}.items():
            node[name].setValue(value)
        return node

    return make


def _wait(node: Any, states: tuple[str, ...], seconds: float = 90.0) -> Any:
    from film_recovery_nuke.nodes import train

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = train.state(node)
        if found.state in states:
            return found
        time.sleep(0.1)
    raise AssertionError(f"still {train.state(node)} after {seconds:.0f} s")


def _messages() -> list[str]:
    import embedded_nuke

    return embedded_nuke.session().messages


def test_from_verify_to_the_inference_node(nuke: Any, worker: Path, make_node: Any, tmp_path: Path, start_nuke: Any) -> None:
    node = make_node(nuke)
    node["verifyInputs"].execute()
    assert _messages()[-1] == "4 pairs to train on, 1 held out.\nNothing stands against training."
    assert not (tmp_path / "script" / "recovery" / ".verify_RecoveryTrain1").exists()

    node["startTraining"].execute()
    assert node["run"].value() == "RecoveryTrain1_v001"
    found = _wait(node, ("finished", "failed"))
    assert found.state == "finished", found.sentence()
    folder = tmp_path / "script" / "recovery" / "RecoveryTrain1_v001"
    assert sorted(path.name for path in (folder / "gathered").glob("source.*")) == [
        f"source.{frame}.exr" for frame in (1001, 1004, 1006, 1008, 1012)
    ]
    assert not [name for name in ("GatherSource", "GatherReference") if not node.node(name)["disable"].value()]

    from film_recovery_nuke.nodes import train

    train.refresh(node)
    assert node["model"].value() == "recovery/RecoveryTrain1_v001/export/chroma.onnx"
    inference = train.create_inference(node)
    assert (inference.Class(), inference.input(0)) == ("RecoveryInference", node.input(0))
    assert inference["modelFile"].value() == node["model"].value()
    assert inference["cardTask"].value() == "chroma"

    # Nuke is closed, script and runs move to another folder, Nuke is opened again.
    nuke.scriptSave()
    (tmp_path / "script").rename(tmp_path / "moved")
    again = start_nuke()
    again.scriptOpen(str(tmp_path / "moved" / "s.nk"))
    from film_recovery_nuke.nodes import train as train_again

    state = train_again.refresh(again.toNode("RecoveryTrain1"))
    assert state.state == "finished"
    assert state.model == tmp_path / "moved" / "recovery" / "RecoveryTrain1_v001" / "export" / "chroma.onnx"


def test_a_training_outlives_nuke_and_can_be_stopped_and_resumed(
    nuke: Any, worker: Path, make_node: Any, tmp_path: Path, start_nuke: Any
) -> None:
    node = make_node(nuke)
    node["steps"].setValue(4000)
    node["startTraining"].execute()
    nuke.scriptSave()
    _wait(node, ("running",))

    again = start_nuke()
    again.scriptOpen(str(tmp_path / "script" / "s.nk"))
    node = again.toNode("RecoveryTrain1")
    _wait(node, ("running",))
    node["startTraining"].execute()
    assert "is training already" in _messages()[-1]
    node["stopTraining"].execute()
    stopped = _wait(node, ("stopped", "failed"))
    assert stopped.state == "stopped", stopped.sentence()
    node["resumeTraining"].execute()
    _wait(node, ("running",))
    node["stopTraining"].execute()
    assert _wait(node, ("stopped", "failed")).state == "stopped"
    node["stopTraining"].execute()
    assert "is not training" in _messages()[-1]


def test_two_nodes_have_runs_of_their_own(nuke: Any, worker: Path, make_node: Any, tmp_path: Path) -> None:
    from film_recovery_nuke.nodes import train

    first = make_node(nuke)
    second = nuke.nodes.RecoveryTrain(inputs=[first.input(0), first.input(1)])
    for name, value in SETTINGS.items():
        second[name].setValue(value)
    second["steps"].setValue(12)
    for node in (first, second):
        train.start(node)
    assert [_wait(node, ("finished", "failed")).state for node in (first, second)] == ["finished", "finished"]
    assert {first["run"].value(), second["run"].value()} == {"RecoveryTrain1_v001", "RecoveryTrain2_v001"}
    train.start(first)
    assert first["run"].value() == "RecoveryTrain1_v002"
    _wait(first, ("finished", "failed"))


@pytest.mark.parametrize("button", ["verifyInputs", "startTraining"])
def test_cancelling_leaves_nothing_behind(nuke: Any, worker: Path, make_node: Any, tmp_path: Path, button: str) -> None:
    from embedded_nuke.api.progress import watch_tasks

    node = make_node(nuke)
    watch_tasks(lambda task: task.cancel() if task.label.startswith("Film Recovery") and task.percent > 20 else None)
    try:
        node[button].execute()
    finally:
        watch_tasks(None)
    assert not list((tmp_path / "script" / "recovery").glob("*"))
    assert node["run"].value() == ""
    assert node.node("GatherSource")["disable"].value()
    assert _messages() == []  # who cancels needs no message


def test_an_unsaved_script_is_asked_to_be_saved(nuke: Any, worker: Path, make_node: Any, tmp_path: Path) -> None:
    node = make_node(nuke, saved=False)
    node["startTraining"].execute()
    assert "Save the script first" in _messages()[-1]
    node["dataDirectory"].setValue((tmp_path / "elsewhere").as_posix())
    node["startTraining"].execute()
    assert _wait(node, ("finished", "failed")).state == "finished"
    assert (tmp_path / "elsewhere" / "RecoveryTrain1_v001").is_dir()


def test_a_folder_that_cannot_be_written_is_told(nuke: Any, worker: Path, make_node: Any, tmp_path: Path) -> None:
    node = make_node(nuke)
    (tmp_path / "file").write_text("a file where a folder should be")
    node["dataDirectory"].setValue((tmp_path / "file" / "runs").as_posix())
    node["startTraining"].execute()
    assert f"{tmp_path / 'file' / 'runs'} is a file, or lies below one" in _messages()[-1]
    if os.geteuid():  # nothing is read-only for root
        locked = tmp_path / "locked"
        locked.mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
        node["dataDirectory"].setValue(locked.as_posix())
        node["startTraining"].execute()
        assert "Cannot write" in _messages()[-1]
    assert node["run"].value() == ""


@pytest.mark.parametrize(
    ("knob", "value", "told"),
    [
        ("frames", "", "name the frames"),
        ("frames", "1001-", "is no frame range"),
        ("heldOut", "1004", "to be trained on and held out"),
        ("frames", "1001,1050", "Frame 1050"),
        ("frames", "1001,1070", "frame 1070 lies outside of Source, which has 1001-1060"),
        ("previewOn", True, "frame 1 lies outside of Source, which has 1001-1060"),
        ("dataDirectory", "", ""),
    ],
)
def test_wrong_settings_are_told(nuke: Any, worker: Path, make_node: Any, knob: str, value: str, told: str) -> None:
    node = make_node(nuke)
    node.setInput(2, node.input(0))
    node[knob].setValue(value)
    if knob == "dataDirectory":
        node.setInput(1, None)
        told = "connect the input Reference"
    for name in ("Source", "Reference"):  # a frame outside of the files is no frame
        nuke.toNode(name)["after"].setValue("black")
        nuke.toNode(name)["on_error"].setValue("error")
        nuke.toNode(name)["last"].setValue(1060)
    node["startTraining"].execute()
    assert told in _messages()[-1]
    assert node["run"].value() == ""


def test_frames_are_gathered_whole_with_proxy_mode_on(nuke: Any, worker: Path, make_node: Any, tmp_path: Path) -> None:
    import OpenImageIO as oiio

    from film_recovery_nuke.nodes import train

    node = make_node(nuke)
    root = nuke.root()
    root["proxy_format"].setValue("64 48 0 0 64 48 1 half")
    root["proxy"].setValue(True)
    root["lock_range"].setValue(True)
    train.gather(node, tmp_path / "run", train.plan_of(node))
    assert root["proxy"].value() is True
    found = oiio.ImageBuf(str(tmp_path / "run" / "gathered" / "source.1004.exr")).spec()
    assert (found.width, found.height, found.nchannels, str(found.format)) == (128, 96, 3, "float")


def test_overscan_and_wide_pixels_are_gathered_as_they_are(
    nuke: Any, tmp_path: Path, make_node: Any, picture_tools: Any
) -> None:
    import numpy as np
    import OpenImageIO as oiio

    from film_recovery_nuke.nodes import train

    write_exr, scene = picture_tools
    node = make_node(nuke)
    picture = scene(4, 148, 116)
    for side in ("source", "reference"):
        path = tmp_path / f"{side}.1004.exr"
        write_exr(path, picture, window=(-10, -10), full=(0, 0, 128, 96), PixelAspectRatio=2.0)
        nuke.toNode(side.capitalize())["file"].setValue((tmp_path / f"{side}.####.exr").as_posix())
    node["frames"].setValue("1004")
    node["heldOut"].setValue("")
    train.gather(node, tmp_path / "run", train.plan_of(node))
    found = oiio.ImageBuf(str(tmp_path / "run" / "gathered" / "source.1004.exr"))
    spec = found.spec()
    assert (spec.x, spec.y, spec.width, spec.height, spec.full_width, spec.full_height) == (-10, -10, 148, 116, 128, 96)
    assert spec.getattribute("PixelAspectRatio") == 2.0
    assert np.array_equal(found.get_pixels(oiio.FLOAT), picture)


def test_a_worker_that_crashes_leaves_its_reason(nuke: Any, make_node: Any, fake_worker: Any) -> None:
    from film_recovery_nuke.nodes import train

    node = make_node(nuke)
    fake_worker("sys.exit('the card has gone')")
    train.start(node)
    assert _wait(node, ("failed",)).failure == "the card has gone"
    assert train.refresh(node).sentence() == node["status"].value() == "Failed: the card has gone"
    node["resumeTraining"].execute()
    assert "Press Start" in _messages()[-1]


def test_training_from_selected_frames(nuke: Any, worker: Path, make_node: Any) -> None:
    node = make_node(nuke)
    holds = [nuke.nodes.FrameHold(inputs=[node.input(0)], firstFrame=frame) for frame in (1002, 1005, 1007, 1010, 1011)]
    holds.append(nuke.nodes.FrameHold(inputs=[node.input(1)], firstFrame=1009))  # the reference's, as Build stacks makes them
    second = nuke.nodes.RecoveryTrain()
    from film_recovery_nuke import menus

    for trainings in ([], [node, second]):
        for entry in nuke.allNodes():
            entry.setSelected(entry in (*holds, *trainings))
        menus.train_from_selected()
        assert "Select one RecoveryTrain" in _messages()[-1]
    second.setSelected(False)
    menus.train_from_selected()
    assert (node["frames"].value(), node["heldOut"].value()) == ("1002,1005,1010-1011", "1007")
    assert _wait(node, ("finished", "failed")).state == "finished"


def test_an_equal_request_is_not_trained_twice(nuke: Any, worker: Path, make_node: Any, tmp_path: Path) -> None:
    from film_recovery_nuke.nodes import train

    node = make_node(nuke)
    said: list[str] = []
    first = train.ensure_trained(node, said.append)
    assert train.ensure_trained(node, said.append) == first
    assert said[-1] == "RecoveryTrain1: RecoveryTrain1_v001 is trained already"
    assert [path.name for path in (tmp_path / "script" / "recovery").iterdir()] == ["RecoveryTrain1_v001"]
    node["seed"].setValue(3)
    assert train.ensure_trained(node, said.append).parent.parent.name == "RecoveryTrain1_v002"
    request = json.loads((first.parent.parent / "request.json").read_text())
    assert len(request["pictures"]) == 10


def test_knobs_become_options_of_the_command(nuke: Any, make_node: Any, tmp_path: Path) -> None:
    node = make_node(nuke)
    from film_recovery_nuke.nodes import train

    def option(word: str) -> str | None:
        words = train.plan_of(node).options
        return words[words.index(word) + 1] if word in words else None

    assert (option("--steps"), option("--size"), option("--patch")) == ("12", "small", "64")
    assert option("--initial-weights") is None and "--stop-when-level" not in train.plan_of(node).options
    node["initialWeights"].setValue("none")
    assert option("--initial-weights") == "none"
    node["initialWeights"].setValue("earlier/run")
    assert option("--initial-weights") == str(tmp_path / "script" / "earlier" / "run")
    node["stopWhenLevel"].setValue(True)
    assert "--stop-when-level" in train.plan_of(node).options


def test_the_worker_gets_every_pair_with_its_partner_and_its_reason(
    nuke: Any, make_node: Any, tmp_path: Path, fake_worker: Any
) -> None:
    pytest.importorskip("click", reason="the worker's packages are not in Nuke's Python")
    from film_recovery.cli.train import make_job
    from film_recovery.cli.train import train as command
    from film_recovery.contract.errors import FilmRecoveryError
    from film_recovery_nuke.nodes import train

    node = make_node(nuke, frames="1001,1004", heldOut="1006", referenceFrames="1001:1003, 1006:1003")
    node["pairReasons"].setValue(json.dumps({"1001": "her hat"}))
    fake_worker(f"import json; json.dump(sys.argv[4:], open({str(tmp_path / 'words')!r}, 'w'))")
    folder = train.start(node)
    names = ["reference.1003.exr", "reference.1004.exr", *(f"source.{frame}.exr" for frame in (1001, 1004, 1006))]
    assert sorted(path.name for path in (folder / "gathered").iterdir()) == names

    end = time.monotonic() + 60.0
    while not (tmp_path / "words").is_file() or not (tmp_path / "words").read_text().endswith("]"):
        assert time.monotonic() < end
        time.sleep(0.05)
    options = command.make_context("train", json.loads((tmp_path / "words").read_text())).params
    assert options.pop("out") == folder
    job = make_job(options)
    assert (job.frames, job.held_out) == ([1001, 1004], [1006])
    assert [job.partner(frame) for frame in (1001, 1004, 1006)] == [1003, 1004, 1003]
    assert job.reasons == {"1001": "her hat"}
    for text, words in (("1001:1999", "frame 1999 lies outside"), ("1001-1003", "no pair of frames")):
        node["referenceFrames"].setValue(text)
        with pytest.raises(FilmRecoveryError, match=words):
            train.plan_of(node)


def test_the_button_refresh_tells_what_is_wrong_and_an_opened_script_does_not(
    nuke: Any, make_node: Any, tmp_path: Path
) -> None:
    from film_recovery_nuke.nodes import train

    node = make_node(nuke)
    node["run"].setValue("RecoveryTrain1_v001")
    node["dataDirectory"].setValue((tmp_path / "reel#3").as_posix())
    train.on_create(node)
    assert _messages() == []
    node["refreshStatus"].execute()
    assert len(_messages()) == 1
    assert "'#' in the data directory means a frame number" in _messages()[0]
