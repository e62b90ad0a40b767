"""What ``learning.py`` trains and judges on: simulated elements with known truth, and folds of real pairs given by path.

The reference is laid on the source by the true geometry, so that learning is measured and not alignment. Simulated cases are
made once and kept in the cache, as halves.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from matching import HEAVY
from selection import STILLS
from tolerance import CACHE, INNER, SIZE

import film_elements
from film_elements.clip import find_clip, load_clip, moving_still
from film_elements.elements import ElementFrame, ElementSimulator
from film_elements.parameters import ElementPair, Fading, default_pair, internegative_35mm, print_16mm
from film_recovery.contract.atomic import atomic_path
from film_recovery.contract.errors import InputError
from film_recovery.contract.steady import BESIDE
from film_recovery.images.encodings import decode
from film_recovery.images.io import read_frame
from film_recovery.inference.steady import Deviation, Steadiness, small_light
from film_recovery.pairs.balance import fit_balance
from film_recovery.pairs.dataset import Dataset, Pair
from film_recovery.pairs.manifest import Manifest
from film_recovery.pairs.targets import make_target

PAIRS = 6  # of a simulated case unless it says otherwise, one of them held out from training
RUN = 8  # frames in a row, for flicker
MORE_PAIRS = "pairs"  # at the end of the name of a case of another number of pairs
CLIPS = {"rabbit": ("bigbuckbunny.mp4", 132), "street": ("bikes.mp4", 250)}
_STILL_FRAMES = 96
KEPT_COLOUR = Fading(kept=(0.98, 0.99, 0.985), stain=(0.003, 0.005, 0.008))
ELEMENTS = {
    "usual": default_pair(),
    "heavy": HEAVY,
    "mild": ElementPair(internegative_35mm((0.75, 0.95, 0.85)), print_16mm()),
    "yellow": ElementPair(internegative_35mm((0.80, 0.85, 0.30)), print_16mm()),
    "16mm": ElementPair(
        dataclasses.replace(
            print_16mm(), fading=Fading(kept=(0.45, 0.85, 0.70), stain=(0.02, 0.03, 0.05), unevenness=0.03), name="faded"
        ),
        dataclasses.replace(internegative_35mm(), fading=KEPT_COLOUR),
    ),
}
# The files that decide how a simulated case looks.
SIMULATION = (
    *sorted(Path(film_elements.__file__).parent.glob("*.py")),
    *(Path(__file__).with_name(f"{name}.py") for name in ("learning_cases", "matching", "selection", "tolerance")),
)
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Recipe:
    """A simulated case: ``footage`` of :data:`CLIPS` or of the stills, ``elements`` of :data:`ELEMENTS`, the seed of chance,
    and how many pairs there are, the held-out one too."""

    footage: str
    elements: str
    seed: int = 3
    pairs: int = PAIRS

    @property
    def name(self) -> str:
        """For files, tables and ``--only``."""
        plain = f"{self.footage}-{self.elements}-{self.seed}"
        return plain if self.pairs == PAIRS else f"{plain}-{self.pairs - 1}{MORE_PAIRS}"


USUAL = tuple(
    Recipe(*words)
    for words in (
        ("rabbit", "usual"), ("rabbit", "heavy"), ("street", "16mm"),
        ("astronaut", "heavy"), ("coffee", "yellow"), ("motorcycle", "mild"),
    )
)  # fmt: skip
MORE = (Recipe("rabbit", "heavy", pairs=9), Recipe("astronaut", "heavy", pairs=9))
FULL = (
    *USUAL,
    *(dataclasses.replace(recipe, seed=4) for recipe in USUAL),
    *(Recipe(*words, 5) for words in (
        ("street", "usual"), ("street", "heavy"), ("rabbit", "16mm"), ("cat", "16mm"), ("rocket", "usual"),
        ("hubble", "yellow"), ("retina", "heavy"),
    )),
)  # fmt: skip


@dataclass(frozen=True)
class Shot:
    """The faded element around the frames to judge by: by number, with those beside them, and the flicker of the whole."""

    around: dict[int, FloatArray]
    judged: list[int]
    run: range
    steadiness: Steadiness


@dataclass(frozen=True)
class Case:
    """One case, pictures (H, W, 3) in the working space of ``dataset.manifest``.

    Attributes:
        dataset: the pairs to learn from, one perhaps held out; balanced if the task asks for it.
        sources, truths: frames that are not among them, to judge by.
        run_sources, run_truths: frames in a row, not among them either; empty for real pairs.
        shot: what ``apply`` sees around them; None for real pairs, around which there is nothing.
    """

    name: str
    dataset: Dataset
    sources: list[FloatArray]
    truths: list[FloatArray]
    run_sources: list[FloatArray]
    run_truths: list[FloatArray]
    shot: Shot | None = None

    @property
    def deviations(self) -> list[Deviation]:
        """By how much the density of ``sources`` flickers."""
        return [] if self.shot is None else [self.shot.steadiness.deviation(frame) for frame in self.shot.judged]


def simulated(recipe: Recipe) -> Case:
    """Make a case, or take it from the cache."""
    parts = made_once(CACHE / "learning" / "cases" / f"{recipe.name}.npz", lambda: _simulate(recipe))
    balance = fit_balance(parts["source"][:-1], parts["reference"][:-1])
    pairs = []
    for number, (source, reference) in enumerate(zip(parts["source"], parts["reference"], strict=True)):
        target = make_target("chroma", balance.apply(source), reference, "display", "709")
        pairs.append(Pair(number, number == recipe.pairs - 1, source, reference, target))
    dataset = Dataset(_manifest("display", balance.numbers, pairs), pairs)
    return Case(recipe.name, dataset, parts["judged"], parts["truth"], parts["run"], parts["run_truth"], _shot(recipe))


def made_once(path: Path, make: Callable[[], dict[str, npt.NDArray[np.float16]]]) -> dict[str, list[FloatArray]]:
    """The pictures in the file, by name; it is made when it is not there, or when what decides them has changed: the simulation
    and the file in which ``make`` is written."""
    files = [*SIMULATION, Path(make.__code__.co_filename)]
    code = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]
    path = path.with_name(f"{path.stem}-{code}{path.suffix}")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary, open(temporary, "wb") as stream:
            np.savez(stream, **make())
    with np.load(path) as kept:
        return {name: [np.asarray(one, np.float32) for one in kept[name]] for name in kept.files}


def real_folds(folder: Path) -> Iterator[Case]:
    """Every shot of ``folder`` whose pictures have colour, with one of its three crops left out in turn.

    Raises :class:`InputError` when there is none.
    """
    shots = 0
    for shot in sorted(path for path in folder.iterdir() if path.is_dir()):
        sources, targets = ([read_frame(shot / f"{row}_{part}.png").rgb for row in range(3)] for part in ("input", "target"))
        if np.ptp(np.stack(targets), axis=-1).max() < 0.02:  # gray, stored as RGB
            continue
        shots += 1
        for left_out in range(3):
            rows = [row for row in range(3) if row != left_out]
            pairs = [Pair(row, False, sources[row], targets[row], targets[row]) for row in rows]
            dataset = Dataset(_manifest("none", None, pairs), pairs)
            which = hashlib.sha256(sources[left_out].tobytes()).hexdigest()[:4]  # another folder's are other cases
            yield Case(f"real-{shots}-{left_out + 1}-{which}", dataset, [sources[left_out]], [targets[left_out]], [], [])
    if not shots:
        raise InputError(f"{folder} holds no shots of coloured pairs named <row>_input.png and <row>_target.png; name another.")


def _manifest(encoding: str, balance: list[float] | None, pairs: list[Pair]) -> Manifest:
    height, width = pairs[0].source.shape[:2]
    return Manifest("chroma", encoding, "709", "luma", balance, [0, 0, width, height], "", "", 0, {}, [], [])


@dataclass(frozen=True)
class _Places:
    """Which frames of the footage are what; the last that is learned from is held out."""

    learned: list[int]
    judged: list[int]
    run: range

    @classmethod
    def of(cls, count: int, pairs: int) -> _Places:
        """Frames to learn from spread evenly, those to judge by in the middles between them."""
        learned = [(2 * place + 1) * count // (2 * pairs) for place in range(pairs)]
        learned.append(learned.pop(pairs // 2))
        first = count // pairs - RUN // 2
        return cls(learned, [place * count // pairs for place in range(1, pairs)], range(first, first + RUN))


def _simulate(recipe: Recipe) -> dict[str, npt.NDArray[np.float16]]:
    pictures, pair = footage(recipe.footage), ELEMENTS[recipe.elements]
    faded, colourful = (ElementSimulator(one, SIZE, recipe.seed) for one in (pair.sharp, pair.colourful))
    places = _Places.of(len(pictures), recipe.pairs)
    parts: dict[str, list[FloatArray]] = {name: [] for name in ("source", "reference", "judged", "truth", "run", "run_truth")}
    for index in places.learned:
        ours, theirs = (simulator.simulate(pictures[index], index) for simulator in (faded, colourful))
        parts["source"].append(ours.scan)
        parts["reference"].append(laid(ours, theirs))
    for names, frames in ((("judged", "truth"), places.judged), (("run", "run_truth"), places.run)):
        for index in frames:
            ours = faded.simulate(pictures[index], index)
            parts[names[0]].append(ours.scan)
            parts[names[1]].append(ours.truth)
    return {name: np.stack([picture[INNER] for picture in part]).astype(np.float16) for name, part in parts.items()}


def _simulate_light(recipe: Recipe) -> dict[str, npt.NDArray[np.float16]]:
    """The faded element's whole footage, each frame as the small picture by which flicker is found."""
    pictures = footage(recipe.footage)
    faded = ElementSimulator(ELEMENTS[recipe.elements].sharp, SIZE, recipe.seed)
    scans = (faded.simulate(picture, index).scan[INNER] for index, picture in enumerate(pictures))
    return {"light": np.stack([small_light(scan, "display") for scan in scans]).astype(np.float16)}


def _shot(recipe: Recipe) -> Shot:
    folder = CACHE / "learning" / "cases"
    light = made_once(folder / f"{recipe.name}-light.npz", lambda: _simulate_light(recipe))["light"]
    places = _Places.of(len(light), recipe.pairs)
    near = _with_those_beside(places, len(light))
    around = made_once(folder / f"{recipe.name}-around.npz", lambda: _simulate_around(recipe, near))["around"]
    steadiness = Steadiness(list(range(len(light))), lambda frame: light[frame], "display")
    return Shot(dict(zip(near, around, strict=True)), places.judged, places.run, steadiness)


def _with_those_beside(places: _Places, count: int) -> list[int]:
    """The frames to judge by and those in a row, each with the frames that its colour is averaged with."""
    asked = {*places.judged, *places.run}
    return [frame for frame in range(count) if any(abs(frame - other) <= BESIDE for other in asked)]


def _simulate_around(recipe: Recipe, frames: list[int]) -> dict[str, npt.NDArray[np.float16]]:
    pictures = footage(recipe.footage)
    faded = ElementSimulator(ELEMENTS[recipe.elements].sharp, SIZE, recipe.seed)
    return {"around": np.stack([faded.simulate(pictures[frame], frame).scan[INNER] for frame in frames]).astype(np.float16)}


def laid(ours: ElementFrame, theirs: ElementFrame) -> FloatArray:
    """The scan of ``theirs`` on the pixels of ``ours``, by the true geometry of both."""
    x, y = cv2.split(ours.geometry.truth_positions(*ours.scan.shape[:2]))
    matrix = theirs.geometry.matrix
    at = [(matrix[row, 0] * x + matrix[row, 1] * y + matrix[row, 2]).astype(np.float32) for row in (0, 1)]
    moved = cv2.remap(theirs.scan, at[0], at[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.maximum(np.asarray(moved, np.float32), 0.0)


def footage(name: str, size: tuple[int, int] = SIZE, count: int = _STILL_FRAMES) -> list[FloatArray]:
    """Truth, linear light: a whole clip, or ``count`` frames of a still that is panned, cut, and panned again."""
    if name in CLIPS:
        file, frames = CLIPS[name]
        return load_clip(find_clip(CACHE, file), size, frames, 1)
    linear = np.asarray(decode(STILLS[name]()[..., :3].astype(np.float32) / 255.0, "display"), np.float32)
    return list(moving_still(linear, size, count, 0.7))
