"""Which frames a bake has to make: what the Writes of a script will ask of each inference node.

Followed upwards from a Write, every time node turns the asked frame into others: that is how handles, holds, offsets, retimes
and animated knobs are met. Where a node blends frames, all that it may ask for are taken. A node whose timing is not known
here, or not to be told from its knobs, is named in a warning, and the asked frame is taken to pass through unchanged.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable

import nuke
from film_recovery.contract.job import KEPT
from film_recovery.contract.steady import REACH

INFERENCE = "RecoveryInference"
_UNKNOWN_TIME = frozenset({"OFlow2", "Kronos", "FrameBlend", "TimeBlur", "NoTimeBlur", "TimeEcho", "TimeDissolve", "Twixtor"})
_LOOKS_ASIDE = frozenset({"MotionBlur", "VectorGenerator", "SmartVector"})
_OFX = "OFX"  # the class of every OpenFX plug-in begins so; which frames it asks for is its own affair
_FRAME_WORD = re.compile(r"\b(?:frame|t)\b")
Ask = tuple[int, int]  # number of an input, and the frame that is asked of it


class UnknownTimingError(Exception):
    """The knobs do not tell which frame a node asks for."""


@dataclass
class Needs:
    """Frames by inference node, in the order in which they have to be baked: what feeds another inference node comes first."""

    order: list[Any] = field(default_factory=list)
    frames: dict[str, set[int]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def of(self, node: Any) -> list[int]:
        """The frames that are needed of a node, ascending."""
        return sorted(self.frames.get(node.fullName(), set()))


def needed(ends: Sequence[Any], frames: Iterable[int]) -> Needs:
    """What rendering ``ends`` (Writes, or inference nodes themselves) at ``frames`` asks of the inference nodes above them."""
    wanted = list(frames)
    return needed_at([(end, wanted) for end in ends])


def needed_at(asked: Iterable[tuple[Any, Iterable[int]]]) -> Needs:
    """The same where each end is rendered at frames of its own."""
    walker = _Walker()
    for end, frames in asked:
        for frame in frames:
            walker.visit(end, frame)
    return walker.needs()


def neighbours(node: Any, frame: int) -> list[int]:
    """The frames of its input, within the input's range, by which an inference node steadies a frame; none for one beyond it,
    of which nobody knows whether it is held, repeated or black."""
    source = node.input(0) if node.Class() == INFERENCE else None
    if source is None or not steadies(node) or is_beyond(node, frame):
        return []
    reach = REACH[KEPT[str(node["cardTask"].value())]]
    first, last = max(frame - reach, source.firstFrame()), min(frame + reach, source.lastFrame())
    return [beside for beside in range(first, last + 1) if beside != frame]


def is_beyond(node: Any, frame: int) -> bool:
    """Whether a frame lies outside the range of an inference node's input."""
    return not node.input(0).firstFrame() <= frame <= node.input(0).lastFrame()


def steadies(node: Any) -> bool:
    """Whether an inference node steadies what its model recovers: where that can be, and the source's grain is not put back."""
    task = str(node["cardTask"].value())
    is_grain_put_back = task == "spatial" and node["grain"].value() == "source"
    return bool(node["steady"].value()) and KEPT[task] != "nothing" and not is_grain_put_back


def shown_frame(branch: Any, frame: int) -> int | None:
    """The number of the file that a branch shows at a frame, followed through switches and time nodes to its Read.

    A branch without a Read is taken to begin where its inputs end. None: nothing, a blend of frames, or a timing that the
    knobs do not tell.
    """
    walker, node, at = _Walker(), branch, frame
    while True:
        if node.Class() == "Read":
            try:
                found = _clip_frames(node, at)
            except UnknownTimingError:
                return None
            return found[0] if found else None
        asks = walker.asks(node, at)
        if not asks:
            return at if node.inputs() == 0 else None
        if walker.is_lost or (len(asks) > 1 and asks[0][0] is asks[1][0]):
            return None
        node, at = asks[0]
        if node is None:
            return None


class _Walker:
    def __init__(self) -> None:
        self._found = Needs()
        self._seen: set[tuple[str, int]] = set()
        self._nodes: dict[str, Any] = {}
        self._above: dict[str, set[str]] = {}
        self.is_lost = False  # whether a node was met of which nobody can tell which frame it shows

    def visit(self, start: Any, frame: int) -> None:
        """Follow one node at one frame. Without recursion: scripts are deep."""
        todo: list[tuple[Any, int]] = [(start, frame)]
        while todo:
            node, at = todo.pop()
            name = node.fullName()
            if (name, at) in self._seen:
                continue
            self._seen.add((name, at))
            self._nodes[name] = node
            above = self._above.setdefault(name, set())
            if node.Class() == INFERENCE and not _is_off(node, at):
                self._found.frames.setdefault(name, set()).add(at)
            for other, frame_there in [*self.asks(node, at), *((node.input(0), beside) for beside in neighbours(node, at))]:
                if other is not None:
                    above.add(other.fullName())
                    todo.append((other, frame_there))

    def needs(self) -> Needs:
        """What was found, in order. The order is by the graph and not by frames: a Switch may ask later for what lies above."""
        done: set[str] = set()
        for start in list(self._found.frames):
            todo = [(start, False)]
            while todo:
                name, finished = todo.pop()
                if finished:
                    if name in self._found.frames:
                        self._found.order.append(self._nodes[name])
                elif name not in done:
                    done.add(name)
                    todo.append((name, True))
                    todo += [(other, False) for other in sorted(self._above[name])]
        return self._found

    def asks(self, node: Any, frame: int) -> list[tuple[Any, int]]:
        """What a node asks of which node above it; through groups."""
        kind = node.Class()
        if kind == "Input":
            return [(_outside(node), frame)]
        inputs = [node.input(index) for index in range(node.inputs())]
        if _is_off(node, frame):
            return [(inputs[0], frame)] if inputs else []
        if hasattr(node, "nodes") and kind != INFERENCE:
            ends = [child for child in node.nodes() if child.Class() == "Output"]
            return [(ends[0], frame)] if ends else []
        try:
            asks = _timing(node, kind, inputs, frame)
            is_known = not _looks_aside(node, kind, frame)
        except UnknownTimingError:
            asks, is_known, self.is_lost = [(index, frame) for index in range(len(inputs))], False, True
        if not is_known:
            self._warn(f"{node.fullName()} ({kind}): its timing is not followed; the frame asked of it is asked of its input.")
        return [(inputs[index], at) for index, at in asks if 0 <= index < len(inputs)]

    def _warn(self, text: str) -> None:
        if text not in self._found.warnings:
            self._found.warnings.append(text)


def _outside(node: Any) -> Any:
    """What feeds an Input node: the input of the same place of the group around it, None at the top."""
    group = node.parent()
    if group is None or not hasattr(group, "input"):
        return None
    names = [child.name() for child in sorted(_inputs_of(group), key=lambda child: child["number"].value())]
    return group.input(names.index(node.name()))


def _inputs_of(group: Any) -> list[Any]:
    return [child for child in group.nodes() if child.Class() == "Input"]


def _looks_aside(node: Any, kind: str, frame: int) -> bool:
    """Whether a node shows the asked frame, but makes it of others too, of which its knobs do not tell here."""
    if kind == "Denoise2":
        return node.knob("enable_temporal") is None or _flag(node, "enable_temporal", frame)
    return kind in _LOOKS_ASIDE or kind.startswith(_OFX)


def _timing(node: Any, kind: str, inputs: Sequence[Any], frame: int) -> list[Ask]:
    if kind in _UNKNOWN_TIME:
        raise UnknownTimingError
    if kind in _RULES:
        return _RULES[kind](node, inputs, frame)
    return [(index, frame) for index in range(len(inputs))]


def _number(node: Any, knob: str, frame: int) -> float:
    value = node[knob].getValueAt(frame)
    return float(value[0] if isinstance(value, (list, tuple)) else value)


def _flag(node: Any, knob: str, frame: int) -> bool:
    return bool(_number(node, knob, frame))


def _is_off(node: Any, frame: int) -> bool:
    """Whether a node passes its first input on at a frame: disabled, or beyond its lifetime."""
    if node.knob("disable") is not None and _flag(node, "disable", frame):
        return True
    lives = node.knob("useLifetime") is not None and _flag(node, "useLifetime", frame)
    return lives and not _number(node, "lifetimeStart", frame) <= frame <= _number(node, "lifetimeEnd", frame)


def _around(at: float) -> list[int]:
    """A frame, or the two on either side of a time between frames."""
    low = math.floor(at)
    return [low] if at == low else [low, low + 1]


def _frame_hold(node: Any, inputs: Sequence[Any], frame: int) -> list[Ask]:
    # The knob's older name still loads.
    first = _number(node, "firstFrame" if node.knob("firstFrame") is not None else "first_frame", frame)
    step = _number(node, "increment", frame)
    if node.knob("rounding_mode") is None or node["rounding_mode"].value() == "Whole frames":
        first = math.floor(first)
    held = first if step <= 0 else first + math.floor((frame - first) / step) * step
    return [(0, at) for at in _around(held)]


def _time_offset(node: Any, inputs: Sequence[Any], frame: int) -> list[Ask]:
    shift = float(round(_number(node, "time_offset", frame)))
    if node.knob("rounding_mode") is not None and node["rounding_mode"].value() == "Fractional time":
        shift = _number(node, "dtime_offset", frame) or shift
    at = frame - shift
    if _flag(node, "reverse_input", frame):
        if not inputs or inputs[0] is None:
            return []
        at = inputs[0].firstFrame() + inputs[0].lastFrame() - at
    return [(0, there) for there in _around(at)]


def _clip_frames(node: Any, frame: int) -> list[int]:
    """The frame of a Read or TimeClip that is shown; nothing where it is black."""
    first, last = int(_number(node, "first", frame)), int(_number(node, "last", frame))
    mode, text = node["frame_mode"].value(), node["frame"].value().strip()
    at = frame
    if mode == "start at" and text:
        at = frame - round(_evaluated(text, frame)) + first
    elif text:
        at = round(_evaluated(text, frame)) + (frame if mode == "offset" else 0)
    return _ruled(at, first, last, node["before"].value(), node["after"].value())


def _time_clip(node: Any, inputs: Sequence[Any], frame: int) -> list[Ask]:
    first, last = int(_number(node, "first", frame)), int(_number(node, "last", frame))
    found = _clip_frames(node, frame)
    if _flag(node, "reverse", frame):
        found = [first + last - there for there in found]
    # Where it shows black it still asks for its first frame, for format and channels.
    return [(0, there) for there in found or [first]]


def _retime(node: Any, inputs: Sequence[Any], frame: int) -> list[Ask]:
    if re.sub(r'[\s{}"\\]|warp', "", str(node["warp"].toScript())):  # a curve
        raise UnknownTimingError
    first, last = _number(node, "input.first", frame), _number(node, "input.last", frame)
    at = first + (frame - _number(node, "output.first", frame)) * _number(node, "speed", frame)
    if _flag(node, "reverse", frame):
        at = last - (at - first)
    if not first <= at <= last:
        found = _ruled(round(at), int(first), int(last), node["before"].value(), node["after"].value())
        return [(0, there) for there in found or [int(first)]]
    return [(0, min(max(there, int(first)), int(last))) for there in _around(at)]


def _time_warp(node: Any, inputs: Sequence[Any], frame: int) -> list[Ask]:
    at = _number(node, "lookup", frame)
    if node["filter"].value() == "nearest":
        return [(0, math.floor(at + 0.5))]
    return [(0, there) for there in _around(at)]


def _append_clip(node: Any, inputs: Sequence[Any], frame: int) -> list[Ask]:
    """The clips lie one after the other from ``firstFrame`` on, overlapping by ``dissolve`` frames; the ends are held."""
    start, overlap = int(_number(node, "firstFrame", frame)), max(0, int(_number(node, "dissolve", frame)))
    clips: list[tuple[int, int, int, int]] = []
    for index, clip in enumerate(inputs):
        if clip is not None:
            first, last = int(clip.firstFrame()), int(clip.lastFrame())
            length = max(1, last - first + 1)
            clips.append((index, first, start, start + length - 1))
            start += max(1, length - overlap)
    if not clips:
        return []
    at = min(max(frame, clips[0][2]), clips[-1][3])
    return [(index, first + at - begin) for index, first, begin, end in clips if begin <= at <= end]


def _contact_sheet(node: Any, inputs: Sequence[Any], frame: int) -> list[Ask]:
    """With ``splitinputs`` every frame from ``startframe`` to ``endframe``; -1 means the input's own end."""
    if not _flag(node, "splitinputs", frame):
        return [(index, frame) for index in range(len(inputs))]
    asks: list[Ask] = []
    ends = [int(_number(node, knob, frame)) for knob in ("startframe", "endframe")]
    for index, shown in enumerate(inputs):
        if shown is not None:
            first = ends[0] if ends[0] >= 0 else int(shown.firstFrame())
            last = ends[1] if ends[1] >= 0 else int(shown.lastFrame())
            asks += [(index, at) for at in range(first, last + 1)]
    rows, columns = int(_number(node, "rows", frame)), int(_number(node, "columns", frame))
    return asks[: max(rows, 1) * max(columns, 1)]


def _temporal_median(node: Any, inputs: Sequence[Any], frame: int) -> list[Ask]:
    return [(index, at) for index in range(len(inputs)) for at in (frame - 1, frame, frame + 1)]


def _switch(node: Any, inputs: Sequence[Any], frame: int) -> list[Ask]:
    return [(min(max(int(_number(node, "which", frame)), 0), max(len(inputs) - 1, 0)), frame)]


def _write(node: Any, inputs: Sequence[Any], frame: int) -> list[Ask]:
    return [] if node.knob("reading") is not None and _flag(node, "reading", frame) else [(0, frame)]


_RULES: dict[str, Callable[[Any, Sequence[Any], int], list[Ask]]] = {
    "FrameHold": _frame_hold,
    "TimeOffset": _time_offset,
    "TimeClip": _time_clip,
    "Retime": _retime,
    "TimeWarp": _time_warp,
    "AppendClip": _append_clip,
    "ContactSheet": _contact_sheet,
    "TemporalMedian": _temporal_median,
    "Switch": _switch,
    "Write": _write,
}


def _ruled(frame: int, first: int, last: int, before: str, after: str) -> list[int]:
    """The frame of a clip for an asked one, by the rules for before and after it; nothing where it is black."""
    if first <= frame <= last:
        return [frame]
    rule, length = (before if frame < first else after), last - first + 1
    if rule == "hold" or length <= 1:
        return [first if frame < first else last]
    if rule == "loop":
        return [first + (frame - first) % length]
    if rule == "bounce":
        step = (frame - first) % (2 * length - 2)
        return [first + (step if step < length else 2 * length - 2 - step)]
    return [frame] if rule == "continue" else []


def _evaluated(text: str, frame: int) -> float:
    """The value of a knob's text, a number or an expression of the frame. Raises :class:`UnknownTimingError`."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return float(nuke.expression(_FRAME_WORD.sub(f"({frame})", text)))
    except (RuntimeError, TypeError, ValueError) as error:
        raise UnknownTimingError from error
