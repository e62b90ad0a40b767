"""What has been done: one record a model, with the hashes of all that it was made from, so that nothing is done twice."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from film_recovery.contract.atomic import write_json
from film_recovery.contract.curation import Moment, load_match
from film_recovery.contract.errors import InputError, ProjectError
from film_recovery.contract.hashes import file_sha256
from film_recovery.contract.records import load_record, save_record
from film_recovery.contract.run_folder import RunFolder
from film_recovery.images.sequence import Sequence, open_sequence
from film_recovery.project.schema import Project

SCHEMA, VERSION = "film-recovery/pass-state", 1
_TRAINING_SETTINGS = (
    "task", "source", "reference", "frames", "held_out", "pairs", "held_out_pairs", "minutes", "steps", "size", "patch",
    "batch", "seed", "balance", "initial_weights",
)  # fmt: skip


@dataclass
class UnitState:
    """``settings`` hashes the pass's training settings, ``pairs`` the pictures it was trained on (by ``source/frame`` and
    ``reference/frame``), ``model`` is the model file's SHA-256 (empty while it trains), ``frames`` maps each rendered frame to
    the hashes of its source and of the written file and the kind of merge."""

    settings: str = ""
    pairs: dict[str, str] = field(default_factory=dict)
    model: str = ""
    frames: dict[str, list[str]] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the record, whole or not at all."""
        save_record(path, self, SCHEMA, VERSION)


def load_state(path: Path) -> UnitState:
    """The record, or an empty one when there is none or it cannot be read: then the work is done again."""
    try:
        return load_record(path, UnitState, SCHEMA, VERSION)
    except InputError:
        return UnitState()


class Places:
    """Where a project keeps what it makes."""

    def __init__(self, path: Path, project: Project) -> None:
        self.path = Path(path)
        self.base = Path(path).resolve().parent
        self.root = self.base / project.output
        self.project = project
        self._elements: dict[str, Sequence] = {}

    def claim(self) -> None:
        """Note in the output folder whose it is. Raises :class:`ProjectError` where it is that of another project file, which
        would take our frames for strays, and we its."""
        root, own = self.root.resolve(), self.path.resolve()
        record = root / "project.json"
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # it is nobody's yet, or the note is damaged
            owner = root / json.loads(record.read_text(encoding="utf-8"))["file"]
            if owner.is_file() and not owner.samefile(own):
                raise ProjectError(f"{self.root} belongs to the project {owner.resolve()}; give each project its own output.")
        write_json(record, {"file": os.path.relpath(own, root) if own.anchor == root.anchor else str(own)})

    def run(self, name: str, unit: str) -> RunFolder:
        """The training run of one model."""
        return RunFolder(self.root / "passes" / name / unit / "run")

    def state(self, name: str, unit: str) -> Path:
        """The record of one model."""
        return self.root / "passes" / name / unit / "state.json"

    def frames(self, name: str) -> Path:
        """The pattern of a pass's rendered frames."""
        return self.root / "passes" / name / "frames" / f"{name}.####.exr"

    def weights(self, name: str, unit: str) -> Path | None:
        """The run or checkpoint that a model starts from, if the project names one."""
        weights = self.project.passes[name].initial_weights
        if weights in self.project.passes:
            units = self.project.units(weights)
            return self.run(weights, unit if unit in units else next(iter(units))).path
        return None if weights in ("auto", "none") else self.base / weights

    def recovered(self, name: str) -> Path:
        """Where the model's own frames go: the pass's frames, or beside them when they are merged afterwards."""
        step = self.project.passes[name]
        return self.frames(name) if step.merge == "none" else self.root / "passes" / name / "unmerged" / f"{name}.####.exr"

    def sequence(self) -> Path:
        """The pattern of the finished sequence."""
        name = self.project.sequence.name
        return self.root / "sequence" / f"{name}.####.exr"

    def files(self, name: str) -> str:
        """The files of an element or of a pass's result."""
        if name in self.project.passes:
            return str(self.frames(name))
        return str(self.base / self.project.elements[name].files)

    def open(self, name: str) -> Sequence:
        """The frames of an element or of a pass's result, numbered as the project's.

        Raises:
            InputError: there are none, or the match that conforms them cannot be read.
            ProjectError: a frame that the match names is not there, the element is a movie, or the match was made of others.
        """
        sequence, numbers = self._listed(name), self._numbers(name)
        if numbers is None:
            return sequence
        if sequence.movie:
            raise ProjectError(f"{self.path}: '{name}' is a movie, whose frames cannot be conformed; convert it to stills.")
        lacking = [number for number in numbers.values() if number not in sequence.files]
        if lacking:
            raise ProjectError(
                f"{self.path}: the match names frame {lacking[0]} of '{name}', but {sequence.name} lacks it; match again."
            )
        return replace(sequence, files={frame: sequence.files[number] for frame, number in numbers.items()})

    def _listed(self, name: str) -> Sequence:
        """The files of an element, listed once, or those of a pass, which become more."""
        if name in self.project.passes:
            return open_sequence(self.files(name))
        if name not in self._elements:
            self._elements[name] = open_sequence(self.files(name))
        return self._elements[name]

    def number(self, name: str, frame: int) -> int:
        """The number of the file that an element or a pass's result has for a frame of the project.

        Raises :class:`ProjectError` where a conformed element lacks the frame.
        """
        numbers = self._numbers(name)
        if numbers is None:
            return frame
        if frame not in numbers:
            raise ProjectError(f"{self.path}: '{name}' has no picture at frame {frame} of the time line; name another frame.")
        return numbers[frame]

    def _numbers(self, name: str) -> dict[int, int] | None:
        """The file's number for each frame of the time line that a conformed element has; None for what is not conformed."""
        asked = self.project.conform
        if asked is None or name not in (asked.a, asked.b):
            return None
        side = "a" if name == asked.a else "b"
        return {moment.frame: getattr(moment, side) for moment in self._line if getattr(moment, side) is not None}

    @cached_property
    def _line(self) -> list[Moment]:
        asked = self.project.conform
        assert asked is not None
        record = load_match(self.base / asked.match).between(self.files(asked.a), self.files(asked.b))
        return record.timeline(asked.first)

    def there(self, name: str) -> list[int]:
        """Which frames there are; none for a pass that has rendered nothing, while an element without frames is an error."""
        if name in self.project.passes and not any(self.frames(name).parent.glob(self.frames(name).name.replace("####", "*"))):
            return []
        return self.open(name).frames


class Hashes:
    """SHA-256 of files, computed once for each size and time of change and kept beside the project."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._known: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        except json.JSONDecodeError:
            self._known = {}

    def frame(self, sequence: Sequence, frame: int) -> str:
        """The hash of one frame's file; of a movie, of the movie and the frame's number. Empty when it does not exist."""
        if sequence.movie:
            return f"{self.file(sequence.movie.path)}#{frame}"
        path = sequence.files.get(frame)
        return self.file(path) if path is not None else ""

    def file(self, path: Path) -> str:
        """The hash of a file; empty when it does not exist. Raises :class:`InputError` for one that cannot be read."""
        try:
            status = path.stat()
            mark = f"{status.st_size}:{status.st_mtime_ns}"
            known = self._known.get(str(path))
            if known is None or known[0] != mark:
                known = [mark, file_sha256(path)]
                self._known[str(path)] = known
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}); check its permissions and its disk.") from error
        return known[1]

    def save(self) -> None:
        """Keep what was computed."""
        write_json(self.path, self._known)


def training_settings(places: Places, hashes: Hashes, name: str, unit: str) -> str:
    """A hash of every setting that changes what a model learns, its scope and the weights it starts from among them."""
    project = places.project
    values = msgspec.to_builtins(project.passes[name])
    chosen: dict[str, Any] = {key: values[key] for key in _TRAINING_SETTINGS}
    weights = places.weights(name, unit)
    checkpoint = "" if weights is None else hashes.file(RunFolder(weights).last_checkpoint if weights.is_dir() else weights)
    if project.conform is not None:
        chosen["conform"] = [msgspec.to_builtins(project.conform), hashes.file(places.base / project.conform.match)]
    text = json.dumps([chosen, project.encoding, project.matrix, project.units(name)[unit], checkpoint], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
