"""Running a project: trains what has to be trained, renders what is missing or stale, assembles the sequence."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from film_recovery.contract.errors import BusyError, ProjectError, StoppedError
from film_recovery.contract.job import TrainingJob
from film_recovery.contract.progress import Reporter, SilentReporter
from film_recovery.contract.run_folder import RunFolder
from film_recovery.elements.selection import default_pairs, overlap
from film_recovery.images.frame import Frame
from film_recovery.images.io import read_frame, write_frame
from film_recovery.images.ranges import counted, format_frames, parse_frames
from film_recovery.images.sequence import output_path
from film_recovery.inference.outputs import MERGED
from film_recovery.inference.sequence import apply_model
from film_recovery.project.assemble import assemble
from film_recovery.project.merge import merge
from film_recovery.project.plan import (
    Step,
    frame_records,
    frames_to_apply,
    plan_unit,
    stale_frames,
    stray_frames,
    wanted_passes,
)
from film_recovery.project.schema import Project, load_project
from film_recovery.project.state import Hashes, Places, UnitState, load_state, training_settings
from film_recovery.training.loop import resume, train

_MERGED_AT_ONCE = 24  # frames: so many are merged anew after a kill


def run_project(path: Path, reporter: Reporter | None = None, only: list[str] | None = None) -> dict[str, Any]:
    """Bring a project up to date.

    Args:
        path: the project file.
        only: passes to run, with what they build on; None runs all and assembles the finished sequence.

    Returns:
        What was done: by pass and unit the state found, the reason, seconds; and the pattern of the finished sequence.

    Raises:
        ProjectError: the file is wrong, ``only`` names no pass, or the output is another project's.
        StoppedError: stopped on request; run again to go on.
    """
    reporter = reporter or SilentReporter()
    project = load_project(path)
    places = Places(path, project)
    wanted = wanted_passes(project, only)
    done: list[dict[str, Any]] = []
    with RunFolder(places.root).locked():
        places.claim()
        hashes = Hashes(places.root / "hashes.json")
        try:
            for name in project.order():
                if name in wanted:
                    done += _run_pass(project, places, hashes, name, reporter)
            result: dict[str, Any] = {"passes": done}
            if only is None:
                reporter.stage("Assembling the sequence")
                origin = assemble(project, places, hashes, reporter)
                result["sequence"] = str(places.sequence())
                result["frames"] = {name: sum(used == name for used in origin.values()) for name in project.sequence.order}
        finally:
            hashes.save()
    return result


def _run_pass(project: Project, places: Places, hashes: Hashes, name: str, reporter: Reporter) -> list[dict[str, Any]]:
    done: list[dict[str, Any]] = []
    units = project.units(name)
    _tell_missing(project, places, name, reporter)
    for unit in units:
        step = plan_unit(project, places, hashes, name, unit)
        reporter.stage(f"Pass '{name}'{'' if len(units) == 1 else f', {unit}'}: {step.state}, {step.reason}")
        begin = time.monotonic()
        _bring_up_to_date(project, places, hashes, step, reporter)
        seconds = round(time.monotonic() - begin, 1)
        done.append({"pass": name, "unit": unit, "found": step.state, "reason": step.reason, "seconds": seconds})
    for stray in stray_frames(project, places, name):
        reporter.note(f"{stray} is removed: the pass has no such frame any more.")
        stray.unlink()
    return done


def _tell_missing(project: Project, places: Places, name: str, reporter: Reporter) -> None:
    """Raise :class:`ProjectError` where a pass is to be applied to frames that its source lacks, and tell gaps."""
    step = project.passes[name]
    if step.missing_from or step.apply == "all":
        if places.there(step.source) and (gaps := places.open(step.source).missing):
            reporter.note(f"Pass '{name}': its source {step.source} lacks {gaps}.")
    elif absent := sorted(set(parse_frames(step.apply)) - set(places.there(step.source))):
        raise ProjectError(
            f"The pass '{name}' is to be applied to {format_frames(absent)}, which its source {step.source} lacks; correct "
            "'apply', or restore the frames."
        )


def _bring_up_to_date(project: Project, places: Places, hashes: Hashes, step: Step, reporter: Reporter) -> None:
    if step.state == "up to date":
        return
    state_path = places.state(step.name, step.unit)
    if step.state in ("train", "resume"):
        _train(project, places, hashes, step, reporter)
    state = load_state(state_path)
    frames = frames_to_apply(project, places, step.name, step.unit)
    stale = stale_frames(places, hashes, step.name, state, frames, project)
    asked = {str(frame) for frame in frames}
    state.frames = {key: value for key, value in state.frames.items() if key in asked}
    _render(project, places, hashes, step, state, stale, reporter)
    state.save(state_path)


def _train(project: Project, places: Places, hashes: Hashes, step: Step, reporter: Reporter) -> None:
    settings = project.passes[step.name]
    run, state_path = places.run(step.name, step.unit), places.state(step.name, step.unit)
    state = load_state(state_path)
    if step.state == "resume":
        resume(run.path, reporter)
    else:
        pairs = _pairs(project, places, step)
        job = _job(project, places, step, pairs)
        state = UnitState(settings=training_settings(places, hashes, step.name, step.unit))
        source, reference = places.open(settings.source), places.open(settings.reference)
        for frame in (*pairs.frames, *pairs.held_out):
            state.pairs[f"source/{frame}"] = hashes.frame(source, frame)
            state.pairs[f"reference/{frame}"] = hashes.frame(reference, frame)
        _set_aside(run)
        state.save(state_path)  # before the training, so that an interrupted one is known to be of these settings and pairs
        train(job, run.path, reporter)
    state.model = hashes.file(run.model(settings.task))
    state.save(state_path)


def _set_aside(run: RunFolder) -> None:
    """Keep a run that has a model, under ``earlier/``: it may be hours of work. One that never finished is removed.

    Raises :class:`BusyError` while a process works in it, which somebody else may have started with ``resume``.
    """
    if not run.path.exists():
        return
    if run.is_locked():
        raise BusyError(f"Another process is working in {run.path}; wait for it or stop it, then run again.")
    if not any(run.export.glob("*.onnx")):
        shutil.rmtree(run.path)
        return
    earlier = run.path.parent / "earlier"
    earlier.mkdir(exist_ok=True)
    number = 1 + max((int(entry.name[4:]) for entry in earlier.glob("run_*") if entry.name[4:].isdigit()), default=0)
    run.path.rename(earlier / f"run_{number:03d}")


@dataclass(frozen=True)
class _Pairs:
    """The pairs of a training, by the project's frames."""

    frames: list[int]
    held_out: list[int]
    reasons: dict[int, str]


def _pairs(project: Project, places: Places, step: Step) -> _Pairs:
    settings = project.passes[step.name]
    source, reference = places.open(settings.source), places.open(settings.reference)
    frames = parse_frames(settings.frames) if settings.frames else []
    held_out = parse_frames(settings.held_out) if settings.held_out else []
    scope = project.units(step.name)[step.unit]
    if scope is not None:
        frames, held_out = [f for f in frames if f in scope], [f for f in held_out if f in scope]
    within = _Frames(source.frames if scope is None else sorted(set(source.frames) & set(scope)))
    reasons: dict[int, str] = {}
    if not frames:
        frames, spread = default_pairs(overlap(within, reference), settings.pairs, 0 if held_out else settings.held_out_pairs)
        held_out = held_out or spread
        frames = [frame for frame in frames if frame not in held_out]
        reasons = dict.fromkeys(frames, "spread over the overlap")
        reasons.update(dict.fromkeys(spread, "between training frames"))
    if not frames:
        raise ProjectError(
            f"passes.{step.name}: '{settings.source}' and '{settings.reference}' share no frame in '{step.unit}' to train on; "
            "check their frame numbers and the shots."
        )
    return _Pairs(frames, held_out, reasons)


def _job(project: Project, places: Places, step: Step, pairs: _Pairs) -> TrainingJob:
    """The job by the numbers of the files, which the project's frames need not be."""
    settings = project.passes[step.name]
    source = {frame: places.number(settings.source, frame) for frame in (*pairs.frames, *pairs.held_out)}
    partners = {number: places.number(settings.reference, frame) for frame, number in source.items()}
    weights = places.weights(step.name, step.unit)
    return TrainingJob(
        task=settings.task,
        source=places.files(settings.source),
        reference=places.files(settings.reference),
        frames=[source[frame] for frame in pairs.frames],
        held_out=[source[frame] for frame in pairs.held_out],
        reasons={str(source[frame]): reason for frame, reason in pairs.reasons.items()},
        reference_frames={str(number): partner for number, partner in partners.items() if number != partner},
        encoding=project.encoding,
        matrix=project.matrix,
        balance=settings.balance,
        size=settings.size,
        patch=settings.patch,
        batch=settings.batch,
        steps=settings.steps,
        minutes=settings.minutes,
        seed=settings.seed,
        initial_weights=settings.initial_weights if weights is None else str(weights),
    )


@dataclass(frozen=True)
class _Frames:
    """The frames of an element inside a scope: all that the choice of pairs looks at."""

    frames: list[int]


def _render(
    project: Project, places: Places, hashes: Hashes, step: Step, state: UnitState, frames: list[int], reporter: Reporter
) -> None:
    if not frames:
        return
    settings = project.passes[step.name]
    reporter.stage(f"Rendering {counted(len(frames), 'frame')} of '{step.name}'")
    model = places.run(step.name, step.unit).model(settings.task)
    source, target = places.open(settings.source), places.recovered(step.name)
    for frame in frames:
        if settings.merge == "none" and _is_another(output_path(target, frame), hashes, state.frames.get(str(frame))):
            output_path(target, frame).unlink()
        state.frames.pop(str(frame), None)  # from here on its header tells, also of what a stopped run renders
    state.save(places.state(step.name, step.unit))
    records = frame_records(places, hashes, step.name, frames, project)  # before a source is read: it may be replaced meanwhile
    apply_model(model, source, target, frames, skip_existing=True, reporter=reporter)

    def remember(done: list[int]) -> None:
        for frame in done:
            made_of, beside, _, kind = records[frame]
            state.frames[str(frame)] = [made_of, beside, hashes.file(output_path(places.frames(step.name), frame)), kind]
        state.save(places.state(step.name, step.unit))

    if settings.merge == "none":
        remember(frames)
        return
    for start in range(0, len(frames), _MERGED_AT_ONCE):
        if reporter.should_stop():
            raise StoppedError(f"Stopped with {start} of {len(frames)} frames of '{step.name}' merged; run again to go on.")
        part = frames[start : start + _MERGED_AT_ONCE]
        for frame in part:
            _merge_frame(project, settings.merge, source.read(frame), output_path(target, frame),
                         output_path(places.frames(step.name), frame))  # fmt: skip
        remember(part)
        reporter.progress(start + len(part), len(frames), "frame")


def _merge_frame(
    project: Project, kind: Literal["color", "luminosity"], original: Frame, recovered_path: Path, written: Path
) -> None:
    """Put what was recovered of a frame into the original."""
    recovered = read_frame(recovered_path)
    encoding = "none" if original.is_coded else ("display" if project.encoding == "auto" else project.encoding)
    merged = merge(original.rgb, recovered.rgb, kind, encoding, project.matrix)
    metadata = {**recovered.metadata, MERGED: kind}
    write_frame(written, Frame(merged, recovered.data_window, recovered.display_window, recovered.extra,
                               metadata, recovered.pixel_type))  # fmt: skip


def _is_another(path: Path, hashes: Hashes, record: list[str] | None) -> bool:
    """Whether a rendered frame is another file than the record tells of, or was merged then: retouched, damaged, or of other
    settings, though its header names this model and source."""
    return record is not None and path.exists() and (record[2] != hashes.file(path) or record[3] != "none")
