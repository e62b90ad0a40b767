"""How fast and how large: training, inference, start-up, on this machine. ``.venv/bin/python bench/speed.py`` writes a table.

Every inference figure comes from a process of its own, so that its peak memory is its own. Run it with nothing beside it.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
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
from film_recovery.training.plan import choose_device, probe_step

TABLE = Path(__file__).with_name("speed.md")
PICTURES = {"540p": (540, 960), "1080p": (1080, 1920), "4K": (2160, 3840)}
_FRAMES, _FRAMES_4K = 10, 4
CROPS = ((128, 8), (256, 4), (512, 3))
COMMANDS = ("--help", "train --help", "apply --help", "doctor --quick")
_INFER = """
import json, sys, time
from pathlib import Path
from film_recovery.images.sequence import open_sequence
from film_recovery.inference.sequence import apply_model
from film_recovery.inference.session import InferenceOptions, ModelSession
from film_recovery.inference.tiles import recover
from film_recovery.modelfile.load import load_model
model, source, output = load_model(sys.argv[1]), open_sequence(sys.argv[2]), sys.argv[3]
if output == "none":
    session, card, picture, seconds = ModelSession(model, InferenceOptions()), model.card, source.read(source.frames[0]).rgb, []
    for _ in range(4):
        begin = time.perf_counter()
        recover(session.run, picture, None, card.receptive_field, card.multiple)
        seconds.append(time.perf_counter() - begin)
    result = min(seconds)
else:
    report = apply_model(model, source, output)
    result = report.seconds / len(report.done)
# Linux: the peak of this program alone; getrusage would also count the process that started it.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps([result, int(peak.split()[1]) / 1024]))
"""
_BALANCE = DensityBalance(np.array([[1.5, 0.2, 0.0], [0.1, 1.2, 0.05], [0.0, -0.05, 1.4]]), np.array([-0.3, -0.1, -0.2]))


def main() -> None:
    """Measure everything and write the table beside this file."""
    lines = [
        "# Speed",
        "",
        f"{datetime.date.today().isoformat()}, {_processor()}, {len(os.sched_getaffinity(0))} processors, "
        f"Python {platform.python_version()}, PyTorch {torch.__version__}. Written by `bench/speed.py`.",
        "",
        *_training(),
        "",
        *_inference(),
        "",
        *_start_up(),
    ]
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(TABLE.read_text(encoding="utf-8"))


def _training() -> list[str]:
    device = choose_device("auto")
    head = ("size", "crop", "batch", "precision", "steps/s", "megapixels/s")
    lines = [f"Training, chroma, on {device}, fastest of a few steps:", "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for size in SIZES:
        network = RecoveryGraph("chroma", size=size, encoding="display", matrix="709", balance=None).network
        for crop, batch in CROPS:
            for precision in ("fp32", "bf16"):
                seconds = probe_step(network, batch, crop, precision, device)
                rate = batch * crop * crop / seconds / 1e6
                lines.append(f"| {size} | {crop} | {batch} | {precision} | {1.0 / seconds:.2f} | {rate:.2f} |")
    return lines


def _inference() -> list[str]:
    head = ("task", "size", "picture", "files", "network, ms per megapixel", "with files", "peak memory, MB", "with files, MB")
    lines = [
        "Inference, fp32, ONNX Runtime, chroma with a balance. Network: best of four on one picture. With files: mean "
        f"of {_FRAMES} frames (4K: {_FRAMES_4K}) that are read and written too, EXR as half, DPX in 10 bits:",
        "", f"| {' | '.join(head)} |", "|---" * len(head) + "|",
    ]  # fmt: skip
    jobs = [("chroma", size, picture, ".exr") for size in SIZES for picture in PICTURES]
    jobs += [("chroma", "medium", "1080p", ".dpx"), ("spatial", "medium", "1080p", ".exr")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for task, size, picture, suffix in jobs:
            source = _frames(folder, picture, suffix)
            model = _model(folder, task, size, "none" if suffix == ".dpx" else "display")
            alone, memory = _measured(model, source, "none")
            whole, peak = _measured(model, source, str(folder / f"out.####{suffix}"))
            megapixels = PICTURES[picture][0] * PICTURES[picture][1] / 1e6
            figures = [f"{value:.0f}" for value in (1e3 * alone / megapixels, 1e3 * whole / megapixels, memory, peak)]
            lines.append(f"| {' | '.join([task, size, picture, suffix, *figures])} |")
            for written in folder.glob("out.*"):
                written.unlink()
    return lines


def _measured(model: Path, source: Path, output: str) -> list[float]:
    """Seconds a picture and the peak of the process in MB."""
    command = [sys.executable, "-c", _INFER, str(model), str(source), output]
    found: list[float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def _frames(folder: Path, picture: str, suffix: str) -> Path:
    """Frames of soft shapes under grain, which compress like film; written once."""
    pattern = folder / f"{picture}.####{suffix}"
    height, width = PICTURES[picture]
    random, (down, across) = np.random.default_rng(0), np.mgrid[:height, :width].astype(np.float32)
    shapes = np.stack([0.3 + 0.25 * np.sin(across / (90 + 20 * c) + c) * np.cos(down / 70.0) for c in range(3)], axis=-1)
    for frame in range(1, 1 + (_FRAMES if picture != "4K" else _FRAMES_4K)):
        path = output_path(pattern, frame)
        if not path.exists():
            grainy = (shapes + random.normal(0.0, 0.01, shapes.shape)).astype(np.float32)
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
