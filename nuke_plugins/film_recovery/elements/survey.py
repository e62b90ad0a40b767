"""One walk through an element: a small, grain-free picture of every frame, kept on disk so that nothing is read twice.

A reel of 10 000 frames gives 170 MB of thumbnails in one memory-mapped file; of the frames themselves only a few are in memory.
A frame is read again only when its file has changed.
"""

from __future__ import annotations

import json
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.contract.atomic import storage_errors, write_json
from film_recovery.contract.errors import StoppedError, UnreadableImageError
from film_recovery.contract.progress import Reporter, SilentReporter
from film_recovery.images.encodings import encode
from film_recovery.images.frame import Frame
from film_recovery.images.sequence import Sequence

THUMBNAIL = (96, 54)  # width, height; every aspect is stretched to it
_WORKERS = min(4, os.cpu_count() or 1)
_SAVE_EVERY = 250  # frames between two notes of what is done
_VERSION = 1
FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Survey:
    """What is known of every frame of an element.

    ``frames`` (N,) are the frame numbers, ascending. ``thumbnails`` (N, 54, 96, 3) uint8 are display-coded, averaged over the
    pixels of the whole frame; row ``i`` belongs to ``frames[i]``. ``broken`` names frames that could not be read, with the
    reason; their thumbnails are black. ``size`` is (width, height) of the first frame that could be read.
    """

    name: str
    frames: npt.NDArray[np.int64]
    thumbnails: ByteArray
    broken: dict[int, str]
    size: tuple[int, int]


def survey_element(sequence: Sequence, cache: Path, reporter: Reporter = SilentReporter()) -> Survey:
    """Read every frame of an element once.

    Args:
        sequence: the element.
        cache: folder for the thumbnails, ``thumbnails.npy`` and ``survey.json``; what is there and still true is used again.
        reporter: hears of every frame; asked to stop, what was read so far is kept.

    Raises:
        UnreadableImageError: not one frame can be read.
        StoppedError: the reporter asked to stop.
        StorageError: the cache cannot be written.
    """
    frames = sequence.frames
    cache = Path(cache)
    with storage_errors(cache):
        cache.mkdir(parents=True, exist_ok=True)
        store, is_old = _open_store(cache / "thumbnails.npy", len(frames))
        known = _load_known(cache, sequence, frames) if is_old else {}
    stamps = [_stamp(sequence, frame) for frame in frames]
    entries: dict[int, dict[str, Any]] = {
        index: known[frame] for index, frame in enumerate(frames) if known.get(frame, {}).get("stamp") == stamps[index]
    }
    wanted = [index for index in range(len(frames)) if index not in entries]
    try:
        for done, (index, thumbnail, size, problem) in enumerate(_read_all(sequence, frames, wanted), start=1):
            store[index] = thumbnail
            entries[index] = {"stamp": stamps[index], "size": size, "problem": problem}
            reporter.progress(done, len(wanted), "frame")
            if done % _SAVE_EVERY == 0:
                _save(cache, sequence, frames, entries, store)
            if reporter.should_stop():
                raise StoppedError(
                    f"Stopped after {done} of {len(wanted)} frames of {sequence.name}; they need not be read again."
                )
    finally:
        _save(cache, sequence, frames, entries, store)
    broken = {frames[index]: str(entry["problem"]) for index, entry in sorted(entries.items()) if entry["problem"]}
    sizes = [entry["size"] for _, entry in sorted(entries.items()) if not entry["problem"]]
    if not sizes:
        raise UnreadableImageError(f"Not one frame of {sequence.name} can be read: {next(iter(broken.values()))}")
    width, height = sizes[0]
    return Survey(sequence.name, np.array(frames, np.int64), store, broken, (int(width), int(height)))


def thumbnail_of(frame: Frame) -> ByteArray:
    """The small picture of a frame: display-coded, (54, 96, 3) uint8, every pixel the mean of what it covers."""
    rgb = np.nan_to_num(frame.rgb, posinf=1.0, neginf=0.0)
    # Twice the size first: coding so few pixels costs nothing, and the mean of coded values is what an eye would see.
    interpolation = cv2.INTER_AREA if rgb.shape[1] > 2 * THUMBNAIL[0] else cv2.INTER_LINEAR
    twice = np.asarray(cv2.resize(rgb, (2 * THUMBNAIL[0], 2 * THUMBNAIL[1]), interpolation=interpolation), np.float32)
    coded = np.asarray(encode(twice, "none" if frame.is_coded else "display"), np.float32)
    small = cv2.resize(np.clip(coded, 0.0, 1.0), THUMBNAIL, interpolation=cv2.INTER_AREA)
    return np.asarray(np.rint(small * 255.0), np.uint8)


_Read = tuple[int, ByteArray, tuple[int, int], str]


def _read_all(sequence: Sequence, frames: list[int], wanted: list[int]) -> Any:
    """Thumbnails of ``frames[index]`` for every wanted index, in that order; stills by several threads."""

    def read(index: int) -> _Read:
        try:
            frame = sequence.read(frames[index])
        except UnreadableImageError as error:
            return index, np.zeros((THUMBNAIL[1], THUMBNAIL[0], 3), np.uint8), (0, 0), str(error)
        return index, thumbnail_of(frame), (frame.rgb.shape[1], frame.rgb.shape[0]), ""

    if sequence.is_movie:  # one decoder, one direction
        yield from map(read, wanted)
        return
    pending: deque[Future[_Read]] = deque()
    with ThreadPoolExecutor(_WORKERS) as pool:
        try:
            for index in wanted:
                pending.append(pool.submit(read, index))
                if len(pending) > 2 * _WORKERS:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _stamp(sequence: Sequence, frame: int) -> list[int]:
    """Size and time of a frame's file: enough to see that it was written anew."""
    path = Path(sequence.name) if sequence.is_movie else sequence.path(frame)
    assert path is not None
    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns]


def _load_known(cache: Path, sequence: Sequence, frames: list[int]) -> dict[int, dict[str, Any]]:
    """What an earlier walk wrote of the same frames, by frame; nothing when it does not fit."""
    try:
        record = json.loads((cache / "survey.json").read_text(encoding="utf-8"))
        if (record["version"], record["name"], record["frames"]) != (_VERSION, sequence.name, frames):
            return {}
        return {frames[int(index)]: entry for index, entry in record["entries"].items()}
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        return {}


def _open_store(path: Path, count: int) -> tuple[ByteArray, bool]:
    """The thumbnails on disk, writable, and whether they were there before."""
    shape = (count, THUMBNAIL[1], THUMBNAIL[0], 3)
    try:
        found = np.load(path, mmap_mode="r+")
        if found.shape == shape and found.dtype == np.uint8:
            return np.asanyarray(found), True
    except (OSError, ValueError):
        pass  # absent or damaged: made anew, and every frame is read again
    return np.asanyarray(np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)), False


def _save(cache: Path, sequence: Sequence, frames: list[int], entries: dict[int, dict[str, Any]], store: ByteArray) -> None:
    if isinstance(store, np.memmap):
        store.flush()
    write_json(
        cache / "survey.json",
        {
            "version": _VERSION,
            "name": sequence.name,
            "frames": frames,
            "entries": {str(k): v for k, v in sorted(entries.items())},
        },
    )
