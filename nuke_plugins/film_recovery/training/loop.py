"""Training from a job to an exported model, and resuming it. One folder, one process that writes, whole records."""

from __future__ import annotations

import contextlib
import datetime
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

import film_recovery
from film_recovery.contract.atomic import remove_partials
from film_recovery.contract.card import ModelCard
from film_recovery.contract.errors import DivergedError, FilmRecoveryError, InputError, StoppedError
from film_recovery.contract.events import EventLog, read_events, truncate_after_step
from film_recovery.contract.exit_codes import ExitCode
from film_recovery.contract.findings import Finding
from film_recovery.contract.job import TrainingJob, load_job
from film_recovery.contract.progress import Reporter, SilentReporter
from film_recovery.contract.run_folder import RunFolder
from film_recovery.images.familiar import FamiliarColours, cells_of
from film_recovery.images.frame import Frame
from film_recovery.images.io import read_frame, write_frame
from film_recovery.images.sequence import open_sequence
from film_recovery.modelfile.export import export_model
from film_recovery.pairs.dataset import Dataset, Pair, build_dataset, load_dataset
from film_recovery.pairs.manifest import FILE_NAME
from film_recovery.pairs.rules import raise_on_errors, verify_frame
from film_recovery.training.build import build_graph
from film_recovery.training.checkpoint import save_checkpoint
from film_recovery.training.data import PreparedPair, largest_patch, prepare
from film_recovery.training.evaluate import held_out_figure
from film_recovery.training.grain import measure_grain
from film_recovery.training.graph import RecoveryGraph
from film_recovery.training.guidance.curve import Curve
from film_recovery.training.guidance.judge import judge_training, write_findings
from film_recovery.training.initial import initial_weights, load_weights
from film_recovery.training.memory import memory_named
from film_recovery.training.monitor import Monitor, event_figures, run_graph
from film_recovery.training.plan import Clock, choose_device, has_levelled, load_plan, make_plan
from film_recovery.training.signals import collected_signals
from film_recovery.training.team import Team
from film_recovery.training.trainer import Trainer

_PROGRESS_EVENTS = 200  # over a run
_SHEETS = 200  # contact sheets over a run, at most, whatever time there is for them: one is some megabytes
FloatArray = npt.NDArray[np.float32]
GraphMaker = Callable[[TrainingJob, Dataset], RecoveryGraph]


@dataclass(frozen=True)
class TrainingResult:
    """What a run handed out: the model, how it came about, and its held-out figures in dB (empty without held-out pairs).

    ``findings`` are the fields of each :class:`Finding`, ``warnings`` their words.
    """

    model: Path
    steps: int
    seconds: float
    start: dict[str, float]
    held_out: dict[str, float]
    warnings: list[str]
    findings: list[dict[str, Any]]


def train(job: TrainingJob, folder: Path, reporter: Reporter | None = None, team: Team | None = None) -> TrainingResult:
    """Build the dataset, train, export. ``folder`` must not hold a run yet. ``team`` are the processes that this one leads.

    Raises:
        UsageError: the job contradicts itself, or cannot be shared by so many processes.
        InputError, VerificationError: the inputs must not be trained on; nothing but the refusal is written.
        BusyError: another process works in the folder.
        StoppedError: stopped on request, with a checkpoint to resume from.
        DivergedError: the loss was not finite.
        DeviceError: the device is not there, or another process of the team is gone.
    """
    team, run = team or Team(), _new_run(job, folder)
    team.check(job)
    check_files(job)
    with run.locked():
        _forget_attempt(run)
        with _failures_recorded(run):
            dataset = build_dataset(job, run.dataset, reporter or SilentReporter())
            job.save(run.job)
            return _run(job, run, dataset, reporter or SilentReporter(), team, resuming=False)


def resume(
    folder: Path, reporter: Reporter | None = None, team: Team | None = None, device: str | None = None
) -> TrainingResult:
    """Go on where a run was stopped or killed, as if it never had been. Takes a ``team``, and raises, as :func:`train` does.

    ``device`` is another one than so far, from here on.
    """
    team, run = team or Team(), RunFolder(folder)
    job = load_job(run.job)
    if device is not None:
        job.device = str(choose_device(device))
    team.check(job)
    with run.locked(), _failures_recorded(run):
        EventLog(run.events).append("resumed")
        if device is not None and run.plan.exists():
            plan = load_plan(run.plan)
            plan.move(choose_device(device))
            plan.save(run.plan)
        for place in (run.path, run.checkpoints, run.sheets, run.preview, run.export):
            remove_partials(place)
        dataset = load_dataset(run.dataset)
        return _run(job, run, dataset, reporter or SilentReporter(), team, resuming=run.last_checkpoint.exists())


def train_dataset(
    job: TrainingJob,
    folder: Path,
    dataset: Dataset,
    reporter: Reporter | None = None,
    make_graph: GraphMaker | None = None,
) -> TrainingResult:
    """Train on pairs in memory, as :func:`train` does on files, whose errors it raises; such a run cannot be resumed.

    ``make_graph`` makes the untrained graph in place of :func:`build_graph`, so that another network is trained and exported
    by the same code; it is called with the job's seed set.
    """
    run = _new_run(job, folder)
    with run.locked(), _failures_recorded(run):
        job.save(run.job)
        return _run(job, run, dataset, reporter or SilentReporter(), Team(), resuming=False, make_graph=make_graph)


def _new_run(job: TrainingJob, folder: Path) -> RunFolder:
    job.check()
    run = RunFolder(folder)
    _refuse_run(run)
    choose_device(job.device)  # before the work of preparing pairs
    return run


def _refuse_run(run: RunFolder) -> None:
    if run.job.exists():
        raise InputError(f"{run.path} already holds a run; resume it, or name another folder with --out.")


def _forget_attempt(run: RunFolder) -> None:
    """Remove what an attempt left that was refused or killed before it had a job: it would pass for this one's."""
    _refuse_run(run)  # another process may have made it since it was looked for
    run.events.unlink(missing_ok=True)
    (run.dataset / FILE_NAME).unlink(missing_ok=True)


def check_files(job: TrainingJob) -> None:
    """Before the work of preparing pairs, what would end a training only after it. Raises :class:`InputError`, and
    :class:`VerificationError` and :class:`UnreadableImageError` for a preview that cannot be recovered."""
    if job.preview is not None:
        source = open_sequence(job.source)
        if job.preview not in source.frames:
            raise InputError(f"The preview's frame {job.preview} is none of {job.source}; name one that is there.")
        raise_on_errors(verify_frame("source", job.preview, job.preview, source.read(job.preview)))
    weights = initial_weights(job)
    if weights is not None:
        load_weights(weights, job.task, job.size)


def _run(
    job: TrainingJob,
    run: RunFolder,
    dataset: Dataset,
    reporter: Reporter,
    team: Team,
    *,
    resuming: bool,
    make_graph: GraphMaker | None = None,
) -> TrainingResult:
    begin = time.monotonic()
    torch.manual_seed(job.seed)  # the weights' first values
    if resuming:
        trainer, start = _restored(job, run, dataset, team)
    else:
        reporter.stage("Fitting the closed-form start")
        trainer, start = _fresh(job, run, dataset, make_graph or build_graph, team)
    monitor = Monitor(run, dataset.pairs, _preview(job, run, dataset))
    if not resuming:
        monitor.log.append("started", task=job.task, steps=trainer.plan.steps, precision=trainer.plan.precision,
                           device=trainer.plan.device, processes=team.count,
                           seconds_per_step=trainer.plan.seconds_per_step)  # fmt: skip
        monitor.log.append("start", step=0, held_out=None if start is None else round(start, 4))
        trainer.begin(start)
        _save(trainer, run)
    if trainer.done < trainer.plan.steps:
        team.assemble(trainer.device)
    reporter.stage(f"Training {trainer.plan.steps} steps")
    _train_steps(trainer, run, monitor, reporter)
    team.dismiss()
    trainer.settle()
    _save_best(trainer, run, trainer.state())
    monitor.draw(trainer.with_weights(trainer.best_weights), trainer.done, handed_out=True)
    findings = _judged(trainer, run, dataset, start, reporter)
    for finding in findings:
        monitor.log.append("warning", step=trainer.done, **finding.to_event())
    figures = {} if trainer.best is None else {"psnr": round(trainer.best, 4), "step": float(trainer.best_step or 0)}
    model = _export(trainer, run, job, dataset, figures, reporter)
    for finding in findings:
        shown = f" See {run.path / finding.picture}" if finding.picture else ""
        reporter.note(f"{finding.severity.capitalize()} ({finding.name}): {finding.text}{shown}")
    seconds = time.monotonic() - begin
    monitor.log.append("finished", step=trainer.done, seconds=round(seconds, 1), model=model.relative_to(run.path).as_posix(),
                       psnr=figures.get("psnr"), share=trainer.share)  # fmt: skip
    return TrainingResult(
        model, trainer.done, seconds, {} if start is None else {"psnr": round(start, 4)}, figures,
        [finding.text for finding in findings], [asdict(finding) for finding in findings],
    )  # fmt: skip


def _judged(
    trainer: Trainer, run: RunFolder, dataset: Dataset, start: float | None, reporter: Reporter
) -> list[Finding]:
    """What is to be said of the training, drawn and written down."""
    reporter.stage("Judging the training")
    graph = trainer.with_weights(trainer.best_weights)
    curve = Curve(
        start=start,
        held_out=[(int(event["step"]), float(event["psnr"])) for event in read_events(run.events, "held_out")],
        losses=[(int(event["step"]), float(event["loss"])) for event in read_events(run.events, "progress")],
        best=trainer.best,
        steps=trainer.done,
        seen=trainer.times_seen,
        coarse=trainer.coarse_steps,
    )
    findings = judge_training(dataset, curve, lambda source: run_graph(graph, source))
    return write_findings(run, dataset, findings, lambda source: run_graph(graph, source), trainer.done)


def _fresh(
    job: TrainingJob, run: RunFolder, dataset: Dataset, make_graph: GraphMaker, team: Team
) -> tuple[Trainer, float | None]:
    device = choose_device(job.device)
    graph = make_graph(job, dataset).to(device)
    held_out = [prepare(graph, pair, device) for pair in dataset.pairs if pair.held_out]
    start = held_out_figure(graph, held_out, start_only=True) if held_out else None
    evaluation = _evaluation_seconds(graph, held_out)
    del held_out  # the trainer's own are to come
    patch = largest_patch([pair.source.shape[:2] for pair in dataset.pairs], job.patch)
    plan = make_plan(job, graph.network, patch, evaluation, team.count)
    plan.save(run.plan)
    if plan.device == "cpu":
        torch.set_num_threads(plan.threads)
    return Trainer(job, plan, graph, dataset.pairs, team), start


def _evaluation_seconds(graph: RecoveryGraph, held_out: list[PreparedPair]) -> float:
    """Seconds of one held-out evaluation, the faster of two; 0 without held-out pairs."""
    seconds = []
    for _ in range(2 if held_out else 0):
        begin = time.perf_counter()
        held_out_figure(graph, held_out)
        seconds.append(time.perf_counter() - begin)
    return min(seconds, default=0.0)


def _restored(job: TrainingJob, run: RunFolder, dataset: Dataset, team: Team) -> tuple[Trainer, float | None]:
    plan = load_plan(run.plan)
    choose_device(plan.device)
    team.check(replace(job, device=plan.device))
    if plan.device == "cpu":
        torch.set_num_threads(plan.threads)
    trainer = Trainer.from_checkpoint(run.last_checkpoint, job, plan, dataset.pairs, team)
    truncate_after_step(run.events, trainer.done)
    start = held_out_figure(trainer.graph, trainer.held_out, start_only=True) if trainer.held_out else None
    return trainer, start


def _train_steps(trainer: Trainer, run: RunFolder, monitor: Monitor, reporter: Reporter) -> None:
    """Train to the end of the plan, which may come earlier (``stop_when_level``) or be moved by the clock. Raises
    :class:`StoppedError`, with a checkpoint saved."""
    plan, job = trainer.plan, trainer.job
    clock = Clock(job.minutes * 60.0, plan.steps) if job.minutes is not None and not trainer.done else None
    every = max(plan.whole // _PROGRESS_EVENTS, 1)
    figures_so_far = [(int(event["step"]), float(event["psnr"])) for event in read_events(run.events, "held_out")]
    held_out = figures_so_far[-1][1] if figures_so_far else None
    with collected_signals() as asked:
        while trainer.done < plan.steps:
            trainer.step()
            done = trainer.done
            if done % plan.evaluation_interval == 0 or done == plan.steps:
                held_out = trainer.evaluate()
                if held_out is not None:
                    monitor.log.append("held_out", step=done, psnr=round(held_out, 4))
                    figures_so_far.append((done, round(held_out, 4)))
                    if job.stop_when_level and plan.cool_from is None and has_levelled(figures_so_far, plan.whole):
                        plan.cool(done)
                        plan.save(run.plan)
                if done == plan.cool_from:
                    monitor.log.append("levelled", step=done, steps=plan.steps)
                    reporter.note(f"The held-out figure has levelled off: the training ends at step {plan.steps}.")
            if clock is not None and plan.cool_from is None and (steps := clock.steps(done)) is not None:
                _save(trainer, run)  # so that a training that is killed does not come back to before the plan changed
                plan.end_at(steps, done)
                plan.save(run.plan)
                monitor.log.append("planned", step=done, steps=steps)
            if done % every == 0 or done == plan.steps:
                losses = trainer.read_losses()
                figures = {"loss": sum(losses) / len(losses), **({} if held_out is None else {"held_out": held_out})}
                monitor.log.append("progress", step=done, **event_figures(figures))
                reporter.progress(done, plan.steps, "step", figures)
            if done < plan.steps and done % max(job.sheet_interval, plan.whole // _SHEETS) == 0 and monitor.has_time:
                monitor.draw(trainer.with_weights(trainer.averaged.state_dict()), done)
            if done % job.checkpoint_interval == 0 or done == plan.steps:
                _save(trainer, run)
                monitor.log.append("checkpoint", step=done)
            if asked or reporter.should_stop() or run.stop_request.exists():
                _save(trainer, run)
                monitor.log.append("stopped", step=done)
                run.stop_request.unlink(missing_ok=True)
                raise StoppedError(f"Stopped at step {done} of {plan.steps}; resume with: film-recovery resume {run.path}")


def _save(trainer: Trainer, run: RunFolder) -> None:
    groups = trainer.state()
    save_checkpoint(run.last_checkpoint, trainer.info(), groups)
    _save_best(trainer, run, groups)


def _save_best(trainer: Trainer, run: RunFolder, groups: dict[str, dict[str, torch.Tensor]]) -> None:
    save_checkpoint(run.best_checkpoint, trainer.info(), {"graph": groups["graph"], "best": groups["best"]})


def _export(
    trainer: Trainer, run: RunFolder, job: TrainingJob, dataset: Dataset, figures: dict[str, float], reporter: Reporter
) -> Path:
    reporter.stage("Exporting and checking the model")
    graph = trainer.with_weights(trainer.best_weights).cpu()
    training = [pair for pair in dataset.pairs if not pair.held_out]
    card = ModelCard(
        name=f"{run.path.name}-{job.task}",
        task=job.task,
        kept=graph.kept,
        encoding=graph.encoding,
        matrix=graph.matrix,
        balance=graph.balance.numbers if graph.balance else None,
        size=job.size,
        receptive_field=graph.receptive_field,
        multiple=graph.multiple,
        parameters=sum(parameter.numel() for parameter in graph.network.parameters()),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        versions={"film-recovery": film_recovery.__version__, "torch": torch.__version__, "python": platform.python_version()},
        training={
            "source": Path(job.source).name,
            "reference": Path(job.reference).name,
            "frames": [pair.frame for pair in training],
            "held_out": [pair.frame for pair in dataset.pairs if pair.held_out],
            "steps": trainer.done,
            "seed": job.seed,
            "precision": trainer.plan.precision,
            "initial_weights": weights.name if (weights := initial_weights(job)) else "none",
            "share_of_correction": trainer.share,
        },
        held_out=figures,
        grain=measure_grain(graph, training),
        colours=_colours(training, dataset),
    )
    path = run.model(job.task)
    export_model(graph, card, path)
    EventLog(run.events).append("exported", step=trainer.done, path=path.relative_to(run.path).as_posix())
    return path


def _colours(training: list[Pair], dataset: Dataset) -> str:
    """What the card says of the colours that were trained on; empty where none of them is believed."""
    manifest = dataset.manifest
    cells = [cells_of(pair.source, manifest.balance, manifest.encoding, manifest.matrix) for pair in training]
    found = FamiliarColours.of(cells, [pair.trust for pair in training])
    return "" if found is None else found.to_text()


def _preview(job: TrainingJob, run: RunFolder, dataset: Dataset) -> FloatArray | None:
    """The preview frame, cropped as the pairs are; None if the job names none. The run keeps it, since it can be resumed where
    its elements are not."""
    if job.preview is None:
        return None
    kept = run.preview / "input.exr"
    if not kept.is_file():
        picture = open_sequence(job.source).read(job.preview).rgb
        x, y, width, height = dataset.manifest.crop
        part = Frame.from_rgb(np.ascontiguousarray(picture[y : y + height, x : x + width]), pixel_type="float")
        write_frame(kept, part, pixel_type="float")
    return read_frame(kept).rgb


@contextlib.contextmanager
def _failures_recorded(run: RunFolder) -> Iterator[None]:
    """Leave the reason of a failure in the events, where a monitor finds it."""
    with contextlib.ExitStack() as stack:
        stack.push(lambda kind, error, trace: _record_failure(run, error))
        with memory_named():
            yield


def _record_failure(run: RunFolder, error: BaseException | None) -> None:
    if isinstance(error, FilmRecoveryError):
        if not run.job.exists():
            run.stop_request.unlink(missing_ok=True)  # it was for this attempt, of which nothing is left to go on with
        if run.path.is_dir() and not isinstance(error, StoppedError):
            EventLog(run.events).append("failed", text=str(error), code=int(error.exit_code))
    elif isinstance(error, Exception) and run.path.is_dir():  # a defect, which must not look like a process that was killed
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        EventLog(run.events).append("failed", text=text, code=int(ExitCode.CRASH))


__all__ = ["DivergedError", "TrainingResult", "check_files", "resume", "train", "train_dataset"]
