"""What comes back of a reference's detail, what is made up? ``.venv/bin/python bench/spatial.py`` measures it against truth.

A soft 16 mm print learns from a sharp 35 mm internegative, both with grain; judged on frames not learned from, next to nothing
done, a tuned deconvolution, the closed-form start and a plain U-Net; the same network under other losses; grain put back or
made up; and how much more pairs help. Writes ``spatial.md`` and ``spatial.png``.

    --steps 2400       of every training: two minutes of one processor
    --only rabbit      cases whose names hold one of these words, divided by commas; --list names them
    --losses           the other losses too
    --out FOLDER       where to write; default beside this file, and to be named with --only
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt
import torch
from handing_out import averaged
from matplotlib.figure import Figure
from spatial_cases import PAIRS, RECIPES, SpatialCase, simulated
from spatial_methods import LOSSES, Recover, coded_luma, of_graph, plain, start, trained, tuned_deconvolution

from film_recovery.contract.atomic import write_text
from film_recovery.contract.card import ModelCard
from film_recovery.inference.degrain import with_luma_change
from film_recovery.inference.grain import with_grain
from film_recovery.review.bands import OCTAVES, measure_spatial
from film_recovery.review.detail import RINGS, ring_energies
from film_recovery.review.metrics import psnr
from film_recovery.review.plots import REFERENCE, RESULT, SOURCE, STYLE, WIDTH, save_chart
from film_recovery.training.grain import measure_grain
from film_recovery.training.graph import RecoveryGraph
from film_recovery.training.monitor import run_graph

HERE = Path(__file__).parent
USUAL = 5  # pairs
COUNTS = (1, 2, 4, 8, 16, PAIRS)
_HEAD = ("method", "PSNR, dB", "detail, %", "made up, %", "halo, %", *(f"{low:.3g} to {high:.3g}" for low, high in OCTAVES))
FloatArray = npt.NDArray[np.float32]
Row = list[float]


def figures(case: SpatialCase, recover: Recover, steady: bool = False) -> Row:
    """Means over the frames judged: PSNR, detail, made up, halo, then of every octave transfer, coherence and made up."""
    rows = []
    for sources, reference, truth in zip(case.sources, case.references, case.truths, strict=True):
        true = coded_luma(truth)
        if steady:
            ours, change = averaged(recover, sources, 0, "display")
            found = ours + change.change
        else:
            found = recover(sources[0])
        one = measure_spatial(found, coded_luma(reference), true)
        octaves = [value for band in one.octaves for value in (band.transfer, band.coherence, band.hallucinated)]
        halo = np.nan if one.overshoot is None else one.overshoot
        rows.append([psnr(found, true), 100.0 * one.detail, 100.0 * one.hallucinated, halo, *octaves])
    table = np.asarray(rows)
    seen = np.isfinite(table)
    return [float(value) for value in np.where(seen, table, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)]


def methods(case: SpatialCase, steps: int, losses: bool) -> tuple[dict[str, Row], RecoveryGraph]:
    """Figures of everything that is compared, and our trained graph."""
    data = case.dataset(USUAL)
    deconvolution, tuned = tuned_deconvolution(data)
    found = {"nothing done": figures(case, coded_luma), f"tuned deconvolution ({tuned})": figures(case, deconvolution)}
    found["tuned deconvolution, steadied"] = figures(case, deconvolution, steady=True)
    found["closed-form start"] = figures(case, of_graph(start(data)))
    begin = time.process_time()
    ours = trained(data, steps, 0)
    seconds = time.process_time() - begin
    other = plain(data, seconds, 0)
    found["plain U-Net"] = figures(case, of_graph(other))
    found["plain U-Net, steadied"] = figures(case, of_graph(other), steady=True)
    for name, loss in LOSSES.items() if losses else [("ours", LOSSES["ours"])]:
        graph = trained(data, steps, 0, loss, "none")
        found[f"{name}, without initial weights, frame by frame"] = figures(case, of_graph(graph))
    found[f"ours, frame by frame ({seconds:.0f} s)"] = figures(case, of_graph(ours))
    found["**ours**"] = figures(case, of_graph(ours), steady=True)
    return found, ours


def grain_rows(case: SpatialCase, graph: RecoveryGraph) -> list[str]:
    """Power that is no copy of the truth, octave by octave, over that of the element whose grain was asked for, and PSNR."""
    card = ModelCard("bench", "spatial", "chroma", "display", "709", None, "medium", 0, 16, 0)
    card.grain = measure_grain(graph, case.dataset(USUAL).training)
    rows = []
    for treatment, steady in (("recovered", False), ("recovered", True), ("source", False), ("reference", True)):
        shares, values = [], []
        for number, (sources, reference, truth) in enumerate(zip(case.sources, case.references, case.truths, strict=True)):
            result, left = run_graph(graph, sources[0]), 1.0
            if steady:
                _, change = averaged(of_graph(graph), sources, 0, "display")
                result, left = with_luma_change(result, change.change, card), change.left
            result = coded_luma(with_grain(result, sources[0], card, treatment, number, left))
            true = coded_luma(truth)
            element = coded_luma(sources[0] if treatment == "source" else reference)
            shares.append([a / max(b, 1e-30) for a, b in zip(_grain(result, true), _grain(element, true), strict=True)])
            values.append(psnr(result, true))
        against = "the source's" if treatment == "source" else "the reference's"
        octaves = " | ".join(f"{value:.2f}" for value in np.mean(shares, axis=0))
        called = f"{treatment}{', steadied' if steady else ''}"
        rows.append(f"| {case.name} | {called} | {against} | {np.mean(values):.2f} | {octaves} |")
    return rows


def _grain(picture: FloatArray, truth: FloatArray) -> list[float]:
    """Energy of each octave that no filter of the truth explains."""
    frequency, own, true, cross = ring_energies(picture, truth)
    left = np.maximum(own - cross**2 / np.maximum(true, 1e-30), 0.0)
    assert len(frequency) == RINGS
    return [float(left[(frequency >= low) & (frequency < high)].sum()) for low, high in OCTAVES]


def table(head: Sequence[str], rows: Sequence[str]) -> list[str]:
    """A table in Markdown."""
    return [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *rows]


def row(name: str, values: Row) -> str:
    """A line of it; each octave as transfer / coherence / made up."""
    octaves = [" / ".join(f"{value:.2f}" for value in values[first : first + 3]) for first in range(4, len(values), 3)]
    return f"| {name} | {values[0]:.2f} | {values[1]:.1f} | {values[2]:.1f} | {values[3]:.1f} | {' | '.join(octaves)} |"


def curve(cases: Sequence[SpatialCase], steps: int, tell: Callable[[str], None]) -> dict[int, Row]:
    """Our figures over the number of pairs, means over the cases; every training has the same steps."""
    found = {}
    for count in COUNTS:
        recovers = [of_graph(trained(case.dataset(count), steps, 0)) for case in cases]
        rows = [figures(case, recover, steady=True) for case, recover in zip(cases, recovers, strict=True)]
        found[count] = [float(value) for value in np.mean(rows, axis=0)]
        tell(row(f"{count} pairs", found[count]))
    return found


def plot(found: dict[int, Row], compared: dict[str, Row]) -> Figure:
    """PSNR, and detail with what is made up, over the number of pairs."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
        left, right = figure.subplots(1, 2)
        counts = list(found)
        left.plot(counts, [one[0] for one in found.values()], "o-", color=RESULT, label="ours")
        for (name, values), colour in zip(compared.items(), (SOURCE, REFERENCE), strict=True):
            left.axhline(values[0], color=colour, label=name)
        left.set(title="PSNR to the truth, luma", ylabel="dB")
        right.plot(counts, [one[1] for one in found.values()], "o-", color=RESULT, label="detail")
        right.plot(counts, [one[2] for one in found.values()], "o-", color=SOURCE, label="made up")
        right.set(title="Of the detail, of the energy", ylabel="%", ylim=(0, 100))
        for axes in (left, right):
            axes.set_xscale("log", base=2)
            axes.set_xticks(counts, [str(count) for count in counts])
            axes.set_xlabel("pairs")
            axes.legend()
    return figure


def main() -> int:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--only", type=lambda text: tuple(text.split(",")), default=("",))
    parser.add_argument("--losses", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--out", type=Path, default=HERE)
    given = parser.parse_args()
    recipes = [one for one in RECIPES if any(word in one.name for word in given.only)]
    if given.list:
        print("\n".join(recipe.name for recipe in recipes))
        return 0
    if not recipes:
        parser.error(f"no case's name holds {' or '.join(given.only)}; --list names them")
    if given.only != ("",) and given.out == HERE:
        parser.error("a part of the cases is not published; name a folder with --out")
    torch.set_num_threads(1)
    begin = time.process_time()

    def tell(line: str) -> None:
        print(line, flush=True)

    sections, grain, means = [], [], []
    cases = [simulated(recipe) for recipe in recipes]
    for case in cases:
        found, graph = methods(case, given.steps, given.losses)
        rows = [row(name, values) for name, values in found.items()]
        tell("\n".join([f"## {case.name}", *rows]))
        sections += ["", f"### {case.name}", "", *table(_HEAD, rows)]
        grain += grain_rows(case, graph)
        means.append(found)
    curved = cases[:2]
    over_pairs = curve(curved, given.steps, tell)
    compared = {
        name: [float(v) for v in np.mean([next(r for m, r in one.items() if m.startswith(name)) for one in means[:2]], axis=0)]
        for name in ("nothing done", "tuned deconvolution")
    }
    save_chart(given.out / "spatial.png", plot(over_pairs, compared))
    command = " ".join(["bench/spatial.py", *sys.argv[1:]])
    lines = [
        "# Spatial recovery", "",
        f"{datetime.date.today().isoformat()}, {platform.machine()}, {os.cpu_count()} processors, "
        f"{(time.process_time() - begin) / 60.0:.0f} minutes of one processor. Written by `{command}`.", "",
        f"A simulated 16 mm print learns luma from a 35 mm internegative, both with grain: {USUAL} pairs and one held out,",
        f"unless a table says otherwise, laid on each other by the true geometry; medium network, {given.steps} steps, in",
        "brackets their processor time, and as long on such crops under the same loss for the plain U-Net. Ours begins with",
        "the weights in `models/`, learned by the same simulator on other footage; plain U-Net begins at random. Judged",
        "against the truth on frames not learned from. PSNR: coded luma. Detail: share of the reference's own signal energy",
        "from 1/16 cycle per pixel to where its grain is as strong. Made up: share of the result's energy from 1/16 to 1/2",
        "that no filter of the truth explains, grain that is left included. Halo: beyond the truth's own range beside",
        "strong edges, in the mean profile. *Ours* and *steadied* as `apply` hands out: grain averaged along the motion over",
        "five frames; everything else frame by frame. Each octave, cycles per pixel: transfer / coherence with the truth /",
        "made up, as `film_recovery.review.bands` has it.",
        *sections, "",
        "## Grain", "",
        "Energy that is no copy of the truth, octave by octave, as a share of that of the element whose grain is asked for: 1",
        "is as grainy as that element. What is recovered is measured against the reference.", "",
        *table(("case", "grain", "against", "PSNR, dB", *_HEAD[5:]), grain), "",
        "## Pairs", "",
        f"Means over {', '.join(case.name for case in curved)}; the same steps whatever the number.", "",
        *table(("pairs", *_HEAD[1:]), [row(str(count), values) for count, values in over_pairs.items()]), "",
        "![Over the number of pairs](spatial.png)",
    ]  # fmt: skip
    write_text(given.out / "spatial.md", "\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
