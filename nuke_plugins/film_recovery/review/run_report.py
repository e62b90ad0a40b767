"""The report of one training run: its pairs, its curves, and how it does against the baselines on the held-out pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from film_recovery.contract.errors import FilmRecoveryError, InputError
from film_recovery.contract.events import read_events
from film_recovery.contract.findings import load_findings
from film_recovery.contract.job import load_job
from film_recovery.contract.run_folder import RunFolder
from film_recovery.images.drawing import display
from film_recovery.images.io import read_frame
from film_recovery.images.ranges import counted
from film_recovery.inference.session import InferenceOptions, ModelSession
from film_recovery.inference.tiles import recover
from film_recovery.modelfile.load import load_model
from film_recovery.pairs.dataset import Dataset, load_dataset
from film_recovery.review.baselines import fit_baselines
from film_recovery.review.metrics import measure, summarise
from film_recovery.review.plots import training_curves
from film_recovery.review.report import build_report
from film_recovery.review.report_data import Chart, FindingLine, PairLine, Picture, ReportData, ScoreTable
from film_recovery.review.stills import comparison
from film_recovery.review.verdict import MethodScore

_NOT_JUDGED = {
    "chroma": "There is no truth to compare with, and the target stands for it: it has the reference's colour, with its own "
    "grain, blur and tone, on the source's luma, which neither the density model nor the free LUT keeps.",
    "spatial": "There is no truth to compare with, and the target stands for it: it has the reference's luma, with its own "
    "grain and tone.",
    "as-is": "There is no truth to compare with but the target.",
}
_CHOSEN_BY_THEM = (
    "The held-out pairs are those that chose which weights are handed out, and how much of their correction; of the other "
    "methods they chose nothing."
)


def write_run_report(folder: Path, path: Path) -> tuple[Path, list[dict[str, Any]]]:
    """Write the report of the run in ``folder``; returns its path and the scores.

    Raises :class:`InputError` when the run has no model yet.
    """
    run = RunFolder(folder)
    job = load_job(run.job)
    model = run.model(job.task)
    if not model.exists():
        raise InputError(f"{folder} has no model yet; finish its training (film-recovery resume {folder}) first.")
    dataset = load_dataset(run.dataset)
    judged = dataset.held_out or dataset.training
    session = ModelSession(load_model(model), InferenceOptions())
    card = session.model.card
    results = [recover(session.run, pair.source, None, card.receptive_field, card.multiple) for pair in judged]
    scores = _scores(dataset, results)
    which = "held-out pairs" if dataset.held_out else "training pairs, since none was held out"
    first, names = judged[0], f"{Path(job.source).name} and {Path(job.reference).name}"
    cells = [
        ("source", display(first.source, card.encoding)),
        ("target", display(first.target, card.encoding)),
        ("recovered", display(results[0], card.encoding)),
    ]
    against = "the target" if dataset.held_out else "the target, on the very pairs it was trained on"
    data = ReportData(
        title=f"{job.task.capitalize()} recovery",
        subtitle=run.path.name,
        summary=f"Learned from {counted(len(dataset.training), 'pair')} of {names}.",
        hero=Picture(
            comparison(cells, f"frame {first.frame}"), f"Frame {first.frame}, not trained on." if dataset.held_out else ""
        ),
        pairs=pair_lines(dataset),
        contact_sheet=newest_sheet(run),
        training_facts=training_facts(run),
        training_charts=[training_chart(run)],
        warnings=[str(event["text"]) for event in read_events(run.events, "warning") if "name" not in event],
        findings=finding_lines(run),
        tables=[ScoreTable(f"On the {which}", scores, f"{counted(len(judged), 'frame')}, coded domain", against)],
        not_judged=[_NOT_JUDGED[job.task], *([_CHOSEN_BY_THEM] if dataset.held_out else [])],
        provenance=[("model", card.name), ("made", card.created), ("matrix", f"BT.{card.matrix}"), ("encoding", card.encoding)],
        made_with=", ".join(f"{name} {version}" for name, version in card.versions.items()),
    )
    return build_report(data, path), [score.to_dict() for score in scores]


def _scores(dataset: Dataset, results: list[np.ndarray[Any, np.dtype[np.float32]]]) -> list[MethodScore]:
    manifest = dataset.manifest
    judged = dataset.held_out or dataset.training
    scores = []
    baselines = fit_baselines(dataset) if manifest.task == "chroma" else []
    for label, kind, pictures in (
        *((b.label, "baseline", [b.apply(pair.source) for pair in judged]) for b in baselines),
        *(() if baselines else (("source, untouched", "baseline", [pair.source for pair in judged]),)),
        ("recovered", "result", results),
    ):
        figures = [
            measure(picture, pair.target, manifest.encoding, matrix=manifest.matrix, frame=pair.frame)
            for picture, pair in zip(pictures, judged, strict=True)
        ]
        scores.append(MethodScore.of(label, "result" if kind == "result" else "baseline", summarise(figures)))
    return scores


def pair_lines(dataset: Dataset) -> list[PairLine]:
    """The training set as lines of a report."""
    return [
        PairLine(record.frame, "held out" if record.held_out else "training", record.reason, record.residual_px)
        for record in dataset.manifest.pairs
    ]


def newest_sheet(run: RunFolder) -> Picture | None:
    """The last contact sheet that the run wrote, if it can still be read."""
    sheets = sorted(run.sheets.glob("contact_*.png"))
    return _picture(sheets[-1], "The last contact sheet: input, target, output.") if sheets else None


def _picture(file: Path, caption: str) -> Picture | None:
    """None where the file is gone or damaged: a report does without."""
    try:
        return Picture(read_frame(file).rgb, caption)
    except FilmRecoveryError:
        return None


def finding_lines(run: RunFolder) -> list[FindingLine]:
    """What the training found out about itself, each with its picture if that is still there.

    Raises :class:`InputError` when ``findings.json`` is damaged.
    """
    lines = []
    for found in load_findings(run.findings):
        caption = "Source, reference, target, recovered, the error in ΔE2000 and what is believed."
        picture = _picture(run.path / found.picture, caption) if found.picture else None
        lines.append(FindingLine(found.name, found.sentence, found.advice, found.severity, picture))
    return lines


def training_chart(run: RunFolder) -> Chart:
    """Loss and held-out figure over the steps."""
    losses = [(int(event["step"]), float(event["loss"])) for event in read_events(run.events, "progress")]
    held_out = [(int(event["step"]), float(event["psnr"])) for event in read_events(run.events, "held_out")]
    start = next((event["held_out"] for event in read_events(run.events, "start")), None)
    figure = training_curves(losses, held_out, start)
    caption = "Loss of the training crops, and PSNR of the held-out pairs against their targets"
    if load_job(run.job).task != "as-is":
        caption += ", where source and reference agree and less each frame's mean error; the table below counts every pixel"
    return Chart(figure, f"{caption}.")


def training_facts(run: RunFolder) -> list[tuple[str, str]]:
    """Steps, speed, precision, parameters, seconds."""
    started = next(iter(read_events(run.events, "started")), {})
    finished = next(iter(read_events(run.events, "finished")), {})
    job = load_job(run.job)
    card = load_model(run.model(job.task)).card
    return [
        ("model", f"{card.size}, {card.parameters / 1e6:.2f} M weights"),
        ("steps", str(finished.get("step", "?"))),  # those done: the clock may have changed what was planned
        ("precision", str(started.get("precision", "?"))),
        training_time(run),
    ]


def training_time(run: RunFolder) -> tuple[str, str]:
    """Seconds of the training, or of what was left of it when it was resumed; a resume after the last step only exports."""
    begin: dict[str, Any] = {}
    found = "time", "?"
    for event in read_events(run.events):
        if event["event"] in ("started", "resumed"):
            begin = event
        elif event["event"] == "progress" and begin:
            name = "time" if begin["event"] == "started" else "time since it was resumed"
            found = name, f"{float(event['time']) - float(begin['time']):.0f} s"
    return found
