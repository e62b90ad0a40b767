"""Frame ranges as Nuke spells them: ``7``, ``1-10``, ``1-10x2``, ``1001-1055,1060``, negative frames too."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fileseq.exceptions import MaxSizeException, ParseException
from fileseq.frameset import FrameSet

from film_recovery.contract.errors import FrameRangeError

_PART = re.compile(r"-?\d+(--?\d+(x[1-9]\d*)?)?", re.ASCII)


def parse_frames(text: str) -> list[int]:
    """The frames of a range, ascending and without doubles; parts are set apart by commas or spaces.

    Raises:
        FrameRangeError: empty, longer than ten million frames, or spelled in a way that Nuke would not read (``1-10y3``,
            ``1-10:3``).
    """
    parts = [part for part in re.split(r"[,\s]+", text.strip()) if part]
    frames: set[int] = set()
    for part in parts:
        if not _PART.fullmatch(part):
            raise FrameRangeError(f"'{part}' is not a frame range; write for instance 1001, 1001-1055 or 1001-1055x2.")
        try:
            frames.update(int(frame) for frame in FrameSet(part))
        except MaxSizeException as error:
            raise FrameRangeError(f"'{part}' holds too many frames; write for instance 1001-1055.") from error
        except (ParseException, ValueError) as error:
            raise FrameRangeError(f"'{part}' is not a frame range; write for instance 1001-1055x2.") from error
    if not frames:
        raise FrameRangeError("The frame range is empty; write for instance 1001-1055.")
    return sorted(frames)


def format_frames(frames: Iterable[int]) -> str:
    """The shortest spelling of a set of frames, for instance ``1-3,8,11-15``; empty for none."""
    ordered = sorted(set(frames))
    return str(FrameSet(ordered).frameRange()) if ordered else ""


def counted(count: int, noun: str) -> str:
    """``1 frame``, ``2 frames``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
