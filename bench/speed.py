"""How fast and how large: training, inference, start-up, on this machine. ``.venv/bin/python bench/speed.py`` writes a table.

Every inference figure comes from a process of its own, so that its peak memory is its own.
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
from film_recovery.modelfile.export import export_model
from film_recovery.training.graph import RecoveryGraph
from film_recovery.training.network import SIZES
from film_recovery.training.plan import choose_device, probe_step

TABLE = Path(__file__).with_name("speed.md")
PICTURES = {"540p": (540, 960), "1080p": (1080, 1920), "4K": (2160, 3840)}
CROPS = ((128, 8), (256, 4), (512, 3))
COMMANDS = ("--help", "train --help", "apply --help", "doctor --quick")
_INFER = """
import json, sys, time
from pathlib import Path
import numpy as np
from film_recovery.inference.session import InferenceOptions, ModelSession
from film_recovery.inference.tiles import recover
from film_recovery.modelfile.load import load_model
height, width = int(sys.argv[2]), int(sys.argv[3])
session = ModelSession(load_model(sys.argv[1]), InferenceOptions())
card, picture = session.model.card, np.random.default_rng(0).random((height, width, 3), np.float32)
seconds = []
for _ in range(3 if height < 2000 else 1):
    begin = time.perf_counter()
    recover(session.run, picture, None, card.receptive_field, card.multiple)
    seconds.append(time.perf_counter() - begin)
# Linux: the peak of this program alone; getrusage would also count the process that started it.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps([min(seconds), int(peak.split()[1]) / 1024]))
"""


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
    lines = ["Inference, fp32, ONNX Runtime, best of three after loading (4K: one, in tiles):", "",
             "| task | size | picture | ms per megapixel | peak memory, MB |", "|---|---|---|---|---|"]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for task, size in (("chroma", "small"), ("chroma", "medium"), ("chroma", "large"), ("spatial", "medium")):
            path = _model(Path(folder), task, size)
            for name, (height, width) in PICTURES.items():
                command = [sys.executable, "-c", _INFER, str(path), str(height), str(width)]
                seconds, memory = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                lines.append(f"| {task} | {size} | {name} | {seconds * 1e9 / height / width:.0f} | {memory:.0f} |")
    return lines


def _model(folder: Path, task: str, size: str) -> Path:
    graph = RecoveryGraph(task, size=size, encoding="display", matrix="709", balance=None).eval()
    card = ModelCard(
        "bench", task, graph.kept, "display", "709", None, size, graph.receptive_field, graph.multiple,
        sum(parameter.numel() for parameter in graph.network.parameters()),
    )  # fmt: skip
    path = folder / f"{task}-{size}.onnx"
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
