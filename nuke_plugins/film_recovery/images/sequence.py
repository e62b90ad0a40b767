"""Sequences of frames: a pattern (``####``, ``%04d``, ``@@@@``), a folder of stills, one still, or a movie file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from film_recovery.contract.errors import InputError, MissingFrameError, UsageError
from film_recovery.images.frame import Frame
from film_recovery.images.io import read_frame
from film_recovery.images.movie import MOVIE_SUFFIXES, Movie
from film_recovery.images.ranges import format_frames

STILL_SUFFIXES = (".exr", ".dpx", ".tif", ".tiff", ".png", ".jpg", ".jpeg")
_TOKEN = re.compile(r"#+|@+|%0?\d*d")
_NUMBER = re.compile(r"^(.*?)(-?\d+)$")


@dataclass(frozen=True)
class Sequence:
    """Numbered frames that can be read one by one, in any order; holds no picture itself."""

    name: str
    files: Mapping[int, Path]
    movie: Movie | None = None

    @property
    def frames(self) -> list[int]:
        """The frames there are, ascending."""
        return list(range(1, self.movie.count + 1)) if self.movie else sorted(self.files)

    @property
    def missing(self) -> list[int]:
        """The gaps between the first and the last frame."""
        frames = self.frames
        return sorted(set(range(frames[0], frames[-1] + 1)) - set(frames))

    @property
    def is_movie(self) -> bool:
        """Whether the frames come out of one movie file."""
        return self.movie is not None

    @property
    def fps(self) -> float | None:
        """Frames per second: of the movie, or as the first still says; None when nothing says."""
        if self.movie:
            return self.movie.fps
        rate = self.read(self.frames[0]).metadata.get("FramesPerSecond")
        if isinstance(rate, tuple):
            rate = rate[1]
        if isinstance(rate, (list, tuple)):
            return float(rate[0]) / float(rate[1])
        return float(rate) if rate else None

    def path(self, frame: int) -> Path | None:
        """The file of a frame, or None for a movie. Raises :class:`MissingFrameError`."""
        self._require(frame)
        return None if self.movie else self.files[frame]

    def read(self, frame: int) -> Frame:
        """Read a frame. Raises :class:`MissingFrameError` or :class:`UnreadableImageError`."""
        self._require(frame)
        return self.movie.read(frame) if self.movie else read_frame(self.files[frame])

    def _require(self, frame: int) -> None:
        if frame not in (self.files if not self.movie else range(1, self.movie.count + 1)):
            raise MissingFrameError(f"{self.name} has no frame {frame}; it holds {format_frames(self.frames)}.")


def open_sequence(files: Path | str) -> Sequence:
    """Find the frames that ``files`` names.

    Raises:
        MissingFrameError: nothing is there; the message says what is there instead.
        InputError: the folder holds no images.
    """
    path = Path(files).expanduser()
    if path.is_file():
        if path.suffix.lower() in MOVIE_SUFFIXES:
            return Sequence(str(path), {}, Movie(path))
        match = _NUMBER.match(path.stem)
        return Sequence(str(path), {int(match.group(2)) if match else 1: path})
    if path.is_dir():
        return _folder(path)
    if _TOKEN.search(path.name):
        return _pattern(path)
    raise MissingFrameError(f"{path} does not exist; name a pattern such as scan.####.exr, a folder of stills or a movie file.")


def output_path(pattern: Path | str, frame: int) -> Path:
    """The file that a pattern gives for a frame: ``out.####.exr`` and -7 give ``out.-007.exr``, as printf does."""
    path = Path(pattern)
    return path.with_name(_TOKEN.sub(lambda token: _spell(token.group(0), frame), path.name, count=1))


def require_token(pattern: Path | str) -> None:
    """Raise :class:`UsageError` unless the pattern has a place for the frame number and a suffix."""
    if not _TOKEN.search(Path(pattern).name) or Path(pattern).suffix.lower() not in STILL_SUFFIXES:
        raise UsageError(f"The output '{pattern}' needs a place for the frame number and a suffix, as in recovered.####.exr.")


def _spell(token: str, frame: int) -> str:
    digits = re.sub(r"[^0-9]", "", token)
    width = len(token) if token[0] in "#@" else int(digits or 0)
    return f"{frame:0{max(width, 1)}d}"  # as printf does: the sign counts


def _pattern(path: Path) -> Sequence:
    if not path.parent.is_dir():
        raise MissingFrameError(f"The folder {path.parent} does not exist; check the path of {path.name}.")
    token = _TOKEN.search(path.name)
    assert token is not None
    before, after = path.name[: token.start()], path.name[token.end() :]
    name = re.compile(re.escape(before) + r"(-?\d+)" + re.escape(after) + "$")
    found = {int(match.group(1)): entry for entry in sorted(path.parent.iterdir()) if (match := name.match(entry.name))}
    files = {frame: entry for frame, entry in found.items() if output_path(path, frame).name == entry.name}
    if not files:
        others = sorted(entry.name for entry in path.parent.iterdir() if entry.suffix.lower() in STILL_SUFFIXES)
        there = f"it holds for instance {others[0]}" if others else "it holds no images"
        raise MissingFrameError(f"No frame matches {path.name} in {path.parent}; {there}.")
    return Sequence(str(path), files)


def _folder(folder: Path) -> Sequence:
    stills = sorted(e for e in folder.iterdir() if e.suffix.lower() in STILL_SUFFIXES and not e.name.startswith("."))
    if not stills:
        raise InputError(f"The folder {folder} holds no images ({', '.join(STILL_SUFFIXES)}); name another folder.")
    numbers = [_NUMBER.match(still.stem) for still in stills]
    if all(numbers) and len({int(match.group(2)) for match in numbers if match}) == len(stills):
        return Sequence(str(folder), {int(m.group(2)): s for m, s in zip(numbers, stills, strict=True) if m})
    return Sequence(str(folder), dict(enumerate(stills, start=1)))
