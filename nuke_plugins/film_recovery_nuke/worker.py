"""The worker: finding its Python, asking what it is, running its commands, starting it so that it outlives Nuke."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from film_recovery.contract.environment import clean_variables, environment_python
from film_recovery.contract.exit_codes import ExitCode
from film_recovery.contract.processes import is_living
from film_recovery.contract.protocol import PROTOCOL
from film_recovery_nuke import preferences
from film_recovery_nuke.errors import CancelledError, WorkerError

VARIABLE = "FILM_RECOVERY_PYTHON"
PACKAGE = Path(__file__).resolve().parents[2]
LOG, PROCESS = "worker.log", "worker.pid"
_ANSWER_SECONDS = 20.0
_TAIL = 12  # lines of the worker's output that an error quotes
_POLL_SECONDS = 0.1
_PATIENCE = 5.0  # seconds
_STARTING_SECONDS = 600.0  # by then a worker has taken its folder's lock; a process id that is older may be another's

_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class WorkerInfo:
    """What a worker said of itself."""

    python: Path
    version: str
    protocol: int
    python_version: str


def find_python() -> Path:
    """The Python of the worker's environment: the variable, then the preferences, then ``.venv`` beside the package.

    Raises:
        WorkerError: the one that is named does not exist, or there is none.
    """
    named = os.environ.get(VARIABLE, "")
    where = f"the environment variable {VARIABLE}"
    if not named:
        setting = preferences.load()[0]["worker_python"]
        named, where = setting.value, f"the preferences ({setting.layer})"
    if named:
        if not Path(named).is_file():
            raise WorkerError(
                f"The worker's Python {named}, named by {where}, does not exist; correct it or make the environment."
            )
        return Path(named)
    found = environment_python(PACKAGE / ".venv")
    if not found.is_file():
        raise WorkerError("The worker's environment does not exist yet; make it on the Environment page of Film Recovery.")
    return found


def check(python: Path, seconds: float = _ANSWER_SECONDS, cancelled: Callable[[], bool] | None = None) -> WorkerInfo:
    """Ask a worker for its version.

    Raises:
        WorkerError: it does not start, does not answer in time, answers nonsense, or is of another protocol.
        CancelledError: ``cancelled`` said so before it answered.
    """
    try:
        answer = _run([str(python), "-m", "film_recovery.contract.protocol"], seconds, cancelled, None)
    except _Hangs as error:
        raise WorkerError(f"The worker {python} does not answer within {seconds:.0f} s; check the disk it lies on.") from error
    except _Stopped as error:
        raise CancelledError("Cancelled before the worker answered.") from error
    if answer.code:
        last = ([line for line in answer.errors if line.strip()] or ["no message"])[-1]
        raise WorkerError(f"The worker {python} fails ({last}); make its environment anew on the Environment page.")
    try:
        said = json.loads(answer.output[-1])
        info = WorkerInfo(python, str(said["version"]), int(said["protocol"]), str(said["python"]))
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise WorkerError(f"{python} answers, but is no worker of Film Recovery; name another Python.") from error
    if info.protocol != PROTOCOL:
        raise WorkerError(
            f"The worker {python} speaks protocol {info.protocol} (version {info.version}) and this package {PROTOCOL}; "
            "bring both to the same version."
        )
    return info


def command(*arguments: str) -> list[str]:
    """The command line of a worker's command. Raises :class:`WorkerError` as :func:`find_python` does."""
    return [str(find_python()), "-m", "film_recovery.cli.main", *arguments]


def variables() -> dict[str, str]:
    """The worker's variables: neither Nuke's Python paths nor a folder beside the script may lead it to other packages."""
    return {**clean_variables(), "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}


def start_detached(arguments: Sequence[str], folder: Path) -> int:
    """Start a worker's command that goes on when Nuke is closed; returns its process id, which ``worker.pid`` holds too.

    What it prints goes to ``worker.log`` in ``folder``.

    Raises:
        WorkerError: it cannot be started, or the folder cannot be written.
    """
    line = command(*arguments)
    try:
        with open(folder / LOG, "ab") as output:
            process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=variables(),
                                       **_detached())  # fmt: skip
        try:
            (folder / PROCESS).write_text(f"{process.pid} {platform.node()}\n", encoding="utf-8")
        except OSError:
            process.kill()  # nobody would find it again
            process.wait()
            raise
    except OSError as error:
        raise WorkerError(f"The worker cannot be started: {error.strerror or error} ({error.filename or line[0]}).") from error
    _children[process.pid] = process
    return process.pid


def is_alive(folder: Path, within: float = _STARTING_SECONDS) -> bool:
    """Whether the process that was lately started in a folder still runs. Tells a worker that loads its packages, before it
    holds the folder's lock, from one that died; ``within`` seconds of its start, ten minutes, later only the lock tells.

    False for a process of another machine, which cannot be asked.
    """
    try:
        number, _, machine = (folder / PROCESS).read_text(encoding="utf-8").strip().partition(" ")
        pid, age = int(number), time.time() - (folder / PROCESS).stat().st_mtime
    except (OSError, ValueError):
        return False
    child = _children.get(pid)
    if child is not None and child.poll() is not None:  # our own child would stay a zombie if nobody asked
        return False
    if machine != platform.node() or age > within:
        return False
    return child is not None or _exists(pid)


def is_child(process: int) -> bool:
    """Whether a process id is that of a living worker which this session has started; nobody else can have it then."""
    child = _children.get(process)
    return child is not None and child.poll() is None


def call(
    arguments: Sequence[str],
    cancelled: Callable[[], bool] | None = None,
    on_line: Callable[[str], None] | None = None,
    patience: float = _PATIENCE,
) -> tuple[int, dict[str, Any] | None, str]:
    """Run a worker's command with ``--json`` and wait for it, as long as it takes.

    Args:
        arguments: the command and its options.
        cancelled: asked ten times a second; True ends the worker, politely first.
        on_line: told every line that it prints for people.
        patience: seconds that the worker has, once it is asked to end, until it is killed.

    Returns:
        Exit code, the JSON object (None if there is none), and the last lines that it printed.

    Raises:
        WorkerError: it cannot be started.
        CancelledError: ``cancelled`` said so.
    """
    try:
        answer = _run(command(*arguments, "--json"), None, cancelled, on_line, patience)
    except _Stopped as error:
        raise CancelledError(f"Cancelled while the worker ran '{arguments[0]}'.") from error
    return answer.code, _last_object(answer.output), "\n".join(answer.errors[-_TAIL:])


def failed(what: str, code: int, tail: str) -> WorkerError:
    """The error for a command that ended with ``code``: its own last sentence and exit code, unless it was killed."""
    lines = [line for line in tail.splitlines() if line.strip()]
    if code not in set(ExitCode) or code == ExitCode.OK:
        killed = code in (-9, 137)  # not by us: as systems do that run out of memory
        told = "it was killed, as happens where memory runs out: use smaller tiles, or fewer jobs at once"
        error = WorkerError(f"{what}: the worker ended without a word ({told if killed else f'code {code}'}).")
        error.exit_code = ExitCode.NO_DEVICE if killed else ExitCode.CRASH
        return error
    error = WorkerError(f"{what}: {lines[-1] if lines else f'the worker ended with code {code} and no word'}")
    error.exit_code = ExitCode(code)
    return error


class _Hangs(Exception):
    """A process took longer than it was given."""


class _Stopped(Exception):
    """Somebody pressed Cancel."""


@dataclass
class _Answer:
    """What a process printed, by lines, and its code once it has ended."""

    output: list[str]
    errors: list[str]
    code: int = 0


def _run(
    line: Sequence[str],
    seconds: float | None,
    cancelled: Callable[[], bool] | None,
    on_line: Callable[[str], None] | None,
    patience: float = _PATIENCE,
) -> _Answer:
    """Run a process and read it while it runs; it has ended when this returns or raises."""
    said: queue.Queue[tuple[str, str]] = queue.Queue()
    answer = _Answer([], [])
    begin = time.monotonic()
    process: subprocess.Popen[str] | None = None
    try:
        with _signals_held():  # a stop between the start of the process and this side of it would leave it behind
            process = _started(line)
        readers = [_reader(process.stdout, "out", said), _reader(process.stderr, "err", said)]
        while process.poll() is None or any(reader.is_alive() for reader in readers) or not said.empty():
            _take(said, answer.output, answer.errors, on_line)
            if cancelled is not None and cancelled():
                raise _Stopped
            if seconds is not None and time.monotonic() - begin > seconds:
                raise _Hangs
    finally:
        if process is not None:
            _end(process, patience)
    answer.code = process.returncode
    return answer


def _started(line: Sequence[str]) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(list(line), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, encoding="utf-8", errors="replace", env=variables(),
                                **without_window())  # fmt: skip
    except OSError as error:
        raise WorkerError(f"The worker {line[0]} cannot be started: {error.strerror or error}.") from error


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Signals that would interrupt the main thread wait for the end of the block; elsewhere there are none to hold."""
    came: list[int] = []
    held: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        own = [number for number in (signal.SIGINT, signal.SIGTERM) if callable(signal.getsignal(number))]
        held = {number: signal.signal(number, lambda caught, _frame: came.append(caught)) for number in own}
    try:
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)


def without_window() -> dict[str, Any]:
    """What keeps Windows from opening a terminal window for a process that a program with a GUI starts."""
    return {"creationflags": 0x08000000} if os.name == "nt" else {}  # CREATE_NO_WINDOW


def _exists(pid: int) -> bool:
    """Whether a process of this machine lives."""
    if os.name == "nt":  # there signal 0 is Ctrl-C: it would end what it asks about
        line = ["tasklist", "/FI", f"PID eq {pid}", "/NH", "/FO", "CSV"]
        found = subprocess.run(line, capture_output=True, text=True, errors="replace", check=False, **without_window())
        return f'"{pid}"' in found.stdout
    return is_living(pid)


def _take(said: queue.Queue[tuple[str, str]], output: list[str], tail: list[str],
          on_line: Callable[[str], None] | None) -> None:  # fmt: skip
    try:
        stream, text = said.get(timeout=_POLL_SECONDS)
    except queue.Empty:
        return
    if stream == "out":
        output.append(text)
        return
    tail.append(text)
    if on_line is not None:
        on_line(text)


def _reader(stream: Any, name: str, said: queue.Queue[tuple[str, str]]) -> threading.Thread:
    """A thread that passes lines on; it touches nothing of Nuke."""

    def read() -> None:
        with stream:
            for text in stream:
                said.put((name, text.rstrip("\n")))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def _end(process: subprocess.Popen[str], patience: float) -> None:
    """See that a process has ended: ask, wait so many seconds, and kill."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _last_object(lines: Sequence[str]) -> dict[str, Any] | None:
    try:
        value = json.loads("\n".join(lines))
    except json.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _detached() -> dict[str, Any]:
    """What keeps a process alive when its parent goes."""
    if os.name == "nt":
        return {"creationflags": 0x00000008 | 0x00000200}  # DETACHED_PROCESS, CREATE_NEW_PROCESS_GROUP
    return {"start_new_session": True}
