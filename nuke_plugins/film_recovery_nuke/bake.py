"""Headless baking: every inference node that the Writes of a script need, in the order in which they depend on each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, List, Optional, Sequence

import nuke

from film_recovery_nuke import frames as frame_tools
from film_recovery_nuke import needs
from film_recovery_nuke.errors import HostError
from film_recovery_nuke.nodes import inference


@dataclass
class Order:
    """What the command line asks: a script, nodes (empty: all enabled Writes), frames (empty: the project's range)."""

    script: str
    nodes: List[str] = field(default_factory=list)
    frames: List[int] = field(default_factory=list)
    render: bool = True


def parse_order(words: Sequence[str]) -> Order:
    """``script.nk [node …] [1001-1055] [--bake-only]``.

    Raises:
        HostError: no script is named, or an option is unknown.
    """
    names, ranges, render = [], [], True
    for word in words:
        if word == "--bake-only":
            render = False
        elif word.startswith("--"):
            raise HostError(f"'{word}' is not known; the line is: bake_script.py script.nk [node …] [1001-1055] [--bake-only].")
        elif _is_range(word):
            ranges.append(word)
        else:
            names.append(word)
    if not names:
        raise HostError("Name the script: bake_script.py script.nk [node …] [1001-1055].")
    return Order(names[0], names[1:], frame_tools.parse_frames(",".join(ranges)), render)


def run(order: Order, say: Any = print) -> int:
    """Open the script, bake, render; returns how many frames were baked anew.

    Raises:
        HostError: a node or a frame is missing, or the worker fails.
        StorageError: the disk is full or read-only.
    """
    try:
        nuke.scriptOpen(order.script)
    except RuntimeError as error:
        raise HostError(f"{order.script} cannot be opened: {error}") from error
    root = nuke.root()
    frames = order.frames or list(range(root.firstFrame(), root.lastFrame() + 1))
    ends = [_named(name) for name in order.nodes] or _writes()
    count = bake_for(ends, frames, say)
    writes = [node for node in ends if node.Class() == "Write"]
    if order.render and writes:
        _render(writes, frames, say)
    return count


def bake_for(ends: Sequence[Any], frames: Sequence[int], say: Any = print) -> int:
    """Bake what rendering ``ends`` at ``frames`` asks for; returns how many frames were baked anew."""
    found = needs.needed(ends, frames)
    for warning in found.warnings:
        say(warning)
    baked = 0
    for node in found.order:
        wanted = found.of(node)
        say(f"{node.fullName()}: baking {frame_tools.format_frames(wanted)}")
        report = inference.bake(node, wanted)
        say(f"{node.fullName()}: {len(report.baked)} baked, {len(report.kept)} were there and are whole")
        baked += len(report.baked)
    return baked


def _render(writes: Sequence[Any], frames: Sequence[int], say: Any) -> None:
    for write in sorted(writes, key=lambda node: node["render_order"].value()):
        say(f"{write.fullName()}: rendering {frame_tools.format_frames(frames)}")
        for frame in frames:
            try:
                nuke.execute(write, frame, frame, 1)
            except RuntimeError as error:
                raise HostError(f"Frame {frame} of {write.fullName()} cannot be rendered: {error}") from error


def _named(name: str) -> Any:
    node: Optional[Any] = nuke.toNode(name)
    if node is None:
        raise HostError(f"The script has no node '{name}'; check the spelling.")
    if node.Class() not in ("Write", needs.INFERENCE):
        raise HostError(f"'{name}' is a {node.Class()}; name Writes or {needs.INFERENCE} nodes.")
    return node


def _writes() -> List[Any]:
    found = [node for node in nuke.allNodes("Write") if not node["disable"].value()]
    if not found:
        raise HostError("The script has no enabled Write outside of groups; name the nodes to bake.")
    return found


def _is_range(word: str) -> bool:
    try:
        return bool(frame_tools.parse_frames(word))
    except HostError:
        return False
