"""Do both sides of a pair show the same picture, and at the same place?

Structure alone is compared (:mod:`film_recovery.pairs.residual`), so fading and grading say nothing. A picture that is not
found where it should be is looked for farther away, by the phase of the whole, before it is called another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.contract.findings import Finding
from film_recovery.pairs.residual import Agreement, band_pass, measure_agreement
from film_recovery.training.guidance.views import View, frames_text

_LIMIT = {"chroma": 1.0, "spatial": 0.5}  # pixels: what a training tolerates
_FARTHEST = 0.1  # of the width: what lies farther off is another picture
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Lie:
    """How the reference of ``frame`` lies: ``off`` pixels away from where it should be (None: it is another picture);
    ``correlation`` 0..1 of the band-passed pictures as they lie. ``off`` is right to a tenth of a pixel on average; of grainy
    pictures that lie half pixels off it can be half a pixel too much."""

    frame: int
    off: float | None
    correlation: float


def lie_of(view: View) -> Lie:
    """Measure one pair."""
    found = measure_agreement(view.source, view.reference, view.inside)
    if found.matches and np.isfinite(found.residual_px):
        return Lie(view.frame, found.residual_px * view.ratio, found.correlation)
    shift = _far_shift(view)
    if shift is not None:
        again = _moved_back(view, shift)
        if again.matches and again.correlation > found.correlation + 0.1:
            return Lie(view.frame, float(np.hypot(*shift)) * view.ratio, found.correlation)
    return Lie(view.frame, 0.0 if found.matches else None, found.correlation)


def judge_alignment(views: Sequence[View], task: str) -> list[Finding]:
    """Pairs of different pictures, and pairs that lie off; none for targets that somebody made (as-is)."""
    if task not in _LIMIT:
        return []
    lies = [lie_of(view) for view in views]
    findings = []
    others = sorted((lie for lie in lies if lie.off is None), key=lambda lie: lie.correlation)
    if others:
        frames = [lie.frame for lie in others]
        findings.append(Finding(
            "wrong-reference",
            f"In {frames_text(frames)} source and reference do not show the same picture (correlation "
            f"{others[0].correlation:.2f}).",
            "Check which reference frame belongs to it, or leave the pair out.", frames,
        ))  # fmt: skip
    off = sorted((lie for lie in lies if lie.off is not None and lie.off > _LIMIT[task]), key=lambda lie: -(lie.off or 0.0))
    if off:
        frames = [lie.frame for lie in off]
        findings.append(Finding(
            "misaligned",
            f"In {frames_text(frames)} the reference lies up to {off[0].off:.1f} px off; {task} recovery wants less than "
            f"{_LIMIT[task]:g}.",
            "Align these pairs again (align affine); where something moved, the frame offset may be one off.", frames,
        ))  # fmt: skip
    return findings


def _far_shift(view: View) -> tuple[float, float] | None:
    """By how much the whole reference lies right of and below the source, pixels of the view; None if no place stands out."""
    width = view.source.shape[1]
    fine = max(1.0, 1.6 * width / 960)
    first, second = (band_pass(part, fine, 10.0 * fine, view.inside) for part in (view.source, view.reference))
    best: tuple[float, tuple[float, float]] = (0.0, (0.0, 0.0))
    window = cv2.createHanningWindow((width, view.source.shape[0]), cv2.CV_32F)
    for one in range(first.shape[2]):
        for two in range(second.shape[2]):
            (x, y), response = cv2.phaseCorrelate(
                np.ascontiguousarray(first[..., one]), np.ascontiguousarray(second[..., two]), window
            )
            best = max(best, (float(response), (float(x), float(y))))
    return best[1] if 0.5 < np.hypot(*best[1]) < _FARTHEST * width else None


def _moved_back(view: View, shift: tuple[float, float]) -> Agreement:
    height, width = view.source.shape[:2]
    matrix = np.array([[1.0, 0.0, shift[0]], [0.0, 1.0, shift[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = np.asarray(cv2.warpAffine(view.reference, matrix, (width, height), flags=flags), np.float32)
    there = np.asarray(cv2.warpAffine(view.inside, matrix, (width, height), flags=flags), np.uint8)
    return measure_agreement(view.source, moved, np.where(there == 255, view.inside, 0).astype(np.uint8))
