"""What one operation sees of its node: knob values at the frame, the pictures of its inputs; and the table of operations.

An operation is a function marked ``@op("Class", …)``. Classes that read their inputs at other frames, or not all of them, have
a second function marked ``@requests(…)``, which the hash of a node follows too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable, Protocol, TypeVar

from embedded_nuke.render import channels as channel_names
from embedded_nuke.render.image import Format, Image

Request = tuple[int, float]


class RenderError(RuntimeError):
    """A frame cannot be rendered; the text says where, why and what to do. Nuke raises RuntimeError from ``execute`` too."""


class Operation(Protocol):
    """One node at one frame."""

    @property
    def class_name(self) -> str: ...

    @property
    def name(self) -> str:
        """The node's full name, for messages."""
        ...

    @property
    def frame(self) -> float: ...

    def has(self, knob: str) -> bool:
        """Whether the node has this knob."""
        ...

    def number(self, knob: str, index: int = 0) -> float: ...

    def numbers(self, knob: str, count: int) -> list[float]:
        """``count`` numbers; a knob that holds a single one gives it for every component."""
        ...

    def text(self, knob: str) -> str:
        """The value with links, expressions and Tcl resolved; an enumeration gives its entry."""
        ...

    def flag(self, knob: str) -> bool: ...

    def format(self, knob: str) -> Format:
        """A format knob; the root's format where it is unset."""
        ...

    def own_format(self, knob: str) -> Format | None:
        """A format knob; None where it is unset."""
        ...

    def has_input(self, index: int) -> bool: ...

    @property
    def input_count(self) -> int:
        """One more than the highest connected input."""
        ...

    def input(self, index: int, frame: float | None = None) -> Image:
        """The picture of an input, at the node's frame or another; black without channels where nothing is connected."""
        ...

    def input_range(self, index: int) -> tuple[int, int]:
        """First and last frame of an input; the root's range where nothing is connected."""
        ...

    @property
    def node(self) -> Any:
        """The node itself, for what only few operations need."""
        ...

    def root_text(self, knob: str) -> str:
        """A knob of the root as text; empty if it has none of that name."""
        ...


OpFunction = Callable[[Any], Image]
RequestFunction = Callable[[Any], Sequence[Request]]
_OPS: dict[str, OpFunction] = {}
_REQUESTS: dict[str, RequestFunction] = {}
_F = TypeVar("_F", bound=Callable[..., Any])


def op(*classes: str) -> Callable[[_F], _F]:
    """Register the function that renders nodes of these classes."""

    def register(function: _F) -> _F:
        for name in classes:
            _OPS[name] = function
        return function

    return register


def requests(*classes: str) -> Callable[[_F], _F]:
    """Register the function that lists which inputs these classes read, at which frames."""

    def register(function: _F) -> _F:
        for name in classes:
            _REQUESTS[name] = function
        return function

    return register


def find_op(class_name: str) -> OpFunction | None:
    """The function that renders nodes of a class, None if there is none."""
    return _OPS.get(class_name)


def requests_of(o: Operation) -> list[Request]:
    """The inputs that the node reads at its frame, each with the frame asked of it."""
    special = _REQUESTS.get(o.class_name)
    if special is not None:
        return list(special(o))
    return [(index, o.frame) for index in range(o.input_count) if o.has_input(index)]


def fail(o: Operation, message: str) -> RenderError:
    """The error to raise: names node, class and frame."""
    return RenderError(f"{o.name} ({o.class_name}), frame {o.frame:g}: {message}")


def refuse(o: Operation, knob: str, value: Any, allowed: str) -> RenderError:
    """For a setting whose effect in Nuke is documented nowhere, so that no picture is made up."""
    return fail(o, f"{knob} '{value}' is not rendered here, since its maths is not documented; use {allowed}.")


def chosen_channels(o: Operation, image: Image) -> tuple[str, ...]:
    """The channels of ``image`` that the node's ``channels`` select."""
    return channel_names.chosen(o.text("channels"), image.channels)
