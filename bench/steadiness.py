"""How steady is recovered colour from frame to frame? ``.venv/bin/python bench/steadiness.py`` writes ``steadiness.md``.

Runs of simulated elements with known truth go through what a chroma training starts with, fitted on the pairs of the bench
"learning", once as they are and once steadied. The same runs without flicker or grain show where the unsteadiness comes from,
and whether steadying harms a source that is steady.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from handing_out import card_of, handed_out
from learning_cases import ELEMENTS, INNER, SIZE, Recipe, footage, simulated
from learning_figures import colour_psnr, moving_changes, root_mean_square
from learning_methods import closed_form

from film_elements.elements import ElementSimulator
from film_elements.parameters import Element, Flicker, Grain
from film_recovery.contract.card import ModelCard
from film_recovery.contract.steady import WINDOW
from film_recovery.inference.steady import Steadiness
from film_recovery.review.flicker import chroma_flicker
from film_recovery.review.metrics import delta_e

PAGE = Path(__file__).with_name("steadiness.md")
CASES = (Recipe("rabbit", "usual"), Recipe("rabbit", "heavy"), Recipe("street", "16mm"), Recipe("astronaut", "heavy"))
EARLY, LATE = 1 / 6, 2 / 3  # of the footage: where runs have their middle; the early one begins with few frames before it
JUDGED = 24  # frames
_NO_FLICKER, _NO_GRAIN = Flicker(), Grain(0.0, 6.0, 0.0)
FloatArray = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Run:
    """Frames in a row of one element, with the frames around those that are judged; ``first`` is the first judged."""

    sources: list[FloatArray]
    truths: list[FloatArray]
    first: int


@dataclasses.dataclass(frozen=True)
class Figures:
    """Flicker in coded units times 1000, where nothing stands still None; PSNR in dB and CIEDE2000 to the truth."""

    still: float | None
    moving: float | None
    psnr: float
    delta_e: float


def simulate(recipe: Recipe, element: Element, share: float) -> Run:
    """A run about that share of the footage, with a window of frames at both ends where there are so many."""
    pictures = footage(recipe.footage)
    first = round(len(pictures) * share) - JUDGED // 2
    begin = max(first - WINDOW, 0)
    simulator = ElementSimulator(element, SIZE, recipe.seed)
    frames = [simulator.simulate(pictures[index], index) for index in range(begin, min(first + JUDGED + WINDOW, len(pictures)))]
    sources, truths = ([np.ascontiguousarray(getattr(one, part)[INNER]) for one in frames] for part in ("scan", "truth"))
    return Run(sources, truths, first - begin)


def recovered(run: Run, model: Callable[[FloatArray], FloatArray], card: ModelCard, *, steady: bool) -> list[FloatArray]:
    """The judged frames, as ``film-recovery apply`` makes them with or without ``--no-steady``."""
    judged = range(run.first, run.first + JUDGED)
    if not steady:
        return [model(run.sources[index]) for index in judged]
    steadiness = Steadiness(list(range(len(run.sources))), lambda index: run.sources[index], card.encoding)
    found = handed_out(model, dict(enumerate(run.sources)), judged, steadiness, card)
    return [found[index] for index in judged]


def measure(results: list[FloatArray], truths: list[FloatArray], card: ModelCard) -> Figures:
    """Of results against truths, one shot."""
    still = chroma_flicker(results, truths, card.encoding, card.matrix)
    moving = root_mean_square(moving_changes(results, truths, card.encoding, card.matrix)[0])
    pairs = list(zip(results, truths, strict=True))
    psnr = float(np.mean([colour_psnr(*pair, card.encoding, card.matrix) for pair in pairs]))
    differences = [delta_e(ours[1::4, 1::4], truth[1::4, 1::4], card.encoding)[0] for ours, truth in pairs[::3]]
    return Figures(still, moving, psnr, float(np.mean(differences)))


def measure_case(recipe: Recipe) -> dict[str, dict[str, Figures]]:
    """By place in the footage the figures by name: what the source was made without, then whether it was steadied."""
    case = simulated(recipe)
    start, manifest = closed_form(case.dataset)["start"].apply, case.dataset.manifest
    card = card_of(manifest)
    sharp = ELEMENTS[recipe.elements].sharp
    elements = {
        "plain": sharp,
        "no flicker": dataclasses.replace(sharp, flicker=_NO_FLICKER),
        "no grain": dataclasses.replace(sharp, grain=_NO_GRAIN),
    }
    found: dict[str, dict[str, Figures]] = {"early": {}, "late": {}}
    for place, name in (("early", "plain"), ("early", "no flicker"), ("early", "no grain"), ("late", "plain")):
        run = simulate(recipe, elements[name], {"early": EARLY, "late": LATE}[place])
        truths = run.truths[run.first : run.first + JUDGED]
        if name == "plain":
            found[place]["truth"] = measure(truths, truths, card)
        for steady in (False, True):
            results = recovered(run, start, card, steady=steady)
            found[place][f"{name}, {'steadied' if steady else 'as it is'}"] = measure(results, truths, card)
    return found


def page(cases: dict[str, dict[str, Figures]], seconds: float) -> str:
    """The tables."""
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    lines = [
        "# Steadiness",
        "",
        f"{datetime.date.today()}, {machine}. Written by `bench/steadiness.py` in {seconds:.0f} s of processor time.",
        "",
        f"Runs of {JUDGED} frames of simulated elements, recovered by what a chroma training starts with. Flicker is in coded",
        "units times 1000 (4 is one step of 8-bit video), Cb and Cr together: of patches that stand still, their deviation",
        "over the run; of patches followed along the truth's motion, their change from frame to frame, beside the truth's own.",
        "PSNR of colour and CIEDE2000 are to the truth; up to two of the frames of a run were learned from or held out. A",
        "dash: nothing stands still.",
        "",
        "| case | still: truth | as it is | steadied | moving: truth | as it is | steadied "
        "| PSNR as it is | steadied | ΔE as it is | steadied |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, found in cases.items():
        before, after, truth = found["plain, as it is"], found["plain, steadied"], found["truth"]
        flicker = [_thousands(getattr(one, kind)) for kind in ("still", "moving") for one in (truth, before, after)]
        quality = [f"{before.psnr:.2f}", f"{after.psnr:.2f}", f"{before.delta_e:.3f}", f"{after.delta_e:.3f}"]
        lines.append(f"| {' | '.join([name, *flicker, *quality])} |")
    lines += [
        "",
        "What steadying leaves in moving patches is there without flicker too: grain, and fading that differs over the frame,",
        "through which content moves. PSNR and ΔE also tell how far the run's mean flicker happens to be from that of the",
        "pairs, which no window knows.",
        "",
        "Where it comes from: the early runs when the source has no flicker, or no grain.",
        "",
        "| case | moving: no flicker | no grain | no grain, steadied | still: no flicker | no grain | no grain, steadied "
        "| PSNR no flicker | no flicker, steadied |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    kinds = ("no flicker, as it is", "no grain, as it is", "no grain, steadied")
    for name, found in cases.items():
        if kinds[0] not in found:
            continue
        flicker = [_thousands(getattr(found[kind], which)) for which in ("moving", "still") for kind in kinds]
        quality = [f"{found[kind].psnr:.2f}" for kind in ("no flicker, as it is", "no flicker, steadied")]
        lines.append(f"| {' | '.join([name, *flicker, *quality])} |")
    return "\n".join(lines) + "\n"


def _thousands(value: float | None) -> str:
    return "–" if value is None else f"{1000.0 * value:.2f}"


def main() -> None:
    """Measure all cases, or those named with ``--only``, and write the page; with ``--only`` it is printed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="NAME", help="part of a case's name; the page is then printed and not written")
    wanted = parser.parse_args().only
    begin = time.process_time()
    cases: dict[str, dict[str, Figures]] = {}
    for recipe in CASES:
        name = f"{recipe.footage}-{recipe.elements}"
        if wanted is None or wanted in name:
            cases |= {f"{name}, {place}": figures for place, figures in measure_case(recipe).items()}
            print(f"{name}: {time.process_time() - begin:.0f} s", flush=True)
    text = page(cases, time.process_time() - begin)
    if wanted is None:
        PAGE.write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
