"""Matched elements on one time line, by a TimeWarp and a FrameRange: each project frame shows the same picture in both.

From there on one number is one picture, and pairs and trainings need no partners.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import nuke
from film_recovery.contract.curation import MatchRecord, Moment
from film_recovery_nuke import frames as frame_tools
from film_recovery_nuke import graph, needs
from film_recovery_nuke.errors import HostError


def conform(record: MatchRecord, a: Any, b: Any, first: int = 1001) -> tuple[Any, Any]:
    """Put both elements on a new time line that has every picture of either.

    Where an element lacks the picture, its TimeWarp holds the one before; its label lists these frames.

    Args:
        record: the match.
        a, b: nodes that show the files of the two elements at their own numbers.
        first: project frame of the first picture.

    Returns:
        The ends of the branches of a and of b.

    Raises:
        HostError: nothing was matched, or an element shows its files at other numbers.
    """
    if not record.segments:
        raise HostError("No frame was matched; look at the notes of the match.")
    for element in (a, b):
        check_numbers(element)
    line = record.timeline(first)
    with graph.beside(a, b), graph.undo("Film Recovery: conform"):
        return _warp(a, line, [moment.a for moment in line]), _warp(b, line, [moment.b for moment in line])


def follow(record: MatchRecord, reference: Any) -> Any:
    """Show the reference (b of the record) at the numbers of the source (a), which stays as it is; returns the branch's end.

    Where the source's picture has no partner, the one before is held.

    Raises:
        HostError: nothing was matched, or the reference shows its files at other numbers.
    """
    if not record.segments:
        raise HostError("No frame was matched; look at the notes of the match.")
    check_numbers(reference)
    line = record.own_line()
    with graph.beside(reference), graph.undo("Film Recovery: match"):
        return _warp(reference, line, [moment.b for moment in line])


def place(record: MatchRecord, reference: Any) -> Any:
    """As :func:`follow`; one stretch alone needs no more than a TimeOffset.

    Raises:
        HostError: as there.
    """
    if len(record.segments) != 1:
        return follow(record, reference)
    check_numbers(reference)
    part = record.segments[0]
    shift = part.first_a - part.first_b
    with graph.beside(reference), graph.undo("Film Recovery: match"):
        made = nuke.nodes.TimeOffset(inputs=[reference], time_offset=shift)
        made["label"].setValue(f"matched {part.first_a}-{part.first_a + part.length - 1}: {shift:+d}")
        made.setXYpos(reference.xpos(), reference.ypos() + 90)
    return made


def check_numbers(element: Any) -> None:
    """A match counts files. Raises :class:`HostError` for an element that shows its files at other project frames."""
    for frame in (element.firstFrame(), element.lastFrame()):
        file = needs.shown_frame(element, frame)
        if file is not None and file != frame:
            raise HostError(
                f"{element.name()} shows its file {file} at frame {frame}, but the match counts files; let the Read show each "
                "file at its own number (frame mode, offset and start at), use the match, and move what follows in time."
            )


def switch_where_missing(switch: Any, line: Sequence[Moment]) -> None:
    """Key a Switch to 0 where a has the picture, and to 1 where only b has it."""
    keys = []
    before = None
    for moment in line:
        which = int(moment.a is None)
        if which != before:
            keys.append(f"x{moment.frame} {which}")
        before = which
    switch["which"].fromScript(f"{{{{curve K {' '.join(keys)}}}}}")


def lookup_keys(frames: Sequence[int], files: Sequence[int | None]) -> list[tuple[int, int]]:
    """The keys (project frame, file) between which a straight line gives every file: where runs and holds begin and end.

    ``files`` has None where a picture is missing: the one before is held, at the head the first that there is.
    """
    there = [file for file in files if file is not None]
    held, values = there[0], []
    for file in files:
        held = held if file is None else file
        values.append(held)
    points = list(zip(frames, values))
    kept = []
    for index, (frame, value) in enumerate(points):
        if 0 < index < len(points) - 1:
            (first, before), (last, after) = points[index - 1], points[index + 1]
            if (value - before) * (last - frame) == (after - value) * (frame - first):  # in the middle of a line
                continue
        kept.append((frame, value))
    return kept


def _warp(element: Any, line: Sequence[Moment], files: Sequence[int | None]) -> Any:
    keys = lookup_keys([moment.frame for moment in line], files)
    # nearest: between keys a line may miss a whole number by its last bit, and other filters would blend two frames.
    made = nuke.nodes.TimeWarp(inputs=[element], filter="nearest")
    made["lookup"].fromScript("{{curve L " + " ".join(f"x{frame} {file}" for frame, file in keys) + "}}")
    lacking = [moment.frame for moment, file in zip(line, files) if file is None]
    made["label"].setValue("conformed" + (f"\nlacks {frame_tools.format_frames(lacking)}" if lacking else ""))
    made.setXYpos(element.xpos(), element.ypos() + 90)
    # A TimeWarp passes its input's range on, which is that of the files.
    known = nuke.nodes.FrameRange(inputs=[made], first_frame=line[0].frame, last_frame=line[-1].frame)
    known.setXYpos(element.xpos(), element.ypos() + 170)
    return known
