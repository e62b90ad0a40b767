"""What the figures of a training say: it began to memorise, went astray, was ended too early, or brought nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from film_recovery.contract.findings import Finding

Points = Sequence[tuple[int, float]]
_FELL = 0.3  # dB below the best held-out figure
_RISING = (0.25, 0.25)  # dB, and as a share of all that was gained: what the last third brings while it still rises
_SEEN = 1.0  # times that the pairs' pixels were shown; with less, parts of them were never seen
_LEAPT = 1.5  # times the first losses
_GAINED = 0.05  # dB over the start, from which on the network has helped


@dataclass(frozen=True)
class Curve:
    """The course of a training.

    Attributes:
        start: held-out figure of the closed-form start, dB; None without held-out pairs.
        held_out: (step, dB), ascending; losses: (step, loss), ascending.
        best: the best figure, of the start too, dB; steps: how many were done.
        seen: how often the pixels of the pairs were shown, on average.
        coarse: up to which step at half resolution, where losses are others.
    """

    start: float | None
    held_out: Points
    losses: Points
    best: float | None
    steps: int
    seen: float
    coarse: int = 0


def judge_curve(curve: Curve) -> list[Finding]:
    """At most one finding: too much training, too little, an unstable one, or no use of it (a note)."""
    if curve.seen < _SEEN:
        enough = round(curve.steps * _SEEN / max(curve.seen, 1e-3))
        return [_underfit(f"In {curve.steps} steps each part of the pairs was shown {curve.seen:.1f} times.", curve, enough)]
    if curve.start is None or curve.best is None or len(curve.held_out) < 3:
        return []
    highest = max(curve.start, *(value for _, value in curve.held_out))  # the best may have been given less of the correction
    if _fell(curve, highest):
        fell = f"The held-out figure fell from {highest:.2f} to {curve.held_out[-1][1]:.2f} dB while the training loss"
        if _loss_fell(curve):
            return [Finding(
                "overfit",
                f"{fell} fell: the model began to memorise its pairs.",
                "The best checkpoint is handed out; add pairs rather than steps.",
            )]  # fmt: skip
        return [Finding(
            "unstable",
            f"{fell} did not: the training went astray.",
            "The best checkpoint is handed out; look whether the pairs contradict each other, or train with a larger --batch.",
        )]  # fmt: skip
    late = _late_gain(curve)
    if late > max(_RISING[0], _RISING[1] * (curve.best - curve.start)):
        return [_underfit(f"The held-out figure still rose by {late:.2f} dB over the last third of the training.", curve)]
    if curve.best <= curve.start + _GAINED:
        return [Finding(
            "start-is-best",
            f"The network hardly improved on its closed-form start ({curve.start:.2f} dB on the held-out frames): what is "
            "handed out is the start, or little more.",
            "That is often so, and nothing is wrong with it. If it is not good enough, add pairs that show other colours and "
            "textures, or train longer.", severity="note",
        )]  # fmt: skip
    return []


def _underfit(sentence: str, curve: Curve, enough: int = 0) -> Finding:
    return Finding("underfit", sentence, f"Train longer: {max(2 * curve.steps, 500, enough)} steps or more.")


def _fell(curve: Curve, highest: float) -> bool:
    """The last two figures lie clearly below the highest."""
    return curve.held_out[-1][1] < highest - _FELL and curve.held_out[-2][1] < highest - 0.5 * _FELL


def _loss_fell(curve: Curve) -> bool:
    """The last third of the losses at full resolution is lower than the first, on average, and not far above where they began:
    one that leapt up and came halfway down again has not fallen. Without losses it is taken for granted."""
    losses = [value for step, value in curve.losses if step > curve.coarse]
    if not losses:
        return True
    third, tenth = max(len(losses) // 3, 1), max(len(curve.losses) // 10, 1)
    begun = [value for _, value in curve.losses[:tenth]]
    first, end, begin = (sum(part) / len(part) for part in (losses[:third], losses[-third:], begun))
    return end < first and end < _LEAPT * begin


def _late_gain(curve: Curve) -> float:
    """How much the last third of the steps brought, dB."""
    border = curve.steps * 2 / 3
    early = [value for step, value in curve.held_out if step <= border]
    late = [value for step, value in curve.held_out if step > border]
    return max(late, default=-1e9) - max([*early, curve.start or -1e9])
