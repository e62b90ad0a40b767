"""Through the graph and from the command line: the same frames, pairs and seed give the same recovered pixels."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
FRAMES, STEPS, SEED = "1-4", 12, 5  # none is held out: a few steps would not do better than the start, which then is the model


def _quiet() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def _through_the_graph(nuke: Any, faded: Any, folder: Path, task: str) -> None:
    """A script of its own, run as a farm runs it: gather, training, bake, Write."""
    folder.mkdir()
    files = (faded.source, faded.reference)
    reads = [nuke.nodes.Read(file=file, file_type="exr", first=1, last=4, raw=True) for file in files]
    nuke.nodes.RecoveryTrain(
        inputs=reads, name="Train", task=task, frames=FRAMES, trainFor="steps", steps=STEPS, seed=SEED,
        modelSize="Small", cropSize="64", batchSize=2,
    )  # fmt: skip
    recovered = nuke.nodes.RecoveryInference(inputs=[reads[0]], name="Recover", modelFile="[value Train.model]")
    output = f"{folder.as_posix()}/graph.####.exr"
    nuke.nodes.Write(inputs=[recovered], name="Out", file=output, file_type="exr", channels="rgb", raw=True)
    script = folder / "shot.nk"
    nuke.scriptSaveAs(script.as_posix(), 1)
    modules = os.pathsep.join([str(ROOT / "nuke_plugins"), os.environ.get("PYTHONPATH", "")])
    bake = ROOT / "nuke_plugins" / "film_recovery_nuke" / "bake_script.py"
    line = [sys.executable, "-m", "embedded_nuke", "-t", str(bake), str(script), "--train", "1-4"]
    variables = {**_quiet(), "NUKE_PATH": str(ROOT), "PYTHONPATH": modules}
    done = subprocess.run(line, capture_output=True, text=True, env=variables)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def _from_the_command_line(worker: Path, faded: Any, folder: Path, task: str, precision: str) -> None:
    program = [str(worker), "-m", "film_recovery.cli.main"]
    train = [
        "train", "--task", task, "--source", faded.source, "--reference", faded.reference, "--frames", FRAMES,
        "--steps", str(STEPS), "--seed", str(SEED), "--size", "small", "--patch", "64", "--batch", "2",
        "--precision", precision, "--out", str(folder / "run"),
    ]  # fmt: skip
    apply = ["apply", str(folder / "run"), "--input", faded.source, "--output", f"{folder.as_posix()}/line.####.exr"]
    for words in (train, apply):
        done = subprocess.run([*program, *words], capture_output=True, text=True, env=_quiet())
        assert done.returncode == 0, done.stderr[-2000:]


def test_the_graph_and_the_command_line_give_the_same_pixels(nuke: Any, worker: Path, faded: Any, tmp_path: Path) -> None:
    import OpenImageIO as oiio

    folder = tmp_path / "shot"
    _through_the_graph(nuke, faded, folder, "chroma")
    (plan,) = folder.rglob("plan.json")  # that of the graph: a timed probe has chosen its precision, and might choose anew
    precision = json.loads(plan.read_text(encoding="utf-8"))["precision"]
    _from_the_command_line(worker, faded, folder, "chroma", precision)
    for frame in range(1, 5):
        files = [str(folder / f"{name}.{frame:04d}.exr") for name in ("graph", "line")]
        ours, theirs = (np.asarray(oiio.ImageBuf(file).get_pixels(oiio.FLOAT)) for file in files)
        assert np.array_equal(ours, theirs), f"frame {frame} differs by {np.abs(ours - theirs).max()}"
