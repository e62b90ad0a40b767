"""All judges of a training, in the order of causes before symptoms, and the pictures of what they found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from film_recovery.contract.findings import Finding, save_findings
from film_recovery.contract.run_folder import RunFolder
from film_recovery.pairs.dataset import Dataset, Pair
from film_recovery.pairs.overlays import Box
from film_recovery.training.guidance.alignment import judge_alignment
from film_recovery.training.guidance.colours import judge_agreement, judge_familiarity
from film_recovery.training.guidance.curve import Curve, judge_curve
from film_recovery.training.guidance.hues import judge_hues
from film_recovery.training.guidance.picture import draw_finding
from film_recovery.training.guidance.picture_faults import judge_clipping, judge_overlays, overlays_of, pinned_of
from film_recovery.training.guidance.selection import judge_selection
from film_recovery.training.guidance.views import View, cells_in_view, view_of, views_of

_LOOKED_AT = 4  # held-out pairs that the model is run on
# A symptom is not told beside what explains it, anywhere or in all of its frames.
_EXPLAINED = {"wrong-hue": ("unfamiliar-colours", "too-few-pairs"), "unfamiliar-colours": ("too-few-pairs",)}
_OF_A_PAIR = ("wrong-reference", "misaligned", "clipped")
_EXPLAINED_THERE = {"wrong-hue": _OF_A_PAIR, "other-colour": _OF_A_PAIR}
FloatArray = npt.NDArray[np.float32]
Recover = Callable[[FloatArray], FloatArray]


def judge_pairs(views: list[View], task: str) -> list[Finding]:
    """What is to be said of the pairs alone, before anything was learned from them."""
    return [
        *judge_selection(views),
        *judge_alignment(views, task),
        *judge_overlays(views, task),
        *judge_clipping(views, task),
        *judge_agreement(views, task),
        *(judge_familiarity(views) if task != "spatial" else []),
    ]


def judge_training(dataset: Dataset, curve: Curve, recover: Recover) -> list[Finding]:
    """Everything that is to be said of a training, causes first.

    Args:
        recover: what the model that is handed out makes of a source, (H, W, 3) to the same, working space.
    """
    views = views_of(dataset)
    findings = judge_pairs(views, dataset.manifest.task)
    if dataset.manifest.task != "spatial":
        recovered = {pair.frame: cells_in_view(recover(pair.source), dataset) for pair in dataset.held_out[:_LOOKED_AT]}
        findings += judge_hues(views, recovered)
    return without_symptoms([*findings, *judge_curve(curve)])


def without_symptoms(findings: list[Finding]) -> list[Finding]:
    """Without what another finding explains, without a second wrong hue, and without notes on the start beside warnings."""
    kept: list[Finding] = []
    for finding in findings:
        by_name = {other.name for other in findings} & set(_EXPLAINED.get(finding.name, ()))
        causes = _EXPLAINED_THERE.get(finding.name, ())
        explained = {frame for other in findings if other.name in causes for frame in other.frames}
        there = bool(finding.frames) and explained.issuperset(finding.frames)
        again = finding.name == "wrong-hue" and any(other.name == "wrong-hue" for other in kept)
        idle = finding.name == "start-is-best" and any(other.severity == "warning" for other in findings)
        if not (by_name or there or again or idle):
            kept.append(finding)
    return kept


def write_findings(run: RunFolder, dataset: Dataset, findings: list[Finding], recover: Recover, step: int) -> list[Finding]:
    """Draw the findings that have frames, write ``findings.json`` and return them with their pictures.

    Raises:
        StorageError: the disk is full.
    """
    pairs, done = {pair.frame: pair for pair in dataset.pairs}, []
    for place, finding in enumerate(findings, 1):  # there can be two of a name and a frame
        pair = pairs.get(finding.frames[0]) if finding.frames else None
        if pair is None:
            done.append(finding)
            continue
        path = run.sheets / f"finding_{place}_{finding.name}_{pair.frame}.png"
        boxes = _boxes(pair, dataset) if finding.name == "burnt-in-text" else []
        marks = pinned_of(view_of(pair, dataset)) if finding.name == "clipped" else None
        draw_finding(path, finding, pair, recover(pair.source), dataset.manifest.encoding, boxes, marks)
        done.append(replace(finding, picture=path.relative_to(run.path).as_posix()))
    save_findings(run.findings, done, step)
    return done


def _boxes(pair: Pair, dataset: Dataset) -> list[Box]:
    views = views_of(dataset)
    ratio = views[0].ratio
    return [(round(x * ratio), round(y * ratio), round(width * ratio), round(height * ratio))
            for x, y, width, height in overlays_of(views).get(pair.frame, [])]  # fmt: skip
