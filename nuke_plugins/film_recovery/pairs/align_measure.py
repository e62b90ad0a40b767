"""What alignment measures of every pair, one pair at a time, kept on disk so that a stopped run goes on where it was."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from film_recovery.contract.atomic import atomic_path
from film_recovery.contract.errors import MissingFrameError, UnreadableImageError
from film_recovery.contract.processors import processors
from film_recovery.elements.in_order import Done, in_order
from film_recovery.elements.survey import small_pictures
from film_recovery.images.frame import Frame
from film_recovery.pairs.align_pictures import Elements
from film_recovery.pairs.alignment import Aligned, Measured, laid
from film_recovery.pairs.deformation import NO_WARP
from film_recovery.pairs.geometry import square
from film_recovery.pairs.overlays import Box, one_sided
from film_recovery.pairs.registration import register
from film_recovery.pairs.residual import Agreement, Blocks, agreement_of_blocks, find_blocks

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]

WORKERS = min(2, processors())  # OpenCV uses the other cores inside of each
_VERSION = 1


@dataclass(frozen=True)
class Look:
    """The first look at a pair: how it lies when registered alone, and what else will be asked of it.

    ``thumbnail`` uint8 (54, 96, 3) is the source's; ``levels`` are the mean coded values of both sides, ``contrasts`` their
    standard deviations; ``overlays`` is what one side has alone, working pixels. ``problem`` says why a pair could not be read.
    """

    measured: Measured | None
    thumbnail: ByteArray
    levels: tuple[float, float]
    contrasts: tuple[float, float]
    overlays: list[Box]
    problem: str = ""


def each_in_order(work: Callable[[int], Done], frames: list[int], workers: int = WORKERS) -> Iterator[tuple[int, Done]]:
    """``work`` of every frame by a few threads, yielded in order; only a few results wait."""
    return zip(frames, in_order(work, frames, workers), strict=True)


def look(elements: Elements, frame: int, partner: int, cache: Path) -> Look:
    """The first look at a pair, from the cache where it is known. Raises :class:`InputError` for a picture of another size."""
    key = _key(elements, frame, partner)
    path = cache / "looks" / f"{frame}.npz"
    known = _load_look(path, key, frame, partner)
    if known is not None:
        return known
    try:
        ours, theirs = elements.read(frame, partner)
    except (MissingFrameError, UnreadableImageError) as error:
        return Look(None, np.zeros((54, 96, 3), np.uint8), (0.0, 0.0), (0.0, 0.0), [], str(error))
    found = register(ours, theirs, *elements.areas, start=elements.start, masks=elements.masks)
    assert found.blocks is not None
    measured = Measured(frame, partner, np.asarray(np.linalg.inv(square(found.matrix))), found.blocks, found.matches)
    overlays: list[Box] = []
    if found.matches:
        alone = Aligned(frame, partner, measured.matrix, np.array(NO_WARP), True)
        moved, mask = laid(ours, theirs, alone, elements.areas, elements.masks)
        overlays = one_sided(ours, moved, mask)
    area, other = elements.areas
    inner = [area.cut(ours), other.cut(theirs)]
    thumbnail, _ = small_pictures(Frame.from_rgb(ours, pixel_type="uint16"))
    result = Look(
        measured,
        thumbnail,
        (float(inner[0].mean()), float(inner[1].mean())),
        (float(inner[0].std(axis=(0, 1)).max()), float(inner[1].std(axis=(0, 1)).max())),
        overlays,
    )
    _save_look(path, key, result)
    return result


def judge(elements: Elements, aligned: Aligned, masks: list[list[int]], cache: Path) -> Agreement:
    """How well a pair lies after all, measured anew with other blocks than the fit's; from the cache where it is known."""
    key = _key(elements, aligned.source, aligned.reference, [aligned.matrix.tolist(), aligned.warp.tolist(), masks])
    path = cache / "judged" / f"{aligned.source}.json"
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        if known["key"] == key:
            return Agreement(*(float("inf") if value is None else float(value) for value in known["agreement"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass  # absent or damaged: measured anew
    found = agreement_of_blocks(final_blocks(elements, aligned, masks))
    values = [found.residual_px, found.residual_p95, found.correlation, found.found]
    text = json.dumps({"key": key, "agreement": [value if np.isfinite(value) else None for value in values]})
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return found


def final_blocks(elements: Elements, aligned: Aligned, masks: list[list[int]]) -> Blocks:
    """Blocks of an aligned pair, working pixels; half a block beside those that alignment went by."""
    ours, theirs = elements.read(aligned.source, aligned.reference)
    moved, mask = laid(ours, theirs, aligned, elements.areas, masks)
    return find_blocks(ours, moved, mask, beside=True)


def _key(elements: Elements, frame: int, partner: int, more: Any = None) -> str:
    """A hash of all that a result depends on: files, their state, and how they are looked at."""
    stamps = []
    for sequence, number in ((elements.source, frame), (elements.reference, partner)):
        path = Path(sequence.name) if sequence.is_movie else sequence.files.get(number)
        status = os.stat(path) if path is not None and path.exists() else None
        stamps.append([str(path), number, [status.st_size, status.st_mtime_ns] if status else None])
    start = None if elements.start is None else np.round(elements.start, 6).tolist()
    areas = [[area.x, area.y, area.width, area.height] for area in elements.areas]
    parts = [_VERSION, stamps, elements.sizes, elements.ratios, areas, elements.mirrored, start, elements.masks, more]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _save_look(path: Path, key: str, found: Look) -> None:
    pair = found.measured
    assert pair is not None
    stream = io.BytesIO()
    figures = np.array([pair.blocks.structured, pair.blocks.correlation, pair.matches], np.float64)
    np.savez(
        stream, key=np.array(key), matrix=pair.matrix, points=pair.blocks.points, shifts=pair.blocks.shifts, figures=figures,
        thumbnail=found.thumbnail, levels=np.array([found.levels, found.contrasts], np.float64),
        overlays=np.array(found.overlays, np.int64).reshape(-1, 4),
    )  # fmt: skip
    with atomic_path(path) as temporary:
        temporary.write_bytes(stream.getvalue())


def _load_look(path: Path, key: str, frame: int, partner: int) -> Look | None:
    try:
        with np.load(path, allow_pickle=False) as stored:
            if str(stored["key"]) != key:
                return None
            structured, correlation, matches = stored["figures"].tolist()
            blocks = Blocks(stored["points"], stored["shifts"], int(structured), correlation)
            levels = stored["levels"].tolist()
            return Look(
                Measured(frame, partner, stored["matrix"], blocks, bool(matches)),
                stored["thumbnail"],
                (levels[0][0], levels[0][1]),
                (levels[1][0], levels[1][1]),
                [(box[0], box[1], box[2], box[3]) for box in stored["overlays"].tolist()],
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None  # absent or damaged: looked at anew
