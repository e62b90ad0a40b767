"""The diary of a run: one JSON object a line, appended and flushed, readable while it grows.

Every event has ``event`` (its kind), ``time`` (seconds since 1970) and its own fields. Kinds: ``started``, ``start`` (the
closed-form figure), ``progress``, ``held_out``, ``contact_sheet`` and ``preview`` (the last ones with ``handed_out``: of the
model that is), ``checkpoint``, ``planned`` (the clock moved its end to ``steps``), ``levelled`` (it ends early, after
``steps``), ``warning`` (with the fields of a :class:`film_recovery.contract.findings.Finding`), ``exported``, ``stopped``,
``failed``, ``finished`` (``psnr`` and ``share`` as the card has them: the held-out figure in dB, null without one, and how much
of the correction is handed out), ``resumed`` (goes on, whatever its last words were).
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from film_recovery.contract.atomic import storage_errors, write_text

_OF_THE_END = ("warning", "exported", "finished")


class EventLog:
    """Appends events to one file. Lines are short and written in one call, so a reader never sees half an event twice."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def append(self, event: str, **fields: Any) -> None:
        """Append one event. Values must be JSON (no NaN). Raises :class:`StorageError` when the disk is full."""
        line = json.dumps({"event": event, "time": round(time.time(), 3), **fields}, allow_nan=False, ensure_ascii=False)
        with storage_errors(self.path), open(self.path, "ab+") as stream:
            if stream.seek(0, os.SEEK_END):
                stream.seek(-1, os.SEEK_END)
                if stream.read(1) != b"\n":  # a killed process was writing: this event has to have a line of its own
                    line = "\n" + line
            stream.write(f"{line}\n".encode())


def read_events(path: Path, kind: str | None = None) -> list[dict[str, Any]]:
    """All whole events of the file, oldest first, of one ``kind`` if given; a torn last line is left out."""
    if not Path(path).is_file():
        return []
    events: list[dict[str, Any]] = []
    for line in Path(path).read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            continue  # the line that a killed process was writing
        if isinstance(event, dict) and (kind is None or event.get("event") == kind):
            events.append(event)
    return events


def truncate_after_step(path: Path, step: int) -> None:
    """Drop events of steps later than ``step``, and of a run's end: a resumed run writes them again. Raises nothing if the file
    is absent."""
    kept = [
        event
        for event in read_events(path)
        if int(event.get("step", 0)) <= step and event.get("event") not in _OF_THE_END and not event.get("handed_out")
    ]
    if Path(path).is_file():
        write_text(path, "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in kept))
