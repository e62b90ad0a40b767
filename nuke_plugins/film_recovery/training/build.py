"""The graph that a training begins with: everything that the pairs tell before the first step."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from film_recovery.contract.job import TrainingJob
from film_recovery.images.colour import rgb_to_ycbcr
from film_recovery.images.encodings import encode, from_linear, to_linear
from film_recovery.pairs.balance import DensityBalance
from film_recovery.pairs.dataset import Dataset, Pair
from film_recovery.training.context_fit import fit_context
from film_recovery.training.data import prepare
from film_recovery.training.graph import RecoveryGraph
from film_recovery.training.initial import initial_weights, take_weights
from film_recovery.training.parts import LEARNED_AREA, STATISTICS_AREA, tiles_of
from film_recovery.training.softness import LARGEST, softest
from film_recovery.training.start import fit_start

FloatArray = npt.NDArray[np.float32]


def build_graph(job: TrainingJob, dataset: Dataset, *, tolerant: bool = True) -> RecoveryGraph:
    """The graph that a training begins with: balance, closed-form start and statistics from the job's training pairs, and the
    network with the initial weights that the job asks for; without any its correction is zero. Raises as
    :func:`film_recovery.training.initial.take_weights` does.

    ``tolerant`` as for :func:`fit_start`.
    """
    manifest = dataset.manifest
    balance = DensityBalance.from_numbers(manifest.balance) if manifest.balance else None
    pairs = [(pair.source, pair.target, pair.trust) for pair in dataset.training]
    columns: list[list[Any]] = [list(column) for column in zip(*pairs, strict=True)]
    start = fit_start(
        job.task, columns[0], columns[1], manifest.matrix, job.seed, trust=columns[2], tolerant=tolerant,
        softest=_softest(dataset, balance) if job.task == "chroma" and tolerant else LARGEST,
        unbalanced=None if balance else manifest.encoding,
        code=(lambda source: _coded(source, manifest.encoding, balance), lambda target: _coded(target, manifest.encoding)),
    )  # fmt: skip
    graph = RecoveryGraph(
        job.task, size=job.size, encoding=manifest.encoding, matrix=manifest.matrix, balance=balance, start=start
    )
    parts = tiles_of(columns[0], columns[1], columns[2], STATISTICS_AREA)
    prepared = [prepare(graph, Pair(0, False, part[0], part[1], part[1], part[2]), torch.device("cpu")) for part in parts]
    features = torch.cat([part.features.flatten(1)[:, ::7] for part in prepared], dim=1)
    change = torch.cat([(part.target - part.features[3:]).flatten(1)[:, ::7] for part in prepared], dim=1)
    trust = torch.cat([part.trust.flatten(1)[:, ::7] for part in prepared], dim=1)  # text and masks are no usual change
    usual = (change.abs() * trust).sum(1) / trust.sum().clamp_min(1e-6)
    graph.standardise(features.mean(1), features.std(1).clamp_min(1e-3), usual.clamp_min(1e-3))
    if start.context is not None:
        fit_context(graph, columns[0], columns[1], columns[2], job.seed)
    weights = initial_weights(job)
    if weights is not None:
        take_weights(graph, weights)
    return graph.eval()


def _softest(dataset: Dataset, balance: DensityBalance | None) -> float:
    """How much softer than the sources' the references' colour can be, pixels."""
    manifest, luma, reference = dataset.manifest, [], []
    sources, references = ([getattr(pair, side) for pair in dataset.training] for side in ("source", "reference"))
    for ours, theirs, _, _ in tiles_of(sources, references, [pair.trust for pair in dataset.training], LEARNED_AREA):
        coded = (_coded(ours, manifest.encoding, balance), _coded(theirs, manifest.encoding))
        ycc = [rgb_to_ycbcr(picture, manifest.matrix).transpose(2, 0, 1) for picture in coded]
        luma.append(ycc[0][0])
        reference.append(ycc[1])
    return softest(luma, reference)


def _coded(picture: FloatArray, encoding: str, balance: DensityBalance | None = None) -> FloatArray:
    balanced = from_linear(balance.apply(to_linear(picture, encoding)), encoding) if balance else picture
    return np.asarray(encode(balanced, encoding), np.float32)
