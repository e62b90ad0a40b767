"""Sequences of frames: a pattern (``####``, ``%04d``, ``@@@@``), a folder of stills, one still, or a movie file."""

from __future__ import annotations

import contextlib
import difflib
import itertools
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from film_recovery.contract.errors import InputError, MissingFrameError, UnreadableImageError, UsageError
from film_recovery.images.attributes import frames_per_second
from film_recovery.images.frame import CODED, Frame
from film_recovery.images.io import WRITABLE, read_frame
from film_recovery.images.movie import MOVIE_SUFFIXES, Movie
from film_recovery.images.ranges import format_frames

STILL_SUFFIXES = (".exr", ".dpx", ".tif", ".tiff", ".png", ".jpg", ".jpeg")
# The last of these in a name is the frame number, so that "100%done.####.exr" means what it seems to.
_TOKEN = re.compile(r"(#+|@+|%0?\d*d)(?!.*(?:#|@|%0?\d*d))", re.ASCII)
# A minus sign belongs to the number only after a separator: "shot-0012" is frame 12, "shot.-0012" is frame -12.
_NUMBER = re.compile(r"(?:(?<=[._-])-|^-)?\d+", re.ASCII)
_LONGEST_NUMBER = 9  # digits; longer ones are dates or serial numbers


@dataclass(frozen=True)
class Sequence:
    """Numbered frames that can be read one by one, in any order; holds no picture itself."""

    name: str
    files: Mapping[int, Path]
    movie: Movie | None = None
    holds_coded: bool = False  # whatever its files are

    @property
    def frames(self) -> list[int]:
        """The frames there are, ascending."""
        return list(range(1, self.movie.count + 1)) if self.movie else sorted(self.files)

    @property
    def missing(self) -> str:
        """The gaps between the first and the last frame, as a frame range; empty for none. A date for a number among the files
        makes a gap of millions, so no list of them."""
        gaps = [(before + 1, after - 1) for before, after in itertools.pairwise(self.frames) if after - before > 1]
        return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in gaps)

    @property
    def is_movie(self) -> bool:
        """Whether the frames come out of one movie file."""
        return self.movie is not None

    @property
    def fps(self) -> float | None:
        """Frames per second: of the movie, or as the first still that can be read says; None when nothing says."""
        if self.movie:
            return self.movie.fps
        for frame in self.frames:
            with contextlib.suppress(UnreadableImageError, MissingFrameError):
                return frames_per_second(self.read(frame).metadata)
        return None

    def path(self, frame: int) -> Path | None:
        """The file of a frame, or None for a movie. Raises :class:`MissingFrameError`."""
        self._require(frame)
        return None if self.movie else self.files[frame]

    def read(self, frame: int) -> Frame:
        """Read a frame. Raises :class:`MissingFrameError` or :class:`UnreadableImageError`."""
        self._require(frame)
        found = self.movie.read(frame) if self.movie else read_frame(self.files[frame])
        if self.holds_coded:
            found.metadata[CODED] = 1
        return found

    def _require(self, frame: int) -> None:
        if frame not in (self.files if not self.movie else range(1, self.movie.count + 1)):
            raise MissingFrameError(f"{self.name} has no frame {frame}; it holds {format_frames(self.frames)}.")


def open_sequence(files: Path | str) -> Sequence:
    """Find the frames that ``files`` names: a pattern, a folder of stills in name order, one still, or a movie.

    Stills in a folder keep their numbers where the names differ in one number and nothing else; otherwise they are numbered
    from 1 in name order. A single still has the number at the end of its name, or 1; a movie's frames count from 1.

    Raises:
        MissingFrameError: nothing is there; the message says what is there instead.
        InputError: the folder holds no images, or images of several kinds, or it cannot be read; a name is not UTF-8.
        UnreadableImageError: the movie is damaged.
    """
    try:
        found = _opened(Path(files).expanduser())
    except OSError as error:
        raise InputError(f"{files} cannot be read ({error.strerror}); check its permissions, or the disk it is on.") from error
    for file in found.files.values():
        try:
            file.name.encode()
        except UnicodeEncodeError as error:  # image libraries name files in UTF-8 only
            raise InputError(f"{str(file)!a} is not UTF-8, as names of files have to be; rename the frames.") from error
    return found


def _opened(path: Path) -> Sequence:
    if path.is_file():
        if path.suffix.lower() in MOVIE_SUFFIXES:
            return Sequence(str(path), {}, Movie(path))
        return Sequence(str(path), {_last_number(path.stem): path})
    if path.is_dir():
        return _folder(path)
    if not path.parent.is_dir():
        raise MissingFrameError(f"The folder {path.parent} does not exist; check the path of {path.name}.")
    if _TOKEN.search(path.name):
        return _pattern(path)
    there = _similar(path)
    raise MissingFrameError(f"{path} does not exist; name a pattern such as scan.####.exr, a folder or a movie file. {there}")


def output_path(pattern: Path | str, frame: int) -> Path:
    """The file that a pattern gives for a frame: ``out.####.exr`` and 7 give ``out.0007.exr``, -7 gives ``out.-007.exr``.

    ``####``, ``@@@@`` and ``%04d`` all mean what ``%04d`` means in C: at least four characters, the sign among them.
    """
    path = Path(pattern)
    return path.with_name(_TOKEN.sub(lambda token: _spell(token.group(1), frame), path.name, count=1))


def require_token(pattern: Path | str, count: int = 2) -> None:
    """Refuse an output name under which ``count`` frames cannot be written.

    Raises:
        UsageError: the name has no place for the frame number, though there are several frames, or no suffix of a still.
    """
    path = Path(pattern)
    if path.suffix.lower() not in WRITABLE or (count > 1 and not _TOKEN.search(path.name)):
        kinds = ", ".join(WRITABLE)
        raise UsageError(
            f"The output '{pattern}' needs a place for the frame number and a suffix ({kinds}), as in recovered.####.exr."
        )


def _spell(token: str, frame: int) -> str:
    digits = re.sub(r"[^0-9]", "", token)
    width = len(token) if token[0] in "#@" else int(digits or 0)
    return f"{frame:0{max(width, 1)}d}"


def _pattern(path: Path) -> Sequence:
    token = _TOKEN.search(path.name)
    assert token is not None
    width = len(_spell(token.group(1), 0))
    # Some programs do not count the sign: -0007 is read as well as -007.
    number = rf"(-\d{{{max(width - 1, 1)},}}|\d{{{width},}})"
    # An umlaut is one character or two, as the system likes that wrote the name.
    before, after = (re.escape(_composed(part)) for part in (path.name[: token.start()], path.name[token.end() :]))
    name = re.compile(before + number + after, re.ASCII)
    files: dict[int, Path] = {}
    for entry in sorted(path.parent.iterdir()):
        match = name.fullmatch(_composed(entry.name))
        frame = int(match.group(1)) if match else 0
        if match and match.group(1) in (_spell(token.group(1), frame), f"-{abs(frame):0{width}d}"):
            files.setdefault(frame, entry)
    if not files:
        raise MissingFrameError(f"No frame matches {path.name} in {path.parent}; {_similar(path)}")
    return Sequence(str(path), files)


def _folder(folder: Path) -> Sequence:
    stills = sorted(entry for entry in folder.iterdir() if _is_still(entry))
    if not stills:
        raise InputError(f"The folder {folder} holds no images ({', '.join(STILL_SUFFIXES)}); name another folder.")
    kinds = sorted({still.suffix.lower() for still in stills})
    if len(kinds) > 1:
        found = ", ".join(kinds)
        raise InputError(f"The folder {folder} holds several kinds of images ({found}); name one, as in {folder}/####.exr.")
    numbers = _numbers(still.stem for still in stills)
    return Sequence(str(folder), dict(zip(numbers or range(1, len(stills) + 1), stills, strict=True)))


def _numbers(stems: Iterable[str]) -> list[int] | None:
    """The one number in which the names differ; None unless they are otherwise the same."""
    names = list(stems)
    if len(names) == 1:
        return [_last_number(names[0])]
    found = [_NUMBER.findall(name) for name in names]
    if len({_NUMBER.sub("#", name) for name in names}) > 1 or not found[0]:
        return None
    columns = [column for column in zip(*found, strict=True) if len(set(column)) > 1]
    if len(columns) != 1 or max(map(len, columns[0])) > _LONGEST_NUMBER:
        return None
    numbers = [int(text) for text in columns[0]]
    return numbers if len(set(numbers)) == len(numbers) else None


def _last_number(stem: str) -> int:
    numbers = list(_NUMBER.finditer(stem))
    if not numbers or numbers[-1].end() != len(stem) or len(numbers[-1].group()) > _LONGEST_NUMBER:
        return 1
    return int(numbers[-1].group())


def _similar(path: Path) -> str:
    """What the folder holds instead, as the end of a sentence."""
    names = sorted(e.name for e in path.parent.iterdir() if _is_still(e) or e.suffix.lower() in MOVIE_SUFFIXES)
    near = difflib.get_close_matches(path.name, names, 3, 0.5) or names[:3]
    return f"{path.parent} holds for instance {', '.join(near)}." if near else f"{path.parent} holds no images."


def _is_still(entry: Path) -> bool:
    return entry.suffix.lower() in STILL_SUFFIXES and not entry.name.startswith(".")


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)
