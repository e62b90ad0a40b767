"""Making the worker's environment from within Nuke: in another process, with lines to show and a way to cancel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Callable

from film_recovery.contract.environment import OLDEST, environment_python
from film_recovery_nuke import worker
from film_recovery_nuke.errors import CancelledError, WorkerError

_NAMES = ("python3.13", "python3.12", "python3.11", "python3", "python")
_PROBE = "import sys; print('%d.%d' % sys.version_info[:2])"
_MAKE = """\
import runpy, sys
from pathlib import Path
tools = runpy.run_path(sys.argv[1])
try:
    print(tools["ensure_environment"](Path(sys.argv[2]), Path(sys.argv[3])))
except tools["SetupError"] as error:
    print(error, file=sys.stderr)
    sys.exit(int(error.exit_code))
"""


def suitable_python() -> Path:
    """A Python on this machine that is new enough to make the environment with; Nuke's own is not used.

    Raises:
        WorkerError: there is none.
    """
    for name in _NAMES:
        found = shutil.which(name)
        if found is None or Path(found).resolve() == Path(sys.executable).resolve():
            continue
        try:
            answer = subprocess.run([found, "-c", _PROBE], capture_output=True, text=True, timeout=20, env=worker.variables(),
                                    check=False, **worker.without_window()).stdout.strip()  # fmt: skip
            if tuple(int(part) for part in answer.split(".")) >= OLDEST:
                return Path(found)
        except (OSError, ValueError, subprocess.TimeoutExpired):
            continue  # not a Python that could serve
    oldest = ".".join(str(part) for part in OLDEST)
    raise WorkerError(f"No Python {oldest} or newer was found on this machine; install one, then try again.")


def make(
    python: Path,
    folder: Path | None = None,
    cancelled: Callable[[], bool] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> Path:
    """Make the worker's environment, or bring it up to date; returns its Python.

    Args:
        python: a Python of :func:`suitable_python`'s kind.
        folder: where; ``.venv`` beside the package if None.
        cancelled: asked a few times a second.
        on_line: told what happens.

    Raises:
        WorkerError: a step fails; the message is the set-up's own.
        CancelledError: ``cancelled`` said so. A half-made environment is made anew the next time.
    """
    place = folder or worker.PACKAGE / ".venv"
    tools = worker.PACKAGE / "nuke_plugins" / "film_recovery" / "contract" / "environment.py"
    line = [str(python), "-c", _MAKE, str(tools), str(place), str(worker.PACKAGE)]
    try:
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                   errors="replace", env=worker.variables(), start_new_session=os.name != "nt",
                                   **worker.without_window())  # fmt: skip
    except OSError as error:
        raise WorkerError(f"{python} cannot be started: {error.strerror or error}.") from error
    said: list[str] = []
    reader = threading.Thread(target=_read, args=(process, said, on_line), daemon=True)
    reader.start()
    while process.poll() is None:
        if cancelled is not None and cancelled():
            _stop(process)
            raise CancelledError("The set-up was cancelled; start it again to go on.")
        time.sleep(0.1)
    reader.join(5.0)
    if process.returncode:
        raise WorkerError(said[-1] if said else f"The set-up with {python} failed without a word (code {process.returncode}).")
    return environment_python(place)


def _read(process: subprocess.Popen[str], said: list[str], on_line: Callable[[str], None] | None) -> None:
    assert process.stderr is not None
    with process.stderr as stream:
        for text in stream:
            said.append(text.rstrip("\n"))
            if on_line is not None:
                on_line(said[-1])


def _stop(process: subprocess.Popen[str]) -> None:
    """End the set-up with everything that it started."""
    if os.name == "nt":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False,
                       **worker.without_window())  # fmt: skip
    else:
        os.killpg(process.pid, 15)
    try:
        process.wait(10.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
