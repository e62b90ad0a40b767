"""Reading and building the node graph. Everything here runs on the main thread."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nuke
from film_recovery_nuke.errors import HostError

# Colours after the trade's own scripts: grey source, violet reference, green around a stage.
SOURCE_COLOUR, REFERENCE_COLOUR, STAGE_COLOUR = 0x9A9A9AFF, 0x7A3D8CFF, 0x4F7A52FF
_COLUMN, _ROW = 110, 90
FOLDER = "recovery"  # beside the script, where neither node nor preferences name another
TCL = re.compile(r"\[[^\]]*\]")  # in a knob's text; it is evaluated away
_TCL_LETTERS = re.compile(r"[\\\[\]]")
_LABEL = re.compile(r"(-?\d+):(-?\d+)( held out)?(?:\n(.*))?", re.DOTALL | re.ASCII)  # see label_of
_MEANINGFUL = "%#["  # in a path, for Nuke: frame numbers, views, Tcl


@dataclass(frozen=True)
class Pair:
    """A pair of frames: the source's frame, the reference's, whether it is held out, and why it was chosen.

    ``scope`` names the part of the film that it was chosen for, ``adds`` what it brings that the others lack, both empty where
    nobody said; ``by_hand`` marks a person's own pick, which the next selection keeps.
    """

    source: int
    reference: int
    held_out: bool = False
    reason: str = ""
    scope: str = ""
    adds: tuple[str, ...] = ()
    by_hand: bool = False


@contextlib.contextmanager
def beside(*nodes: Any) -> Iterator[None]:
    """Make nodes in the group of those that they are to be connected to. Raises :class:`HostError` where these stand in
    several, between which nothing can be connected."""
    groups = [node.parent() or nuke.root() for node in nodes]
    for node, group in zip(nodes, groups):
        if group.fullName() != groups[0].fullName():
            raise HostError(
                f"{nodes[0].fullName()} and {node.fullName()} stand in different groups, so nothing can be connected to both; "
                "choose nodes of one group."
            )
    with groups[0]:
        yield


@contextlib.contextmanager
def undo(name: str) -> Iterator[None]:
    """Make everything inside one step of undo."""
    nuke.Undo.begin(name)
    try:
        yield
    finally:
        nuke.Undo.end()


def inside(group: Any, name: str) -> Any:
    """A node inside a group, by name. Raises :class:`HostError` when the gizmo lacks it."""
    found = group.node(name)
    if found is None:
        raise HostError(f"{group.name()} lacks its inner node '{name}'; it was changed by hand. Make a new {group.Class()}.")
    return found


def script_path() -> str:
    """The script's file with forward slashes; empty when it was never saved."""
    name = nuke.root().name()
    return "" if name in ("", "Root") else name.replace("\\", "/")


def folder_from(text: str, setting: str, what: str) -> Path:
    """A folder that a knob or the preferences name; relative ones begin at the script's folder.

    Args:
        text: the knob's text, evaluated.
        setting: the preferences' text, used when the knob is empty.
        what: for the message, as ``data directory``.

    Raises:
        HostError: a relative or no folder, and the script was never saved.
    """
    chosen = text.strip() or setting.strip()
    if chosen and Path(chosen).expanduser().is_absolute():
        return Path(chosen).expanduser()
    script = script_path()
    if not script:
        raise HostError(f"Save the script first, or give an absolute {what}: a relative one begins at the script's folder.")
    return Path(script).parent / (chosen or FOLDER)


def check_plain(path: str, what: str) -> None:
    """Raises :class:`HostError` where a folder, as ``data directory``, has a letter of Nuke's patterns or Tcl in its path."""
    strange = sorted(set(_MEANINGFUL) & set(path))
    if strange:
        raise HostError(f"{path}: '{strange[0]}' has a meaning in file names of Nuke; choose another {what}.")


def shortened(path: Path) -> str:
    """A path for a knob: relative to the script where it lies beneath it, so that script and folder can be moved together."""
    script = script_path()
    text = path.as_posix()
    if script:
        with contextlib.suppress(ValueError):
            text = path.resolve().relative_to(Path(script).parent.resolve()).as_posix()
    return text


def for_read(path: Path) -> str:
    """A path for a Read inside the package's nodes: beneath the script's folder it begins there, wherever both are moved.

    A Read takes relative paths from the project directory, which need not be the script's.
    """
    short = shortened(path)
    return short if Path(short).is_absolute() or not script_path() else f"[file dirname [value root.name]]/{short}"


def resolved(text: str) -> Path:
    """The file or folder that a knob's evaluated text means; relative ones begin at the script's folder."""
    path, script = Path(text), script_path()
    return path if path.is_absolute() or not script else Path(script).parent / path


def files_of(node: Any) -> str:
    """The files of a Read or a Write as Nuke finds them, absolute, with forward slashes and their pattern; empty for none.

    Relative names begin at the project directory, without one at where Nuke was started. Of several views the first is meant,
    as in everything that is rendered for the worker.
    """
    text = str(node["file"].getEvaluatedValue() or "")
    if not text:
        return ""
    root: Any = nuke.root()
    home = Path(str(root["project_directory"].getEvaluatedValue() or ""))
    view = nuke.views()[0]
    return Path(os.path.abspath(home / text.replace("%V", view).replace("%v", view[0]))).as_posix()


def build_pair_stacks(pairs: Sequence[Pair], source: Any, reference: Any) -> tuple[Any, Any]:
    """Build one branch a side: a FrameHold per pair, stacked by AppendClip, with labels and a backdrop.

    The stacks begin at frame 1: frame n shows the nth pair. Held-out pairs are marked in their labels.

    Returns:
        The two AppendClip nodes, source's and reference's.

    Raises:
        HostError: there is no pair.
    """
    if not pairs:
        raise HostError("There is no pair yet; add frames to the table first.")
    with beside(source, reference), undo("Film Recovery: pair stacks"):
        left, top = source.xpos(), max(source.ypos(), reference.ypos()) + 2 * _ROW
        first = _stack([(pair.source, pair) for pair in pairs], source, "source", (left, top), SOURCE_COLOUR)
        right = left + _COLUMN * (len(pairs) + 1)
        second = _stack([(pair.reference, pair) for pair in pairs], reference, "reference", (right, top), REFERENCE_COLOUR)
    return first, second


def _stack(frames: Sequence[tuple[int, Pair]], branch: Any, side: str, place: tuple[int, int], colour: int) -> Any:
    ends: list[Any] = []
    made: list[Any] = []
    for number, (frame, pair) in enumerate(frames):
        hold = nuke.nodes.FrameHold(inputs=[branch])
        held_frame_knob(hold).setValue(frame)
        hold["label"].setValue(label_of(pair))
        one = nuke.nodes.FrameRange(inputs=[hold], first_frame=1, last_frame=1)
        hold.setXYpos(place[0] + _COLUMN * number, place[1])
        one.setXYpos(place[0] + _COLUMN * number, place[1] + _ROW)
        ends.append(one)
        made += [hold, one]
    clip = nuke.nodes.AppendClip(inputs=ends)
    clip["meta_from_first"].setValue(False)
    clip["label"].setValue(f"{side} pairs 1-{len(frames)}")
    clip.setXYpos(place[0], place[1] + 2 * _ROW)
    backdrop([*made, clip], f"PAIRS {side.upper()}", colour)
    return clip


def label_of(pair: Pair) -> str:
    """A pair as the label of its FrameHolds. Nuke evaluates labels, and a reason may come from a file: Tcl in it is quoted."""
    reason = _TCL_LETTERS.sub(r"\\\g<0>", pair.reason)
    return f"{pair.source}:{pair.reference}{' held out' if pair.held_out else ''}{chr(10) + reason if reason else ''}"


def pair_of_label(label: str) -> Pair | None:
    """The pair that :func:`label_of` made a label of; None for other labels."""
    found = _LABEL.fullmatch(label)
    if found is None:
        return None
    reason = re.sub(r"\\(.)", r"\1", found.group(4) or "", flags=re.DOTALL)
    return Pair(int(found.group(1)), int(found.group(2)), bool(found.group(3)), reason, by_hand=True)


def held_frame_knob(hold: Any) -> Any:
    """The knob with a FrameHold's frame, under the name that this Nuke knows: it was renamed between 12.2 and 15.1."""
    return hold["firstFrame" if "firstFrame" in hold.knobs() else "first_frame"]


def backdrop(nodes: Sequence[Any], label: str, colour: int, margin: int = 40) -> Any:
    """A backdrop around nodes."""
    left = min(node.xpos() for node in nodes) - margin
    top = min(node.ypos() for node in nodes) - 2 * margin
    right = max(node.xpos() + node.screenWidth() for node in nodes) + margin
    bottom = max(node.ypos() + node.screenHeight() for node in nodes) + margin
    made = nuke.nodes.BackdropNode(bdwidth=right - left, bdheight=bottom - top, label=label, note_font_size=24)
    made["tile_color"].setValue(colour)
    made["z_order"].setValue(-1)
    made.setXYpos(left, top)
    return made


def write_thumbnail(branch: Any, frame: int, path: Path, width: int = 160) -> None:
    """Write a small picture of a branch at a frame as PNG, as a viewer would show linear light.

    The nodes for it live in a group that is removed again, and leave no step of undo.

    Raises:
        HostError: the frame cannot be rendered.
    """
    nuke.Undo.disable()
    group = None
    try:
        home = branch.parent() or nuke.root()
        with home:
            group = nuke.nodes.Group()
            group.setName("FilmRecoveryThumbnail")
        with group:
            entry = nuke.nodes.Input()
            small = nuke.nodes.Reformat(inputs=[entry], type="to box", box_width=width, resize="width")
            write = nuke.nodes.Write(inputs=[small], file_type="png", channels="rgb", create_directories=True)
            write["file"].setValue(path.as_posix())
        group.setInput(0, branch)
        nuke.execute(write, frame, frame, 1, [nuke.views()[0]])
    except RuntimeError as error:
        raise HostError(f"Frame {frame} of {branch.name()} cannot be shown: {error}") from error
    finally:
        if group is not None:
            nuke.delete(group)
        nuke.Undo.enable()
