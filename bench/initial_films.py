"""What ``initial_weights.py`` learns from: simulated pairs of stills that permissive packages carry.

``learning.py`` and ``spatial.py`` judge by none of them as they are usually run. Fades, gauges, softness, grain and colours are
drawn by chance. Pairs are laid on each other by the true geometry.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import cv2
import matplotlib.cbook
import numpy as np
import numpy.typing as npt
import skimage.data
from learning_cases import KEPT_COLOUR, PAIRS, PRETRAINED_ON, laid
from selection import STILLS
from tolerance import INNER, SIZE

from film_elements.clip import moving_still
from film_elements.elements import ElementSimulator
from film_elements.parameters import Element, ElementPair, Fading, internegative_35mm, print_16mm
from film_recovery.images.encodings import decode
from film_recovery.pairs.balance import fit_balance
from film_recovery.pairs.confidence import pair_trust
from film_recovery.pairs.dataset import Dataset, Pair
from film_recovery.pairs.manifest import Manifest
from film_recovery.pairs.targets import make_target

_VARIANTS = {"chroma": 6, "spatial": 12}  # simulated films of each still
_FRAMES = 24
_SOFTNESS, _GRAIN, _REFERENCE_GRAIN, _GRAIN_SIZE = (0.3, 1.8), (0.3, 1.8), (0.3, 2.5), (0.7, 1.6)  # of the usual, at random
FloatArray = npt.NDArray[np.float32]


def stills(task: str) -> dict[str, FloatArray]:
    """Coded RGB by name; gray ones teach detail as well."""
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as stream:
        portrait = cv2.cvtColor(cv2.imdecode(np.frombuffer(stream.read(), np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    found = {name: STILLS[name]() for name in PRETRAINED_ON}
    found |= {"tissue": skimage.data.immunohistochemistry(), "portrait": portrait}
    if task == "spatial":
        gray = {name: getattr(skimage.data, name)() for name in ("camera", "brick", "grass", "gravel", "coins")}
        found |= {name: np.repeat(picture[..., None], 3, axis=-1) for name, picture in gray.items()}
    return {name: np.asarray(picture[..., :3], np.float32) / np.float32(255.0) for name, picture in found.items()}


def films(task: str) -> Iterator[Dataset]:
    """Simulated films of every still: for chroma balanced, for spatial a soft print and a sharp internegative."""
    for name, picture in stills(task).items():
        for variant in range(_VARIANTS[task]):
            sources, references = _simulate(task, picture, _number(name) % 10_000 + variant)
            balance = fit_balance(sources, references) if task == "chroma" else None
            pairs = []
            for number, (source, reference) in enumerate(zip(sources, references, strict=True)):
                target = make_target(task, balance.apply(source) if balance else source, reference, "display", "709")
                trust = None if balance else pair_trust(source, reference, "display")
                pairs.append(Pair(number, False, source, reference, target, trust))
            height, width = pairs[0].source.shape[:2]
            kept, numbers = ("luma", balance.numbers) if balance else ("chroma", None)
            yield Dataset(Manifest(task, "display", "709", kept, numbers, [0, 0, width, height], "", "", 0, {}, [], []), pairs)


def _number(name: str) -> int:
    """A number of a name, the same in every process."""
    return int.from_bytes(name.encode()[:6], "big")


def _other_colours(picture: FloatArray, random: np.random.Generator) -> FloatArray:
    """The picture with its channels exchanged and their contrast changed, so that colours stand for nothing."""
    exchanged = picture[..., random.permutation(3)]
    return np.asarray(exchanged ** random.uniform(0.7, 1.4, 3).astype(np.float32), np.float32)


def _faded_and_colourful(random: np.random.Generator) -> tuple[Element, Element]:
    """A faded element and one that kept its colour, either way round."""
    kept = tuple(float(share) for share in random.uniform(0.1, 0.95, 3))
    if random.random() < 0.6:
        pair = ElementPair(internegative_35mm(kept), print_16mm())  # type: ignore[arg-type]
        return pair.sharp, pair.colourful
    stain = tuple(float(density) for density in random.uniform(0.0, 0.06, 3))
    uneven = float(random.uniform(0.0, 0.05))
    faded = dataclasses.replace(print_16mm(), fading=Fading(kept, stain, uneven), name="faded")  # type: ignore[arg-type]
    return faded, dataclasses.replace(internegative_35mm(), fading=KEPT_COLOUR)


def _soft_and_sharp(random: np.random.Generator) -> tuple[Element, Element]:
    """A print as soft and grainy, and an internegative as grainy, as such elements are."""
    soft, sharp = print_16mm(), dataclasses.replace(internegative_35mm(), fading=KEPT_COLOUR)
    softness, coarse, fine = (
        float(np.exp(random.uniform(*np.log(limits)))) for limits in (_SOFTNESS, _GRAIN, _REFERENCE_GRAIN)
    )
    size = float(random.uniform(*_GRAIN_SIZE))
    grain = dataclasses.replace(
        soft.grain, rms_granularity=coarse * soft.grain.rms_granularity, size_um=size * soft.grain.size_um
    )
    soft = dataclasses.replace(soft, grain=grain, stages_lp_mm=tuple(softness * stage for stage in soft.stages_lp_mm))
    grain = dataclasses.replace(sharp.grain, rms_granularity=fine * sharp.grain.rms_granularity)
    return soft, dataclasses.replace(sharp, grain=grain)


def _simulate(task: str, picture: FloatArray, seed: int) -> tuple[list[FloatArray], list[FloatArray]]:
    random = np.random.default_rng(seed)
    linear = np.asarray(decode(_other_colours(picture, random), "display"), np.float32)
    elements = _faded_and_colourful(random) if task == "chroma" else _soft_and_sharp(random)
    simulators = [ElementSimulator(element, SIZE, seed) for element in elements]
    sources, references = [], []
    for index, frame in enumerate(moving_still(linear, SIZE, _FRAMES, float(random.uniform(0.4, 0.9)))):
        if index % (_FRAMES // PAIRS) == 0:
            ours, theirs = (simulator.simulate(frame, index) for simulator in simulators)
            sources.append(ours.scan[INNER])
            references.append(laid(ours, theirs)[INNER])
    return sources, references
