"""Grain and confidence in the graph: what is baked is what the command line gives, and the layer comes out of the node."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

from embedded_nuke.render import engine

RGB = ("rgba.red", "rgba.green", "rgba.blue")
LAYER = "confidence.Y"


def rendered(node: Any, frame: int) -> Any:
    return engine.render_node(node, frame)


def colour(image: Any) -> Any:
    return np.asarray(image.only(RGB).pixels)


def applied(worker: Path, model: Path, source: str, output: Path, *more: str) -> None:
    command = [
        str(worker), "-m", "film_recovery.cli.main", "apply", str(model), "--input", source, "--output", str(output),
        "--device", "cpu", "--frames", "1003", *more,
    ]  # fmt: skip
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run(command, cwd=str(output.parent), env=clean, check=True, capture_output=True, timeout=120)


@pytest.fixture
def shot(nuke: Any, reads: Callable[..., Any], tmp_path: Path) -> Any:
    """A saved script with a RecoveryInference without a model."""
    source, _ = reads(nuke)
    node = nuke.nodes.RecoveryInference(inputs=[source], name="Recovery", useGPUIfAvailable=False)
    (tmp_path / "shot").mkdir()
    nuke.scriptSaveAs(str(tmp_path / "shot" / "shot.nk"), overwrite=1)
    return node


@pytest.fixture
def spatial_model(worker: Path, picture_tools: Any, tmp_path: Path) -> Path:
    """A spatial model that a few steps have trained on frames large enough for its card to tell of grain."""
    write_exr, scene = picture_tools
    folder = tmp_path / "spatial"
    for frame in (1001, 1002, 1003):
        sharp = scene(frame, 192, 160)
        write_exr(tmp_path / f"sharp.{frame}.exr", sharp)
        write_exr(tmp_path / f"soft.{frame}.exr", (sharp + np.roll(sharp, 1, 1) + np.roll(sharp, 1, 0)) / 3)
    command = [
        str(worker), "-m", "film_recovery.cli.main", "train", "--task", "spatial",
        "--source", str(tmp_path / "soft.####.exr"), "--reference", str(tmp_path / "sharp.####.exr"), "--frames", "1001-1003",
        "--size", "small", "--patch", "32", "--batch", "1", "--steps", "3", "--align", "none", "--balance", "none",
        "--device", "cpu", "--out", str(folder),
    ]  # fmt: skip
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run(command, cwd=str(folder.parent), env=clean, check=True, capture_output=True, timeout=300)
    model = folder / "export" / "spatial.onnx"
    assert json.loads(model.with_suffix(".json").read_text(encoding="utf-8"))["grain"]
    return model


def test_the_confidence_of_baked_frames_comes_out_of_the_node(
    nuke: Any, shot: Any, worker: Path, elements: dict[str, str], tiny_model: Path, tmp_path: Path
) -> None:
    from film_recovery_nuke.nodes import inference

    shot["modelFile"].setValue(tiny_model.as_posix())
    assert inference.bake(shot, [1003]).baked == [1003]
    plain = rendered(shot, 1003)
    assert not plain.has(LAYER)
    shot["confidence"].setValue(True)
    assert inference.states(shot, [1003]) == ["stale"]
    assert inference.bake(shot, [1003]).baked == [1003], "the frame has to have the layer"
    assert inference.bake(shot, [1003]).kept == [1003]
    given = rendered(shot, 1003)
    applied(worker, tiny_model, elements["source"], tmp_path / "cli.####.exr", "--no-steady", "--confidence")
    expected = rendered(nuke.nodes.Read(file=(tmp_path / "cli.1003.exr").as_posix(), file_type="exr", raw=True), 1)
    assert np.array_equal(given.plane(LAYER, given.box), expected.plane(LAYER, given.box))
    assert given.plane(LAYER, given.box).max() > 0.5
    assert np.array_equal(colour(given), colour(plain))

    shot["output"].setValue("difference")
    assert np.array_equal(rendered(shot, 1003).plane(LAYER, given.box), given.plane(LAYER, given.box))
    shot["output"].setValue("recovered")
    nuke.scriptSave()
    name = nuke.root().name()
    nuke.scriptClear()
    nuke.scriptOpen(name)
    assert rendered(nuke.toNode("Recovery"), 1003).has(LAYER), "also after the script is opened again"
    nuke.toNode("Recovery")["confidence"].setValue(False)
    assert not rendered(nuke.toNode("Recovery"), 1003).has(LAYER)


def test_grain_is_the_command_lines(
    nuke: Any, shot: Any, worker: Path, elements: dict[str, str], spatial_model: Path, tmp_path: Path
) -> None:
    from film_recovery_nuke.nodes import inference

    shot["modelFile"].setValue(spatial_model.as_posix())
    assert inference.bake(shot, [1003]).baked == [1003]
    shot["steady"].setValue(True)
    for treatment in ("recovered", "source", "reference"):
        shot["grain"].setValue(treatment)
        assert inference.bake(shot, [1003]).baked == [1003], "the frame is another one"
        applied(worker, spatial_model, elements["source"], tmp_path / f"{treatment}.####.exr", "--grain", treatment)
        path = tmp_path / f"{treatment}.1003.exr"
        expected = nuke.nodes.Read(file=path.as_posix(), file_type="exr", raw=True)
        assert np.array_equal(colour(rendered(shot, 1003)), colour(rendered(expected, 1))), treatment
    shot["grain"].setValue("recovered")
    assert inference.bake(shot, [1003]).baked == [1003]
    shot["grain"].setValue("source")
    assert inference.bake(shot, [1003]).baked == [1003]
    shot["steady"].setValue(False)
    assert inference.bake(shot, [1003]).kept == [1003], "with the source's grain nothing is averaged"


def test_grain_of_a_chroma_recovery_is_left_alone(nuke: Any, shot: Any, tiny_model: Path) -> None:
    from film_recovery_nuke.nodes import inference

    shot["modelFile"].setValue(tiny_model.as_posix())
    shot["grain"].setValue("source")
    assert inference.bake(shot, [1003]).baked == [1003]
