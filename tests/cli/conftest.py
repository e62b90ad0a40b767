"""Two tiny elements as files, and one run that every test of the command line may read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from film_recovery.cli.main import main

FIRST, COUNT, WIDTH, HEIGHT = 1001, 8, 160, 128


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The last thing said on standard error; there must be no traceback."""
        assert "Traceback" not in self.err, self.err
        return self.err.splitlines()[-1]

    @property
    def json(self) -> Any:
        """Standard output, which must be one line of JSON."""
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)


Cli = Callable[..., Done]


@pytest.fixture(scope="session")
def variables() -> dict[str, str]:
    """The environment of a command that is started in a test."""
    root = Path(__file__).resolve().parents[2]
    paths = os.pathsep.join(str(root / name) for name in ("nuke_plugins", "examples"))
    return {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}


@pytest.fixture
def run_cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    """Run ``film-recovery`` in this process, which is quick; an exception that it would not catch fails the test."""

    def call(*arguments: str | Path) -> Done:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        return Done(code, *capfd.readouterr())

    return call


@pytest.fixture
def spawn_cli(variables: dict[str, str]) -> Cli:
    """Run ``film-recovery`` as a process of its own."""

    def call(*arguments: str | Path) -> Done:
        command = [sys.executable, "-m", "film_recovery.cli.main", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=300, check=False)
        return Done(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def start_cli(variables: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start ``film-recovery`` and go on; what still runs at the end of the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str | Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "film_recovery.cli.main", *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def elements_master(tmp_path_factory: pytest.TempPathFactory, photograph: npt.NDArray[np.float32]) -> Path:
    """A faded, sharp ``neg.####.exr`` and a soft ``print.####.exr`` of the same eight pictures."""
    from film_recovery.images.frame import Frame
    from film_recovery.images.io import write_frame

    folder = tmp_path_factory.mktemp("elements")
    for index in range(COUNT):
        top, left = 10 + 8 * index, 20 + 30 * index
        picture = photograph[top : top + HEIGHT, left : left + WIDTH]
        faded = np.clip(picture, 1e-4, None) ** np.array([0.6, 0.95, 0.9], np.float32)
        write_frame(folder / f"neg.{FIRST + index}.exr", Frame.from_rgb(faded.astype(np.float32)))
        write_frame(folder / f"print.{FIRST + index}.exr", Frame.from_rgb(cv2.GaussianBlur(picture, (0, 0), 1.2)))
    return folder


@pytest.fixture
def elements(elements_master: Path, tmp_path: Path) -> Path:
    """A copy of the elements that a test may damage."""
    return Path(shutil.copytree(elements_master, tmp_path / "elements"))


@pytest.fixture(scope="session")
def training() -> Callable[..., list[str]]:
    """Options of a training that is over in seconds; how long and where is the test's."""

    def options(elements: Path, task: str = "chroma", frames: str = "1001,1004,1007") -> list[str]:
        return [
            "--task", task, "--source", str(elements / "neg.####.exr"), "--reference", str(elements / "print.####.exr"),
            "--frames", frames, "--held-out", "1005", "--size", "small", "--patch", "32", "--batch", "1",
        ]  # fmt: skip

    return options


@pytest.fixture(scope="session")
def finished_run(elements_master: Path, tmp_path_factory: pytest.TempPathFactory, training: Callable[..., list[str]]) -> Path:
    """A small chroma run that has finished. Read it, do not change it."""
    run = tmp_path_factory.mktemp("runs") / "chroma"
    assert main(["train", *training(elements_master), "--steps", "4", "--out", str(run)]) == 0
    return run


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 384 kB, where one may be mounted."""
    place = tmp_path / "tiny disk"
    place.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=384k", "tmpfs", str(place)], capture_output=True, text=True)
    if mount.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mount.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)
