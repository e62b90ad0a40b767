"""What ``learning.py`` compares: closed-form methods, the product's training, and a plain network trained by the same code.

The plain network is of CopyCat's kind: an RGB U-Net that adds a residual, with no start, no kept component and no statistics
but those of its inputs. It sees the same balanced pictures, pairs, crops, schedule and seconds, and the
same loss but for what the start knows: that references are soft, and that they flicker.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from film_recovery.contract.job import TrainingJob
from film_recovery.images.encodings import encode
from film_recovery.inference.session import InferenceOptions, ModelSession
from film_recovery.inference.tiles import recover
from film_recovery.modelfile.load import load_model
from film_recovery.pairs.balance import DensityBalance
from film_recovery.pairs.dataset import Dataset, Pair, apply_balance
from film_recovery.pairs.lut import ColourLut
from film_recovery.review.baselines import fit_from_pairs
from film_recovery.training.build import build_graph
from film_recovery.training.data import prepare
from film_recovery.training.graph import RecoveryGraph
from film_recovery.training.loop import train_dataset
from film_recovery.training.monitor import run_graph

FloatArray = npt.NDArray[np.float32]
Recover = Callable[[FloatArray], FloatArray]
_WIDTHS = (24, 48, 96, 192)
_TIMED_HEIGHT = 1080


@dataclass(frozen=True)
class Method:
    """A fitted method: working space to working space, (H, W, 3); ``facts`` about how it came about."""

    apply: Recover
    facts: dict[str, float] = field(default_factory=dict)


def closed_form(dataset: Dataset) -> dict[str, Method]:
    """The baselines of the review, by name, and ``start``, what our training begins with; fitted on the training pairs."""
    manifest = dataset.manifest
    numbers = manifest.balance
    balance = DensityBalance.from_numbers(numbers) if numbers else DensityBalance.identity()
    pairs = dataset.training
    fitted = fit_from_pairs(
        [pair.source for pair in pairs], [pair.reference for pair in pairs], manifest.encoding, manifest.matrix, balance
    )
    start = build_graph(TrainingJob("chroma", "", "", steps=1, device="cpu"), dataset)
    return {**{one.name: Method(one.apply) for one in fitted}, "start": Method(lambda rgb: run_graph(start, rgb))}


def kept_luma(dataset: Dataset, source: FloatArray) -> FloatArray:
    """The coded picture whose luma a recovery keeps: the balanced source."""
    manifest = dataset.manifest
    balance = DensityBalance.from_numbers(manifest.balance) if manifest.balance else None
    balanced = apply_balance(source, balance, manifest.encoding) if balance else source
    return np.asarray(encode(balanced, manifest.encoding), np.float32)


def trained(
    kind: str, dataset: Dataset, seconds: float, seed: int, folder: Path, initial_weights: str = "auto"
) -> Method:
    """Train ``ours`` or ``plain_rgb`` in ``folder`` for ``seconds`` on the CPU, and load the model that is handed out.

    The time is what the training is told; ``facts`` hold what it took with the start and the export.
    """
    task = dataset.manifest.task if kind == "ours" else "as-is"
    job = TrainingJob(task, "", "", minutes=seconds / 60.0, seed=seed, device="cpu", initial_weights=initial_weights)
    begin = time.process_time()
    result = train_dataset(job, folder, dataset, make_graph=None if kind == "ours" else plain_graph)
    used = time.process_time() - begin
    model = load_model(result.model)
    session = ModelSession(model, InferenceOptions(device="cpu"))
    card = model.card
    facts = {"seconds": result.seconds, "steps": float(result.steps), "processors": used / result.seconds}
    return Method(lambda rgb: recover(session.run, rgb, None, card.receptive_field, card.multiple), facts)


def closed_form_seconds(dataset: Dataset) -> dict[str, float]:
    """Seconds to fit our closed-form start, and one colour table, on these pairs enlarged to 1080 lines."""
    pairs = [_enlarged(pair) for pair in dataset.training]
    large = Dataset(dataset.manifest, pairs)
    begin = time.perf_counter()
    build_graph(TrainingJob("chroma", "", "", steps=1, device="cpu"), large)
    start = time.perf_counter() - begin
    encoding = dataset.manifest.encoding
    sources = [kept_luma(dataset, pair.source) for pair in pairs]
    targets = [np.asarray(encode(pair.target, encoding), np.float32) for pair in pairs]
    begin = time.perf_counter()
    ColourLut.fit(sources, targets)
    return {"start": start, "lut": time.perf_counter() - begin}


def _enlarged(pair: Pair) -> Pair:
    height, width = pair.source.shape[:2]
    size = (round(width * _TIMED_HEIGHT / height), _TIMED_HEIGHT)
    parts = (cv2.resize(part, size, interpolation=cv2.INTER_LINEAR) for part in (pair.source, pair.reference, pair.target))
    return Pair(pair.frame, pair.held_out, *(np.asarray(part, np.float32) for part in parts))


class PlainNetwork(nn.Module):
    """A U-Net of four levels, two 3x3 convolutions each: standardised RGB (B, 3 of ``inputs``, H, W) to a change of RGB."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.inputs, self.outputs = inputs, 3
        pairs = list(itertools.pairwise(_WIDTHS))
        self.encode = nn.ModuleList([_twice(3, _WIDTHS[0]), *(_twice(fine, coarse) for fine, coarse in pairs)])
        self.up = nn.ModuleList([nn.ConvTranspose2d(coarse, fine, 2, stride=2) for fine, coarse in pairs])
        self.decode = nn.ModuleList([_twice(2 * fine, fine) for fine, _ in pairs])
        self.last = nn.Conv2d(_WIDTHS[0], 3, 1, bias=False)
        nn.init.zeros_(self.last.weight)

    def forward(self, x_BCHW: torch.Tensor) -> torch.Tensor:
        x, beside = x_BCHW[:, :3], []
        for level, block in enumerate(self.encode):
            x = block(x if level == 0 else functional.max_pool2d(x, 2))
            beside.append(x)
        for level in reversed(range(len(self.up))):
            x = self.decode[level](torch.cat([self.up[level](x), beside[level]], dim=1))
        change: torch.Tensor = self.last(x)
        return change

    @property
    def receptive_field(self) -> int:
        """Radius in pixels, an upper bound: four convolutions and an enlargement a level."""
        return sum(5 * 2**level for level in range(len(_WIDTHS)))


def _twice(inputs: int, outputs: int) -> nn.Sequential:
    layers = (nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.Conv2d(outputs, outputs, 3, padding=1), nn.ReLU())
    return nn.Sequential(*layers)


def plain_graph(job: TrainingJob, dataset: Dataset) -> RecoveryGraph:
    """The plain network in the graph that is trained and exported: RGB stays RGB, and the start changes nothing."""
    manifest = dataset.manifest
    balance = DensityBalance.from_numbers(manifest.balance) if manifest.balance else None
    graph = RecoveryGraph(job.task, size=job.size, encoding=manifest.encoding, matrix=manifest.matrix, balance=balance)
    graph.network = PlainNetwork(graph.network.inputs)
    for matrix in (graph.to_ycc, graph.to_rgb):
        matrix.copy_(torch.eye(3)[:, :, None, None])
    prepared = [prepare(graph, pair, torch.device("cpu")) for pair in dataset.training]
    features = torch.cat([pair.features.flatten(1) for pair in prepared], dim=1)
    change = torch.cat([(pair.target - pair.features[3:]).flatten(1) for pair in prepared], dim=1)
    graph.standardise(features.mean(1), features.std(1).clamp_min(1e-3), change.abs().mean(1).clamp_min(1e-3))
    return graph.eval()
