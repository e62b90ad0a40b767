"""From a job to pairs that are known to be sound: opened, chosen, verified and registered, but not yet written.

Pictures are read one pair at a time and let go again, so a dry verification of a hundred 4K pairs needs the memory of one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from film_recovery.contract.errors import InputError, MissingFrameError, StoppedError, UnreadableImageError
from film_recovery.contract.job import TrainingJob
from film_recovery.contract.progress import Reporter, SilentReporter
from film_recovery.elements.picture_area import picture_area
from film_recovery.elements.selection import default_pairs, overlap, spread_frames
from film_recovery.images.encodings import encode
from film_recovery.images.frame import Frame, Window
from film_recovery.images.ranges import format_frames
from film_recovery.images.sequence import Sequence, open_sequence
from film_recovery.pairs import rules
from film_recovery.pairs.crop import mapped_area, shared_crop
from film_recovery.pairs.deformation import NO_WARP
from film_recovery.pairs.geometry import square
from film_recovery.pairs.recorded import RecordedAlignment, load_recorded
from film_recovery.pairs.registration import Registration, register, unregistered
from film_recovery.pairs.rules import Finding

FloatArray = npt.NDArray[np.float32]
_TRAINING, _HELD_OUT = 6, 2  # pairs when nobody chose


@dataclass(frozen=True)
class GatheredPair:
    """One pair: which frames, why, and how they lie on each other."""

    frame: int
    reference_frame: int
    held_out: bool
    reason: str
    registration: Registration


@dataclass
class Gathered:
    """All that is known of a job's inputs. ``pairs`` may lack those that an error names. ``masks`` are rectangles
    [x, y, width, height] of the source that hold no picture of the film."""

    source: Sequence
    reference: Sequence
    encoding: str
    pairs: list[GatheredPair]
    crop: Window
    source_ranges: dict[int, rules.Range]
    reference_ranges: dict[int, rules.Range]
    findings: list[Finding]
    masks: list[list[int]]


@dataclass
class _Survey:
    """What one walk over the pairs collects; ``recorded`` is the alignment that was made before, if the job names one."""

    recorded: RecordedAlignment | None = None
    pairs: list[GatheredPair] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    windows: tuple[dict[int, Window], dict[int, Window]] = field(default_factory=lambda: ({}, {}))
    ranges: tuple[dict[int, rules.Range], dict[int, rules.Range]] = field(default_factory=lambda: ({}, {}))
    alpha: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))
    areas: list[Window] = field(default_factory=list)
    thumbnails: dict[int, FloatArray] = field(default_factory=dict)


def gather(job: TrainingJob, reporter: Reporter | None = None) -> Gathered:
    """Open, choose, verify and register, writing nothing; what is wrong with single frames becomes a finding.

    Raises:
        InputError: an element does not exist, the two cannot be told to hold the same kind of values, or a pair is not in the
            alignment that the job names.
        StoppedError: the reporter asked to stop.
    """
    tell = reporter or SilentReporter()
    source, reference = open_sequence(job.source), open_sequence(job.reference)
    frames, held_out, reasons = choose_pairs(job, source, reference)
    recorded = load_recorded(Path(job.alignment), (job.source, job.reference)) if job.alignment else None
    survey = _Survey(recorded=recorded, findings=rules.verify_selection(frames, held_out))
    encoding = resolve_encoding(job, source, reference, [*frames, *held_out])
    wanted = sorted({*frames, *held_out})
    tell.stage(f"Verifying and aligning {len(wanted)} pairs")
    for index, frame in enumerate(wanted):
        if tell.should_stop():
            raise StoppedError("Stopped while verifying the pairs; nothing was written, so run it again.")
        _survey_pair(job, encoding, (source, reference), frame, frame in held_out, reasons.get(frame, "given by hand"), survey)
        tell.progress(index + 1, len(wanted), "pair")
    findings = survey.findings
    findings += rules.verify_sizes(*survey.windows, job.align)
    for element, numbers, ranges in zip(("source", "reference"), survey.alpha, survey.ranges, strict=True):
        findings += rules.verify_alpha(element, numbers)
        findings += rules.verify_range(element, ranges, encoding)
    findings += rules.verify_held_out(survey.thumbnails, frames, held_out)
    picture = shared_crop(survey.areas) if survey.areas else Window(0, 0, 0, 0)
    crop, masks = picture if job.crop is None else Window(*job.crop), [] if recorded is None else recorded.record.masks
    if survey.pairs and survey.windows[0]:
        first = next(iter(survey.windows[0].values()))
        wrong = rules.verify_crop(crop, (first.height, first.width))
        findings += wrong if wrong or job.crop is None else rules.verify_given_crop(crop, picture)
        if not wrong and job.task != "as-is":  # which believes all of its target
            findings += rules.verify_masks(crop, masks)
    return Gathered(source, reference, encoding, survey.pairs, crop, survey.ranges[0], survey.ranges[1], findings, masks)


def choose_pairs(job: TrainingJob, source: Sequence, reference: Sequence) -> tuple[list[int], list[int], dict[int, str]]:
    """Training frames, held-out frames and the reason of each, from the job or spread over what both elements have.

    Raises:
        InputError: nobody chose frames and the elements have none in common.
    """
    frames, held_out = sorted(set(job.frames)), sorted(set(job.held_out))
    reasons: dict[int, str] = {}
    if not frames:
        common = _common(job, source, reference)
        if not common:
            raise InputError(
                f"The elements share no frames: {source.name} has {format_frames(source.frames)}, {reference.name} has "
                f"{format_frames(reference.frames)}, and the offset is {job.reference_offset}; correct the offset or the files."
            )
        if held_out:
            frames = spread_frames([frame for frame in common if frame not in held_out], _TRAINING)
        else:
            frames, held_out = default_pairs(common, _TRAINING, _HELD_OUT)
            reasons.update({frame: _held_out_reason(frame, frames) for frame in held_out})
        reasons.update(dict.fromkeys(frames, "spread over the overlap"))
        if frames:
            reasons[frames[0]] = "first of the spread"
            reasons[frames[-1]] = "last of the spread" if len(frames) > 1 else "the only common frame"
    given = {int(number): text for number, text in job.reasons.items()}
    return frames, held_out, {**reasons, **given}


def _common(job: TrainingJob, source: Sequence, reference: Sequence) -> list[int]:
    """Source frames whose partner exists. Named partners are all there are: a match that was looked for found no others."""
    if not job.reference_frames:
        return overlap(source, reference, job.reference_offset)
    ours, theirs = set(source.frames), set(reference.frames)
    return sorted(int(frame) for frame, there in job.reference_frames.items() if int(frame) in ours and there in theirs)


def resolve_encoding(job: TrainingJob, source: Sequence, reference: Sequence, frames: Iterable[int]) -> str:
    """The job's encoding, with ``auto`` decided by the files: display for floating-point, none for coded formats.

    Raises:
        InputError: one element holds display-coded integers and the other floating-point light, or the job's encoding is not
            for what the files hold.
    """
    numbers = list(frames)
    ours = _first_readable(source, numbers)
    theirs = _first_readable(reference, [job.partner(frame) for frame in numbers])
    for part in (ours, theirs):
        if part is not None and part.is_coded and job.encoding in ("display", "log"):
            raise InputError(
                f"{part.source} holds coded values ({part.pixel_type}), and the encoding {job.encoding} is for linear light; "
                "leave the encoding to auto, or convert the elements to linear EXR."
            )
    if job.encoding == "none" or ours is None or theirs is None:
        coded = (ours is None or ours.is_coded) and (theirs is None or theirs.is_coded)
        return ("none" if coded else "display") if job.encoding == "auto" else job.encoding
    if ours.is_coded != theirs.is_coded:
        kinds = ["coded" if part.is_coded else "linear" for part in (ours, theirs)]
        raise InputError(
            f"The source holds {kinds[0]} values ({ours.pixel_type}) and the reference {kinds[1]} ones ({theirs.pixel_type}); "
            f"convert one of them, for instance the {'source' if ours.is_coded else 'reference'} to linear EXR."
        )
    if job.encoding == "auto":
        return "none" if ours.is_coded else "display"
    return job.encoding


def _held_out_reason(frame: int, training: list[int]) -> str:
    before = [other for other in training if other < frame]
    after = [other for other in training if other > frame]
    return f"held out: between {before[-1]} and {after[0]}" if before and after else "held out: beside the training frames"


def _first_readable(sequence: Sequence, frames: list[int]) -> Frame | None:
    for frame in frames:
        try:
            return sequence.read(frame)
        except (MissingFrameError, UnreadableImageError):
            continue  # reported with its frame number when the pair is surveyed
    return None


def _survey_pair(
    job: TrainingJob,
    encoding: str,
    elements: tuple[Sequence, Sequence],
    frame: int,
    held_out: bool,
    reason: str,
    survey: _Survey,
) -> None:
    """Read, judge and register one pair; whatever is wrong becomes a finding."""
    numbers = (frame, job.partner(frame))
    pictures: list[Frame] = []
    errors = []
    for index, (element, sequence, number) in enumerate(zip(("source", "reference"), elements, numbers, strict=True)):
        try:
            picture = sequence.read(number)
        except (MissingFrameError, UnreadableImageError) as error:
            errors.append(Finding("error", str(error), frame))
            continue
        pictures.append(picture)
        data, display = picture.data_window, picture.display_window
        survey.windows[index][number] = Window(data.x - display.x, data.y - display.y, data.width, data.height)
        if "A" in picture.extra:
            survey.alpha[index].append(number)
        problems = rules.verify_frame(element, number, frame, picture)
        errors += problems
        if not problems:
            survey.ranges[index][number] = rules.Range.of(picture.rgb)
    if not errors:
        errors += rules.verify_difference(frame, numbers[1], pictures[0].rgb, pictures[1].rgb)
    same_size = len(pictures) == 2 and pictures[0].rgb.shape == pictures[1].rgb.shape
    survey.findings += errors
    if errors or not (same_size or job.align == "affine"):
        return
    coded = [np.asarray(encode(picture.rgb, encoding), np.float32) for picture in pictures]
    whole = [picture_area([picture]) for picture in coded]
    areas = [_area(job, coded[0].shape, whole[0]), whole[1]]
    if survey.recorded is None:
        found = _registration(job, coded, areas)
    else:
        found = survey.recorded.registration(frame, numbers[1], (coded[0].shape, coded[1].shape))
    survey.thumbnails[frame] = rules.thumbnail(coded[0])
    survey.findings += rules.verify_registration(frame, numbers[1], job.task, found)
    survey.pairs.append(GatheredPair(frame, numbers[1], held_out, reason, found))
    survey.areas.append(whole[0])
    if found.matches:
        size, warp = (coded[0].shape[1], coded[0].shape[0]), NO_WARP if found.warp is None else found.warp
        survey.areas.append(mapped_area(areas[1], np.linalg.inv(square(found.matrix)), warp, size))


def _registration(job: TrainingJob, coded: list[FloatArray], areas: list[Window]) -> Registration:
    """As the job asks; pictures that may not be moved are still compared as if they might, for the verdict."""
    ours, theirs = coded
    if job.align == "affine":
        found = register(ours, theirs, areas[0], areas[1])
        # An as-is target may look like nothing that can be aligned (a matte); then it is trusted as it lies.
        can_stay = job.task == "as-is" and ours.shape == theirs.shape
        return found if found.matches or not can_stay else unregistered(ours, theirs, areas[0], areas[1])
    lying = unregistered(ours, theirs, areas[0], areas[1])
    if lying.matches:
        return lying
    moved = register(ours, theirs, areas[0], areas[1])
    return Registration(lying.matrix, lying.residual_px, lying.residual_p95, moved.correlation, moved.matches)


def _area(job: TrainingJob, shape: tuple[int, ...], picture: Window) -> Window:
    """Where the source is looked at to align a pair: the crop that was given, as far as there are pixels, else its picture."""
    if job.crop is None:
        return picture
    inside = shared_crop([Window(*job.crop), Window(0, 0, shape[1], shape[0])])
    return inside if inside.width and inside.height else picture
