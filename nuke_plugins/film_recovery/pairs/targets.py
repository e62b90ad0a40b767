"""What the network learns to produce: the recovery target of one aligned pair."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from film_recovery.contract.errors import UsageError
from film_recovery.images.colour import swap_luma
from film_recovery.images.encodings import decode, encode

FloatArray = npt.NDArray[np.float32]


def make_target(
    task: str, source: npt.ArrayLike, reference: npt.ArrayLike, encoding: str, matrix: str
) -> FloatArray:
    """The target of one pair: float32 (H, W, 3), working space, never clamped.

    Args:
        task: ``chroma`` takes coded Y from the source and coded Cb, Cr from the reference; ``spatial`` takes coded Y from the
            reference and coded Cb, Cr from the source; ``as-is`` is the reference itself.
        source: (H, W, 3), working space, any range; for chroma already balanced.
        reference: the same picture from the other element, aligned, same shape and space.
        encoding: the coding in which components are swapped, a name of :mod:`film_recovery.images.encodings`.
        matrix: the YCbCr matrix, a name of :mod:`film_recovery.images.colour`.

    Raises:
        UsageError: the shapes differ, or a name is unknown.
    """
    ours, theirs = np.asarray(source, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if ours.shape != theirs.shape:
        raise UsageError(f"Source and reference differ in shape, {ours.shape} and {theirs.shape}; align and crop them first.")
    if task == "as-is":
        return np.asarray(reference, dtype=np.float32)
    if task not in ("chroma", "spatial"):
        raise UsageError(f"Unknown task '{task}'; choose chroma, spatial or as-is.")
    coded_source, coded_reference = encode(ours, encoding), encode(theirs, encoding)
    colour_from, luma_from = (coded_reference, coded_source) if task == "chroma" else (coded_source, coded_reference)
    swapped = swap_luma(colour_from, luma_from, matrix).astype(np.float64)
    return np.asarray(decode(swapped, encoding), dtype=np.float32)
