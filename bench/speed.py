"""How fast and how large: training, inference, start-up, on this machine. ``.venv/bin/python bench/speed.py`` writes a table.

Every inference figure comes from a process of its own, so that its peak memory is its own. Run it with nothing beside it.
Inference is measured four times: the network alone on one picture and on as many together as ``apply`` takes, then with frames
that are read, recovered and written, as they are and steadied. Processor time beside the wall clock tells what files add where
both processors are busy anyway.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch

from film_recovery.contract.card import ModelCard
from film_recovery.images.frame import Frame, Window
from film_recovery.images.io import write_frame
from film_recovery.images.sequence import output_path
from film_recovery.modelfile.export import export_model
from film_recovery.pairs.balance import DensityBalance
from film_recovery.training.graph import RecoveryGraph
from film_recovery.training.network import SIZES
from film_recovery.training.plan import choose_device, precisions, probe_step

TABLE = Path(__file__).with_name("speed.md")
PICTURES = {"540p": (540, 960), "1080p": (1080, 1920), "4K": (2160, 3840)}
_FRAMES, _FRAMES_4K = 48, 12  # a short shot, so that what begins and ends a run counts as it does there
_FLICKER = 0.004  # density: without flicker there would be nothing to steady
PARTS = ("training", "inference", "start-up")
CROPS = ((128, 8), (256, 4), (512, 3))
COMMANDS = ("--help", "train --help", "apply --help", "doctor --quick")
_INFER = """
import json, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from film_recovery.images.sequence import open_sequence
from film_recovery.inference.sequence import apply_model
from film_recovery.inference.session import InferenceOptions, ModelSession
from film_recovery.inference.tiles import recover
from film_recovery.modelfile.load import load_model
model, source, output, how = load_model(sys.argv[1]), open_sequence(sys.argv[2]), sys.argv[3], sys.argv[4]
session = ModelSession(model, InferenceOptions())
if how in ("alone", "together"):
    card, picture, seconds, used = model.card, source.read(source.frames[0]).rgb, [], []
    pixels = picture.shape[0] * picture.shape[1]
    many = 1 if how == "alone" else session.at_once(pixels)
    run = lambda part: session.run(part, many)
    one = lambda _: recover(run, picture, None, card.receptive_field, card.multiple)
    with ThreadPoolExecutor(many) as pool:
        for _ in range(4):
            begin, processor = time.perf_counter(), time.process_time()
            for _ in pool.map(one, range(many)):
                pass
            seconds.append((time.perf_counter() - begin) / many)
            used.append((time.process_time() - processor) / many)
    result = min(seconds), min(used)
else:
    processor = time.process_time()
    report = apply_model(model, source, output, steady=how == "steadied")
    result = report.seconds / len(report.done), (time.process_time() - processor) / len(report.done)
# Linux: the peak of this program alone; getrusage would also count the process that started it.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps([*result, int(peak.split()[1]) / 1024]))
"""
_BALANCE = DensityBalance(np.array([[1.5, 0.2, 0.0], [0.1, 1.2, 0.05], [0.0, -0.05, 1.4]]), np.array([-0.3, -0.1, -0.2]))


@dataclasses.dataclass(frozen=True)
class Measured:
    """Of one picture: seconds, seconds of processor time; and the peak of the process in MB."""

    seconds: float
    processor: float
    peak: float


def main() -> None:
    """Measure what is asked for and write the table; ``--help`` tells what can be asked for."""
    wanted = _arguments()
    lines = [
        "# Speed",
        "",
        f"{datetime.date.today().isoformat()}, {_processor()} with {torch.backends.cpu.get_cpu_capability()}, "
        f"{len(os.sched_getaffinity(0))} processors, "
        f"Python {platform.python_version()}, PyTorch {torch.__version__}. Written by `bench/speed.py`.",
    ]
    if "training" in wanted.parts:
        lines += ["", *_training(wanted.sizes)]
    if "inference" in wanted.parts:
        lines += ["", *_inference(wanted.sizes, wanted.pictures)]
    if "start-up" in wanted.parts:
        lines += ["", *_start_up()]
    wanted.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(wanted.out.read_text(encoding="utf-8"))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=TABLE, metavar="FILE", help=f"default {TABLE.name} beside this")
    parser.add_argument("--sizes", type=_some_of(SIZES), default=list(SIZES), metavar="LIST", help=f"of {', '.join(SIZES)}")
    parser.add_argument(
        "--pictures", type=_some_of(PICTURES), default=list(PICTURES), metavar="LIST", help=f"of {', '.join(PICTURES)}"
    )
    parser.add_argument("--parts", type=_some_of(PARTS), default=list(PARTS), metavar="LIST", help=f"of {', '.join(PARTS)}")
    given = parser.parse_args()
    if given.out == TABLE and (given.sizes, given.pictures, given.parts) != (list(SIZES), list(PICTURES), list(PARTS)):
        parser.error("a part of the figures is not published; name a file with --out")
    return given


def _some_of(known: Iterable[str]) -> Callable[[str], list[str]]:
    """Reads words divided by commas, each one of ``known``."""
    names = list(known)

    def read(text: str) -> list[str]:
        words = [word.strip() for word in text.split(",")]
        unknown = [word for word in words if word not in names]
        if unknown:
            raise argparse.ArgumentTypeError(f"'{unknown[0]}' is none of {', '.join(names)}")
        return words

    return read


def _training(sizes: list[str]) -> list[str]:
    device = choose_device("auto")
    head = ("size", "crop", "batch", "precision", "steps/s", "megapixels/s")
    what = f"Training, chroma, on {device}, fastest of a few steps, without cutting crops and held-out figures:"
    lines = [what, "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for size in sizes:
        network = RecoveryGraph("chroma", size=size, encoding="display", matrix="709", balance=None).network
        for crop, batch in CROPS:
            for precision in ("fp32", "bf16") if device.type == "cuda" else precisions(device):
                seconds = probe_step(network, batch, crop, precision, device, "chroma")
                rate = batch * crop * crop / seconds / 1e6
                lines.append(f"| {size} | {crop} | {batch} | {precision} | {1.0 / seconds:.2f} | {rate:.2f} |")
    return lines


def _inference(sizes: list[str], pictures: list[str]) -> list[str]:
    kinds = ("together", "with files", "steadied")
    head = ("task", "size", "picture", "files", "network", "together", "with files", "more", "steadied", "more",
            "processor: network", *kinds, "peak, MB: network", *kinds)  # fmt: skip
    lines = [
        "Inference, fp32, ONNX Runtime, chroma with a balance, ms per megapixel of wall clock and of processor. Network: "
        "best of four on one picture; together: on as many at once as `apply` takes, a picture's share. With files: mean of "
        f"{_FRAMES} frames (4K: {_FRAMES_4K}) that are read and written too, EXR as half in ZIP, DPX in 10 bits; steadied: as "
        "is handed out by default, chroma without flicker, spatial with its grain averaged. More: than together.",
        "", f"| {' | '.join(head)} |", "|---" * len(head) + "|",
    ]  # fmt: skip
    jobs = [("chroma", size, picture, ".exr") for size in sizes for picture in pictures]
    jobs += [("chroma", "medium", "1080p", ".dpx"), ("spatial", "medium", "1080p", ".exr")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for task, size, picture, suffix in jobs:
            if size in sizes and picture in pictures:
                lines.append(_inference_row(folder, task, size, picture, suffix))
    return lines


def _inference_row(folder: Path, task: str, size: str, picture: str, suffix: str) -> str:
    source = _frames(folder, picture, suffix)
    model = _model(folder, task, size, "none" if suffix == ".dpx" else "display")
    found = []
    for how in ("alone", "together", "plain", "steadied"):
        command = [sys.executable, "-c", _INFER, str(model), str(source), str(folder / f"out.####{suffix}"), how]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found.append(Measured(*json.loads(output)))
        for written in folder.glob("out.*"):
            written.unlink()
    scale = 1e3 / (PICTURES[picture][0] * PICTURES[picture][1] / 1e6)
    wall = [f"{one.seconds * scale:.0f}" for one in found[:2]]
    for one in found[2:]:
        wall += [f"{one.seconds * scale:.0f}", f"{one.seconds / found[1].seconds - 1.0:+.0%}"]
    processor = [f"{one.processor * scale:.0f}" for one in found]
    memory = [f"{one.peak:.0f}" for one in found]
    return f"| {' | '.join([task, size, picture, suffix, *wall, *processor, *memory])} |"


def _frames(folder: Path, picture: str, suffix: str) -> Path:
    """Frames of soft shapes that flicker, under grain, which compress like film; written once."""
    pattern = folder / f"{picture}.####{suffix}"
    height, width = PICTURES[picture]
    random, (down, across) = np.random.default_rng(0), np.mgrid[:height, :width].astype(np.float32)
    shapes = np.stack([0.3 + 0.25 * np.sin(across / (90 + 20 * c) + c) * np.cos(down / 70.0) for c in range(3)], axis=-1)
    for frame in range(1, 1 + (_FRAMES if picture != "4K" else _FRAMES_4K)):
        path = output_path(pattern, frame)
        if not path.exists():
            flicker = 10.0 ** -random.normal(0.0, _FLICKER, 3)
            grainy = (shapes * flicker + random.normal(0.0, 0.01, shapes.shape)).astype(np.float32)
            window = Window(0, 0, width, height)
            write_frame(path, Frame(grainy, window, window, {}, {}), "half" if suffix == ".exr" else "uint10")
    return pattern


def _model(folder: Path, task: str, size: str, encoding: str) -> Path:
    path = folder / f"{task}-{size}-{encoding}.onnx"
    if not path.exists():
        balance = _BALANCE if task == "chroma" else None
        graph = RecoveryGraph(task, size=size, encoding=encoding, matrix="709", balance=balance).eval()
        card = ModelCard(
            "bench", task, graph.kept, encoding, "709", balance.numbers if balance else None, size, graph.receptive_field,
            graph.multiple, sum(parameter.numel() for parameter in graph.network.parameters()),
        )  # fmt: skip
        export_model(graph, card, path)
    return path


def _start_up() -> list[str]:
    lines = ["Start-up of commands, median of five:", "", "| command | seconds |", "|---|---|"]
    for command in COMMANDS:
        seconds = []
        for _ in range(5):
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-m", "film_recovery.cli.main", *command.split()], check=True, capture_output=True)
            seconds.append(time.perf_counter() - begin)
        lines.append(f"| film-recovery {command} | {float(np.median(seconds)):.2f} |")
    return lines


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if os.name == "posix" else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


if __name__ == "__main__":
    main()
