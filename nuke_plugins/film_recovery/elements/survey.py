"""One walk through an element: small, grain-free pictures of every frame, kept on disk so that nothing is read twice.

A reel of 10 000 frames gives 370 MB in two memory-mapped files; of the frames themselves only a few are in memory. A frame is
read again only when its file has changed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.contract.atomic import atomic_path, make_folder, storage_errors, write_json
from film_recovery.contract.errors import MissingFrameError, StoppedError, UnreadableImageError
from film_recovery.contract.processors import processors
from film_recovery.contract.progress import Reporter, SilentReporter
from film_recovery.elements.in_order import in_order
from film_recovery.images.encodings import encode
from film_recovery.images.frame import Frame
from film_recovery.images.sequence import Sequence

THUMBNAIL = (96, 54)  # width, height; every aspect is stretched to it
DETAIL = (192, 108)
DETAIL_UNIT = 48.0  # whole numbers per unit of local contrast
_WORKERS = min(4, processors())
_SAVE_EVERY = 250  # frames between two notes of what is done
_VERSION = 2
_THUMBNAILS, _DETAILS, _RECORD = "thumbnails.npy", "details.npy", "survey.json"
FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Survey:
    """What is known of every frame of an element.

    ``frames`` (N,) are the frame numbers, ascending. ``thumbnails`` (N, 54, 96, 3) uint8 are display-coded, averaged over the
    pixels of the whole frame; row ``i`` belongs to ``frames[i]``. ``details`` (N, 108, 192) int8 hold :func:`detail_plane` of
    every frame times :data:`DETAIL_UNIT`. ``broken`` names frames that could not be read, with the reason; both their pictures
    are 0. ``size`` is (width, height) of the first frame that could be read.
    """

    name: str
    frames: npt.NDArray[np.int64]
    thumbnails: ByteArray
    details: npt.NDArray[np.int8]
    broken: dict[int, str]
    size: tuple[int, int]


def survey_element(sequence: Sequence, cache: Path, reporter: Reporter = SilentReporter()) -> Survey:
    """Read every frame of an element once.

    Args:
        sequence: the element.
        cache: folder for ``thumbnails.npy``, ``details.npy`` and ``survey.json``; what is there and still true is used again.
        reporter: hears of every frame; asked to stop, what was read so far is kept.

    Raises:
        UnreadableImageError: not one frame can be read.
        MissingFrameError: a file is gone.
        StoppedError: the reporter asked to stop.
        InputError: the cache is a file.
        StorageError: the cache cannot be written.
    """
    frames = sequence.frames
    cache = Path(cache)
    with storage_errors(cache):
        make_folder(cache)
        before, known = _load_known(cache, sequence)
        if before and before != frames:
            (cache / _RECORD).unlink(missing_ok=True)  # between the two stores it would tell of other rows than there are
            _move_rows(cache, before, frames)
        stores = _open_stores(cache, len(frames))
        if not stores.are_old:
            known = {}
        # Told at once, or what is there of another element, or in other rows, would seem to be of these frames.
        _save(cache, sequence, frames, {row: known[frame] for row, frame in enumerate(frames) if frame in known}, stores)
    stamps = [_stamp(sequence, frame) for frame in frames]
    entries: dict[int, dict[str, Any]] = {
        index: known[frame] for index, frame in enumerate(frames) if known.get(frame, {}).get("stamp") == stamps[index]
    }
    wanted = [index for index in range(len(frames)) if index not in entries]
    try:
        for done, (index, small, size, problem) in enumerate(_read_all(sequence, frames, wanted), start=1):
            if small is not None:
                stores.thumbnails[index], stores.details[index] = small
            else:
                stores.thumbnails[index], stores.details[index] = 0, 0
            entries[index] = {"stamp": stamps[index], "size": size, "problem": problem}
            reporter.progress(done, len(wanted), "frame")
            if done % _SAVE_EVERY == 0:
                _save(cache, sequence, frames, entries, stores)
            if reporter.should_stop():
                raise StoppedError(
                    f"Stopped after {done} of {len(wanted)} frames of {sequence.name}; they need not be read again."
                )
    finally:
        _save(cache, sequence, frames, entries, stores)
    broken = {frames[index]: str(entry["problem"]) for index, entry in sorted(entries.items()) if entry["problem"]}
    sizes = [entry["size"] for _, entry in sorted(entries.items()) if not entry["problem"]]
    if not sizes:
        raise UnreadableImageError(f"Not one frame of {sequence.name} can be read: {next(iter(broken.values()))}")
    width, height = sizes[0]
    return Survey(
        sequence.name, np.array(frames, np.int64), stores.thumbnails, stores.details, broken, (int(width), int(height))
    )


def small_pictures(frame: Frame) -> tuple[ByteArray, npt.NDArray[np.int8]]:
    """The thumbnail of a frame, (54, 96, 3) uint8, display-coded, every pixel the mean of what it covers; and its detail."""
    rgb = frame.finite_rgb()
    interpolation = cv2.INTER_AREA if rgb.shape[1] > DETAIL[0] else cv2.INTER_LINEAR
    twice = np.asarray(cv2.resize(rgb, DETAIL, interpolation=interpolation), np.float32)
    coded = np.clip(np.asarray(encode(twice, "none" if frame.is_coded else "display"), np.float32), 0.0, 1.0)
    small = cv2.resize(coded, THUMBNAIL, interpolation=cv2.INTER_AREA)
    detail = np.rint(np.clip(detail_plane(coded) * DETAIL_UNIT, -127.0, 127.0))
    return np.asarray(np.rint(small * 255.0), np.uint8), detail.astype(np.int8)


def detail_plane(coded: FloatArray) -> FloatArray:
    """What a picture shows, blind to colour, fading, exposure and slow shading: float32 (H, W), about -2 to 2.

    Every channel of the display-coded picture (H, W, 3) is band-passed (Gaussians of 0.8 % and 6 % of the width, as standard
    deviations) and divided by its contrast nearby; a channel that lost most of its contrast counts as much as the others.
    """
    unit = coded.shape[1] / 192.0
    far = _wide_blur(coded, 12.0 * unit)
    detail = np.asarray(cv2.GaussianBlur(coded, (0, 0), 0.8 * unit), np.float32) - far
    nearby = np.sqrt(np.maximum(_wide_blur(detail * detail, 20.0 * unit), 0.0))
    floor = 0.5 * np.sqrt((detail * detail).mean(axis=(0, 1))) + 0.004  # what is flat stays flat
    return np.asarray((detail / (nearby + floor)).mean(axis=-1), np.float32)


def _wide_blur(picture: FloatArray, sigma: float) -> FloatArray:
    """A wide Gaussian by way of a quarter of the size."""
    size = (max(picture.shape[1] // 4, 1), max(picture.shape[0] // 4, 1))
    small = cv2.GaussianBlur(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), (0, 0), sigma / 4.0)
    back = cv2.resize(small, (picture.shape[1], picture.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(back, np.float32)


_Small = tuple[ByteArray, npt.NDArray[np.int8]]
_Read = tuple[int, _Small | None, tuple[int, int], str]


def _read_all(sequence: Sequence, frames: list[int], wanted: list[int]) -> Iterator[_Read]:
    """Small pictures of ``frames[index]`` for every wanted index, in that order; stills by several threads."""

    def read(index: int) -> _Read:
        try:
            frame = sequence.read(frames[index])
        except UnreadableImageError as error:
            return index, None, (0, 0), str(error)
        return index, small_pictures(frame), (frame.rgb.shape[1], frame.rgb.shape[0]), ""

    if sequence.is_movie:  # one decoder, one direction
        yield from map(read, wanted)
    else:
        yield from in_order(read, wanted, _WORKERS)


def _stamp(sequence: Sequence, frame: int) -> list[int]:
    """Size and time of a frame's file: enough to see that it was written anew."""
    path = Path(sequence.name) if sequence.is_movie else sequence.path(frame)
    assert path is not None
    try:
        status = os.stat(path)
    except OSError as error:
        raise MissingFrameError(f"{path} is not there ({error.strerror}); check the folder, or the link.") from error
    return [status.st_size, status.st_mtime_ns]


def _load_known(cache: Path, sequence: Sequence) -> tuple[list[int], dict[int, dict[str, Any]]]:
    """The frames of an earlier walk, a row each, and what it wrote of them, by frame; nothing when it does not fit."""
    try:
        record = json.loads((cache / _RECORD).read_text(encoding="utf-8"))
        if (record["version"], record["name"]) != (_VERSION, sequence.name):
            return [], {}
        frames = [int(frame) for frame in record["frames"]]
        return frames, {frames[int(index)]: entry for index, entry in record["entries"].items()}
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        return [], {}


def _move_rows(cache: Path, before: list[int], frames: list[int]) -> None:
    """Give the stores a row for each of ``frames``; the pictures of those that were there ``before`` move with them."""
    row_of = {frame: row for row, frame in enumerate(before)}
    there = np.array([row for row, frame in enumerate(frames) if frame in row_of], np.int64)
    was = np.array([row_of[frames[row]] for row in there], np.int64)
    for path in (cache / _THUMBNAILS, cache / _DETAILS):
        try:
            old = np.load(path, mmap_mode="r")
        except (OSError, ValueError):
            continue  # absent or damaged: made anew
        if len(old) != len(before):
            continue
        with atomic_path(path) as temporary:
            new = _new_store(temporary, (len(frames), *old.shape[1:]), old.dtype.type)
            for start in range(0, len(there), _SAVE_EVERY):
                new[there[start : start + _SAVE_EVERY]] = old[was[start : start + _SAVE_EVERY]]
            new.flush()


@dataclass(frozen=True)
class _Stores:
    """The small pictures on disk, writable, and whether all of them were there before."""

    thumbnails: ByteArray
    details: npt.NDArray[np.int8]
    are_old: bool


def _open_stores(cache: Path, count: int) -> _Stores:
    thumbnails, first = _open_store(cache / _THUMBNAILS, (count, THUMBNAIL[1], THUMBNAIL[0], 3), np.uint8)
    details, second = _open_store(cache / _DETAILS, (count, DETAIL[1], DETAIL[0]), np.int8)
    return _Stores(thumbnails, details, first and second)


def _open_store(path: Path, shape: tuple[int, ...], kind: type[np.generic]) -> tuple[npt.NDArray[Any], bool]:
    try:
        found = np.load(path, mmap_mode="r+")
        if found.shape == shape and found.dtype == kind:
            return np.asanyarray(found), True
    except (OSError, ValueError):
        pass  # absent or damaged: made anew, and every frame is read again
    return _new_store(path, shape, kind), False


def _new_store(path: Path, shape: tuple[int, ...], kind: type[np.generic]) -> np.memmap[Any, Any]:
    """A mapped file whose room on the disk is taken at once: a page that finds none later kills the process."""
    store: np.memmap[Any, Any] = np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=shape)
    if hasattr(os, "posix_fallocate"):
        try:
            with open(path, "r+b") as stream:
                os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
        except OSError:
            path.unlink()  # of the right size and without room, it would be taken for a store by the next walk
            raise
    return store


def _save(cache: Path, sequence: Sequence, frames: list[int], entries: dict[int, dict[str, Any]], stores: _Stores) -> None:
    for store in (stores.thumbnails, stores.details):
        if isinstance(store, np.memmap):
            store.flush()
    known = {str(index): entry for index, entry in sorted(entries.items())}
    write_json(cache / _RECORD, {"version": _VERSION, "name": sequence.name, "frames": frames, "entries": known})
