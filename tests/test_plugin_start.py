"""Nuke starts whatever state our files are in: init.py and menu.py print what failed and never raise."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = ("init.py", "menu.py")
_RUN = """
import runpy, sys
sys.path[:0] = sys.argv[2:]
runpy.run_path(sys.argv[1])
assert not {"PySide2", "PySide6", "PyQt5", "PyQt6", "torch", "numpy"} & set(sys.modules)
print("Nuke goes on")
"""
_WORKING = "paths = []\ndef pluginAddPath(path):\n    paths.append(path)\n    print(path)\n"
_BROKEN = "def pluginAddPath(path):\n    raise RuntimeError('licence server on fire')\n"


def _start(file: Path, nuke: str | None, tmp_path: Path, *more: Path) -> subprocess.CompletedProcess[str]:
    """Run a file as Nuke does: in a Python that has ``nuke`` and nothing of ours, with a home that cannot be written."""
    places = tmp_path / "places"
    places.mkdir(exist_ok=True)
    if nuke is not None:
        (places / "nuke.py").write_text(nuke)
    home = tmp_path / "home"
    home.mkdir(exist_ok=True, mode=0o500)
    variables = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-I", "-S", "-c", _RUN, str(file), str(places), *map(str, more)]
    return subprocess.run(command, capture_output=True, text=True, env=variables, check=False)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("nuke", [None, _WORKING, _BROKEN, "raise OSError('damaged')\n", "def pluginAddPath(:\n"])
def test_nuke_starts(name: str, nuke: str | None, tmp_path: Path) -> None:
    result = _start(ROOT / name, nuke, tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("Nuke goes on\n")


@pytest.mark.parametrize("broken", [None, _BROKEN])
def test_what_failed_is_printed(broken: str | None, tmp_path: Path) -> None:
    result = _start(ROOT / "init.py", broken, tmp_path)
    assert "Film Recovery could not be set up:" in result.stdout
    assert ("licence server on fire" if broken else "No module named 'nuke'") in result.stderr


def test_the_paths_are_added_with_forward_slashes(tmp_path: Path) -> None:
    result = _start(ROOT / "init.py", _WORKING, tmp_path)
    root = ROOT.as_posix()
    assert result.stdout.splitlines() == [f"{root}/gizmos", f"{root}/nuke_plugins", "Nuke goes on"]
    assert (ROOT / "gizmos").is_dir()


def test_a_menu_that_fails_does_not_stop_nuke(tmp_path: Path) -> None:
    damaged = tmp_path / "plugins" / "film_recovery_nuke"
    damaged.mkdir(parents=True)
    (damaged / "__init__.py").write_text("import module_of_another_version\n")
    result = _start(ROOT / "menu.py", _WORKING, tmp_path, damaged.parent)
    assert result.returncode == 0
    assert "Film Recovery could not add its menu:" in result.stdout
    assert "module_of_another_version" in result.stderr


@pytest.mark.parametrize("name", FILES)
def test_it_parses_with_the_oldest_python_of_a_nuke_and_works_from_any_folder(name: str, tmp_path: Path) -> None:
    ast.parse((ROOT / name).read_text(encoding="utf-8"), feature_version=(3, 7))
    moved = tmp_path / "Plugins für Nuke" / name
    moved.parent.mkdir()
    shutil.copy(ROOT / name, moved)
    assert _start(moved, _WORKING, tmp_path).returncode == 0
