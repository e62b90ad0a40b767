"""What ``spatial.py`` trains and judges on: a soft 16 mm print and a sharp 35 mm internegative of pictures that are known.

The reference is laid on the source by the true geometry, so that recovery is measured and not alignment; both have grain.
Frames to judge by lie between those to learn from. Made once and kept in the cache, as halves.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from learning_cases import KEPT_COLOUR, Recipe, laid, made_once
from learning_cases import footage as pictures_of
from tolerance import CACHE

from film_elements.elements import ElementSimulator
from film_elements.parameters import Element, internegative_35mm, print_16mm
from film_recovery.contract.steady import BESIDE
from film_recovery.pairs.confidence import pair_trust
from film_recovery.pairs.dataset import Dataset, Pair
from film_recovery.pairs.manifest import Manifest
from film_recovery.pairs.targets import make_target

SIZE = (480, 270)
INNER = (slice(11, 259), slice(16, 464))  # without the scan borders
PAIRS, JUDGED = 33, 4  # to learn from at most, and to judge by
_STILL_FRAMES = 80
# The internegative's colour is kept here: what the fading of dyes does to luma is another figure than detail.
_REFERENCE = dataclasses.replace(internegative_35mm(), fading=KEPT_COLOUR)
_PRINT = print_16mm()
# As soft in the pixels of this small picture as a 16 mm print of one more generation is in a scan twice as wide.
_SOFT = dataclasses.replace(_PRINT, stages_lp_mm=tuple(0.6 * stage for stage in _PRINT.stages_lp_mm))
ELEMENTS: dict[str, Element] = {"print": _PRINT, "soft": _SOFT}
FloatArray = npt.NDArray[np.float32]


RECIPES = (
    Recipe("rabbit", "print"), Recipe("street", "print"), Recipe("street", "soft"),
    Recipe("coffee", "print"), Recipe("motorcycle", "soft"),
)  # fmt: skip


@dataclass(frozen=True)
class SpatialCase:
    """Pictures (H, W, 3) in linear light: ``pairs`` source and reference to learn from and ``held_out`` one more; of the frames
    to judge by ``sources``, with those beside by their distance, 0 the frame's own, ``references`` and the ``truths`` behind
    both, all in the source's geometry."""

    name: str
    pairs: list[tuple[FloatArray, FloatArray]]
    held_out: tuple[FloatArray, FloatArray]
    sources: list[dict[int, FloatArray]]
    references: list[FloatArray]
    truths: list[FloatArray]

    def dataset(self, count: int) -> Dataset:
        """``count`` pairs spread evenly over those to learn from, and the held-out one; believed as the product believes."""
        chosen = [self.pairs[place] for place in _spread(len(self.pairs), count)]
        pairs = []
        for number, (source, reference) in enumerate([*chosen, self.held_out]):
            target = make_target("spatial", source, reference, "display", "709")
            trust = pair_trust(source, reference, "display")
            pairs.append(Pair(number, number == count, source, reference, target, trust))
        height, width = pairs[0].source.shape[:2]
        manifest = Manifest("spatial", "display", "709", "chroma", None, [0, 0, width, height], "", "", 0, {}, [], [])
        return Dataset(manifest, pairs)


def simulated(recipe: Recipe) -> SpatialCase:
    """Make a case, or take it from the cache."""
    parts = made_once(CACHE / "spatial" / f"{recipe.name}-{SIZE[0]}-{BESIDE}.npz", lambda: _simulate(recipe))
    pairs = list(zip(parts["source"], parts["reference"], strict=True))
    many = 2 * BESIDE + 1
    runs = [parts["judged"][first : first + many] for first in range(0, len(parts["judged"]), many)]
    sources = [dict(zip(range(-BESIDE, BESIDE + 1), run, strict=True)) for run in runs]
    return SpatialCase(recipe.name, pairs[:-1], pairs[-1], sources, parts["judged_reference"], parts["truth"])


def _simulate(recipe: Recipe) -> dict[str, npt.NDArray[np.float16]]:
    pictures = pictures_of(recipe.footage, SIZE, _STILL_FRAMES)
    simulators = [ElementSimulator(one, SIZE, recipe.seed) for one in (ELEMENTS[recipe.elements], _REFERENCE)]
    places = np.linspace(0, len(pictures) - 1, PAIRS + 1 + JUDGED).astype(int).tolist()
    judged = places[4 :: len(places) // JUDGED][:JUDGED]
    learned = [place for place in places if place not in judged]
    learned.append(learned.pop(len(learned) // 2))
    parts: dict[str, list[FloatArray]] = {}
    beside = [place + away for place in judged for away in range(-BESIDE, BESIDE + 1)]
    kinds = ((("source", "reference", ""), learned), (("", "judged_reference", "truth"), judged), (("judged", "", ""), beside))
    for names, frames in kinds:
        for index in frames:
            ours, theirs = (simulator.simulate(pictures[index], index) for simulator in simulators)
            for name, picture in zip(names, (ours.scan, laid(ours, theirs), ours.truth), strict=True):
                if name:
                    parts.setdefault(name, []).append(picture)
    return {name: np.stack([picture[INNER] for picture in part]).astype(np.float16) for name, part in parts.items()}


def _spread(many: int, count: int) -> list[int]:
    return [(2 * place + 1) * many // (2 * count) for place in range(count)]
