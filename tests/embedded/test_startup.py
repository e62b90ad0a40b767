"""The plugin path and the start-up files, after Foundry's description of both."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import embedded_nuke
from embedded_nuke.api import startup


@pytest.fixture(autouse=True)
def _own_sys_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    """Three folders whose init.py and menu.py say so in the list ``said`` of the module ``nuke``."""
    for name in "abc":
        (tmp_path / name).mkdir()
        for file in ("init", "menu"):
            (tmp_path / name / f"{file}.py").write_text(f"import nuke\nnuke.said.append('{file} {name}')\n")
    return [(tmp_path / name).as_posix() for name in "abc"]


@pytest.fixture
def nuke(folders: list[str]) -> Iterator[Any]:
    """A fresh session without a GUI."""
    module: Any = embedded_nuke.install()
    module.said = []
    yield module
    embedded_nuke.uninstall()


def test_added_folders_come_first_and_move_appended_ones_last_and_stay(nuke: Any, folders: list[str]) -> None:
    a, b, c = folders
    nuke.pluginAddPath(a)
    nuke.pluginAddPath([b + "/", ""])
    nuke.pluginAppendPath(c)
    assert nuke.pluginPath() == [b, a, c]
    nuke.pluginAddPath(c)
    nuke.pluginAppendPath(b)
    assert nuke.pluginPath() == [c, b, a]
    assert sys.path[:2] == [b, a]
    assert sys.path[-1] == c
    assert nuke.said == []  # their init.py runs only when an init.py adds them


def test_a_folder_may_be_kept_out_of_sys_path(nuke: Any, folders: list[str]) -> None:
    nuke.pluginAddPath(folders[0], addToSysPath=False)
    nuke.pluginAppendPath(folders[1], addToSysPath=False)
    assert nuke.pluginPath() == folders[:2]
    assert not set(folders) & set(sys.path)


def test_an_init_that_adds_a_folder_runs_its_init_at_once(nuke: Any, folders: list[str], tmp_path: Path) -> None:
    (tmp_path / "a" / "init.py").write_text(
        "import nuke\nnuke.said.append('before')\nnuke.pluginAddPath('../b')\nnuke.pluginAddPath('../b')\n"
        "nuke.said.append('after')\n"
    )
    startup.start([folders[0], folders[2]])
    assert nuke.said == ["init c", "before", "init b", "after"]
    assert nuke.pluginPath() == [folders[1], folders[0], folders[2]]


def test_startup_files_run_from_the_last_folder_on_and_menus_with_a_gui_only(folders: list[str]) -> None:
    for gui in (False, True):
        module: Any = embedded_nuke.install(gui=gui)
        module.said = []
        startup.start([*folders, "", folders[0]])
        inits = [f"init {name}" for name in "cba"]
        assert module.said == inits + ([f"menu {name}" for name in "cba"] if gui else [])
    embedded_nuke.uninstall()


def test_a_startup_file_that_fails_is_named(nuke: Any, folders: list[str], tmp_path: Path) -> None:
    (tmp_path / "a" / "init.py").write_text("import nuke\nnuke.pluginAddPath('../b')\n")
    (tmp_path / "b" / "init.py").write_text("import nuke\nnuke.makeCoffee()\n")
    with pytest.raises(startup.StartupError, match=r"b/init\.py: AttributeError: .*makeCoffee") as caught:
        startup.start([folders[0], folders[2]])
    assert "a/init.py" not in str(caught.value)  # the inner one is at fault
    assert embedded_nuke.session().startup_files == []


def test_plugins_lists_the_files_of_the_path(nuke: Any, folders: list[str], tmp_path: Path) -> None:
    (tmp_path / "b" / "Tool.gizmo").write_text("Gizmo {\n}\nInput {\n inputs 0\n}\nOutput {\n}\nend_group\n")
    for folder in folders[:2]:
        nuke.pluginAppendPath(folder)
    assert nuke.plugins(nuke.ALL, "*.gizmo") == [f"{folders[1]}/Tool.gizmo"]
    assert nuke.plugins(nuke.ALL | nuke.NODIR, "i*.py", "*.gizmo") == ["init.py", "Tool.gizmo", "init.py"]
    assert len(nuke.plugins(nuke.ALL)) == 5
    with pytest.raises(RuntimeError, match=r"nuke\.ALL"):
        nuke.plugins()
    assert [nuke.pluginExists(name) for name in ("Blur", "Tool", "Tool.gizmo", "Coffee")] == [True, True, True, False]
    assert nuke.createNode("Tool").name() == "Tool1"
