"""The command line, in processes of its own, as a farm runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """version 16.0 v1
Root {{
 inputs 0
 first_frame 1
 last_frame 3
 format "32 16 0 0 32 16 1 tiny"
}}
Constant {{
 inputs 0
 channels rgb
 color {{{{{{frame/10}}}} 0.5 0 1}}
 name C
}}
Write {{
 file {out}/%04d.exr
 file_type exr
 raw true
 create_directories true
 name W
}}
"""


def _run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "nuke_plugins"), "NUKE_PATH": "", **variables}
    command = [sys.executable, "-m", "embedded_nuke", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=120)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A script with one Write into ``out``."""
    path = tmp_path / "s.nk"
    path.write_text(SCRIPT.format(out=(tmp_path / "out").as_posix()).replace("{{{frame/10}}", "{{frame/10}"))
    return path


def test_x_renders_every_enabled_write_over_the_projects_range(script: Path) -> None:
    result = _run("-x", str(script))
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in (script.parent / "out").iterdir()) == ["0001.exr", "0002.exr", "0003.exr"]


def test_frames_may_be_named_several_times(script: Path) -> None:
    result = _run("-V", "2", "--gpu", "-F", "2-6x2", "-F", "9", "-X", "W", str(script))
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in (script.parent / "out").iterdir()) == ["0002.exr", "0004.exr", "0006.exr", "0009.exr"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["-x", "absent.nk"], 1, "no such script"),
        (["-X", "Nope", "s.nk"], 1, "no node 'Nope'"),
        (["-x", "-F", "3-", "s.nk"], 2, "no frame range"),
        (["--frobnicate"], 2, "not known"),
        ([], 2, "Give -x or -X"),
        (["-t", "absent.py"], 1, "no such Python file"),
        (["--remap", "X:/path,Y:,A:", "-x", "s.nk"], 2, "every path needs another"),
    ],
)
def test_failures_have_a_code_and_a_sentence(script: Path, words: list[str], code: int, told: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "embedded_nuke", *words], capture_output=True, text=True, cwd=script.parent, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "nuke_plugins"), "NUKE_PATH": ""},
    )  # fmt: skip
    assert result.returncode == code
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_an_expression_that_cannot_be_is_told_with_its_knob_and_frame(script: Path) -> None:
    script.write_text(script.read_text().replace("frame/10", "nowhere.size"))
    result = _run("-x", str(script))
    assert result.returncode == 1
    assert "frame 1: C.color: there is no 'nowhere.size'" in result.stderr
    assert "Traceback" not in result.stderr


def test_t_runs_python_and_takes_a_range_at_the_end_out_of_argv(tmp_path: Path) -> None:
    program = tmp_path / "p.py"
    program.write_text("import sys, nuke\nprint(sys.argv[1:], nuke.rawArgs[-1], nuke.GUI)\nsys.exit(6)\n")
    result = _run("-t", str(program), "a", "1-10")
    assert result.stdout.splitlines() == ["['a'] 1-10 False"]
    assert result.returncode == 6


def test_remap_changes_where_files_are_written_and_read_and_not_the_script(script: Path) -> None:
    there, here = (script.parent / "out").as_posix(), (script.parent / "elsewhere").as_posix()
    pairs = f"/nowhere,/nothing,{there},{here}"
    result = _run("--remap", pairs, "-F", "2", "-x", str(script))
    assert result.returncode == 0, result.stderr
    assert [path.name for path in Path(here).iterdir()] == ["0002.exr"]
    assert not Path(there).exists()
    program = script.parent / "p.py"
    program.write_text(
        f"import nuke\nread = nuke.nodes.Read(file='{there}/%04d.exr', first=2, last=2, raw=True)\nnuke.frame(2)\n"
        "print(read.sample('red', 8, 8), read['file'].value())\n"
    )
    result = _run("--remap", pairs, "-t", str(program))
    assert result.returncode == 0, result.stderr
    red, name = result.stdout.splitlines()[-1].split()
    assert (round(float(red), 2), name) == (0.2, f"{there}/%04d.exr")


def test_remap_without_a_path_is_a_warning(script: Path) -> None:
    result = _run("--remap", "", "-F", "1", "-x", str(script))
    assert result.returncode == 0, result.stderr
    assert "names no path" in result.stderr


def test_a_startup_file_that_fails_ends_it_with_its_name(script: Path) -> None:
    (script.parent / "init.py").write_text("1 / 0\n")
    result = _run("-x", str(script), NUKE_PATH=str(script.parent))
    assert result.returncode == 1
    assert "init.py: ZeroDivisionError" in result.stderr
    assert not (script.parent / "out").exists()


def test_startup_files_run_in_nukes_order(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "init.py").write_text(f"print('init {name}')\n")
        (tmp_path / name / "menu.py").write_text("raise RuntimeError('a menu without a GUI')\n")
    (tmp_path / "p.py").write_text("pass\n")
    result = _run("-t", str(tmp_path / "p.py"), NUKE_PATH=os.pathsep.join(str(tmp_path / name) for name in ("first", "second")))
    assert result.stdout.splitlines() == ["init second", "init first"]


def test_the_packages_own_init_finds_gizmos_and_loads_no_qt(tmp_path: Path) -> None:
    program = tmp_path / "p.py"
    program.write_text(
        "import sys, nuke, film_recovery_nuke\n"
        "print(nuke.createNode('RecoveryTrain').name(), [m for m in sys.modules if m.startswith(('PySide', 'torch'))])\n"
    )
    result = _run("-t", str(program), NUKE_PATH=str(ROOT))
    assert result.stdout.splitlines()[-1] == "RecoveryTrain1 []", result.stderr


def test_check_is_part_of_the_command_line(script: Path) -> None:
    result = _run("--check", str(script), *map(str, sorted((ROOT / "gizmos").glob("*.gizmo"))))
    assert result.returncode == 0, result.stdout
    assert result.stdout.count("same command stream") == 1 + len(list((ROOT / "gizmos").glob("*.gizmo")))
