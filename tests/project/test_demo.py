"""What the demonstration does between its large steps: places, truths by the time line, processes, and wrong times refused."""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

import pytest

from film_recovery.cli.main import main
from film_recovery.contract.errors import FilmRecoveryError, InputError, UsageError
from film_recovery.contract.exit_codes import ExitCode
from film_recovery.contract.progress import SilentReporter
from film_recovery.project.demo import run_demo
from film_recovery.project.demo_places import DemoPlaces
from film_recovery.project.processes import run_process
from film_recovery.project.schema import load_project


@pytest.mark.parametrize("minutes", [0.0, -1.0, float("nan"), float("inf")])
def test_a_demonstration_without_time_to_train_is_refused_before_anything_is_written(tmp_path: Path, minutes: float) -> None:
    with pytest.raises(UsageError, match="minutes"):
        run_demo(tmp_path / "demo", minutes, 7)
    assert not (tmp_path / "demo").exists()


def test_a_negative_seed_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    assert main(["demo", "--out", str(tmp_path / "demo"), "--seed", "-1"]) == ExitCode.USAGE
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_demonstration_in_place_of_a_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file, or lies below one"):
        run_demo(tmp_path / name, 1.0, 7)


def test_the_project_file_beside_it_speaks_of_the_same_files(tmp_path: Path) -> None:
    from film_recovery.project import demo

    places = DemoPlaces(tmp_path)
    places.project.write_text(demo._PROJECT.format(minutes=2.5, seed=7), encoding="utf-8")
    project = load_project(places.project)
    assert project.order() == ["colour", "detail"]
    for element in project.elements.values():
        assert places.pattern(Path(element.files).parent.name) == tmp_path / element.files
    assert project.conform is not None
    assert tmp_path / project.conform.match == places.match


def _small_demonstration(out: Path) -> DemoPlaces:
    """Two records and a simulation's record: the internegative lacks the second frame, the print counts from 501."""
    from film_recovery.contract.curation import MatchRecord, Segment

    places = DemoPlaces(out)
    segments = [Segment(1, 501, 1, 1.0, [0]), Segment(2, 503, 1, 1.0, [0])]
    MatchRecord("a", "b", False, [[1, 0, 0], [0, 1, 0], [0, 0, 1]], segments, [], [[502, 502]]).save(places.match)
    shows = {"sharp": {"1": 1001, "2": 1003}, "colourful": {"501": 1001, "502": 1002, "503": 1003}}
    places.record.parent.mkdir(parents=True, exist_ok=True)
    places.record.write_text(json.dumps({"elements": {role: {"shows": of} for role, of in shows.items()}}), encoding="utf-8")
    for name, numbers in (("internegative_35mm", (1, 2)), ("print_16mm", (501, 502, 503)),
                          ("truth_35mm", (1001, 1002, 1003)), ("truth_16mm", (1001, 1002, 1003))):  # fmt: skip
        for number in numbers:
            file = places.pattern(name).with_name(places.pattern(name).name.replace("####", f"{number:04d}"))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    return places


def test_elements_and_truths_meet_on_the_time_line(tmp_path: Path) -> None:
    places = _small_demonstration(tmp_path)
    found = {
        name: {frame: path.name for frame, path in places.open(name).files.items()}
        for name in ("internegative_35mm", "print_16mm", "truth_35mm", "truth_16mm")
    }
    assert found["internegative_35mm"] == {1001: "internegative.0001.exr", 1003: "internegative.0002.exr"}
    assert found["truth_35mm"] == {1001: "truth.1001.exr", 1003: "truth.1003.exr"}
    assert found["print_16mm"] == {1001: "print.0501.exr", 1002: "print.0502.exr", 1003: "print.0503.exr"}
    assert found["truth_16mm"] == {frame: f"truth.{frame}.exr" for frame in (1001, 1002, 1003)}


def test_a_process_that_fails_is_told_by_its_last_sentence_and_code() -> None:
    said: list[str] = []

    class Listener(SilentReporter):
        def note(self, text: str) -> None:
            said.append(text)

    program = "import sys; print('Writing 1'); print('No such film.'); sys.exit(3)"
    with pytest.raises(FilmRecoveryError, match=r"^No such film\.$") as failure:
        run_process([sys.executable, "-c", program], os.environ, Listener(), ("Writing ",))
    assert failure.value.exit_code == 3
    assert said == ["No such film."]


def test_a_process_is_ended_when_the_user_stops() -> None:
    class Stopped(SilentReporter):
        def should_stop(self) -> bool:
            return True

    program = "import time; print('Begun', flush=True); time.sleep(60)"
    with pytest.raises(FilmRecoveryError) as failure:
        run_process([sys.executable, "-c", program], os.environ, Stopped())
    assert failure.value.exit_code == ExitCode.STOPPED


def test_a_process_that_says_that_it_is_stopping_is_not_stopped_twice(tmp_path: Path) -> None:
    class Stopped(SilentReporter):
        def should_stop(self) -> bool:
            return True

    program = (
        "import signal, sys, time; asked = []\n"
        "signal.signal(signal.SIGTERM, lambda *_: asked.append(1))\n"
        "print('Begun', flush=True)\n"
        "while not asked: time.sleep(0.01)\n"
        "print('Stopping cleanly; once more to stop at once.', flush=True); time.sleep(1.0)\n"
        f"open({str(tmp_path / 'asked')!r}, 'w').write(str(len(asked))); sys.exit(6)"
    )
    with pytest.raises(FilmRecoveryError, match="Stopping cleanly"):
        run_process([sys.executable, "-c", program], os.environ, Stopped())
    assert (tmp_path / "asked").read_text() == "1"


def test_a_process_that_is_killed_did_not_stop_on_request() -> None:
    program = "import os, signal; print('Matching', flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(FilmRecoveryError, match=r"killed by signal 9.*Matching") as failure:
        run_process([sys.executable, "-c", program], os.environ, SilentReporter())
    assert failure.value.exit_code == ExitCode.CRASH


def test_what_the_demonstration_imports_is_there_on_windows_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no module ``resource``."""
    from film_recovery.project import demo

    monkeypatch.setitem(sys.modules, "resource", None)
    importlib.reload(demo)
    monkeypatch.setattr(sys, "platform", "win32")
    assert demo.peak_memory_mb(children=True) == 0.0


def test_elements_of_another_seed_or_release_are_made_anew(tmp_path: Path) -> None:
    from film_recovery.project.demo import _are_there

    record = tmp_path / "elements.json"
    parameters = {"sharp": {"name": "internegative", "kept": (0.35, 0.9)}, "colourful": {"name": "print"}}
    assert not _are_there(record, 7, parameters)
    written = {"seed": 7, "elements": {role: {"parameters": of, "shows": {"1": 1}} for role, of in parameters.items()}}
    record.write_text(json.dumps(written), encoding="utf-8")
    assert _are_there(record, 7, parameters)
    assert not _are_there(record, 8, parameters)
    assert not _are_there(record, 7, {**parameters, "sharp": {"name": "internegative", "kept": (0.5, 0.9)}})
    record.write_text("{", encoding="utf-8")
    assert not _are_there(record, 7, parameters)
