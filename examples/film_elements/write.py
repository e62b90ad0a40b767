"""Writes the two elements of a clip, and the truth in the geometry of each, as EXR sequences with one record beside them."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import OpenImageIO as oiio

from film_elements.clip import CREDITS
from film_elements.elements import ElementSimulator
from film_elements.parameters import ElementPair, default_pair
from film_elements.physics import FloatArray
from film_recovery.contract.atomic import write_json
from film_recovery.contract.errors import InputError, StoppedError
from film_recovery.contract.progress import Reporter, SilentReporter
from film_recovery.images.frame import Frame
from film_recovery.images.io import write_frame

_GEOMETRY = (
    "matrix: truth pixel to element pixel; an element pixel p shows the truth at inverse(matrix) p + warp(p). "
    "warp: x and y coefficients of 1.5u^2-0.5, uv, 1.5v^2-0.5, with u and v from -1 to 1 over the scan."
)
_ROLES = ("sharp", "colourful")
_WORKERS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True)
class Cut:
    """What an element's scan holds of the film, and how its files are numbered.

    Attributes:
        lost: frames of the film, counted from 0, that the element lacks besides its missing share: a trimmed head, splices.
        first_number: of the first file; the files count on from there over what is lost. None numbers them as the film.
    """

    lost: frozenset[int] = frozenset()
    first_number: int | None = None


@dataclass(frozen=True)
class WrittenElements:
    """What :func:`write_elements` left behind: patterns for the sequences, the numbers of their files, the record."""

    sharp: Path
    colourful: Path
    sharp_truth: Path
    colourful_truth: Path
    sharp_frames: list[int]
    frames: list[int]
    record: Path


def write_elements(
    frames: Iterable[FloatArray],
    folder: Path,
    pair: ElementPair | None = None,
    seed: int = 1,
    *,
    count: int | None = None,
    first_frame: int = 1001,
    fps: float = 25.0,
    credit: str = CREDITS["bigbuckbunny.mp4"],
    cuts: tuple[Cut, Cut] = (Cut(), Cut()),
    reporter: Reporter = SilentReporter(),
) -> WrittenElements:
    """Simulate and write both elements of one shot.

    Into ``folder`` go ``internegative_35mm/internegative.####.exr`` (without the last quarter), ``print_16mm/print.####.exr``,
    ``truth_35mm/truth.####.exr``, ``truth_16mm/truth.####.exr`` (half, ZIP, time code, frames per second) and ``elements.json``
    with every parameter, the seed, the geometry of each frame, the frame of the film that each file shows, and the credit. The
    truths are numbered as the film. The same arguments give the same bytes.

    Args:
        frames: the truth, linear Rec.709 RGB, float32 (H, W, 3), white near 1, all of one size.
        folder: made when it is not there; frames of the same name are replaced.
        pair: what the elements are; the demonstration's pair when None.
        seed: decides everything random.
        count: how many frames there are, when ``frames`` is a generator; they are then never all in memory.
        first_frame: number of the first frame.
        fps: frames per second of the clip.
        credit: whose pictures these are.
        cuts: of the sharp element and of the colourful one.

    Raises:
        InputError: there are no frames, or more or fewer than ``count``, or they differ in size, or both elements are of one
            gauge.
        StoppedError: the reporter asked to stop.
        StorageError: the disk is full or read-only.
    """
    if count is None:
        frames = list(frames)
        count = len(frames)
    if count < 1:
        raise InputError("There are no frames to make film elements from; give at least one.")
    shot = _Shot(Path(folder), pair or default_pair(), seed, count, first_frame, fps, cuts)
    reporter.stage(f"Making film elements of {count} frames")
    pending: deque[Future[None]] = deque()
    done = 0
    with ThreadPoolExecutor(_WORKERS) as pool:
        try:
            for picture in frames:
                if reporter.should_stop():
                    raise StoppedError(f"Stopped after {done} of {count} film frames; those in {folder} are whole.")
                pending.append(pool.submit(shot.write, picture, shot.next_frame(picture)))
                if len(pending) > 2 * _WORKERS:
                    pending.popleft().result()
                    done += 1
                    reporter.progress(done, count, "frame")
            while pending:
                pending.popleft().result()
                done += 1
                reporter.progress(done, count, "frame")
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    if done != count:
        raise InputError(f"The clip ended after {done} of {count} frames; give the true count.")
    record = shot.folder / "elements.json"
    write_json(record, shot.record(credit))
    return shot.written(record)


def time_code(frame: int, fps: float) -> tuple[int, int]:
    """SMPTE 12M non-drop time code of a frame number, in the packed form of OpenEXR (BCD in the first word)."""
    base = round(fps)
    seconds, frames = divmod(frame, base)
    parts = (frames, seconds % 60, seconds // 60 % 60, seconds // 3600 % 24)
    word = 0
    for place, part in enumerate(parts):
        word |= (part // 10 << 4 | part % 10) << (8 * place)
    return word, 0


class _Shot:
    """The state of one call of :func:`write_elements`."""

    def __init__(
        self, folder: Path, pair: ElementPair, seed: int, count: int, first_frame: int, fps: float, cuts: tuple[Cut, Cut]
    ) -> None:
        self.folder = folder
        self.pair = pair
        self.seed = seed
        self.fps = fps
        self.frames = list(range(first_frame, first_frame + count))
        sharp = self.frames[: max(1, count - math.floor(count * pair.missing_share))]
        kept = (_numbers(of, cut, first_frame) for of, cut in zip((sharp, self.frames), cuts, strict=True))
        self.numbers = dict(zip(_ROLES, kept, strict=True))
        self.size: tuple[int, int] | None = None
        self._given = 0
        self._simulators: tuple[ElementSimulator, ElementSimulator] | None = None
        if pair.sharp.gauge == pair.colourful.gauge:
            raise InputError(f"Both elements are {pair.sharp.gauge}, so their folders would clash; give them different gauges.")
        self._patterns: dict[str, Path] = {}
        for role, element in zip(_ROLES, (pair.sharp, pair.colourful), strict=True):
            self._patterns[role] = folder / f"{element.name}_{element.gauge}" / f"{element.name}.####.exr"
            self._patterns[f"{role}_truth"] = folder / f"truth_{element.gauge}" / "truth.####.exr"

    def next_frame(self, picture: FloatArray) -> int:
        """The number of the next frame, once its picture has been looked at."""
        size = (picture.shape[1], picture.shape[0])
        if self.size is None:
            self.size = size
            sharp, colourful = (ElementSimulator(e, size, self.seed, self.fps) for e in (self.pair.sharp, self.pair.colourful))
            self._simulators = sharp, colourful
        if size != self.size:
            raise InputError(f"Frame {self._given + 1} of the clip is {size[0]}x{size[1]}, not {self.size[0]}x{self.size[1]}.")
        if self._given == len(self.frames):
            raise InputError(f"The clip has more than the {len(self.frames)} frames it was said to have; give the true count.")
        self._given += 1
        return self.frames[self._given - 1]

    def write(self, picture: FloatArray, frame: int) -> None:
        """Simulate one frame and write its up to four files."""
        assert self._simulators is not None
        for role, simulator in zip(_ROLES, self._simulators, strict=True):
            number = self.numbers[role].get(frame)
            if number is None:
                self._save(f"{role}_truth", frame, simulator.truth(picture, frame))
                continue
            made = simulator.simulate(picture, frame)
            self._save(role, number, made.scan)
            self._save(f"{role}_truth", frame, made.truth)

    def record(self, credit: str) -> dict[str, Any]:
        """What elements.json holds."""
        assert self._simulators is not None
        assert self.size is not None
        elements = {}
        for role, simulator in zip(_ROLES, self._simulators, strict=True):
            numbers = list(self.numbers[role].values())
            elements[role] = {
                "sequence": self._relative(role),
                "truth": self._relative(f"{role}_truth"),
                "frames": [numbers[0], numbers[-1]],
                "shows": {str(number): frame for frame, number in self.numbers[role].items()},
                "parameters": asdict(simulator.element),
                "pixel_pitch_um": simulator.pitch_um,
                "mtf_half_cycles_per_pixel": simulator.half_cycles_px,
                "timing_density": simulator.timing_offset.tolist(),
                "geometry": {str(frame): simulator.geometry(frame).to_dict() for frame in self.frames},
            }
        return {
            "version": 1,
            "credit": credit,
            "seed": self.seed,
            "size": list(self.size),
            "fps": self.fps,
            "frames": [self.frames[0], self.frames[-1]],
            "geometry": _GEOMETRY,
            "elements": elements,
        }

    def written(self, record: Path) -> WrittenElements:
        """The result of the call."""
        sharp, colourful = (list(self.numbers[role].values()) for role in _ROLES)
        return WrittenElements(sharp_frames=sharp, frames=colourful, record=record, **self._patterns)

    def _save(self, role: str, frame: int, picture: FloatArray) -> None:
        rate = Fraction(self.fps).limit_denominator(1001)
        metadata = {
            "smpte:TimeCode": (oiio.TypeDesc("timecode"), time_code(frame, self.fps)),
            "FramesPerSecond": (oiio.TypeDesc("rational"), (rate.numerator, rate.denominator)),
            "DateTime": "",  # else the writer would put the time of day into the file, and no two runs would be alike
        }
        path = self._patterns[role]
        write_frame(path.with_name(path.name.replace("####", f"{frame:04d}")), Frame.from_rgb(picture, "half", metadata))

    def _relative(self, role: str) -> str:
        return self._patterns[role].relative_to(self.folder).as_posix()


def _numbers(frames: list[int], cut: Cut, first_frame: int) -> dict[int, int]:
    """The file number of every frame of the film that an element has, ascending. Raises :class:`InputError` for none."""
    kept = [frame for frame in frames if frame - first_frame not in cut.lost]
    if not kept:
        raise InputError("An element has lost every frame; cut less.")
    if cut.first_number is None:
        return {frame: frame for frame in kept}
    return {frame: cut.first_number + index for index, frame in enumerate(kept)}
