"""Make the initial weights that are shipped: ``.venv/bin/python bench/initial_weights.py`` trains them on simulated pairs.

Many simulated elements, of stills that permissive packages carry and that ``learning.py`` does not judge by as it is usually
run, with fades, gauges and colours drawn by chance; each keeps its own closed-form start, and one network learns to correct
them all. What it has learned to look at is written to ``models/initial_chroma_<size>.safetensors``, which a training of that
task and size begins with; what it made of it is not: a new film begins with its own start and no correction.

    --sizes medium     which networks
    --minutes 10       of training for each
    --judge            instead: how soon a new film gets as good as it does without them; writes ``initial_weights.md``
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import datetime
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import matplotlib.cbook
import numpy as np
import numpy.typing as npt
import skimage.data
import torch
from learning_cases import PAIRS, PRETRAINED_ON, USUAL, laid, made_once, simulated
from learning_figures import judge
from learning_methods import closed_form, trained
from selection import STILLS, processor
from tolerance import CACHE, INNER, SIZE
from torch import nn

from film_elements.clip import moving_still
from film_elements.elements import ElementSimulator
from film_elements.parameters import Element, ElementPair, Fading, internegative_35mm, print_16mm
from film_recovery.contract.atomic import write_text
from film_recovery.contract.job import TrainingJob
from film_recovery.images.encodings import decode
from film_recovery.pairs.balance import fit_balance
from film_recovery.pairs.dataset import Dataset, Pair
from film_recovery.pairs.manifest import Manifest
from film_recovery.pairs.targets import make_target
from film_recovery.training.build import build_graph
from film_recovery.training.checkpoint import CheckpointInfo, save_checkpoint
from film_recovery.training.data import PreparedPair, cut, draw_crops, levelled, prepare
from film_recovery.training.graph import RecoveryGraph
from film_recovery.training.initial import SHIPPED, with_share
from film_recovery.training.losses import recovery_loss
from film_recovery.training.network import SIZES

PAGE = Path(__file__).with_suffix(".md")
_VARIANTS = 6  # simulated films of each still
_FRAMES = 24
_PATCH, _BATCH, _RATE, _EMA, _WARM_UP = 128, 8, 1e-3, 0.999, 200
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Film:
    """One simulated film: the graph with its own start, around the network that all share, and its pairs."""

    graph: RecoveryGraph
    pairs: list[PreparedPair]


def stills() -> dict[str, FloatArray]:
    """Coded RGB, none of them judged by in the usual run of ``learning.py``."""
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as stream:
        portrait = cv2.cvtColor(cv2.imdecode(np.frombuffer(stream.read(), np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    found = {name: STILLS[name]() for name in PRETRAINED_ON}
    found |= {"tissue": skimage.data.immunohistochemistry(), "portrait": portrait}
    return {name: np.asarray(picture[..., :3], np.float32) / np.float32(255.0) for name, picture in found.items()}


def other_colours(picture: FloatArray, random: np.random.Generator) -> FloatArray:
    """The picture with its channels exchanged and their contrast changed, so that colours stand for nothing."""
    exchanged = picture[..., random.permutation(3)]
    return np.asarray(exchanged ** random.uniform(0.7, 1.4, 3).astype(np.float32), np.float32)


def elements(random: np.random.Generator) -> ElementPair:
    """A faded element and one that kept its colour, either way round."""
    kept = tuple(float(share) for share in random.uniform(0.1, 0.95, 3))
    if random.random() < 0.6:
        return ElementPair(internegative_35mm(kept), print_16mm())  # type: ignore[arg-type]
    stain = tuple(float(density) for density in random.uniform(0.0, 0.06, 3))
    uneven = float(random.uniform(0.0, 0.05))
    faded = dataclasses.replace(print_16mm(), fading=Fading(kept, stain, uneven), name="faded")  # type: ignore[arg-type]
    kept_well: Element = dataclasses.replace(internegative_35mm(), fading=Fading((0.98, 0.99, 0.985), (0.003, 0.005, 0.008)))
    return ElementPair(faded, kept_well)


def films() -> Iterator[Dataset]:
    """Simulated pairs, balanced, on each other by the true geometry; made once."""
    for name, picture in stills().items():
        for variant in range(_VARIANTS):
            seed = _number(name) % 10_000 + variant
            path = CACHE / "learning" / "initial" / f"{name}-{variant}.npz"
            parts = made_once(path, lambda picture=picture, seed=seed: _simulate(picture, seed))
            balance = fit_balance(parts["source"], parts["reference"])
            pairs = []
            for number, (source, reference) in enumerate(zip(parts["source"], parts["reference"], strict=True)):
                target = make_target("chroma", balance.apply(source), reference, "display", "709")
                pairs.append(Pair(number, False, source, reference, target))
            height, width = pairs[0].source.shape[:2]
            manifest = Manifest(
                "chroma", "display", "709", "luma", balance.numbers, [0, 0, width, height], "", "", 0, {}, [], []
            )
            yield Dataset(manifest, pairs)


def _number(name: str) -> int:
    """A number of a name, the same in every process."""
    return int.from_bytes(name.encode()[:6], "big")


def _simulate(picture: FloatArray, seed: int) -> dict[str, npt.NDArray[np.float16]]:
    random = np.random.default_rng(seed)
    linear = np.asarray(decode(other_colours(picture, random), "display"), np.float32)
    pair, places = elements(random), range(0, _FRAMES, _FRAMES // PAIRS)
    faded, colourful = (ElementSimulator(one, SIZE, seed) for one in (pair.sharp, pair.colourful))
    parts: dict[str, list[FloatArray]] = {"source": [], "reference": []}
    for index, frame in enumerate(moving_still(linear, SIZE, _FRAMES, float(random.uniform(0.4, 0.9)))):
        if index in places:
            ours, theirs = faded.simulate(frame, index), colourful.simulate(frame, index)
            parts["source"].append(ours.scan[INNER])
            parts["reference"].append(laid(ours, theirs)[INNER])
    return {name: np.stack(part).astype(np.float16) for name, part in parts.items()}


def make_weights(size: str, seconds: float) -> None:
    """Train one network on all films, and write it."""
    job, made = TrainingJob("chroma", "", "", size=size, steps=1, device="cpu", initial_weights="none"), []
    torch.manual_seed(0)  # the first film's network is the one that is trained
    for dataset in films():
        graph = build_graph(job, dataset)
        pairs = [prepare(graph, pair, torch.device("cpu")) for pair in dataset.pairs]
        made.append(Film(graph, levelled(pairs)))
    print(f"{size}: {len(made)} films", flush=True)
    network = copy.deepcopy(made[0].graph.network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    steps, averaged = _train(network, made, seconds)
    info = CheckpointInfo("chroma", size, "display", "709", None, steps)
    weights = {name: tensor.to(torch.float16) for name, tensor in with_share(averaged.state_dict(), 0.0).items()}
    path = SHIPPED / f"initial_chroma_{size}.safetensors"
    save_checkpoint(path, info, {"best": weights})
    print(f"{path}: {steps} steps, {path.stat().st_size / 1e6:.1f} MB", flush=True)


def _train(network: nn.Module, made: list[Film], seconds: float) -> tuple[int, nn.Module]:
    """Steps done, and the averaged weights; the rate falls by a cosine over the time."""
    averaged = copy.deepcopy(network).requires_grad_(False)
    optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE, betas=(0.9, 0.99), weight_decay=1e-3, fused=True)
    begin, step, losses = time.monotonic(), 0, []
    while (spent := (time.monotonic() - begin) / seconds) < 1.0:
        film = made[int(np.random.Generator(np.random.Philox(key=[7, step])).integers(len(made)))]
        graph, softness = film.graph, float(film.graph.start.softness)
        crops = draw_crops(0, step, [pair.area for pair in film.pairs], _BATCH, _PATCH, True)
        features, target, trust = cut(film.pairs, crops, _PATCH)
        for group in optimiser.param_groups:
            group["lr"] = _RATE * min(1.0, (step + 1) / _WARM_UP) * 0.5 * (1.0 + float(np.cos(np.pi * spent)))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            standard = ((features - graph.mean) / graph.deviation).contiguous(memory_format=torch.channels_last)
            correction = network(standard)
        predicted = features[:, 3:] + graph.bounded(correction.float()) * graph.gain
        loss = recovery_loss("chroma", predicted, features[:, 3:], target, graph.gain, softness, trust)
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


def judged() -> str:
    """The page: how soon a film of ``learning.py`` is recovered as well with these weights as without them."""
    trainings = {"none, 20 s": ("none", 20.0), "shipped, 20 s": ("auto", 20.0), "none, 60 s": ("none", 60.0)}
    rows, lines = [], []
    for recipe in USUAL:
        case = simulated(recipe)
        figures = [float(str(judge("start", closed_form(case.dataset)["start"], case)["psnr"]))]
        for weights, seconds in trainings.values():
            with tempfile.TemporaryDirectory() as folder:
                method = trained("ours", case.dataset, seconds, 0, Path(folder) / "run", weights)
                figures.append(float(str(judge("ours", method, case)["psnr"])))
        rows.append(figures)
        lines.append(_row(recipe.name, figures))
        print(lines[-1], flush=True)
    machine = f"{processor()}, {len(os.sched_getaffinity(0))} processors"
    head = [
        "# Initial weights", "",
        f"{datetime.date.today().isoformat()}, {machine}. Written by `bench/initial_weights.py --judge`.", "",
        "PSNR of colour, dB, on frames not learned from, single frames, of the cases of `learning.py`, none of whose footage",
        "the weights have seen: the closed-form start, a training told 20 seconds without and with the weights in `models/`,",
        "and one told 60 seconds without them.", "",
        f"| {' | '.join(['case', 'start', *trainings])} |", "|---" * (2 + len(trainings)) + "|",
    ]  # fmt: skip
    return "\n".join([*head, *lines, _row("mean", np.mean(rows, axis=0))]) + "\n"


def _row(name: str, figures: Sequence[float] | npt.NDArray[np.float64]) -> str:
    return f"| {' | '.join([name, *(f'{figure:.2f}' for figure in figures)])} |"


def main() -> None:
    """Make the weights, or judge those that are there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="medium", help="small, medium, large, divided by commas")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--judge", action="store_true")
    arguments = parser.parse_args()
    if arguments.judge:
        write_text(PAGE, judged())
        return
    for size in arguments.sizes.split(","):
        if size not in SIZES:
            parser.error(f"'{size}' is not a size; choose of {', '.join(SIZES)}.")
        make_weights(size, arguments.minutes * 60.0)


if __name__ == "__main__":
    main()
