"""Finding the node that makes a picture: past dots, viewers and disabled nodes, into groups and out through their inputs."""

from __future__ import annotations

from typing import Any

from embedded_nuke.render.operation import RenderError

# Classes that hand their first input on unchanged. Viewer: which input shows is the GUI's matter; here it is the first.
PASSING = frozenset(
    [
        "Dot",
        "NoOp",
        "PostageStamp",
        "Output",
        "Viewer",
        "FrameRange",
        "ViewMetaData",
    ]
)
_NO_IMAGE = frozenset(["BackdropNode", "StickyNote"])


def is_group(node: Any) -> bool:
    """A Group or a gizmo: it has a graph inside."""
    return hasattr(node, "output_node") and getattr(node, "group", None) is not None


def is_disabled(node: Any, frame: float) -> bool:
    """By its ``disable`` knob, or out of its lifetime."""
    disable = node.knob("disable")
    if disable is not None and disable.bool_at(frame):
        return True
    use = node.knob("useLifetime")
    if use is None or not use.bool_at(frame):
        return False
    return not node.knob("lifetimeStart").number_at(frame) <= frame <= node.knob("lifetimeEnd").number_at(frame)


def passes_through(node: Any, frame: float) -> bool:
    """Whether the node's picture is that of its first input, unchanged."""
    name = node.Class()
    if name == "Write":
        reading = node.knob("reading")
        return reading is None or not reading.bool_at(frame) or is_disabled(node, frame)
    return name in PASSING or (is_disabled(node, frame) and _inputs(node) > 0)


def _inputs(node: Any) -> int:
    return int(node.inputs())


def _first_input(node: Any) -> Any | None:
    return node.input(0) if _inputs(node) > 0 else None


def source_of(node: Any, frame: float) -> Any | None:
    """The node whose operation makes the picture of ``node`` at ``frame``; None where an input is not connected.

    Raises:
        RenderError: the chain of inputs ends in itself, or at a node without a picture.
    """
    seen = set()
    while node is not None:
        if id(node) in seen:
            raise RenderError(f"{node.name()} is connected to itself; open the loop.")
        seen.add(id(node))
        if node.Class() in _NO_IMAGE:
            raise RenderError(f"{node.name()} is a {node.Class()} and has no picture; connect another node.")
        if node.Class() == "Input" and getattr(node, "group", None) is not None:
            node = _outer_input(node, frame)
        elif is_group(node):
            node = _first_input(node) if is_disabled(node, frame) else _inner_output(node)
        elif passes_through(node, frame):
            node = _first_input(node)
        else:
            return node
    return None


def _outer_input(node: Any, frame: float) -> Any | None:
    group = node.group
    if getattr(group, "group", None) is None:
        return None
    number = int(node.knob("number").number_at(frame))
    return group.input(number) if number < int(group.inputs()) else None


def _inner_output(group: Any) -> Any:
    output = group.output_node()
    if output is None:
        raise RenderError(f"The group {group.name()} has no Output inside; add one.")
    return output
