"""Files that are whole or absent: written beside their place, flushed to disk, then renamed.

Standard library only: both the Nuke side and the worker write records this way.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from film_recovery.contract.errors import InputError, StorageError
from film_recovery.contract.processes import is_living, this_machine

_TEMPORARY = re.compile(r"^\.(?P<stem>.+)\.(?P<host>[A-Za-z0-9]+)-(?P<process>\d+)\.partial(?P<suffix>\.[A-Za-z0-9]+)?$")
_STORAGE_ERRNOS = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM, errno.ESTALE, errno.ETIMEDOUT,
}  # fmt: skip
_LONGEST = 24 * 3600.0  # seconds that a file may take to be written


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's storage errors into a :class:`StorageError` that names ``path``."""
    try:
        yield
    except OSError as error:
        if error.errno in _STORAGE_ERRNOS:
            raise StorageError(
                f"Cannot write {path}: {error.strerror or error}. Free some space or choose another folder, then run again."
            ) from error
        raise


def make_folder(path: Path) -> None:
    """Make a folder and those above it. Raises :class:`InputError` when there is a file in the place of one of them."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"{path} is a file, or lies below one; choose another folder.") from error


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success flush it to disk and rename it to ``path``.

    The temporary name keeps the suffix, since image libraries choose the format by it. On any error the temporary file is
    removed and ``path`` is untouched. A process that is killed leaves only a hidden ``*.partial*`` file, which
    :func:`remove_partials` clears.

    Raises:
        InputError: there is a file where the folder should be.
        StorageError: the disk is full, read-only or failing.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{this_machine()}-{os.getpid()}.partial{path.suffix}")
    with storage_errors(path):
        make_folder(path.parent)
        try:
            yield temporary
            with open(temporary, "rb+") as stream:
                os.fsync(stream.fileno())
            os.replace(temporary, path)
            _sync_folder(path.parent)
        finally:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, whole or not at all. NaN and infinities are refused: they are not JSON."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def remove_partials(folder: Path) -> int:
    """Remove what killed processes left half-written directly in ``folder``; return how many files that were. Raises
    :class:`StorageError` where the folder cannot be read or changed."""
    with storage_errors(folder):
        left = [entry for entry in folder.iterdir() if _TEMPORARY.match(entry.name)] if folder.is_dir() else []
        for entry in left:
            entry.unlink(missing_ok=True)
    return len(left)


def left_half_written(path: Path) -> str | None:
    """The name of the file that nobody writes any more under this temporary one; None of other files, and where it may be
    being written: by a living process, or on another machine, which a day is given."""
    match = _TEMPORARY.match(path.name)
    if match is None:
        return None
    if match["host"] == this_machine():
        alive = int(match["process"]) != os.getpid() and is_living(int(match["process"]))
    else:
        try:
            alive = time.time() - path.stat().st_mtime < _LONGEST
        except OSError:  # gone meanwhile
            alive = True
    return None if alive else f"{match['stem']}{match['suffix'] or ''}"


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network disks do not do that for a folder
            raise
    finally:
        os.close(descriptor)
