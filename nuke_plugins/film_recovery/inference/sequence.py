"""A model over a whole sequence: read, recover, check, write. Frames are independent, so any chunk in any order is the same."""

from __future__ import annotations

import hashlib
import resource
import time
from collections import deque
from collections.abc import Sequence as Frames
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import film_recovery
from film_recovery.contract.atomic import remove_partials
from film_recovery.contract.errors import DivergedError, FilmRecoveryError, InputError, MissingFrameError, StoppedError
from film_recovery.contract.progress import Reporter, SilentReporter
from film_recovery.images.frame import FloatArray, Frame
from film_recovery.images.io import read_frame, write_frame
from film_recovery.images.ocio import aces_frame, to_aces
from film_recovery.images.ranges import format_frames
from film_recovery.images.sequence import Sequence, output_path, require_token
from film_recovery.inference.session import InferenceOptions, ModelSession
from film_recovery.inference.tiles import recover
from film_recovery.modelfile.load import LoadedModel, load_model

PREFIX = "film_recovery/"
_AHEAD = 2  # frames read ahead of the network and waiting behind it
_BLACK = 1e-6


@dataclass
class ApplyReport:
    """What became of the frames, and what it took. ``seconds`` is wall time, ``peak_memory_mb`` of the process so far."""

    model: str
    done: list[int] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    redone_in_single: list[int] = field(default_factory=list)
    megapixels: float = 0.0
    seconds: float = 0.0
    peak_memory_mb: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def apply_model(
    model: Path | str | LoadedModel,
    sequence: Sequence,
    output: Path | str,
    frames: Frames[int] | None = None,
    options: InferenceOptions | None = None,
    *,
    pixel_type: str | None = None,
    aces_from: str | None = None,
    skip_existing: bool = False,
    reporter: Reporter | None = None,
) -> ApplyReport:
    """Recover frames of a sequence into ``output``, a pattern such as ``recovered.####.exr``.

    ``aces_from`` names the working space of the files: the result is then written as ACES2065-1, through OpenColorIO.
    Channels beside RGB, windows and metadata are carried; the model's and the source's hashes are written into the header, so
    that ``skip_existing`` can tell a whole, current frame (by reading it) from anything else.

    Raises:
        MissingFrameError: a frame is not there; nothing has been written.
        InputError: the model is not for these files, the output would overwrite the input, or pixels are NaN.
        DivergedError: the model gives values that are not finite even in single precision.
        StoppedError: stopped on request; all frames written so far are whole.
    """
    reporter = reporter or SilentReporter()
    loaded = model if isinstance(model, LoadedModel) else load_model(model)
    wanted = sorted(set(frames if frames is not None else sequence.frames))
    _check_request(sequence, output, wanted)
    if aces_from is not None:
        to_aces(np.zeros((1, 1, 3), np.float32), aces_from)  # an unknown space is told before anything is written
    remove_partials(Path(output).parent)
    session = ModelSession(loaded, options or InferenceOptions())
    job = _Apply(loaded, session, sequence, Path(output), options, pixel_type, aces_from)
    report = ApplyReport(str(loaded.path))
    begin = time.monotonic()
    with ThreadPoolExecutor(1, "read") as readers, ThreadPoolExecutor(1, "write") as writers:
        reading: deque[Future[_Work]] = deque()
        writing: deque[Future[None]] = deque()
        try:
            ahead = iter(wanted)
            for frame in wanted:
                while len(reading) < _AHEAD and (following := next(ahead, None)) is not None:
                    reading.append(readers.submit(job.read, following, skip_existing))
                if reporter.should_stop():
                    done = format_frames(report.done) or "no frame"
                    advice = "Run again with --skip-existing to go on."
                    raise StoppedError(f"Stopped before frame {frame}; {done} is done. {advice}")
                work = reading.popleft().result()
                if work.current:
                    report.skipped.append(frame)
                else:
                    result, redone = job.recover(work.frame)
                    while len(writing) >= _AHEAD:
                        writing.popleft().result()
                    writing.append(writers.submit(job.write, frame, work, result))
                    report.done.append(frame)
                    report.megapixels += work.frame.rgb.shape[0] * work.frame.rgb.shape[1] / 1e6
                    if redone:
                        report.redone_in_single.append(frame)
                        reporter.note(f"Frame {frame} was not usable in half precision and was done again in single.")
                reporter.progress(len(report.done) + len(report.skipped), len(wanted), "frame")
            for pending in writing:
                pending.result()
        finally:
            for waiting in reading:
                waiting.cancel()
    report.seconds = time.monotonic() - begin
    report.peak_memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    return report


@dataclass(frozen=True)
class _Work:
    frame: Frame
    source_sha256: str
    current: bool


@dataclass(frozen=True)
class _Apply:
    model: LoadedModel
    session: ModelSession
    sequence: Sequence
    output: Path
    options: InferenceOptions | None
    pixel_type: str | None
    aces_from: str | None

    def read(self, number: int, skip_existing: bool) -> _Work:
        frame = self.sequence.read(number)
        card = self.model.card
        if frame.is_coded != (card.encoding == "none"):
            kinds = ("display-coded integers", "linear light")
            found, wanted = kinds if frame.is_coded else kinds[::-1]
            raise InputError(
                f"{frame.source} holds {found}, but {self.model.path.name} was trained on {wanted}; "
                "convert the frames or choose a model trained on such files."
            )
        bad = int(np.count_nonzero(~np.isfinite(frame.rgb)))
        if bad:
            where = f"Frame {number} ({frame.source})"
            raise InputError(f"{where} has {bad} values that are NaN or infinite; repair this frame first.")
        digest = hashlib.sha256(np.ascontiguousarray(frame.rgb).tobytes()).hexdigest()
        return _Work(frame, digest, skip_existing and self._is_current(number, digest))

    def recover(self, frame: Frame) -> tuple[FloatArray, bool]:
        result = self._run(frame.rgb, self.session.run)
        if _sound(result, frame.rgb):
            return result, False
        if self.session.half:
            result = self._run(frame.rgb, self.session.run_single)
            if _sound(result, frame.rgb):
                return result, True
        raise DivergedError(
            f"{self.model.path.name} gives NaN, infinite or black values for {frame.source}; look at this frame for extreme "
            "values, or train again with it as a pair."
        )

    def write(self, number: int, work: _Work, result: FloatArray) -> None:
        source = work.frame
        keys = {"model": self.model.sha256, "task": self.model.card.task, "source_sha256": work.source_sha256,
                "version": film_recovery.__version__}  # fmt: skip
        metadata = {**source.metadata, **{PREFIX + key: value for key, value in keys.items()}}
        frame = Frame(result, source.data_window, source.display_window, source.extra, metadata, source.pixel_type)
        if self.aces_from is not None:
            frame = aces_frame(frame, self.aces_from)
            frame.metadata[PREFIX + "aces_from"] = self.aces_from
        path = output_path(self.output, number)
        kind = self.pixel_type
        if kind is None and source.is_coded and path.suffix.lower() == Path(source.source).suffix.lower():
            kind = source.pixel_type
        write_frame(path, frame, kind)

    def _run(self, rgb: FloatArray, run: Any) -> FloatArray:
        card = self.model.card
        return recover(run, rgb, self.options.tile if self.options else None, card.receptive_field, card.multiple)

    def _is_current(self, number: int, source_sha256: str) -> bool:
        """Whether the frame on disk can be read to its last pixel and came from this model and this source."""
        path = output_path(self.output, number)
        if not path.is_file():
            return False
        try:
            found = read_frame(path).metadata
        except FilmRecoveryError:
            return False
        wanted = {"model": self.model.sha256, "source_sha256": source_sha256, "aces_from": self.aces_from}
        return all(found.get(PREFIX + key) == value for key, value in wanted.items())


def _sound(result: FloatArray, source: FloatArray) -> bool:
    """Finite, and not black where the source is not."""
    if not np.isfinite(result).all():
        return False
    return bool(np.abs(result).max() > _BLACK or np.abs(source).max() <= 1e-3)


def _check_request(sequence: Sequence, output: Path | str, wanted: list[int]) -> None:
    require_token(output)
    if not wanted:
        raise InputError(f"No frames to do in {sequence.name}; choose a frame range that exists.")
    absent = sorted(set(wanted) - set(sequence.frames))
    if absent:
        raise MissingFrameError(f"{sequence.name} lacks frames {format_frames(absent)}; restore them or choose other --frames.")
    for frame in wanted:
        path = sequence.path(frame)
        if path is not None and path.resolve() == output_path(output, frame).resolve():
            raise InputError(f"The output {output} would overwrite its input; choose another folder or name.")
