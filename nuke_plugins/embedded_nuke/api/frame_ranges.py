"""Frame ranges in Nuke's spelling: ``1001-1055``, ``1-10x2``, several with blanks or commas, negative frames."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_RANGE = re.compile(r"^(-?\d+)(?:-(-?\d+)(?:x(-?\d+))?)?$")


class FrameRange:
    """``nuke.FrameRange("1-10x2")`` or ``nuke.FrameRange(first, last, increment)``. Raises :class:`ValueError`."""

    def __init__(self, *arguments: Any) -> None:
        if len(arguments) == 1 and isinstance(arguments[0], str):
            match = _RANGE.match(arguments[0].strip())
            if match is None:
                raise ValueError(f"'{arguments[0]}' is no frame range; write it as 1001-1055 or 1-10x2.")
            first = int(match.group(1))
            self._first, self._last = first, int(match.group(2)) if match.group(2) else first
            self._step = int(match.group(3)) if match.group(3) else 1
        else:
            numbers = [int(number) for number in arguments]
            if not 1 <= len(numbers) <= 3:
                raise ValueError("A frame range is first, last and increment.")
            self._first = numbers[0]
            self._last = numbers[1] if len(numbers) > 1 else numbers[0]
            self._step = numbers[2] if len(numbers) > 2 else 1
        if self._step == 0:
            raise ValueError("The increment of a frame range cannot be 0.")

    def first(self) -> int:
        """The first frame."""
        return self._first

    def last(self) -> int:
        """The last frame."""
        return self._last

    def increment(self) -> int:
        """The step."""
        return self._step

    def setFirst(self, n: int) -> None:
        """Change the first frame."""
        self._first = int(n)

    def setLast(self, n: int) -> None:
        """Change the last frame."""
        self._last = int(n)

    def setIncrement(self, n: int) -> None:
        """Change the step. Raises :class:`ValueError` for 0."""
        if int(n) == 0:
            raise ValueError("The increment of a frame range cannot be 0.")
        self._step = int(n)

    def stepFrame(self) -> int:
        """The step without its sign."""
        return abs(self._step)

    def frames(self) -> int:
        """How many frames there are."""
        return len(self._range())

    def getFrame(self, n: int) -> int:
        """The frame of that number, counted from 0. Raises :class:`IndexError`."""
        return self._range()[n]

    def minFrame(self) -> int:
        """The lowest frame."""
        return min(self._first, self._last)

    def maxFrame(self) -> int:
        """The highest frame."""
        return max(self._first, self._last)

    def isInRange(self, frame: int) -> bool:
        """Whether a frame belongs to it."""
        return frame in self._range()

    def _range(self) -> range:
        step = abs(self._step) if self._last >= self._first else -abs(self._step)
        return range(self._first, self._last + (1 if step > 0 else -1), step)

    def __iter__(self) -> Iterator[int]:
        return iter(self._range())

    def __str__(self) -> str:
        span = f"{self._first}-{self._last}" if self._first != self._last else str(self._first)
        return f"{span}x{self._step}" if self._step != 1 else span

    def __repr__(self) -> str:
        return f"<FrameRange {self}>"


class FrameRanges:
    """Several ranges: from a text, from numbers, or from ranges. Raises :class:`ValueError`."""

    def __init__(self, given: Any = ()) -> None:
        if isinstance(given, str):
            self._ranges = [FrameRange(word) for word in re.split(r"[\s,]+", given.strip()) if word]
        else:
            self._ranges = [entry if isinstance(entry, FrameRange) else _one(entry) for entry in given]

    def add(self, r: FrameRange) -> None:
        """Add one range."""
        self._ranges.append(r)

    def compact(self) -> None:
        """Say the same frames, ascending and each once, in as few ranges as they need."""
        frames, self._ranges = self.toFrameList(), []
        at = 0
        while at < len(frames):
            step = frames[at + 1] - frames[at] if at + 1 < len(frames) else 1
            end = at
            while end + 1 < len(frames) and frames[end + 1] - frames[end] == step:
                end += 1
            end = end if end - at > 1 or step == 1 else at  # two frames far apart are no range
            self._ranges.append(FrameRange(frames[at], frames[end], step if end > at else 1))
            at = end + 1

    def clear(self) -> None:
        """Remove all."""
        self._ranges.clear()

    def size(self) -> int:
        """How many ranges there are."""
        return len(self._ranges)

    def getRange(self, index: int) -> FrameRange:
        """One of them."""
        return self._ranges[index]

    def toFrameList(self) -> list[int]:
        """All frames, ascending, each once."""
        return sorted({frame for entry in self._ranges for frame in entry})

    def minFrame(self) -> int:
        """The lowest frame. Raises :class:`ValueError` when there is no range."""
        return min(entry.minFrame() for entry in self._ranges)

    def maxFrame(self) -> int:
        """The highest frame. Raises :class:`ValueError` when there is no range."""
        return max(entry.maxFrame() for entry in self._ranges)

    def __iter__(self) -> Iterator[FrameRange]:
        return iter(self._ranges)

    def __str__(self) -> str:
        return " ".join(str(entry) for entry in self._ranges)


def _one(entry: Any) -> FrameRange:
    """A range from a frame, a text, or first, last and increment."""
    return FrameRange(entry) if isinstance(entry, (int, str)) else FrameRange(*entry)


def looks_like_range(word: str) -> bool:
    """Whether a word of the command line is a frame range."""
    return _RANGE.match(word) is not None
