"""Which frames of two elements to train on and which to hold out, when nobody has chosen them by hand."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Protocol


class HasFrames(Protocol):
    """What selection needs of a sequence: its frame numbers, ascending."""

    @property
    def frames(self) -> list[int]:
        """The frames that exist."""


def spread_frames(frames: Sequence[int], count: int) -> list[int]:
    """``count`` of ``frames``, spread evenly from the first to the last, ascending and distinct.

    One frame alone is the middle one. When there are no more than ``count`` frames, all of them.
    """
    have = sorted(set(frames))
    if count <= 0 or not have:
        return []
    if count >= len(have):
        return have
    if count == 1:
        return [have[len(have) // 2]]
    return [have[round(index * (len(have) - 1) / (count - 1))] for index in range(count)]


def overlap(source: HasFrames, reference: HasFrames, offset: int = 0) -> list[int]:
    """Source frames whose reference frame (source frame plus ``offset``) exists too, ascending."""
    there = set(reference.frames)
    return [frame for frame in sorted(set(source.frames)) if frame + offset in there]


def default_pairs(common: Sequence[int], count: int = 6, held_out: int = 2) -> tuple[list[int], list[int]]:
    """Training frames and held-out frames among the source frames that have a partner, ascending both.

    The training frames are spread from the first to the last common frame; the held-out ones lie midway between
    neighbouring training frames, where a network trained on the pairs is least helped by its memory. With fewer common
    frames than ``count + held_out``, at least three of four stay for training. Both lists are empty without common frames.
    """
    common = sorted(set(common))
    if len(common) < count + held_out:
        held_out = min(held_out, len(common) // 4)
        count = min(count, len(common) - held_out)
    training = spread_frames(common, count) if len(common) > count + held_out else _packed(common, held_out)
    return training, between(common, training, held_out)


def between(common: Iterable[int], training: Sequence[int], held_out: int) -> list[int]:
    """``held_out`` frames of ``common`` midway between neighbouring training frames, spread over the widest gaps."""
    free = sorted(set(common) - set(training))
    inner = [frame for frame in free if training and training[0] < frame < training[-1]] or free
    middles = []
    for left, right in itertools.pairwise(training):
        inside = [frame for frame in inner if left < frame < right]
        if inside:
            middles.append(min(inside, key=lambda frame: (abs(2 * frame - left - right), frame)))
    chosen = _inner_spread(middles, held_out)
    for frame in _inner_spread([frame for frame in inner if frame not in chosen], held_out - len(chosen)):
        chosen.append(frame)
    return sorted(chosen)


def _inner_spread(frames: list[int], count: int) -> list[int]:
    """``count`` of ``frames`` at the middles of ``count`` equal parts, so that the ends are not preferred."""
    count = min(count, len(frames))
    return [frames[int((index + 0.5) * len(frames) / count)] for index in range(count)]


def _packed(common: list[int], held_out: int) -> list[int]:
    """All frames but the held-out ones, when every common frame is needed."""
    kept_out = set(_inner_spread(common[1:-1] or common, held_out))
    return [frame for frame in common if frame not in kept_out]
