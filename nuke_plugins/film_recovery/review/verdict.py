"""The table of methods and what it says, in sentences that do not flatter."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from film_recovery.contract.errors import UsageError
from film_recovery.review.metrics import SequenceMetrics

_NBSP = "\u00a0"  # between a number and its unit
MARGIN = 0.03  # of the other's figure: nearer than this, nobody has won
_EXACT = 1e-6  # coded units, what the recovery promises of the component it keeps
_FLICKER_MARGIN = 1.10

Kind = Literal["result", "baseline", "element"]
Outcome = Literal["win", "tie", "lose", "alone"]


@dataclass(frozen=True)
class MethodScore:
    """One line of the table; None where a figure was not or cannot be taken. Units as in ``metrics.SequenceMetrics``."""

    label: str
    kind: Kind
    delta_e_mean: float
    delta_e_p95: float | None = None
    psnr: float | None = None
    ssim: float | None = None
    detail: float | None = None
    detail_of_sharp: float | None = None
    hallucinated: float | None = None
    chroma_flicker: float | None = None
    luma_identity: float | None = None
    chroma_identity: float | None = None

    @classmethod
    def of(cls, label: str, kind: Kind, figures: SequenceMetrics) -> MethodScore:
        """The figures of a shot as a line of the table."""
        wanted = [part.name for part in dataclasses.fields(cls) if part.name not in ("label", "kind")]
        return cls(label, kind, **{name: getattr(figures, name) for name in wanted})

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Verdict:
    """``headline`` says who is closest and by how much; ``details`` what else the figures say, for and against."""

    outcome: Outcome
    headline: str
    details: list[str] = field(default_factory=list)


def verdict(scores: Sequence[MethodScore], against: str = "the truth") -> Verdict:
    """Judge the one ``result`` among the scores by its mean CIEDE2000 to ``against``, named in the sentences.

    Within 3 % of the best other method it is a tie. Raises :class:`UsageError` unless there is exactly one result.
    """
    results = [score for score in scores if score.kind == "result"]
    if len(results) != 1:
        raise UsageError(f"A verdict judges one result among the methods; {len(results)} were given.")
    result, others = results[0], [score for score in scores if score.kind != "result"]
    if not others:
        head = f"Mean ΔE2000 to {against} is {result.delta_e_mean:.2f}; there is no other method to compare with."
        return Verdict("alone", head)
    best = min(others, key=lambda score: score.delta_e_mean)
    own, rival = result.delta_e_mean, best.delta_e_mean
    details = [*_against_elements(result, scores), *_detail(result), *_largest(result, best), *_flicker(result, others),
               *_kept(result)]  # fmt: skip
    if abs(own - rival) < MARGIN * rival or own == rival:
        head = (
            f"No clear winner: the recovery has mean ΔE2000{_NBSP}{own:.2f} to {against}, the best other method ({best.label}) "
            f"{rival:.2f}, and a difference under {100 * MARGIN:.0f}{_NBSP}% decides nothing."
        )
        return Verdict("tie", head, details)
    if own < rival:
        share = 100.0 * (1.0 - own / rival)
        head = (
            f"The recovery is closest to {against}: mean ΔE2000{_NBSP}{own:.2f}, {share:.0f}{_NBSP}% less than the best other "
            f"method ({best.label}, {rival:.2f})."
        )
        return Verdict("win", head, details)
    advice = "use it instead, or add pairs and train longer" if best.kind == "baseline" else "the recovery makes it worse"
    head = (
        f"The recovery does not win: {best.label} is closer to {against}, mean ΔE2000{_NBSP}{rival:.2f}, "
        f"{100.0 * (1.0 - rival / own):.0f}{_NBSP}% less than the recovery's {own:.2f}; {advice}."
    )
    return Verdict("lose", head, details)


def _against_elements(result: MethodScore, scores: Sequence[MethodScore]) -> list[str]:
    elements = [score for score in scores if score.kind == "element" and score.delta_e_mean > 0.0]
    if not elements:
        return []
    better = min(elements, key=lambda score: score.delta_e_mean)
    return [
        f"Its colour difference is {100.0 * result.delta_e_mean / better.delta_e_mean:.0f}{_NBSP}% of the better element's "
        f"({better.label}, {better.delta_e_mean:.2f})."
    ]


def _detail(result: MethodScore) -> list[str]:
    if result.detail_of_sharp is not None:
        return [f"It shows {100.0 * result.detail_of_sharp:.0f}{_NBSP}% of the sharp element's fine detail."]
    if result.detail is not None:
        return [f"It shows {100.0 * result.detail:.0f}{_NBSP}% of the fine detail that is there to show."]
    return []


def _largest(result: MethodScore, best: MethodScore) -> list[str]:
    if result.delta_e_p95 is None or best.delta_e_p95 is None or result.delta_e_p95 <= best.delta_e_p95 * (1.0 + MARGIN):
        return []
    return [
        f"Its worst twentieth of the picture is further off than that of {best.label}: "
        f"{result.delta_e_p95:.2f} against {best.delta_e_p95:.2f}."
    ]


def _flicker(result: MethodScore, others: Sequence[MethodScore]) -> list[str]:
    # A faded element has little colour that could flicker, so only methods that bring colour back are compared.
    steady = [score for score in others if score.kind == "baseline" and score.chroma_flicker is not None]
    if result.chroma_flicker is None or not steady:
        return []
    best = min(steady, key=lambda score: score.chroma_flicker or 0.0)
    if result.chroma_flicker <= (best.chroma_flicker or 0.0) * _FLICKER_MARGIN:
        return [f"No simpler method holds its colour steadier over time (flicker {result.chroma_flicker:.4f})."]
    return [
        f"Its colour flickers more than that of {best.label}: {result.chroma_flicker:.4f} against {best.chroma_flicker:.4f}."
    ]


def _kept(result: MethodScore) -> list[str]:
    words = []
    for name, value in (("luma", result.luma_identity), ("chroma", result.chroma_identity)):
        if value is None:
            continue
        if value <= _EXACT:
            words.append(f"The {name} it promises to keep is kept exactly (largest difference {value:.1e}).")
        else:
            words.append(
                f"The {name} it promises to keep moved by up to {value:.1e}; half-float files explain 5e-4, more is a fault."
            )
    return words
