"""Commands around one training run: train, resume, verify, stop, status."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from film_recovery.cli.console import PATH, frames_option, stoppable
from film_recovery.contract.atomic import storage_errors
from film_recovery.contract.curation import load_match, load_selection
from film_recovery.contract.errors import InputError, UsageError, VerificationError
from film_recovery.contract.events import read_events
from film_recovery.contract.exit_codes import ExitCode
from film_recovery.contract.job import ENCODINGS, MATRICES, PRECISIONS, SIZES, TASKS, TrainingJob, load_job
from film_recovery.contract.run_folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Callable

    from film_recovery.contract.progress import Reporter
    from film_recovery.training.loop import TrainingResult
    from film_recovery.training.team import Team

_DEFAULT_MINUTES = 2.0


def _job_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that make a job, shared by train and verify."""
    options = (
        click.option("--task", type=click.Choice(TASKS), required=True,
                     help="What to learn: chroma keeps the source's luma, spatial its colour, as-is nothing."),
        click.option("--source", required=True, metavar="FILES", help="The element to recover."),
        click.option("--reference", metavar="FILES", help="The element that kept what the source lost (chroma, spatial)."),
        click.option("--target", metavar="FILES", help="What to produce from the source, as it is (task as-is)."),
        click.option("--frames", metavar="RANGE", help="Source frames to train on; default 6, spread."),
        click.option("--held-out", metavar="RANGE", help="Source frames kept from training, to judge by; default 2 if no "
                     "--frames are given."),
        click.option("--offset", type=int, default=0, show_default=True, help="Reference frame minus source frame."),
        click.option("--pairs", "pairs_file", metavar="FILE", help="pairs.json of select, instead of --frames, --held-out."),
        click.option("--match", "match_file", metavar="FILE", help="match.json: the reference frame of every source frame."),
        click.option("--alignment", metavar="FILE", help="align.json: how each reference frame lies; else registered."),
        click.option("--minutes", type=float, help=f"How long to train, by a timed probe. Default {_DEFAULT_MINUTES:g}."),
        click.option("--steps", type=int, help="How many steps to train, instead of minutes."),
        click.option("--stop-when-level", is_flag=True, help="End early once the held-out figure has levelled off."),
        click.option("--size", type=click.Choice(SIZES), default="medium", show_default=True, help="Model size."),
        click.option("--patch", type=int, default=128, show_default=True, help="Crop side in pixels, a multiple of 16."),
        click.option("--batch", type=int, default=8, show_default=True, help="Crops a step."),
        click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same bits on a CPU."),
        click.option("--encoding", type=click.Choice(["auto", *ENCODINGS]), default="auto", show_default=True,
                     help="Domain of learning: display for display-referred light, log for scene-linear, none for coded."),
        click.option("--matrix", type=click.Choice(MATRICES), default="709", show_default=True, help="Of YCbCr."),
        click.option("--balance", default="auto", show_default=True, help="fit, none, or 12 numbers with commas (density)."),
        click.option("--align", type=click.Choice(["affine", "none"]), default="affine", show_default=True,
                     help="Register each reference frame to its source frame."),
        click.option("--crop", metavar="X,Y,W,H", help="Picture area in source pixels; default found, without scan borders."),
        click.option("--preview", type=int, metavar="FRAME", help="A frame outside the set, shown while training."),
        click.option("--initial-weights", metavar="RUN", default="auto", show_default=True,
                     help="Start from the network of a run of the same task and size; auto: from what is shipped; or none."),
        click.option("--checkpoint-interval", type=int, default=500, show_default=True, help="Steps between checkpoints."),
        click.option("--sheet-interval", type=int, default=250, show_default=True, help="Least steps between contact sheets."),
        click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda."),
        click.option("--precision", type=click.Choice(PRECISIONS), default="auto", show_default=True,
                     help="Of the network while it trains."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def make_job(options: dict[str, Any]) -> TrainingJob:
    """The job that the options of the command line describe. Raises :class:`UsageError`, or :class:`InputError` for records
    that are damaged or know no partner of a frame."""
    values = dict(options)
    target, reference = values.pop("target"), values.pop("reference")
    if values["task"] == "as-is" and (target is None or reference is not None):
        raise UsageError("The task as-is needs --target and no --reference.")
    if values["task"] != "as-is" and (reference is None or target is not None):
        raise UsageError(f"The task {values['task']} needs --reference and no --target.")
    match_file = values.pop("match_file")
    if match_file and values["offset"]:
        raise UsageError("Give either --match, which knows every partner, or --offset.")
    pairs_file = values.pop("pairs_file")
    if pairs_file and values["offset"]:
        raise UsageError("Give either --pairs, which names every partner, or --offset.")
    chosen = _curated(pairs_file, match_file, reference or target, values)
    minutes, steps = values.pop("minutes"), values.pop("steps")
    if minutes is None and steps is None:
        minutes = _DEFAULT_MINUTES
    frames = frames_option(values.pop("frames")) or chosen.frames
    held_out = frames_option(values.pop("held_out")) or chosen.held_out
    alone = [frame for frame in (*frames, *held_out) if str(frame) not in chosen.partners] if match_file else []
    if alone:
        raise InputError(f"{match_file} knows no partner of frame {alone[0]}; leave it out, or match again.")
    job = TrainingJob(
        reference=reference or target,
        frames=frames,
        held_out=held_out,
        reasons=chosen.reasons,
        reference_frames=chosen.partners,
        reference_offset=values.pop("offset"),
        minutes=minutes,
        steps=steps,
        balance=_balance(values.pop("balance")),
        crop=_crop(values.pop("crop")),
        **values,
    )
    job.check()
    return job


@dataclass
class _Chosen:
    """What the records of select and match say."""

    frames: list[int] = field(default_factory=list)
    held_out: list[int] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    partners: dict[str, int] = field(default_factory=dict)


def _curated(
    pairs_file: str | None, match_file: str | None, reference: str, options: dict[str, Any]
) -> _Chosen:
    """Raises :class:`UsageError` for options that contradict each other, :class:`InputError` for a damaged record."""
    if pairs_file and (options["frames"] or options["held_out"]):
        raise UsageError("Give either --pairs or --frames and --held-out; to change the pairs, edit them or select again.")
    chosen = _Chosen()
    if match_file:
        match = load_match(Path(match_file)).between(options["source"], reference)
        if match.mirrored and not options["alignment"]:
            raise InputError(
                f"{reference} is mirrored left to right, as {match_file} says, which a training does not undo by itself: run "
                f"film-recovery align with --match, and give its align.json as --alignment."
            )
        chosen.partners = {str(frame): there for frame, there in match.partners().items()}
    if pairs_file:
        selection = load_selection(Path(pairs_file)).between(options["source"], reference)
        if not selection.training:
            raise InputError(f"{pairs_file} holds no pairs to train on; select some, or name frames with --frames.")
        chosen.frames = [pair.source for pair in selection.training]
        chosen.held_out = [pair.source for pair in selection.held_out]
        chosen.reasons = {str(pair.source): pair.reason for pair in selection.pairs if pair.reason}
        chosen.partners.update({str(pair.source): pair.reference for pair in selection.pairs})
    return chosen


@click.command()
@_job_options
@click.option("--out", required=True, metavar="RUN", type=PATH, help="Folder for the run, a new one.")
def train(out: Path, **options: Any) -> dict[str, Any]:
    """Train a model from paired frames and export it.

    \b
    film-recovery train --task chroma --source "neg.####.exr" --reference "print.####.exr" \\
        --frames 1001,1017,1030 --held-out 1009 --minutes 5 --out runs/shot010

    Everything of the run lies in RUN: the dataset, events.jsonl, contact sheets, previews, checkpoints, and the model in
    RUN/export. Stop with Ctrl-C or `film-recovery stop RUN`; go on with `film-recovery resume RUN`.
    """
    job = make_job(options)
    from film_recovery.training import loop

    return _in_team(out, lambda reporter, team: loop.train(job, out, reporter, team))


@click.command()
@click.argument("run", type=PATH)
@click.option("--device", help="Go on on another device: cpu or cuda.")
def resume(run: Path, device: str | None) -> dict[str, Any]:
    """Go on with a run that was stopped or killed, as if it never had been.

    \b
    film-recovery resume runs/shot010
    """
    folder = RunFolder(run)
    if folder.stop_request.exists() and not folder.is_locked():
        with storage_errors(folder.stop_request):  # of a run that was killed; one that comes while PyTorch is loaded is obeyed
            folder.stop_request.unlink(missing_ok=True)
    from film_recovery.training import loop

    return _in_team(run, lambda reporter, team: loop.resume(run, reporter, team, device))


@click.command()
@_job_options
def verify(**options: Any) -> dict[str, Any]:
    """Look over training inputs without training: sizes, missing frames, NaN, values, pairs that do not match.

    Takes the options of train; writes nothing.

    \b
    film-recovery verify --task chroma --source "neg.####.exr" --reference "print.####.exr" --frames 1001,1017,1030
    """
    job = make_job(options)
    from film_recovery.pairs.verify import verify_job
    from film_recovery.training.loop import check_files

    check_files(job)
    with stoppable() as reporter:
        findings = verify_job(job, reporter)
    for finding in findings:
        click.echo(f"{finding.severity}: {finding.message}", err=True)
    refused = any(finding.severity == "error" for finding in findings)
    verdict = "These inputs must not be trained on." if refused else "Nothing stands against training."
    click.echo(verdict if refused or not findings else "Only warnings; training is possible.", err=True)
    code = VerificationError.exit_code if refused else ExitCode.OK
    return {"findings": [asdict(finding) for finding in findings], "exit_code": int(code)}


@click.command()
@click.argument("run", type=PATH)
def stop(run: Path) -> dict[str, Any]:
    """Ask a run to stop: it writes a checkpoint and ends, and can be resumed. One that has ended is left alone.

    \b
    film-recovery stop runs/shot010
    """
    folder = RunFolder(run)
    if not folder.job.exists() and not (folder.path / "lock").exists():
        raise InputError(f"{run} holds no run; name the folder given as --out.")
    events = read_events(folder.events)
    state = _state(folder, events[-1]["event"] if events else "")
    if state not in ("running", "interrupted"):
        click.echo(f"{run} is {state}; nothing to stop.", err=True)
        return {"run": str(run), "asked": False}
    with storage_errors(folder.stop_request):
        folder.stop_request.touch()
    unseen = "No process is seen there: it was killed, or runs on a machine whose locks do not reach here."
    click.echo(f"Asked {run} to stop.{'' if state == 'running' else f' {unseen}'}", err=True)
    return {"run": str(run), "asked": True}


@click.command()
@click.argument("run", type=PATH)
def status(run: Path) -> dict[str, Any]:
    """Say where a run is: its last step and held-out figure, and its model once it is done.

    The state is running, stopped (on request), interrupted (killed: resume it), failed or finished.

    \b
    film-recovery status runs/shot010 --json
    """
    folder = RunFolder(run)
    events = read_events(folder.events)
    is_one = folder.job.exists() or not (events or folder.is_locked())  # there is none yet while the pairs are prepared
    job = load_job(folder.job) if is_one else None
    last = {event["event"]: event for event in events}
    state = _state(folder, events[-1]["event"] if events else "")
    progress, model = last.get("progress", {}), folder.model(job.task) if job else None
    planned = next((event["steps"] for event in reversed(events) if "steps" in event), "?")  # the clock may change the plan
    words = f"{job.task} run, {state}, step {progress.get('step', 0)} of {planned}" if job else state
    figures = last["finished"] if state == "finished" and "psnr" in last["finished"] else last.get("held_out", {})
    if figures.get("psnr") is not None:
        words += f", held-out {figures['psnr']:.2f} dB"
        words += f" with {figures['share']:.0%} of the correction" if "share" in figures else ""
    if state == "failed":
        words += f": {last['failed']['text']}"
    click.echo(words, err=True)
    return {
        "run": str(run),
        "task": job.task if job else None,
        "state": state,
        "last": last,
        "model": str(model) if model and model.exists() else None,
    }


def _state(folder: RunFolder, last_event: str) -> str:
    """``running`` only while a process holds the folder: a killed one leaves no last words."""
    if last_event in ("finished", "failed", "stopped"):
        return last_event
    return "running" if folder.is_locked() else "interrupted"


def _in_team(run: Path, lead: Callable[[Reporter, Team], TrainingResult]) -> dict[str, Any]:
    """Lead a training, or follow the process that does where ``torchrun`` has started several; only the leader tells of it."""
    from film_recovery.training.follower import follow
    from film_recovery.training.team import joined

    with stoppable() as reporter, joined() as team:
        if team.rank:
            follow(RunFolder(run), team)
        return _tell(lead(reporter, team))


def _tell(result: TrainingResult) -> dict[str, Any]:
    if result.held_out:
        start, best = result.start["psnr"], result.held_out["psnr"]
        click.echo(f"Held-out: {best:.2f} dB; the closed-form start alone gives {start:.2f} dB.", err=True)
    click.echo(f"Model: {result.model}", err=True)
    return {**asdict(result), "model": str(result.model)}


def _balance(text: str) -> str | list[float]:
    if text in ("auto", "fit", "none"):
        return text
    try:
        return [float(word) for word in text.split(",")]
    except ValueError as error:
        raise UsageError(f"'{text}' is not a balance; give fit, none, or 12 numbers with commas.") from error


def _crop(text: str | None) -> list[int] | None:
    if text is None:
        return None
    words = text.split(",")
    if len(words) != 4 or not all(word.strip().lstrip("-").isdigit() for word in words):
        raise UsageError(f"'{text}' is not a crop; give four whole numbers x,y,width,height.")
    return [int(word) for word in words]
