"""The cache of one inference node: recovered frames with a record each, which tells what they were made of."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from film_recovery.contract.atomic import storage_errors, write_json
from film_recovery.contract.hashes import file_sha256
from film_recovery.contract.processes import is_living, this_machine
from film_recovery_nuke.errors import HostError
from film_recovery_nuke.frames import frame_path

SCHEMA = "film-recovery/baked-frame/1"
INPUT, RECOVERED = "input.%04d.exr", "recovered.%04d.exr"
_INPUTS = ".input_"
_OWNER, _OWNER_SCHEMA = "owner.json", "film-recovery/baked-frames-owner/1"


@dataclass(frozen=True)
class Record:
    """What a baked frame was made of.

    Attributes:
        model: SHA-256 of the model file.
        settings: release, precision and what else changes pixels, as text.
        input_hash: Nuke's hash of the input at this frame: cheap to ask, but only good within one Nuke version.
        input_file: SHA-256 of the rendered input without what changes by itself; decides headless.
        file: SHA-256 of the recovered file; empty while it is being made, and after a bake that was killed.
    """

    model: str
    settings: str
    input_hash: str
    input_file: str
    file: str

    @property
    def made_of(self) -> tuple[str, str, str]:
        """What decides the pixels: model, settings and input."""
        return self.model, self.settings, self.input_file


@dataclass(frozen=True)
class Owner:
    """Whose frames a folder holds: the node's full name, and the script's file, empty for one that was never saved."""

    node: str
    script: str


class FrameCache:
    """The folder of one node."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def inputs(self) -> Iterator[Path]:
        """A folder of this process for rendered inputs, removed afterwards: slices of a farm share the cache.

        What killed processes of this machine left is removed too.

        Raises:
            HostError: a file lies where a folder should.
            StorageError: it cannot be made.
        """
        with storage_errors(self.folder):
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError) as error:
                raise HostError(f"{self.folder}: a file is in the place of a folder; choose another cache folder.") from error
            for left in self.folder.glob(_INPUTS + "*"):
                if _is_left(left.name):
                    shutil.rmtree(left, ignore_errors=True)
            place = Path(tempfile.mkdtemp(prefix=f"{_INPUTS}{this_machine()}_{os.getpid()}_", dir=self.folder))
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def recovered(self, frame: int) -> Path:
        """The recovered frame."""
        return self.folder / frame_path(RECOVERED, frame)

    def pattern(self, name: str) -> str:
        """A pattern of the folder with ``%04d`` and forward slashes."""
        return (self.folder / name).as_posix()

    def _record_path(self, frame: int) -> Path:
        return self.recovered(frame).with_suffix(".json")

    def record(self, frame: int) -> Record | None:
        """The record of a frame, or None when there is none or it is damaged: then the frame counts as not baked."""
        try:
            value = json.loads(self._record_path(frame).read_text(encoding="utf-8"))
            return Record(**value["record"]) if value.get("schema") == SCHEMA else None
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def write_record(self, frame: int, record: Record) -> None:
        """Write a record, whole or not at all. Raises :class:`StorageError`."""
        write_json(self._record_path(frame), {"schema": SCHEMA, "record": asdict(record)})

    def owner(self) -> Owner | None:
        """Whose frames these are; None where nobody noted it, or the note is damaged."""
        try:
            value = json.loads((self.folder / _OWNER).read_text(encoding="utf-8"))
            return Owner(str(value["node"]), str(value["script"])) if value.get("schema") == _OWNER_SCHEMA else None
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def write_owner(self, owner: Owner) -> None:
        """Note whose frames these are, whole or not at all. Raises :class:`StorageError`."""
        if self.owner() != owner:
            write_json(self.folder / _OWNER, {"schema": _OWNER_SCHEMA, **asdict(owner)})

    def state(self, frame: int, model: str, settings: str, input_hash: str) -> str:
        """``fresh``, ``stale`` or ``missing``, judged without rendering and without reading pixels."""
        record = self.record(frame)
        if record is None or not record.file or not self.recovered(frame).is_file():
            return "missing"
        same = (record.model, record.settings, record.input_hash) == (model, settings, input_hash)
        return "fresh" if same else "stale"

    def holds(self, frame: int, model: str, settings: str, input_file: str) -> bool:
        """Whether a frame is whole and made of exactly this; its file is read to its last byte."""
        record = self.record(frame)
        if record is None or record.made_of != (model, settings, input_file):
            return False
        return bool(record.file) and file_hash(self.recovered(frame)) == record.file

    def frames(self) -> list[int]:
        """The frames that have a record, ascending."""
        found = []
        for path in self.folder.glob("recovered.*.json"):
            with contextlib.suppress(ValueError):
                found.append(int(path.name.split(".")[1]))
        return sorted(found)

    def begin(self, frame: int, record: Record) -> None:
        """Note that a frame is being made, and remove a file that is not of this very frame, or not whole.

        What a killed bake had made of the same input stays, and so does what another process has finished meanwhile: the worker
        reads it to the last pixel. So a record never stands beside a file that it does not describe.

        Raises:
            StorageError: the folder cannot be written.
        """
        before = self.record(frame)
        same = before is not None and before.made_of == record.made_of
        if same and before is not None and before.file and file_hash(self.recovered(frame)) == before.file:
            return
        if not same or before is None or before.file:
            with storage_errors(self.folder), contextlib.suppress(FileNotFoundError):
                self.recovered(frame).unlink()
        self.write_record(frame, Record(record.model, record.settings, record.input_hash, record.input_file, ""))

    def clear(self) -> int:
        """Remove every baked frame of this node and nothing else; returns how many there were. Raises :class:`StorageError`."""
        count = len(self.frames())
        with storage_errors(self.folder):
            for pattern in ("recovered.*.exr", "recovered.*.json", _OWNER):
                for path in self.folder.glob(pattern):
                    path.unlink()
            for left in self.folder.glob(_INPUTS + "*"):
                shutil.rmtree(left, ignore_errors=True)
            with contextlib.suppress(OSError):
                self.folder.rmdir()
        return count


def _is_left(name: str) -> bool:
    """Whether a folder of inputs belongs to a process of this machine that lives no more."""
    words = name[len(_INPUTS) :].split("_")
    return len(words) > 1 and words[0] == this_machine() and words[1].isdigit() and not is_living(int(words[1]))


def file_hash(path: Path) -> str:
    """SHA-256 of a file; empty when it is not there."""
    try:
        return file_sha256(path)
    except OSError:
        return ""


def picture_hash(path: Path) -> str:
    """SHA-256 of an EXR file's pixels and windows, without the rest of its header: dates and hashes there change by themselves.

    The header is read after the OpenEXR file layout: a magic number, a version, attributes of name, type, size and value up to
    an empty name; then the offset table and the chunks. Of a damaged header, or of another kind of file, all bytes count.
    """
    kept = (b"channels", b"compression", b"dataWindow", b"displayWindow", b"lineOrder", b"pixelAspectRatio")
    try:
        data = path.read_bytes()
    except OSError:
        return ""
    at = 8 if data[:4] == b"\x76\x2f\x31\x01" else -1
    digest = hashlib.sha256()
    while 0 < at < len(data) and data[at] != 0:
        name_end = data.find(b"\0", at)
        type_end = data.find(b"\0", name_end + 1)
        if name_end < 0 or type_end < 0 or type_end + 5 > len(data):
            at = -1
            break
        size = int.from_bytes(data[type_end + 1 : type_end + 5], "little")
        value_end = type_end + 5 + size
        if data[at:name_end] in kept:
            digest.update(data[at:value_end])
        at = value_end
    if at <= 0 or at >= len(data):
        return hashlib.sha256(data).hexdigest()
    digest.update(_without_offsets(data, at + 1))
    return digest.hexdigest()


def _without_offsets(data: bytes, start: int) -> bytes:
    """The chunks after the offset table: the first offset says where they begin. Offsets move with the header's length."""
    first = int.from_bytes(data[start : start + 8], "little")
    return data[first:] if start < first <= len(data) else data[start:]
