"""Frame ranges as an artist types them, and rendering frames of a branch to files."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Callable

import nuke
from film_recovery.contract.errors import FilmRecoveryError, StorageError
from film_recovery_nuke import needs
from film_recovery_nuke.errors import CancelledError, HostError

_RANGE = re.compile(r"(-?\d+)(?:-(-?\d+)(?:x([1-9]\d*))?)?", re.ASCII)
_MOST = 1_000_000
ROOM = 128 * 2**20  # bytes, about a large frame: with less, a render that failed is taken to have failed of that
Progress = Callable[[int, int, str], None]
Cancelled = Callable[[], bool]


def parse_frames(text: str) -> list[int]:
    """Frame numbers, ascending and distinct, from ``1001-1055``, ``1-10x2``, ``1, 5 9-12``; negative ones too, and ranges that
    run backwards, from their first number on: as the worker reads them.

    Raises:
        HostError: a part is no frame range, or there are more than a million frames.
    """
    found: set[int] = set()
    for word in re.split(r"[\s,]+", text.strip()):
        if not word:
            continue
        match = _RANGE.fullmatch(word)
        if match is None:
            raise HostError(f"'{word}' is no frame range; write 1001-1055, 1-10x2, or single frames with commas.")
        first = int(match.group(1))
        last = int(match.group(2)) if match.group(2) else first
        step = int(match.group(3)) if match.group(3) else 1
        if abs(last - first) // step + len(found) >= _MOST:
            raise HostError(f"'{word}' has more than a million frames; check the numbers.")
        found.update(range(first, last + 1, step) if first <= last else range(first, last - 1, -step))
    return sorted(found)


def check_range(node: Any, branch: Any, frames: Sequence[int]) -> None:
    """Outside of a clip's range Nuke repeats its last picture: a pair, or a preview, of that would be one which does not exist.

    Raises:
        HostError: ``branch``, an input of ``node``, has not all of these frames.
    """
    outside = [frame for frame in frames if not branch.firstFrame() <= frame <= branch.lastFrame()]
    if outside:
        raise HostError(
            f"{node.name()}: frame {outside[0]} lies outside of {branch.name()}, which has "
            f"{branch.firstFrame()}-{branch.lastFrame()}; name other frames."
        )


def runs(frames: Iterable[int]) -> list[tuple[int, int]]:
    """First and last frame of every run of frames that follow each other, ascending."""
    found: list[tuple[int, int]] = []
    for frame in sorted(set(frames)):
        if found and frame == found[-1][1] + 1:
            found[-1] = (found[-1][0], frame)
        else:
            found.append((frame, frame))
    return found


def format_frames(frames: Iterable[int]) -> str:
    """The shortest spelling in runs: ``1-3,8,11-15``; empty for none."""
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs(frames))


@contextlib.contextmanager
def full_scale() -> Iterator[None]:
    """Switch proxy mode off for a while: Write nodes save at proxy scale."""
    root = nuke.root()
    was_on = bool(root["proxy"].value())
    if was_on:
        root["proxy"].setValue(False)
    try:
        yield
    finally:
        if was_on:
            root["proxy"].setValue(True)


@contextlib.contextmanager
def no_placeholders() -> Iterator[None]:
    """Let every frame that is not baked be an error for a while: what stands in for it on the screen must not be trained on or
    baked. Without a GUI it always is one."""
    nodes = nuke.allNodes(needs.INFERENCE, nuke.root(), recurseGroups=True) if nuke.GUI else []
    knobs = [node["missingFrames"] for node in nodes]
    # In the spelling of scripts, which takes an expression away and brings it back.
    changed = [(knob, knob.toScript()) for knob in knobs if knob.value() != "error"]
    try:
        for knob, _ in changed:
            knob.fromScript("error")
        yield
    finally:
        for knob, before in changed:
            knob.fromScript(before)


@contextlib.contextmanager
def switched_on(write: Any) -> Iterator[None]:
    """Switch an internal Write on for a while; whatever happens, it is off again afterwards."""
    write["disable"].setValue(False)
    try:
        yield
    finally:
        write["disable"].setValue(True)


def render_frames(
    write: Any,
    pattern: str,
    frames: Sequence[int],
    cancelled: Cancelled | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Render frames of what feeds an internal Write, one by one: EXR, 32-bit float, raw, at full scale, of the
    project's first view. No frame shows a placeholder of an inference node.

    Args:
        write: the Write, with its format set in the gizmo; it is on only during the call.
        pattern: the files, with ``%04d``; forward slashes.
        frames: project frames.
        cancelled: asked before every frame.
        progress: told ``(done, count, what)`` after every frame.

    Returns:
        The files, in the order of the frames.

    Raises:
        HostError, StorageError: a frame cannot be rendered; the message names it and keeps Nuke's reason.
        CancelledError: ``cancelled`` said so; frames that were written stay.
    """
    if write.input(0) is None:
        raise HostError(f"{write.fullName()} has nothing to render; connect the input of {write.parent().name()}.")
    written: list[Path] = []
    view = nuke.views()[0]
    write["file"].setValue(pattern.replace("\\", "/"))
    with full_scale(), no_placeholders(), switched_on(write):
        for number, frame in enumerate(frames):
            if cancelled is not None and cancelled():
                raise CancelledError(f"Cancelled at frame {frame}; {number} of {len(frames)} frames were written.")
            try:
                nuke.execute(write, frame, frame, 1, [view])  # all views would be written into the same file
            except RuntimeError as error:
                if str(error) == "Cancelled":  # the text of Nuke's own Cancel button
                    raise CancelledError(
                        f"Cancelled at frame {frame}; {number} of {len(frames)} frames were written."
                    ) from error
                where = Path(frame_path(pattern, frame)).parent
                raise unrendered(f"Frame {frame} of {write.parent().name()}", where, error) from error
            path = Path(frame_path(pattern, frame))
            if not path.is_file():
                raise HostError(f"Frame {frame} of {write.parent().name()} was rendered, but {path} is not there.")
            written.append(path)
            if progress is not None:
                progress(number + 1, len(frames), f"frame {frame}")
    return written


def unrendered(what: str, folder: Path, error: RuntimeError) -> FilmRecoveryError:
    """What to raise for a frame that Nuke did not render: Nuke tells in words alone that a disk is full, and a farm acts on the
    exit code."""
    with contextlib.suppress(OSError):
        free = shutil.disk_usage(folder).free
        if free < ROOM:
            room = f"{folder} has {free >> 20} MB left; make room and start it again."
            return StorageError(f"{what} cannot be rendered, and {room} ({error})")
    return HostError(f"{what} cannot be rendered: {error}")


def frame_path(pattern: str, frame: int) -> str:
    """A file's name from a pattern with ``%04d``, as C's printf fills it in."""
    return pattern.replace("%04d", f"{frame:04d}")
