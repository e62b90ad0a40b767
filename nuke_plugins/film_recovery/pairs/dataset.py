"""The dataset folder: aligned, cropped pairs with their targets, and a manifest that says how they came about.

``source/``, ``reference/`` and ``target/`` hold 32-bit float EXR, losslessly compressed, in the working space of the inputs.
The source is stored as it is in the element: the balance is applied when targets are made and again inside the model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from film_recovery.contract.atomic import remove_partials
from film_recovery.contract.errors import InputError, StoppedError
from film_recovery.contract.hashes import file_sha256
from film_recovery.contract.job import TrainingJob
from film_recovery.contract.progress import Reporter, SilentReporter
from film_recovery.images.encodings import from_linear, to_linear
from film_recovery.images.frame import Frame
from film_recovery.images.io import read_frame, write_frame
from film_recovery.pairs.balance import DensityBalance, fit_balance
from film_recovery.pairs.confidence import pair_trust
from film_recovery.pairs.crop import cut
from film_recovery.pairs.gather import Gathered, GatheredPair, gather
from film_recovery.pairs.manifest import FILE_NAME, PARTS, Manifest, PairRecord, finite, load_manifest
from film_recovery.pairs.registration import warp
from film_recovery.pairs.rules import Finding, Range, raise_on_errors, verify_target
from film_recovery.pairs.targets import make_target

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Pair:
    """One pair: float32 (H, W, 3) each, working space, cropped, on the source's pixels. ``source`` is not balanced.

    ``trust`` (H, W), 0..1, is how far each pixel is to be believed; None: all alike.
    """

    frame: int
    held_out: bool
    source: FloatArray
    reference: FloatArray
    target: FloatArray
    trust: FloatArray | None = None


@dataclass(frozen=True)
class Dataset:
    """Everything that training and review need, in memory; pairs ascend by frame."""

    manifest: Manifest
    pairs: list[Pair]

    @property
    def training(self) -> list[Pair]:
        """The pairs to learn from."""
        return [pair for pair in self.pairs if not pair.held_out]

    @property
    def held_out(self) -> list[Pair]:
        """The pairs to judge with."""
        return [pair for pair in self.pairs if pair.held_out]


def build_dataset(job: TrainingJob, folder: Path, reporter: Reporter | None = None) -> Dataset:
    """Verify, align, crop, balance and write the pairs of a job into ``folder``.

    Nothing is written before every pair is verified, and ``manifest.json`` comes last.

    Raises:
        InputError: an element does not exist, does not fit the other, or ``folder`` already holds a dataset.
        VerificationError: the inputs must not be trained on; all errors are listed.
        UsageError: the job contradicts itself.
        StoppedError: the reporter asked to stop; the next call begins anew.
        StorageError: the disk is full, read-only or failing.
    """
    job.check()
    folder, tell = Path(folder), reporter or SilentReporter()
    if (folder / FILE_NAME).exists():
        raise InputError(f"{folder} already holds a dataset; choose another folder, or load this one.")
    gathered = gather(job, tell)
    raise_on_errors(gathered.findings)
    for finding in gathered.findings:
        tell.note(finding.message)
    pictures = _aligned(gathered, tell)
    trusts = [_trust(job.task, source, reference, gathered) for source, reference in pictures]
    balance = _balance(job, gathered, pictures, trusts)
    pairs = []
    for found, (source, reference), trust in zip(gathered.pairs, pictures, trusts, strict=True):
        balanced = apply_balance(source, balance, gathered.encoding)
        target = make_target(job.task, balanced, reference, gathered.encoding, job.matrix)
        raise_on_errors(verify_target(found.frame, target))
        pairs.append(Pair(found.frame, found.held_out, source, reference, target, trust))
    tell.stage(f"Writing {len(pairs)} pairs")
    _clear_unfinished(folder)
    records = []
    for index, (pair, found) in enumerate(zip(pairs, gathered.pairs, strict=True)):
        if tell.should_stop():
            raise StoppedError(f"Stopped while writing the pairs in {folder}; run again to build them anew.")
        records.append(_write(folder, pair, found))
        tell.progress(index + 1, len(pairs), "pair")
    manifest = _manifest(job, gathered, balance, records)
    manifest.save(folder)
    return Dataset(manifest, pairs)


def load_dataset(folder: Path, verify_hashes: bool = True) -> Dataset:
    """Read a dataset folder.

    Raises:
        InputError: it is unfinished, a file is gone, or (with ``verify_hashes``) a file is not the one that was written.
        UnreadableImageError: a file is damaged.
    """
    folder = Path(folder)
    manifest = load_manifest(folder)
    pairs = []
    for record in manifest.pairs:
        parts = {part: _read(folder / record.file(part), record.sha256.get(part) if verify_hashes else None) for part in PARTS}
        trust = None
        if manifest.task != "as-is":
            trust = pair_trust(parts["source"], parts["reference"], manifest.encoding, manifest.masks)
        pairs.append(Pair(record.frame, record.held_out, **parts, trust=trust))
    return Dataset(manifest, pairs)


def fit_job_balance(job: TrainingJob, reporter: Reporter | None = None) -> tuple[DensityBalance, list[Finding]]:
    """The density balance that the training pairs of a job give, and what was found about them; writes nothing.

    Raises:
        InputError: an element does not exist, or the two do not fit together.
        VerificationError: a pair must not be used.
        StoppedError: the reporter asked to stop.
    """
    job.check()
    tell = reporter or SilentReporter()
    gathered = gather(job, tell)
    raise_on_errors(gathered.findings)
    training = [parts for pair, parts in zip(gathered.pairs, _aligned(gathered, tell), strict=True) if not pair.held_out]
    trusts = [_trust(job.task, source, reference, gathered) for source, reference in training]
    return _fit(training, trusts, gathered.encoding), gathered.findings


def apply_balance(source: npt.ArrayLike, balance: DensityBalance | None, encoding: str) -> FloatArray:
    """The source as the model will see it: balanced in linear light, back in the working space; float32, same shape."""
    pixels = np.asarray(source, np.float32)
    if balance is None:
        return pixels
    return np.asarray(from_linear(balance.apply(to_linear(pixels, encoding)), encoding), dtype=np.float32)


def _aligned(gathered: Gathered, tell: Reporter) -> list[tuple[FloatArray, FloatArray]]:
    """Source and warped reference of every pair, cropped."""
    pictures = []
    for pair in gathered.pairs:
        if tell.should_stop():
            raise StoppedError("Stopped while aligning the pairs; nothing was written, so run it again.")
        source = gathered.source.read(pair.frame).rgb
        reference = gathered.reference.read(pair.reference_frame).rgb
        moved = warp(reference, pair.registration, source.shape[:2])
        pictures.append((cut(source, gathered.crop), cut(moved, gathered.crop)))
    return pictures


def _trust(task: str, source: FloatArray, reference: FloatArray, gathered: Gathered) -> FloatArray | None:
    """A target that somebody made may differ from the source in anything, so nothing tells what to believe of it."""
    return None if task == "as-is" else pair_trust(source, reference, gathered.encoding, _masks(gathered))


def _masks(gathered: Gathered) -> list[list[int]]:
    """The masks of the alignment, in the pixels of the cropped pictures."""
    return [[x - gathered.crop.x, y - gathered.crop.y, width, height] for x, y, width, height in gathered.masks]


def _balance(
    job: TrainingJob,
    gathered: Gathered,
    pictures: Sequence[tuple[FloatArray, FloatArray]],
    trusts: Sequence[FloatArray | None],
) -> DensityBalance | None:
    if not isinstance(job.balance, str):
        return DensityBalance.from_numbers(job.balance)
    if job.balance == "none" or (job.balance == "auto" and job.task != "chroma"):
        return None
    training = [index for index, pair in enumerate(gathered.pairs) if not pair.held_out]
    return _fit([pictures[index] for index in training], [trusts[index] for index in training], gathered.encoding)


def _fit(
    training: Sequence[tuple[FloatArray, FloatArray]], trusts: Sequence[FloatArray | None], encoding: str
) -> DensityBalance:
    def linear(side: int) -> Iterator[FloatArray]:  # one after the other: pictures that were coded become as large again
        return (np.asarray(to_linear(parts[side], encoding), np.float32) for parts in training)

    return fit_balance(linear(0), linear(1), trusts)


def _clear_unfinished(folder: Path) -> None:
    """Remove what an interrupted build left, so that a finished folder holds its own files and no others."""
    for part in PARTS:
        if (folder / part).is_dir():
            remove_partials(folder / part)
            for left in (folder / part).glob(f"{part}.*.exr"):
                left.unlink()


def _write(folder: Path, pair: Pair, found: GatheredPair) -> PairRecord:
    record = PairRecord(
        frame=pair.frame,
        reference_frame=found.reference_frame,
        held_out=pair.held_out,
        reason=found.reason,
        matrix=found.registration.matrix.tolist(),
        residual_px=finite(found.registration.residual_px),
        residual_p95=finite(found.registration.residual_p95),
        correlation=round(found.registration.correlation, 4),
        sha256={},
        warp=[] if found.registration.warp is None else found.registration.warp.tolist(),
    )
    for part in PARTS:
        path = folder / record.file(part)
        write_frame(path, Frame.from_rgb(getattr(pair, part), pixel_type="float"), pixel_type="float", compression="zip")
        record.sha256[part] = file_sha256(path)
    return record


def _read(path: Path, expected: str | None) -> FloatArray:
    if not path.is_file():
        raise InputError(f"{path} of the dataset is gone; restore it, or build the dataset again.")
    if expected is not None and file_sha256(path) != expected:
        raise InputError(f"{path} was changed since the dataset was built; restore it, or build the dataset again.")
    return read_frame(path).rgb


def _manifest(
    job: TrainingJob, gathered: Gathered, balance: DensityBalance | None, records: list[PairRecord]
) -> Manifest:
    crop = gathered.crop
    return Manifest(
        task=job.task,
        encoding=gathered.encoding,
        matrix=job.matrix,
        kept=job.kept,
        balance=None if balance is None else balance.numbers,
        crop=[crop.x, crop.y, crop.width, crop.height],
        source=gathered.source.name,
        reference=gathered.reference.name,
        reference_offset=job.reference_offset,
        domain={"source": _domain(gathered.source_ranges), "reference": _domain(gathered.reference_ranges)},
        findings=[dataclasses.asdict(finding) for finding in gathered.findings],
        pairs=records,
        masks=_masks(gathered),
    )


def _domain(ranges: dict[int, Range]) -> dict[str, Any]:
    return {
        "lowest": min(found.lowest for found in ranges.values()),
        "highest": max(found.highest for found in ranges.values()),
        "share_above_1.25": round(float(np.mean([found.above for found in ranges.values()])), 6),
        "share_below_-0.02": round(float(np.mean([found.below for found in ranges.values()])), 6),
    }
