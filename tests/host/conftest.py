"""A session of the stand-in with the package installed as in Nuke, and film elements to train on."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest

import embedded_nuke

ROOT = Path(__file__).resolve().parents[2]
WORKER = Path(os.environ.get("FILM_RECOVERY_PYTHON", str(ROOT / ".venv" / "bin" / "python")))


def _forget_host() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "film_recovery_nuke"]:
        del sys.modules[name]
    log = logging.getLogger("film_recovery_nuke")
    for handler in list(log.handlers):  # or the next session would write into this one's home
        log.removeHandler(handler)
        handler.close()


@pytest.fixture
def start_nuke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Start the stand-in as Nuke is started; again for a Nuke that was closed and reopened. The home is empty."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FILM_RECOVERY_PYTHON", str(WORKER))
    (tmp_path / "home").mkdir()

    def start(gui: bool = True, **options: Any) -> Any:
        _forget_host()
        return embedded_nuke.install(gui=gui, plugin_path=[str(ROOT / "gizmos")], **options)

    yield start
    embedded_nuke.uninstall()
    _forget_host()


@pytest.fixture
def nuke(start_nuke: Callable[..., Any]) -> Any:
    """A fresh session with a GUI."""
    return start_nuke()


@pytest.fixture
def worker() -> Path:
    """The worker's Python; without one the test is skipped, loudly."""
    if not WORKER.is_file():
        pytest.skip(f"NOT RUN: there is no worker at {WORKER}; run tests/run_tests.py once.")
    return WORKER


def write_exr(path: Path, picture: Any, **header: Any) -> None:
    """Write a float picture, (H, W, 3); ``header`` sets attributes, ``window`` and ``full`` the two windows."""
    import numpy as np
    import OpenImageIO as oiio

    height, width, channels = picture.shape
    spec = oiio.ImageSpec(width, height, channels, oiio.FLOAT)
    spec.x, spec.y = header.pop("window", (0, 0))
    spec.full_x, spec.full_y, spec.full_width, spec.full_height = header.pop("full", (0, 0, width, height))
    for key, value in header.items():
        spec.attribute(key, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    output = oiio.ImageOutput.create(str(path))
    assert output is not None
    assert output.open(str(path), spec), output.geterror()
    output.write_image(np.ascontiguousarray(picture, np.float32))
    output.close()


def scene(frame: int, width: int = 128, height: int = 96) -> Any:
    """A coloured picture that moves with the frame, (height, width, 3) in 0.02 to 0.9: shapes with edges, for registration."""
    import numpy as np

    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    random = np.random.default_rng(3)
    picture = np.full((height, width, 3), 0.25, np.float32)
    for _ in range(40):
        centre = random.uniform(0, 1, 2) * (width, height) + (0.7 * frame, 0.3 * frame)
        radius, colour = random.uniform(3, 14), random.uniform(0.04, 0.9, 3)
        inside = np.hypot(x - centre[0] % width, y - centre[1] % height) < radius
        picture[inside] = colour
    grain = np.random.default_rng(frame).normal(0.0, 0.004, picture.shape)
    return np.clip(picture + grain, 0.02, 0.95).astype(np.float32)


@pytest.fixture(scope="session")
def elements(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Patterns of a faded source and its reference, frames 1001 to 1012, 128x96."""
    import numpy as np

    folder = tmp_path_factory.mktemp("elements")
    for frame in range(1001, 1013):
        truth = scene(frame - 1000)
        faded = 10.0 ** -(-np.log10(truth) @ np.array([[0.6, 0.1, 0.0], [0.05, 0.8, 0.05], [0.0, 0.1, 0.7]]) + 0.05)
        write_exr(folder / f"source.{frame}.exr", faded.astype(np.float32))
        write_exr(folder / f"reference.{frame}.exr", truth)
    return {side: (folder / f"{side}.####.exr").as_posix() for side in ("source", "reference")}


@pytest.fixture
def reads(elements: dict[str, str]) -> Callable[[Any], tuple[Any, Any]]:
    """Make the two Reads in a session, with the project's range and format set."""

    def make(nuke: Any) -> tuple[Any, Any]:
        root = nuke.root()
        root["first_frame"].setValue(1001)
        root["last_frame"].setValue(1012)
        root["format"].setValue("128 96 0 0 128 96 1 small")
        made = []
        for number, side in enumerate(("source", "reference")):
            node = nuke.nodes.Read(
                file=elements[side], file_type="exr", first=1001, last=1012, raw=True, name=side.capitalize()
            )
            node.setXYpos(200 * number, 0)
            made.append(node)
        return made[0], made[1]

    return make


@pytest.fixture(scope="session")
def reels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of two small spliced reels, see ``make_reels.py``."""
    if not WORKER.is_file():
        pytest.skip(f"NOT RUN: there is no worker at {WORKER}; run tests/run_tests.py once.")
    folder = tmp_path_factory.mktemp("reels")
    command = [str(WORKER), str(Path(__file__).with_name("make_reels.py")), str(folder)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def tiny_run(elements: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a real run, trained by the worker in a few steps: too little to be good, enough to change pixels."""
    if not WORKER.is_file():
        pytest.skip(f"NOT RUN: there is no worker at {WORKER}; run tests/run_tests.py once.")
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    command = [
        str(WORKER), "-m", "film_recovery.cli.main", "train", "--task", "chroma", "--source", elements["source"],
        "--reference", elements["reference"], "--frames", "1001,1005,1009", "--size", "small", "--patch", "32", "--batch", "1",
        "--steps", "3", "--align", "none", "--device", "cpu", "--out", str(folder),
    ]  # fmt: skip
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=str(folder.parent), env=clean, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def tiny_model(tiny_run: Path) -> Path:
    """The model of that run, its card beside it. Copy it before changing anything."""
    return tiny_run / "export" / "chroma.onnx"


@pytest.fixture
def fake_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put a real program in the worker's place; it does ``body`` when it is given work.

    Before that it says who it is, as the worker does, unless ``answers`` is another piece of code.
    """

    def make(body: str, answers: str = 'print(\'{"protocol": 1, "version": "0", "python": "3.11"}\')') -> Path:
        text = f"#!{sys.executable}\nimport os, signal, sys, time\nif sys.argv[2].endswith('.protocol'):\n    {answers}\n"
        path = tmp_path / "fake_worker"
        path.write_text(f"{text}    sys.exit(0)\n{body}\n")
        path.chmod(0o755)
        monkeypatch.setenv("FILM_RECOVERY_PYTHON", str(path))
        return path

    return make


@pytest.fixture
def copying_worker(fake_worker: Callable[..., Path]) -> Path:
    """A worker that gives back each frame that it is to recover: for tests of what Nuke makes of it, not of the picture."""
    return fake_worker(
        "import shutil\n"
        "def option(name):\n    return sys.argv[sys.argv.index(name) + 1].replace('####', '%04d')\n"
        "for part in option('--frames').split(','):\n"
        "    first, _, last = part.partition('-')\n"
        "    for frame in range(int(first), int(last or first) + 1):\n"
        "        shutil.copy(option('--input') % frame, option('--output') % frame)\n"
        "print('{}')"
    )


@pytest.fixture
def model_file() -> Callable[..., Path]:
    """Lay a file that passes for a model, with its card, at a path; ``body`` makes it another one."""

    def make(path: Path, body: bytes = b"one") -> Path:
        from film_recovery.contract.card import ModelCard

        path.parent.mkdir(parents=True)
        path.write_bytes(body)
        ModelCard("small", "chroma", "luma", "display", "709", None, "small", 8, 4, 1).save(path.with_suffix(".json"))
        return path

    return make


@pytest.fixture
def plain_user() -> Iterator[None]:
    """Without root's power to write everywhere: then a folder can be read-only for a test that runs as root."""
    if not hasattr(os, "geteuid") or os.geteuid():
        yield
        return
    import ctypes

    class Header(ctypes.Structure):
        _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))

    class Set(ctypes.Structure):
        _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))

    libc, header, sets = ctypes.CDLL(None, use_errno=True), Header(0x20080522, 0), (Set * 2)()
    if libc.capget(ctypes.byref(header), sets) != 0:
        pytest.skip("NOT RUN: root's powers cannot be put down here.")
    before = sets[0].effective
    sets[0].effective = before & ~0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    if libc.capset(ctypes.byref(header), sets) != 0:
        pytest.skip("NOT RUN: root's powers cannot be put down here.")
    yield
    sets[0].effective = before
    libc.capset(ctypes.byref(header), sets)


@pytest.fixture(scope="session")
def exr() -> Callable[..., Path]:
    """Write a float picture to a path, as :func:`write_exr`, and give the path back."""

    def write(path: Path, picture: Any, **header: Any) -> Path:
        write_exr(path, picture, **header)
        return path

    return write


@pytest.fixture
def picture_tools() -> tuple[Callable[..., None], Callable[..., Any]]:
    """:func:`write_exr` and :func:`scene`, for tests that lay out files of their own."""
    return write_exr, scene
