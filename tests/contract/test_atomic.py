"""Temporary files say who writes them."""

from __future__ import annotations

import errno
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from film_recovery.contract.atomic import atomic_path, left_half_written, remove_partials, write_text
from film_recovery.contract.errors import InputError, StorageError


def test_a_file_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a.0001.exr") as temporary:
        temporary.write_bytes(b"half")
        assert temporary.suffix == ".exr" and temporary.parent == tmp_path
        assert left_half_written(temporary) == "a.0001.exr", "this process has no other thread at this file"
        parted = temporary.name.replace(f"-{os.getpid()}.", f"-{os.getppid()}.")
        assert left_half_written(tmp_path / parted) is None
    assert (tmp_path / "a.0001.exr").read_bytes() == b"half"


def test_what_a_dead_process_left_is_known_and_what_another_machine_writes_is_given_a_day(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a.0001.exr") as temporary:
        temporary.write_bytes(b"half")
        name = temporary.name
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / name.replace(f"-{os.getpid()}.", f"-{dead.pid}.")
    left.write_bytes(b"half")
    assert left_half_written(left) == "a.0001.exr"
    elsewhere = tmp_path / ".a.0001.otherhost-7.partial.exr"
    elsewhere.write_bytes(b"half")
    assert left_half_written(elsewhere) is None
    os.utime(elsewhere, (time.time() - 100_000.0,) * 2)
    assert left_half_written(elsewhere) == "a.0001.exr"
    assert left_half_written(tmp_path / "a.0001.exr") is None
    assert remove_partials(tmp_path) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.0001.exr"]


def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(folder: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))

    monkeypatch.setattr(Path, "iterdir", refused)  # whoever runs this as root may read any
    with pytest.raises(StorageError, match=rf"Cannot write {re.escape(str(tmp_path))}: Permission denied"):
        remove_partials(tmp_path)


@pytest.mark.parametrize("folder", ["file", "file/below"])
def test_a_file_in_place_of_a_folder_is_told(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(InputError, match=f"{folder} is a file, or lies below one"):
        write_text(tmp_path / folder / "report.html", "words")
    assert (tmp_path / "file").read_text() == "kept"


def test_machines_with_like_names_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "node", lambda: "rack1-12")
    with atomic_path(tmp_path / "a.0001.exr") as temporary:
        temporary.write_bytes(b"half")
        assert left_half_written(temporary) == "a.0001.exr"
        monkeypatch.setattr(platform, "node", lambda: "rack11-2")
        assert left_half_written(temporary) is None
