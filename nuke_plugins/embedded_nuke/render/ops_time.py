"""Nodes that show their input at another frame. Sources: the reference guide's words for each knob."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from embedded_nuke.render.frame_expression import frame_by_expression
from embedded_nuke.render.image import Box, Image, black, common_box
from embedded_nuke.render.masking import lerp
from embedded_nuke.render.operation import Operation, Request, fail, op, refuse, requests
from embedded_nuke.render.ranges import clamp_frame, clip_starts, offset_of, read_shift


def _held(o: Operation) -> float:
    first, step = o.number("firstFrame"), o.number("increment")
    if o.text("rounding_mode") == "Whole frames":
        first = float(math.floor(first))
    if step <= 0:
        return first
    return first + math.floor((o.frame - first) / step) * step


@requests("FrameHold")
def _frame_hold(o: Operation) -> list[Request]:
    return [(0, _held(o))]


def _offset(o: Operation) -> float:
    fractional = o.text("rounding_mode") == "Fractional time"
    shift = o.number("dtime_offset") if fractional and o.number("dtime_offset") else float(offset_of(o))
    if not o.flag("reverse_input"):
        return o.frame - shift
    first, last = o.input_range(0)
    return first + last - (o.frame - shift)


@requests("TimeOffset")
def _time_offset(o: Operation) -> list[Request]:
    return [(0, _offset(o))]


def _clip_frame(o: Operation) -> int | None:
    first, last = int(o.number("first")), int(o.number("last"))
    if o.text("frame_mode") == "expression" and o.text("frame").strip():
        frame = round(frame_by_expression(o, o.text("frame")))
    else:
        frame = round(o.frame) + read_shift(o)
    found = clamp_frame(frame, first, last, o.text("before"), o.text("after"))
    return found if found is None or not o.flag("reverse") else first + last - found


@requests("TimeClip")
def _time_clip(o: Operation) -> list[Request]:
    frame = _clip_frame(o)
    return [(0, float(int(o.number("first")) if frame is None else frame))]


def _retimed(o: Operation) -> float | None:
    """The input's frame of a Retime: the output range is laid over the input range, then ``before`` and ``after`` apply.

    With both ranges of one length or ``speed`` given, the input advances ``speed`` frames a frame from ``input.first`` on.
    """
    if o.has("warp") and o.text("warp").replace("warp", "").strip(" {}\n"):
        raise refuse(o, "warp", "a curve", "speed and the ranges")
    first_in, last_in = o.number("input.first"), o.number("input.last")
    at = first_in + (o.frame - o.number("output.first")) * o.number("speed")
    if o.flag("reverse"):
        at = last_in - (at - first_in)
    if first_in <= at <= last_in:
        return at
    whole = clamp_frame(round(at), int(first_in), int(last_in), o.text("before"), o.text("after"))
    return None if whole is None else float(whole)


@requests("Retime")
def _retime_requests(o: Operation) -> list[Request]:
    at = _retimed(o)
    if at is None:
        return [(0, o.number("input.first"))]
    if o.text("filter") == "box" and at != math.floor(at):
        return [(0, float(math.floor(at))), (0, float(math.floor(at) + 1))]
    return [(0, float(round(at)) if o.text("filter") == "nearest" else float(math.floor(at)))]


@op("FrameHold", "TimeOffset")
def shown_at(o: Operation) -> Image:
    """The input at the frame that the knobs give: held (anew every ``increment`` frames), or moved and reversed."""
    (_, frame), *_ = _frame_hold(o) if o.class_name == "FrameHold" else _time_offset(o)
    return o.input(0, frame)


@op("TimeClip")
def time_clip(o: Operation) -> Image:
    """A part of the input with rules for before and after, fades from and to black in ``soft`` (smoothstep) or ``linear``
    steps.

    Assumption: a fade of n frames has the weight i / (n + 1) on its i-th frame, so that no frame is quite black.
    """
    (_, frame), *_ = _time_clip(o)
    return _dimmed(o.input(0, frame), _clip_weight(o))


def _clip_weight(o: Operation) -> float:
    frame = _clip_frame(o)
    if frame is None:
        return 0.0
    first, last = int(o.number("first")), int(o.number("last"))
    weight = _fade(frame - first, o.number("fadeIn"), o.text("fadeInType"))
    return weight * _fade(last - frame, o.number("fadeOut"), o.text("fadeOutType"))


def _fade(distance: int, length: float, kind: str = "linear") -> float:
    if length <= 0 or distance >= length:
        return 1.0
    at = (max(distance, 0) + 1) / (length + 1)
    return at * at * (3 - 2 * at) if kind == "soft" else at


def _dimmed(image: Image, weight: float) -> Image:
    if weight >= 1:
        return image
    if weight <= 0:
        return black(image.format, image.channels, image.box)
    outside = None if image.outside is None else [value * weight for value in image.outside]
    return image.with_pixels(image.pixels * np.float32(weight), outside)


@op("Retime")
def retime(o: Operation) -> Image:
    """The input at another speed. ``filter box`` adds the two nearest frames in proportion, ``nearest`` and ``none`` take one.

    Assumption: Nuke's box filter over a ``shutter`` of 1 is this linear blend; other shutters are refused.
    """
    wanted, at = _retime_requests(o), _retimed(o)
    if at is None:
        return _dimmed(o.input(0, wanted[0][1]), 0.0)
    if len(wanted) == 1:
        return o.input(0, wanted[0][1])
    if o.number("shutter") != 1:
        raise refuse(o, "shutter", f"{o.number('shutter'):g}", "1")
    return mixed(o.input(0, wanted[0][1]), o.input(0, wanted[1][1]), at - math.floor(at))


@requests("TimeWarp")
def _warped_requests(o: Operation) -> list[Request]:
    at = o.number("lookup")
    if o.text("filter") == "box" and at != math.floor(at):
        return [(0, float(math.floor(at))), (0, float(math.floor(at) + 1))]
    return [(0, float(math.floor(at + 0.5)) if o.text("filter") == "nearest" else float(math.floor(at)))]


@op("TimeWarp")
def time_warp(o: Operation) -> Image:
    """The input at the frame that the curve ``lookup`` gives. ``filter`` as in Retime (assumption: the same linear blend)."""
    wanted = _warped_requests(o)
    if len(wanted) == 1:
        return o.input(0, wanted[0][1])
    return mixed(o.input(0, wanted[0][1]), o.input(0, wanted[1][1]), o.number("lookup") - wanted[0][1])


def mixed(first: Image, second: Image, weight: float) -> Image:
    """Two pictures in proportion, over both boxes and all channels; format and metadata of the first."""
    channels = first.channels + tuple(name for name in second.channels if name not in first.channels)
    box = common_box(first, second, Box.union)
    pixels = lerp(first.window(box, channels), second.window(box, channels), np.float32(weight))
    outside = None
    if first.outside is not None and second.outside is not None:
        ends = [np.array(_constants(image, channels), np.float32) for image in (first, second)]
        outside = tuple(lerp(ends[0], ends[1], np.float32(weight)).tolist())
    return Image(channels, box, first.format, pixels, first.metadata, outside)


def _constants(image: Image, channels: tuple[str, ...]) -> list[float]:
    known = dict(zip(image.channels, image.outside or ()))
    return [known.get(name, 0.0) for name in channels]


@requests("AppendClip")
def _append_requests(o: Operation) -> list[Request]:
    return [(index, frame) for index, frame, _ in _clips_at(o)]


def _clips_at(o: Operation) -> list[tuple[int, float, float]]:
    """Which clips show at the frame: (input, its frame, weight). Assumption: outside the range the ends are held."""
    clips = clip_starts(o)
    if not clips:
        return []
    start, (_, last_start, last_length, _) = clips[0][1], clips[-1]
    frame = min(max(math.floor(o.frame), start), last_start + last_length - 1)
    shown = [clip for clip in clips if clip[1] <= frame < clip[1] + clip[2]]
    if len(shown) > 2:
        raise fail(o, "more than two clips overlap; make dissolve shorter than the clips.")
    if len(shown) == 1:
        index, at, _, first = shown[0]
        return [(index, float(first + frame - at), 1.0)]
    (index, at, length, first), (other, other_at, _, other_first) = shown
    overlap = at + length - other_at
    weight = (frame - other_at + 1) / (overlap + 1)
    return [(index, float(first + frame - at), 1 - weight), (other, float(other_first + frame - other_at), weight)]


@op("AppendClip")
def append_clip(o: Operation) -> Image:
    """The inputs one after the other from ``firstFrame`` on, each as long as its own frame range; dissolves and fades.

    Source: the node's reference page; fades as in TimeClip, with linear steps. ``meta_from_first`` takes the first clip's
    metadata.
    """
    shown = _clips_at(o)
    if not shown:
        return o.input(0)
    pictures = [o.input(index, frame) for index, frame, _ in shown]
    image = pictures[0] if len(pictures) == 1 else mixed(pictures[0], pictures[1], shown[1][2])
    image = _dimmed(image, _append_weight(o))
    if o.flag("meta_from_first"):
        index, _, _, at = clip_starts(o)[0]
        image = Image(image.channels, image.box, image.format, image.pixels, o.input(index, float(at)).metadata, image.outside)
    return image


def _append_weight(o: Operation) -> float:
    clips, frame = clip_starts(o), math.floor(o.frame)
    if not clips:
        return 1.0
    first, last = clips[0][1], clips[-1][1] + clips[-1][2] - 1
    return _fade(frame - first, o.number("fadeIn")) * _fade(last - frame, o.number("fadeOut"))


# How the pictures asked for are mixed and dimmed, which may differ where they are the same: for the node's hash.
WEIGHTS: dict[str, Callable[[Operation], object]] = {
    "AppendClip": lambda o: ([weight for _, _, weight in _clips_at(o)], _append_weight(o)),
    "Retime": _retimed,
    "TimeClip": _clip_weight,
}
