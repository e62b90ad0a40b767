"""Where everything of a run lies. Paths inside are relative to the folder, so it can be moved as a whole."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

from film_recovery.contract.atomic import make_folder, storage_errors
from film_recovery.contract.errors import BusyError, StorageError

_PATIENCE = 0.5  # seconds; somebody who only asks whether the folder is held holds it for an instant
_BETWEEN = 0.02
_HELD = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK}  # by another; anything else is no answer


class RunFolder:
    """Names the files of one run; creates nothing by itself."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.job = self.path / "job.json"
        self.plan = self.path / "plan.json"
        self.events = self.path / "events.jsonl"
        self.findings = self.path / "findings.json"
        self.dataset = self.path / "dataset"
        self.checkpoints = self.path / "checkpoints"
        self.last_checkpoint = self.checkpoints / "last.safetensors"
        self.best_checkpoint = self.checkpoints / "best.safetensors"
        self.sheets = self.path / "sheets"
        self.preview = self.path / "preview"
        self.export = self.path / "export"
        self.stop_request = self.path / "stop"

    def model(self, task: str) -> Path:
        """The exported model of a run."""
        return self.export / f"{task}.onnx"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process.

        Raises:
            BusyError: a living process holds it.
            InputError: there is a file in its place.
            StorageError: it cannot be written, or its disk cannot lock files.

        The lock is the operating system's (``flock``), so it goes with a killed process and never has to be cleared by hand.
        """
        with storage_errors(self.path):
            make_folder(self.path)
            stream = open(self.path / "lock", "a+", encoding="utf-8")  # noqa: SIM115 - held as long as the lock
        try:
            end = time.monotonic() + _PATIENCE
            while not self._taken(stream.fileno()):
                if time.monotonic() < end:
                    time.sleep(_BETWEEN)
                    continue
                raise BusyError(f"Another process is working in {self.path}; wait for it, stop it, or choose another folder.")
            yield
        finally:
            stream.close()

    def is_locked(self) -> bool:
        """Whether a living process works in the folder. Makes nothing, and may be asked by many at once, also where the folder
        cannot be written."""
        try:
            with open(self.path / "lock", encoding="utf-8") as stream:
                return not _take(stream.fileno(), shared=True)
        except OSError:
            return False  # no lock file, one that nobody here may read, or a disk where nobody can hold it

    def _taken(self, descriptor: int) -> bool:
        try:
            return _take(descriptor)
        except OSError as error:
            raise StorageError(
                f"The disk of {self.path} cannot lock files ({error.strerror}); choose a folder on another disk, or have its "
                "locking switched on."
            ) from error


def _take(descriptor: int, shared: bool = False) -> bool:
    """Try to lock an open file without waiting; closing the file gives the lock back. Raises :class:`OSError` where files
    cannot be locked, as on a network disk without a lock service."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        raise
    return True
