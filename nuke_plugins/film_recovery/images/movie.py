"""Movie files through PyAV: frames read at their full depth, review movies written as H.264 or what the build offers."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import av.error
import numpy as np
import numpy.typing as npt

from film_recovery.contract.atomic import atomic_path
from film_recovery.contract.errors import InputError, MissingFrameError, UnreadableImageError
from film_recovery.images.frame import Frame, Window

MOVIE_SUFFIXES = (".mov", ".mp4", ".mkv", ".avi", ".mxf", ".webm", ".m4v", ".mpg", ".ts")
_BT709, _LIMITED = 1, 1  # FFmpeg's numbers for the matrix, primaries and curve, and for the range
_ENCODERS = ("libx264", "h264", "libopenh264", "mpeg4")


class Movie:
    """A movie file, frames numbered from 1. Reading forward is cheap; going back decodes from the start again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._position = 0
        self._frames: Iterable[av.VideoFrame] | None = None
        try:
            with av.open(str(path)) as container:
                stream = container.streams.video[0]
                self.fps = float(stream.average_rate) if stream.average_rate else None
                self.count = stream.frames or sum(1 for _ in container.decode(video=0))
        except (av.error.FFmpegError, IndexError, OSError) as error:
            raise UnreadableImageError(f"{path} cannot be read as a movie ({error}); convert it or name stills.") from error

    def read(self, frame: int) -> Frame:
        """One frame as display-coded RGB. Raises :class:`MissingFrameError` beyond the end."""
        try:
            picture = self._decode(frame)
        except (av.error.FFmpegError, OSError) as error:
            raise UnreadableImageError(f"{self.path} is damaged at frame {frame} ({error}); copy the movie again.") from error
        deep = (picture.format.components[0].bits or 8) > 8
        pixels = picture.to_ndarray(format="rgb48le" if deep else "rgb24")
        rgb = pixels.astype(np.float32) / np.float32(65535.0 if deep else 255.0)
        window = Window(0, 0, rgb.shape[1], rgb.shape[0])
        kind = "uint16" if deep else "uint8"
        return Frame(rgb, window, window, pixel_type=kind, source=f"{self.path}#{frame}")

    def _decode(self, frame: int) -> av.VideoFrame:
        if self._frames is None or frame <= self._position:
            self._container = av.open(str(self.path))
            self._frames, self._position = iter(self._container.decode(video=0)), 0
        for picture in self._frames:
            self._position += 1
            if self._position == frame:
                return picture
        self._frames = None
        raise MissingFrameError(f"{self.path} has no frame {frame}; it ends at {self._position}.")


def write_movie(path: Path, frames: Iterable[npt.NDArray[np.uint8]], fps: float) -> None:
    """Write 8-bit display-coded frames, (H, W, 3) with even sides, as a browser-playable movie, whole or not at all."""
    encoder = next((name for name in _ENCODERS if name in av.codecs_available), None)
    if encoder is None:
        raise InputError(f"Cannot write {path}: this build of PyAV has no encoder; install another PyAV.")
    with atomic_path(path) as temporary, av.open(str(temporary), "w", options={"movflags": "faststart"}) as container:
        stream: av.VideoStream | None = None
        for pixels in frames:
            if stream is None:
                stream = cast("av.VideoStream", container.add_stream(encoder, rate=Fraction(fps).limit_denominator(1001)))
                stream.height, stream.width = pixels.shape[0] // 2 * 2, pixels.shape[1] // 2 * 2
                stream.pix_fmt = "yuv420p"
                stream.bit_rate = 8_000_000
                context = stream.codec_context
                # Untagged, a player would have to guess the matrix: BT.709, limited range, said in the file.
                context.colorspace = context.color_primaries = context.color_trc = _BT709
                context.color_range = _LIMITED
            whole = np.ascontiguousarray(pixels[: pixels.shape[0] // 2 * 2, : pixels.shape[1] // 2 * 2])
            picture = av.VideoFrame.from_ndarray(whole, format="rgb24").reformat(
                format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
            )
            picture.colorspace, picture.color_range = _BT709, _LIMITED
            container.mux(stream.encode(picture))
        if stream is None:
            raise InputError(f"No frames to write into {path}; choose a frame range that exists.")
        container.mux(stream.encode())
