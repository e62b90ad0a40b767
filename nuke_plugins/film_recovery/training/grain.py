"""What the model card says of grain, so that a spatial recovery can be given some: the source's, or of the reference's kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from film_recovery.elements.spectrum import grain_by_level, grain_power
from film_recovery.pairs.dataset import Pair
from film_recovery.training.data import prepare
from film_recovery.training.evaluate import recover_learned
from film_recovery.training.graph import RecoveryGraph
from film_recovery.training.softness import measure_softness

_PAIRS, _SIDE = 4, 768  # measured at most, and the side of the middle of a picture that is looked at
_SMALLEST = 128  # pixels a side, for tiles enough


def measure_grain(graph: RecoveryGraph, pairs: Sequence[Pair]) -> dict[str, list[float]]:
    """Grain of coded luma for :attr:`ModelCard.grain`; empty for other tasks than spatial, and for pictures under 128 pixels.

    ``graph`` with the weights that are handed out, ``pairs`` those trained on. ``softness`` is the Gaussian blur, pixels, that
    takes the reference to the source; ``frequency`` in cycles per pixel; ``source``, ``reference`` and ``recovered`` the power
    of their grain there, white noise of variance v having v; ``level`` coded luma, and ``strength`` the reference's grain
    there as a share of its mean.
    """
    pairs = [pair for pair in pairs if min(pair.source.shape[:2]) >= _SMALLEST][:_PAIRS]
    if graph.task != "spatial" or not pairs:
        return {}
    sources, references, recovered = [], [], []
    for pair in pairs:
        prepared = prepare(graph, _middle(pair), graph.mean.device)
        sources.append(prepared.features[0].cpu().numpy())
        references.append(prepared.target[0].cpu().numpy())
        recovered.append(recover_learned(graph, prepared)[0, 0].cpu().numpy())
    left = [reference - ours for reference, ours in zip(references, recovered, strict=True)]
    frequency, remaining = grain_power(recovered)
    # What of the reference is coherent with what the recovery lacks of it: texture that both show cancels, grain does not.
    power = np.maximum(grain_power(references, recovered)[1] + grain_power(left, recovered)[1] - remaining, 0.0) / 2.0
    level, strength = grain_by_level(references)
    softness = measure_softness(references, [r[None] for r in references], [s[None] for s in sources])
    found = {"frequency": frequency, "source": grain_power(sources, recovered)[1], "reference": power,
             "recovered": remaining, "level": level, "strength": strength,
             "softness": np.asarray([softness])}  # fmt: skip
    return {name: [float(f"{value:.4g}") for value in values] for name, values in found.items()}


def _middle(pair: Pair) -> Pair:
    height, width = pair.source.shape[:2]
    top, left = max((height - _SIDE) // 2, 0), max((width - _SIDE) // 2, 0)
    parts = [np.ascontiguousarray(whole[top : top + _SIDE, left : left + _SIDE]) for whole in (pair.source, pair.target)]
    return Pair(pair.frame, pair.held_out, parts[0], parts[0], parts[1])
