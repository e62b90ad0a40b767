"""A model over a whole sequence: read, recover, check, write. Frames are independent, so any chunk in any order is the same."""

from __future__ import annotations

import hashlib
import sys
import time
from collections import deque
from collections.abc import Sequence as Frames
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import film_recovery
from film_recovery.contract.errors import DivergedError, InputError, MissingFrameError, StoppedError
from film_recovery.contract.progress import Reporter, SilentReporter
from film_recovery.images.frame import FloatArray, Frame
from film_recovery.images.ocio import aces_frame, to_aces
from film_recovery.images.ranges import format_frames
from film_recovery.images.sequence import Sequence
from film_recovery.inference.confidence import ConfidenceMaps
from film_recovery.inference.early import EarlyFrames
from film_recovery.inference.grain import check_grain, with_grain
from film_recovery.inference.outputs import Outputs
from film_recovery.inference.session import InferenceOptions, ModelSession
from film_recovery.inference.steady import Deviation, Steadiness, may_steady, source_steadiness, steadied, with_kept_luma
from film_recovery.inference.tiles import recover
from film_recovery.modelfile.load import LoadedModel, load_model

_AHEAD = 2  # frames read ahead of the network and waiting behind it
_BLACK = 1e-6


@dataclass
class ApplyReport:
    """What became of the frames, and what it took. ``seconds`` is wall time, ``peak_memory_mb`` of the process so far.

    ``unlike`` maps frames that were done with a confidence map to the share of their pixels whose confidence is below 0.5.
    """

    model: str
    done: list[int] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    redone_in_single: list[int] = field(default_factory=list)
    unlike: dict[int, float] = field(default_factory=dict)
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
    steady: bool | None = None,
    grain: str = "recovered",
    confidence: bool = False,
    reporter: Reporter | None = None,
) -> ApplyReport:
    """Recover frames of a sequence into ``output``, a pattern such as ``recovered.####.exr``.

    Channels beside RGB, windows and metadata are carried; the model's and the source's hashes are written into the header, so
    that ``skip_existing`` can tell a whole, current frame (by reading it) from anything else.
    ``aces_from`` names the working space of the files: the result is then written as ACES2065-1, through OpenColorIO.
    ``steady`` takes the flicker of whole frames out of what the model sees, see :mod:`film_recovery.inference.steady`; the luma
    that is kept stays that of the source as it is. None: wherever the model keeps luma, which it needs.
    ``grain`` of a spatial recovery: as ``recovered``, the ``source``'s own put back, or made up as the ``reference``'s, see
    :mod:`film_recovery.inference.grain`; the header tells which.
    ``confidence`` writes a layer ``confidence.Y`` beside the colour, see :mod:`film_recovery.images.familiar`.

    Raises:
        MissingFrameError: a frame is not there; nothing has been written.
        InputError: the model is not for these files, the output would overwrite the input, or pixels are NaN.
        UsageError: ``steady`` is asked of a model that does not keep luma, ``grain`` or ``confidence`` of one that cannot have
            it, or ``confidence`` in files that cannot hold it.
        DivergedError: the model gives values that are not finite even in single precision.
        BusyError: another process writes the same frames with another model.
        StoppedError: stopped on request; all frames written so far are whole.
        StorageError: the disk is full, read-only or failing.
    """
    reporter = reporter or SilentReporter()
    options = options or InferenceOptions()
    loaded = model if isinstance(model, LoadedModel) else load_model(model)
    wanted = sorted(set(frames if frames is not None else sequence.frames))
    outputs = Outputs(output, wanted, pixel_type)
    _check_request(sequence, wanted)
    outputs.refuse_overwriting(sequence)
    if aces_from is not None:
        to_aces(np.zeros((1, 1, 3), np.float32), aces_from)  # an unknown space is told before anything is written
    early = EarlyFrames(sequence, wanted)
    steadiness = source_steadiness(sequence, loaded.card, early.keep) if may_steady(loaded.card, steady) else None
    check_grain(loaded.card, grain)
    maps = ConfidenceMaps(loaded.card, outputs.pattern) if confidence else None
    session = ModelSession(loaded, options)
    job = _Apply(loaded, session, early, outputs, aces_from, skip_existing, steadiness, grain, maps, options.tile, reporter)
    outputs.remove_leftovers()
    begin = time.monotonic()
    report = _run(job, wanted)
    session.rest()
    report.seconds = time.monotonic() - begin
    report.peak_memory_mb = _peak_memory_mb()
    return report


@dataclass(frozen=True)
class _Work:
    frame: Frame
    origin: dict[str, str]  # what the result is made of, for its header
    is_current: bool
    deviation: Deviation = (0.0, 0.0, 0.0)  # from the frames around it, density


@dataclass
class _Apply:
    model: LoadedModel
    session: ModelSession
    source: EarlyFrames
    outputs: Outputs
    aces_from: str | None
    skip_existing: bool
    steadiness: Steadiness | None
    grain: str
    maps: ConfidenceMaps | None
    tile: int | None  # becomes smaller when memory runs out, and stays so for the frames that follow
    reporter: Reporter

    def read(self, number: int) -> _Work:
        frame = self.source.take(number)
        card = self.model.card
        if frame.is_coded != (card.encoding == "none"):
            kinds = ("display-coded integers", "linear light")
            found, wanted = kinds if frame.is_coded else kinds[::-1]
            raise InputError(
                f"{frame.source} holds {found}, but {self.model.path.name} was trained on {wanted}; "
                "convert the frames or choose a model trained on such files."
            )
        self.outputs.type_for(frame)  # refuses what the files could not hold before any work
        bad = int(np.count_nonzero(~np.isfinite(frame.rgb)))
        if bad:
            where = f"Frame {number} ({frame.source})"
            raise InputError(f"{where} has {bad} values that are NaN or infinite; repair this frame first.")
        origin = {"model": self.model.sha256, "source_sha256": _source_sha256(frame)}
        if self.aces_from is not None:
            origin["aces_from"] = self.aces_from
        if self.grain != "recovered":
            origin["grain"] = self.grain
        if self.maps is not None:
            origin["confidence"] = "colours"
        deviation = (0.0, 0.0, 0.0)
        if self.steadiness is not None:
            deviation = self.steadiness.deviation(number)
            origin["steadied"] = " ".join(f"{value:.4f}" for value in deviation)
        return _Work(frame, origin, self.skip_existing and self.outputs.is_current(number, frame, origin), deviation)

    def recover(self, work: _Work) -> tuple[FloatArray, bool]:
        """What the model makes of the steadied frame, and whether it had to be done again in single precision."""
        if not any(work.deviation):
            return self._recover(work.frame)
        return self._recover(replace(work.frame, rgb=steadied(work.frame.rgb, work.deviation, self.model.card.encoding)))

    def _recover(self, frame: Frame) -> tuple[FloatArray, bool]:
        result = self._tiled(frame.rgb, single=False)
        if _is_sound(result, frame.rgb):
            return result, False
        if self.session.half:
            result = self._tiled(frame.rgb, single=True)
            if _is_sound(result, frame.rgb):
                return result, True
        raise DivergedError(
            f"{self.model.path.name} gives NaN, infinite or black values for {frame.source}; look at this frame for extreme "
            "values, or train again with it as a pair."
        )

    def write(self, number: int, work: _Work, result: FloatArray) -> float:
        """Write a frame; returns the share of it that is unlike the pairs, 0 without a confidence map."""
        if any(work.deviation):
            result = with_kept_luma(result, work.frame.rgb, self.model.card)
        frame = replace(work.frame, rgb=with_grain(result, work.frame.rgb, self.model.card, self.grain, number))
        if self.aces_from is not None:
            frame = aces_frame(frame, self.aces_from)
        unlike = 0.0
        if self.maps is not None:
            frame, unlike = self.maps.beside(frame, work.frame.rgb, work.deviation)
        notes = {"task": self.model.card.task, "version": film_recovery.__version__}
        self.outputs.write(number, frame, work.frame, work.origin, notes)
        return unlike

    def _tiled(self, rgb: FloatArray, *, single: bool) -> FloatArray:
        card, first = self.model.card, True

        def run(part: FloatArray) -> FloatArray:
            nonlocal first
            if not first and self.reporter.should_stop():  # a large frame takes long
                raise _Stop
            first = False
            return self.session.run_single(part) if single else self.session.run(part)

        return recover(run, rgb, self.tile, card.receptive_field, card.multiple, self._use_smaller)

    def _use_smaller(self, side: int) -> None:
        self.tile = side
        self.reporter.note(f"Memory ran out; going on with tiles of {side} pixels.")


class _Stop(Exception):
    """The user asked to stop."""


def _run(job: _Apply, wanted: list[int]) -> ApplyReport:
    """Read ahead, recover and write behind, in three threads; the queues between them are short, so that memory is bounded."""
    report, reporter = ApplyReport(str(job.model.path)), job.reporter
    reading: deque[Future[_Work]] = deque()
    writing: deque[tuple[int, float, Future[float]]] = deque()

    def settle(most: int) -> None:
        """Wait until at most ``most`` frames are still being written. Only what is on disk counts as done."""
        while writing and (len(writing) > most or writing[0][2].done()):
            number, megapixels, pending = writing.popleft()
            unlike = pending.result()
            if job.maps is not None:
                report.unlike[number] = round(unlike, 4)
            report.done.append(number)
            report.megapixels += megapixels
            reporter.progress(len(report.done) + len(report.skipped), len(wanted), "frame")

    with ThreadPoolExecutor(1, "read") as readers, ThreadPoolExecutor(1, "write") as writers:
        try:
            ahead = iter(wanted)
            for number in wanted:
                while len(reading) < _AHEAD and (following := next(ahead, None)) is not None:
                    reading.append(readers.submit(job.read, following))
                if reporter.should_stop():
                    raise _Stop
                work = reading.popleft().result()
                if work.is_current:
                    report.skipped.append(number)
                    reporter.progress(len(report.done) + len(report.skipped), len(wanted), "frame")
                    continue
                result, redone = job.recover(work)
                if redone:
                    report.redone_in_single.append(number)
                    reporter.note(f"Frame {number} was not usable in half precision and was done again in single.")
                settle(_AHEAD - 1)
                megapixels = work.frame.rgb.shape[0] * work.frame.rgb.shape[1] / 1e6
                writing.append((number, megapixels, writers.submit(job.write, number, work, result)))
            settle(0)
        except _Stop as error:
            settle(0)
            done = format_frames(report.done) or "no frame"
            advice = "Run again with --skip-existing to go on."
            raise StoppedError(f"Stopped before frame {number}; {done} is done. {advice}") from error
        finally:
            for waiting in reading:
                waiting.cancel()
    return report


def _source_sha256(frame: Frame) -> str:
    """Of the source's pixels as float32: R, G, B interleaved, then every other channel's name and values."""
    digest = hashlib.sha256(np.ascontiguousarray(frame.rgb).reshape(-1).data)
    for name, plane in frame.extra.items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(plane).reshape(-1).data)
    return digest.hexdigest()


def _is_sound(result: FloatArray, source: FloatArray) -> bool:
    """Finite, and not black where the source is not."""
    lowest, highest = float(result.min()), float(result.max())  # NaN where there is any
    if not np.isfinite([lowest, highest]).all():
        return False
    return bool(max(-lowest, highest) > _BLACK or np.abs(source).max() <= 1e-3)


def _check_request(sequence: Sequence, wanted: list[int]) -> None:
    if not wanted:
        raise InputError(f"No frames to do in {sequence.name}; choose a frame range that exists.")
    absent = sorted(set(wanted) - set(sequence.frames))
    if absent:
        raise MissingFrameError(f"{sequence.name} lacks frames {format_frames(absent)}; restore them or choose other --frames.")
    for frame in wanted:
        path = sequence.path(frame)
        if path is not None and not path.is_file():
            raise MissingFrameError(f"{path} is gone since the sequence was listed; restore it or choose other --frames.")


def _peak_memory_mb() -> float:
    """Of this process since it began; 0 on Windows, which does not tell in this way."""
    if sys.platform == "win32":
        return 0.0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024.0**2 if sys.platform == "darwin" else 1024.0)
