"""What a dataset folder says of itself: ``manifest.json``, written last, so that its presence means that all is there."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from film_recovery.contract.errors import InputError
from film_recovery.contract.records import load_entries, load_record, save_record

SCHEMA, VERSION = "film-recovery/dataset", 1
FILE_NAME = "manifest.json"
PARTS = ("source", "reference", "target")


@dataclass(frozen=True)
class PairRecord:
    """One pair. ``matrix`` (2x3) takes source pixels to reference pixels, both uncropped. ``residual_px`` and
    ``residual_p95`` are None where nothing could be measured. ``sha256`` is by part: source, reference, target. ``warp`` holds
    the coefficients of :mod:`film_recovery.pairs.deformation` (2 rows of 7, source pixels, applied before the matrix), or
    nothing."""

    frame: int
    reference_frame: int
    held_out: bool
    reason: str
    matrix: list[list[float]]
    residual_px: float | None
    residual_p95: float | None
    correlation: float
    sha256: dict[str, str]
    warp: list[list[float]] = field(default_factory=list)

    def file(self, part: str) -> str:
        """Path of one of :data:`PARTS`, relative to the dataset folder."""
        return f"{part}/{part}.{self.frame:04d}.exr"


@dataclass(frozen=True)
class Manifest:
    """A whole dataset. ``crop`` is [x, y, width, height] of the source's data window, row 0 on top; ``balance`` the 12 numbers
    of the density balance that the targets were made with, or None; ``domain`` the range of values of each element;
    ``findings`` the warnings of verification; ``masks`` rectangles [x, y, width, height] of the cropped pictures that are not
    trained on."""

    task: str
    encoding: str
    matrix: str
    kept: str
    balance: list[float] | None
    crop: list[int]
    source: str
    reference: str
    reference_offset: int
    domain: dict[str, dict[str, Any]]
    findings: list[dict[str, Any]]
    pairs: list[PairRecord]
    masks: list[list[int]] = field(default_factory=list)

    def save(self, folder: Path) -> None:
        """Write ``manifest.json`` into the dataset folder, whole or not at all."""
        save_record(folder / FILE_NAME, self, SCHEMA, VERSION)


def load_manifest(folder: Path) -> Manifest:
    """Read a dataset's manifest. Raises :class:`InputError` when it is absent, damaged or of another version."""
    path = Path(folder) / FILE_NAME
    if not path.is_file():
        raise InputError(f"{folder} holds no finished dataset ({FILE_NAME} is missing); build it again.")
    manifest = load_record(path, Manifest, SCHEMA, VERSION)
    return dataclasses.replace(manifest, pairs=load_entries(PairRecord, manifest.pairs, path, "pair"))


def finite(value: float) -> float | None:
    """The number rounded for the record, or None where it is not finite (JSON has no infinity)."""
    return round(value, 4) if math.isfinite(value) else None
