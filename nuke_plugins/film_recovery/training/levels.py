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
_FEWEST = 3
FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


def flicker_levels(residuals: Sequence[FloatArray], believed: Sequence[BoolArray]) -> npt.NDArray[np.float64]:
    """The level of each pair against the mean of all, (N, C), in the units of the residuals.

    ``residuals`` (C, H, W) each are what the targets lie above a common start, ``believed`` (H, W) says which pixels count; the
    sizes may differ. Pairs on whose level their places do not agree have a level of 0.
    """
    places = np.stack([_places(residual, where) for residual, where in zip(residuals, believed, strict=True)])
    shared = places[:, ~np.isnan(places).any(axis=(0, 2))]
    if shared.shape[1] < _FEWEST:
        whole = np.stack([_median(residual, where) for residual, where in zip(residuals, believed, strict=True)])
        return np.asarray(whole - whole.mean(axis=0))
    apart = shared - shared.mean(axis=0)  # what all have in common at a place, uneven fading say, is nobody's level
    level = apart.mean(axis=1)
    doubt = apart.var(axis=1, ddof=1).sum(axis=0) / max(shared.shape[1] / _NEIGHBOURS, 1.0)
    certainty = np.maximum(1.0 - doubt / np.maximum(np.square(level).sum(axis=0), 1e-12), 0.0)
    return np.asarray(level * certainty)


def _median(residual: FloatArray, where: BoolArray) -> npt.NDArray[np.float64]:
    seen = residual[:, where]
    return np.asarray(np.median(seen, axis=1) if seen.shape[1] else np.zeros(len(residual)), np.float64)


def _places(residual: FloatArray, where: BoolArray) -> npt.NDArray[np.float64]:
    """Medians of the parts of a picture, (parts, C); not a number where too little is believed."""
    height, width = where.shape
    found = np.full((_PLACES * _PLACES, len(residual)), np.nan)
    edges = [np.linspace(0, side, _PLACES + 1).astype(int) for side in (height, width)]
    for place in range(len(found)):
        row, column = divmod(place, _PLACES)
        part = (slice(edges[0][row], edges[0][row + 1]), slice(edges[1][column], edges[1][column + 1]))
        if where[part].size and where[part].mean() >= _LEAST_BELIEVED:
            found[place] = _median(residual[(slice(None), *part)], where[part])
    return found
