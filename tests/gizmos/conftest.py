"""A session of the stand-in with the package's gizmos, and pictures to run through them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
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
