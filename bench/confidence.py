"""Does the confidence layer tell where a recovery errs? ``.venv/bin/python bench/confidence.py`` writes ``confidence.md``.

Simulated elements with known truth are recovered by what a chroma training starts with, fitted on the pairs of the bench
"learning": once on all of them, once on the same pairs without one hue that the judged frames have, whose pixels are not
believed. Every cell of 8x8 pixels of a judged frame has a confidence and an error: CIEDE2000 of the cell's mean colour, grain
averaged out, to the truth under the luma that is kept.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import itertools
import os
import platform
import time
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from learning_cases import USUAL, Case, simulated
from learning_methods import kept_luma
from scipy.stats import rankdata, spearmanr
from selection import processor

from film_recovery.contract.job import TrainingJob
from film_recovery.images.colour import rgb_to_ycbcr, swap_luma
from film_recovery.images.colour_difference import delta_e_map
from film_recovery.images.encodings import decode, encode
from film_recovery.images.familiar import FamiliarColours, cells_of
from film_recovery.inference.steady import steadied
from film_recovery.pairs.dataset import Dataset, Pair
from film_recovery.training.build import build_graph
from film_recovery.training.monitor import run_graph

PAGE = Path(__file__).with_name("confidence.md")
CELL = 8  # pixels
SECTORS = 6  # of hue, the choice of what is left out
_COLOURFUL = 0.04  # coded chroma from which a pixel has a hue
_GROWN = 9  # pixels by which what is left out is widened, so that no part of an object's edge stays
_LEAST, _MOST = 0.02, 0.5  # of the judged frames that a hue must fill to be left out
_BAD = 2.0  # times the median error among familiar cells: from here on a cell errs
_FAMILIAR = 0.95
EDGES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
FloatArray = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Cells:
    """Of all cells of a case's judged frames: confidence, 0..1, and error, CIEDE2000.

    ``usual`` and ``median`` are the root mean square and the median of the errors of familiar cells, fitted on all pairs.
    """

    confidence: FloatArray
    error: FloatArray
    usual: float
    median: float


def measure_case(case: Case) -> tuple[Cells, Cells | None, float]:
    """Fitted on all pairs; on the pairs without a hue, or None; and the share of the frames that has this hue."""
    confidence, error = measure(case, case.dataset)
    familiar = error[confidence >= _FAMILIAR]
    usual, median = _root_mean_square(familiar), float(np.median(familiar))
    spoiled = without_hue(case)
    lacking = None if spoiled is None else Cells(*measure(case, spoiled[0]), usual, median)
    return Cells(confidence, error, usual, median), lacking, 0.0 if spoiled is None else spoiled[1]


def measure(case: Case, dataset: Dataset) -> tuple[FloatArray, FloatArray]:
    """Fit on ``dataset`` and recover the frames to judge by: confidence and error of their cells.

    Raises :class:`ValueError` where nothing is learned.
    """
    manifest = dataset.manifest
    graph = build_graph(TrainingJob("chroma", "", "", steps=1, device="cpu"), dataset)
    learned = [cells_of(pair.source, manifest.balance, manifest.encoding, manifest.matrix) for pair in dataset.training]
    colours = FamiliarColours.of(learned, [pair.trust for pair in dataset.training])
    if colours is None:
        raise ValueError(f"{case.name}: no colour is believed")
    found = []
    for source, truth, deviation in zip(case.sources, case.truths, case.deviations, strict=True):
        seen = steadied(source, deviation, manifest.encoding)
        kept = kept_luma(dataset, seen)
        wanted = swap_luma(np.asarray(encode(truth, manifest.encoding), np.float32), kept, manifest.matrix)
        pictures = [_shrunk(run_graph(graph, seen)), _shrunk(np.asarray(decode(wanted, manifest.encoding), np.float32))]
        layer = colours.confidence(seen, manifest.balance, manifest.encoding, manifest.matrix)
        found.append((_shrunk(layer).ravel(), delta_e_map(*pictures, manifest.encoding).ravel()))
    layers, errors = zip(*found, strict=True)
    return np.concatenate(layers), np.concatenate(errors)


def without_hue(case: Case) -> tuple[Dataset, float] | None:
    """The case's pairs with the commonest usable hue of its judged frames not believed, and the share of those frames that
    has it; None where no hue fills enough of them."""
    manifest = case.dataset.manifest
    hues = [_sectors(truth, manifest.encoding, manifest.matrix) for truth in case.truths]
    shares = np.array([np.mean([np.mean(one == sector) for one in hues]) for sector in range(SECTORS)])
    usable = (shares >= _LEAST) & (shares <= _MOST)
    if not usable.any():
        return None
    sector = int(np.argmax(np.where(usable, shares, 0.0)))
    pairs = case.dataset.pairs
    lacking = [_disbelieved(pair, _sectors(pair.target, manifest.encoding, manifest.matrix) == sector) for pair in pairs]
    return Dataset(manifest, lacking), float(shares[sector])


def _disbelieved(pair: Pair, where: npt.NDArray[np.bool_]) -> Pair:
    grown = cv2.dilate(where.astype(np.uint8), np.ones((_GROWN, _GROWN), np.uint8))
    return dataclasses.replace(pair, trust=np.asarray(grown == 0, np.float32))


def _sectors(rgb: FloatArray, encoding: str, matrix: str) -> npt.NDArray[np.int64]:
    """The sector of hue of each pixel, (H, W), grain averaged out; -1 where there is hardly any colour."""
    smooth = np.asarray(cv2.GaussianBlur(rgb, (0, 0), 2.0), np.float32)
    ycc = rgb_to_ycbcr(encode(smooth, encoding), matrix)
    turn = np.arctan2(ycc[..., 2], ycc[..., 1]) / (2.0 * np.pi) % 1.0
    return np.where(np.hypot(ycc[..., 1], ycc[..., 2]) >= _COLOURFUL, (turn * SECTORS).astype(np.int64) % SECTORS, -1)


def _shrunk(picture: FloatArray) -> FloatArray:
    """Means of whole cells, (H, W) or (H, W, 3)."""
    height, width = (side // CELL for side in picture.shape[:2])
    whole = picture[: height * CELL, : width * CELL]
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def rank_correlation(cells: Cells) -> float:
    """Spearman's, of doubt (1 - confidence) and error: 1 where doubt orders cells as their errors do, 0 by chance."""
    return float(spearmanr(1.0 - cells.confidence, cells.error).statistic)


def area_under_curve(cells: Cells) -> float | None:
    """The chance that a cell that errs is doubted more than one that does not, 0.5 by chance; None where none errs."""
    bad = cells.error > _BAD * cells.median
    many = int(bad.sum())
    if not 0 < many < len(bad):
        return None
    ranks = rankdata(1.0 - cells.confidence)
    return float((ranks[bad].sum() - many * (many + 1) / 2) / (many * (len(bad) - many)))


def by_confidence(cells: list[Cells]) -> list[tuple[float, float, float, float]]:
    """For each tenth of confidence: share of all cells, mean error, error over the usual of its case, and as foretold; these
    two are root mean squares. NaN where there is no cell."""
    confidence = np.concatenate([one.confidence for one in cells])
    error = np.concatenate([one.error for one in cells])
    relative = np.concatenate([one.error / one.usual for one in cells])
    rows = []
    for low, high in itertools.pairwise(EDGES):
        here = (confidence >= low) & ((confidence < high) | (high == EDGES[-1]))
        told = _root_mean_square(1.0 / np.maximum(confidence[here], 1e-3))
        rows.append((float(here.mean()), _mean(error[here]), _root_mean_square(relative[here]), told))
    return rows


def _mean(values: FloatArray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _root_mean_square(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) if len(values) else float("nan")


def page(found: dict[str, list[tuple[str, Cells, float]]], seconds: float) -> str:
    """The page; ``found`` lists, by setting, cases with their cells and the share of their frames that was left out."""
    version = f"Python {platform.python_version()}"
    lines = [
        "# Confidence", "",
        f"{datetime.date.today().isoformat()}, {processor()}, {len(os.sched_getaffinity(0))} processors, {version}. "
        f"Written by `bench/confidence.py` in {seconds:.0f} s of processor time.", "",
        "Judged frames of simulated elements, without the flicker of whole frames, recovered by what a chroma training starts",
        "with, in cells of 8x8 pixels. Pairs without a hue teach nothing of it, but their density balance is fitted on all of",
        "it. Error is CIEDE2000 of a cell's mean colour to the truth under the kept luma. *Rank correlation* is Spearman's of",
        f"doubt and error; *AUC* the chance that a cell that errs, with more than {_BAD:g} times the median error of familiar",
        "cells, is doubted more than one that does not: 0.5 is chance, 1 perfect. *Doubted*: confidence below 0.5.",
    ]  # fmt: skip
    titles = {"all": "Fitted on all pairs", "without a hue": "Fitted on the pairs without one hue"}
    for setting, cases in found.items():
        head = ("case", "left out of the frames", "doubted", "rank correlation", "AUC", "mean ΔE, doubted", "mean ΔE, others")
        lines += ["", f"## {titles[setting]}", "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
        for name, cells, share in cases:
            low = cells.confidence < 0.5
            figures = (f"{share:.0%}", f"{low.mean():.1%}", _text(rank_correlation(cells)), _text(area_under_curve(cells)),
                       _text(_mean(cells.error[low])), _text(_mean(cells.error[~low])))  # fmt: skip
            lines.append(f"| {' | '.join([name, *figures])} |")
        lines += ["", "All cases together; *error over the usual* is the root mean square in units of that of a case's",
                  "familiar cells, fitted on all pairs, *foretold* what the layer says of it, one over confidence:", "",
                  "| confidence | cells | mean ΔE | error over the usual | foretold |", "|---|---|---|---|---|"]  # fmt: skip
        rows = by_confidence([cells for _, cells, _ in cases])
        for (low_edge, high_edge), row in zip(itertools.pairwise(EDGES), rows, strict=True):
            share_of_all, *others = row
            lines.append(f"| {low_edge:.1f}–{high_edge:.1f} | {share_of_all:.1%} | {' | '.join(map(_text, others))} |")
    return "\n".join(lines) + "\n"


def _text(value: float | None) -> str:
    return "–" if value is None or np.isnan(value) else f"{value:.2f}"


def main() -> None:
    """Measure all cases, or those named with ``--only``, and write the page; with ``--only`` it is printed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAME", help="part of a case's name; the page is then printed and not written")
    wanted = parser.parse_args().only
    begin = time.process_time()
    found: dict[str, list[tuple[str, Cells, float]]] = {"all": [], "without a hue": []}
    for recipe in USUAL:
        if wanted is not None and wanted not in recipe.name:
            continue
        case, name = simulated(recipe), f"{recipe.footage}-{recipe.elements}"
        cells, lacking, share = measure_case(case)
        found["all"].append((name, cells, 0.0))
        if lacking is not None:
            found["without a hue"].append((name, lacking, share))
        print(f"{name}: {time.process_time() - begin:.0f} s", flush=True)
    text = page(found, time.process_time() - begin)
    if wanted is None:
        PAGE.write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
