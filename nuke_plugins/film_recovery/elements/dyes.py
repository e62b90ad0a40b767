"""What is left of each dye, by the density model of fading: a faded layer has lost a share of its dye everywhere.

Dark fading takes from every dye in proportion to what is there (Wallace 1989). A density in red, green, blue light is the sum
of three dyes that also absorb where they should not, so densities are first taken apart into dyes.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

DYES = ("cyan", "magenta", "yellow")
# Absorption of cyan, magenta, yellow (columns) in red, green, blue light (rows), of the size usual for chromogenic stocks.
_ABSORPTIONS = np.array([[0.90, 0.08, 0.02], [0.12, 0.80, 0.08], [0.06, 0.16, 0.78]])
_QUANTILES = np.linspace(0.05, 0.95, 19)
FloatArray = npt.NDArray[np.float64]


def dye_quantiles(densities: Sequence[npt.NDArray[np.float32]]) -> FloatArray:
    """Quantiles (5 % to 95 %, 19 of them) of the amount of each dye, (19, 3); pictures (H, W, 3), base-10 density.

    Means over 8x8 pixels are taken first, so that grain does not widen them.
    """
    parts = []
    for density in densities:
        size = (max(density.shape[1] // 8, 1), max(density.shape[0] // 8, 1))
        parts.append(cv2.resize(density, size, interpolation=cv2.INTER_AREA).reshape(-1, 3))
    amounts = np.concatenate(parts).astype(np.float64) @ np.linalg.inv(_ABSORPTIONS).T
    return np.asarray(np.quantile(amounts, _QUANTILES, axis=0))


def dyes_kept(faded: FloatArray, other: FloatArray | None = None) -> list[float] | None:
    """Share of cyan, magenta and yellow left, of what the best kept of the three has left, 0..1.

    Args:
        faded: :func:`dye_quantiles` of the element.
        other: those of another element that shows the same pictures and is the measure then. Without one the picture is taken
            to be grey on average and as contrasty in each dye, which a single picture need not be.

    Returns:
        Three shares, the largest 1, or None for pictures without contrast. Only ratios of the dyes are known: how much the best
        kept one lost, contrast that the laboratory gave and age took look alike.
    """
    own = faded - faded.mean(axis=0)
    measure = np.ones_like(own) * np.linspace(-1.0, 1.0, len(own))[:, None] if other is None else other - other.mean(axis=0)
    size = (measure * measure).sum(axis=0)
    if size.min() < 1e-5 or (own * own).sum(axis=0).max() < 1e-5:
        return None
    slope = np.maximum((own * measure).sum(axis=0) / size, 0.0)
    return [float(value) for value in slope / slope.max()] if slope.max() > 1e-6 else None
