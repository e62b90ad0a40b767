"""RecoveryTrain where something is in the way: no worker, a folder that cannot be written, another process, a hasty hand."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

SETTINGS = {"frames": "1001,1004,1008", "heldOut": "1006", "trainFor": "steps", "modelSize": "Small", "cropSize": "64"}


@pytest.fixture
def node(nuke: Any, reads: Any, tmp_path: Path) -> Any:
    """A RecoveryTrain on both elements; the script lies in ``tmp_path / 'script'``."""
    source, reference = reads(nuke)
    (tmp_path / "script").mkdir()
    nuke.scriptSaveAs(str(tmp_path / "script" / "s.nk"), 1)
    made = nuke.nodes.RecoveryTrain(inputs=[source, reference])
    made["steps"].setValue(12)
    for name, value in SETTINGS.items():
        made[name].setValue(value)
    return made


def _state(node: Any) -> Any:
    from film_recovery_nuke.nodes import train

    return train.state(node)


def _wait(node: Any, *states: str) -> Any:
    end = time.monotonic() + 120.0
    while _state(node).state not in states:
        assert time.monotonic() < end, _state(node)
        time.sleep(0.1)
    return _state(node)


def _messages() -> list[str]:
    import embedded_nuke

    return embedded_nuke.session().messages


def _runs(tmp_path: Path) -> list[str]:
    folder = tmp_path / "script" / "recovery"
    return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []


@pytest.mark.parametrize("button", ["verifyInputs", "startTraining"])
@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ('print(\'{"protocol": 99, "version": "9", "python": "3.11"}\')', "speaks protocol 99"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "fails (no message)"),
        ("sys.exit('No module named film_recovery')", "No module named film_recovery"),
    ],
)
def test_a_wrong_worker_is_told_and_nothing_is_made(
    node: Any, fake_worker: Any, tmp_path: Path, button: str, answers: str, told: str
) -> None:
    fake_worker("", answers)
    node[button].execute()
    assert told in _messages()[-1]
    assert _runs(tmp_path) == []
    assert node["run"].value() == ""


def test_a_worker_that_does_not_answer_can_be_cancelled(node: Any, fake_worker: Any, tmp_path: Path) -> None:
    from embedded_nuke.api.progress import cancel_tasks

    fake_worker("", f"open({str(tmp_path / 'asked')!r}, 'w').close(); time.sleep(60)")

    def press() -> None:
        while not (tmp_path / "asked").exists():
            time.sleep(0.05)
        cancel_tasks()

    hand = threading.Thread(target=press)
    hand.start()
    node["startTraining"].execute()
    hand.join()
    assert _messages() == []
    assert _runs(tmp_path) == []


def test_looking_the_frames_over_can_be_cancelled(node: Any, fake_worker: Any, tmp_path: Path) -> None:
    from embedded_nuke.api.progress import cancel_tasks

    fake_worker(f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)")

    def press() -> None:
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.05)
        cancel_tasks()

    hand = threading.Thread(target=press)
    hand.start()
    node["verifyInputs"].execute()
    hand.join()
    assert (_messages(), _runs(tmp_path)) == ([], [])
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize(("knob", "value", "told"), [
    ("batchSize", 0, "Batch and intervals must be 1 or more"), ("initialWeights", "/no/such/run", "/no/such/run"),
])  # fmt: skip
def test_what_a_start_would_refuse_verifying_refuses(
    node: Any, worker: Path, tmp_path: Path, knob: str, value: Any, told: str
) -> None:
    node[knob].setValue(value)
    node["verifyInputs"].execute()
    assert told in _messages()[-1] and "Nothing stands against" not in _messages()[-1]
    assert _runs(tmp_path) == []


def test_cancelling_a_start_to_the_last_frame_leaves_nothing(node: Any, worker: Path, tmp_path: Path) -> None:
    from embedded_nuke.api.progress import watch_tasks

    watch_tasks(lambda task: task.cancel() if task.message.startswith("noting") else None)
    try:
        node["startTraining"].execute()
    finally:
        watch_tasks(None)
    assert (_messages(), _runs(tmp_path), node["run"].value()) == ([], [], "")


def test_a_script_folder_that_is_read_only(node: Any, worker: Path, tmp_path: Path, plain_user: None) -> None:
    (tmp_path / "script").chmod(0o500)
    try:
        node["startTraining"].execute()
        assert f"Cannot write {tmp_path / 'script' / 'recovery'}: Permission denied" in _messages()[-1]
        node["verifyInputs"].execute()
        assert f"Cannot write {tmp_path / 'script'}" in _messages()[-1]
        assert node["run"].value() == ""
    finally:
        (tmp_path / "script").chmod(0o700)


def test_a_run_in_a_folder_that_is_read_only_is_still_followed(nuke: Any, tmp_path: Path, plain_user: None) -> None:
    from film_recovery.contract.events import EventLog
    from film_recovery.contract.run_folder import RunFolder
    from film_recovery_nuke.run_state import read_run

    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    EventLog(run.events).append("started", task="chroma", steps=10)
    with run.locked():
        (run.path / "lock").chmod(0o400)
        run.path.chmod(0o500)
        assert read_run(run.path).state == "running"
    assert read_run(run.path).state == "interrupted"
    run.path.chmod(0o700)


def test_a_folder_that_nobody_may_look_into_is_told_and_stops_nothing(
    nuke: Any, node: Any, tmp_path: Path, plain_user: None
) -> None:
    from film_recovery_nuke.errors import HostError
    from film_recovery_nuke.nodes import inference, train

    closed = tmp_path / "closed"
    (closed / "RecoveryTrain1_v001" / "export").mkdir(parents=True)
    (closed / "RecoveryTrain1_v001" / "export" / "chroma.onnx").touch()
    node["dataDirectory"].setValue(closed.as_posix())
    node["run"].setValue("RecoveryTrain1_v001")
    shot = nuke.nodes.RecoveryInference(inputs=[node.input(0)])
    closed.chmod(0)
    try:
        assert train.state(node).state == "lost"
        train.show_runs()
        train.on_create(node)
        assert "RecoveryTrain1_v001 " in node["status"].value()
        for name in ("RecoveryTrain1_v001/export/chroma.onnx", "RecoveryTrain1_v001"):
            shot["modelFile"].setValue((closed / name).as_posix())
            with pytest.raises(HostError, match=r"cannot be looked at|does not exist"):
                inference.model_path(shot)
            assert str(closed) in inference.refresh(shot)
    finally:
        closed.chmod(0o700)


def test_a_reference_that_an_alignment_retimes_has_the_frames_of_its_source(
    nuke: Any, node: Any, worker: Path, tmp_path: Path
) -> None:
    from film_recovery.contract.curation import AlignmentRecord, FrameAlignment
    from film_recovery_nuke.errors import HostError
    from film_recovery_nuke.nodes import align, train

    still = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    reference = nuke.nodes.TimeOffset(inputs=[node.input(1)], time_offset=-500)
    frames = [FrameAlignment(at, at, still, None, 0.1, 0.3, 0.9, "aligned", "") for at in range(1001, 1009)]
    record = AlignmentRecord("a", "b", [128, 96], [128, 96], False, [0, 0, 128, 96], [], frames)
    record.save(tmp_path / "align.json")
    laid, _ = align.create(record, tmp_path / "align.json", node.input(0), reference)
    node.setInput(1, laid)
    assert laid["retime"].value() and train.plan_of(node).wanted["reference"] == [1001, 1004, 1006, 1008]
    laid["retime"].setValue(False)
    with pytest.raises(HostError, match="lies outside of"):
        train.plan_of(node)


def test_a_name_that_nuke_would_read_as_a_pattern_is_refused(nuke: Any, node: Any, worker: Path, tmp_path: Path) -> None:
    for name in ("reel#3", "100%done"):
        node["dataDirectory"].setValue((tmp_path / name).as_posix())
        node["startTraining"].execute()
        assert "in the data directory means a frame number" in _messages()[-1]
        assert not (tmp_path / name).exists()
    node["dataDirectory"].setValue("")
    (tmp_path / "reel#4").mkdir()
    nuke.scriptSaveAs(str(tmp_path / "reel#4" / "s.nk"), 1)
    node["startTraining"].execute()
    assert "reel#4/recovery/RecoveryTrain1_v001: '#' has a meaning" in _messages()[-1]
    assert not list((tmp_path / "reel#4" / "recovery").iterdir())


def test_an_unseen_frame_is_shown_and_folders_may_have_any_letters(nuke: Any, node: Any, worker: Path, tmp_path: Path) -> None:
    node["dataDirectory"].setValue("Läufe für 'Rolle 3'")
    node["previewOn"].setValue(True)
    node["previewFrame"].setValue(1011)
    node["startTraining"].execute()
    assert "connect the input Preview" in _messages()[-1]
    node.setInput(2, nuke.toNode("Source"))
    node["previewFrame"].setValue(1006)
    node["startTraining"].execute()
    assert "frame 1006 is in the set" in _messages()[-1]
    node["previewFrame"].setValue(1011)
    node["imageInterval"].setValue(6)
    node["startTraining"].execute()
    found = _wait(node, "finished", "failed")
    assert found.state == "finished", found.sentence()
    assert found.folder == tmp_path / "script" / "Läufe für 'Rolle 3'" / "RecoveryTrain1_v001"
    assert found.preview is not None
    assert found.preview.is_file()
    assert found.sheet is not None
    assert found.sheet.is_file()


def test_a_renamed_node_keeps_its_training_and_a_copy_has_no_hand_in_it(nuke: Any, node: Any, tmp_path: Path) -> None:
    from film_recovery.contract.events import EventLog
    from film_recovery.contract.run_folder import RunFolder

    run = RunFolder(tmp_path / "script" / "recovery" / "RecoveryTrain1_v001")
    run.path.mkdir(parents=True)
    EventLog(run.events).append("started", task="chroma", steps=400)
    node["run"].setValue(run.path.name)
    node["model"].setValue("recovery/RecoveryTrain1_v001/export/chroma.onnx")
    for entry in nuke.allNodes():
        entry.setSelected(entry is node)
    nuke.nodeCopy(str(tmp_path / "copy.nk"))
    node.setName("Colour")
    with run.locked():
        node["startTraining"].execute()
        assert "Colour is training already" in _messages()[-1]
        copy = nuke.nodePaste(str(tmp_path / "copy.nk"))
        assert [copy[knob].value() for knob in ("run", "model", "status")] == ["", "", "No training yet."]
        copy["stopTraining"].execute()
        assert f"{copy.name()} is not training" in _messages()[-1]
        copy.setName("Copy")
        copy["run"].setValue(run.path.name)
        copy["stopTraining"].execute()
        assert "Copy is a copy that names the run RecoveryTrain1_v001 of another node; stop it there" in _messages()[-1]
        assert not run.stop_request.exists()
        copy["run"].setValue("")
        node["stopTraining"].execute()
        assert run.stop_request.exists()
    assert node["model"].value() != ""


def test_a_copy_of_a_node_trains_beside_it(nuke: Any, node: Any, worker: Path, tmp_path: Path) -> None:
    from film_recovery.contract.exit_codes import ExitCode

    node["steps"].setValue(4000)
    node["startTraining"].execute()
    for entry in nuke.allNodes():
        entry.setSelected(entry is node)
    nuke.nodeCopy(str(tmp_path / "copy.nk"))
    copy = nuke.nodePaste(str(tmp_path / "copy.nk"))
    copy.setInput(0, node.input(0))
    copy.setInput(1, node.input(1))
    assert (copy.name(), copy["run"].value(), copy["status"].value()) == ("RecoveryTrain2", "", "No training yet.")
    copy["steps"].setValue(12)
    copy["startTraining"].execute()
    assert copy["run"].value() == "RecoveryTrain2_v001"
    assert _wait(copy, "finished", "failed").state == "finished"
    _wait(node, "running")
    # A second process in the same folder is refused, whoever starts it.
    folder = tmp_path / "script" / "recovery" / "RecoveryTrain1_v001"
    end = time.monotonic() + 60.0
    while not (folder / "job.json").is_file():
        assert time.monotonic() < end
        time.sleep(0.1)
    command = [str(worker), "-m", "film_recovery.cli.main", "resume", str(folder)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    second = subprocess.run(command, env=clean, cwd=str(tmp_path), capture_output=True, text=True, check=False)
    assert second.returncode == ExitCode.BUSY, second.stderr
    node["stopTraining"].execute()
    assert _wait(node, "stopped", "failed", "finished").state == "stopped"


def test_stop_is_heard_while_the_training_still_begins(node: Any, worker: Path) -> None:
    node["steps"].setValue(4000)
    node["startTraining"].execute()
    assert _state(node).state == "starting"
    node["stopTraining"].execute()
    found = _wait(node, "stopped", "failed", "finished")
    assert found.state == "stopped", found.sentence()
    assert found.step < 100


def test_a_killed_training_goes_on(node: Any, worker: Path) -> None:
    node["steps"].setValue(4000)
    node["checkpointInterval"].setValue(5)
    node["startTraining"].execute()
    found = _wait(node, "running", "failed")
    while found.step < 10:
        time.sleep(0.05)
        found = _state(node)
        assert found.state in ("running", "starting"), found.sentence()
    os.kill(int((found.folder / "worker.pid").read_text().split()[0]), signal.SIGKILL)
    assert "Press Resume" in _wait(node, "interrupted").sentence()
    node["resumeTraining"].execute()
    _wait(node, "running")
    node["stopTraining"].execute()
    assert _wait(node, "stopped", "finished", "failed").state == "stopped"


def test_an_old_process_number_is_no_sign_of_life(nuke: Any, tmp_path: Path) -> None:
    import platform

    from film_recovery_nuke import worker as module

    record = tmp_path / module.PROCESS
    record.write_text(f"{os.getpid()} {platform.node()}\n")
    assert module.is_alive(tmp_path)
    os.utime(record, (1.0, 1.0))
    assert not module.is_alive(tmp_path)
    record.write_text(f"{os.getpid()} another-machine\n")
    assert not module.is_alive(tmp_path)


def test_the_graph_is_touched_from_the_main_thread_only(nuke: Any, node: Any, tmp_path: Path) -> None:
    from film_recovery_nuke.nodes import train

    thread = threading.Thread(target=train.start, args=(node,))
    thread.start()
    thread.join()
    assert "this is a defect" in _messages()[-1]
    log = tmp_path / "home" / ".nuke" / "film_recovery" / "film_recovery.log"
    assert "was called off the main thread" in log.read_text(encoding="utf-8")
    assert _runs(tmp_path) == []


def test_the_environment_is_made_in_another_process(nuke: Any, fake_worker: Any, tmp_path: Path) -> None:
    from film_recovery_nuke import environment
    from film_recovery_nuke.errors import CancelledError, WorkerError

    fake = fake_worker("print('The disk is full.', file=sys.stderr); sys.exit(8)")
    lines: list[str] = []
    with pytest.raises(WorkerError, match="The disk is full"):
        environment.make(fake, tmp_path / "env", on_line=lines.append)
    assert lines == ["The disk is full."]
    fake_worker("print(os.getpid(), file=sys.stderr, flush=True); time.sleep(60)")
    with pytest.raises(CancelledError, match="cancelled"):
        environment.make(fake, tmp_path / "env", cancelled=lambda: len(lines) > 1, on_line=lines.append)
    with pytest.raises(ProcessLookupError):
        os.kill(int(lines[1]), 0)
    with pytest.raises(WorkerError, match="cannot be started"):
        environment.make(tmp_path / "absent", tmp_path / "env")


def test_a_python_that_is_new_enough_is_looked_for(nuke: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from film_recovery_nuke import environment
    from film_recovery_nuke.errors import WorkerError

    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name, version in (("python3.12", "nothing"), ("python3.11", "3.9"), ("python3", "3.11")):
        file = tmp_path / "bin" / name
        file.write_text(f"#!/bin/sh\necho {version}\n")
        file.chmod(0o755)
    assert environment.suitable_python() == tmp_path / "bin" / "python3"
    (tmp_path / "bin" / "python3").unlink()
    with pytest.raises(WorkerError, match=r"No Python 3\.11 or newer"):
        environment.suitable_python()


def test_the_log_is_kept_where_it_can_be_written(nuke: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from film_recovery_nuke import logs

    (tmp_path / "home" / ".nuke").write_text("a file where a folder should be")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    logs.write("Erste Zeile")
    assert logs.path() == tmp_path / "temporary" / "film_recovery" / "film_recovery.log"
    assert "Erste Zeile" in logs.path().read_text(encoding="utf-8")
