"""Running another program of the project and passing on what it says."""

from __future__ import annotations

import signal
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence

from film_recovery.contract.errors import FilmRecoveryError
from film_recovery.contract.exit_codes import ExitCode
from film_recovery.contract.progress import Reporter


def run_process(line: Sequence[str], variables: Mapping[str, str], reporter: Reporter, quiet: tuple[str, ...] = ()) -> None:
    """Run a program to its end; it is ended, with what it started, when the user asks to stop.

    Args:
        line: the program and its words.
        variables: its environment.
        reporter: gets every line that it says as a note.
        quiet: lines that begin like these are kept back.

    Raises:
        FilmRecoveryError: it failed; its last sentence, with its exit code.
    """
    process = subprocess.Popen(
        list(line), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8",
        errors="replace", env=dict(variables),
    )  # fmt: skip
    tail: deque[str] = deque(maxlen=20)
    asked = False
    assert process.stdout is not None
    with process.stdout as stream:
        for text in stream:
            sentence = text.rstrip()
            if sentence and not sentence.startswith(quiet):
                tail.append(sentence)
                reporter.note(sentence)
            if not asked and reporter.should_stop() and process.poll() is None:
                process.terminate()  # once: a second time it would not come to its end in order
                asked = True
    process.wait()
    if process.returncode:
        raise _failure(process.returncode, list(tail))


def _failure(code: int, tail: list[str]) -> FilmRecoveryError:
    sentence = tail[-1] if tail else f"It ended with code {code} and no word."
    error = FilmRecoveryError(sentence)
    error.exit_code = ExitCode(code) if code in set(ExitCode) else ExitCode.CRASH
    if -code in (signal.SIGTERM, signal.SIGINT):
        error.exit_code = ExitCode.STOPPED
    elif code < 0:
        error = FilmRecoveryError(f"It was killed by signal {-code}, perhaps for want of memory. Last it said: {sentence}")
        error.exit_code = ExitCode.CRASH
    return error
