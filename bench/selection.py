"""Do chosen pairs teach more than others? ``.venv/bin/python bench/selection.py`` writes a table and a plot beside this file.

Simulated elements of an edited film with known truth: parts of two clips and panned stills, cut together at random lengths,
some shots dark. Pairs chosen by ``select`` are compared with random draws of as many; measured is the colour difference of
a model learned from them to the truth, on frames that none of them needs. ``--network`` trains small networks too.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import numpy.typing as npt
import skimage.data
import torch
from matplotlib.figure import Figure

from film_elements.clip import find_clip, load_clip, moving_still
from film_elements.elements import ElementSimulator
from film_elements.parameters import default_pair
from film_recovery.elements.selection import spread_frames
from film_recovery.images.colour import rgb_to_ycbcr, ycbcr_to_rgb
from film_recovery.images.colour_difference import delta_e_2000, linear_to_lab
from film_recovery.images.encodings import decode, encode
from film_recovery.images.frame import Frame
from film_recovery.images.io import write_frame
from film_recovery.images.sequence import open_sequence
from film_recovery.pairs.balance import fit_balance
from film_recovery.pairs.material import Material, gather_material
from film_recovery.pairs.select import SelectionRequest, select_pairs
from film_recovery.pairs.targets import make_target
from film_recovery.review.plots import RESULT, SOURCE, STYLE, WIDTH, save_chart
from film_recovery.training.start import fit_start

HERE = Path(__file__).parent
SIZE = (384, 216)
INNER = (slice(10, 206), slice(16, 368))  # without the scan borders
SEEDS = (10, 11, 12, 13)
COUNTS, DRAWS = (3, 5, 8), 20
CURVE, CURVE_DRAWS = (1, 2, 4, 8, 16), 8
EVERY = 7  # of the frames is judged
STILLS: dict[str, Callable[[], npt.NDArray[np.uint8]]] = {
    "astronaut": skimage.data.astronaut, "coffee": skimage.data.coffee, "cat": skimage.data.chelsea,
    "rocket": skimage.data.rocket, "retina": skimage.data.retina, "hubble": skimage.data.hubble_deep_field,
    "motorcycle": lambda: skimage.data.stereo_motorcycle()[0],
}  # fmt: skip
FloatArray = npt.NDArray[np.float32]


@dataclass
class Reel:
    """Frames of one simulated film: source, reference laid on it by the true geometry, truth; linear, half, (N, H, W, 3)."""

    seed: int
    source: npt.NDArray[np.float16]
    reference: npt.NDArray[np.float16]
    truth: npt.NDArray[np.float16]
    shots: int

    def picture(self, part: npt.NDArray[np.float16], index: int) -> FloatArray:
        """One frame of a part without its borders."""
        return np.asarray(part[index][INNER], np.float32)


def make_film(seed: int, cache: Path) -> list[list[FloatArray]]:
    """Ten shots of 5 to 40 frames in random order; every fourth still is dark."""
    random = np.random.default_rng(seed)

    def part(clip: list[FloatArray]) -> list[FloatArray]:
        length = int(random.integers(10, 40))
        first = int(random.integers(0, len(clip) - length))
        return clip[first : first + length]

    bunny = load_clip(find_clip(cache, "bigbuckbunny.mp4"), SIZE, 66, 2)
    bikes = load_clip(find_clip(cache, "bikes.mp4"), SIZE, 125, 2)
    shots = [part(bunny), part(bikes), part(bikes)]
    for still in STILLS.values():
        linear = np.asarray(decode(still()[..., :3].astype(np.float32) / 255.0, "display"), np.float32)
        light = np.float32(random.choice([1.0, 1.0, 1.0, 0.25]))
        zoom, length = float(random.uniform(0.35, 0.8)), int(random.integers(5, 40))
        shots.append([np.asarray(one * light, np.float32) for one in moving_still(linear, SIZE, length, zoom, cut=False)])
    return [shots[index] for index in random.permutation(len(shots))]


def make_reel(seed: int, cache: Path, folder: Path) -> Reel:
    """Simulate both elements; they are also written into ``folder``, numbered from 0, as ``select`` reads files."""
    film = make_film(seed, cache)
    pair = default_pair()
    sharp, colourful = (ElementSimulator(one, SIZE, seed) for one in (pair.sharp, pair.colourful))
    parts: tuple[list[FloatArray], list[FloatArray], list[FloatArray]] = ([], [], [])
    for index, picture in enumerate(picture for shot in film for picture in shot):
        ours, theirs = sharp.simulate(picture, index), colourful.simulate(picture, index)
        x, y = cv2.split(ours.geometry.truth_positions(SIZE[1], SIZE[0]))
        to_reference = theirs.geometry.matrix.astype(np.float32)
        at = [to_reference[axis, 0] * x + to_reference[axis, 1] * y + to_reference[axis, 2] for axis in (0, 1)]
        moved = cv2.remap(theirs.scan, at[0], at[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        for kept, one in zip(parts, (ours.scan, moved, ours.truth), strict=True):
            kept.append(np.asarray(one, np.float16))
        write_frame(folder / "source" / f"source.{index:04d}.exr", Frame.from_rgb(ours.scan))
        write_frame(folder / "reference" / f"reference.{index:04d}.exr", Frame.from_rgb(theirs.scan))
    return Reel(seed, *(np.array(part) for part in parts), shots=len(film))


def judge(reel: Reel, frames: Sequence[int]) -> float:
    """Mean dE2000 to the truth of the closed-form model of these pairs, on every seventh frame that is not among them."""
    sources = [reel.picture(reel.source, index) for index in frames]
    references = [reel.picture(reel.reference, index) for index in frames]
    balance = fit_balance(sources, references)
    balanced = [balance.apply(one) for one in sources]
    targets = [make_target("chroma", *both, "display", "709") for both in zip(balanced, references, strict=True)]
    coded = [[np.asarray(encode(one, "display"), np.float32) for one in part] for part in (balanced, targets)]
    start = fit_start("chroma", coded[0], coded[1], "709", 0)
    found = []
    for index in range(3, len(reel.source), EVERY):
        if index in frames:
            continue
        picture = np.asarray(encode(balance.apply(reel.picture(reel.source, index)), "display"), np.float32)
        ycc = rgb_to_ycbcr(picture, "709")
        given = [torch.from_numpy(np.ascontiguousarray(one.transpose(2, 0, 1)))[None] for one in (picture, ycc)]
        with torch.no_grad():
            ycc[..., 1:] = start(*given)[0].numpy().transpose(1, 2, 0)
        linear = decode(np.clip(ycbcr_to_rgb(ycc[1::3, 1::3], "709"), 0.0, 1.2), "display")
        truth = reel.picture(reel.truth, index)[1::3, 1::3]
        found.append(float(delta_e_2000(linear_to_lab(linear), linear_to_lab(truth)).mean()))
    return float(np.mean(found))


def chosen_frames(material: Material, count: int) -> list[int]:
    """What ``select`` chooses, frames numbered from 0."""
    record = select_pairs(material, SelectionRequest(count=count, held_out=0)).record
    return [pair.source for pair in record.training]


def measure(reel: Reel, material: Material) -> dict[str, dict[int, dict[str, object]]]:
    """For every number of pairs: the chosen ones' figure, that of evenly spread ones, and of random draws."""
    result: dict[str, dict[int, dict[str, object]]] = {"draws": {}, "curve": {}}
    count = len(reel.source)
    for name, counts, draws in (("draws", COUNTS, DRAWS), ("curve", CURVE, CURVE_DRAWS)):
        for pairs in counts:
            random = np.random.default_rng([reel.seed, pairs])
            others = [sorted(int(i) for i in random.choice(count, pairs, replace=False)) for _ in range(draws)]
            frames = chosen_frames(material, pairs)
            result[name][pairs] = {
                "frames": frames,
                "chosen": judge(reel, frames),
                "spread": judge(reel, spread_frames(range(count), pairs)),
                "random": [judge(reel, one) for one in others],
            }
            print(reel.seed, name, pairs, _line(result[name][pairs]), flush=True)
    return result


def _line(entry: dict[str, object]) -> str:
    random = np.array(entry["random"])
    beaten = int((random > float(str(entry["chosen"]))).sum())
    return (
        f"{entry['chosen']:.2f} | {random.mean():.2f} | {random.min():.2f} | {random.max():.2f} | {beaten} of {len(random)} | "
        f"{entry['spread']:.2f}"
    )


def train_networks(
    material: Material, folder: Path, frames_in_all: int, seed: int, draws: int = 6
) -> tuple[float, list[float]]:
    """Held-out PSNR (dB, to the target) of small networks after 300 steps: with 5 chosen pairs, and with random ones."""
    judged = spread_frames(range(5, frames_in_all - 5), 12)
    random = np.random.default_rng([seed, 5, 5])
    free = [index for index in range(frames_in_all) if index not in judged]
    sound = [row for row in material.candidates if row in free]
    record = select_pairs(material, SelectionRequest(count=5, held_out=0, avoid=frozenset(judged))).record
    sets = [[pair.source for pair in record.training]]
    sets += [sorted(int(i) for i in random.choice(sound, 5, replace=False)) for _ in range(draws)]
    figures = []
    for number, frames in enumerate(sets):
        command = [
            sys.executable, "-m", "film_recovery.cli.main", "train", "--json", "--task", "chroma",
            "--source", str(folder / "source" / "source.####.exr"),
            "--reference", str(folder / "reference" / "reference.####.exr"),
            "--frames", ",".join(map(str, frames)), "--held-out", ",".join(map(str, judged)), "--steps", "300",
            "--size", "small", "--patch", "64", "--batch", "8", "--out", str(folder / f"run{number}"),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:  # a random draw may hold a pair that does not register: then there is nothing to compare
            figures.append(float(json.loads(done.stdout)["held_out"]["psnr"]))
            print(seed, "network", frames, figures[-1], flush=True)
        elif number == 0:
            raise RuntimeError(done.stderr)
    return figures[0], figures[1:]


def main() -> None:
    """Measure, and write ``selection.md`` and ``selection.png``."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "film_clips", help="folder for the clips")
    options.add_argument("--network", action="store_true", help="also train small networks for the first two films")
    given = options.parse_args()
    torch.set_num_threads(1)
    begin, results, networks = time.monotonic(), {}, {}
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            reel = make_reel(seed, given.cache, folder)
            elements = (open_sequence(folder / name / f"{name}.####.exr") for name in ("source", "reference"))
            material = gather_material(*elements, folder / "survey")
            results[seed] = measure(reel, material)
            if given.network and seed in SEEDS[:2]:
                networks[seed] = train_networks(material, folder, len(reel.source), seed)
    _write(results, networks, (time.monotonic() - begin) / 60.0)
    save_chart(HERE / "selection.png", plot(results))
    print((HERE / "selection.md").read_text(encoding="utf-8"))


def _write(
    results: dict[int, dict[str, dict[int, dict[str, object]]]], networks: dict[int, tuple[float, list[float]]], minutes: float
) -> None:
    lines = [
        "# Selection of pairs", "",
        f"{datetime.date.today().isoformat()}, {processor()}, {len(os.sched_getaffinity(0))} processors, "
        f"{minutes:.0f} minutes. Written by `bench/selection.py`.", "",
        f"{len(SEEDS)} simulated films of ten shots, cut together from parts of two clips and panned stills, "
        f"{SIZE[0]}x{SIZE[1]}; "
        "the default pair of elements. The model is the closed-form start of a chroma training (density balance, colour table, "
        "filter), no network. Figures are mean ΔE2000 to the truth (less is better), on every seventh frame but those trained "
        "on. Random draws take any frame; pairs lie on each other by the true geometry. The constants of the choice were set "
        "on three other films of this kind.", "",
        "| film | pairs | chosen | random, mean | random, best | random, worst | random draws beaten | evenly spread |",
        "|---" * 8 + "|",
    ]  # fmt: skip
    for seed, result in results.items():
        lines += [f"| {seed} | {pairs} | {_line(entry)} |" for pairs, entry in result["draws"].items()]
    lines += [
        "",
        "All films together:",
        "",
        "| pairs | chosen | random, mean | standard error of the difference | draws beaten |",
    ]
    lines += ["|---" * 5 + "|"]
    for pairs in COUNTS:
        entries = [result["draws"][pairs] for result in results.values()]
        chosen = np.array([entry["chosen"] for entry in entries])
        random = np.array([entry["random"] for entry in entries])
        error = (chosen - random.mean(axis=1)).std(ddof=1) / np.sqrt(len(chosen))
        beaten = int((random > chosen[:, None]).sum())
        lines.append(f"| {pairs} | {chosen.mean():.2f} | {random.mean():.2f} | {error:.2f} | {beaten} of {random.size} |")
    lines += ["", "Against the number of pairs, mean over the films:", "", "| pairs | chosen | random, mean | evenly spread |"]
    lines += ["|---" * 4 + "|"]
    for pairs in CURVE:
        entries = [result["curve"][pairs] for result in results.values()]
        means = [np.mean([np.mean(entry[name]) for entry in entries]) for name in ("chosen", "random", "spread")]
        lines.append(f"| {pairs} | " + " | ".join(f"{mean:.2f}" for mean in means) + " |")
    if networks:
        lines += [
            "",
            "Small networks, 300 steps on 5 pairs, PSNR in dB to the targets of 12 held-out frames (more is better); random "
            "draws are of frames without a fault:",
            "",
            "| film | chosen | random, mean | best | worst |",
            "|---" * 5 + "|",
        ]
        for seed, (chosen_psnr, others) in networks.items():
            lines.append(f"| {seed} | {chosen_psnr:.2f} | {np.mean(others):.2f} | {max(others):.2f} | {min(others):.2f} |")
    lines += ["", "![Chosen pairs against random draws](selection.png)"]
    (HERE / "selection.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def plot(results: dict[int, dict[str, dict[int, dict[str, object]]]]) -> Figure:
    """Random draws as dots and the chosen pairs as a mark, a column a film; and the curve over the number of pairs."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.6, 1.0))
        places, labels = [], []
        for group, pairs in enumerate(COUNTS):
            for number, result in enumerate(results.values()):
                place, entry = group * (len(results) + 1) + number, result["draws"][pairs]
                random = np.array(entry["random"])
                left.plot(np.full(len(random), place), random, ".", color=SOURCE, alpha=0.5, markersize=4)
                left.plot([place - 0.3, place + 0.3], [random.mean()] * 2, color=SOURCE, linewidth=1.4)
                left.plot(place, float(str(entry["chosen"])), "D", color=RESULT, markersize=5)
            places.append(group * (len(results) + 1) + (len(results) - 1) / 2)
            labels.append(f"{pairs} pairs")
        left.set_xticks(places, labels)
        left.set(title="Chosen (red) against random draws (grey, bar: mean)", ylabel="ΔE2000 to the truth")
        for name, colour, label in (("random", SOURCE, "random, mean"), ("chosen", RESULT, "chosen")):
            values = [np.mean([np.mean(result["curve"][pairs][name]) for result in results.values()]) for pairs in CURVE]
            right.plot(CURVE, values, "o-", color=colour, label=label, markersize=3.5)
        right.set_xscale("log", base=2)
        right.set_xticks(CURVE, [str(pairs) for pairs in CURVE])
        right.set(title="Mean over the films", xlabel="pairs")
        right.legend()
    return figure


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown processor"


if __name__ == "__main__":
    main()
