"""The worker's environment: a virtual environment with pinned packages, made once and found again.

Standard library only, and nothing of Film Recovery imported: the two bootstrap scripts run this file before anything is
installed, and Nuke will use it to make the worker that it starts. It must parse with Python 3.7, to be able to say that
Python is too old.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

OLDEST = (3, 11)
BAD_INPUT, STORAGE = 3, 8  # of contract.exit_codes, which is not imported here
_STAMP = "film-recovery.stamp"
_TAIL = 40  # lines of pip's output shown when it fails
_NO_SPACE = ("no space left on device", "disk quota exceeded", "errno 28")
_NO_NETWORK = ("connection broken", "max retries exceeded", "name resolution", "(from versions: none)")
_HELD = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)  # a lock, by another
_LITTLE_SPACE = 64 * 1024**2  # bytes; with less than this, a step that failed has most likely filled the disk


class SetupError(Exception):
    """The environment cannot be made; the message says why and what to do, ``exit_code`` what a script returns."""

    def __init__(self, message: str, exit_code: int = BAD_INPUT) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def environment_python(folder: Path) -> Path:
    """The Python of an environment, whether it exists or not."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def ensure_environment(folder: Path, root: Path, extras: Sequence[str] = ()) -> Path:
    """Make sure ``folder`` holds an environment with the checkout ``root`` installed; return its Python.

    Does nothing when the environment is current: a stamp in it holds the hash of the pins, the project file, the Python
    version and the extras. Two processes at once are safe: the second waits for the first. What happens is told on standard
    error.

    Raises:
        SetupError: Python is too old, a step of the set-up failed, or the disk is full or read-only.
    """
    if sys.version_info < OLDEST:
        raise SetupError(_too_old(sys.version_info[:3]))
    folder = Path(os.path.abspath(folder))
    python, stamp = environment_python(folder), folder / _STAMP
    pins = root / "nuke_plugins" / "constraints.txt"
    try:
        wanted = _fingerprint(root, pins, extras)
        if _is_current(python, stamp, wanted):
            return python
        with _alone(folder):
            if not _is_current(python, stamp, wanted):  # another process may just have made it
                _say(f"Setting up the environment in {folder} (a few minutes, once) …")
                _make(folder, stamp)
                _install(python, root, pins, extras)
                stamp.write_text(wanted, encoding="ascii")
                _say("The environment is ready.")
    except OSError as error:
        text = f"Cannot set up {folder}: {error.strerror or error}; free some space, or put the checkout elsewhere."
        raise SetupError(text, STORAGE) from error
    return python


def become(python: Path, arguments: Sequence[str], folder: Path) -> int:
    """Run ``python`` with ``arguments`` in ``folder`` instead of this process, so that signals reach the right one.

    Returns the exit code where the system cannot replace a process; elsewhere it does not return.
    """
    command = [str(python), *arguments]
    if os.name == "nt":
        return subprocess.call(command, cwd=str(folder), env=clean_variables())
    os.chdir(folder)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(command[0], command, clean_variables())
    raise AssertionError("execve returned")


def clean_variables() -> dict[str, str]:
    """This process's environment variables without those by which one Python leads another to its own packages."""
    misleading = ("PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__")
    return {name: value for name, value in os.environ.items() if name not in misleading}


def _too_old(version: Sequence[int]) -> str:
    found, needed = ".".join(map(str, version)), ".".join(map(str, OLDEST))
    newer = next((name for name in ("python3.13", "python3.12", "python3.14", "python3.11") if shutil.which(name)), None)
    advice = f"start it with {newer}, which is installed here" if newer else "install one and start it with that"
    return f"This is Python {found}, and {needed} or newer is needed; {advice}."


def _is_current(python: Path, stamp: Path, wanted: str) -> bool:
    return python.exists() and stamp.is_file() and stamp.read_text(encoding="ascii", errors="replace") == wanted


def _fingerprint(root: Path, pins: Path, extras: Sequence[str]) -> str:
    digest = hashlib.sha256()
    parts = (pins.read_bytes(), (root / "pyproject.toml").read_bytes(), str(root).encode(), sys.version.encode())
    for part in (*parts, ",".join(extras).encode()):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def _make(folder: Path, stamp: Path) -> None:
    """Make the virtual environment, or keep one that works: the pins are installed over it."""
    with contextlib.suppress(FileNotFoundError):
        stamp.unlink()  # from here on it is not current, whatever happens
    if _works(folder):
        _say("Keeping the virtual environment that is there")
        return
    unfinished = _unfinished(folder)
    is_ours = unfinished.exists() or (folder / "pyvenv.cfg").is_file()
    if folder.exists() and any(folder.iterdir()) and not is_ours:
        raise SetupError(f"{folder} exists and is no virtual environment; move it away, then run again.")
    _say("Making a virtual environment")
    unfinished.touch()
    lines, code = _run([sys.executable, "-m", "venv", "--clear", str(folder)], show=())
    if code:
        advice = "The virtual environment could not be made; on Debian or Ubuntu install python3-venv, then run again."
        raise _failure(lines, folder, advice)
    unfinished.unlink()


def _unfinished(folder: Path) -> Path:
    """A mark beside the folder while there is no whole environment in it."""
    return folder.with_name(folder.name + ".unfinished")


def _works(folder: Path) -> bool:
    """Whether the folder holds a whole environment of this very Python, or is the one that this runs in."""
    if Path(sys.prefix).resolve() == folder.resolve():
        return True
    python, settings = environment_python(folder), folder / "pyvenv.cfg"
    if _unfinished(folder).exists() or not python.exists() or not settings.is_file():
        return False
    version = ".".join(map(str, sys.version_info[:3]))
    if f"version = {version}\n" not in settings.read_text(encoding="utf-8", errors="replace"):
        return False
    return _run([str(python), "-c", "import pip"], show=())[1] == 0


def _install(python: Path, root: Path, pins: Path, extras: Sequence[str]) -> None:
    project = f"{root}[{','.join(extras)}]" if extras else str(root)
    _say("Installing the packages that the pins name")
    lines, code = _run(
        [
            str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--progress-bar", "off",
            "-c", str(pins), "-e", project,
        ],
        show=("  Downloading ", "Installing collected", "WARNING: Retrying"),
    )  # fmt: skip
    if code:
        raise _failure(lines, python.parent, "The packages could not be installed; the lines above say which one and why.")


def _run(command: Sequence[str], show: Sequence[str]) -> tuple[list[str], int]:
    """Run a step; print the lines that begin with one of ``show``; return its last lines and its exit code."""
    tail: deque[str] = deque(maxlen=_TAIL)
    process = subprocess.Popen(
        list(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=clean_variables(),
        close_fds=False,
    )  # fmt: skip
    assert process.stdout is not None
    with process, process.stdout:
        for line in process.stdout:
            tail.append(line.rstrip())
            if show and line.startswith(tuple(show)):
                _say("  " + line.strip()[:120])
    return list(tail), process.returncode


def _failure(lines: Sequence[str], folder: Path, otherwise: str) -> SetupError:
    """The error for a failed step, after showing what it printed."""
    for line in lines:
        _say("  | " + line)
    text = "\n".join(lines).lower()
    places = [place for place in (folder, Path(tempfile.gettempdir())) if place.is_dir()]
    if any(sign in text for sign in _NO_SPACE) or min(shutil.disk_usage(place).free for place in places) < _LITTLE_SPACE:
        return SetupError("The disk is full; free about 6 GB (packages and pip's temporary files), then run again.", STORAGE)
    if any(sign in text for sign in _NO_NETWORK):
        return SetupError("The package index cannot be reached; check the network or pip's proxy settings, then run again.")
    return SetupError(otherwise)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a lock file beside the environment. The lock is the system's, so it goes with a process that dies, and is inherited
    by the steps, so that one left over by a killed set-up is waited for."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(folder.name + ".lock"), "a", encoding="ascii") as stream:
        told = False
        while not _take(stream.fileno()):
            if not told:
                _say(f"Another process is setting up {folder}; waiting for it.")
                told = True
            time.sleep(0.5)
        os.set_inheritable(stream.fileno(), True)
        yield


def _take(descriptor: int) -> bool:
    """Try to lock an open file without waiting; closing the file gives the lock back. Raises :class:`OSError` where files
    cannot be locked, as on a network disk without a lock service."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        raise
    return True


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
