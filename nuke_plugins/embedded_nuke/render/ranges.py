"""Frame ranges of nodes, and the frames that time nodes ask of their inputs.

Sources: the knobs of each class; AppendClip's clip lengths come from the frame ranges of its inputs (the node's documentation).
"""

from __future__ import annotations

import math
from typing import Any, Callable

from embedded_nuke.render.node_operation import NodeOperation, root_of
from embedded_nuke.render.walk import is_disabled, is_group

Range = tuple[int, int]
# A range does not change over time; where a knob that defines it is animated, its value at the root's current frame counts.
_GENERATORS = frozenset(["Constant", "CheckerBoard2", "Ramp", "Rectangle", "Noise"])


def root_range(node: Any) -> Range:
    """First and last frame of the script."""
    root = root_of(node)
    first, last = root.knob("first_frame"), root.knob("last_frame")
    frame = current_frame(node)
    return (
        1 if first is None else int(first.number_at(frame)),
        100 if last is None else int(last.number_at(frame)),
    )


def current_frame(node: Any) -> float:
    """The root's current frame, 1 where there is none."""
    knob = root_of(node).knob("frame")
    return 1.0 if knob is None else float(knob.number_at(0.0))


def range_of(node: Any) -> Range:
    """First and last frame of a node: its own knobs where its class has such, else what its inputs have.

    Nodes with several inputs: ``rangeinput`` where the class has it (B, A, All), else from the first to the last frame of all.
    The root's range where nothing is connected.
    """
    if getattr(node, "group", None) is None:
        return root_range(node)
    frame = current_frame(node)
    name = node.Class()
    if is_disabled(node, frame):
        return _first_input(node)
    if name == "Input":
        return _through_group(node, frame)
    if is_group(node):
        output = node.output_node()
        return root_range(node) if output is None else range_of(output)
    rule = _RULES.get(name)
    if rule is not None:
        return rule(NodeOperation(node, frame, _no_render, range_of))
    return _first_input(node) if node.knob("maskChannelMask") is not None else union_of_inputs(node)


def _no_render(node: Any, frame: float) -> Any:
    raise AssertionError("frame ranges need no pictures")


def _through_group(node: Any, frame: float) -> Range:
    group = node.group
    number = int(node.knob("number").number_at(frame))
    connected = group.input(number) if getattr(group, "group", None) is not None and number < int(group.inputs()) else None
    return root_range(node) if connected is None else range_of(connected)


def _first_input(node: Any) -> Range:
    connected = node.input(0) if node.inputs() > 0 else None
    return root_range(node) if connected is None else range_of(connected)


def union_of_inputs(node: Any) -> Range:
    """From the first to the last frame of all connected inputs; the root's range if there is none."""
    ranges = [range_of(node.input(index)) for index in range(int(node.inputs())) if node.input(index) is not None]
    if not ranges:
        return root_range(node)
    return min(first for first, _ in ranges), max(last for _, last in ranges)


def _read(o: NodeOperation) -> Range:
    first, last = int(o.number("first")), int(o.number("last"))
    shift = read_shift(o)
    return first - shift, last - shift


def read_shift(o: Any) -> int:
    """What a Read or TimeClip adds to the frame by ``frame_mode``: 0 for an expression.

    ``start at`` puts the first frame of the clip at the frame given. Assumption: ``offset`` is added to the asked frame, as the
    manual's words have it.
    """
    mode, value = o.text("frame_mode"), o.text("frame").strip()
    if not value or mode == "expression":
        return 0
    try:
        number = round(float(value))
    except ValueError:
        return 0
    return int(o.number("first")) - number if mode == "start at" else number


def _generator(o: NodeOperation) -> Range:
    return (int(o.number("first")), int(o.number("last"))) if o.has("first") and o.has("last") else root_range(o.node)


def _frame_range(o: NodeOperation) -> Range:
    first, last = int(o.number("first_frame")), int(o.number("last_frame"))
    # A fresh node holds 0 and -123 until something sets it.
    return (first, last) if first <= last else o.input_range(0)


def _time_offset(o: NodeOperation) -> Range:
    first, last = o.input_range(0)
    shift = offset_of(o)
    return first + shift, last + shift


def offset_of(o: Any) -> int:
    """Whole frames by which a TimeOffset moves its input to later frames.

    ``dtime_offset`` holds the same as a fraction; ``rounding_mode`` decides which of the two counts.
    """
    if o.text("rounding_mode") == "Fractional time" and o.number("dtime_offset"):
        shift: float = o.number("dtime_offset")
        return math.floor(shift)
    shift = o.number("time_offset")
    return round(shift)


def _retime(o: NodeOperation) -> Range:
    return int(o.number("output.first")), int(o.number("output.last"))


def clip_starts(o: Any) -> list[tuple[int, int, int, int]]:
    """AppendClip's clips in order: (input, first frame in the result, length, first frame of the input).

    Each begins where the one before it ends, ``dissolve`` frames earlier. Inputs that are not connected are left out.
    """
    clips, at = [], int(o.number("firstFrame"))
    overlap = max(0, int(o.number("dissolve")))
    for index in range(o.input_count):
        if not o.has_input(index):
            continue
        first, last = o.input_range(index)
        length = max(1, last - first + 1)
        clips.append((index, at, length, first))
        at += max(1, length - overlap)
    return clips


def _append(o: NodeOperation) -> Range:
    clips = clip_starts(o)
    if not clips:
        return root_range(o.node)
    _, start, length, _ = clips[-1]
    return int(o.number("firstFrame")), start + length - 1


def switched(o: Any) -> int:
    """The input that a Switch shows. Assumption: beyond the last the last, below 0 the first; fractions are cut off."""
    last = max(0, int(o.input_count) - 1)
    return min(max(0, int(o.number("which"))), last)


def _switch(o: NodeOperation) -> Range:
    return o.input_range(switched(o))


def _by_range_input(o: NodeOperation) -> Range:
    choice = o.text("rangeinput") if o.has("rangeinput") else "All"
    if choice == "All":
        ranges = [o.input_range(index) for index in (0, 1) if o.has_input(index)]
        return (min(f for f, _ in ranges), max(last for _, last in ranges)) if ranges else root_range(o.node)
    wanted = 0 if choice == "B" else 1
    return o.input_range(wanted if o.has_input(wanted) else 1 - wanted)


def _dissolve(o: NodeOperation) -> Range:
    if o.flag("mergerange"):
        return union_of_inputs(o.node)
    return o.input_range(int(o.number("which")) if o.has_input(int(o.number("which"))) else 0)


def _write(o: NodeOperation) -> Range:
    return (int(o.number("first")), int(o.number("last"))) if o.flag("use_limit") else o.input_range(0)


_RULES: dict[str, Callable[[NodeOperation], Range]] = {
    "Read": _read,
    "TimeClip": _read,
    "FrameRange": _frame_range,
    "TimeOffset": _time_offset,
    "Retime": _retime,
    "AppendClip": _append,
    "Switch": _switch,
    "Merge2": _by_range_input,
    "Copy": _by_range_input,
    "Dissolve": _dissolve,
    "Write": _write,
    **dict.fromkeys(_GENERATORS, _generator),
}


def clamp_frame(frame: int, first: int, last: int, before: str, after: str) -> int | None:
    """A frame of the clip for any asked frame, by the rules of ``before`` and ``after``; None for black.

    ``hold`` repeats the end, ``loop`` starts over, ``bounce`` runs back, turning at the last frame without showing it twice
    (assumption: Nuke does not repeat the turning frame), ``continue`` asks for the frame itself.
    """
    if first <= frame <= last:
        return frame
    rule = before if frame < first else after
    length = last - first + 1
    if rule == "hold":
        return first if frame < first else last
    if rule == "loop":
        return first + (frame - first) % length
    if rule == "bounce":
        if length == 1:
            return first
        step = (frame - first) % (2 * length - 2)
        return first + (step if step < length else 2 * length - 2 - step)
    return frame if rule == "continue" else None
