"""What does a reference cost that lies off, or whose colour is soft? ``.venv/bin/python bench/tolerance.py`` writes a table.

Simulated elements with known truth; the reference is laid on the source by the true geometry, then moved on purpose, every pair
in another direction, or its colour is blurred as video's is. Each case is trained twice by the trainer itself: with the
softness that it measures, and with none. Figures are to the truth, on frames not trained on.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from film_elements.clip import find_clip, load_clip
from film_elements.elements import ElementSimulator
from film_elements.parameters import default_pair
from film_recovery.contract.job import TrainingJob
from film_recovery.images.colour import rgb_to_ycbcr, ycbcr_to_rgb
from film_recovery.images.colour_difference import delta_e_2000, linear_to_lab
from film_recovery.images.encodings import decode, encode
from film_recovery.pairs.balance import fit_balance
from film_recovery.pairs.confidence import pair_trust
from film_recovery.pairs.dataset import Dataset, Pair
from film_recovery.pairs.manifest import Manifest
from film_recovery.pairs.targets import make_target
from film_recovery.training.build import build_graph
from film_recovery.training.data import PreparedPair, prepare
from film_recovery.training.evaluate import recover_learned
from film_recovery.training.plan import make_plan
from film_recovery.training.trainer import Trainer

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "film_recovery_bench"
SIZE = (640, 360)
INNER = (slice(12, 348), slice(20, 620))  # without the scan borders
TRAINING, JUDGED = (0, 2, 4, 6, 8, 10), (1, 3, 5, 7, 9, 11)
SHIFTS, BLURS = (0.0, 0.5, 1.0, 2.0, 4.0), (1.0, 2.0, 4.0)
CLIPS = (("bigbuckbunny.mp4", 10), ("bikes.mp4", 20))
FloatArray = npt.NDArray[np.float32]


class Clip:
    """Twelve frames of both elements, and where the reference truly lies."""

    def __init__(self, name: str, step: int, seed: int) -> None:
        pair = default_pair()
        sharp, colourful = (ElementSimulator(one, SIZE, seed) for one in (pair.sharp, pair.colourful))
        self.sources, self.truths, self.references = [], [], []
        for index, picture in enumerate(load_clip(find_clip(CACHE, name), SIZE, 12, step)):
            ours, theirs = sharp.simulate(picture, index), colourful.simulate(picture, index)
            x, y = cv2.split(ours.geometry.truth_positions(SIZE[1], SIZE[0]))
            matrix = theirs.geometry.matrix
            at = [(matrix[row, 0] * x + matrix[row, 1] * y + matrix[row, 2]).astype(np.float32) for row in (0, 1)]
            self.sources.append(ours.scan[INNER])
            self.truths.append(ours.truth[INNER])
            self.references.append((theirs.scan, at[0], at[1]))

    def reference(self, index: int, shift: npt.NDArray[np.float64], blur: float) -> FloatArray:
        """The reference on the source, moved by ``shift`` px, its coded colour blurred."""
        scan, x, y = self.references[index]
        moved = cv2.remap(
            scan, x + np.float32(shift[0]), y + np.float32(shift[1]), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        picture = np.maximum(np.asarray(moved, np.float32), 0.0)
        if blur:
            parts = rgb_to_ycbcr(np.asarray(encode(picture, "display"), np.float32), "709")
            parts[..., 1:] = cv2.GaussianBlur(parts[..., 1:], (0, 0), blur)
            picture = np.asarray(decode(ycbcr_to_rgb(parts, "709"), "display"), np.float32)
        return picture[INNER]


def dataset(clip: Clip, shift: float, blur: float, seed: int, tolerant: bool) -> Dataset:
    """Six pairs to learn from, one of them held out; ``tolerant``: believed as far as both sides agree, else everywhere."""
    random = np.random.default_rng(seed)
    angles = random.uniform(0.0, 2.0 * np.pi, len(TRAINING))
    moves = [shift * np.array([np.cos(angle), np.sin(angle)]) for angle in angles]
    references = [clip.reference(index, move, blur) for index, move in zip(TRAINING, moves, strict=True)]
    sources = [clip.sources[index] for index in TRAINING]
    balance = fit_balance(sources[:-1], references[:-1])
    pairs = []
    for place, (index, source, reference) in enumerate(zip(TRAINING, sources, references, strict=True)):
        target = make_target("chroma", balance.apply(source), reference, "display", "709")
        trust = pair_trust(source, reference, "display") if tolerant else None
        pairs.append(Pair(index, place == len(TRAINING) - 1, source, reference, target, trust))
    manifest = Manifest("chroma", "display", "709", "luma", balance.numbers, [0, 0, SIZE[0], SIZE[1]], "", "", 0, {}, [], [])
    return Dataset(manifest, pairs)


def train(data: Dataset, steps: int, tolerant: bool) -> tuple[Trainer, float]:
    """A trainer after its steps, with its best weights, and the softness it went by."""
    job = TrainingJob("chroma", "", "", steps=steps, size="small", patch=96, batch=8, device="cpu")
    torch.manual_seed(0)
    graph = build_graph(job, data, tolerant=tolerant)
    trainer = Trainer(job, make_plan(job, graph.network, job.patch, 0.0), graph, data.pairs)
    for _ in range(steps):
        trainer.step()
        if trainer.done % max(steps // 4, 1) == 0:
            trainer.evaluate()
    return trainer, float(graph.start.softness)


def judge(trainer: Trainer, clip: Clip) -> tuple[float, float]:
    """Mean PSNR (coded RGB) and dE2000 to the truth."""
    graph = trainer.with_weights(trainer.best_weights)
    errors, differences = [], []
    for index in JUDGED:
        truth = clip.truths[index]
        prepared = _prepare(trainer, clip.sources[index])
        learned = recover_learned(graph, prepared)[0].numpy().transpose(1, 2, 0)
        ycc = np.concatenate([prepared.features[:1].numpy().transpose(1, 2, 0), learned], axis=-1)
        rgb = ycbcr_to_rgb(ycc.astype(np.float32), "709")
        errors.append(float(np.mean((rgb - encode(truth, "display")) ** 2)))
        linear = decode(np.clip(rgb, 0.0, 1.2), "display")
        differences.append(float(delta_e_2000(linear_to_lab(linear[1::2, 1::2]), linear_to_lab(truth[1::2, 1::2])).mean()))
    return float(np.mean([-10.0 * np.log10(error) for error in errors])), float(np.mean(differences))


def _prepare(trainer: Trainer, source: FloatArray) -> PreparedPair:
    """A source alone; its target is never asked for."""
    return prepare(trainer.graph, Pair(0, True, source, source, source), trainer.device)


def main() -> int:
    """Run and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=150)
    steps = parser.parse_args().steps
    begin, rows = time.perf_counter(), []
    cases = [(shift, 0.0) for shift in SHIFTS] + [(0.0, blur) for blur in BLURS]
    for name, step in CLIPS:
        clip = Clip(name, step, 3)
        plain_best: tuple[float, float] | None = None
        for shift, blur in cases:
            figures, softness = [], 0.0
            for tolerant in (False, True):
                trainer, found = train(dataset(clip, shift, blur, 0, tolerant), steps, tolerant)
                softness = max(softness, found)
                figures.append(judge(trainer, clip))
            plain, kind = figures
            plain_best = plain_best or plain
            lost = [plain_best[0] - plain[0], plain[1] - plain_best[1]]
            won = [kind[0] - plain[0], plain[1] - kind[1]]
            back = [f"{100 * gain / loss:.0f} %" if loss > 0.05 else "" for gain, loss in zip(won, lost, strict=True)]
            rows.append(
                f"| {name.partition('.')[0]} | {shift:g} | {blur:g} | {softness:.1f} | {plain[0]:.2f} | {kind[0]:.2f} "
                f"| {back[0]} | {plain[1]:.2f} | {kind[1]:.2f} | {back[1]} |"
            )
            print(rows[-1], flush=True)
    lines = [
        "# Tolerance", "",
        f"{datetime.date.today().isoformat()}, {os.cpu_count()} processors, Python {platform.python_version()}, "
        f"{(time.perf_counter() - begin) / 60:.0f} minutes. Written by `bench/tolerance.py`.", "",
        f"Simulated elements, {SIZE[0]}x{SIZE[1]}, five pairs and a held-out one, small network, {steps} steps. Off: how far",
        "the reference was moved, px, every pair in another direction; blur: of its colour, standard deviation, px; softness:",
        "what the training measured. PSNR of coded RGB in dB and mean ΔE2000 to the truth, without and with tolerance; won",
        "back: share of what was lost against a reference that lies right, where that is more than 0.05.", "",
        "| clip | off | blur | softness | PSNR without | with | won back | ΔE without | with | won back |",
        "|---" * 10 + "|", *rows,
    ]  # fmt: skip
    (HERE / "tolerance.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
