"""The work before a training, out of process: analyse, match, select and align, each in a folder of its own.

A command is started detached, so it goes on when Nuke is closed; how it stands is read from its folder alone, and it is found
again there. What it wrote is read through the contract.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from film_recovery.contract.atomic import storage_errors, write_json
from film_recovery.contract.curation import MatchRecord
from film_recovery_nuke import frames as frame_tools
from film_recovery_nuke import graph, preferences, worker
from film_recovery_nuke.errors import HostError

COMMANDS = ("analyse", "match", "select", "align")
RECORDS = {"match": "match.json", "select": "pairs.json", "align": "align.json"}
PICTURES = (".png", ".jpg", ".jpeg")
_REQUEST = "request.json"
_LONGEST = 24 * 3600.0  # seconds that a command may take; a process id that is older may be another's
_TAIL = 4096  # bytes of the log that are looked at for its last line


@dataclass(frozen=True)
class Standing:
    """How a command stands: ``state`` is none, running, finished or failed; ``line`` is the last that it said."""

    state: str
    line: str = ""

    def sentence(self) -> str:
        """For a person."""
        words = {"none": "Not run yet.", "running": "Running", "finished": "Finished.", "failed": "It did not finish"}
        return f"{words[self.state]}: {self.line}" if self.line and self.state != "finished" else words[self.state]


def files_of(node: Any, side: str) -> str:
    """The files of a Read, as the worker takes them. Raises :class:`HostError` for other nodes and for none."""
    if node.Class() != "Read":
        raise HostError(f"The {side} is a {node.Class()}; the worker reads files, so set a Read node.")
    text = node["file"].getEvaluatedValue()
    if not text:
        raise HostError(f"{node.name()} names no file; choose one.")
    return graph.resolved(text).as_posix()


def folder_of(command: str, source: Any, reference: Any) -> Path:
    """The folder of a command for two elements, by their nodes' names. Raises :class:`HostError` for an unsaved script."""
    home = graph.folder_from("", preferences.get("data_folder"), "data folder in the preferences")
    return home / "curation" / f"{source.name()}_{reference.name()}" / command


def arguments(command: str, source: str, reference: str, folder: Path, options: Sequence[str] = ()) -> list[str]:
    """The worker's words for a command. The match beside ``folder`` is handed to select and align where there is one."""
    if command == "analyse":
        words = ["analyse", source, "--against", reference]
    elif command == "match":
        words = ["match", "--a", source, "--b", reference]
    else:
        words = [command, "--source", source, "--reference", reference]
        found = folder.parent / "match" / RECORDS["match"]
        if found.is_file():
            words += ["--match", str(found)]
    return [*words, *options, "--out", str(folder)]


def start(words: Sequence[str], folder: Path) -> None:
    """Start a command in its folder; what an earlier run wrote stays until it is replaced.

    Raises:
        HostError: it runs already.
        WorkerError: it cannot be started.
        StorageError: the folder cannot be written.
    """
    if standing(folder).state == "running":
        raise HostError(f"{words[0]} runs already in {folder}; wait for it or cancel it.")
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / worker.LOG).unlink(missing_ok=True)
    write_json(folder / _REQUEST, {"arguments": list(words)})
    worker.start_detached([*words, "--json"], folder)


def cancel(folder: Path) -> bool:
    """Ask the command in a folder to end; False when none runs. Windows ends it at once."""
    if not worker.is_alive(folder, _LONGEST):
        return False
    os.kill(int((folder / worker.PROCESS).read_text(encoding="utf-8").split()[0]), signal.SIGTERM)
    return True


def standing(folder: Path) -> Standing:
    """How the command in a folder stands."""
    if not (folder / _REQUEST).is_file():
        return Standing("none")
    line = last_line(folder / worker.LOG)
    if worker.is_alive(folder, _LONGEST):
        return Standing("running", line)
    result = folder / RECORDS.get(folder.name, worker.LOG)
    try:
        whole = result.stat().st_mtime >= (folder / _REQUEST).stat().st_mtime
    except OSError:
        whole = False
    if folder.name not in RECORDS:  # analyse ends with one JSON object
        whole = last_object(folder) is not None
    return Standing("finished" if whole else "failed", line)


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
    """The JSON object with which a command ended its log, or None."""
    try:
        text = (folder / worker.LOG).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    at = text.rfind("\n{\n") + 1 if "\n{\n" in text else text.find("{")
    try:
        found = json.loads(text[at:]) if at >= 0 else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def pictures(folder: Path) -> list[Path]:
    """The pictures that a command wrote, by name."""
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in PICTURES) if folder.is_dir() else []


def page(folder: Path) -> Path | None:
    """The page that a command wrote, or None."""
    return next(iter(sorted(folder.glob("*.html"))), None)


def offsets_graph(record: MatchRecord, reference: Any) -> Any:
    """Build the matched stretches of the reference at the source's frames; returns the last node.

    One stretch becomes a TimeOffset. Several become a TimeOffset each, switched by frame; between stretches, where
    the source has no partner, the one before stays.

    Raises:
        HostError: nothing was matched.
    """
    import nuke

    if not record.segments:
        raise HostError("No frame was matched; look at the notes of the match.")
    x, y = reference.xpos(), reference.ypos() + 90
    made = []
    with graph.undo("Film Recovery: match"):
        for number, part in enumerate(record.segments):
            shift = part.first_a - part.first_b
            node = nuke.nodes.TimeOffset(inputs=[reference], time_offset=shift)
            node["label"].setValue(f"{part.first_a}-{part.first_a + part.length - 1}: {shift:+d}")
            node.setXYpos(x + 110 * number, y)
            made.append(node)
        if len(made) == 1:
            return made[0]
        switch = nuke.nodes.Switch(inputs=made)
        keys = " ".join(f"x{part.first_a} {number}" for number, part in enumerate(record.segments))
        switch["which"].fromScript(f"{{{{curve K {keys}}}}}")
        only = frame_tools.format_frames(frame for first, last in record.only_a for frame in range(first, last + 1))
        switch["label"].setValue("matched reference" + (f"\nwithout a partner: {only}" if only else ""))
        switch.setXYpos(x, y + 90)
        graph.backdrop([*made, switch], "MATCHED REFERENCE", graph.REFERENCE_COLOUR)
    return switch
