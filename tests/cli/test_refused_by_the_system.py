"""What the system refuses: permissions, names, a full disk under a log or a file. One sentence, a code of the table, nothing
half-written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]
Plain = Callable[..., tuple[int, str]]


@pytest.fixture
def plainly(variables: dict[str, str]) -> Plain:
    """Run ``film-recovery`` as somebody whom permissions bind; its exit code and its last sentence."""
    before: list[str] = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may do everything here")
        before = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]

    def call(*arguments: str | Path) -> tuple[int, str]:
        command = [*before, sys.executable, "-m", "film_recovery.cli.main", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=300, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stderr.splitlines()[-1]

    return call


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no such device here")
def test_a_result_that_nobody_can_read_is_told_and_no_crash(variables: dict[str, str]) -> None:
    command = [sys.executable, "-m", "film_recovery.cli.main", "doctor", "--json"]
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=variables, timeout=300, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (8, False)
    assert "cannot be written to standard output (No space left on device)." in done.stderr.splitlines()[-1]


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    """A copy of the finished run to spoil."""
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Callable[[Path], Path]]:
    """Takes every permission from a folder until the end of the test."""
    folders: list[Path] = []

    def close(folder: Path) -> Path:
        folder.mkdir(exist_ok=True)
        folders.append(folder)
        folder.chmod(0)
        return folder

    yield close
    for folder in folders:
        folder.chmod(0o755)


def test_a_run_that_may_not_be_looked_into(
    plainly: Plain, closed: Callable[[Path], Path], run: Path, elements_master: Path, tmp_path: Path
) -> None:
    files = ("--input", elements_master / "neg.####.exr", "--frames", "1001", "--output", tmp_path / "out" / "r.####.exr")
    closed(run / "export")
    code, told = plainly("apply", run, *files)
    assert code == 3 and "Permission denied" in told and "finish its training" not in told
    closed(run)
    code, told = plainly("apply", run, *files)
    assert code == 3 and "Permission denied" in told
    code, told = plainly("status", run)
    assert code == 8 and f"{run}/events.jsonl cannot be read or written (Permission denied)" in told
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_may_not_be_looked_into(
    plainly: Plain, closed: Callable[[Path], Path], finished_run: Path, elements_master: Path, tmp_path: Path
) -> None:
    output = closed(tmp_path / "shut") / "sub" / "r.####.exr"
    code, told = plainly(
        "apply", finished_run, "--input", elements_master / "neg.####.exr", "--frames", "1001", "--output", output
    )
    assert code == 8 and f"{output.parent} cannot be read or written (Permission denied)" in told


@pytest.mark.parametrize("command", ["status", "stop", "resume", "report"])
def test_a_name_that_is_too_long(command: str, run_cli: Cli) -> None:
    done = run_cli(command, "x" * 300, "--json")
    assert done.code == 8 and "File name too long" in done.sentence
    assert done.json == {"error": done.sentence, "exit_code": 8}


def test_a_name_that_is_not_utf8(run_cli: Cli, finished_run: Path, elements: Path, tmp_path: Path) -> None:
    """As from a disk of Latin-1 days; OpenImageIO cannot open it."""
    folder = elements.rename(os.fsdecode(os.fsencode(tmp_path) + b"/Rolle \xe9"))
    done = run_cli("apply", finished_run, "--input", folder / "neg.####.exr", "--output", tmp_path / "out" / "r.####.exr")
    assert done.code == 2 and r"Rolle \udce9/neg.####.exr' is not UTF-8" in done.sentence
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_a_log_on_a_full_disk_is_no_defect(
    finished_run: Path, elements_master: Path, tmp_path: Path, variables: dict[str, str]
) -> None:
    words = ("apply", finished_run, "--input", elements_master / "neg.####.exr", "--frames", "1001,1002")
    command = [sys.executable, "-m", "film_recovery.cli.main", *map(str, words), "--output", str(tmp_path / "r.####.exr")]
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([*command, "--json"], stdout=subprocess.PIPE, stderr=full, text=True, env=variables, timeout=300)
    assert done.returncode == 8 and "The output cannot be read or written (No space left on device)" in done.stdout
    assert not list(tmp_path.glob(".*partial*"))


def test_torchscript_on_a_full_disk_leaves_nothing(
    spawn_cli: Cli, finished_run: Path, tmp_path: Path, full_disk_after: Callable[[int], AbstractContextManager[None]]
) -> None:
    """PyTorch would end the process with SIGABRT."""
    with full_disk_after(100_000):
        done = spawn_cli("export", finished_run, "--torchscript", "--out", tmp_path / "m.pt")
    assert done.code == 8 and f"Cannot write {tmp_path / 'm.pt'}" in done.sentence
    assert list(tmp_path.iterdir()) == []


def test_a_report_does_without_a_picture_that_is_damaged_and_a_card_that_is_gone(run_cli: Cli, run: Path) -> None:
    assert run_cli("report", run).code == 0
    assert "The last contact sheet" in (run / "report.html").read_text(encoding="utf-8")
    (run / "export" / "chroma.json").unlink()  # the one inside the model counts
    for sheet in (run / "sheets").iterdir():
        sheet.write_bytes(sheet.read_bytes()[:5000])
    done = run_cli("report", run)
    assert done.code == 0, done.err
    assert "The last contact sheet" not in (run / "report.html").read_text(encoding="utf-8")
