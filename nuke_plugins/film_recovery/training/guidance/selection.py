"""Are there enough pairs, different enough, and does what is held out test anything?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from film_recovery.contract.findings import Finding
from film_recovery.pairs.rules import thumbnail, verify_held_out
from film_recovery.training.guidance.views import View, frames_text

FloatArray = npt.NDArray[np.float32]
_FEW = 2  # different training pairs, up to which there are too few for more than the like of them


def judge_selection(views: Sequence[View]) -> list[Finding]:
    """Too few or too like pairs, no held-out pair, held-out pairs that repeat training ones; or a shot that stands still, in
    which there is nothing else to learn or to hold out."""
    training = [view for view in views if not view.held_out]
    held = [view for view in views if view.held_out]
    small = {view.frame: thumbnail(view.source) for view in views}
    if held and len(training) > 1 and len(_different(views, small)) == 1:  # one alone may just have a neighbour held out
        return [Finding(
            "still-shot",
            f"All {len(views)} pairs, also those held out, show nearly the same picture: the shot seems to stand still.",
            "The held-out figure holds for it, not for other shots; where it does move, take pairs that lie farther apart.",
            severity="note",
        )]  # fmt: skip
    findings = []
    different = _different(training, small)
    if len(different) < _FEW:
        many = "There is one training pair"
        if len(training) > 1:
            many = f"All {len(training)} training pairs show nearly the same picture"
        findings.append(Finding(
            "too-few-pairs",
            f"{many} ({frames_text([view.frame for view in training])}).",
            "What it does not show the model has to guess: give 4 to 9 pairs for a shot, of different content and light.",
            [view.frame for view in training],
        ))  # fmt: skip
    if not held:
        findings.append(Finding(
            "no-held-out", "No pair was held out, so nothing tells how the model does on other frames.", "Hold one or two out.",
            severity="note",
        ))  # fmt: skip
    repeated = [finding.frame for finding in verify_held_out(small, [v.frame for v in training], [v.frame for v in held])]
    frames = [frame for frame in repeated if frame is not None]
    if frames:
        findings.append(Finding(
            "held-out-leak",
            f"Held-out {frames_text(frames)} shows what training frames show, or nearly; the held-out figure is too good."
            if len(frames) == 1
            else f"Held-out {frames_text(frames)} show what training frames show, or nearly; the held-out figure is too good.",
            "Hold out frames that differ more from those trained on.", frames,
        ))  # fmt: skip
    return findings


def _different(views: Sequence[View], small: Mapping[int, FloatArray]) -> list[int]:
    """Frames of the pairs that repeat none before them."""
    kept: list[int] = []
    for view in views:
        if not verify_held_out(small, kept, [view.frame]):
            kept.append(view.frame)
    return kept
