"""The frames that a recovery writes: where they go, which of them are already there, and who else is writing them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from film_recovery.contract.atomic import left_half_written
from film_recovery.contract.errors import BusyError, FilmRecoveryError, InputError
from film_recovery.images.frame import CODED, Frame
from film_recovery.images.io import WRITABLE, read_frame, windows_in, write_frame
from film_recovery.images.sequence import Sequence, output_path, require_token

PREFIX = "film_recovery/"
# A frame with other values is another frame.
_ORIGIN = (
    "version", "model", "source_sha256", "header_sha256", "aces_from", "steadied", "beside", "grain", "confidence", "precision",
    "merged",
)  # fmt: skip
MERGED = PREFIX + "merged"  # how a recovery was merged into its source afterwards
_FLOATING = ("half", "float")
_CHANGES_BY_ITSELF = (PREFIX, "nuke/", "DateTime")
_FIT_HALF = ("half", "uint8", "uint10")  # pixel types whose values half keeps apart
_Signature = tuple[int, int, int]  # of a file; see _signature


class Outputs:
    """Output frames. Every file is whole or absent, and says in its header what made it of what.

    Several processes may share a folder as long as each frame has one model; see :meth:`write`.

    Args:
        pattern: such as ``recovered.####.exr``.
        frames: the frames that will be written.
        pixel_type: of the files; None for half in EXR, float where coded values are finer, and in integer files the depth of
            the source.
        linear: the result is linear light also where the source is coded.

    Raises:
        UsageError: the pattern has no place for the frame number or no known suffix.
        InputError: there is a file where the folder should be.
    """

    def __init__(self, pattern: Path | str, frames: Iterable[int], pixel_type: str | None, linear: bool = False) -> None:
        require_token(pattern)
        self.pattern, self.pixel_type, self.linear = Path(pattern).expanduser(), pixel_type, linear
        there = next((path for path in self.pattern.parents if path.exists()), Path())
        if not there.is_dir():
            raise InputError(f"{there} is a file, not a folder; choose another place for the output.")
        self._found = {frame: _signature(self.path(frame)) for frame in frames}
        self._written: dict[int, tuple[dict[str, str], _Signature | None]] = {}  # origin, and the file as it was written

    def path(self, frame: int) -> Path:
        """The file of a frame."""
        return output_path(self.pattern, frame)

    @property
    def can_tell(self) -> bool:
        """Whether the files say of what they were made, so that current ones can be skipped."""
        return self.pattern.suffix.lower() in (".exr", ".png")

    def refuse_overwriting(self, source: Sequence) -> None:
        """Raise :class:`InputError` if a frame of the input would be written over."""
        inputs = {path.resolve() for path in source.files.values()}
        if any(self.path(frame).resolve() in inputs for frame in self._found):
            raise InputError(f"The output {self.pattern} would overwrite its input; choose another folder or name.")

    def remove_leftovers(self) -> None:
        """Remove what killed processes left half-written of our frames; files of living processes and other frames stay."""
        if not self.pattern.parent.is_dir():
            return
        ours = {self.path(frame).name for frame in self._found}
        for entry in self.pattern.parent.iterdir():
            if left_half_written(entry) in ours:
                entry.unlink(missing_ok=True)

    def type_for(self, source: Frame) -> str | None:
        """The pixel type in which the result of ``source`` is written; None is the usual one of the kind of file.

        Raises:
            InputError: the result is linear light, which integers would cut at 0 and 1 and which would pass for coded values.
        """
        suffix = self.pattern.suffix.lower()
        if self.pixel_type is not None:
            return self.pixel_type
        if source.is_coded and not self.linear:
            if suffix == Path(source.source).suffix.lower():
                return source.pixel_type
            return "float" if suffix == ".exr" and source.pixel_type not in _FIT_HALF else None
        floating = next((kind for kind in WRITABLE.get(suffix, ()) if kind in _FLOATING), None)
        if floating is None:
            raise InputError(f"{self.pattern} would cut off linear light below 0 and above 1; write .exr instead.")
        return floating

    def is_current(self, frame: int, source: Frame, origin: dict[str, str]) -> bool:
        """Whether the file of a frame can be read to its last pixel and was made of this origin, in the type asked for."""
        found = _read_if_whole(self.path(frame))
        return (
            found is not None
            and _origin(found) == origin
            and self.pixel_type in (None, found.pixel_type)
            and (found.data_window, found.display_window) == windows_in(self.pattern.suffix.lower(), source)
        )

    def write(self, frame: int, result: Frame, source: Frame, origin: dict[str, str], notes: dict[str, str]) -> None:
        """Write a frame with its origin (hashes of model and source …) and ``notes`` in the header.

        Raises:
            BusyError: since we began, somebody else has written this frame with another model or from another source.
            InputError: the values do not fit the pixel type.
            StorageError: the disk is full, read-only or failing.
        """
        path = self.path(frame)

        def look_once_more(temporary: Path) -> None:
            self._refuse_another(path, self._found[frame], origin)
            self._written[frame] = origin, _signature(temporary)  # renaming keeps it

        self._refuse_another(path, self._found[frame], origin)
        metadata = {name: value for name, value in result.metadata.items() if not name.startswith(PREFIX)}  # of an earlier pass
        metadata |= {PREFIX + key: value for key, value in (*origin.items(), *notes.items())}
        kind = self.type_for(source)
        if source.is_coded and not self.linear and (kind or WRITABLE[path.suffix.lower()][0]) in _FLOATING:
            metadata[CODED] = 1
        write_frame(path, replace(result, metadata=metadata), kind, before_renaming=look_once_more)

    def check_kept(self) -> None:
        """Raise :class:`BusyError` if somebody else has meanwhile written over a frame of ours with another model."""
        for frame, (origin, written) in self._written.items():
            self._refuse_another(self.path(frame), written, origin)

    @staticmethod
    def _refuse_another(path: Path, known: _Signature | None, origin: dict[str, str]) -> None:
        if _signature(path) not in (None, known):
            other = _read_if_whole(path)
            if other is not None and _origin(other) not in ({}, origin):  # some kinds of file cannot say
                raise BusyError(
                    f"Another process has just written another {path}; give each model an output folder of its own."
                )


def header_sha256(frame: Frame) -> str:
    """Of what a header carries on, time codes among it, but for dates and what renderers write anew each time."""
    words = []
    for name, value in sorted(frame.metadata.items()):
        if not name.startswith(_CHANGES_BY_ITSELF):
            words.append(f"{name} {value[0]} {value[1]}" if isinstance(value, tuple) else f"{name} {value}")
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def _read_if_whole(path: Path) -> Frame | None:
    try:
        return read_frame(path)
    except FilmRecoveryError:
        return None


def _origin(frame: Frame) -> dict[str, str]:
    return {key: frame.metadata[PREFIX + key] for key in _ORIGIN if PREFIX + key in frame.metadata}


def _signature(path: Path) -> _Signature | None:
    """Changes whenever somebody writes the file anew; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
