"""By how much the levels of pairs differ because elements flicker, and not because the pictures show other things.

Flicker moves a whole frame alike; where one frame's residual differs from the others' from place to place, it is the colours of
the picture that the start does not meet, and taking them for flicker would take from the pairs what they have to teach. So a
level counts as far as the places agree on it (the shrinkage of James and Stein, *Estimation with quadratic loss*, 1961).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_PLACES = 4  # a side: medians of so many parts by so many tell whether a frame is off as a whole
_LEAST_BELIEVED = 0.3  # of the pixels of a place, for it to count
_NEIGHBOURS = 4.0  # places that show the same things, and count as one
_FEWEST = 3  # places that tell a level
_ROUNDS = 20  # until levels and what places have in common agree; where everything is believed, the first is enough
FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


def flicker_levels(residuals: Sequence[FloatArray], believed: Sequence[BoolArray]) -> npt.NDArray[np.float64]:
    """The level of each pair against the mean of all, (N, C), in the units of the residuals.

    ``residuals`` (C, H, W) each are what the targets lie above a common start, ``believed`` (H, W) says which pixels count; the
    sizes may differ. Pairs on whose level their places do not agree, or of which too little is believed, have a level of 0.
    """
    places = np.stack([_places(residual, where) for residual, where in zip(residuals, believed, strict=True)])
    told: BoolArray = ~np.isnan(places[..., :1])
    told &= told.sum(axis=1, keepdims=True) >= _FEWEST
    pairs, counts = told[:, :, 0].any(axis=1), told.sum(axis=1)
    if not pairs.any():
        return np.zeros((len(places), places.shape[2]))
    places = np.where(told, places, 0.0)
    level = np.zeros((len(places), places.shape[2]))
    for _ in range(_ROUNDS):
        # What all have in common at a place, uneven fading say, is nobody's level.
        common = ((places - level[:, None]) * told).sum(axis=0) / np.maximum(told.sum(axis=0), 1)
        apart = (places - common) * told
        level = apart.sum(axis=1) / np.maximum(counts, 1)
        level[pairs] -= level[pairs].mean(axis=0)
    spread = (np.square(apart - level[:, None]) * told).sum(axis=1) / np.maximum(counts - 1, 1)
    doubt = (spread / np.maximum(counts / _NEIGHBOURS, 1.0)).sum(axis=0)
    certainty = np.maximum(1.0 - doubt / np.maximum(np.square(level).sum(axis=0), 1e-12), 0.0)
    return np.asarray(level * certainty)


def _places(residual: FloatArray, where: BoolArray) -> npt.NDArray[np.float64]:
    """Medians of the parts of a picture, (parts, C); not a number where too little is believed."""
    height, width = where.shape
    found = np.full((_PLACES * _PLACES, len(residual)), np.nan)
    edges = [np.linspace(0, side, _PLACES + 1).astype(int) for side in (height, width)]
    for place in range(len(found)):
        row, column = divmod(place, _PLACES)
        part = (slice(edges[0][row], edges[0][row + 1]), slice(edges[1][column], edges[1][column + 1]))
        if where[part].size and where[part].mean() >= _LEAST_BELIEVED:
            found[place] = np.median(residual[(slice(None), *part)][:, where[part]], axis=1)
    return found
