"""What ``initial_weights.py`` learns from: simulated pairs of stills that permissive packages carry.

``spatial.py`` judges by none of them. Softness, grain and colours are drawn by chance. Pairs are laid on each other by the true
geometry.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import cv2
import matplotlib.cbook
import numpy as np
import numpy.typing as npt
import skimage.data
from learning_cases import KEPT_COLOUR, PAIRS, laid
from selection import STILLS
from tolerance import INNER, SIZE

from film_elements.clip import moving_still
from film_elements.elements import ElementSimulator
from film_elements.parameters import Element, internegative_35mm, print_16mm
from film_recovery.images.encodings import decode
from film_recovery.pairs.confidence import pair_trust
from film_recovery.pairs.dataset import Dataset, Pair
from film_recovery.pairs.manifest import Manifest
from film_recovery.pairs.targets import make_target

_COLOURED, _GRAY = ("cat", "rocket", "retina", "hubble"), ("camera", "brick", "grass", "gravel", "coins")
_VARIANTS = 12  # simulated films of each still
_FRAMES = 24
_SOFTNESS, _GRAIN, _REFERENCE_GRAIN, _GRAIN_SIZE = (0.3, 1.8), (0.3, 1.8), (0.3, 2.5), (0.7, 1.6)  # of the usual, at random
FloatArray = npt.NDArray[np.float32]


def stills() -> dict[str, FloatArray]:
    """Coded RGB by name."""
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as stream:
        portrait = cv2.cvtColor(cv2.imdecode(np.frombuffer(stream.read(), np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    found = {name: STILLS[name]() for name in _COLOURED}
    found |= {"tissue": skimage.data.immunohistochemistry(), "portrait": portrait}
    found |= {name: np.repeat(getattr(skimage.data, name)()[..., None], 3, axis=-1) for name in _GRAY}
    return {name: np.asarray(picture[..., :3], np.float32) / np.float32(255.0) for name, picture in found.items()}


def films() -> Iterator[Dataset]:
    """Simulated films of every still: a soft print and a sharp internegative."""
    for name, picture in stills().items():
        for variant in range(_VARIANTS):
            pairs = []
            for number, (source, reference) in enumerate(_simulate(picture, _number(name) % 10_000 + variant)):
                target = make_target("spatial", source, reference, "display", "709")
                pairs.append(Pair(number, False, source, reference, target, pair_trust(source, reference, "display")))
            height, width = pairs[0].source.shape[:2]
            area = [0, 0, width, height]
            yield Dataset(Manifest("spatial", "display", "709", "chroma", None, area, "", "", 0, {}, [], []), pairs)


def _number(name: str) -> int:
    """A number of a name, the same in every process."""
    return int.from_bytes(name.encode()[:6], "big")


def _other_colours(picture: FloatArray, random: np.random.Generator) -> FloatArray:
    """The picture with its channels exchanged and their contrast changed, so that colours stand for nothing."""
    exchanged = picture[..., random.permutation(3)]
    return np.asarray(exchanged ** random.uniform(0.7, 1.4, 3).astype(np.float32), np.float32)


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


def _simulate(picture: FloatArray, seed: int) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Source and reference of each pair."""
    random = np.random.default_rng(seed)
    linear = np.asarray(decode(_other_colours(picture, random), "display"), np.float32)
    simulators = [ElementSimulator(element, SIZE, seed) for element in _soft_and_sharp(random)]
    for index, frame in enumerate(moving_still(linear, SIZE, _FRAMES, float(random.uniform(0.4, 0.9)))):
        if index % (_FRAMES // PAIRS) == 0:
            ours, theirs = (simulator.simulate(frame, index) for simulator in simulators)
            yield ours.scan[INNER], laid(ours, theirs)[INNER]
