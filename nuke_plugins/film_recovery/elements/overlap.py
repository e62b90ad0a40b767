"""Two elements on disk to ``match.json``: surveyed, matched, told in segments, and handed on as OpenTimelineIO and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import opentimelineio as otio

from film_recovery.contract.atomic import write_text
from film_recovery.contract.curation import MatchRecord, Segment
from film_recovery.contract.progress import Reporter, SilentReporter
from film_recovery.elements.framing import Framing, box_framing, find_framing
from film_recovery.elements.matching import Details, Found, match_frames
from film_recovery.elements.shots import inside_of
from film_recovery.elements.survey import DETAIL, THUMBNAIL, Survey, survey_element
from film_recovery.images.ranges import counted, format_frames
from film_recovery.images.sequence import Sequence as FrameSequence

_REPEATED = 0.15  # mean difference of detail planes, in their units: less than the grain of any film
_OTHER_SHAPE = 0.08  # of a side: pictures that differ by more are also compared without their borders
_CLEARLY = 0.05  # correlation by which that has to be better
_FEW = 0.25  # of the shorter element's frames: with fewer partners it is seen whether one element runs backwards
_WHOLE = box_framing(0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Overlap:
    """The record and the surveys that it rests on."""

    record: MatchRecord
    a: Survey
    b: Survey


def match_elements(a: FrameSequence, b: FrameSequence, folder: Path, reporter: Reporter = SilentReporter()) -> Overlap:
    """Survey and match two elements.

    Args:
        folder: the surveys are kept in ``folder/survey_a`` and ``folder/survey_b`` and used again when nothing has changed.

    Raises:
        UnreadableImageError: one of them holds no readable frame.
        StoppedError: the reporter asked to stop; what was surveyed is kept.
        StorageError: the folder cannot be written.
    """
    surveys: dict[str, Survey] = {}
    for name, sequence in (("a", a), ("b", b)):
        reporter.stage(f"Reading {len(sequence.frames)} frames of {sequence.name}")
        surveys[name] = survey_element(sequence, Path(folder) / f"survey_{name}", reporter)
    reporter.stage("Matching")
    return match_surveys(surveys["a"], surveys["b"], reporter)


def match_surveys(a: Survey, b: Survey, reporter: Reporter = SilentReporter()) -> Overlap:
    """Match two elements that were surveyed before."""
    (details_a, details_b), boxes = _pictures(a, b)
    found = match_frames(details_a, details_b, reporter)
    framing = found.framing.between(*boxes)
    segments = _segments(found, a, b)
    taken_a = {part.first_a + k for part in segments for k in range(part.length)}
    taken_b = {part.first_b + k for part in segments for k in range(part.length)}
    record = MatchRecord(
        a=a.name,
        b=b.name,
        mirrored=framing.is_mirrored and bool(segments),
        framing=[[round(float(value), 8) for value in row] for row in framing.in_pixels(a.size, b.size)],
        segments=segments,
        only_a=_stretches([frame for frame in a.frames.tolist() if frame not in taken_a and frame not in a.broken]),
        only_b=_stretches([frame for frame in b.frames.tolist() if frame not in taken_b and frame not in b.broken]),
        duplicates_a=repeated_frames(a),
        duplicates_b=repeated_frames(b),
    )
    record.notes.extend(_notes(record, a, b))
    fewest = min(len(details_a), len(details_b))
    if len(found.rows) < _FEW * fewest and len(match_frames(details_a, details_b[::-1], reporter).rows) > fewest / 2:
        record.notes.append(f"{b.name} runs backwards against {a.name}: number its files the other way round, and match again.")
    return Overlap(record, a, b)


def _pictures(a: Survey, b: Survey) -> tuple[tuple[Details, Details], tuple[Framing, Framing]]:
    """The detail planes to match, and the boxes of the frames that they show: the whole frames, or what is inside of borders
    where one element has bars that the other lacks and its picture alone is more like the other's."""
    whole = (a.details, b.details), (_WHOLE, _WHOLE)
    insides = [inside_of(survey.thumbnails) for survey in (a, b)]
    shares = [[(part.stop - part.start) / full for part, full in zip(inside, survey.thumbnails.shape[1:3], strict=True)]
              for inside, survey in zip(insides, (a, b), strict=True)]  # fmt: skip
    if max(abs(ours / theirs - 1.0) for ours, theirs in zip(*shares, strict=True)) < _OTHER_SHAPE:
        return whole
    cut = tuple(_cut(survey.details, inside) for survey, inside in zip((a, b), insides, strict=True))
    if find_framing(*cut)[1] < find_framing(*whole[0])[1] + _CLEARLY:
        return whole
    boxes = []
    for (rows, columns), (height, width) in zip(insides, shares, strict=True):
        boxes.append(box_framing(columns.start / THUMBNAIL[0], rows.start / THUMBNAIL[1], width, height))
    return (cut[0], cut[1]), (boxes[0], boxes[1])


def _cut(details: Details, inside: tuple[slice, slice]) -> Details:
    """Detail planes of what is inside (rows and columns of a thumbnail), enlarged to whole ones."""
    rows, columns = (
        slice(part.start * full // small, part.stop * full // small)
        for part, full, small in zip(inside, DETAIL[::-1], THUMBNAIL[::-1], strict=True)
    )
    cut = np.empty(details.shape, np.int8)
    for index, plane in enumerate(details):
        part = np.asarray(plane[rows, columns], np.float32)
        cut[index] = np.rint(cv2.resize(part, DETAIL, interpolation=cv2.INTER_LINEAR))
    return cut


def repeated_frames(survey: Survey) -> list[int]:
    """Frames that repeat the one before, grain and all: held by a telecine's pulldown, stretch printing or a copying error."""
    repeated = []
    before: npt.NDArray[np.int16] | None = None
    for frame, plane in zip(survey.frames.tolist(), survey.details, strict=True):
        here = plane.astype(np.int16)
        if before is not None and frame not in survey.broken and float(np.abs(here - before).mean()) < _REPEATED:
            repeated.append(frame)
        before = here
    return repeated


def _segments(found: Found, a: Survey, b: Survey) -> list[Segment]:
    frames_a, frames_b = a.frames[found.rows], b.frames[found.columns]
    readable = np.array([x not in a.broken and y not in b.broken for x, y in zip(frames_a, frames_b, strict=True)], bool)
    frames_a, frames_b = frames_a[readable], frames_b[readable]
    confidence, plus_minus = found.confidence[readable], found.plus_minus[readable]
    if not len(frames_a):
        return []
    breaks = np.flatnonzero((np.diff(frames_a) != 1) | (np.diff(frames_b) != 1)) + 1
    return [
        Segment(
            int(frames_a[run[0]]),
            int(frames_b[run[0]]),
            len(run),
            round(float(confidence[run].mean()), 4),
            [int(value) for value in plus_minus[run]],
        )
        for run in np.split(np.arange(len(frames_a)), breaks)
    ]


def _stretches(frames: Sequence[int]) -> list[list[int]]:
    """``[first, last]`` of every run of consecutive numbers."""
    stretches: list[list[int]] = []
    for frame in frames:
        if stretches and frame == stretches[-1][1] + 1:
            stretches[-1][1] = frame
        else:
            stretches.append([frame, frame])
    return stretches


def _notes(record: MatchRecord, a: Survey, b: Survey) -> list[str]:
    """What a person should know, in sentences."""
    matched = sum(part.length for part in record.segments)
    if not matched:
        return [
            f"No frame of {a.name} was found in {b.name}; they show different pictures, they are framed too differently (more "
            f"than 14 % in size or 10 % in place), or one of them is too damaged to tell."
        ]
    still = sum(off > 0 for part in record.segments for off in part.plus_minus)
    notes = [
        f"{matched} of the {len(a.frames)} frames of {a.name} have a partner among the {len(b.frames)} of {b.name}, in "
        f"{counted(len(record.segments), 'segment')}."
    ]
    if still:
        worst = max(off for part in record.segments for off in part.plus_minus)
        notes.append(
            f"In {still} of them the picture stands still or hardly moves; their partner may be up to "
            f"{counted(worst, 'frame')} off."
        )
    if record.mirrored:
        notes.append(f"{b.name} is mirrored left to right: run film-recovery align, which turns it round, before a training.")
    for element, repeated in ((a, record.duplicates_a), (b, record.duplicates_b)):
        if repeated:
            notes.append(f"{element.name} repeats {counted(len(repeated), 'frame')}: {_shortened(repeated)}.")
        if element.broken:
            notes.append(f"{element.name} has frames that cannot be read: {_shortened(sorted(element.broken))}.")
    return notes


def _shortened(frames: Sequence[int]) -> str:
    text = format_frames(list(frames))
    return text if len(text) <= 80 else f"{text[:76].rsplit(',', 1)[0]} …"


def write_table(record: MatchRecord, path: Path) -> None:
    """The segments as CSV, one a row: first and last frames of both, length, offset, confidence, the largest plus-minus."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["first_a", "last_a", "first_b", "last_b", "length", "offset", "confidence", "plus_minus"])
    for part in record.segments:
        last = part.length - 1
        offset = part.first_b - part.first_a
        row = [part.first_a, part.first_a + last, part.first_b, part.first_b + last, part.length, offset]
        writer.writerow([*row, part.confidence, max(part.plus_minus)])
    write_text(path, text.getvalue())


def write_timeline(record: MatchRecord, path: Path, fps: float) -> None:
    """Both elements as tracks of one OpenTimelineIO timeline, side by side where they match, with gaps where one is missing.

    Args:
        fps: frames per second of the timeline; the frame numbers stay those of the files.
    """
    tracks = {side: otio.schema.Track(name=side, kind=otio.schema.TrackKind.Video) for side in ("a", "b")}
    names = {"a": record.a, "b": record.b}

    def span(first: int, length: int) -> otio.opentime.TimeRange:
        return otio.opentime.TimeRange(otio.opentime.RationalTime(first, fps), otio.opentime.RationalTime(length, fps))

    def put(side: str, first: int, length: int, confidence: float | None) -> None:
        other = "b" if side == "a" else "a"
        clip = otio.schema.Clip(name=f"{Path(names[side]).name} {first}", source_range=span(first, length))
        clip.media_reference = otio.schema.ExternalReference(target_url=Path(names[side]).as_posix())
        clip.metadata["film_recovery"] = {"matched": confidence is not None, "confidence": confidence or 0.0}
        tracks[side].append(clip)
        if confidence is None:
            tracks[other].append(otio.schema.Gap(source_range=span(0, length)))

    waiting_a, waiting_b = [list(entry) for entry in record.only_a], [list(entry) for entry in record.only_b]
    for part in record.segments:
        while waiting_a and waiting_a[0][0] < part.first_a:
            first, last = waiting_a.pop(0)
            put("a", first, last - first + 1, None)
        while waiting_b and waiting_b[0][0] < part.first_b:
            first, last = waiting_b.pop(0)
            put("b", first, last - first + 1, None)
        put("a", part.first_a, part.length, part.confidence)
        put("b", part.first_b, part.length, part.confidence)
    for side, rest in (("a", waiting_a), ("b", waiting_b)):
        for first, last in rest:
            put(side, first, last - first + 1, None)
    timeline = otio.schema.Timeline(name="match")
    timeline.tracks.extend([tracks["a"], tracks["b"]])
    write_text(path, otio.adapters.write_to_string(timeline, "otio_json"))  # its own writer tells nothing of a full disk
