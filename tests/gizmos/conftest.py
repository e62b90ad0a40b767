"""A session of the stand-in with the package's gizmos, and pictures to run through them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import pytest

import embedded_nuke

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def nuke() -> Iterator[Any]:
    """A fresh session with the gizmos on its plugin path."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "film_recovery_nuke"]:
        del sys.modules[name]
    module = embedded_nuke.install(plugin_path=[str(ROOT / "gizmos")])
    module.root()["format"].setValue("256 64 0 0 256 64 1 test")
    yield module
    embedded_nuke.uninstall()


@pytest.fixture(scope="session")
def pictures() -> tuple[Any, Any]:
    """Two float pictures, (64, 256, 3): -0.3 to 5, with ramps, noise, exact zeros and values at the breaks of the curves."""
    random = np.random.default_rng(7)
    made = []
    for _ in range(2):
        ramp = np.linspace(-0.2, 4.0, 256, dtype=np.float32)[None, :, None] * np.ones((64, 1, 3), np.float32)
        picture = (ramp + random.normal(0.0, 0.3, (64, 256, 3)) * (np.arange(64)[:, None, None] > 20)).astype(np.float32)
        picture = np.maximum(picture, np.float32(-0.3))
        picture[0, :8] = np.array([0.0, 1e-4, 1e-3, 0.0031308, 0.0078125, 0.18, 1.0, -1e-3], np.float32)[:, None]
        made.append(picture)
    return made[0], made[1]


@pytest.fixture
def read_node(nuke: Any, tmp_path: Path) -> Any:
    """Make a Read of a picture, (H, W, 3) float32, through a real EXR file."""
    import OpenImageIO as oiio

    def make(picture: Any, name: str) -> Any:
        path = tmp_path / f"{name}.exr"
        height, width, channels = picture.shape
        output = oiio.ImageOutput.create(str(path))
        output.open(str(path), oiio.ImageSpec(width, height, channels, oiio.FLOAT))
        output.write_image(np.ascontiguousarray(picture))
        output.close()
        return nuke.nodes.Read(file=path.as_posix(), file_type="exr", raw=True, name=name)

    return make


@pytest.fixture
def rendered() -> Any:
    """The RGB picture of a node at a frame, (H, W, 3) float32."""
    from embedded_nuke.render import engine

    def get(node: Any, frame: float = 1.0) -> Any:
        image = engine.render_node(node, frame)
        return np.asarray(image.only(("rgba.red", "rgba.green", "rgba.blue")).pixels)

    return get


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The worker's Python; without one the test is skipped, loudly."""
    found = Path(os.environ.get("FILM_RECOVERY_PYTHON", str(ROOT / ".venv" / "bin" / "python")))
    if not found.is_file():
        pytest.skip(f"NOT RUN: there is no worker at {found}; run tests/run_tests.py once.")
    monkeypatch.setenv("FILM_RECOVERY_PYTHON", str(found))
    return found


@dataclass(frozen=True)
class Faded:
    """Patterns of a faded source and its reference, frames 1 to 4, and the density matrix of the fading."""

    source: str
    reference: str
    matrix: Any


@pytest.fixture(scope="session")
def faded(tmp_path_factory: pytest.TempPathFactory) -> Faded:
    """Coloured shapes on grey, 160x120, faded and stained."""
    import OpenImageIO as oiio

    folder = tmp_path_factory.mktemp("faded")
    matrix = np.array([[0.6, 0.1, 0.0], [0.05, 0.8, 0.05], [0.0, 0.1, 0.7]])
    y, x = np.mgrid[0:120, 0:160]
    for frame in range(1, 5):
        random = np.random.default_rng(frame)
        truth = np.full((120, 160, 3), 0.25)
        for _ in range(60):
            centre, radius = random.uniform(0, 1, 2) * (160, 120), random.uniform(4, 18)
            truth[np.hypot(x - centre[0], y - centre[1]) < radius] = random.uniform(0.04, 0.9, 3)
        lost = 10.0 ** -(-np.log10(truth) @ matrix.T + 0.05)
        for name, picture in (("source", lost), ("reference", truth)):
            path = str(folder / f"{name}.{frame:04d}.exr")
            output = oiio.ImageOutput.create(path)
            output.open(path, oiio.ImageSpec(160, 120, 3, oiio.FLOAT))
            output.write_image(picture.astype(np.float32))
            output.close()
    return Faded((folder / "source.####.exr").as_posix(), (folder / "reference.####.exr").as_posix(), matrix)
