"""Which channels of a file are its colour, by name, and luminance/chroma channels turned back into RGB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from film_recovery.contract.errors import UnreadableImageError

FloatArray = npt.NDArray[np.float32]
_TRIPLES = (("r", "g", "b"), ("red", "green", "blue"))
_GRAYS = ("y", "i", "l", "gray", "grey", "luminance")
_ALPHAS = ("a", "alpha")
_OTHER_COLOUR = {"cb", "cr", "u", "v", "x"}  # beside Y: no gray picture but coded colour, or XYZ


@dataclass(frozen=True)
class ColourChannels:
    """Where the colour is: three indices (all the same for gray), and whether they are Y, RY, BY instead of R, G, B."""

    indices: tuple[int, int, int]
    is_luminance_chroma: bool = False


def find_colour(names: Sequence[str], path: Path) -> ColourChannels:
    """The colour of a file with these channels: ``R G B`` at the top, else of its first layer, else ``Y RY BY``, else gray.

    Raises:
        UnreadableImageError: none of these is there.
    """
    at = {name.lower(): index for index, name in reversed(list(enumerate(names)))}
    layers = dict.fromkeys(["", *(name.lower().rpartition(".")[0] for name in names)])
    for layer in layers:
        prefix = f"{layer}." if layer else ""
        for triple in _TRIPLES:
            if all(prefix + part in at for part in triple):
                return ColourChannels((at[prefix + triple[0]], at[prefix + triple[1]], at[prefix + triple[2]]))
    if all(part in at for part in ("y", "ry", "by")):
        return ColourChannels((at["y"], at["ry"], at["by"]), is_luminance_chroma=True)
    grays = [at[name] for name in _GRAYS if name in at and not _OTHER_COLOUR & at.keys()]
    if not grays and (len(names) == 1 or (len(names) == 2 and names[1].lower() in _ALPHAS)):
        grays = [0]
    if not grays:
        found = ", ".join(names[:6])
        raise UnreadableImageError(f"{path} has no colour channels (found {found}); write it with the channels R, G and B.")
    return ColourChannels((grays[0], grays[0], grays[0]))


def luminance_chroma_to_rgb(planes: FloatArray, weights: npt.NDArray[np.float64]) -> FloatArray:
    """OpenEXR's luminance/chroma, (H, W, 3) as Y, RY = (R - Y) / Y, BY = (B - Y) / Y, to RGB of the same shape.

    ``weights`` are the parts of red, green and blue in Y, as :func:`luminance_weights` gives them. Source: OpenEXR technical
    introduction, "Luminance/Chroma Images".
    """
    y, ry, by = (planes[:, :, index].astype(np.float64) for index in range(3))
    red, blue = (ry + 1.0) * y, (by + 1.0) * y
    green = (y - red * weights[0] - blue * weights[2]) / weights[1]
    return np.asarray(np.stack([red, green, blue], axis=-1), np.float32)


def luminance_weights(chromaticities: Sequence[float] | None) -> npt.NDArray[np.float64]:
    """The luminance weights, (3,), of primaries and white as x, y of red, green, blue, white; None is Rec. 709.

    The middle row of the RGB-to-XYZ matrix (SMPTE RP 177).
    """
    corners = np.array(chromaticities or (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290), np.float64).reshape(4, 2)
    xyz = np.stack([corners[:, 0] / corners[:, 1], np.ones(4), (1.0 - corners.sum(axis=1)) / corners[:, 1]])
    weights: npt.NDArray[np.float64] = np.linalg.solve(xyz[:, :3], xyz[:, 3])
    return weights
