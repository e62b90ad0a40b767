"""Pictures as the nodes hand them on: named channels, a bounding box and a format, with y upwards as in Nuke.

``Image.pixels`` is float32 of shape (height, width, channels) with the *top* row first; ``Image.box`` says where it lies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

RGB = ("rgba.red", "rgba.green", "rgba.blue")
RGBA = (*RGB, "rgba.alpha")
ALPHA = "rgba.alpha"
Pixels = Any  # numpy.ndarray of float32; its generic form does not run under Python 3.9 with every numpy


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels: left, bottom, right, top; right and top lie beyond the last pixel (Nuke's ``x y r t``)."""

    x: int
    y: int
    r: int
    t: int

    @property
    def width(self) -> int:
        """In pixels; 0 for an empty box."""
        return max(0, self.r - self.x)

    @property
    def height(self) -> int:
        """In pixels; 0 for an empty box."""
        return max(0, self.t - self.y)

    @property
    def empty(self) -> bool:
        """Whether it holds no pixel."""
        return self.r <= self.x or self.t <= self.y

    def union(self, other: Box) -> Box:
        """The smallest box that holds both; an empty one does not count."""
        if self.empty or other.empty:
            return self if other.empty else other
        return Box(min(self.x, other.x), min(self.y, other.y), max(self.r, other.r), max(self.t, other.t))

    def intersection(self, other: Box) -> Box:
        """What both cover; an empty box where that is nothing."""
        both = Box(max(self.x, other.x), max(self.y, other.y), min(self.r, other.r), min(self.t, other.t))
        return EMPTY if both.empty else both

    def grown(self, dx: int, dy: int | None = None) -> Box:
        """Larger by ``dx`` pixels left and right and ``dy`` below and above; negative numbers shrink it, down to nothing."""
        dy = dx if dy is None else dy
        larger = Box(self.x - dx, self.y - dy, self.r + dx, self.t + dy)
        return self if self.empty else (EMPTY if larger.empty else larger)

    def moved(self, dx: int, dy: int) -> Box:
        """Moved right and up, in pixels."""
        return Box(self.x + dx, self.y + dy, self.r + dx, self.t + dy)

    def contains(self, other: Box) -> bool:
        """Whether the other lies wholly inside."""
        return self.x <= other.x and self.y <= other.y and self.r >= other.r and self.t >= other.t


EMPTY = Box(0, 0, 0, 0)


@dataclass(frozen=True)
class Format:
    """A frame size in pixels with the width of a pixel over its height; ``name`` may be empty."""

    width: int
    height: int
    pixel_aspect: float = 1.0
    name: str = ""

    @property
    def box(self) -> Box:
        """The format's own area, from 0, 0."""
        return Box(0, 0, self.width, self.height)

    def text(self) -> str:
        """As a script holds it: ``W H x y r t aspect name``."""
        return f"{self.width} {self.height} 0 0 {self.width} {self.height} {self.pixel_aspect:g} {self.name}".rstrip()

    @staticmethod
    def parse(text: str) -> Format | None:
        """Read ``W H x y r t aspect name`` or ``W H aspect name``; None for anything else, for instance a mere name."""
        words = text.replace('"', " ").split()
        try:
            width, height = int(float(words[0])), int(float(words[1]))
        except (IndexError, ValueError):
            return None
        numbers = []
        for word in words[2:7]:
            try:
                numbers.append(float(word))
            except ValueError:
                break
        aspect, used = (numbers[4], 7) if len(numbers) == 5 else (numbers[0], 3) if numbers else (1.0, 2)
        return Format(width, height, aspect, " ".join(words[used:]))


# What Nuke gives a new script: its root format.
DEFAULT_FORMAT = Format(2048, 1556, 1.0, "2K_Super_35(full-ap)")


@dataclass(frozen=True)
class Image:
    """One frame of a stream. Do not write into ``pixels``: the cache and other nodes share them.

    ``outside`` is what lies beyond the box: None repeats the edge pixels, a tuple holds one constant per channel. Nuke says the
    second by a black border of one pixel around the box (``black_outside`` in the NDK, whose EXR writer cuts that border off
    again); here the border is not stored, :func:`embedded_nuke.render.engine.bbox` adds it.
    """

    channels: tuple[str, ...]
    box: Box
    format: Format
    pixels: Pixels
    metadata: Mapping[str, Any] = field(default_factory=dict)
    outside: tuple[float, ...] | None = None

    def has(self, channel: str) -> bool:
        """Whether it has a channel of this full name."""
        return channel in self.channels

    def window(self, box: Box, channels: Sequence[str] | None = None) -> Pixels:
        """The pixels of ``box`` (height, width, channels), inside the picture or not; absent channels are 0.

        May share memory with the picture: copy before writing.
        """
        wanted = self.channels if channels is None else tuple(channels)
        indices = [self.channels.index(name) if name in self.channels else -1 for name in wanted]
        whole = indices == list(range(len(self.channels)))
        if box == self.box and whole:
            return self.pixels
        result = np.zeros((box.height, box.width, len(wanted)), np.float32)
        if box.empty or not wanted:
            return result
        for position, index in enumerate(indices):
            if index >= 0:
                result[:, :, position] = self._plane(index, box)
        return result

    def plane(self, channel: str, box: Box | None = None) -> Pixels:
        """One channel over ``box`` (this picture's own box if None), shape (height, width); 0 without such a channel."""
        return self.window(box or self.box, (channel,))[:, :, 0]

    def _plane(self, index: int, box: Box) -> Pixels:
        constant = self.outside[index] if self.outside is not None else 0.0
        if self.box.empty:
            return np.full((box.height, box.width), constant, np.float32)
        inside = self.box.intersection(box)
        if self.outside is None and not self.box.contains(box):
            rows = np.clip(np.arange(self.box.t - box.t, self.box.t - box.y), 0, self.box.height - 1)
            columns = np.clip(np.arange(box.x - self.box.x, box.r - self.box.x), 0, self.box.width - 1)
            return self.pixels[rows[:, None], columns[None, :], index]
        source = self.pixels[self._rows(inside, self.box), self._columns(inside, self.box), index]
        if inside == box:
            return source
        plane = np.full((box.height, box.width), constant, np.float32)
        if not inside.empty:
            plane[self._rows(inside, box), self._columns(inside, box)] = source
        return plane

    @staticmethod
    def _rows(part: Box, whole: Box) -> slice:
        return slice(whole.t - part.t, whole.t - part.y)

    @staticmethod
    def _columns(part: Box, whole: Box) -> slice:
        return slice(part.x - whole.x, part.r - whole.x)

    def boxed(self, box: Box) -> Image:
        """The same picture with another bounding box; what is new follows the rule for outside."""
        return self if box == self.box else replace(self, box=box, pixels=self.window(box))

    def bordered(self) -> Box:
        """The box as Nuke counts it: with its border of one pixel where a constant lies outside."""
        return self.box if self.outside is None else self.box.grown(1)

    def spread(self) -> Image:
        """With what lies outside turned into a border of one pixel, so that from now on edges repeat."""
        return self if self.outside is None else replace(self.boxed(self.box.grown(1)), outside=None)

    def black_outside(self) -> Image:
        """The same with black outside the box."""
        return replace(self, outside=(0.0,) * len(self.channels))

    def with_pixels(self, pixels: Pixels, outside: Sequence[float] | None = None) -> Image:
        """The same channels and box with other values."""
        values = np.ascontiguousarray(pixels, dtype=np.float32)
        return replace(self, pixels=values, outside=None if outside is None else tuple(float(v) for v in outside))

    def with_channels(self, planes: Mapping[str, Pixels], outside: Mapping[str, float] | None = None) -> Image:
        """Set or add channels: each plane has the shape of the box; ``outside`` holds the constant beyond it per channel.

        Where this picture has constants outside and ``outside`` is None, the new channels are 0 there.
        """
        names = self.channels + tuple(name for name in planes if name not in self.channels)
        pixels = np.empty((self.box.height, self.box.width, len(names)), np.float32)
        constants = dict(zip(self.channels, self.outside or ()))
        constants.update(outside or dict.fromkeys(planes, 0.0))
        for index, name in enumerate(names):
            pixels[:, :, index] = planes[name] if name in planes else self.pixels[:, :, index]
        kept = None if self.outside is None else tuple(float(constants[name]) for name in names)
        return replace(self, channels=names, pixels=pixels, outside=kept)

    def only(self, channels: Sequence[str]) -> Image:
        """Just these channels, in this order; they have to be there."""
        wanted = tuple(channels)
        if wanted == self.channels:
            return self
        indices = [self.channels.index(name) for name in wanted]
        kept = None if self.outside is None else tuple(self.outside[index] for index in indices)
        return replace(self, channels=wanted, pixels=np.ascontiguousarray(self.pixels[:, :, indices]), outside=kept)


def common_box(first: Image, second: Image, join: Callable[[Box, Box], Box]) -> Box:
    """The box for a picture made of two, by ``join`` (their union, say).

    Where the one repeats its edges and the other has a constant outside, the constant's border of one pixel becomes a part of
    the picture, as it is in Nuke; then the result repeats its edges.
    """
    if (first.outside is None) == (second.outside is None) or first.box.empty or second.box.empty:
        return join(first.box, second.box)
    return join(first.bordered(), second.bordered())


def common_outside(first: Image, second: Image) -> bool:
    """Whether a picture made of the two has constants outside: if both have."""
    return all(image.outside is not None for image in (first, second))


def black(format_: Format, channels: Sequence[str] = (), box: Box = EMPTY) -> Image:
    """A black picture; without a box it is what an unconnected input gives."""
    pixels = np.zeros((box.height, box.width, len(channels)), np.float32)
    return Image(tuple(channels), box, format_, pixels, {}, (0.0,) * len(channels))
