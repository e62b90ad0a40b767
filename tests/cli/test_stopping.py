"""Stopping, being killed, and two at once: real processes, real signals."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from film_recovery.contract.errors import StoppedError
from film_recovery.contract.events import read_events
from film_recovery.contract.run_folder import RunFolder
from film_recovery.images.frame import Frame
from film_recovery.images.io import read_frame, write_frame
from film_recovery.training import loop

Cli = Callable[..., Any]
Start = Callable[..., subprocess.Popen[str]]
Options = Callable[..., list[str]]
_PATIENCE = 120.0  # seconds; only a hang takes so long


def _wait(until: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    begin = time.monotonic()
    while not until():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() - begin < _PATIENCE
        time.sleep(0.02)


def _steps(run: Path) -> int:
    return max((int(event["step"]) for event in read_events(run / "events.jsonl", "progress")), default=0)


def test_a_run_is_held_stopped_resumed_killed_and_finished(
    run_cli: Cli, start_cli: Start, elements_master: Path, tmp_path: Path, training: Options
) -> None:
    run = tmp_path / "run"
    options = [*training(elements_master), "--steps", "4000", "--checkpoint-interval", "10", "--sheet-interval", "4000"]
    process = start_cli("train", *options, "--out", run)
    _wait(lambda: _steps(run) > 0, process)

    busy = run_cli("resume", run)
    assert busy.code == 7
    assert busy.sentence == f"Another process is working in {run}; wait for it, stop it, or choose another folder."
    assert run_cli("status", run, "--json").json["state"] == "running"

    assert run_cli("stop", run).code == 0
    _, told = process.communicate(timeout=_PATIENCE)
    assert process.returncode == 6
    assert f"resume with: film-recovery resume {run}" in told.splitlines()[-1]
    assert run_cli("status", run, "--json").json["state"] == "stopped"

    for number, code, state in ((signal.SIGTERM, 6, "stopped"), (signal.SIGKILL, -9, "interrupted")):
        before = _steps(run)
        process = start_cli("resume", run)
        _wait(lambda before=before: _steps(run) > before, process)
        process.send_signal(number)
        process.communicate(timeout=_PATIENCE)
        assert process.returncode == code
        assert run_cli("status", run, "--json").json["state"] == state
    assert not list(run.glob("**/*.onnx"))


def test_a_stop_that_a_killed_run_never_heard_is_not_for_its_resume(
    run_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one that is asked as the resume loads PyTorch is for it."""
    run, there = RunFolder(tmp_path), []

    def resume(*_: Any) -> None:
        there.append(run.stop_request.exists())
        raise StoppedError("Stopped.")

    monkeypatch.setattr(loop, "resume", resume)
    run.stop_request.touch()
    assert run_cli("resume", tmp_path).code == 6
    run.stop_request.touch()
    with run.locked():  # it is another process's
        run_cli("resume", tmp_path)
    assert there == [False, True]


@pytest.fixture
def big_frames(tmp_path: Path, photograph: npt.NDArray[np.float32]) -> Path:
    """Forty frames that take a while to write."""
    picture = Frame.from_rgb(np.tile(photograph, (2, 2, 1)), pixel_type="float")
    first = tmp_path / "in" / "scan.0001.exr"
    write_frame(first, picture, pixel_type="float")
    for frame in range(2, 41):
        (first.parent / f"scan.{frame:04d}.exr").symlink_to(first)
    return first.parent / "scan.####.exr"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_render_that_ends_early_leaves_whole_frames_and_goes_on(
    number: signal.Signals, run_cli: Cli, start_cli: Start, big_frames: Path, finished_run: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out" / "rec.####.exr"
    words = ("apply", finished_run, "--input", big_frames, "--output", output)
    process = start_cli(*words)
    _wait(lambda: len(list(output.parent.glob("rec.*.exr"))) >= 2, process)
    process.send_signal(number)
    _, told = process.communicate(timeout=_PATIENCE)

    whole = sorted(output.parent.glob("rec.*.exr"))
    assert 2 <= len(whole) < 40
    for path in whole:
        assert read_frame(path).rgb.shape == (800, 1200, 3)
    if number == signal.SIGKILL:
        assert process.returncode == -9
    else:
        assert process.returncode == 6
        assert "Run again with --skip-existing to go on." in told.splitlines()[-1]
        assert len(list(output.parent.iterdir())) == len(whole), "something half-written is left"

    last = len(whole) + 2
    done = run_cli(*words, "--skip-existing", "--frames", f"1-{last}", "--json").json
    assert len(done["skipped"]) == len(whole)
    assert sorted(done["skipped"] + done["done"]) == list(range(1, last + 1))
    assert len(list(output.parent.iterdir())) == last


def test_a_signal_while_pairs_are_prepared_ends_with_nothing_written(
    start_cli: Start, big_frames: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = start_cli(
        "train", "--task", "as-is", "--source", big_frames, "--target", big_frames, "--offset", "1", "--frames", "1-39",
        "--steps", "2", "--out", run,
    )  # fmt: skip
    assert process.stderr is not None
    while "Verifying" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=_PATIENCE)
    assert process.returncode == 6
    assert "nothing was written" in told.splitlines()[-1]
    assert not (run / "dataset").exists()
    assert not (run / "job.json").exists()
