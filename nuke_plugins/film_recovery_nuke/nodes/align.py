"""RecoveryAlign: brings ``align.json`` into the node as keys and numbers that an artist can change.

The record counts pixels from the middle of the upper left one, with row 0 on top; Nuke from the lower left corner of the lower
left one, with y upwards. So x becomes x + 0.5, and y becomes height - 0.5 - y, each in the height of its own picture.
"""

from __future__ import annotations

import contextlib
import filecmp
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nuke
from film_recovery.contract.atomic import storage_errors
from film_recovery.contract.curation import VERDICTS, AlignmentRecord, FrameAlignment, load_alignment
from film_recovery.contract.errors import FilmRecoveryError
from film_recovery_nuke import frames as frame_tools
from film_recovery_nuke import graph, needs
from film_recovery_nuke.errors import HostError, shown

CLASS = "RecoveryAlign"
MASKS = 4
CORNERS = ("to1", "to2", "to3", "to4")
_LINKED, _LINKED_BOXES = ("cropOn", "cropReformat", "masks", "loaded"), ("cropBox", "mask1", "mask2", "mask3", "mask4")
_USED = {"difference": ("differenceGain",), "wipe": ("wipe",)}
_NUMBERED = re.compile(r"^(.*?)(\d+)(\.[^.]+)$")
WARP_FOLDER = "warps_for_nuke"

Matrix = Sequence[Sequence[float]]
Point = tuple[float, float]
Shown = tuple[int, int, FrameAlignment]


def corners(matrix: Matrix, reference_size: Sequence[int], source_size: Sequence[int]) -> list[Point]:
    """Where the corners of the reference's format lie in the source: lower left, lower right, upper right, upper left.

    Args:
        matrix: 3x3, reference pixels to source pixels as in ``align.json`` (centres at whole numbers, row 0 on top).
        reference_size, source_size: width and height in pixels.

    Returns:
        Four points in Nuke's coordinates of the source: pixels from its lower left corner, y upwards.

    Raises:
        HostError: a corner lies on the horizon or behind it.
    """
    width, height = reference_size
    found = []
    for x, y in ((0, 0), (width, 0), (width, height), (0, height)):
        column, row = x - 0.5, height - 0.5 - y
        u, v, depth = (line[0] * column + line[1] * row + line[2] for line in matrix)
        if depth <= 1e-9:
            raise HostError("A matrix of the alignment turns a corner over the horizon; align the elements again.")
        found.append((u / depth + 0.5, source_size[1] - 0.5 - v / depth))
    return found


def nuke_box(box: Sequence[int], height: int) -> list[int]:
    """[x, y, width, height] with row 0 on top as Nuke's left, bottom, right, top in a picture of ``height``."""
    x, y, across, down = box
    return [x, height - y - down, x + across, height - y]


def keyed(record: AlignmentRecord) -> list[FrameAlignment]:
    """The frames whose corners become keys: all that were not rejected, ascending. Raises :class:`HostError` for none."""
    found = sorted((frame for frame in record.frames if frame.verdict != "rejected"), key=lambda frame: frame.source)
    if not found:
        raise HostError("Every frame of this alignment was rejected; look at the reasons, then align other frames.")
    return found


@shown
def load(node: Any) -> AlignmentRecord:
    """Write the record that the knob ``alignment`` names into the node; returns it."""
    text = node["alignment"].evaluate() or ""
    if not text:
        raise HostError(f"{node.name()}: choose an align.json first; the page Curate makes one.")
    path = graph.resolved(text)
    return apply(node, load_alignment(path), path)


def apply(node: Any, record: AlignmentRecord, path: Path) -> AlignmentRecord:
    """As :func:`fill`, in one step of undo."""
    with graph.undo("Film Recovery: load alignment"):
        return fill(node, record, path)


def create(record: AlignmentRecord, path: Path, source: Any, reference: Any) -> tuple[Any, Any]:
    """Make a node on two branches with a record in it, and the one that cuts the source alike, in one step of undo.

    Returns:
        The reference's node and the source's.

    Raises:
        HostError, StorageError: as :func:`fill`; no node is left.
    """
    with graph.beside(source, reference), graph.undo("Film Recovery: alignment"):
        node = nuke.nodes.RecoveryAlign(inputs=[source, reference])
        node.setXYpos(reference.xpos(), reference.ypos() + 240)
        try:
            fill(node, record, path)
        except FilmRecoveryError:
            nuke.delete(node)
            raise
        return node, _source_branch(node)


def fill(node: Any, record: AlignmentRecord, path: Path) -> AlignmentRecord:
    """Write a record into a node. Keys of the hand transform are left alone.

    The record counts files, the keys count project frames: each input is followed to its Read, through whatever moves it in
    time. Rejected frames get no corner key: theirs lie between the neighbours'. Before the first and after the last key the
    corners are held.

    Raises:
        HostError: an input is not connected, has another size than in the record or shows none of its frames, or no frame can
            be used.
        StorageError: the STMaps cannot be copied.
    """
    _check_sizes(node, record)
    keyed(record)
    placed = _shown(node, record)
    frames = [(time, frame) for time, _, frame in placed if frame.verdict != "rejected"]
    places = [corners(frame.matrix, record.reference_size, record.source_size) for _, frame in frames]
    times = [time for time, _ in frames]
    numbers, pattern = _warps(record, path)
    masks = sorted(record.masks, key=lambda mask: mask[2] * mask[3], reverse=True)
    node["alignment"].setValue(graph.shortened(path))
    for index, name in enumerate(CORNERS):
        sides = [_curve(times, [place[index][axis] for place in places], "L") for axis in (0, 1)]
        _set_curves(node[name], sides)
    # Rejected frames too: which frame belongs to which is another question than how they lie.
    known = [time for time, _, _ in placed]
    _set_curves(node["referenceFrame"], [_curve(known, [partner for _, partner, _ in placed], "L")])
    warped = [numbers.get(frame.warp or "", 0) for _, _, frame in placed]
    _set_curves(node["warpNumber"], [_curve(known, warped, "K")])
    node["warpFiles"].setValue(pattern)
    node["cropBox"].setValue(nuke_box(record.crop, record.source_size[1]))
    for index in range(MASKS):
        box = nuke_box(masks[index], record.source_size[1]) if index < len(masks) else [0, 0, 0, 0]
        node[f"mask{index + 1}"].setValue(box)
    node["handCenter"].setValue([record.source_size[0] / 2, record.source_size[1] / 2])
    rejected = [time for time, _, frame in placed if frame.verdict == "rejected"]
    node["rejectedFrames"].setValue(frame_tools.format_frames(rejected))
    node["loaded"].setValue(True)
    node["status"].setValue(_told(record, placed))
    return record


def summary(record: AlignmentRecord) -> str:
    """What a record holds, in lines; frames are those of the source's files."""
    verdicts = {name: [frame.source for frame in record.frames if frame.verdict == name] for name in VERDICTS}
    lines = ["Frames: " + ", ".join(f"{len(frames)} {name}" for name, frames in verdicts.items()) + "."]
    if verdicts["doubtful"]:
        lines.append(f"Look at {frame_tools.format_frames(verdicts['doubtful'])}.")
    known = [frame.source for frame in record.frames]
    gaps = sorted(set(range(min(known), max(known) + 1)) - set(known)) if known else []
    if gaps:
        lines.append(f"Not in the record, taken from their neighbours: {frame_tools.format_frames(gaps)}.")
    if len(record.masks) > MASKS:
        lines.append(f"The {MASKS} largest of {len(record.masks)} masks were taken; add the others with a Roto on both sides.")
    return "\n".join([*lines, *record.notes])


@shown
def hand_here(node: Any) -> None:
    """Let the hand transform act at the current frame; its neighbours keep what they have."""
    _switch(node, 1.0)


@shown
def automatic_here(node: Any) -> None:
    """Take the record alone at the current frame; its neighbours keep what they have."""
    _switch(node, 0.0)


@shown
def create_source(node: Any) -> Any:
    """Make a node that gives the source this node's crop and masks, by links; returns it."""
    with graph.undo("Film Recovery: source branch"):
        return _source_branch(node)


def on_create(node: Any) -> None:
    """When a node is made or a script is opened. Never raises."""
    with contextlib.suppress(FilmRecoveryError, RuntimeError):
        _enable(node)


def knob_changed(node: Any, knob: Any) -> None:
    """Grey out what the chosen output does not use."""
    if knob.name() in ("output", "showPanel"):
        _enable(node)


def _source_branch(node: Any) -> Any:
    name = node.name()
    with graph.beside(node):
        made = nuke.nodes.RecoveryAlign(inputs=[node.input(0), node.input(1)])
        made["output"].setValue("source")
        for knob in _LINKED:
            made[knob].setExpression(f"{name}.{knob}")
        for knob in _LINKED_BOXES:
            for index, part in enumerate(("x", "y", "r", "t")):
                made[knob].setExpression(f"{name}.{knob}.{part}", index)
        made["retime"].setValue(False)
        made["label"].setValue("source")
        made["status"].setValue(f"Crop and masks of {name}.")
        made.setXYpos(node.xpos() - 120, node.ypos())
    return made


def _enable(node: Any) -> None:
    used = _USED.get(str(node["output"].value()), ())
    for name in ("differenceGain", "wipe"):
        node[name].setEnabled(name in used)


def _switch(node: Any, value: float) -> None:
    """A key at this frame, and keys beside it that keep the neighbours as they are."""
    knob, frame = node["useHand"], int(nuke.frame())
    around = {frame - 1: knob.getValueAt(frame - 1), frame: value, frame + 1: knob.getValueAt(frame + 1)}
    with graph.undo("Film Recovery: by hand"):
        if not knob.isAnimated():
            knob.setAnimated()
        for time, wanted in around.items():
            knob.setValueAt(1.0 if wanted > 0.5 else 0.0, time)


def _told(record: AlignmentRecord, placed: Sequence[Shown]) -> str:
    """The node's status: the record, and where its numbers are not the project's or its frames not to be seen."""
    lines = [summary(record)]
    seen = {frame.source for _, _, frame in placed}
    hidden = [frame.source for frame in record.frames if frame.source not in seen]
    if hidden:
        lines.append(f"Not shown by the inputs: {frame_tools.format_frames(hidden)}.")
    if any(time != frame.source for time, _, frame in placed):
        lines.append("These are numbers of the source's files; the keys are at the project's frames.")
    return "\n".join(lines)


def _shown(node: Any, record: AlignmentRecord) -> list[Shown]:
    """Project frame, project frame at which the reference branch shows the partner, and entry of the record, ascending.

    Raises:
        HostError: the branches show none of the record's frames.
    """
    entries = {frame.source: frame for frame in record.frames}
    root, branches = nuke.root(), [node.input(index) for index in (0, 1)]
    reach = {number for frame in record.frames for number in (frame.source, frame.reference)}
    for branch in branches:
        reach |= set(range(branch.firstFrame(), branch.lastFrame() + 1))
    times = sorted({*reach, *range(root.firstFrame(), root.lastFrame() + 1)})
    partners: dict[int, list[int]] = {}
    for time in times:
        there = needs.shown_frame(branches[1], time)
        if there is not None:
            partners.setdefault(there, []).append(time)
    found = []
    for time in times:
        file = needs.shown_frame(branches[0], time)
        entry = None if file is None else entries.get(file)
        if entry is not None and entry.reference in partners:
            # Where a partner is held over several frames, the one that is nearest.
            found.append((time, min(partners[entry.reference], key=lambda other: abs(other - time)), entry))
    if not found:
        raise HostError(
            f"{node.name()}: the inputs show none of the alignment's frames, {record.frames[0].source} to "
            f"{record.frames[-1].source} of {record.source}; connect the elements that were aligned."
        )
    return found


def _check_sizes(node: Any, record: AlignmentRecord) -> None:
    for index, side, size in ((0, "source", record.source_size), (1, "reference", record.reference_size)):
        branch = node.input(index)
        if branch is None:
            raise HostError(f"{node.name()}: connect the input {side.capitalize()} before loading an alignment.")
        try:
            found = [branch.width(), branch.height()]
        except RuntimeError:  # an inference that was not baked yet has no size
            continue
        if found != list(size):
            raise HostError(
                f"{node.name()}: the {side} {branch.name()} is {found[0]} x {found[1]} pixels, in the alignment it was "
                f"{size[0]} x {size[1]}; connect the element that was aligned, before any Reformat or Crop."
            )


def _curve(times: Sequence[int], values: Sequence[float], mode: str) -> str:
    """A curve with a key a frame in the spelling of scripts; ``mode`` L is linear, K holds."""
    keys = " ".join(f"x{time} {value:.9g}" for time, value in zip(times, values))
    return f"{{curve {mode} {keys}}}"


def _set_curves(knob: Any, curves: Sequence[str]) -> None:
    """Set a knob's components at once: keys one by one take minutes for a reel."""
    knob.fromScript("{" + " ".join(curves) + "}")


def _warps(record: AlignmentRecord, path: Path) -> tuple[dict[str, int], str]:
    """Numbers of the warps and the pattern of their files: as they are where they are numbered alike, else copies that are.

    Copies that another alignment's node reads stay as they are. Numbers of files begin at 1, since 0 means no warp.
    """
    if not record.warps:
        return {}, ""
    files = [(path.parent / warp.stmap) for warp in record.warps]
    for file in files:
        if not file.is_file():
            raise HostError(f"{path} names the warp {file}, which is not there; align the elements again.")
    matches = [_NUMBERED.match(file.as_posix()) for file in files]
    alike = {(match.group(1), len(match.group(2)), match.group(3)) for match in matches if match is not None}
    found = [int(match.group(2)) for match in matches if match is not None]
    if len(alike) == 1 and len(set(found)) == len(files) and min(found) > 0:
        head, digits, tail = next(iter(alike))
        numbers = {warp.name: number for warp, number in zip(record.warps, found)}
        return numbers, graph.for_read(Path(f"{head}%0{digits}d{tail}"))
    folder = path.parent / WARP_FOLDER
    with storage_errors(folder):
        folder.mkdir(exist_ok=True)
        numbers = {warp.name: _copied(file, folder) for warp, file in zip(record.warps, files)}
    return numbers, graph.for_read(folder / f"warp.%04d{files[0].suffix}")


def _copied(file: Path, folder: Path) -> int:
    """Copy a warp under the first number that is free or an equal one's; returns the number."""
    number = 1
    while (copy := folder / f"warp.{number:04d}{file.suffix}").exists():
        if filecmp.cmp(file, copy, shallow=False):
            return number
        number += 1
    shutil.copyfile(file, copy)
    return number
