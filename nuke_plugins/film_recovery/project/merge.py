"""Taking only the learned part into the original, as compositors do it: merge modes *Color* and *Luminosity*."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from film_recovery.images.colour import swap_luma
from film_recovery.images.encodings import decode, encode

FloatArray = npt.NDArray[np.float32]


def merge(
    original: npt.ArrayLike, recovered: npt.ArrayLike, mode: Literal["color", "luminosity"], encoding: str, matrix: str
) -> FloatArray:
    """Merge a recovered picture into its original; both (H, W, 3) in the working space.

    The non-separable blend modes of the W3C (Compositing and Blending Level 1, section 10.2) with the recovered picture as the
    upper layer: ``color`` is ``SetLum(recovered, Lum(original))``, ``luminosity`` is ``SetLum(original, Lum(recovered))``. They
    are done in the coded domain, with the exact luma of ``matrix`` in place of the rounded 0.3, 0.59, 0.11, and without
    ``ClipColor``, which would clamp.
    """
    below = np.asarray(encode(np.asarray(original, np.float32), encoding), np.float32)
    above = np.asarray(encode(np.asarray(recovered, np.float32), encoding), np.float32)
    merged = swap_luma(above, below, matrix) if mode == "color" else swap_luma(below, above, matrix)
    return np.asarray(decode(merged, encoding), np.float32)
