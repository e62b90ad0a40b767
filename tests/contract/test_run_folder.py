"""The lock of a run's folder: one works, many may ask."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from film_recovery.contract.errors import BusyError, InputError, StorageError
from film_recovery.contract.run_folder import RunFolder

_HOLD = """
import sys, time
from film_recovery.contract.run_folder import RunFolder
with RunFolder(sys.argv[1]).locked():
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_folder_is_held_as_long_as_its_process_lives(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    assert not run.is_locked()
    assert not run.path.exists()  # asking makes nothing
    command = [sys.executable, "-c", _HOLD, str(run.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert run.is_locked()
        with pytest.raises(BusyError, match="Another process is working in"), run.locked():
            pass
        process.kill()
    assert not run.is_locked()


@pytest.mark.parametrize("name", ["taken", "taken/below"])
def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(InputError, match=f"{name} is a file, or lies below one"), RunFolder(tmp_path / name).locked():
        pass


def test_who_only_asks_neither_keeps_a_worker_out_nor_misleads_another(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    with run.locked():
        pass
    misled, ends = [], time.monotonic() + 1.0

    def ask() -> None:
        while time.monotonic() < ends:
            misled.append(RunFolder(tmp_path).is_locked())

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for thread in askers:
        thread.start()
    for thread in askers:
        thread.join()
    assert misled
    assert not any(misled)
    ends = time.monotonic() + 1.0
    asker = threading.Thread(target=ask)
    asker.start()
    for _ in range(20):
        with run.locked():
            assert run.is_locked()
    asker.join()


@pytest.mark.skipif(os.name != "posix", reason="flock")
def test_a_disk_that_cannot_lock_files_is_not_held_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def flock(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    run = RunFolder(tmp_path)
    with pytest.raises(StorageError, match=r"cannot lock files \(No locks available\)"), run.locked():
        pass
    assert not run.is_locked()
