"""Frames that are read before their turn, so that none is decoded twice while memory lasts.

What a frame is steadied by lies up to two seconds after it, so its neighbours are read long before they are recovered
themselves. Until then they are kept, as halves where the file holds halves: at 1080p nearly all of them fit. What does not fit
is read again when it is its turn.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from film_recovery.images.frame import Frame
from film_recovery.images.sequence import Sequence
from film_recovery.images.single import from_half, to_half

MOST_KEPT = 256 * 2**20  # bytes, whatever the size of a frame and the length of a sequence


class EarlyFrames:
    """Keeps frames of ``wanted``, each once and until it is taken, within ``most`` bytes. For one thread.

    Args:
        sequence: where a frame is read that is not kept.
        wanted: the frames that will be taken.
    """

    def __init__(self, sequence: Sequence, wanted: Iterable[int], most: int = MOST_KEPT) -> None:
        self._sequence, self._wanted, self._room = sequence, set(wanted), most
        self._kept: dict[int, tuple[Frame, npt.NDArray[Any]]] = {}

    def keep(self, number: int, frame: Frame) -> None:
        """Keep a frame that was read for its neighbours' sake, if it is still to be taken and there is room."""
        if number not in self._wanted or number in self._kept or self._room < frame.rgb.nbytes // 2:
            return
        pixels = _compact(frame)
        if self._room < _size(frame, pixels):
            return
        self._kept[number] = replace(frame, rgb=np.empty((0, 0, 3), np.float32)), pixels
        self._room -= _size(frame, pixels)

    def take(self, number: int) -> Frame:
        """A frame, kept or read; it is not kept any more. Raises as :meth:`Sequence.read`."""
        self._wanted.discard(number)
        if number not in self._kept:
            return self._sequence.read(number)
        frame, pixels = self._kept.pop(number)
        frame = replace(frame, rgb=from_half(pixels) if pixels.dtype == np.float16 else pixels)
        self._room += _size(frame, pixels)
        return frame


def _compact(frame: Frame) -> npt.NDArray[Any]:
    """Its pixels, as halves where they are; of luminance and chroma that the file holds as halves, RGB is computed finer."""
    if frame.pixel_type != "half":
        return frame.rgb
    half = to_half(frame.rgb)
    return half if np.array_equal(from_half(half), frame.rgb) else frame.rgb


def _size(frame: Frame, pixels: npt.NDArray[Any]) -> int:
    """Bytes of a frame that is kept with these pixels."""
    return pixels.nbytes + sum(plane.nbytes for plane in frame.extra.values())
