"""A whole element, shot by shot: every frame in small for what changes over time, a few full pictures for the rest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from film_recovery.contract.atomic import write_json
from film_recovery.contract.errors import InputError, StoppedError, UnreadableImageError
from film_recovery.contract.progress import Reporter, SilentReporter
from film_recovery.elements.analysis import ElementAnalysis, analyse_pictures, picture_of
from film_recovery.elements.coherence import Detail, TilePowers, judge, tile_powers
from film_recovery.elements.condition import block_densities, to_density
from film_recovery.elements.dyes import dye_quantiles
from film_recovery.elements.faults import COMBED, cadence, combing, frame_shift, specks, unsteadiness
from film_recovery.elements.picture_area import picture_area
from film_recovery.elements.selection import spread_frames
from film_recovery.elements.shots import find_shots, inside_of, shot_ranges, shows_something
from film_recovery.elements.survey import Survey, survey_element
from film_recovery.images.colour import rgb_to_ycbcr
from film_recovery.images.encodings import encode, to_linear
from film_recovery.images.frame import Window
from film_recovery.images.sequence import Sequence as FrameSequence

_LOOKS = 3  # full pictures a shot for sharpness, grain and colour
_RUN = 17  # consecutive full pictures a shot for unsteadiness, dust and fields
_PAIRS = 5  # pairs of neighbouring frames of it that tell detail from grain
_EDGE = 2  # frames left out at a shot's ends, where splices and dissolves are
_VERSION = 5
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Movement:
    """What a run of consecutive pictures of a shot tells. None where the run is too short.

    ``unsteadiness``: x and y, pixels (see :func:`~film_recovery.elements.faults.unsteadiness`). ``path``: frame, x, y of the
    picture against the run's first. ``dark_specks``, ``bright_specks``: mean count a frame. ``combed``: share of the pictures.
    """

    frames: list[int]
    unsteadiness: list[float] | None
    path: list[list[float]]
    dark_specks: float | None
    bright_specks: float | None
    combed: float | None


@dataclass(frozen=True)
class ShotAnalysis:
    """One shot: ``start`` and ``stop`` index the survey's frames, ``first`` and ``last`` are frame numbers.

    ``figures`` are of up to three pictures, ``figures["flicker"]`` of every frame. ``repeats``: frame numbers that show the
    frame before; ``cadence``: in words, None where it cannot be judged. ``dyes``: see
    :func:`~film_recovery.elements.dyes.dye_quantiles`.
    """

    start: int
    stop: int
    first: int
    last: int
    looked_at: list[int]
    figures: dict[str, Any]
    dyes: list[list[float]]
    movement: Movement
    repeats: list[int]
    period: int | None
    cadence: str | None
    flags: list[str] = field(default_factory=list)

    def element(self) -> ElementAnalysis:
        """The figures as an analysis, to be compared with another element's."""
        known = {key: value for key, value in self.figures.items() if key not in ("colour", "sentence")}
        return ElementAnalysis(**{**known, "area": Window(**known["area"])})


@dataclass(frozen=True)
class ReelAnalysis:
    """Every shot of an element. ``densities`` (N, 3) are mean densities of every frame of the survey, nan where it is
    unreadable; ``missing`` are frame numbers between the first and the last that no file has, as a frame range."""

    name: str
    survey: Survey
    area: Window
    fps: float | None
    shots: list[ShotAnalysis]
    densities: FloatArray
    missing: str

    @cached_property
    def inside(self) -> tuple[slice, slice]:
        """Rows and columns of a thumbnail, see :func:`inside_of`."""
        return inside_of(self.survey.thumbnails)

    def element(self) -> ElementAnalysis:
        """The whole element: medians over the shots, the widest density range, the mean spectrum."""
        parts = [shot.element() for shot in self.shots]

        def middle(name: str) -> Any:
            return np.median(np.array([getattr(part, name) for part in parts], np.float64), axis=0).tolist()

        ranges = np.array([part.density_range for part in parts])
        flickers = [part.flicker for part in parts if part.flicker is not None]
        widest = [[float(ranges[:, channel, 0].min()), float(ranges[:, channel, 1].max())] for channel in range(3)]
        frequency = np.asarray(parts[0].spectrum["frequency"])
        spectrum = {
            key: np.mean(
                [np.interp(frequency, part.spectrum["frequency"], part.spectrum[key]) for part in parts], axis=0
            ).tolist()
            for key in ("power", "floor")
        }
        return ElementAnalysis(
            name=self.name, frames=sorted(frame for shot in self.shots for frame in shot.looked_at), area=self.area,
            resolution=middle("resolution"), lines=middle("lines"), detail=middle("detail"),
            spectrum={"frequency": frequency.tolist(), **spectrum}, grain=middle("grain"), density_range=widest,
            contrast_kept=middle("contrast_kept"), colour_spread=middle("colour_spread"),
            cast={key: np.median([part.cast[key] for part in parts], axis=0).tolist() for key in parts[0].cast},
            flicker=np.median(flickers, axis=0).tolist() if flickers else None,
            clipped_low=float(np.mean([part.clipped_low for part in parts])),
            clipped_high=float(np.mean([part.clipped_high for part in parts])),
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """For ``analysis.json``."""
        return {
            "name": self.name, "frames": [int(self.survey.frames[0]), int(self.survey.frames[-1])],
            "count": len(self.survey.frames), "size": list(self.survey.size), "area": asdict(self.area), "fps": self.fps,
            "missing": self.missing, "broken": {str(frame): text for frame, text in self.survey.broken.items()},
            "shots": [asdict(shot) for shot in self.shots],
        }  # fmt: skip


def analyse_reel(
    sequence: FrameSequence, cache: Path, reporter: Reporter = SilentReporter(), only: Sequence[int] | None = None
) -> ReelAnalysis:
    """Analyse an element shot by shot.

    Args:
        sequence: the element.
        cache: folder for the survey and ``shots.json``; what is there and still true is not measured again.
        reporter: hears of frames, then of shots; asked to stop, whole shots are kept.
        only: frame numbers; shots without any of them are left out, and the three looks fall on them.

    Raises:
        InputError: none of ``only`` exists.
        UnreadableImageError: not one frame can be read.
        StoppedError: the reporter asked to stop.
        StorageError: the cache cannot be written.
    """
    reporter.stage(f"Looking through {sequence.name}")
    survey = survey_element(sequence, cache, reporter)
    wanted = set(only) if only is not None else set(survey.frames.tolist())
    if not wanted & set(survey.frames.tolist()):
        raise InputError(
            f"{sequence.name} has none of the frames that were named; it has {survey.frames[0]}-{survey.frames[-1]}."
        )
    good = _readable(survey, 0, len(survey.frames))
    samples = [sequence.read(frame) for frame in spread_frames(good, 3)]
    encoding = "none" if any(frame.is_coded for frame in samples) else "display"
    area = picture_area([encode(picture_of(frame, survey.size[::-1]), encoding) for frame in samples])
    reporter.stage(f"Measuring the shots of {sequence.name}")
    ranges = shot_ranges(find_shots(survey.thumbnails), len(survey.frames))
    ranges = [(a, b) for a, b in ranges if wanted & set(survey.frames[a:b].tolist())]
    store = _Store(cache, [*sorted(wanted)] if only is not None else [])
    shots = []
    for number, (start, stop) in enumerate(ranges, start=1):
        shot = store.get(start, stop)
        if shot is None:
            shot = _analyse_shot(sequence, survey, (start, stop), area, encoding, wanted, reporter)
            if shot is not None:
                store.put(shot)
        if shot is not None:
            shots.append(shot)
        reporter.progress(number, len(ranges), "shot")
        if reporter.should_stop():
            raise StoppedError(
                f"Stopped after {number} of {len(ranges)} shots of {sequence.name}; they need not be measured again."
            )
    if not shots:
        raise UnreadableImageError(f"No frame of the chosen shots of {sequence.name} can be read.")
    return ReelAnalysis(sequence.name, survey, area, sequence.fps, shots, _mean_densities(survey), sequence.missing)


def _analyse_shot(sequence: FrameSequence, survey: Survey, span: tuple[int, int], area: Window, encoding: str,
                  wanted: set[int], reporter: Reporter) -> ShotAnalysis | None:  # fmt: skip
    start, stop = span
    frames = _readable(survey, start, stop)
    if not frames:
        return None
    inner = frames[_EDGE:-_EDGE] if len(frames) > 4 * _EDGE else frames
    looks = spread_frames([frame for frame in inner if frame in wanted] or inner, _LOOKS)
    size = survey.size[::-1]
    pictures = [area.cut(picture_of(sequence.read(frame), size)) for frame in looks]
    blocks = _shot_blocks(survey, start, stop, area)
    figures = analyse_pictures(sequence.name, pictures, encoding, frames=looks, blocks=blocks)
    figures.area = area
    quantiles = dye_quantiles([to_density(to_linear(picture, encoding)) for picture in pictures])
    del pictures
    there = [frame for frame in survey.frames[start:stop].tolist() if frame not in survey.broken]  # with black ones
    rhythm = cadence(survey.thumbnails[np.searchsorted(survey.frames, frames)])
    repeats = [frames[index] for index in rhythm.repeats] if rhythm else []
    movement, detail = _movement(_lumas(sequence, size, _middle_run(inner), area, encoding, reporter), set(repeats))
    if detail is not None:
        figures.take_detail(detail)
    shot = ShotAnalysis(
        start, stop, there[0], there[-1], looks, figures.to_dict(), quantiles.tolist(), movement, repeats,
        rhythm.period if rhythm else None, rhythm.sentence() if rhythm else None,
    )  # fmt: skip
    return ShotAnalysis(**{**shot.__dict__, "flags": _flags(shot)})


def _flags(shot: ShotAnalysis) -> list[str]:
    """What a person should look at."""
    found, figures, movement = [], shot.figures, shot.movement
    if min(figures["contrast_kept"]) < 0.5:
        found.append("a layer has less than half of the contrast of another")
    if figures["flicker"] is not None and max(figures["flicker"]) > 0.02:
        found.append("flickers, or everything moves")
    if movement.unsteadiness is not None and max(movement.unsteadiness) > 1.0:
        found.append("jumps by more than a pixel")
    if (movement.dark_specks or 0.0) + (movement.bright_specks or 0.0) > 20.0:
        found.append("dirty")
    if movement.combed is not None and movement.combed >= 0.2:
        found.append("two fields of different moments: deinterlace or undo the pulldown first")
    if shot.period is not None:
        found.append(str(shot.cadence))
    elif shot.repeats:
        found.append(f"repeated: {', '.join(map(str, shot.repeats[:5]))}{' …' if len(shot.repeats) > 5 else ''}")
    if max(figures["clipped_low"], figures["clipped_high"]) > 0.02:
        found.append("clipped")
    return found


def _lumas(
    sequence: FrameSequence, size: tuple[int, ...], frames: Sequence[int], area: Window, encoding: str, reporter: Reporter
) -> Iterator[tuple[int, FloatArray]]:  # fmt: skip
    for frame in frames:
        if reporter.should_stop():
            raise StoppedError(f"Stopped at frame {frame} of {sequence.name}; the shots before it need not be measured again.")
        picture = picture_of(sequence.read(frame), size)
        coded = np.asarray(encode(area.cut(picture), encoding), np.float32)
        yield frame, np.ascontiguousarray(rgb_to_ycbcr(coded, "709")[..., 0], np.float32)


def _movement(lumas: Iterator[tuple[int, FloatArray]], repeats: set[int]) -> tuple[Movement, Detail | None]:
    """Three pictures at a time are in memory; a few pairs of them tell detail from grain."""
    powers: list[TilePowers] = []
    window: list[FloatArray] = []
    frames: list[int] = []
    shifts: list[tuple[float, float]] = []
    counts: list[tuple[int, int]] = []
    combed = 0
    for frame, luma in lumas:
        combed += combing(luma) > COMBED
        if window:
            shifts.append(frame_shift(window[-1], luma))
            if len(powers) < _PAIRS and len(frames) % 3 == 1 and frame not in repeats:
                powers.append(tile_powers(window[-1], luma))
        frames.append(frame)
        window = [*window[-2:], luma]
        if len(window) == 3:
            back, on = shifts[-2], shifts[-1]
            counts.append(specks(window[0], window[1], window[2], ((-back[0], -back[1]), on)))
    path = np.cumsum([(0.0, 0.0), *shifts], axis=0) if frames else np.zeros((0, 2))
    jump = unsteadiness(shifts)
    dark, bright = (float(value) for value in np.mean(counts, axis=0)) if counts else (None, None)
    movement = Movement(
        frames, list(jump) if jump else None, [[frame, float(x), float(y)] for frame, (x, y) in zip(frames, path, strict=True)],
        dark, bright, combed / len(frames) if frames else None,
    )  # fmt: skip
    return movement, judge(powers)


def _middle_run(frames: Sequence[int]) -> list[int]:
    """Up to :data:`_RUN` frames with consecutive numbers: of the longest stretch, the middle."""
    stretches = np.split(np.asarray(frames), np.flatnonzero(np.diff(frames) != 1) + 1)
    longest = max(stretches, key=len)
    begin = max((len(longest) - _RUN) // 2, 0)
    return [int(frame) for frame in longest[begin : begin + _RUN]]


def _readable(survey: Survey, start: int, stop: int) -> list[int]:
    """Frames of a stretch that can be read, without those that show nothing, as leader; with them where all are so."""
    there = [index for index in range(start, stop) if int(survey.frames[index]) not in survey.broken]
    shown = [index for index in there if shows_something(survey.thumbnails[index])]
    return [int(survey.frames[index]) for index in shown or there]


def _shot_blocks(survey: Survey, start: int, stop: int, area: Window) -> list[FloatArray]:
    """Block densities of every frame of a shot, from the thumbnails inside the picture area."""
    rows, columns = survey.thumbnails.shape[1:3]
    across, down = columns / survey.size[0], rows / survey.size[1]
    left, right = int(np.ceil(area.x * across)), int((area.x + area.width) * across)
    top, bottom = int(np.ceil(area.y * down)), int((area.y + area.height) * down)
    found = []
    shown = set(_readable(survey, start, stop))
    for index in range(start, stop):
        if int(survey.frames[index]) in shown:
            small = np.asarray(survey.thumbnails[index, top:bottom, left:right], np.float32) / 255.0
            found.append(block_densities(to_linear(small, "none")))
    return found


def _mean_densities(survey: Survey) -> FloatArray:
    means = np.full((len(survey.frames), 3), np.nan, np.float32)
    for index, frame in enumerate(survey.frames.tolist()):
        if frame not in survey.broken:
            middle = np.asarray(survey.thumbnails[index, 6:-6, 10:-10], np.float32) / 255.0
            means[index] = to_density(to_linear(middle, "none")).mean(axis=(0, 1))
    return means


class _Store:
    """Shots that were measured before, as long as the survey and what was asked for are the same."""

    def __init__(self, cache: Path, asked: list[int]) -> None:
        self._path = cache / "shots.json"
        walked = (cache / "survey.json").read_bytes() + json.dumps([_VERSION, asked]).encode()
        self._key = hashlib.sha256(walked).hexdigest()
        self._shots: dict[str, dict[str, Any]] = {}
        try:
            record = json.loads(self._path.read_text(encoding="utf-8"))
            if record["key"] == self._key:
                self._shots = dict(record["shots"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # absent or of other times: measured anew

    def get(self, start: int, stop: int) -> ShotAnalysis | None:
        found = self._shots.get(f"{start}-{stop}")
        return ShotAnalysis(**{**found, "movement": Movement(**found["movement"])}) if found else None

    def put(self, shot: ShotAnalysis) -> None:
        self._shots[f"{shot.start}-{shot.stop}"] = asdict(shot)
        write_json(self._path, {"key": self._key, "shots": self._shots})
