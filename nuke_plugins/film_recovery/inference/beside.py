"""What a frame owes to those beside it: the flicker that it is steadied by, and the frames that it is averaged with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from film_recovery.contract.card import ModelCard
from film_recovery.contract.errors import UsageError
from film_recovery.contract.steady import BESIDE
from film_recovery.images.frame import Frame
from film_recovery.images.sequence import Sequence
from film_recovery.inference.shimmer import Tie, tie
from film_recovery.inference.steady import (
    NO_DEVIATION,
    Deviation,
    FloatArray,
    SmallPicture,
    Steadiness,
    small_picture,
    source_reader,
)


def may_steady(card: ModelCard, asked: bool | None, grain: str) -> bool:
    """Whether a frame is to depend on those beside it: as ``asked``, or wherever a model keeps luma or chroma, unless it is the
    ``source``'s own grain that is put back. Raises :class:`UsageError` where it cannot."""
    if asked and card.kept == "nothing":
        raise UsageError("Only a chroma or a spatial recovery can be steadied; this model keeps nothing. Leave --steady out.")
    if asked and grain == "source":
        raise UsageError("Steadying averages grain away and --grain source puts it back; leave one of them out.")
    return card.kept != "nothing" and grain != "source" if asked is None else asked


def with_those_beside(sequence: Sequence, wanted: Iterable[int]) -> list[int]:
    """The wanted frames and those that they are averaged with, as far as there are any: what a model has to see."""
    near = {other for frame in wanted for other in range(frame - BESIDE, frame + BESIDE + 1)}
    return sorted(near.intersection(sequence.frames))


class Beside:
    """The surroundings of the frames that a model is to see, asked for in rising order; for one thread.

    Args:
        seen: those frames, see :func:`with_those_beside`.
        keep: is given every frame that was read for another's sake.
    """

    def __init__(self, sequence: Sequence, card: ModelCard, seen: Iterable[int], keep: Callable[[int, Frame], None]) -> None:
        self._there, self._seen, self._keep = frozenset(sequence.frames), frozenset(seen), keep
        read = source_reader(sequence, card, self._read)
        steadies = card.kept == "luma"  # a spatial recovery keeps the source's flicker
        self._steadiness = Steadiness(sequence.frames, read, card.encoding) if steadies else _AsItIs(read, card.encoding)
        self._deviations: dict[int, Deviation] = {}
        self._hashes: dict[int, str] = {}

    def deviation(self, frame: int) -> Deviation:
        """The flicker of the whole frame, see :class:`film_recovery.inference.steady.Steadiness`."""
        if frame not in self._deviations:
            self._deviations[frame] = self._steadiness.deviation(frame)
        return self._deviations[frame]

    def ties(self, frame: int) -> list[Tie]:
        """To the frames beside it that show the same."""
        near = [other for other in range(frame - BESIDE, frame + BESIDE + 1) if other in self._there]
        deviations = {other: self.deviation(other) for other in near}  # rising, as small pictures are forgotten
        return ties_between(frame, deviations, self._steadiness.picture)

    def identity(self, frame: int, ties: list[Tie]) -> str:
        """Changes when a frame that this one is tied to becomes another one, or is steadied in another way."""
        words = [f"{one.frame - frame} {self._hashes[one.frame]} {self.deviation(one.frame)}" for one in ties]
        return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]

    def source_sha256(self, number: int, frame: Frame) -> str:
        """Of a frame's pixels, see :func:`source_sha256`."""
        if number not in self._hashes:
            self._hashes[number] = source_sha256(frame)
        return self._hashes[number]

    def _read(self, number: int, frame: Frame) -> None:
        if number in self._seen:
            self.source_sha256(number, frame)
        self._keep(number, frame)


class _AsItIs:
    """In the place of a :class:`Steadiness` where flicker stays; for one thread, asked in rising order."""

    def __init__(self, read: Callable[[int], FloatArray | None], encoding: str) -> None:
        self._read, self._encoding = read, encoding
        self._pictures: dict[int, SmallPicture | None] = {}

    def deviation(self, frame: int) -> Deviation:
        self._pictures = {other: one for other, one in self._pictures.items() if other >= frame - 2 * BESIDE}
        return NO_DEVIATION

    def picture(self, frame: int) -> SmallPicture | None:
        if frame not in self._pictures:
            rgb = self._read(frame)
            self._pictures[frame] = None if rgb is None else small_picture(rgb, self._encoding)
        return self._pictures[frame]


def ties_between(frame: int, deviations: Mapping[int, Deviation], picture: Callable[[int], SmallPicture | None]) -> list[Tie]:
    """To the frames beside ``frame`` whose deviation is known and that show the same; ``picture`` gives small pictures, None
    where there is none."""
    ours, found = picture(frame), []
    for other in sorted(deviations):
        theirs = picture(other) if 0 < abs(other - frame) <= BESIDE else None
        if ours is None or theirs is None:
            continue
        tied = tie(ours, theirs, (deviations[frame], deviations[other]), other)
        if tied is not None:
            found.append(tied)
    return found


def source_sha256(frame: Frame) -> str:
    """Of the source's pixels as float32: R, G, B interleaved, then every other channel's name and values."""
    digest = hashlib.sha256(np.ascontiguousarray(frame.rgb).reshape(-1).data)
    for name, plane in frame.extra.items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(plane).reshape(-1).data)
    return digest.hexdigest()
