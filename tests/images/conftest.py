"""What the tests of images share: EXR files that no library here writes."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Channels = dict[str, tuple[np.ndarray[Any, Any], int]]
_TYPES = {"uint32": 0, "float16": 1, "float32": 2}


def _attribute(name: str, kind: str, value: bytes) -> bytes:
    return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value


@pytest.fixture
def write_sampled_exr() -> Callable[..., None]:
    """Write an uncompressed EXR byte by byte: channels as name to (plane, sampling), any origin, any display window."""

    def write(
        path: Path, channels: Channels, size: tuple[int, int], origin: tuple[int, int] = (0, 0), more: bytes = b""
    ) -> None:
        (width, height), names = size, sorted(channels)
        listed = b"".join(
            name.encode() + b"\0" + struct.pack("<iiii", _TYPES[channels[name][0].dtype.name], 0, *[channels[name][1]] * 2)
            for name in names
        )
        window = struct.pack("<iiii", *origin, origin[0] + width - 1, origin[1] + height - 1)
        head = struct.pack("<ii", 20000630, 2) + _attribute("channels", "chlist", listed + b"\0")
        head += _attribute("compression", "compression", b"\0") + _attribute("lineOrder", "lineOrder", b"\0")
        head += _attribute("dataWindow", "box2i", window) + _attribute("displayWindow", "box2i", window)
        head += _attribute("pixelAspectRatio", "float", struct.pack("<f", 2.0))
        head += _attribute("screenWindowCenter", "v2f", bytes(8))
        head += _attribute("screenWindowWidth", "float", struct.pack("<f", 1.0))
        head += _attribute("framesPerSecond", "rational", struct.pack("<iI", 24000, 1001))
        head += more + b"\0"
        chunks = []
        for row in range(height):
            planes = [channels[name] for name in names if (row + origin[1]) % channels[name][1] == 0]
            content = b"".join(plane[row // step].tobytes() for plane, step in planes)
            chunks.append(struct.pack("<ii", row + origin[1], len(content)) + content)
        ends = np.cumsum([len(head) + 8 * height, *(len(chunk) for chunk in chunks)])
        path.write_bytes(head + struct.pack(f"<{height}Q", *ends[:-1]) + b"".join(chunks))

    return write
