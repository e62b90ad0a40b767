"""Aligning two elements: every pair is looked at, the pairs of a shot are solved together, and what came out is judged.

Frames are read one pair at a time; only a few numbers of each stay in memory. What is measured is kept in the folder.
"""

from __future__ import annotations

import filecmp
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from film_recovery.contract.curation import AlignmentRecord, FrameAlignment, WarpRecord
from film_recovery.contract.errors import InputError, StoppedError
from film_recovery.contract.progress import Reporter, SilentReporter
from film_recovery.elements.selection import spread_frames
from film_recovery.elements.shots import find_shots
from film_recovery.images.frame import Window
from film_recovery.images.ranges import format_frames
from film_recovery.images.sequence import Sequence
from film_recovery.pairs.align_measure import WORKERS, Look, each_in_order, judge, look
from film_recovery.pairs.align_pictures import Elements, grown, open_elements
from film_recovery.pairs.align_verdict import PLAIN, Usual, Verdict, neighbour_fits, verdict_of, with_neighbour
from film_recovery.pairs.alignment import Aligned, align_groups, without_blocks
from film_recovery.pairs.crop import mapped_area, shared_crop
from film_recovery.pairs.deformation import write_stmap
from film_recovery.pairs.overlays import persistent
from film_recovery.pairs.residual import Agreement

Matrix = npt.NDArray[np.float64]

_GAP = 48  # frames; pairs that lie further apart do not support each other
_ASKED = 5  # pairs of a shot whose neighbours are looked at; all where something is odd
_BLOCK = 36.0  # pixels of a picture 960 wide: half a block


@dataclass(frozen=True)
class AlignRequest:
    """What to align.

    ``partners`` is the reference frame by source frame. ``masks`` are rectangles [x, y, width, height] in source pixels to
    leave out, besides what is found. ``mirrored`` None is found out. ``shots`` are the first source frames of the shots; None
    finds them.
    """

    partners: dict[int, int]
    masks: list[list[int]] = field(default_factory=list)
    mirrored: bool | None = None
    shots: list[int] | None = None


@dataclass(frozen=True)
class Alignment:
    """An alignment and what it was made from: ``aligned`` by source frame and ``masks``, both in working pixels."""

    record: AlignmentRecord
    elements: Elements
    aligned: dict[int, Aligned]
    masks: list[list[int]]


@dataclass
class _Work:
    """What one run knows; lists and dictionaries by source frame, pixels of working size."""

    elements: Elements
    looks: dict[int, Look] = field(default_factory=dict)
    broken: dict[int, str] = field(default_factory=dict)
    masks: list[list[int]] = field(default_factory=list)
    groups: list[list[int]] = field(default_factory=list)
    aligned: dict[int, Aligned] = field(default_factory=dict)
    found: dict[int, Agreement] = field(default_factory=dict)


def align_elements(
    source: Sequence, reference: Sequence, request: AlignRequest, folder: Path, reporter: Reporter = SilentReporter()
) -> Alignment:
    """Align a reference to a source.

    Args:
        source, reference: the elements.
        request: which frames, and what is known before.
        folder: gets the STMaps ``warp.<number>.exr`` and a cache; the record itself is for the caller to save there.
        reporter: hears of every frame; asked to stop, what was measured so far is kept.

    Returns:
        The record, and what pictures of it need.

    Raises:
        InputError: there is no pair, a mask lies outside the picture, a frame has another size than the first, or not one
            pair can be read.
        StoppedError: the reporter asked to stop.
        StorageError: the folder cannot be written.
    """
    if not request.partners:
        raise InputError(f"There is no pair of {source.name} and {reference.name} to align; check frames, offset and match.")
    folder = Path(folder)
    reporter.stage("Learning how the elements lie")
    elements = open_elements(source, reference, dict(sorted(request.partners.items())), request.masks, request.mirrored)
    _check_masks(request.masks, elements.sizes[0])
    work = _Work(elements)
    _look_at_all(work, request, folder / "cache", reporter)
    work.groups = _groups(work, request.shots)
    found_masks = persistent({frame: seen.overlays for frame, seen in work.looks.items()}, elements.working_size)
    work.masks = [*elements.masks, *(list(box) for box in found_masks)]
    _solve(work)
    _judge_all(work, folder / "cache", reporter)
    verdicts = _verdicts(work, reporter)
    record = _record(work, verdicts, folder, request.masks)
    return Alignment(record, elements, work.aligned, work.masks)


def _check_masks(masks: list[list[int]], size: tuple[int, int]) -> None:
    """``size`` is the source's (width, height)."""
    for x, y, width, height in masks:
        if x >= size[0] or y >= size[1] or x + width <= 0 or y + height <= 0:
            raise InputError(
                f"The mask {x},{y},{width},{height} covers no pixel of the source's {size[0]}x{size[1]}; correct it, or leave "
                f"it out."
            )


def _look_at_all(work: _Work, request: AlignRequest, cache: Path, reporter: Reporter) -> None:
    frames = sorted(request.partners)
    reporter.stage(f"Registering {len(frames)} pairs, each alone")

    def one(frame: int) -> Look:
        return look(work.elements, frame, request.partners[frame], cache)

    for done, (frame, seen) in enumerate(each_in_order(one, frames, _workers(work.elements)), start=1):
        if seen.measured is None:
            work.broken[frame] = seen.problem
        else:
            work.looks[frame] = seen
        reporter.progress(done, len(frames), "pair")
        _stop_if_asked(reporter, done, len(frames))
    if not work.looks:
        raise InputError(f"Not one pair of {work.elements.source.name} can be read: {next(iter(work.broken.values()))}")


def _workers(elements: Elements) -> int:
    return 1 if elements.source.is_movie or elements.reference.is_movie else WORKERS


def _stop_if_asked(reporter: Reporter, done: int, count: int) -> None:
    if reporter.should_stop():
        raise StoppedError(f"Stopped after {done} of {count} pairs; they need not be measured again.")


def _groups(work: _Work, shots: list[int] | None) -> list[list[int]]:
    """Source frames that support each other: those of one shot, without wide gaps."""
    frames = sorted(work.looks)
    if shots is None:
        starts = {frames[index] for index in find_shots(np.stack([work.looks[frame].thumbnail for frame in frames]))}
        begins = sorted(starts)
    else:
        begins = sorted(shots)
    groups: list[list[int]] = []
    for index, frame in enumerate(frames):
        before = frames[index - 1] if index else None
        cut = before is None or frame - before > _GAP or any(before < begin <= frame for begin in begins)
        if cut:
            groups.append([])
        groups[-1].append(frame)
    return groups


def _solve(work: _Work) -> None:
    elements = work.elements
    margin = _BLOCK * elements.working_size[0] / 960.0
    pairs = []
    for group in work.groups:
        measured = [work.looks[frame].measured for frame in group]
        pairs.append([without_blocks(pair, work.masks, margin) for pair in measured if pair is not None])
    for solved in align_groups(pairs, elements.working_size):
        work.aligned.update({one.source: one for one in solved})


def _judge_all(work: _Work, cache: Path, reporter: Reporter) -> None:
    frames = sorted(work.aligned)
    reporter.stage(f"Measuring {len(frames)} pairs as they lie now")

    def one(frame: int) -> Agreement:
        return judge(work.elements, work.aligned[frame], work.masks, cache)

    for done, (frame, agreement) in enumerate(each_in_order(one, frames, _workers(work.elements)), start=1):
        work.found[frame] = agreement
        reporter.progress(done, len(frames), "pair")
        _stop_if_asked(reporter, done, len(frames))


def _verdicts(work: _Work, reporter: Reporter) -> dict[int, Verdict]:
    verdicts: dict[int, Verdict] = {}
    unit = work.elements.working_size[0] / 960.0
    for group in work.groups:
        usual = Usual.of([work.looks[frame] for frame in group], [work.found[frame] for frame in group])
        speaking = sum(work.aligned[frame].supported for frame in group)
        for frame in group:
            others = speaking - work.aligned[frame].supported > 0
            verdicts[frame] = verdict_of(work.looks[frame], work.aligned[frame], work.found[frame], usual, others, unit)
    asked = [frame for group in work.groups for frame in _asked(work, group, verdicts)]
    reporter.stage(f"Comparing the neighbours of {len(asked)} pairs")
    done = 0
    for group in work.groups:
        queue = _asked(work, group, verdicts)
        known = set(queue)
        while queue:
            frame = queue.pop(0)
            fits = neighbour_fits(work.elements, work.aligned[frame], work.masks)
            own = verdicts[frame]
            verdicts[frame] = with_neighbour(own, work.aligned[frame].reference, fits)
            if verdicts[frame] != own and work.aligned[frame].supported:
                more = [other for other in group if other not in known and _shows(work, other)]
                queue, known = [*queue, *more], known.union(more)  # one that is off makes its whole shot suspect
            done += 1
            reporter.progress(done, max(len(asked), done + len(queue)), "pair")
            _stop_if_asked(reporter, done, max(len(asked), done + len(queue)))
    return verdicts


def _asked(work: _Work, group: list[int], verdicts: dict[int, Verdict]) -> list[int]:
    """Pairs whose neighbours are looked at: a few of the shot, and those that are odd."""
    odd = [frame for frame in group if verdicts[frame].verdict != "aligned" and _shows(work, frame)]
    usual = [frame for frame in group if verdicts[frame].verdict == "aligned"]
    return sorted({*spread_frames(usual, _ASKED), *spread_frames(odd, 2 * _ASKED)})


def _shows(work: _Work, frame: int) -> bool:
    return min(work.looks[frame].contrasts) >= PLAIN


def _record(work: _Work, verdicts: dict[int, Verdict], folder: Path, given_masks: list[list[int]]) -> AlignmentRecord:
    elements = work.elements
    ratio = elements.ratios[0]
    warps, names = _warps(work, verdicts, folder)
    frames = []
    for frame, one in sorted(work.aligned.items()):
        found, verdict = work.found[frame], verdicts[frame]
        residuals = [
            round(value / ratio, 4) if np.isfinite(value) else None for value in (found.residual_px, found.residual_p95)
        ]
        matrix = elements.stored(one.matrix).tolist()
        frames.append(
            FrameAlignment(
                source=frame,
                reference=one.reference,
                matrix=matrix,
                warp=names.get(frame),
                residual_px=residuals[0],
                residual_p95=residuals[1],
                correlation=round(found.correlation, 4),
                verdict=verdict.verdict,
                reason=verdict.reason,
            )
        )
    crop = _crop(work, verdicts)
    found_masks = [grown(mask, 1.0 / ratio) for mask in work.masks[len(given_masks) :]]
    return AlignmentRecord(
        elements.source.name, elements.reference.name, list(elements.sizes[0]), list(elements.sizes[1]), elements.mirrored,
        [crop.x, crop.y, crop.width, crop.height], [*given_masks, *found_masks], frames, warps,
        _notes(work, verdicts, crop, len(found_masks)),
    )  # fmt: skip


def _warps(work: _Work, verdicts: dict[int, Verdict], folder: Path) -> tuple[list[WarpRecord], dict[int, str]]:
    """One record for every warp that differs, with its STMap written, and its name by frame."""
    elements = work.elements
    records: list[WarpRecord] = []
    names: dict[int, str] = {}
    known: dict[bytes, str] = {}
    for frame, one in sorted(work.aligned.items()):
        if not one.warp.any() or verdicts[frame].verdict == "rejected":
            continue
        key = one.warp.tobytes()
        if key not in known:
            known[key] = f"{len(known) + 1:04d}"
            coefficients = one.warp / elements.ratios[0]
            made = folder / "warp.new.exr"
            write_stmap(made, coefficients, elements.sizes[0])
            records.append(WarpRecord(known[key], coefficients.tolist(), _numbered(made).name))
        names[frame] = known[key]
    return records, names


def _numbered(made: Path) -> Path:
    """Give a new STMap the first number that is free or an equal one's: a node may read the others for an earlier alignment."""
    number = 1
    while (path := made.with_name(f"warp.{number:04d}.exr")).exists() and not filecmp.cmp(made, path, shallow=False):
        number += 1
    if path.exists():
        made.unlink()
    else:
        made.replace(path)
    return path


def _crop(work: _Work, verdicts: dict[int, Verdict]) -> Window:
    """The picture that both have in every aligned frame (or every usable one, where none is aligned), stored source pixels."""
    elements = work.elements
    for wanted in ("aligned", "doubtful", "rejected"):
        frames = [frame for frame, verdict in verdicts.items() if verdict.verdict == wanted]
        if frames:
            break
    areas = [elements.areas[0]]
    if wanted != "rejected":
        areas += [
            mapped_area(elements.areas[1], work.aligned[frame].matrix, work.aligned[frame].warp, elements.working_size)
            for frame in frames
        ]
    width, height = elements.working_size
    inner = shared_crop([*areas, Window(0, 0, width, height)])
    if elements.ratios[0] == 1.0:
        return inner
    across, down = (full / small for full, small in zip(elements.sizes[0], elements.working_size, strict=True))
    left, top = int(np.ceil(inner.x * across)), int(np.ceil(inner.y * down))
    right, bottom = int((inner.x + inner.width) * across), int((inner.y + inner.height) * down)
    return shared_crop([Window(left, top, right - left, bottom - top)])


def _notes(work: _Work, verdicts: dict[int, Verdict], crop: Window, overlays: int) -> list[str]:
    notes = []
    if work.elements.mirrored:
        notes.append("The reference is mirrored; the matrices turn it round.")
    for sequence, sides in zip((work.elements.source, work.elements.reference), work.elements.unsure, strict=True):
        if sides:
            notes.append(
                f"No edge of the picture of {sequence.name} was found on the {' and '.join(sides)}, though it is dark or even "
                f"there: if that is a border, it was taken for picture. Crop it off, or mask it."
            )
    if overlays:
        one = overlays == 1
        notes.append(
            f"{overlays} place{'' if one else 's'} with writing or a logo on one side only {'was' if one else 'were'} masked; "
            f"look at {'it' if one else 'them'} on the overview."
        )
    for frame, problem in work.broken.items():
        notes.append(f"Frame {frame} was left out: {problem}")
    rejected = [frame for frame, verdict in verdicts.items() if verdict.verdict == "rejected"]
    if rejected:
        first = min(rejected)
        more = f" Rejected in all: {format_frames(sorted(rejected))}." if len(rejected) > 1 else ""
        source, reference = work.elements.source.name, work.elements.reference.name
        notes.append(
            f"Frame {first} of {source} with {work.aligned[first].reference} of {reference} is rejected: "
            f"{verdicts[first].reason}.{more}"
        )
    off = [frame for frame, verdict in verdicts.items() if "fits better" in verdict.reason]
    if len(off) > 1 and len(off) > len(verdicts) // 4:
        notes.append("Many pairs fit a neighbouring reference frame better: check the offset, or match the elements first.")
    if min(crop.width, crop.height) < 64:
        notes.append("The elements share almost no picture in these frames; check what is paired.")
    if not any(np.any(one.warp) for one in work.aligned.values()):
        notes.append("No warp was needed: the matrices alone lay the reference on the source.")
    return notes
