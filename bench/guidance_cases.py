"""What ``guidance.py`` trains: sound pairs of simulated elements, and the same pairs spoiled on purpose.

The reference is laid on the source by the true geometry, so that whatever lies off was moved here. Footage is made once and
kept in the cache, as halves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import numpy.typing as npt
from learning_cases import ELEMENTS, laid, made_once
from PIL import Image, ImageDraw
from selection import STILLS
from tolerance import CACHE

from film_elements.clip import find_clip, load_clip, moving_still
from film_elements.elements import ElementSimulator
from film_recovery.images.colour import rgb_to_ycbcr, ycbcr_to_rgb
from film_recovery.images.drawing import font
from film_recovery.images.encodings import decode, encode
from film_recovery.pairs.balance import fit_balance
from film_recovery.pairs.confidence import pair_trust
from film_recovery.pairs.dataset import Dataset, Pair
from film_recovery.pairs.manifest import Manifest
from film_recovery.pairs.targets import make_target

SIZE = (384, 216)
INNER = (slice(10, 206), slice(16, 368))  # without the scan borders
COUNT, HELD_OUT = 8, (2, 5)  # frames of a footage, and the places of those held out
FIRST = 1001
_CLIPS = {"rabbit": ("bigbuckbunny.mp4", 128), "street": ("bikes.mp4", 240)}
FloatArray = npt.NDArray[np.float32]
Pictures = list[FloatArray]


@dataclass
class Material:
    """Frames of one footage: source and reference, linear light (H, W, 3) each, and which are held out."""

    numbers: list[int]
    sources: Pictures
    references: Pictures
    held_out: list[int]

    def training(self) -> list[int]:
        """Places of the pairs to learn from."""
        return [place for place, number in enumerate(self.numbers) if number not in self.held_out]

    def kept(self, places: list[int]) -> Material:
        """Only the pairs at these places."""
        return Material([self.numbers[p] for p in places], [self.sources[p] for p in places],
                        [self.references[p] for p in places], self.held_out)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One training: its pairs, the findings of which one must be named (none: it is sound), and how it is trained."""

    name: str
    what: str
    right: tuple[str, ...]
    make: Callable[[], Dataset]
    settings: dict[str, object] = field(default_factory=dict)


def material(footage: str, elements: str, seed: int) -> Material:
    """Eight frames spread over a footage, two of them held out."""
    parts = made_once(CACHE / "guidance" / f"{footage}-{elements}-{seed}.npz", lambda: _simulate(footage, elements, seed))
    numbers = [FIRST + 10 * place for place in range(COUNT)]
    return Material(numbers, parts["source"], parts["reference"], [numbers[place] for place in HELD_OUT])


def _simulate(footage: str, elements: str, seed: int) -> dict[str, npt.NDArray[np.float16]]:
    pictures, pair = _film(footage), ELEMENTS[elements]
    faded, colourful = (ElementSimulator(one, SIZE, seed) for one in (pair.sharp, pair.colourful))
    parts: tuple[Pictures, Pictures] = ([], [])
    for place in range(COUNT):
        index = (2 * place + 1) * len(pictures) // (2 * COUNT)
        ours, theirs = (simulator.simulate(pictures[index], index) for simulator in (faded, colourful))
        parts[0].append(ours.scan[INNER])
        parts[1].append(laid(ours, theirs)[INNER])
    return {name: np.stack(part).astype(np.float16) for name, part in zip(("source", "reference"), parts, strict=True)}


def _film(footage: str) -> Pictures:
    if footage in _CLIPS:
        file, frames = _CLIPS[footage]
        return load_clip(find_clip(CACHE, file), SIZE, frames, 1)
    linear = np.asarray(decode(STILLS[footage]()[..., :3].astype(np.float32) / 255.0, "display"), np.float32)
    return list(moving_still(linear, SIZE, 64, 0.55))


def dataset(found: Material) -> Dataset:
    """Pairs as the dataset folder would hold them."""
    learned = found.training()
    balance = fit_balance([found.sources[p] for p in learned], [found.references[p] for p in learned])
    pairs = []
    for number, source, reference in zip(found.numbers, found.sources, found.references, strict=True):
        target = make_target("chroma", balance.apply(source), reference, "display", "709")
        trust = pair_trust(source, reference, "display")
        pairs.append(Pair(number, number in found.held_out, source, reference, target, trust))
    height, width = found.sources[0].shape[:2]
    manifest = Manifest("chroma", "display", "709", "luma", balance.numbers, [0, 0, width, height], "", "", 0, {}, [], [])
    return Dataset(manifest, pairs)


def sound(found: Material) -> Material:
    """As it is."""
    return found


def single(found: Material) -> Material:
    """One pair to learn from."""
    return found.kept([found.training()[0], *(found.numbers.index(one) for one in found.held_out)])


def alike(found: Material) -> Material:
    """Three pairs to learn from, of which two repeat the first but for grain."""
    first, random = found.training()[0], np.random.default_rng(5)
    held = [found.numbers.index(one) for one in found.held_out]
    small = found.kept([first, first, first, *held])
    small.numbers = [FIRST, FIRST + 1, FIRST + 2, *(found.numbers[p] for p in held)]
    for place in (1, 2):
        for part in (small.sources, small.references):
            part[place] = np.asarray(part[place] * random.normal(1.0, 0.01, part[place].shape), np.float32)
    return small


def moved(found: Material, x: float, y: float, places: list[int] | None = None) -> Material:
    """References moved by so many pixels, all or those at ``places``, each in another direction."""
    references = list(found.references)
    for place in range(len(references)) if places is None else places:
        sign = (1.0, 1.0) if place % 2 else (-1.0, 1.0)
        matrix = np.array([[1.0, 0.0, sign[0] * x], [0.0, 1.0, sign[1] * y]])
        size = (references[place].shape[1], references[place].shape[0])
        references[place] = np.asarray(
            cv2.warpAffine(references[place], matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT), np.float32
        )
    return replace(found, references=references)


def lettered(found: Material, texts: tuple[str, ...], side: str, place: tuple[float, float], size: int) -> Material:
    """White letters on every picture of the ``source`` or the ``reference``, centred at ``place`` (shares of the picture)."""
    pictures = []
    for number, picture in enumerate(found.references if side == "reference" else found.sources):
        height, width = picture.shape[:2]
        mask = Image.new("L", (width, height))
        at = (place[0] * width, place[1] * height)
        ImageDraw.Draw(mask).text(at, texts[number % len(texts)], font=font(size, bold=True), fill=255, anchor="mm")
        cover = (np.asarray(mask, np.float32) / 255.0)[..., None]
        pictures.append(np.asarray(picture * (1.0 - cover) + 0.8 * cover, np.float32))
    return replace(found, references=pictures) if side == "reference" else replace(found, sources=pictures)


def subtitled(found: Material) -> Material:
    """A line of subtitles in every reference."""
    texts = ("You should not have come.", "And yet you came.", "It rained all night")
    return lettered(found, texts, "reference", (0.5, 0.9), 17)


def logo(found: Material) -> Material:
    """A mark in a corner of every source."""
    return lettered(found, ("TV-7",), "source", (0.87, 0.13), 24)


def clipped(found: Material, part: str, share: float = 0.12) -> Material:
    """The brightest ``share`` of one side cut off at one level, as an overexposed transfer does."""
    pictures = found.references if part == "reference" else found.sources
    level = float(np.quantile(np.stack(pictures).max(axis=3), 1.0 - share))
    cut = [np.minimum(picture, np.float32(level)) for picture in pictures]
    return replace(found, references=cut) if part == "reference" else replace(found, sources=cut)


def wrong_frame(found: Material) -> Material:
    """One training pair with the reference of another frame."""
    references, learned = list(found.references), found.training()
    references[learned[1]] = found.references[learned[4]]
    return replace(found, references=references)


def regraded(found: Material) -> Material:
    """One training pair whose reference was graded another way: hues turned by 40 degrees."""
    references, place = list(found.references), found.training()[2]
    references[place] = turned(references[place], 40.0)
    return replace(found, references=references)


def turned(linear: FloatArray, degrees: float) -> FloatArray:
    """Hues turned in coded Cb, Cr."""
    ycc = rgb_to_ycbcr(np.asarray(encode(linear, "display"), np.float32), "709")
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]], np.float32)
    ycc[..., 1:] = ycc[..., 1:] @ turn
    return np.maximum(np.asarray(decode(ycbcr_to_rgb(ycc, "709"), "display"), np.float32), 0.0)


def leaked(found: Material) -> Material:
    """Held-out frames that are training frames again, with other grain."""
    random = np.random.default_rng(6)
    copy = replace(found, sources=list(found.sources), references=list(found.references))
    for place, other in zip(HELD_OUT, (found.training()[0], found.training()[3]), strict=True):
        for part in (copy.sources, copy.references):
            part[place] = np.asarray(part[other] * random.normal(1.0, 0.01, part[other].shape), np.float32)
    return copy


def wrong_hue(found: Material) -> Material:
    """All references to learn from graded another way than those held out."""
    references = list(found.references)
    for place in found.training():
        references[place] = turned(references[place], 35.0)
    return replace(found, references=references)


def unlike(found: Material, other: Material) -> Material:
    """Held-out frames of another scene."""
    sources, references = list(found.sources), list(found.references)
    for place in HELD_OUT:
        sources[place], references[place] = other.sources[place], other.references[place]
    return replace(found, sources=sources, references=references)


def jumping(found: Material) -> Material:
    """One training pair whose reference has a cast."""
    references, place = list(found.references), found.training()[3]
    references[place] = np.asarray(references[place] * np.float32([1.25, 1.0, 0.8]), np.float32)
    return replace(found, references=references)


@dataclass(frozen=True)
class _Set:
    """Which footage and elements the cases of a set are made of: the frames of ``moving`` differ in what they show, ``plain``
    lacks the colours of ``unlike``."""

    moving: tuple[str, str, int]
    colourful: tuple[str, str, int]
    plain: tuple[str, str, int]
    unlike: tuple[str, str, int]
    sound: tuple[tuple[str, str, int], ...]


_USUAL = _Set(
    ("street", "16mm", 3), ("astronaut", "usual", 3), ("coffee", "yellow", 3), ("rabbit", "yellow", 3),
    (("rabbit", "usual", 3), ("street", "16mm", 3), ("astronaut", "heavy", 3), ("coffee", "yellow", 3),
     ("motorcycle", "mild", 3), ("street", "heavy", 4)),
)  # fmt: skip
_CHECKED = _Set(
    ("street", "mild", 21), ("cat", "heavy", 21), ("street", "yellow", 21), ("rabbit", "yellow", 21),
    (("rabbit", "16mm", 21), ("street", "usual", 21), ("cat", "yellow", 21), ("rocket", "heavy", 21), ("astronaut", "mild", 21),
     ("motorcycle", "16mm", 21)),
)  # fmt: skip


def usual() -> list[Case]:
    """Twelve spoiled and six sound trainings."""
    return _cases(_USUAL)


def checked() -> list[Case]:
    """The same of other footage, elements and chance, and further ways to spoil a training."""
    one = _CHECKED
    return [
        *_cases(one),
        _case("too short", "six steps", ("underfit",), one.colourful, sound, steps=6),
        _case("logo", "a mark in a corner of every source", ("burnt-in-text",), one.moving, logo),
        _case("cast", "one reference with a cast", ("other-colour",), one.colourful, jumping),
        _case("other grade held out", "training references of another grade than those held out", ("wrong-hue",),
              one.colourful, wrong_hue),
    ]  # fmt: skip


def _case(
    name: str,
    what: str,
    right: tuple[str, ...],
    of: tuple[str, str, int],
    spoil: Callable[[Material], Material],
    **settings: object,
) -> Case:
    return Case(name, f"{what} ({of[0]}, {of[1]})" if what else f"{of[0]}, {of[1]}", right,
                lambda: dataset(spoil(material(*of))), settings)  # fmt: skip


def _cases(of: _Set) -> list[Case]:
    still = of.colourful
    return [
        _case("one pair", "a single training pair", ("too-few-pairs",), still, single),
        _case("pairs alike", "three training pairs of one picture", ("too-few-pairs",), of.moving, alike),
        _case("all off", "every reference 3.6 px off", ("misaligned",), still, lambda found: moved(found, 3.0, 2.0)),
        _case("one off", "one reference 6.7 px off", ("misaligned",), of.moving, lambda found: moved(found, 6.0, 3.0, [3])),
        _case("subtitles", "subtitles in every reference", ("burnt-in-text",), of.moving, subtitled),
        _case("clipped reference", "brightest 12 % of the references cut off", ("clipped",), still,
              lambda found: clipped(found, "reference")),
        _case("clipped source", "brightest 12 % of the sources cut off", ("clipped",), of.moving,
              lambda found: clipped(found, "source")),
        _case("wrong frame", "one pair with the reference of another frame", ("wrong-reference",), of.moving, wrong_frame),
        _case("other grade", "one reference with hues turned by 40 degrees", ("other-colour",), still, regraded),
        _case("leak", "held-out frames are training frames again", ("held-out-leak",), of.moving, leaked),
        _case("unlike", f"held-out frames of another scene ({of.unlike[0]})", ("unfamiliar-colours",), of.plain,
              lambda found: unlike(found, material(*of.unlike))),
        _case("astray", "forty times the usual learning rate", ("unstable",), still, sound, learning_rate=2e-2),
        *(_case("sound", "", (), one, sound) for one in of.sound),
    ]  # fmt: skip
