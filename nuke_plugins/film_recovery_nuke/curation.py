"""The work before a training, out of process: analyse, match, select and align, each in a folder of its own.

A command is started detached, so it goes on when Nuke is closed; how it stands is read from its folder alone, and it is found
again there. What it wrote is read through the contract.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from film_recovery.contract.atomic import storage_errors, write_json
from film_recovery.contract.exit_codes import ExitCode
from film_recovery.contract.run_folder import RunFolder
from film_recovery_nuke import graph, preferences, worker
from film_recovery_nuke.errors import HostError

RECORDS = {"analyse": "analysis.json", "match": "match.json", "select": "pairs.json", "align": "align.json"}
PICTURES = (".png", ".jpg", ".jpeg")
_REQUEST = "request.json"
_LONGEST = 24 * 3600.0  # seconds that a command may take; a process id that is older may be another's
_COUNTED = re.compile(r"\w+ (\d+)/(\d+)\b")  # frame 12/40, 3.1 frames/s
_TAIL = 4096  # bytes of the log that are looked at for its last line


@dataclass(frozen=True)
class Standing:
    """How a command stands: ``state`` is none, running, finished, stopped or failed; ``line`` is the last that it said; while
    it counts, ``done`` of ``total``, else 0 of 0."""

    state: str
    line: str = ""
    done: int = 0
    total: int = 0

    def sentence(self) -> str:
        """For a person."""
        if self.state == "stopped":
            return f"{self.line} Press Start to go on."
        words = {"none": "Not run yet.", "running": "Running", "finished": "Finished.", "failed": "It did not finish"}
        return f"{words[self.state]}: {self.line}" if self.line and self.state != "finished" else words[self.state]


def files_of(node: Any, side: str) -> str:
    """The files of a Read, as the worker takes them. Raises :class:`HostError` for other nodes and for none."""
    if node.Class() != "Read":
        raise HostError(f"The {side} is a {node.Class()}; the worker reads files, so set a Read node.")
    found = graph.files_of(node)
    if not found:
        raise HostError(f"{node.name()} names no file; choose one.")
    return found


def folder_of(command: str, source: Any, reference: Any) -> Path:
    """The folder of a command for two elements, by their nodes' names. Raises :class:`HostError` for an unsaved script."""
    home = graph.folder_from("", preferences.get("data_folder"), "data folder in the preferences")
    return home / "curation" / f"{source.name()}_{reference.name()}" / command


def arguments(command: str, source: str, reference: str, folder: Path, options: Sequence[str] = ()) -> list[str]:
    """The worker's words for a command. The match beside ``folder`` is handed to select and align where there is one.

    Raises:
        HostError: that match was made of other files.
    """
    if command == "analyse":
        words = ["analyse", source, "--against", reference]
    elif command == "match":
        words = ["match", "--a", source, "--b", reference]
    else:
        words = [command, "--source", source, "--reference", reference]
        found = folder.parent / "match" / RECORDS["match"]
        if found.is_file():
            if not is_of(found.parent, (source, reference)):
                raise HostError(f"The match in {found.parent} is of other files; run Match again for these elements.")
            words += ["--match", str(found)]
    return [*words, *options, "--out", str(folder)]


def start(words: Sequence[str], folder: Path) -> None:
    """Start a command in its folder; what an earlier run wrote stays until it is replaced, unless it was of other files.

    Raises:
        HostError: it runs already.
        WorkerError: it cannot be started.
        StorageError: the folder cannot be written.
    """
    if standing(folder).state == "running":
        raise HostError(f"{words[0]} runs already in {folder}; wait for it or cancel it.")
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name in (worker.LOG, worker.PROCESS):
            (folder / name).unlink(missing_ok=True)
        if not is_of(folder, _files_in(words)):  # or it would pass for one of these files if the command did not finish
            for path in (folder / RECORDS[folder.name], *folder.glob("*.html"), *pictures(folder)):
                path.unlink(missing_ok=True)
    write_json(folder / _REQUEST, {"arguments": list(words)})
    worker.start_detached([*words, "--json"], folder)


def cancel(folder: Path) -> bool:
    """Ask the command in a folder to end; False when none runs. Windows ends it at once.

    Raises:
        HostError: it runs on another machine or as another user, where no process of this one reaches it, or another Nuke has
            only just started it.
    """
    if standing(folder).state != "running":  # else the process id may be another's by now
        return False
    if not worker.is_alive(folder, _LONGEST):
        raise HostError(f"The command in {folder} was started on another machine or by hand; end it there.")
    process = int((folder / worker.PROCESS).read_text(encoding="utf-8").split()[0])
    if not (RunFolder(folder).is_locked() or worker.is_child(process)):  # only these two tell that it is the command's
        raise HostError(f"The command in {folder} is still starting; cancel it again in a moment.")
    try:
        os.kill(process, signal.SIGTERM)
    except ProcessLookupError:
        return False
    except PermissionError as error:
        raise HostError(f"The command in {folder} was started by another user, who alone can end it.") from error
    return True


def standing(folder: Path) -> Standing:
    """How the command in a folder stands."""
    if not (folder / _REQUEST).is_file():
        return Standing("none")
    # Whether it has ended is told by what it left. Its process id is asked last: the system gives it out again.
    if _is_finished(folder):
        return Standing("finished")
    line, said = last_line(folder / worker.LOG), last_object(folder)
    if said is None and (worker.is_alive(folder) or RunFolder(folder).is_locked()):  # it starts, or works, here or elsewhere
        counted = _COUNTED.match(line)
        return Standing("running", line, *([int(number) for number in counted.groups()] if counted else []))
    if said is None or "error" not in said:
        return Standing("failed", line)
    return Standing("stopped" if said.get("exit_code") == ExitCode.STOPPED else "failed", str(said["error"]))


def _is_finished(folder: Path) -> bool:
    """Whether the record is of what was asked last; a command writes it when all else is there."""
    try:
        made, asked = ((folder / name).stat().st_mtime for name in (RECORDS[folder.name], _REQUEST))
    except OSError:  # no record yet
        return False
    return made >= asked


def is_of(folder: Path, files: Sequence[str]) -> bool:
    """Whether the command in a folder was last asked about these files; True for one that was never asked."""
    try:
        asked = _files_in(json.loads((folder / _REQUEST).read_text(encoding="utf-8"))["arguments"])
    except (OSError, ValueError, KeyError, TypeError):
        return True
    return asked == list(files)


def _files_in(words: Sequence[str]) -> list[str]:
    """The source's and the reference's files among the words of :func:`arguments`."""
    return [str(word) for word in (words[1:4:2] if "analyse" in words[:1] else words[2:5:2])]


def last_line(path: Path) -> str:
    """The last line with words in a log, after the last carriage return too; empty for none."""
    try:
        with open(path, "rb") as log:
            log.seek(max(0, os.path.getsize(path) - _TAIL))
            text = log.read().decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    return lines[-1] if lines else ""


def last_object(folder: Path) -> dict[str, Any] | None:
    """The JSON object with which a command ended its log, a line of its own, or None."""
    try:
        lines = (folder / worker.LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        if line.startswith("{"):
            try:
                found = json.loads(line)
            except ValueError:
                return None
            return found if isinstance(found, dict) else None
    return None


def pictures(folder: Path) -> list[Path]:
    """The pictures that a command wrote, by name."""
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in PICTURES) if folder.is_dir() else []


def page(folder: Path) -> Path | None:
    """The page that a command wrote, or None."""
    return next(iter(sorted(folder.glob("*.html"))), None)
