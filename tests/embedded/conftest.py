"""A fresh session of the stand-in, and pictures in real files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

import embedded_nuke


@pytest.fixture
def nuke() -> Iterator[Any]:
    """A fresh session without a GUI, 16 x 12 pixels, frames 1 to 10."""
    module = embedded_nuke.install()
    module.root()["format"].fromScript('"16 12 0 0 16 12 1 small"')
    module.root()["last_frame"].setValue(10)
    yield module
    embedded_nuke.uninstall()


@pytest.fixture
def write_file() -> Callable[..., Path]:
    """Write pixels (H, W, C): ``kind`` is the data type, ``window`` the data window's corner, ``full`` the display's size."""
    import numpy as np
    import OpenImageIO as oiio

    def write(
        path: Path,
        pixels: Any,
        channels: Any = None,
        kind: str = "float",
        window: Any = (0, 0),
        full: Any = None,
        **header: Any,
    ) -> Path:
        values = np.ascontiguousarray(pixels)
        spec = oiio.ImageSpec(values.shape[1], values.shape[0], values.shape[2], kind)
        spec.channelnames = tuple(channels or "RGBA"[: values.shape[2]])
        spec.x, spec.y = window
        spec.full_width, spec.full_height = full or (values.shape[1], values.shape[0])
        for name, value in header.items():
            spec.attribute(name, value)
        path.parent.mkdir(parents=True, exist_ok=True)
        sink = oiio.ImageOutput.create(str(path))
        assert sink.open(str(path), spec) and sink.write_image(values) and sink.close(), sink.geterror()
        return path

    return write


@pytest.fixture
def read_file() -> Callable[[Any], Any]:
    """OpenImageIO's own view of a file: an ImageBuf, read."""
    import OpenImageIO as oiio

    def read(path: Any) -> Any:
        buffer = oiio.ImageBuf(str(path))
        assert buffer.read(0, 0, True, "float"), buffer.geterror()
        return buffer

    return read


@pytest.fixture
def picture(nuke: Any, tmp_path: Path, write_file: Callable[..., Path]) -> Callable[..., Any]:
    """A Read node on an EXR with these pixels (H, W, C), raw; more arguments as for ``write_file``."""
    count = [0]

    def make(pixels: Any, **options: Any) -> Any:
        count[0] += 1
        path = write_file(tmp_path / f"made{count[0]}.exr", pixels, **options)
        node = nuke.nodes.Read(file=str(path).replace("\\", "/"))
        node["raw"].setValue(True)
        return node

    return make
