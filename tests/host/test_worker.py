"""The worker from Nuke's side: missing, of another version, crashing, hanging, cancelled, and one that outlives Nuke."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

_SHIM = "#!{python}\nimport sys\n{body}\n"


@pytest.fixture
def fake(tmp_path: Path) -> Any:
    """A real program that stands in the worker's place: the body of a Python script."""

    def make(body: str) -> Path:
        path = tmp_path / "fake_worker"
        path.write_text(_SHIM.format(python=sys.executable, body=body))
        path.chmod(0o755)
        return path

    return make


def _worker() -> Any:
    from film_recovery_nuke import worker

    return worker


def test_the_real_worker_answers(nuke: Any, worker: Path) -> None:
    info = _worker().check(_worker().find_python())
    assert info.python == worker
    assert info.protocol == 1
    assert info.version


def test_a_folder_beside_the_script_cannot_shadow_the_worker(
    nuke: Any, worker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "film_recovery").mkdir()
    monkeypatch.chdir(tmp_path)
    assert _worker().check(worker).protocol == 1


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('print(\'{"protocol": 99, "version": "9.0", "python": "3.11"}\')', "speaks protocol 99"),
        ("print('hello')", "is no worker of Film Recovery"),
        ("sys.exit('No module named film_recovery')", "No module named film_recovery"),
        ("import os; os.abort()", "fails"),
        ("import time; time.sleep(60)", "does not answer within 1 s"),
    ],
)
def test_a_wrong_worker_is_told_in_a_sentence(nuke: Any, fake: Any, body: str, told: str) -> None:
    module = _worker()
    from film_recovery_nuke.errors import WorkerError

    with pytest.raises(WorkerError, match=told):
        module.check(fake(body), seconds=1.0 if "sleep" in body else 20.0)


def test_a_missing_worker_is_told_with_what_names_it(nuke: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = _worker()
    from film_recovery_nuke.errors import WorkerError

    monkeypatch.setenv("FILM_RECOVERY_PYTHON", "/nowhere/python")
    with pytest.raises(WorkerError, match=r"/nowhere/python.*FILM_RECOVERY_PYTHON"):
        module.find_python()
    monkeypatch.delenv("FILM_RECOVERY_PYTHON")
    monkeypatch.setattr(module, "PACKAGE", tmp_path)
    with pytest.raises(WorkerError, match="does not exist yet"):
        module.find_python()


def test_a_command_gives_its_object_its_lines_and_its_code(nuke: Any, fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "print('one', file=sys.stderr); print('two', file=sys.stderr); print('{\"a\": 1}'); sys.exit(3)"
    monkeypatch.setenv("FILM_RECOVERY_PYTHON", str(fake(body)))
    lines: list[str] = []
    code, said, tail = _worker().call(["anything"], on_line=lines.append)
    assert (code, said, lines, tail) == (3, {"a": 1}, ["one", "two"], "one\ntwo")
    error = _worker().failed("It failed", code, tail)
    assert str(error) == "It failed: two"
    assert int(error.exit_code) == 3


@pytest.mark.parametrize(
    ("code", "told", "exit_code"),
    [(-9, "it was killed, as happens where memory runs out", 4), (137, "it was killed", 4), (-11, "(code -11)", 1),
     (0, "(code 0)", 1)],
)  # fmt: skip
def test_a_worker_that_was_killed_did_not_say_so(nuke: Any, code: int, told: str, exit_code: int) -> None:
    error = _worker().failed("Frames 1-24 could not be recovered", code, "frame 12/24, 0.31 a second, 0:39 left")
    assert told in str(error) and "0:39 left" not in str(error)
    assert int(error.exit_code) == exit_code


def _running(program: Path) -> list[str]:
    """The processes of this machine in whose command line a program stands."""
    listed = subprocess.run(["ps", "-e", "-ww", "-o", "args"], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if str(program) in line]


def test_a_cancelled_command_is_ended(nuke: Any, fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from film_recovery_nuke.errors import CancelledError

    program = fake("import time; print('on', file=sys.stderr, flush=True); time.sleep(60)")
    monkeypatch.setenv("FILM_RECOVERY_PYTHON", str(program))
    heard: list[str] = []
    with pytest.raises(CancelledError):
        _worker().call(["train"], cancelled=lambda: bool(heard and _running(program)), on_line=heard.append)
    assert _running(program) == []


def test_a_worker_that_ignores_the_request_is_killed(nuke: Any, fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from film_recovery_nuke.errors import CancelledError

    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    body = f"{deaf}; print('on', file=sys.stderr, flush=True); time.sleep(60)"
    monkeypatch.setenv("FILM_RECOVERY_PYTHON", str(fake(body)))
    heard: list[str] = []
    with pytest.raises(CancelledError):
        _worker().call(["train"], cancelled=lambda: bool(heard), on_line=heard.append)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_signal_while_a_command_starts_ends_it_too(nuke: Any, fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[str]] = []

    class Interrupted(subprocess.Popen):  # type: ignore[type-arg]
        """A process during whose start the signal to stop comes: it runs, and nobody has it yet."""

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            started.append(self)
            os.kill(os.getpid(), signal.SIGTERM)

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setenv("FILM_RECOVERY_PYTHON", str(fake("import time\ntime.sleep(60)")))
    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            _worker().call(["info"])
        assert signal.getsignal(signal.SIGTERM) is interrupt
    finally:
        signal.signal(signal.SIGTERM, before)
    assert [process.returncode for process in started] == [-signal.SIGTERM]


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(("patience", "saved"), [(0.1, False), (60.0, True)])
def test_a_worker_that_is_stopped_has_the_time_to_save_that_it_is_given(
    nuke: Any, fake: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, patience: float, saved: bool
) -> None:
    from film_recovery_nuke.errors import CancelledError

    body = (
        "import signal, time\n"
        "def save(*_):\n"
        "    time.sleep(2.0)\n"
        f"    open({str(tmp_path / 'saved')!r}, 'w').close()\n"
        "    sys.exit(6)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        f"open({str(tmp_path / 'ready')!r}, 'w').close()\n"
        "time.sleep(60)"
    )
    monkeypatch.setenv("FILM_RECOVERY_PYTHON", str(fake(body)))
    with pytest.raises(CancelledError):
        _worker().call(["train"], (tmp_path / "ready").exists, patience=patience)
    assert (tmp_path / "saved").exists() == saved


def test_a_detached_worker_has_a_session_of_its_own(
    nuke: Any, fake: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    body = (
        "import os, time; print(os.getpgrp() == os.getpid(), flush=True)\n"
        f"while not os.path.exists({str(tmp_path / 'enough')!r}): time.sleep(0.05)"
    )
    monkeypatch.setenv("FILM_RECOVERY_PYTHON", str(fake(body)))
    module = _worker()
    module.start_detached(["train"], tmp_path)
    assert module.is_alive(tmp_path)
    (tmp_path / "enough").touch()
    end = time.monotonic() + 120.0
    while module.is_alive(tmp_path):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert (tmp_path / "worker.log").read_text().strip() == "True"
    assert not module.is_alive(tmp_path / "elsewhere")


def test_a_worker_that_could_not_be_found_again_does_not_go_on(
    nuke: Any, fake: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from film_recovery_nuke.errors import WorkerError

    monkeypatch.setenv("FILM_RECOVERY_PYTHON", str(fake("import time; time.sleep(60)")))
    module, popen = _worker(), subprocess.Popen
    started: list[subprocess.Popen[bytes]] = []

    def note(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(popen(*arguments, **options))
        return started[0]

    monkeypatch.setattr(module.subprocess, "Popen", note)
    (tmp_path / module.PROCESS).mkdir()
    try:
        with pytest.raises(WorkerError, match="The worker cannot be started: Is a directory"):
            module.start_detached(["train"], tmp_path)
        assert started[0].poll() is not None
    finally:
        started[0].kill()
        started[0].wait()


def test_nukes_own_python_paths_do_not_reach_the_worker(nuke: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/opt/Nuke/lib")
    monkeypatch.setenv("PYTHONHOME", "/opt/Nuke")
    variables = _worker().variables()
    assert "PYTHONPATH" not in variables
    assert "PYTHONHOME" not in variables
