"""The demonstration's recovery, through the node graph: the script ``combined.nk``, run headless as a farm would run it.

The worker knows neither Nuke's side nor the stand-in that runs it here; both are started as a process, by a command line that
a real Nuke understands as well.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any

from film_recovery.contract.atomic import write_text
from film_recovery.contract.environment import clean_variables
from film_recovery.contract.errors import FilmRecoveryError, InputError
from film_recovery.contract.exit_codes import ExitCode
from film_recovery.contract.progress import Reporter

_PACKAGE = Path(__file__).resolve().parents[3]
_SCRIPTS = ("combined.nk", "chroma.nk", "spatial.nk")
_QUIET = ("Writing ",)  # a line a frame is for farms


def run_graph(out: Path, minutes: float, seed: int, frames: str, reporter: Reporter) -> dict[str, Any]:
    """Train, bake and render ``out/combined.nk``; what is up to date is left alone.

    Returns:
        By inference node its run, model, frames and files, and the files of every Write.

    Raises:
        InputError: the package is not whole.
        FilmRecoveryError: the run failed; its last sentence, with its exit code.
    """
    script = _place_scripts(out, minutes, seed)
    record = out / "graph.json"
    line = [
        sys.executable, "-m", "embedded_nuke", "-t",
        str(_PACKAGE / "nuke_plugins" / "film_recovery_nuke" / "bake_script.py"),
        str(script), "--train", "--save", "--record", str(record), frames,
    ]  # fmt: skip
    variables = {**clean_variables(), "NUKE_PATH": str(_PACKAGE), "PYTHONPATH": str(_PACKAGE / "nuke_plugins"),
                 "FILM_RECOVERY_PYTHON": sys.executable, "PYTHONUNBUFFERED": "1"}  # fmt: skip
    reporter.stage(f"Running {script.name} headless, through the node graph")
    process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               encoding="utf-8", errors="replace", env=variables)  # fmt: skip
    tail = _follow(process, reporter)
    if process.returncode:
        raise _failure(process.returncode, tail)
    result: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
    return result


def _place_scripts(out: Path, minutes: float, seed: int) -> Path:
    """Copy the example scripts beside the elements, with this demonstration's minutes and seed."""
    examples = _PACKAGE / "examples" / "nuke"
    if not (examples / _SCRIPTS[0]).is_file():
        raise InputError(f"{examples} lacks {_SCRIPTS[0]}; run the demonstration from a whole clone of the project.")
    for name in _SCRIPTS:
        text = (examples / name).read_text(encoding="utf-8")
        text = re.sub(r"(?m)^( *)minutes .*$", rf"\g<1>minutes {minutes:g}", text)
        text = re.sub(r"(?m)^( *)seed .*$", rf"\g<1>seed {seed}", text)
        if not (out / name).is_file() or (out / name).read_text(encoding="utf-8") != text:
            write_text(out / name, text)
    return out / _SCRIPTS[0]


def _follow(process: subprocess.Popen[str], reporter: Reporter) -> list[str]:
    """Pass on what it says; end it, and what it started, when the user asks to stop."""
    tail: deque[str] = deque(maxlen=20)
    assert process.stdout is not None
    with process.stdout as stream:
        for text in stream:
            sentence = text.rstrip()
            if sentence and not sentence.startswith(_QUIET):
                tail.append(sentence)
                reporter.note(sentence)
            if reporter.should_stop() and process.poll() is None:
                process.terminate()
    process.wait()
    return list(tail)


def _failure(code: int, tail: list[str]) -> FilmRecoveryError:
    sentence = tail[-1] if tail else f"The headless run ended with code {code} and no word."
    error = FilmRecoveryError(sentence)
    error.exit_code = ExitCode(code) if code in set(ExitCode) else ExitCode.CRASH
    if code < 0:
        error.exit_code = ExitCode.STOPPED
    return error

