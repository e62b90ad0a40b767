"""What only one side of a pair has: letters and logos, and highlights or shadows that were cut off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from film_recovery.contract.findings import Finding
from film_recovery.pairs.overlays import Box, one_sided, persistent
from film_recovery.training.guidance.views import View, frames_text, means

_AT_END = 0.004  # coded: as near to the brightest (darkest) value counts as pinned to it
_PINNED = 0.02  # share of a picture's pixels
_VARIES = 0.08  # coded: how much the other side's cells must differ where this side is pinned
_STEEP = 3.0  # times: how much more pixels the end holds than what lies just inside of it
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Clip:
    """One side of a pair is cut off: ``element`` ``source`` or ``reference``, ``end`` ``highlights`` or ``shadows``, the coded
    ``level`` and the ``share`` of pixels pinned to it."""

    frame: int
    element: str
    end: str
    level: float
    share: float


def overlays_of(views: Sequence[View]) -> dict[int, list[Box]]:
    """Places (pixels of the view, with a margin) at which one side has letters that the other has not, by frame; frames
    without any are left out, and so is what one frame alone has among many."""
    sights = {view.frame: one_sided(view.source, view.reference, view.inside) for view in views}
    if not any(sights.values()):
        return {}
    height, width = views[0].source.shape[:2]
    kept = persistent(sights, (width, height))
    found = {}
    for frame, boxes in sights.items():
        there = [place for place in kept if any(_inside(box, [place]) for box in boxes)]
        if there:
            found[frame] = there
    return found


def judge_overlays(views: Sequence[View], task: str) -> list[Finding]:
    """Burnt-in text and logos; none for targets that somebody made (as-is)."""
    if task == "as-is" or not views:
        return []
    found = overlays_of(views)
    if not found:
        return []
    frames = sorted(found, key=lambda frame: -max(box[2] * box[3] for box in found[frame]))
    ratio = views[0].ratio
    x, y, width, height = (round(side * ratio) for side in max(found[frames[0]], key=lambda box: box[2] * box[3]))
    return [Finding(
        "burnt-in-text",
        f"In {frames_text(frames)} one side has letters, a logo or the like that the other has not, about {width}x{height} px "
        f"at {x + views[0].corner[0]},{y + views[0].corner[1]} of the source.",
        "Crop it off, or mask it with align; else the network learns to paint or to erase it.", frames,
    )]  # fmt: skip


def clips_of(view: View) -> list[Clip]:
    """Where one side of a pair is cut off while the other still varies."""
    found: list[Clip] = []
    inside = view.inside > 0
    if not inside.any():
        return found
    for element, own, other in (("source", view.source, view.reference), ("reference", view.reference, view.source)):
        for end, sign in (("highlights", 1.0), ("shadows", -1.0)):
            one = _clip(view.frame, element, end, np.float32(sign) * own, other, inside)
            if one is not None:
                found.append(one)
    return found


def pinned_of(view: View) -> dict[str, npt.NDArray[np.bool_]]:
    """(H, W) for each side that is cut off (``source``, ``reference``): the pixels that are pinned to its end."""
    sides: dict[str, npt.NDArray[np.bool_]] = {}
    for clip in clips_of(view):
        there = _pinned(view.source if clip.element == "source" else view.reference, clip.end, view.inside > 0)
        sides[clip.element] = sides[clip.element] | there if clip.element in sides else there
    return sides


def _pinned(picture: FloatArray, end: str, inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """In any channel at the highlights; in all of them in the shadows: blacks of one channel are saturated colours."""
    if end == "highlights":
        return np.asarray(inside & (picture >= np.quantile(picture[inside], 0.9995, axis=0) - _AT_END).any(axis=2))
    darkest = picture.max(axis=2)
    return np.asarray(inside & (darkest <= np.quantile(darkest[inside], 0.0005) + _AT_END))


def judge_clipping(views: Sequence[View], task: str) -> list[Finding]:
    """Sides that are cut off, one finding for each element and end; none for targets that somebody made (as-is): a matte is
    black and white."""
    if task == "as-is":
        return []
    clips = [clip for view in views for clip in clips_of(view)]
    findings = []
    for element, end in dict.fromkeys((clip.element, clip.end) for clip in clips):
        here = sorted((clip for clip in clips if (clip.element, clip.end) == (element, end)), key=lambda clip: -clip.share)
        frames, other = [clip.frame for clip in here], "reference" if element == "source" else "source"
        findings.append(Finding(
            "clipped",
            f"In {frames_text(frames)} the {element}'s {end} are cut off: up to {here[0].share:.0%} of the picture is pinned "
            f"at {here[0].level:.2f} (coded), where the {other} still varies.",
            f"Scan or export the {element} without clipping, or choose pairs without such {end}.", frames,
        ))  # fmt: skip
    return findings


def _clip(
    frame: int, element: str, end: str, own: FloatArray, other: FloatArray, inside: npt.NDArray[np.bool_]
) -> Clip | None:
    """``own`` is turned so that its end is the highest value; what is not ``inside`` is not looked at."""
    best: Clip | None = None
    channels: list[int | None] = [0, 1, 2] if end == "highlights" else [None]  # blacks of one channel are saturated colours
    for channel in channels:
        plane = own.min(axis=2) if channel is None else own[..., channel]
        top = float(np.quantile(plane[inside], 0.9995))
        pinned = inside & (plane >= top - _AT_END)
        share = float(pinned[inside].mean())
        just_below = float(((plane < top - _AT_END) & (plane >= top - 2.0 * _AT_END))[inside].mean())
        if share < _PINNED or share < _STEEP * just_below:
            continue
        cells = means(pinned.astype(np.float32)) > 0.9
        seen = means(other)[cells]
        if len(seen) < 8:
            continue
        low, high = np.quantile(seen, (0.05, 0.95), axis=0)
        varies = float((high - low).max())
        if varies > _VARIES and (best is None or share > best.share):
            best = Clip(frame, element, end, abs(top), share)
    return best


def _inside(box: Box, kept: Sequence[Box]) -> bool:
    x, y = box[0] + box[2] / 2.0, box[1] + box[3] / 2.0
    return any(left <= x <= left + width and top <= y <= top + height for left, top, width, height in kept)
