"""What ``film-recovery apply`` hands out, for benches that have pictures in memory and methods that are no model files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import numpy.typing as npt

from film_recovery.contract.card import ModelCard
from film_recovery.contract.steady import BESIDE
from film_recovery.inference.beside import ties_between
from film_recovery.inference.degrain import Averaged, average
from film_recovery.inference.shimmer import small_chroma, unsteadiness
from film_recovery.inference.steady import NO_DEVIATION, Steadiness, small_picture, steadied, with_kept_luma
from film_recovery.pairs.manifest import Manifest

FloatArray = npt.NDArray[np.float32]


def card_of(manifest: Manifest) -> ModelCard:
    """A card of what is recovered from such pairs."""
    return ModelCard("bench", "chroma", "luma", manifest.encoding, manifest.matrix, manifest.balance, "small", 0, 16, 1)


def handed_out(
    model: Callable[[FloatArray], FloatArray],
    sources: Mapping[int, FloatArray],
    wanted: Iterable[int],
    steadiness: Steadiness,
    card: ModelCard,
) -> dict[int, FloatArray]:
    """The wanted frames by number, steadied, (H, W, 3) in the working space as all pictures.

    ``sources`` holds them and those within ``BESIDE`` of them, ``steadiness`` knows the whole shot.
    """
    asked = set(wanted)
    near = [frame for frame in sorted(sources) if any(abs(frame - other) <= BESIDE for other in asked)]
    deviations = {frame: steadiness.deviation(frame) for frame in near}
    results = {frame: model(steadied(sources[frame], deviations[frame], card.encoding)) for frame in near}
    chroma = {frame: small_chroma(result, card.encoding, card.matrix) for frame, result in results.items()}
    found = {}
    for frame in sorted(asked):
        ties = [(one, chroma[one.frame]) for one in ties_between(frame, deviations, steadiness.picture)]
        change = unsteadiness(chroma[frame], ties, card.matrix) if ties else None
        found[frame] = with_kept_luma(results[frame], sources[frame], card, change)
    return found


def averaged(
    model: Callable[[FloatArray], FloatArray], sources: Mapping[int, FloatArray], frame: int, encoding: str
) -> tuple[FloatArray, Averaged]:
    """A frame's coded luma, (H, W), as ``model`` makes it of a picture, and what averaging does to it; ``sources`` holds the
    frame and those within ``BESIDE`` of it."""
    pictures = {number: small_picture(source, encoding) for number, source in sources.items()}
    ties = ties_between(frame, dict.fromkeys(sources, NO_DEVIATION), pictures.get)
    ours = model(sources[frame])
    return ours, average(ours, [(one, model(sources[one.frame])) for one in ties])
