"""Movie files through PyAV: frames found by index and read at their full depth, review movies written as H.264 or what the
build offers.

Y'CbCr is turned into R'G'B' here, with the exact matrix and range that the file names, and not clamped: video keeps picture
above its white and below its black. A file that names no matrix is taken for BT.709 from 720 lines on, else for BT.601.
X'Y'Z' of digital cinema becomes R'G'B' of BT.709 with gamma 2.2 in FFmpeg's scaler, which clamps; white (48 cd/m²) is 0.96.
Chroma of 4:2:0 and 4:1:1 stands where the decoder says. Where it says nothing (FFV1, VP9), which PyAV does not tell, the scaler
thinks it in the middle of its pixels: half a pixel, of 4:1:1 one and a half, to the right of where MPEG-2 has it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import av.error
import numpy as np
import numpy.typing as npt
import OpenImageIO as oiio

from film_recovery.contract.atomic import atomic_path
from film_recovery.contract.errors import InputError, MissingFrameError, StorageError, UnreadableImageError
from film_recovery.images.attributes import FPS, TIME_CODE, packed_time, rational
from film_recovery.images.colour import ycbcr_to_rgb
from film_recovery.images.frame import FloatArray, Frame, Window
from film_recovery.images.subsampled import full_size

MOVIE_SUFFIXES = (".mov", ".mp4", ".mkv", ".avi", ".mxf", ".webm", ".m4v", ".mpg", ".ts")
# FFmpeg's numbers (ITU-T H.273) for the matrix, primaries and curve, and for the range.
_BT709, _LIMITED, _FULL = 1, 1, 2
_MATRICES = {1: "709", 4: "601", 5: "601", 6: "601", 9: "2020", 10: "2020"}
_YCGCO = 8
_HD_LINES = 720
_AHEAD = 24  # frames that are quicker decoded than sought
_TIME_CODE = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d)", re.ASCII)
_MOST_COUNTED = 30  # frames a second that a time code counts as they are; of more rates it counts pairs
_DROP_FRAME = 1 << 6  # of the packed time
_ENCODERS = ("libx264", "h264", "libopenh264", "mpeg4")


class Movie:
    """A movie file, frames numbered from 1, read in any order and from any thread.

    The packets are listed once, which reads the file but decodes nothing; a frame is then the one with its time stamp. Files
    without time stamps are decoded from the start.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()  # FFmpeg takes what stands before a colon for a protocol
        self._lock = threading.Lock()
        self._reading: _Reading | None = None
        try:
            with av.open(str(self.path)) as container:
                stream = container.streams.video[0]
                self.fps = float(stream.average_rate) if stream.average_rate else None
                self._metadata = _metadata(stream)
                self._clock = _clock(container.metadata | stream.metadata, self.fps)
                # Other containers only estimate how many frames they hold; the index goes by the edit list, if there is one.
                promised = len(stream.index_entries) if "mp4" in container.format.name else 0
                packets = [(packet.pts, packet.is_discard) for packet in container.demux(stream) if packet.size]
                self._stamps = _time_stamps(packets)
            self.count = len(self._stamps or ()) or self._count_by_decoding()
        except (av.error.FFmpegError, IndexError, OSError) as error:
            raise UnreadableImageError(f"{path} cannot be read as a movie ({error}); convert it or name stills.") from error
        if not self.count:
            raise UnreadableImageError(f"{path} cannot be read as a movie (it holds no frames); convert it or name stills.")
        if len(packets) < promised:
            raise UnreadableImageError(f"{path} holds only {len(packets)} of its {promised} frames; copy the movie again.")

    def read(self, frame: int) -> Frame:
        """One frame as display-coded RGB, float32 (H, W, 3).

        Raises:
            MissingFrameError: beyond the end.
            UnreadableImageError: the file is damaged there.
        """
        if not 1 <= frame <= self.count:
            raise MissingFrameError(f"{self.path} has no frame {frame}; it holds 1-{self.count}.")
        with self._lock:
            try:
                picture = self._find(frame)
                if picture is None or picture.is_corrupt:
                    self._close()
                    raise UnreadableImageError(self._damaged(frame))
                rgb, bits = _to_rgb(picture)
            except (av.error.FFmpegError, OSError, ValueError) as error:
                self._close()
                raise UnreadableImageError(self._damaged(frame)) from error
        window = Window(0, 0, rgb.shape[1], rgb.shape[0])
        metadata = dict(self._metadata)
        if self._clock is not None:
            metadata[TIME_CODE] = (oiio.TypeDesc("timecode"), (self._clock.packed(frame - 1), 0))
        return Frame(rgb, window, window, metadata=metadata, pixel_type=f"uint{bits}", source=f"{self.path}#{frame}")

    def _damaged(self, frame: int) -> str:
        return f"{self.path} is damaged at frame {frame}; copy the movie again."

    def _find(self, frame: int) -> av.VideoFrame | None:
        index = frame - 1
        if self._reading is None or not 0 <= index - self._reading.at < _AHEAD:
            self._close()
            self._reading = self._seek(index)
        picture = self._reading.take(index)
        if picture is None and self._reading.sought:  # the file's own index sent us past the frame
            self._close()
            self._reading = _Reading(self.path, self._stamps)
            picture = self._reading.take(index)
        return picture

    def _seek(self, index: int) -> _Reading:
        reading = _Reading(self.path, self._stamps)
        if index >= _AHEAD and self._stamps:
            reading.seek(self._stamps[index])
        return reading

    def _count_by_decoding(self) -> int:
        with av.open(str(self.path)) as container:
            return sum(1 for _ in container.decode(video=0))

    def _close(self) -> None:
        if self._reading is not None:
            self._reading.container.close()
            self._reading = None


class _Reading:
    """An open movie and the place in it: ``at`` is the index of the next frame that the decoder gives."""

    def __init__(self, path: Path, stamps: list[int] | None) -> None:
        self.container = av.open(str(path))
        self.stream = self.container.streams.video[0]
        self.stream.thread_type = "AUTO"
        self.index = {stamp: index for index, stamp in enumerate(stamps)} if stamps else None
        self.at = 0
        self.sought = False
        self.pictures: Iterator[av.VideoFrame] = self.container.decode(self.stream)

    def seek(self, stamp: int) -> None:
        self.container.seek(stamp, stream=self.stream, backward=True)
        self.pictures = self.container.decode(self.stream)
        self.sought = True

    def take(self, index: int) -> av.VideoFrame | None:
        """Decode up to a frame; None when the decoder is past it or at the end."""
        for picture in self.pictures:
            here = self.at if self.index is None else self.index.get(cast("int", picture.pts), -1)
            self.at = max(here + 1, self.at)
            if here == index:
                return picture
            if here > index:
                return None
        return None


def _time_stamps(packets: list[tuple[int | None, bool]]) -> list[int] | None:
    """The time stamp of every frame in the order of showing, or None if some have none or share one; of each packet its time
    stamp, and whether it is not shown."""
    shown = [stamp for stamp, is_discarded in packets if not is_discarded]
    stamps = {stamp for stamp in shown if stamp is not None}
    return sorted(stamps) if len(stamps) == len(shown) else None


def _metadata(stream: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    if stream.average_rate:
        metadata[FPS] = rational(Fraction(stream.average_rate))
    if stream.sample_aspect_ratio:
        metadata["PixelAspectRatio"] = float(stream.sample_aspect_ratio)
    return metadata


@dataclass(frozen=True)
class _Clock:
    """The time code of a movie: frame 0 is the ``start``-th since midnight, ``rate`` are counted a second, and with ``drops``
    the first two numbers of every minute that ten does not divide are left out (SMPTE ST 12-1)."""

    start: int
    rate: int
    drops: bool

    def packed(self, index: int) -> int:
        """The time code of a frame, see :func:`packed_time`."""
        count = self.start + index
        if self.drops:
            tens, rest = divmod(count, 600 * self.rate - 18)
            count += 18 * tens + 2 * (max(rest - 2, 0) // (60 * self.rate - 2))
        seconds, frame = divmod(count, self.rate)
        time = packed_time(seconds // 3600 % 24, seconds // 60 % 60, seconds % 60, frame)
        return time | _DROP_FRAME if self.drops else time


def _clock(entries: dict[str, str], fps: float | None) -> _Clock | None:
    """By the file's own time code; None without one, or where frames are counted in pairs."""
    found = _TIME_CODE.fullmatch(entries.get("timecode", ""))
    rate = round(fps or 0.0)
    if found is None or not 1 <= rate <= _MOST_COUNTED:
        return None
    hours, minutes, seconds, frame = (int(found[place]) for place in (1, 2, 3, 5))
    if frame >= rate:
        return None
    drops = found[4] != ":" and rate == _MOST_COUNTED
    whole = 60 * hours + minutes
    start = (60 * whole + seconds) * rate + frame
    return _Clock(start - 2 * (whole - whole // 10) if drops else start, rate, drops)


def _to_rgb(picture: av.VideoFrame) -> tuple[FloatArray, int]:
    """R'G'B' as float32 (H, W, 3), white at 1, and the bits of the file's codes."""
    layout = picture.format
    bits = layout.components[0].bits or 8
    is_ycbcr = len(layout.components) >= 3 and not (layout.is_rgb or layout.has_palette or layout.name.startswith("xyz"))
    if not is_ycbcr or picture.colorspace == _YCGCO:
        pixels = picture.to_ndarray(format="rgb48le" if bits > 8 else "rgb24")
        return np.asarray(pixels, np.float32) / np.float32(65535.0 if bits > 8 else 255.0), 16 if bits > 8 else 8
    full = picture.color_range == _FULL or layout.name.startswith("yuvj")
    matrix = _MATRICES.get(picture.colorspace, "709" if picture.height >= _HD_LINES else "601")
    # The scaler is to interpolate chroma and nothing else; named so, it moves the codes to the upper bits and leaves them.
    picture.color_range = _FULL if layout.name.startswith("yuvj") else _LIMITED
    wide, narrow = layout.components[:2]
    is_422 = (wide.height, (wide.width + 1) // 2) == (narrow.height, narrow.width)
    deep = picture.reformat(format="yuv422p16le" if is_422 else "yuv444p16le")
    planes = [_plane(deep, index) for index in range(3)]
    if is_422:  # ITU-R BT.601 and 709: samples stand on every other pixel; where no file says so, the scaler thinks between
        whole = Window(0, 0, picture.width, picture.height)
        planes[1:] = [full_size(np.asarray(plane, np.float32), (1, 2), whole) for plane in planes[1:]]
    chroma = [plane / np.float64(2 ** (16 - bits)) for plane in planes[1:]]
    codes = np.stack([planes[0] >> (16 - bits), *chroma], axis=-1)  # of some full ranges, luma's lower bits are not left 0
    unit = 2.0 ** (bits - 8)
    if full:
        ycbcr = (codes - [0.0, 128.0 * unit, 128.0 * unit]) / (2.0**bits - 1.0)
    else:
        ycbcr = (codes - [16.0 * unit, 128.0 * unit, 128.0 * unit]) / [219.0 * unit, 224.0 * unit, 224.0 * unit]
    return ycbcr_to_rgb(ycbcr, matrix), bits


def _plane(picture: av.VideoFrame, index: int) -> npt.NDArray[Any]:
    plane = picture.planes[index]
    rows: npt.NDArray[np.uint16] = np.frombuffer(bytes(plane), np.uint16).reshape(plane.height, plane.line_size // 2)
    return rows[:, : plane.width]


def write_movie(path: Path, frames: Iterable[npt.NDArray[np.uint8]], fps: float) -> None:
    """Write 8-bit display-coded frames, (H, W, 3), as a browser-playable movie, whole or not at all.

    An odd last row or column is left out: the coding needs even sides.

    Raises:
        InputError: there are no frames.
        StorageError: the disk is full, read-only or failing.
    """
    encoder = next((name for name in _ENCODERS if name in av.codecs_available), None)
    if encoder is None:
        raise InputError(f"Cannot write {path}: this build of PyAV has no encoder; install another PyAV.")
    with atomic_path(path) as temporary:
        try:
            with av.open(str(temporary.absolute()), "w", options={"movflags": "faststart"}) as container:
                _encode(path, container, encoder, frames, fps)
        except av.error.FFmpegError as error:
            raise StorageError(f"Cannot write {path} ({error.strerror}); free some space and run again.") from error


def _encode(path: Path, container: Any, encoder: str, frames: Iterable[npt.NDArray[np.uint8]], fps: float) -> None:
    stream: av.VideoStream | None = None
    for pixels in frames:
        if stream is None:
            stream = cast("av.VideoStream", container.add_stream(encoder, rate=Fraction(*rational(fps)[1])))
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
