"""Two elements as an archive finds them: cut from several shots, each lacking frames of its own, trimmed, framed differently.

What :mod:`film_elements.write` makes is one shot whose frames agree. Here the numbers of the two elements say nothing about
each other: after a loss the film was spliced, and the scan counts on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from film_elements.elements import ElementFrame, ElementSimulator
from film_elements.parameters import ElementPair, default_pair
from film_elements.physics import FloatArray


@dataclass(frozen=True)
class Framing:
    """How an element's picture is cut against the truth's.

    Attributes:
        zoom: magnification about the middle; 1.03 shows 3 % less.
        shift: of the picture to the right and down, as shares of width and height.
        mirrored: scanned from the wrong side.
    """

    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    mirrored: bool = False

    def matrix(self, size: tuple[int, int]) -> npt.NDArray[np.float64]:
        """2x3, truth pixels to pixels of the framed picture, ``size`` (width, height) of both."""
        width, height = size
        x, y = (width - 1) / 2.0, (height - 1) / 2.0
        across = -self.zoom if self.mirrored else self.zoom
        right, down = self.shift[0] * width, self.shift[1] * height
        return np.array([[across, 0.0, x - across * x + right], [0.0, self.zoom, y - self.zoom * y + down]])

    def apply(self, picture: FloatArray) -> FloatArray:
        """The truth as this element's camera aperture shows it; beyond the truth its edge is mirrored."""
        if self == Framing():
            return picture
        size = (picture.shape[1], picture.shape[0])
        framed = cv2.warpAffine(picture, self.matrix(size), size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
        return np.maximum(np.asarray(framed, np.float32), 0.0)


@dataclass(frozen=True)
class Reel:
    """One element of the reel, frame by frame.

    Attributes:
        simulator: makes its frames.
        shown: for every frame of the scan, in order, the index of the truth that it shows.
        framing: how it is cut against the truth.
    """

    simulator: ElementSimulator
    shown: list[int]
    framing: Framing = field(default_factory=Framing)

    def scan(self, truth: FloatArray, place: int) -> ElementFrame:
        """Frame ``place`` (from 0) of the scan, made from the truth that it shows."""
        return self.simulator.simulate(self.framing.apply(truth), place)


def two_reels(
    count: int,
    size: tuple[int, int],
    seed: int,
    *,
    lost: float = 0.2,
    pair: ElementPair | None = None,
    framing: Framing = Framing(),
    trims: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0)),
    lost_stretches: tuple[tuple[int, int], ...] = (),
    fps: float = 25.0,
) -> tuple[Reel, Reel]:
    """The sharp and the colourful element of ``count`` frames of truth.

    Args:
        count: frames of the truth.
        size: (width, height) of truth and scans.
        seed: decides everything random, the losses too.
        lost: share of single frames that each element lost, at random places, each for itself.
        pair: what the elements are; the demonstration's when None.
        framing: of the colourful element; the sharp one shows the truth as it is.
        trims: frames cut off the head and the tail, of the sharp element and of the colourful one.
        lost_stretches: ``(first, last)`` indexes of truth that the sharp element lacks altogether.
    """
    elements = pair or default_pair()
    chance = np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, count, 77])))
    reels = []
    for role, (element, (head, tail)) in enumerate(zip((elements.sharp, elements.colourful), trims, strict=True)):
        kept = chance.random(count) >= lost
        kept[:head] = False
        kept[count - tail :] = False
        for first, last in lost_stretches if role == 0 else ():
            kept[first : last + 1] = False
        shown = [int(index) for index in np.flatnonzero(kept)]
        reels.append(Reel(ElementSimulator(element, size, seed, fps), shown, framing if role else Framing()))
    return reels[0], reels[1]


def joined(shots: Iterable[Iterable[FloatArray]]) -> Iterator[tuple[FloatArray, bool]]:
    """The frames of several shots in a row, each with whether a shot begins there."""
    for shot in shots:
        for index, picture in enumerate(shot):
            yield picture, index == 0
