"""A training is found again from its folder alone."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from film_recovery.contract.events import EventLog
from film_recovery.contract.findings import Finding
from film_recovery.contract.run_folder import RunFolder


@pytest.fixture
def run(nuke: Any, tmp_path: Path) -> RunFolder:
    """A run's folder with a diary of 100 steps of 400."""
    folder = RunFolder(tmp_path / "Train_v001")
    folder.path.mkdir()
    log = EventLog(folder.events)
    log.append("started", task="chroma", steps=400)
    log.append("start", step=0, held_out=34.5)
    for step in range(20, 101, 20):
        log.append("progress", step=step, loss=2.0 / step)
        log.append("held_out", step=step, psnr=34.5 + step / 100.0)
    log.append("contact_sheet", step=100, path="sheets/contact_000100.png")
    log.append("warning", step=100, text="Frame 1029 is the farthest from its target.")
    return folder


def _state(path: Path) -> Any:
    from film_recovery_nuke.run_state import read_run

    return read_run(path)


def test_a_diary_is_read(run: RunFolder) -> None:
    with run.locked():
        state = _state(run.path)
    assert (state.state, state.task, state.step, state.steps, state.start_psnr) == ("running", "chroma", 100, 400, 34.5)
    assert len(state.losses) == len(state.held_out) == 5
    assert state.sheet == run.path / "sheets" / "contact_000100.png"
    assert "step 100 of 400, held-out 35.50 dB" in state.sentence()


def test_findings_are_read_from_the_diary_and_older_warnings_stay_words(run: RunFolder) -> None:
    finding = Finding("misaligned", "In frame 7 it lies off.", "Align it.", [7], "sheets/finding_misaligned_7.png")
    EventLog(run.events).append("levelled", step=100, steps=120)
    EventLog(run.events).append("warning", step=100, **finding.to_event())
    EventLog(run.events).append("warning", step=100, **{**finding.to_event(), "picture": "../outside.png"})
    state = _state(run.path)
    assert state.findings == [finding]
    assert len(state.warnings) == 3 and state.warnings[1] == "In frame 7 it lies off. Align it."
    assert state.steps == 120


def test_the_one_warning_that_is_told_is_the_first_cause(run: RunFolder) -> None:
    log = EventLog(run.events)
    for finding in (
        Finding("no-held-out", "Nothing is held out.", "Hold one out.", severity="note"),
        Finding("wrong-reference", "Frame 7 is another picture.", "Look for it.", [7]),
        Finding("overfit", "It fell.", "Add pairs."),
    ):
        log.append("warning", step=100, **finding.to_event())
    assert _state(run.path).warning == "Frame 7 is another picture. Look for it."
    assert _state(run.path.parent / "absent").warning == ""


def test_the_time_in_which_nothing_ran_is_no_part_of_the_rate(run: RunFolder) -> None:
    def line(event: str, at: float, **values: object) -> str:
        return json.dumps({"event": event, "time": at, **values}) + "\n"

    ran = "".join(line("progress", float(step), step=step, loss=0.1) for step in range(110, 151, 10))
    went_on = "".join(line("progress", 50000.0 + step, step=step, loss=0.1) for step in range(160, 201, 10))
    run.events.write_text(line("started", 0.0, task="chroma", steps=400) + ran + line("stopped", 151.0, step=150))
    with open(run.events, "a", encoding="utf-8") as stream:
        stream.write(line("resumed", 50150.0))
    assert _state(run.path).seconds_left is None
    with open(run.events, "a", encoding="utf-8") as stream:
        stream.write(went_on)
    assert _state(run.path).seconds_left == pytest.approx(200.0)


def test_a_killed_training_is_told_from_a_running_one(run: RunFolder) -> None:
    assert _state(run.path).state == "interrupted"  # nobody holds the lock


@pytest.mark.parametrize(
    ("event", "word"), [("finished", "Finished"), ("stopped", "Stopped"), ("failed", "Failed: The disk is full")]
)
def test_the_end_is_told(run: RunFolder, event: str, word: str) -> None:
    EventLog(run.events).append(event, text="The disk is full.", code=8)
    state = _state(run.path)
    assert state.state == event
    assert state.sentence().startswith(word)


def test_once_it_is_finished_the_figure_is_that_of_the_model(run: RunFolder) -> None:
    log = EventLog(run.events)
    log.append("finished", step=100, psnr=34.81, share=0.5)
    assert "held-out 34.81 dB with 50% of the correction" in _state(run.path).sentence()
    log.append("resumed")
    log.append("stopped", step=100)
    assert "held-out 35.50 dB." in _state(run.path).sentence()
    log.append("finished", step=100, psnr=None, share=0.25)
    assert _state(run.path).handed_out is None


def test_a_refusal_is_not_shown_while_the_next_attempt_prepares_its_pairs(nuke: Any, tmp_path: Path) -> None:
    from film_recovery_nuke.run_state import RunReader

    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    EventLog(run.events).append("failed", text="The inputs do not match.", code=3)
    reader = RunReader(run.path)
    assert reader.read().state == "failed"
    run.events.unlink()
    with run.locked():
        state = reader.read()
    assert (state.state, state.failure) == ("starting", "")


def test_a_run_that_goes_on_has_no_end(run: RunFolder) -> None:
    EventLog(run.events).append("stopped", step=100)
    EventLog(run.events).append("resumed")
    with run.locked():
        assert _state(run.path).state == "running"
    assert _state(run.path).state == "interrupted"


@pytest.mark.parametrize("before", ["stopped", "interrupted"])
def test_a_run_that_is_resumed_starts_before_the_worker_has_said_a_word(run: RunFolder, before: str) -> None:
    from film_recovery_nuke import worker

    if before == "stopped":
        EventLog(run.events).append("stopped", step=100)
    assert _state(run.path).state == before
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        note = run.path / worker.PROCESS
        note.write_text(f"{process.pid} {platform.node()}\n", encoding="utf-8")
        said = run.events.stat().st_mtime_ns
        os.utime(note, ns=(said + 10**6, said + 10**6))
        assert _state(run.path).state == "starting"
        os.utime(note, ns=(said - 10**6, said - 10**6))  # the worker that wrote the diary
        assert _state(run.path).state == before
        os.utime(note, ns=(said + 10**6, said + 10**6))
    finally:
        process.kill()
        process.wait()
    assert _state(run.path).state == before


def test_only_what_was_added_is_read_and_a_torn_line_waits(run: RunFolder) -> None:
    from film_recovery_nuke.run_state import RunReader

    reader = RunReader(run.path)
    assert reader.read().step == 100
    with open(run.events, "a", encoding="utf-8") as stream:
        stream.write('{"event": "progress", "time": 1, "st')
        stream.flush()
        assert reader.read().step == 100
        stream.write('ep": 120, "loss": 0.1}\n')
    assert reader.read().step == 120
    assert len(reader.read().losses) == 6


def test_a_resumed_run_that_cut_its_diary_back_is_read_anew(run: RunFolder) -> None:
    from film_recovery.contract.events import truncate_after_step
    from film_recovery_nuke.run_state import RunReader

    reader = RunReader(run.path)
    assert reader.read().step == 100
    truncate_after_step(run.events, 40)
    assert reader.read().step == 40


def test_a_worker_that_died_before_its_diary_leaves_its_last_words(nuke: Any, tmp_path: Path) -> None:
    assert _state(tmp_path / "absent").state == "lost"
    assert _state(tmp_path).state == "absent"
    (tmp_path / "gathered").mkdir()
    assert _state(tmp_path).state == "gathered"
    (tmp_path / "worker.log").write_text("Verifying\nFrame 1017 holds NaN; repair it.\n")
    state = _state(tmp_path)
    assert state.state == "failed"
    assert "Frame 1017 holds NaN" in state.sentence()


def test_smoothing(nuke: Any) -> None:
    from film_recovery_nuke.run_state import smoothed

    points = [(step, float(step % 2)) for step in range(10)]
    assert smoothed(points, 0.0) == points
    assert max(value for _, value in smoothed(points, 0.9)) < 0.5
