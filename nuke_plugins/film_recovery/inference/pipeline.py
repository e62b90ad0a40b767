"""The way of frames through a model: read ahead, recovered, averaged with those beside them and written behind."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from threading import Lock
from typing import Any

import numpy as np

import film_recovery
from film_recovery.contract.errors import DivergedError, FilmRecoveryError, InputError, StoppedError
from film_recovery.contract.progress import Reporter
from film_recovery.contract.steady import BESIDE
from film_recovery.images.frame import FloatArray, Frame
from film_recovery.images.ocio import aces_frame
from film_recovery.images.ranges import format_frames
from film_recovery.inference.beside import Beside, source_sha256
from film_recovery.inference.confidence import ConfidenceMaps
from film_recovery.inference.degrain import average, coded_luma, with_luma_change
from film_recovery.inference.early import EarlyFrames
from film_recovery.inference.grain import with_grain
from film_recovery.inference.outputs import Outputs, header_sha256
from film_recovery.inference.session import MOST_AT_ONCE, ModelSession
from film_recovery.inference.shimmer import Tie, small_chroma, unsteadiness
from film_recovery.inference.steady import NO_DEVIATION, Deviation, steadied, with_kept_luma
from film_recovery.inference.tiles import recover
from film_recovery.modelfile.load import LoadedModel

_Tied = tuple[Tie, FloatArray]  # a frame beside, and what was learned of it
_AHEAD = 1  # frames read ahead of the model, and left to be written when another joins them
_BLACK = 1e-6


@dataclass
class ApplyReport:
    """What became of the frames, and what it took. ``seconds`` is wall time, ``peak_memory_mb`` of the process so far.

    ``missing`` is the range of frames that a request for all of them passed over because they are not there. ``unlike`` maps
    frames that were done with a confidence map to the share of their pixels whose confidence is below 0.5.
    """

    model: str
    done: list[int] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    missing: str = ""
    redone_in_single: list[int] = field(default_factory=list)
    unlike: dict[int, float] = field(default_factory=dict)
    megapixels: float = 0.0
    seconds: float = 0.0
    peak_memory_mb: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Work:
    frame: Frame
    is_to_write: bool
    origin: dict[str, str] = field(default_factory=dict)  # what the result is made of, for its header
    deviation: Deviation = NO_DEVIATION  # from the frames around it, density
    ties: list[Tie] = field(default_factory=list)  # to the frames that it is averaged with


@dataclass(frozen=True)
class _Recovered:
    result: FloatArray
    redone: bool  # in single precision
    learned: FloatArray | None  # what frames are averaged by, where they are


@dataclass
class Recovery:
    """Everything that the frames of one request have in common, and the steps that one frame takes."""

    model: LoadedModel
    session: ModelSession
    source: EarlyFrames
    outputs: Outputs
    wanted: frozenset[int]
    aces_from: str | None
    skip_existing: bool
    beside: Beside | None
    grain: str
    maps: ConfidenceMaps | None
    tile: int | None  # becomes smaller when memory runs out, and stays so for the frames that follow
    reporter: Reporter
    lock: Lock = field(default_factory=Lock)  # of the tile

    def read(self, number: int) -> _Work | None:
        """A frame and all that it depends on. One that only stands beside a wanted one is done without where it is unfit."""
        if number in self.wanted:
            return self._read_wanted(number)
        try:
            frame = self._read_fit(number)
        except FilmRecoveryError:
            return None  # told when it is wanted itself
        return _Work(frame, False, deviation=NO_DEVIATION if self.beside is None else self.beside.deviation(number))

    def _read_fit(self, number: int) -> Frame:
        frame = self.source.take(number)
        card = self.model.card
        if frame.is_coded != (card.encoding == "none"):
            kinds = ("display-coded values", "linear light")
            found, wanted = kinds if frame.is_coded else kinds[::-1]
            model = "choose a model trained on such files"
            advice = f"or {model}" if frame.is_coded else f"{model}, or say --coded of float files with coded values"
            raise InputError(
                f"{frame.source} holds {found}, but {self.model.path.name} was trained on {wanted}; "
                f"convert the frames, {advice}."
            )
        bad = int(np.count_nonzero(~np.isfinite(frame.rgb)))
        if bad:
            where = f"Frame {number} ({frame.source})"
            raise InputError(f"{where} has {bad} values that are NaN or infinite; repair this frame first.")
        return frame

    def _read_wanted(self, number: int) -> _Work:
        frame = self._read_fit(number)
        self.outputs.type_for(frame)  # refuses what the files could not hold before any work
        version, header = film_recovery.__version__, header_sha256(frame)
        origin = {"version": version, "model": self.model.sha256, "header_sha256": header}
        if self.aces_from is not None:
            origin["aces_from"] = self.aces_from
        if self.grain != "recovered":
            origin["grain"] = self.grain
        if self.session.half:
            origin["precision"] = "fp16"
        if self.maps is not None:
            origin["confidence"] = "colours"
        if self.beside is None:
            origin["source_sha256"] = source_sha256(frame)
            return _Work(frame, not self._is_current(number, frame, origin), origin)
        origin["source_sha256"] = self.beside.source_sha256(number, frame)
        ties, deviation = self.beside.ties(number), self.beside.deviation(number)
        if self.model.card.kept == "luma":
            origin["steadied"] = " ".join(f"{value:.4f}" for value in deviation)
        if ties:
            origin["beside"] = self.beside.identity(number, ties)
        return _Work(frame, not self._is_current(number, frame, origin), origin, deviation, ties)

    def _is_current(self, number: int, frame: Frame, origin: dict[str, str]) -> bool:
        return self.skip_existing and self.outputs.is_current(number, frame, origin)

    def at_once(self, frame: Frame) -> int:
        """How many frames like this one go through the model at the same time."""
        return self.session.at_once(frame.rgb.shape[0] * frame.rgb.shape[1])

    def recover(self, work: _Work, at_once: int) -> _Recovered:
        """What the model makes of the steadied frame, with ``at_once - 1`` others beside it in other threads."""
        frame = work.frame
        if any(work.deviation):
            frame = replace(frame, rgb=steadied(frame.rgb, work.deviation, self.model.card.encoding))
        result, redone = self._recover(frame, at_once)
        return _Recovered(result, redone, None if self.beside is None else self._learned(result))

    def _recover(self, frame: Frame, at_once: int) -> tuple[FloatArray, bool]:
        result = self._tiled(frame.rgb, at_once, single=False)
        if _is_sound(result, frame.rgb):
            return result, False
        if self.session.half:
            result = self._tiled(frame.rgb, at_once, single=True)
            if _is_sound(result, frame.rgb):
                return result, True
        raise DivergedError(
            f"{self.model.path.name} gives NaN, infinite or black values for {frame.source}; look at this frame for extreme "
            "values, or train again with it as a pair."
        )

    def _learned(self, result: FloatArray) -> FloatArray:
        """Of what was recovered that which frames are averaged by: small Cb and Cr, (h, w, 2), or coded luma, (H, W)."""
        card = self.model.card
        return small_chroma(result, card.encoding, card.matrix) if card.kept == "luma" else coded_luma(result, card)

    def write(self, number: int, work: _Work, result: FloatArray, ours: FloatArray | None, beside: list[_Tied]) -> float:
        """Average a frame, of which ``ours`` was learned, with those beside it and write it.

        Returns the share of it that is unlike the pairs, 0 without a confidence map.
        """
        card, left = self.model.card, 1.0
        if card.kept == "luma":
            change = unsteadiness(ours, beside, card.matrix) if ours is not None and beside else None
            if any(work.deviation) or change is not None:
                result = with_kept_luma(result, work.frame.rgb, card, change)
        elif ours is not None and beside:
            averaged = average(ours, beside)
            result, left = with_luma_change(result, averaged.change, card), averaged.left
        frame = replace(work.frame, rgb=with_grain(result, work.frame.rgb, card, self.grain, number, left))
        if self.aces_from is not None:
            frame = aces_frame(frame, self.aces_from)
        unlike = 0.0
        if self.maps is not None:
            frame, unlike = self.maps.beside(frame, work.frame.rgb, work.deviation)
        notes = {"task": self.model.card.task}
        self.outputs.write(number, frame, work.frame, work.origin, notes)
        return unlike

    def _tiled(self, rgb: FloatArray, at_once: int, *, single: bool) -> FloatArray:
        card, first = self.model.card, True

        def run(part: FloatArray) -> FloatArray:
            nonlocal first
            if not first and self.reporter.should_stop():  # a large frame takes long
                raise _Stop
            first = False
            return self.session.run_single(part, at_once) if single else self.session.run(part, at_once)

        return recover(run, rgb, self.tile, card.receptive_field, card.multiple, self._use_smaller)

    def _use_smaller(self, side: int) -> None:
        with self.lock:
            if self.tile is not None and self.tile <= side:
                return  # for another frame
            self.tile = side
        self.reporter.note(f"Memory ran out; going on with tiles of {side} pixels.")


class _Stop(Exception):
    """The user asked to stop."""


@dataclass
class _Line:
    """Frames on their way: read ahead, recovered, held back until those beside them are recovered, written behind.

    Reading has a thread, and so has every frame that goes through the model or is written; all queues are short, so that memory
    is bounded.
    """

    job: Recovery
    order: list[int]
    readers: ThreadPoolExecutor
    models: ThreadPoolExecutor
    writers: ThreadPoolExecutor
    report: ApplyReport
    reading: dict[int, Future[_Work | None]] = field(default_factory=dict)
    stale: set[int] = field(default_factory=set)  # frames met so far that are to be written
    recovering: deque[tuple[int, _Work, Future[_Recovered]]] = field(default_factory=deque)
    held: deque[tuple[int, _Work, FloatArray]] = field(default_factory=deque)
    learned: dict[int, FloatArray] = field(default_factory=dict)
    writing: deque[tuple[int, float, Future[float]]] = field(default_factory=deque)

    @property
    def reach(self) -> int:
        return 0 if self.job.beside is None else BESIDE

    def go(self) -> None:
        """Do all frames."""
        ahead = max(_AHEAD, self.reach if self.job.skip_existing else 0)  # of which it has to be known whether they are current
        for place, number in enumerate(self.order):
            for following in self.order[place : place + 1 + ahead]:
                if following not in self.reading:
                    self.reading[following] = self.readers.submit(self.job.read, following)
            work = self.read(number)
            if work is not None and number in self.job.wanted and not work.is_to_write:
                self.report.skipped.append(number)
                self.tell()
            asked = work if work is not None and self.is_asked_for(number) else None
            at_once = 0 if asked is None else self.job.at_once(asked.frame)
            self.catch_up(MOST_AT_ONCE if asked is None else at_once - 1)
            if self.job.reporter.should_stop():
                self.catch_up(0)
                self.hand_over(number)
                raise _Stop
            if asked is not None:
                self.recovering.append((number, asked, self.models.submit(self.job.recover, asked, at_once)))
            del self.reading[number]
            self.hand_over(self.next_of(place))
        self.catch_up(0)
        self.hand_over(None)
        self.settle(0)

    def read(self, number: int) -> _Work | None:
        """Wait for a frame; where it cannot be read, those before it are finished first, as if it were a gap."""
        pending = self.reading[number]
        if pending.exception() is not None:
            self.catch_up(0)
            self.hand_over(number + 1)
        return pending.result()

    def next_of(self, place: int) -> int | None:
        """The first frame that has not gone through the model, up to ``place`` of the order or after it."""
        if self.recovering:
            return self.recovering[0][0]
        return self.order[place + 1] if place + 1 < len(self.order) else None

    def is_asked_for(self, number: int) -> bool:
        """Whether a frame that is to be written depends on this one."""
        if not self.job.skip_existing:
            return True
        for other, pending in self.reading.items():
            if other > number + self.reach or pending.exception() is not None:  # an error is told when it is its turn
                continue
            work = pending.result()
            if work is not None and work.is_to_write:
                self.stale.add(other)
        return any(other in self.stale for other in range(number - self.reach, number + self.reach + 1))

    def catch_up(self, most: int) -> None:
        """Take those frames out of the model that are done, and wait until at most ``most`` are in it. One that only stands
        beside others is done without where it fails; where another fails, those before it are finished, as if it were a gap."""
        while self.recovering and (len(self.recovering) > most or self.recovering[0][2].done()):
            number, work, pending = self.recovering.popleft()
            try:
                recovered = pending.result()
            except FilmRecoveryError as error:
                if isinstance(error, DivergedError) and number not in self.job.wanted:
                    continue
                self.hand_over(number + 1)
                raise
            if recovered.learned is not None:
                self.learned[number] = recovered.learned
            if work.is_to_write:
                self.held.append((number, work, recovered.result))
                if recovered.redone:
                    self.report.redone_in_single.append(number)
                    self.job.reporter.note(f"Frame {number} was not usable in half precision and was done again in single.")

    def hand_over(self, following: int | None) -> None:
        """Write the frames that wait for none of those from ``following`` on; None: all of them."""
        while self.held and (following is None or self.held[0][0] + self.reach < following):
            self.settle(_AHEAD)
            number, work, result = self.held.popleft()
            ours = self.learned.get(number)
            beside = [(one, self.learned[one.frame]) for one in work.ties if one.frame in self.learned]
            megapixels = work.frame.rgb.shape[0] * work.frame.rgb.shape[1] / 1e6
            self.writing.append((number, megapixels, self.writers.submit(self.job.write, number, work, result, ours, beside)))
        if following is not None:
            self.learned = {frame: one for frame, one in self.learned.items() if frame >= following - 2 * self.reach}

    def settle(self, most: int) -> None:
        """Wait until at most ``most`` frames are still being written. Only what is on disk counts as done."""
        while self.writing and (len(self.writing) > most or self.writing[0][2].done()):
            number, megapixels, pending = self.writing.popleft()
            unlike = pending.result()
            if self.job.maps is not None:
                self.report.unlike[number] = round(unlike, 4)
            self.report.done.append(number)
            self.report.megapixels += megapixels
            self.tell()

    def tell(self) -> None:
        self.job.reporter.progress(len(self.report.done) + len(self.report.skipped), len(self.job.wanted), "frame")


def run(job: Recovery, order: list[int]) -> ApplyReport:
    """Take frames through the model: ``order`` rises, and holds besides those that are ``wanted`` the ones that they need.

    Raises what :func:`film_recovery.inference.sequence.apply_model` raises of single frames.
    """
    report = ApplyReport(str(job.model.path))
    with (
        ThreadPoolExecutor(1, "read") as readers,
        ThreadPoolExecutor(MOST_AT_ONCE, "model") as models,
        ThreadPoolExecutor(_AHEAD + 1, "write") as writers,
    ):
        line = _Line(job, order, readers, models, writers, report)
        try:
            line.go()
        except _Stop as error:
            line.settle(0)
            left = job.wanted.difference(report.done, report.skipped)
            if not left:
                return report
            done = format_frames(report.done) or "no frame"
            option = "--skip-existing" if job.outputs.can_tell else f"--frames {format_frames(left)}"
            raise StoppedError(
                f"Stopped before frame {min(left)}; {done} is done. Run again with {option} to go on."
            ) from error
        finally:
            for waiting in line.reading.values():
                waiting.cancel()
    return report


def _is_sound(result: FloatArray, source: FloatArray) -> bool:
    """Finite, and not black where the source is not."""
    lowest, highest = float(result.min()), float(result.max())  # NaN where there is any
    if not np.isfinite([lowest, highest]).all():
        return False
    return bool(max(-lowest, highest) > _BLACK or np.abs(source).max() <= 1e-3)
