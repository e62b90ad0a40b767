"""Which frames a bake has to make: what the Writes of a script will ask of each inference node.

Followed upwards from a Write, every time node turns the asked frame into another: that is how handles, holds and offsets are met.
A node whose timing is not known here is named in a warning, and the asked frame is taken to pass through unchanged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterable, List, Sequence, Set, Tuple

INFERENCE = "RecoveryInference"
_UNKNOWN_TIME = frozenset({"Retime", "TimeWarp", "OFlow2", "Kronos", "FrameBlend", "TimeBlur", "TimeEcho", "TimeDissolve", "Twixtor"})


@dataclass
class Needs:
    """Frames by inference node, in the order in which they have to be baked: inner before outer, first pass before second."""

    order: List[Any] = field(default_factory=list)
    frames: Dict[str, Set[int]] = field(default_factory=dict)
    warnings: List[str] = field(default_factory=list)

    def of(self, node: Any) -> List[int]:
        """The frames that are needed of a node, ascending."""
        return sorted(self.frames.get(node.fullName(), set()))


def needed(ends: Sequence[Any], frames: Iterable[int]) -> Needs:
    """What rendering ``ends`` (Writes, or inference nodes themselves) at ``frames`` asks of the inference nodes above them."""
    needs = Needs()
    walker = _Walker(needs)
    for end in ends:
        for frame in frames:
            walker.visit(end, frame)
    return needs


class _Walker:
    def __init__(self, needs: Needs) -> None:
        self._needs = needs
        self._seen: Set[Tuple[str, int]] = set()

    def visit(self, start: Any, frame: int) -> None:
        """Follow one node at one frame, without recursion: scripts are deep. Inputs are finished before the node itself."""
        todo: List[Tuple[Any, int, bool]] = [(start, frame, False)]
        while todo:
            node, at, done = todo.pop()
            if node is None:
                continue
            if done:
                self._take(node, at)
                continue
            key = (node.fullName(), at)
            if key in self._seen:
                continue
            self._seen.add(key)
            todo.append((node, at, True))
            todo += [(other, frame_there, False) for other, frame_there in self._asks(node, at)]

    def _take(self, node: Any, frame: int) -> None:
        if node.Class() != INFERENCE or node["disable"].value():
            return
        name = node.fullName()
        if name not in self._needs.frames:
            self._needs.frames[name] = set()
            self._needs.order.append(node)
        self._needs.frames[name].add(frame)

    def _asks(self, node: Any, frame: int) -> List[Tuple[Any, int]]:
        kind = node.Class()
        if kind == "Input":
            return self._outside(node, frame)
        inputs = [node.input(index) for index in range(node.inputs())]
        if "disable" in node.knobs() and _flag(node, "disable", frame):
            return [(inputs[0], frame)] if inputs else []
        if hasattr(node, "nodes") and kind != INFERENCE:
            ends = [child for child in node.nodes() if child.Class() == "Output"]
            return [(ends[0], frame)] if ends else []
        if kind == "AppendClip":
            return _append_clip(node, inputs, frame)
        if kind in _TIMING:
            return [(other, there) for other in inputs for there in [_TIMING[kind](node, frame)]]
        if kind in _UNKNOWN_TIME:
            text = f"{node.fullName()} ({kind}): its timing is not followed; the frame asked of it is asked of its input."
            if text not in self._needs.warnings:
                self._needs.warnings.append(text)
        if kind == "Switch" and inputs:
            which = int(_number(node, "which", frame))
            return [(inputs[which], frame)] if 0 <= which < len(inputs) else []
        return [(other, frame) for other in inputs]

    def _outside(self, node: Any, frame: int) -> List[Tuple[Any, int]]:
        """What feeds an Input node: the input of the same number of the group around it."""
        group = node.parent()
        if group is None or not hasattr(group, "input"):
            return []
        siblings = sorted((child for child in group.nodes() if child.Class() == "Input"), key=lambda child: child["number"].value())
        return [(group.input(siblings.index(node)), frame)]


def _number(node: Any, knob: str, frame: int) -> float:
    value = node[knob].getValueAt(frame)
    return float(value[0] if isinstance(value, (list, tuple)) else value)


def _flag(node: Any, knob: str, frame: int) -> bool:
    return bool(_number(node, knob, frame))


def _hold(node: Any, frame: int) -> int:
    first = _number(node, "firstFrame" if "firstFrame" in node.knobs() else "first_frame", frame)
    step = _number(node, "increment", frame)
    if step <= 0:
        return int(first)
    return int(first + math.floor((frame - first) / step) * step)


def _offset(node: Any, frame: int) -> int:
    moved = frame - _number(node, "time_offset", frame)
    if _flag(node, "reverse_input", frame):
        source = node.input(0)
        return int(source.firstFrame() + source.lastFrame() - moved) if source is not None else int(moved)
    return int(math.floor(moved))


def _clip(node: Any, frame: int) -> int:
    first, last = int(_number(node, "first", frame)), int(_number(node, "last", frame))
    mode, text = node["frame_mode"].value(), node["frame"].value()
    at = frame
    if mode == "start at" and text:
        at = frame - int(float(text)) + first
    elif mode == "offset" and text:
        at = frame + int(float(text))
    if node["reverse"].value():
        at = first + last - at
    return min(max(at, first), last)


_TIMING: Dict[str, Callable[[Any, int], int]] = {"FrameHold": _hold, "TimeOffset": _offset, "TimeClip": _clip}


def _append_clip(node: Any, inputs: Sequence[Any], frame: int) -> List[Tuple[Any, int]]:
    """The clips lie one after the other from ``firstFrame`` on, overlapping by ``dissolve`` frames."""
    start = int(_number(node, "firstFrame", frame))
    overlap = int(_number(node, "dissolve", frame))
    found: List[Tuple[Any, int]] = []
    for clip in inputs:
        if clip is None:
            continue
        first, last = clip.firstFrame(), clip.lastFrame()
        if start <= frame < start + last - first + 1:
            found.append((clip, first + frame - start))
        start += last - first + 1 - overlap
    return found
