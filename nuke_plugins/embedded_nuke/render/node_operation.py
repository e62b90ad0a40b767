"""An :class:`~embedded_nuke.render.operation.Operation` over a node of the graph."""

from __future__ import annotations

import math
from typing import Any, Callable

from embedded_nuke.render.image import DEFAULT_FORMAT, Format, Image, black
from embedded_nuke.render.operation import RenderError, fail

RenderFunction = Callable[[Any, float], Image]
RangeFunction = Callable[[Any], tuple[int, int]]


def root_of(node: Any) -> Any:
    """The outermost group that holds the node."""
    while getattr(node, "group", None) is not None:
        node = node.group
    return node


def full_name(node: Any) -> str:
    """``Group1.Blur1``."""
    name = node.fullName() if hasattr(node, "fullName") else node.name()
    return str(name)


def knob_format(node: Any, knob_name: str) -> Format | None:
    """The format that a knob of the node holds, None where it holds none."""
    knob = node.knob(knob_name)
    if knob is None:
        return None
    # Without words it stands for the root's format.
    return Format.parse(str(knob.text_at(0.0))) if knob.words() else None


def root_format(node: Any) -> Format:
    """The format of the script, which generators and unconnected inputs have."""
    return knob_format(root_of(node), "format") or DEFAULT_FORMAT


class NodeOperation:
    """One node of the graph at one frame."""

    def __init__(self, node: Any, frame: float, render: RenderFunction, frame_range: RangeFunction) -> None:
        self._node = node
        self._frame = frame
        self._render = render
        self._frame_range = frame_range

    @property
    def node(self) -> Any:
        return self._node

    @property
    def class_name(self) -> str:
        return str(self._node.Class())

    @property
    def name(self) -> str:
        return full_name(self._node)

    @property
    def frame(self) -> float:
        return self._frame

    def has(self, knob: str) -> bool:
        return self._node.knob(knob) is not None

    def _knob(self, knob: str) -> Any:
        found = self._node.knob(knob)
        if found is None:
            raise RenderError(f"{self.name} ({self.class_name}) has no knob '{knob}', which rendering it needs.")
        return found

    def number(self, knob: str, index: int = 0) -> float:
        return self._finite(knob, float(self._knob(knob).number_at(self._frame, index)))

    def _finite(self, knob: str, value: float) -> float:
        """No picture is made of an expression that divides by 0."""
        if not math.isfinite(value):
            raise fail(self, f"{knob} is {value}; change the knob, or what its expression divides by.")
        return value

    def numbers(self, knob: str, count: int) -> list[float]:
        values = [self._finite(knob, float(value)) for value in self._knob(knob).numbers_at(self._frame)]
        if len(values) == 1:
            return values * count
        if len(values) < count:
            raise RenderError(f"{self.name} ({self.class_name}): '{knob}' holds {len(values)} numbers, {count} are needed.")
        return values[:count]

    def text(self, knob: str) -> str:
        """A file's name is given as it goes to the operating system: filtered and remapped."""
        found = self._knob(knob)
        text = str(found.text_at(self._frame))
        return self._node.session.file_name(text, self._node) if text and found.Class() == "File_Knob" else text

    def flag(self, knob: str) -> bool:
        return bool(self._knob(knob).bool_at(self._frame))

    def format(self, knob: str) -> Format:
        return knob_format(self._node, knob) or root_format(self._node)

    def own_format(self, knob: str) -> Format | None:
        return knob_format(self._node, knob)

    def has_input(self, index: int) -> bool:
        return index < self.input_count and self._node.input(index) is not None

    @property
    def input_count(self) -> int:
        return int(self._node.inputs())

    def input(self, index: int, frame: float | None = None) -> Image:
        connected = self._node.input(index) if index < self.input_count else None
        if connected is None:
            return black(root_format(self._node))
        return self._render(connected, self._frame if frame is None else frame)

    def input_range(self, index: int) -> tuple[int, int]:
        connected = self._node.input(index) if index < self.input_count else None
        return self._frame_range(root_of(self._node) if connected is None else connected)

    def root_text(self, knob: str) -> str:
        found = root_of(self._node).knob(knob)
        return "" if found is None else str(found.text_at(self._frame))
