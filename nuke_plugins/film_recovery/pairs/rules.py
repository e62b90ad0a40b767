"""What is wrong with training inputs, in words, before hours are spent on them.

An *error* means that training would fail or learn something false; a *warning* is worth a look. The rules here judge pictures
and numbers that are handed to them and read no files; :func:`film_recovery.pairs.gather.gather` runs them all on a job.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.contract.errors import VerificationError
from film_recovery.images.frame import Frame, Window
from film_recovery.images.ranges import format_frames
from film_recovery.pairs.registration import Registration

FloatArray = npt.NDArray[np.float32]
SMALLEST_SIDE = 32  # pixels; the smallest crop that a network trains on
LARGE_RESIDUAL = 2.0  # pixels
_WIDE_RESIDUAL = {"chroma": 1.0, "spatial": 0.5, "as-is": 1.0}  # pixels: what a first registration should reach
_OUTSIDE_SHARE = 0.01  # of the pixels
_ABOVE, _BELOW = 1.25, -0.02  # grain on white and a scanner's black may lie a little beyond 0 and 1
_BELOW_IN_LOG = -0.01  # its straight part is ten times as steep as light: what lies lower has a coded luma far off
_BARE_SHARE = 0.02  # of a crop: a border's soft edge is less
_SCENE_LINEAR = 4.0  # display-referred light seldom exceeds this
_NEAR = 0.06  # of the contrast: thumbnails closer than this, as neighbouring frames are, test nothing
_THUMBNAIL = (48, 27)


@dataclass(frozen=True)
class Finding:
    """One sentence about the inputs; ``frame`` is the source's frame number, None when it concerns all of them."""

    severity: Literal["error", "warning"]
    message: str
    frame: int | None = None


def raise_on_errors(findings: Iterable[Finding]) -> None:
    """Raise :class:`VerificationError` listing every error among ``findings``; do nothing without one."""
    errors = list(dict.fromkeys(finding.message for finding in findings if finding.severity == "error"))
    if len(errors) == 1:
        raise VerificationError(errors[0])
    if errors:
        raise VerificationError("\n".join([f"The inputs have {len(errors)} problems:", *(f"- {text}" for text in errors)]))


def verify_selection(frames: Sequence[int], held_out: Sequence[int]) -> list[Finding]:
    """Judge which frames are trained on and which are held out."""
    findings = [
        Finding("error", f"Frame {frame} is on both sides of the held-out line; take it out of one list.", frame)
        for frame in sorted(set(frames) & set(held_out))
    ]
    if not frames:
        findings.append(Finding("error", "No frame is left to train on; name frames that both elements have."))
    if not held_out:
        findings.append(Finding("warning", "No pair is held out, so nothing will tell how the model does on unseen frames."))
    return findings


def verify_frame(element: str, number: int, pair: int, picture: Frame) -> list[Finding]:
    """Judge one picture by itself. ``element`` is ``source`` or ``reference``, ``pair`` the pair's source frame."""
    findings = []
    bad = int(np.count_nonzero(~np.isfinite(picture.rgb).all(axis=2)))
    if bad:
        text = f"Frame {number} of the {element} has {bad} pixels that are NaN or infinite; repair or leave out this frame."
        findings.append(Finding("error", text, pair))
    height, width = picture.rgb.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        text = (
            f"Frame {number} of the {element} is {width}x{height} pixels; at least {SMALLEST_SIDE} on each side are needed "
            f"to train, so use larger frames."
        )
        findings.append(Finding("error", text, pair))
    return findings


def verify_sizes(sources: Mapping[int, Window], references: Mapping[int, Window], align: str) -> list[Finding]:
    """Judge the data windows of the frames, each counted from its display window: one size an element, and one for both unless
    a registration scales. It also finds where a picture lies; without one, windows are to lie alike too."""
    findings = []
    for element, windows in (("source", sources), ("reference", references)):
        first = next(iter(windows.items()), None)
        for number, window in windows.items():
            if first is not None and _differ(first[1], window, align):
                ours, theirs = _told(first[1], window)
                what = "sizes" if _differ(first[1], window, "affine") else "data windows"
                text = (
                    f"The {element} mixes {what}: frame {first[0]} is {ours}, frame {number} is {theirs}; bring them to one "
                    f"size and data window."
                )
                findings.append(Finding("error", text, _of_source(element, number)))
                break
    if not findings and sources and references and align == "none":
        first_source, first_reference = next(iter(sources.values())), next(iter(references.values()))
        if _differ(first_source, first_reference, align):
            ours, theirs = _told(first_source, first_reference)
            text = (
                f"The source is {ours} and the reference {theirs}; bring them to one size and data window, or let the "
                f"alignment lay it (align affine)."
            )
            findings.append(Finding("error", text))
    return findings


def _differ(ours: Window, theirs: Window, align: str) -> bool:
    return ours != theirs if align == "none" else (ours.width, ours.height) != (theirs.width, theirs.height)


def _told(ours: Window, theirs: Window) -> list[str]:
    """Their sizes, and where they lie if they lie differently."""
    places = ["" if (ours.x, ours.y) == (theirs.x, theirs.y) else f" at {one.x},{one.y}" for one in (ours, theirs)]
    return [f"{one.width}x{one.height}{place}" for one, place in zip((ours, theirs), places, strict=True)]


def verify_alpha(element: str, numbers: Sequence[int]) -> list[Finding]:
    """``numbers`` are the frames that carry an alpha channel."""
    if not numbers:
        return []
    text = f"The {element} has an alpha channel (frames {format_frames(numbers)}); it is ignored, training uses R, G and B."
    return [Finding("warning", text)]


@dataclass(frozen=True)
class Range:
    """What values one picture holds: extremes, and the share of its pixels clearly beyond 0..1."""

    lowest: float
    highest: float
    above: float
    below: float

    @classmethod
    def of(cls, rgb: FloatArray) -> Range:
        """Of a finite picture (H, W, 3)."""
        above, below = (rgb > _ABOVE).any(axis=2), (rgb < _BELOW).any(axis=2)
        return cls(float(rgb.min()), float(rgb.max()), float(above.mean()), float(below.mean()))


def verify_range(element: str, ranges: Mapping[int, Range], encoding: str) -> list[Finding]:
    """Judge the values of one element against the domain in which the network will see them."""
    if not ranges:
        return []
    if encoding == "log":
        return _verify_below_in_log(element, ranges)
    findings = []
    frame, worst = max(ranges.items(), key=lambda item: (item[1].above, item[1].highest))
    brightest = max(ranges, key=lambda number: ranges[number].highest)
    if ranges[brightest].highest > _SCENE_LINEAR:
        text = (
            f"The {element} reaches {ranges[brightest].highest:.3g} in frame {brightest}, which looks scene-linear; "
            f"consider encoding log, since '{encoding}' expects white at 1."
        )
        findings.append(Finding("warning", text, _of_source(element, brightest)))
    elif worst.above > _OUTSIDE_SHARE:
        text = (
            f"{worst.above:.1%} of the {element}'s pixels in frame {frame} lie well above 1 (up to {worst.highest:.3g}); they "
            f"are kept, but the network learns best between 0 and 1."
        )
        findings.append(Finding("warning", text, _of_source(element, frame)))
    frame, worst = max(ranges.items(), key=lambda item: item[1].below)
    if worst.below > _OUTSIDE_SHARE:
        text = (
            f"{worst.below:.1%} of the {element}'s pixels in frame {frame} lie well below 0 (down to {worst.lowest:.3g}); "
            f"check the black level and the colour transform of these files."
        )
        findings.append(Finding("warning", text, _of_source(element, frame)))
    return findings


def _verify_below_in_log(element: str, ranges: Mapping[int, Range]) -> list[Finding]:
    frame = min(ranges, key=lambda number: ranges[number].lowest)
    if ranges[frame].lowest >= _BELOW_IN_LOG:
        return []
    text = (
        f"The {element} goes down to {ranges[frame].lowest:.3g} in frame {frame}; encoding log makes targets far too bright of "
        f"such pixels, so compress the gamut of both elements first, or choose the encoding display."
    )
    return [Finding("warning", text, _of_source(element, frame))]


def _of_source(element: str, number: int) -> int | None:
    """What a finding has as its frame: the sentence names the reference's own numbers."""
    return number if element == "source" else None


def verify_target(frame: int, target: FloatArray) -> list[Finding]:
    """Find a target that cannot be learned, (H, W, 3)."""
    if np.isfinite(target).all():
        return []
    text = (
        f"The target of frame {frame} has infinite values, which come of light far below 0 in encoding log; compress the gamut "
        f"of both elements first, or choose the encoding display."
    )
    return [Finding("error", text, frame)]


def verify_difference(frame: int, reference_frame: int, source: FloatArray, reference: FloatArray) -> list[Finding]:
    """Find an input that is its own target. Both working space, (H, W, 3)."""
    if source.shape != reference.shape or not np.allclose(source, reference, rtol=0.0, atol=1e-6, equal_nan=True):
        return []
    text = f"Source frame {frame} and reference frame {reference_frame} are identical: nothing to learn; check the paths."
    return [Finding("error", text, frame)]


def verify_registration(frame: int, reference_frame: int, task: str, found: Registration) -> list[Finding]:
    """Judge how a pair lies, from what its registration measured."""
    if not found.matches:
        severity: Literal["error", "warning"] = "warning" if task == "as-is" else "error"
        if found.doubt:
            text = (
                f"The alignment rejects source frame {frame} with reference frame {reference_frame} ({found.doubt}); correct "
                f"it, or leave this pair out."
            )
        else:
            text = (
                f"Source frame {frame} and reference frame {reference_frame} do not seem to show the same picture "
                f"(correlation {found.correlation:.2f}); check the frame offset, align the elements first if the reference is "
                f"mirrored, or leave this pair out."
            )
        return [Finding(severity, text, frame)]
    if found.doubt:
        text = f"The alignment doubts frame {frame} ({found.doubt}); look at this pair before training."
        return [Finding("warning", text, frame)]
    if not np.isfinite(found.residual_px):
        text = (
            f"The alignment of frame {frame} could not be measured: the reference lies too far off, or there is too little "
            f"structure; look at this pair before training."
        )
        return [Finding("warning", text, frame)]
    if found.residual_px > LARGE_RESIDUAL:
        text = (
            f"The reference of frame {frame} is clearly not aligned (half of the picture lies {found.residual_px:.1f} px or "
            f"more off); align it, check the frame offset, or leave this pair out."
        )
        return [Finding("warning", text, frame)]
    if found.residual_px > _WIDE_RESIDUAL[task]:
        text = (
            f"The reference of frame {frame} lies {found.residual_px:.2f} px off (median), more than the "
            f"{_WIDE_RESIDUAL[task]} px that {task} recovery wants; if something moved, the frame offset may be one off."
        )
        return [Finding("warning", text, frame)]
    return []


def verify_crop(crop: Window, shape: tuple[int, int]) -> list[Finding]:
    """Judge the shared rectangle; ``shape`` is the source's (height, width)."""
    if crop.x < 0 or crop.y < 0 or crop.x + crop.width > shape[1] or crop.y + crop.height > shape[0]:
        text = (
            f"The crop {crop.width}x{crop.height} at {crop.x},{crop.y} reaches beyond the source's {shape[1]}x{shape[0]} "
            f"pixels; give one inside."
        )
        return [Finding("error", text)]
    if min(crop.width, crop.height) < SMALLEST_SIDE:
        text = (
            f"Only {crop.width}x{crop.height} pixels are common to all pairs, at least {SMALLEST_SIDE} on each side are "
            f"needed; leave out the pair that lies far off, or give the crop by hand."
        )
        return [Finding("error", text)]
    return []


def verify_masks(crop: Window, masks: Sequence[Sequence[int]]) -> list[Finding]:
    """Judge what the masks of an alignment, [x, y, width, height] of the source, leave of the shared rectangle."""
    left = np.ones((crop.height, crop.width), np.bool_)
    for x, y, width, height in masks:
        top, start = max(y - crop.y, 0), max(x - crop.x, 0)
        left[top : max(y - crop.y + height, top), start : max(x - crop.x + width, start)] = False
    if np.count_nonzero(left) >= SMALLEST_SIDE**2:
        return []
    text = (
        f"The masks of the alignment leave nothing of the crop {crop.width}x{crop.height} at {crop.x},{crop.y} to learn from; "
        f"align with smaller ones."
    )
    return [Finding("error", text)]


def verify_given_crop(crop: Window, picture: Window) -> list[Finding]:
    """Judge a rectangle that was given by hand; ``picture`` is where, in the source, both elements show the film."""
    rows = min(crop.y + crop.height, picture.y + picture.height) - max(crop.y, picture.y)
    columns = min(crop.x + crop.width, picture.x + picture.width) - max(crop.x, picture.x)
    bare = 1.0 - max(rows, 0) * max(columns, 0) / (crop.width * crop.height)
    if bare <= _BARE_SHARE:
        return []
    text = (
        f"{bare:.0%} of the crop that was given lies where one element has a border or no picture, and would be learned from; "
        f"both show the film in {picture.width}x{picture.height} pixels at {picture.x},{picture.y}."
    )
    return [Finding("warning", text)]


def thumbnail(coded: FloatArray, width: int | None = None) -> FloatArray:
    """A coded picture small enough that grain and weave are gone, (27, 48, 3). ``width`` is the picture's, where ``coded`` is
    already smaller."""
    blur = 4.0 * coded.shape[1] / (width or coded.shape[1])
    return np.asarray(cv2.resize(cv2.GaussianBlur(coded, (0, 0), blur), _THUMBNAIL, interpolation=cv2.INTER_AREA), np.float32)


def look_the_same(ours: npt.ArrayLike, theirs: npt.ArrayLike) -> bool:
    """Whether two thumbnails (H, W, 3), of one range, are as near as neighbouring frames are, so that one does not test the
    other."""
    first, second = np.asarray(ours, np.float32), np.asarray(theirs, np.float32)
    return float(np.abs(first - second).mean()) < _NEAR * (float(first.mean(axis=2).std()) + 1e-6)


def verify_held_out(thumbnails: Mapping[int, FloatArray], frames: Sequence[int], held_out: Sequence[int]) -> list[Finding]:
    """Find held-out frames that a training frame nearly repeats, so that they would not test anything."""
    findings = []
    for frame in held_out:
        for other in frames:
            if frame not in thumbnails or other not in thumbnails or frame == other:
                continue
            if look_the_same(thumbnails[frame], thumbnails[other]):
                text = (
                    f"Held-out frame {frame} looks almost the same as training frame {other}, so its figure will be too good; "
                    f"hold out a frame that differs more."
                )
                findings.append(Finding("warning", text, frame))
                break
    return findings
