"""Alignments that were made before: from ``align.json`` to what a training registers pairs by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from film_recovery.contract.curation import AlignmentRecord, FrameAlignment, are_exchanged, load_alignment
from film_recovery.contract.errors import InputError
from film_recovery.pairs.deformation import NO_WARP, fit_warp, reference_points
from film_recovery.pairs.geometry import square
from film_recovery.pairs.registration import Registration

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RecordedAlignment:
    """The entries of one ``align.json`` by source frame."""

    path: Path
    record: AlignmentRecord
    entries: dict[int, FrameAlignment]

    def registration(self, frame: int, reference: int, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> Registration:
        """How a pair lies by the record; a rejected pair does not match.

        Args:
            shapes: (height, width, …) of the source's and the reference's picture.

        Raises:
            InputError: the pair is not in the record, or the pictures have another size than those that were aligned.
        """
        entry = self.entries.get(frame)
        if entry is None or entry.reference != reference:
            raise InputError(
                f"{self.path} does not align source frame {frame} with reference frame {reference}; align this pair too."
            )
        sizes = [[shape[1], shape[0]] for shape in shapes]
        if sizes != [self.record.source_size, self.record.reference_size]:
            raise InputError(
                f"{self.path} aligned pictures of {self.record.source_size} and {self.record.reference_size} pixels; "
                f"frame {frame} has {sizes[0]} and {sizes[1]}; align these files."
            )
        warps = {warp.name: np.asarray(warp.coefficients, np.float64) for warp in self.record.warps}
        matrix, warp = affine_part(np.asarray(entry.matrix), warps.get(entry.warp or "", NO_WARP), self.record.source_size)
        residual = float("inf") if entry.residual_px is None else entry.residual_px
        most = float("inf") if entry.residual_p95 is None else entry.residual_p95
        matches, doubt = entry.verdict != "rejected", "" if entry.verdict == "aligned" else entry.reason or entry.verdict
        bent = warp if np.any(warp) else None
        return Registration(matrix, residual, most, entry.correlation, matches, warp=bent, doubt=doubt)


def load_recorded(path: Path, elements: tuple[str, str]) -> RecordedAlignment:
    """Read an ``align.json`` for a source and a reference. Raises :class:`InputError` when it is absent or damaged, or laid the
    source on the reference."""
    record = load_alignment(path)
    if are_exchanged(record.source, record.reference, *elements):
        raise InputError(
            f"{path} lays {record.reference} on {record.source}, the other way round; run film-recovery align with "
            f"{elements[0]} as --source and {elements[1]} as --reference, and give its align.json."
        )
    return RecordedAlignment(Path(path), record, {entry.source: entry for entry in record.frames})


def affine_part(matrix: Matrix, warp: Matrix, size: list[int]) -> tuple[Matrix, Matrix]:
    """A projective matrix (3x3, reference to source) and a warp as an affine one (2x3, source to reference) and a warp.

    A keystone of 4 % is a polynomial of third degree to 0.07 px in the corners; what was affine stays exact.
    """
    plain = matrix / matrix[2, 2]
    if abs(plain[2, 0]) < 1e-12 and abs(plain[2, 1]) < 1e-12:
        return np.asarray(np.linalg.inv(plain)[:2]), np.asarray(warp)
    x, y = np.meshgrid(np.linspace(0, size[0] - 1, 24), np.linspace(0, size[1] - 1, 16))
    points = np.stack([x.ravel(), y.ravel()], axis=-1)
    there = reference_points(points, plain, warp, size)
    terms = np.column_stack([points, np.ones(len(points))])
    affine = square(np.linalg.lstsq(terms, there, rcond=None)[0].T)
    bent = NO_WARP
    for _ in range(3):  # what is left of an affine part goes into the matrix, and the rest is fitted again
        back = np.column_stack([there, np.ones(len(there))]) @ np.linalg.inv(affine).T
        rest, bent = fit_warp(points, back[:, :2] - points, np.ones(len(points)), size)
        step = np.eye(3)
        step[:2] += rest
        affine = affine @ step
    return np.asarray(affine[:2]), np.asarray(bent)
