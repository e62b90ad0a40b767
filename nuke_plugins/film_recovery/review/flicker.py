"""Flicker of colour where nothing moves: the temporal deviation of Cb and Cr on patches that are static in the truth.

Patch means are compared, not pixels: grain averages out over 16 x 16 pixels, a change of colour does not. Only patches that
stand still count; motion decides nothing about steadiness.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.contract.errors import UsageError
from film_recovery.images.colour import rgb_to_ycbcr
from film_recovery.images.encodings import encode

PATCH = 16  # pixels
_FINE = 4  # pixels: motion inside a patch shows in its sixteenths
_STILL = 0.02  # coded units: largest temporal deviation of a static patch's sixteenths, frame brightness removed
_WINDOW = 24  # frames looked at together: in a second of film enough of the picture stands still
_FEWEST = 4  # frames and patches, below which there is nothing to say

FloatArray = npt.NDArray[np.float32]


@dataclass
class ChromaFlicker:
    """Takes frames one by one, keeps only their patch means.

    ``add`` the frames of one shot in order; ``figure`` then gives the deviation. Windows of 24 frames are judged apart and
    pooled. A guide is the truth, or where there is none the source element: what decides which patches stand still.
    """

    encoding: str
    matrix: str = "709"
    _chroma: list[FloatArray] = field(default_factory=list, init=False, repr=False)
    _guide: list[FloatArray] = field(default_factory=list, init=False, repr=False)

    def add(self, result: npt.ArrayLike, guide: npt.ArrayLike) -> None:
        """One frame and its guide, working space, (H, W, 3) each and of one size over the shot."""
        rgb, steady = np.asarray(result, np.float32), np.asarray(guide, np.float32)
        if rgb.shape != steady.shape or (self._guide and _fine_shape(steady) != self._guide[0].shape):
            raise UsageError(
                f"Flicker is judged on frames of one size; found {rgb.shape} with a guide of {steady.shape}, "
                f"frame {len(self._guide) + 1} of the shot."
            )
        self._chroma.append(_blocks(self._ycbcr(rgb)[..., 1:], PATCH))
        self._guide.append(_blocks(self._ycbcr(steady), _FINE))

    def figure(self) -> float | None:
        """Root mean square over static patches of the temporal deviation of Cb and Cr, coded units; None if nothing is still.

        0.004 is one step of 8-bit video. None for fewer than 4 frames, or when fewer than 4 patches ever stand still.
        """
        variances = [
            self._chroma_variance(begin, min(begin + _WINDOW, len(self._chroma)))
            for begin in range(0, max(len(self._chroma) - _FEWEST + 1, 0), _WINDOW)
        ]
        pooled = np.concatenate(variances) if variances else np.zeros(0, np.float32)
        return float(np.sqrt(pooled.mean(dtype=np.float64))) if len(pooled) >= _FEWEST else None

    def _chroma_variance(self, begin: int, end: int) -> FloatArray:
        """The variance of every static patch of a window, Cb and Cr added."""
        still = _static(np.stack(self._guide[begin:end]))
        chroma = np.stack(self._chroma[begin:end])
        rows, columns = min(still.shape[0], chroma.shape[1]), min(still.shape[1], chroma.shape[2])
        variance = chroma[:, :rows, :columns].var(axis=0).sum(axis=-1)
        return np.asarray(variance[still[:rows, :columns]], np.float32)

    def _ycbcr(self, rgb: FloatArray) -> FloatArray:
        return rgb_to_ycbcr(encode(rgb, self.encoding), self.matrix)


def chroma_flicker(results: list[FloatArray], guides: list[FloatArray], encoding: str, matrix: str = "709") -> float | None:
    """:class:`ChromaFlicker` over two lists of frames."""
    meter = ChromaFlicker(encoding, matrix)
    for result, guide in zip(results, guides, strict=True):
        meter.add(result, guide)
    return meter.figure()


def _static(guide: FloatArray) -> npt.NDArray[np.bool_]:
    """Which patches stand still: (rows, columns) of patches, from fine blocks (T, rows * 4, columns * 4, 3)."""
    level = np.median(guide, axis=(1, 2), keepdims=True)  # the element's own flicker is not motion
    deviation = (guide - level).std(axis=0).max(axis=-1)
    per = PATCH // _FINE
    rows, columns = deviation.shape[0] // per, deviation.shape[1] // per
    patches = deviation[: rows * per, : columns * per].reshape(rows, per, columns, per)
    return np.asarray(patches.max(axis=(1, 3)) <= _STILL)


def _fine_shape(picture: FloatArray) -> tuple[int, ...]:
    return (picture.shape[0] // _FINE, picture.shape[1] // _FINE, 3)


def _blocks(picture: FloatArray, size: int) -> FloatArray:
    """Means of whole ``size`` x ``size`` blocks, (rows, columns, C); what is left at right and bottom is cut off."""
    rows, columns = picture.shape[0] // size, picture.shape[1] // size
    if rows == 0 or columns == 0:
        raise UsageError(f"Flicker needs pictures of at least {PATCH} pixels a side; found {picture.shape[:2]}.")
    cut = np.ascontiguousarray(picture[: rows * size, : columns * size])
    return np.asarray(cv2.resize(cut, (columns, rows), interpolation=cv2.INTER_AREA), np.float32)
