"""Results of ``learning.py``: found by case, method and time, set against the LUT, and against what was published before."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from learning_cases import MORE_PAIRS

LOST_DB, LOST_SPEED = 0.2, 0.03  # what counts as a regression
CLOSED = {"nothing": "nothing done", "density": "density model", "lut": "LUT", "start": "ours, untrained"}
TRAINED = {"ours": "ours", "plain_rgb": "plain RGB"}
STEADY = ", steadied"  # behind a method's name: judged with the flicker of its sources taken out


@dataclass(frozen=True)
class Result:
    """One method on one case: ``figures`` of ``learning_figures.judge``; ``facts`` are seconds and steps."""

    case: str
    method: str
    budget: float
    date: str
    code: str
    machine: str
    figures: dict[str, Any]
    facts: dict[str, float]


class Results:
    """Finished results, found by case, method and budget; those of steadied sources by the method's name with :data:`STEADY`.

    ``lut`` is the better of both LUTs, case by case.
    """

    def __init__(self, results: Sequence[Result]) -> None:
        self.all = {(one.case, one.method, one.budget): one for one in results}
        for one in results:
            if one.figures.get("steadied"):
                steady = dataclasses.replace(one, figures=one.figures["steadied"])
                self.all[one.case, one.method + STEADY, one.budget] = steady
        for case, end in itertools.product(dict.fromkeys(one.case for one in results), ("", STEADY)):
            both = [self.all.get((case, name + end, 0.0)) for name in ("lut", "lut_kept_luma")]
            found = [one for one in both if one is not None]
            if found:
                self.all[case, f"lut{end}", 0.0] = max(found, key=lambda one: float(one.figures["psnr"]))
        whole = [case for case, method, _ in self.all if method == "lut"]
        self.simulated = [case for case in whole if not case.startswith("real") and not case.endswith(MORE_PAIRS)]
        self.more = [case for case in whole if case.endswith(MORE_PAIRS)]
        self.real = [case for case in whole if case.startswith("real")]
        self.budgets = sorted({budget for _, method, budget in self.all if method in TRAINED})

    def of(self, case: str, method: str, budget: float, figure: str = "psnr") -> Any:
        """A figure, or None when it is not there."""
        one = self.all.get((case, method, budget))
        return None if one is None else one.figures[figure]

    def gains(self, cases: Sequence[str], method: str, budget: float, lut: str = "lut") -> dict[str, float]:
        """PSNR above the LUT, dB, of every case that has been trained; above the steadied one if ``lut`` says so."""
        both = {case: (self.of(case, method, budget), self.of(case, lut, 0.0)) for case in cases}
        return {case: ours - theirs for case, (ours, theirs) in both.items() if None not in (ours, theirs)}

    def columns(self) -> list[tuple[str, float, str]]:
        """Methods with their budgets, and what they are called."""
        done = {(name, budget) for _, name, budget in self.all}
        every = ((name, b, f"{word}, {time_words(b)}") for name, word in TRAINED.items() for b in self.budgets)
        trained = [one for one in every if one[:2] in done]
        alone = [*((name, 0.0, word) for name, word in CLOSED.items()), *trained]
        steady = {(name, budget) for _, name, budget in self.all if name.endswith(STEADY)}
        both = [((name, b, word), (name + STEADY, b, word + STEADY)) for name, b, word in alone]
        return [column for pair in both for column in pair if column in alone or column[:2] in steady]


def regressions(before: Results, now: Results) -> list[str]:
    """More than 0.2 dB of ours lost on a case, or 3 % of speed on the same machine."""
    found = []
    for key, one in now.all.items():
        old = before.all.get(key)
        if old and key[1] in ("ours", f"ours{STEADY}") and one.figures["psnr"] < old.figures["psnr"] - LOST_DB:
            lost = one.figures["psnr"] - old.figures["psnr"]
            what = f"{one.case}{key[1].removeprefix('ours')}, {time_words(one.budget)}"
            found.append(f"**{what}: {lost:+.2f} dB** (was {old.figures['psnr']:.2f})")
    for what, fact, method, budget in (
        *((f"steps in {time_words(b)}", "steps", "ours", b) for b in now.budgets),
        ("closed-form starts a second at 1080p", "start", "nothing", 0.0),
    ):
        both = [(now.all.get((case, method, budget)), before.all.get((case, method, budget))) for case in now.simulated]
        ratios = [new.facts[fact] / old.facts[fact] for new, old in both if new and old and new.machine == old.machine]
        change = math.exp(float(np.mean(np.log(ratios)))) if ratios else 1.0
        change = 1.0 / change if fact == "start" else change
        if change < 1.0 - LOST_SPEED:
            found.append(f"**{what}: {100.0 * (change - 1.0):+.0f} %**")
    return found


def time_words(seconds: float) -> str:
    """Such as 30 s or 2 min."""
    return f"{seconds / 60.0:g} min" if seconds >= 60.0 else f"{seconds:g} s"
