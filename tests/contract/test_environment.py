"""The environment is made once, safely, and says in a sentence why it cannot be made. Real pip, real processes, no network."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from film_recovery.contract import environment
from film_recovery.contract.environment import SetupError, ensure_environment, environment_python

# A project that builds itself: no package index is asked for anything.
_BACKEND = '''
import zipfile
from pathlib import Path

def _wheel(folder):
    name = "tiny-1.0-py3-none-any.whl"
    info = "tiny-1.0.dist-info/"
    depends = Path("depends").read_text() if Path("depends").exists() else ""
    with zipfile.ZipFile(Path(folder) / name, "w") as wheel:
        wheel.writestr("tiny.py", "VALUE = 1\\n")
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n" + depends)
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nGenerator: tiny\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "")
    return name

def build_wheel(folder, config_settings=None, metadata_directory=None):
    return _wheel(folder)

def build_editable(folder, config_settings=None, metadata_directory=None):
    return _wheel(folder)
'''
_MAKE = """
import sys
from pathlib import Path
from film_recovery.contract.environment import SetupError, ensure_environment
try:
    print(ensure_environment(Path(sys.argv[1]), Path(sys.argv[2])))
except SetupError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project folder whose name has a space and an umlaut."""
    root = tmp_path / "pröject folder"
    (root / "nuke_plugins").mkdir(parents=True)
    (root / "nuke_plugins" / "constraints.txt").write_text("# nothing is needed\n")
    (root / "pyproject.toml").write_text('[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n')
    (root / "backend.py").write_text(_BACKEND)
    return root


def _start(folder: Path, project: Path, **variables: str) -> subprocess.Popen[str]:
    paths = os.pathsep.join(str(Path(__file__).resolve().parents[2] / name) for name in ("nuke_plugins", "examples"))
    return subprocess.Popen(
        [sys.executable, "-c", _MAKE, str(folder), str(project)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths, **variables},
    )  # fmt: skip


def test_two_at_once_make_one_environment_and_a_third_call_does_nothing(project: Path) -> None:
    folder = project / ".venv"
    first, second = _start(folder, project), _start(folder, project)
    outputs = [process.communicate(timeout=120) for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), outputs
    python = environment_python(folder)
    assert {out.strip() for out, _ in outputs} == {str(python)}
    told = "".join(errors for _, errors in outputs)
    assert told.count("Setting up") == 1
    assert told.count("waiting for it") == 1
    assert subprocess.run([python, "-c", "import tiny; print(tiny.VALUE)"], capture_output=True, text=True).stdout == "1\n"

    again = _start(folder, project)
    assert again.communicate(timeout=120) == (f"{python}\n", "")

    (folder / "kept.txt").write_text("of the first making")
    (project / "nuke_plugins" / "constraints.txt").write_text("# other pins\n")
    changed = _start(folder, project)
    _, told = changed.communicate(timeout=120)
    assert changed.returncode == 0, told
    assert "Keeping the virtual environment that is there" in told
    assert (folder / "kept.txt").exists()


def test_a_killed_set_up_is_done_again(project: Path) -> None:
    folder = project / ".venv"
    killed = _start(folder, project)
    assert killed.stderr is not None
    while "Making a virtual environment" not in killed.stderr.readline():
        assert killed.poll() is None
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL

    finished = _start(folder, project)
    _, told = finished.communicate(timeout=120)
    assert finished.returncode == 0, told
    assert "Making a virtual environment" in told
    assert sorted(entry.name for entry in project.glob(".venv*")) == [".venv", ".venv.lock"]


def test_without_an_index_it_says_so(project: Path) -> None:
    (project / "depends").write_text("Requires-Dist: surely-not-here-1234\n")
    process = _start(project / ".venv", project, PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="0", PIP_FIND_LINKS="")
    _, told = process.communicate(timeout=120)
    assert process.returncode == 3
    assert told.splitlines()[-1] == (
        "The package index cannot be reached; check the network or pip's proxy settings, then run again."
    )


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB, where one may be mounted."""
    place = tmp_path / "tiny disk"
    place.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], capture_output=True, text=True)
    if mount.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mount.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_named(project: Path, tiny_disk: Path) -> None:
    process = _start(tiny_disk / ".venv", project)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 8
    assert told.splitlines()[-1].startswith("The disk is full; free about 6 GB")


def test_an_old_python_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "OLDEST", (3, 99))
    with pytest.raises(SetupError, match=r"This is Python 3\.\d+\.\d+, and 3\.99 or newer is needed; "):
        ensure_environment(project / ".venv", project)


def test_a_folder_that_is_no_environment_is_left_alone(project: Path) -> None:
    folder = project / ".venv"
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(SetupError, match="is no virtual environment"):
        ensure_environment(folder, project)
    assert (folder / "thesis.txt").read_text() == "mine"
