"""Make the initial weights that are shipped: ``.venv/bin/python bench/initial_weights.py`` trains them on simulated pairs.

One network learns to correct the closed-form starts of many simulated films (``initial_films.py``). What it has learned to look
at is written to ``models/initial_spatial_<size>.safetensors``, which a spatial recovery of that size begins with; what it made
of it is not: a new film begins with its own start and no correction.

    --sizes medium     which networks
    --minutes 10       of training for each
    --judge            instead: how soon a new film gets as good as it does without them; writes ``initial_weights.md``
"""

from __future__ import annotations

import argparse
import copy
import datetime
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import spatial_cases
import torch
from initial_films import films
from learning_methods import Recover, trained
from selection import processor
from spatial import USUAL, figures
from spatial_methods import coded_luma
from torch import nn

from film_recovery.contract.atomic import write_text
from film_recovery.contract.job import TrainingJob
from film_recovery.training.build import build_graph
from film_recovery.training.checkpoint import CheckpointInfo, save_checkpoint
from film_recovery.training.data import PreparedPair, cut, draw_crops, prepare
from film_recovery.training.graph import RecoveryGraph
from film_recovery.training.initial import SHIPPED, with_share
from film_recovery.training.losses import recovery_loss
from film_recovery.training.monitor import run_graph
from film_recovery.training.network import SIZES, make_network

_UNWEIGHTED = TrainingJob("spatial", "", "", steps=1, device="cpu", initial_weights="none")
PAGE = Path(__file__).with_suffix(".md")
_FILMS, _PATCH, _RATE = 12, 96, 4e-3  # a crop of so many films a step, of so many pixels a side; learning rate
_EMA, _WARM_UP = 0.999, 200
_LEAST_CHANGE = 0.3  # mean square, in usual changes: crops of less do not count as much as others
_TRAININGS = {"none, 20 s": ("none", 20.0), "shipped, 20 s": ("auto", 20.0), "none, 60 s": ("none", 60.0)}


@dataclass(frozen=True)
class Film:
    """One simulated film: the graph with its own start, around the network that all share, and its pairs."""

    graph: RecoveryGraph
    pairs: list[PreparedPair]


def prepared() -> list[Film]:
    """All films, with their starts."""
    made = []
    for dataset in films():
        graph = build_graph(_UNWEIGHTED, dataset)
        made.append(Film(graph, [prepare(graph, pair, torch.device("cpu")) for pair in dataset.pairs]))
    print(f"{len(made)} films", flush=True)
    return made


def make_weights(size: str, made: Sequence[Film], seconds: float) -> None:
    """Train one network on all films, and write it."""
    torch.manual_seed(0)
    shape = made[0].graph.network
    network = make_network("spatial", shape.inputs, shape.outputs, size)
    steps, averaged = _train(network.to(memory_format=torch.channels_last), made, seconds)  # type: ignore[call-overload]
    info = CheckpointInfo("spatial", size, "display", "709", None, steps)
    weights = {name: tensor.to(torch.float16) for name, tensor in with_share(averaged.state_dict(), 0.0).items()}
    path = SHIPPED / f"initial_spatial_{size}.safetensors"
    save_checkpoint(path, info, {"best": weights})
    print(f"{path}: {steps} steps, {path.stat().st_size / 1e6:.1f} MB", flush=True)


def _train(network: nn.Module, made: Sequence[Film], seconds: float) -> tuple[int, nn.Module]:
    """Steps done, and the averaged weights; the rate falls by a cosine over the time."""
    averaged = copy.deepcopy(network).requires_grad_(False)
    optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE, betas=(0.9, 0.99), weight_decay=1e-3, fused=True)
    begin, step, losses = time.monotonic(), 0, []
    while (spent := (time.monotonic() - begin) / seconds) < 1.0:
        for group in optimiser.param_groups:
            group["lr"] = _RATE * min(1.0, (step + 1) / _WARM_UP) * 0.5 * (1.0 + float(np.cos(np.pi * spent)))
        loss = _loss(network, made, step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        decay = min(_EMA, (1.0 + step) / (10.0 + step))
        with torch.no_grad():
            for mean, weight in zip(averaged.parameters(), network.parameters(), strict=True):
                mean.lerp_(weight, 1.0 - decay)
        losses.append(float(loss.detach()))
        step += 1
        if step % 500 == 0:
            print(f"step {step}, loss {sum(losses[-500:]) / 500:.4f}", flush=True)
    return step, averaged


def _loss(network: nn.Module, made: Sequence[Film], step: int) -> torch.Tensor:
    """Of crops of some films, each in its own usual changes, which go through the network together."""
    random = np.random.Generator(np.random.Philox(key=[7, step]))
    chosen = [made[int(number)] for number in random.integers(len(made), size=_FILMS)]
    parts, standard = [], []
    for place, film in enumerate(chosen):
        areas = [pair.area for pair in film.pairs]
        parts.append(cut(film.pairs, draw_crops(0, step * _FILMS + place, areas, 1, _PATCH, True), _PATCH))
        standard.append((parts[-1][0] - film.graph.mean) / film.graph.deviation)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        corrections = network(torch.cat(standard).contiguous(memory_format=torch.channels_last))
    losses = []
    for film, (features, target, trust), correction in zip(chosen, parts, corrections.split(1), strict=True):
        graph, start = film.graph, features[:, 3:]
        predicted = start + correction.float() * graph.gain
        loss = recovery_loss(graph.task, predicted, start, target, graph.gain, float(graph.start.softness), trust)
        change = ((target - start) / graph.gain).square() * trust
        losses.append(loss / change.mean().clamp_min(_LEAST_CHANGE))  # crops with much to change would outweigh the others
    return torch.stack(losses).mean()


def judged() -> list[str]:
    """A table: how soon a film is recovered as well with these weights as without them."""
    rows, lines = [], []
    for recipe in spatial_cases.RECIPES:
        case = spatial_cases.simulated(recipe)
        dataset = case.dataset(USUAL)
        start = build_graph(_UNWEIGHTED, dataset)
        found = [_luma_psnr(case, lambda rgb, graph=start: run_graph(graph, rgb))]  # type: ignore[misc]
        for weights, seconds in _TRAININGS.values():
            with tempfile.TemporaryDirectory() as folder:
                found.append(_luma_psnr(case, trained("ours", dataset, seconds, 0, Path(folder) / "run", weights).apply))
        rows.append(found)
        lines.append(_row(recipe.name, found))
        print(lines[-1], flush=True)
    head = [f"| {' | '.join(['case', 'start', *_TRAININGS])} |", "|---" * (2 + len(_TRAININGS)) + "|"]
    return [*head, *lines, _row("mean", np.mean(rows, axis=0))]


def _luma_psnr(case: spatial_cases.SpatialCase, recover: Recover) -> float:
    return figures(case, lambda rgb: coded_luma(recover(rgb)))[0]


def _row(name: str, found: Sequence[float] | npt.NDArray[np.float64]) -> str:
    return f"| {' | '.join([name, *(f'{figure:.2f}' for figure in found)])} |"


def page() -> str:
    """What is published."""
    machine = f"{processor()}, {len(os.sched_getaffinity(0))} processors"
    return "\n".join([
        "# Initial weights", "",
        f"{datetime.date.today().isoformat()}, {machine}. Written by `bench/initial_weights.py --judge`.", "",
        "PSNR, dB, of coded luma, on frames not learned from, single frames, of the cases of `spatial.py`, none of whose",
        "footage the weights have seen: the closed-form start, a training told 20 seconds without and with the weights in",
        "`models/`, and one told 60 seconds without them. Medium size.", "", *judged(),
    ]) + "\n"  # fmt: skip


def main() -> None:
    """Make the weights, or judge those that are there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="medium", help="small, medium, large, divided by commas")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--judge", action="store_true")
    arguments = parser.parse_args()
    if arguments.judge:
        write_text(PAGE, page())
        return
    sizes = arguments.sizes.split(",")
    for size in sizes:
        if size not in SIZES:
            parser.error(f"'{size}' is not a size; choose of {', '.join(SIZES)}.")
    made = prepared()
    for size in sizes:
        make_weights(size, made, arguments.minutes * 60.0)


if __name__ == "__main__":
    main()
