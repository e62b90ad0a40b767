"""Run the tests of the Nuke side under the Pythons and Qt bindings of the Nukes that are out there.

``python3 tests/interpreters.py`` needs what ``tests/run_tests.py`` sets up: the tests start the real worker. Python 3.11 with
PySide6 is what the other tests run with. An interpreter that this machine lacks is named loudly and makes no failure.
Arguments go to pytest.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("tests/host", "tests/embedded", "tests/gizmos")
_COMMON = ("pytest-xdist==3.8.0", "sortedcontainers==2.4.0", "execnet==2.1.2", "OpenImageIO==3.2.2.0")
# OpenImageIO asks for NumPy 2 and runs with 1.26; PySide2's last build wants an older one than 2.
_PYSIDE2 = ("PySide2==5.15.2.1", "shiboken2==5.15.2.1", "numpy==1.26.4", "exceptiongroup==1.3.1", "tomli==2.5.0")
_PYSIDE6 = ("PySide6_Essentials==6.12.0", "shiboken6==6.12.0", "numpy==2.5.5")
_HELPERS = ("iniconfig==2.1.0", "packaging==26.3", "pluggy==1.6.0", "Pygments==2.21.0", "typing_extensions==4.16.0")
_RECENT = ("pytest==9.2.0", "opencolorio==2.6.0")
PACKAGES = {
    "3.9": (*_PYSIDE2, *_COMMON, *_HELPERS, "pytest==8.4.2", "hypothesis==6.141.1", "attrs==26.1.0", "opencolorio==2.5.2"),
    "3.10": (*_PYSIDE2, *_COMMON, *_HELPERS, *_RECENT, "hypothesis==6.168.5"),
    "3.13": (*_PYSIDE6, *_COMMON, *_HELPERS, *_RECENT, "hypothesis==6.170.15"),
}


def find_interpreter(version: str) -> Path | None:
    """The Python of a version: on the path, or among those that pyenv keeps; None if there is none."""
    found = shutil.which(f"python{version}")
    places = sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob(f"versions/{version}.*/bin/python"))
    for candidate in (*([Path(found)] if found else []), *places):
        probe = [str(candidate), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        answer = subprocess.run(probe, capture_output=True, text=True, check=False)
        if answer.stdout.strip() == version:
            return candidate
    return None


def make_environment(version: str, interpreter: Path) -> Path:
    """The Python of an environment with the pinned packages, made if it is not there.

    Raises:
        subprocess.CalledProcessError: the environment cannot be made.
    """
    folder = ROOT / ".venv-hosts" / version
    python, stamp = folder / "bin" / "python", folder / "packages.stamp"
    wanted = hashlib.sha256("\n".join(PACKAGES[version]).encode()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    subprocess.run([str(interpreter), "-m", "venv", "--clear", str(folder)], check=True)
    install = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "-q", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*install, *PACKAGES[version]], check=True)
    stamp.write_text(wanted)
    return python


def main() -> int:
    """Run the tests under every interpreter of :data:`PACKAGES`; returns 0 when those that could run have passed."""
    worker = ROOT / ".venv" / "bin" / "python"
    variables = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "OMP_NUM_THREADS": "1", "FILM_RECOVERY_PYTHON": str(worker)}
    failed, absent = [], []
    for version in PACKAGES:
        interpreter = find_interpreter(version)
        if interpreter is None:
            absent.append(version)
            continue
        print(f"== Python {version}: {', '.join(FOLDERS)}", flush=True)
        try:
            python = make_environment(version, interpreter)
        except subprocess.CalledProcessError as error:
            print(f"The environment for Python {version} could not be made: {error}", file=sys.stderr, flush=True)
            failed.append(version)
            continue
        command = [str(python), "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", *FOLDERS, *sys.argv[1:]]
        if subprocess.call(command, cwd=ROOT, env=variables):
            failed.append(version)
    for version in absent:
        print(f"!!!! NOT RUN: there is no Python {version} here; the Nuke side is untested with it.", flush=True)
    if failed:
        print(f"Failed under Python {', '.join(failed)}.", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
