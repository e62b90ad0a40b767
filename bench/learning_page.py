"""The tables and the plot of ``learning.py``, and what became worse since the figures were last published."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from learning_results import CLOSED, STEADY, TRAINED, Result, Results, regressions, time_words
from matplotlib.figure import Figure

from film_recovery.contract.atomic import write_text
from film_recovery.review.plots import REFERENCE, RESULT, SOURCE, STYLE, TRUTH, WIDTH, save_chart


def published(path: Path) -> list[Result]:
    """The results that a page was made of; none before there was one."""
    return [Result(**json.loads(line)) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def write_page(folder: Path, shown: Sequence[Result], command: str, last: Path, machine: str) -> list[str]:
    """Write ``learning.md``, ``learning.png`` and ``learning.jsonl``; returns the regressions against those of ``last``."""
    before = published(last)
    results = Results(shown)
    worse = regressions(Results(before), results)
    minutes = sum(one.facts.get("seconds", 0.0) for one in shown) / 60.0
    lines = [
        "# Learning", "",
        f"{max((one.date for one in shown), default='nothing measured')}, {machine}, {minutes:.0f} minutes of training. "
        f"Written by `{command}`.", "",
        "Simulated elements with known truth; five pairs to learn from and a held-out one, laid on each other by the true",
        "geometry; judged on frames not learned from. PSNR is of coded RGB with the same luma on both sides, so only colour",
        "counts; ΔE is CIEDE2000 to the truth, luma and all. The LUT is the better of two of 33³ nodes fitted in closed form:",
        "balance and colour with luma kept, or free. Plain RGB is a U-Net of CopyCat's kind, trained by the same code. Times",
        "are what a training is told; what it took with start, probe and export stands below. *Steadied* is what `apply` hands",
        "out: without the flicker of whole frames, and averaged along the motion. Without it a frame is judged alone. The LUT",
        "is one as people apply it, frame by frame, unless a column says otherwise.", "",
        *_summary(results), "", *_cases(results, "psnr", "PSNR, dB"), "", *_cases(results, "delta_e", "ΔE2000"), "",
        *_more(results), "", *_flicker(results), "", *_times(results), "", *_real(results), "",
        "## Against the figures published before", "",
        *([f"- {line}" for line in worse] or ["No regression." if before else "There are none."]), "",
        "![PSNR above the LUT](learning.png)",
    ]  # fmt: skip
    write_text(folder / "learning.md", "\n".join(lines) + "\n")
    write_text(folder / "learning.jsonl", "".join(json.dumps(dataclasses.asdict(one)) + "\n" for one in shown))
    save_chart(folder / "learning.png", plot(results))
    return worse


def _summary(results: Results) -> list[str]:
    head = ("method", "PSNR, mean", "ΔE, mean", "above the LUT, mean", "cases below the LUT", "worst case", "worst frame",
            "above the LUT, steadied too, mean")  # fmt: skip
    lines = ["## Together", "", *_head(head)]
    for method, budget, word in results.columns():
        cases = [case for case in results.simulated if results.of(case, method, budget) is not None]
        gains = results.gains(cases, method, budget)
        frames = [
            one - lut
            for case in cases
            for one, lut in zip(results.of(case, method, budget, "frames"), results.of(case, "lut", 0.0, "frames"), strict=True)
        ]
        if not cases:
            continue
        means = [np.mean([results.of(case, method, budget, figure) for case in cases]) for figure in ("psnr", "delta_e")]
        worst = min(gains, key=lambda case: gains[case])
        compared = [f"{np.mean(list(gains.values())):+.2f}", f"{sum(gain < 0.0 for gain in gains.values())} of {len(cases)}"]
        compared += [f"{gains[worst]:+.2f} ({worst})", f"{min(frames):+.2f}"]
        alike = results.gains(cases, method, budget, f"lut{STEADY}") if method.endswith(STEADY) else {}
        compared.append(f"{np.mean(list(alike.values())):+.2f}" if alike and method != f"lut{STEADY}" else "")
        told = compared if method != "lut" else [""] * 5
        lines.append(f"| {word} | {means[0]:.2f} | {means[1]:.2f} | {' | '.join(told)} |")
    for budget in results.budgets:
        gains = results.gains([*results.simulated, *results.real], "ours", budget)
        if gains:
            gains |= results.gains(results.simulated, f"ours{STEADY}", budget)  # as handed out
            worst = min(gains, key=lambda case: gains[case])
            which = "simulated and real" if any(case in gains for case in results.real) else "simulated"
            told = f"**{gains[worst]:+.2f} dB** ({worst})"
            lines += ["", f"Handed out after {time_words(budget)}, the worst case, {which}: {told}."]
    return lines


def _cases(results: Results, figure: str, name: str) -> list[str]:
    columns = results.columns()
    lines = [f"## {name}, case by case", "", *_head(("case", *(word for _, _, word in columns)))]
    for case in results.simulated:
        values = [results.of(case, method, budget, figure) for method, budget, _ in columns]
        lines.append(f"| {case} | {' | '.join(_number(value) for value in values)} |")
    return lines


def _more(results: Results) -> list[str]:
    lines = ["## More pairs", "", "ΔE2000 of the heavy fade with as many pairs, and how far the last lies below the LUTs.", ""]
    columns = [column for column in results.columns() if column[0].removesuffix(STEADY) in ("lut", "start", "ours")]
    columns = [one for one in columns if any(results.of(case, one[0], one[1]) is not None for case in results.more)]
    lines += _head(("case", *(word for _, _, word in columns), "below the LUT", "below the LUT, steadied"))
    for case in results.more:
        values = [results.of(case, method, budget, "delta_e") for method, budget, _ in columns]
        last = next((one for one in reversed(values) if one is not None), None)
        luts = [results.of(case, name, 0.0, "delta_e") for name in ("lut", f"lut{STEADY}")]
        below = ["" if None in (last, lut) else f"{100.0 * (1.0 - last / lut):.0f} %" for lut in luts]
        cells = [*map(_number, values), *below]
        lines.append(f"| {case} | {' | '.join(cells)} |")
    return lines if results.more else [*lines[:2], "Not measured."]


def _flicker(results: Results) -> list[str]:
    columns = [column for column in results.columns() if column[1] in (0.0, *results.budgets[-1:])]
    lines = [
        "## Flicker of colour", "",
        "Eight frames in a row, 1000ths of coded units; 4 are a step of 8-bit video. Where the truth stands still: deviation",
        "over time of patch-mean Cb and Cr, the truth's own in the first column.", "",
        *_head(("case", "truth", *(word for _, _, word in columns))),
    ]  # fmt: skip
    for case in results.simulated:
        values = [results.of(case, method, budget, "flicker_still") for method, budget, _ in columns]
        lines.append(f"| {case} | {' | '.join(_number(v) for v in (results.of(case, 'lut', 0.0, 'flicker_truth'), *values))} |")
    lines += [
        "",
        "Everywhere: change of patches from frame to frame along the truth's optical flow (OpenCV, DIS), less the truth's own.",
        "", *_head(("case", *(word for _, _, word in columns))),
    ]  # fmt: skip
    for case in results.simulated:
        values = [results.of(case, method, budget, "flicker_moving") for method, budget, _ in columns]
        lines.append(f"| {case} | {' | '.join(_number(value) for value in values)} |")
    return lines


def _times(results: Results) -> list[str]:
    lines = ["## Time", ""]
    fits = [results.all[case, "nothing", 0.0].facts for case in results.simulated if (case, "nothing", 0.0) in results.all]
    if fits:
        start, lut = (np.median([fit[name] for fit in fits]) for name in ("start", "lut"))
        lines += [
            f"Closed-form start fitted on five pairs of 1080 lines: {start:.1f} s; one colour table alone: {lut:.1f} s.",
            "",
        ]
    lines += ["Processors: how many a training had, on average; fewer than there are when others use the machine.", ""]
    lines += _head(("told", *(f"{word}: {fact}" for word in TRAINED.values() for fact in ("steps", "took, s", "processors"))))
    for budget in results.budgets:
        cells = []
        for method in TRAINED:
            found = [results.all.get((case, method, budget)) for case in results.simulated]
            facts = [one.facts for one in found if one is not None]
            for name, digits in (("steps", 0), ("seconds", 0), ("processors", 1)):
                cells.append(f"{np.median([fact[name] for fact in facts]):.{digits}f}" if facts else "")
        lines.append(f"| {time_words(budget)} | {' | '.join(cells)} |")
    return lines


def _real(results: Results) -> list[str]:
    lines = ["## Real pairs, two crops learned, the third judged", ""]
    for budget in results.budgets:
        gains = results.gains(results.real, "ours", budget)
        if not gains:
            continue
        lut, ours = (np.mean([results.of(case, *which) for case in gains]) for which in (("lut", 0.0), ("ours", budget)))
        worst = min(gains, key=lambda case: gains[case])
        shown = [*((name, 0.0, word) for name, word in CLOSED.items()), ("ours", budget, "ours")]
        lines += [
            f"{len(gains)} folds, {time_words(budget)}: LUT {lut:.2f} dB, ours {ours:.2f} dB, mean {ours - lut:+.2f}; "
            f"worst fold {gains[worst]:+.2f} ({worst}); below the LUT: {sum(gain < 0.0 for gain in gains.values())}. "
            f"Measured on {max(results.all[case, 'ours', budget].date for case in gains)}.", "",
            *_head(("fold", *(word for _, _, word in shown), "above the LUT")),
        ]  # fmt: skip
        for case, gain in gains.items():
            values = [results.of(case, method, told) for method, told, _ in shown]
            lines.append(f"| {case} | {' | '.join(_number(value) for value in values)} | {gain:+.2f} |")
        lines.append("")
    return lines[:-1] if len(lines) > 2 else [*lines, "Not measured."]


def plot(results: Results) -> Figure:
    """PSNR above the LUT, untrained and over the budgets, every case a line; and the folds of real pairs in order."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
        left, *beside = figure.subplots(1, 2, width_ratios=(1.5, 1.0)) if results.real else [figure.subplots()]
        places = range(1 + len(results.budgets))
        for method, colour in (("plain_rgb", SOURCE), ("ours", REFERENCE), (f"ours{STEADY}", RESULT)):
            points = [(method.replace("ours", "start"), 0.0), *((method, budget) for budget in results.budgets)]
            curves = [[results.gains([case], *point).get(case, np.nan) for point in points] for case in results.simulated]
            for curve in curves:
                left.plot(places, curve, ".-", color=colour, linewidth=0.7, alpha=0.45, markersize=4)
            if curves:
                mean = [np.mean([v for v in values if v == v] or [np.nan]) for values in zip(*curves, strict=True)]
                word = TRAINED[method.removesuffix(STEADY)] + STEADY * method.endswith(STEADY)
                left.plot(places, mean, "o-", color=colour, label=f"{word}, mean", markersize=4)
        left.axhline(0.0, color=TRUTH, linewidth=1.0)
        left.set_xticks(places, ["untrained", *(time_words(budget) for budget in results.budgets)])
        left.set(title="Simulated: above the LUT", ylabel="PSNR, dB")
        if results.budgets and results.simulated:
            figure.legend(*left.get_legend_handles_labels(), loc="outside lower left", ncols=3)
        gains = sorted(gain for budget in results.budgets for gain in results.gains(results.real, "ours", budget).values())
        for right in beside:
            right.bar(range(len(gains)), gains, color=[REFERENCE if gain >= 0.0 else RESULT for gain in gains])
            right.axhline(0.0, color=TRUTH, linewidth=1.0)
            right.set_xticks([])
            right.set(title="Real folds: above the LUT", xlabel="folds, in order")
    return figure


def _head(names: Sequence[str]) -> list[str]:
    return [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]


def _number(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else f"{value:.2f}"
