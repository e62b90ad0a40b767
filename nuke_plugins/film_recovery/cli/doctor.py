"""The command that looks at the machine: what is installed, which device will be used, how fast it is."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from film_recovery.contract.errors import InputError
from film_recovery.contract.processors import processors

_PACKAGES = {
    "torch": ("torch",),
    "numpy": ("numpy",),
    "onnx": ("onnx",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "opencv": ("opencv-python-headless", "opencv-python"),
    "OpenImageIO": ("OpenImageIO",),
    "opencolorio": ("opencolorio",),
    "av": ("av",),
    "scipy": ("scipy",),
    "safetensors": ("safetensors",),
}
_LITTLE_SPACE = 5.0  # GB


@click.command()
@click.option("--quick", is_flag=True, help="Leave the speed measurements out.")
def doctor(quick: bool) -> dict[str, Any]:
    """Look over this machine: versions, device, disk, colour, and how fast one step and one megapixel are.

    \b
    film-recovery doctor --quick --json
    """
    problems: list[str] = []
    packages = {name: _version(name, problems) for name in _PACKAGES}
    result: dict[str, Any] = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processors": processors(),
        "packages": packages,
        "disk_free_gb": round(shutil.disk_usage(Path.cwd()).free / 1e9, 1),
    }
    if result["disk_free_gb"] < _LITTLE_SPACE:
        problems.append(f"Only {result['disk_free_gb']} GB are free here; datasets and frames need more.")
    if packages["opencolorio"]:
        result["ocio_config"] = _ocio(problems)
    if packages["torch"] and packages["onnxruntime"]:
        result["training_device"], result["inference_device"] = _devices(problems)
        if not quick and all(packages.values()):
            result.update(_speeds())
    result["problems"] = problems
    _tell(result)
    return result


def _tell(result: dict[str, Any]) -> None:
    for name, value in result.items():
        if name == "packages":
            value = ", ".join(f"{package} {version or 'missing'}" for package, version in value.items())
        elif name == "problems":
            value = " ".join(value) or "none"
        click.echo(f"{name.replace('_', ' '):28} {value}", err=True)


def _version(name: str, problems: list[str]) -> str | None:
    for candidate in _PACKAGES[name]:
        try:
            return importlib.metadata.version(candidate)
        except importlib.metadata.PackageNotFoundError:
            continue
    problems.append(f"{name} is not installed; run the set-up again.")
    return None


def _ocio(problems: list[str]) -> str:
    """The colour configuration that the variable OCIO names, or the one that is built in."""
    import PyOpenColorIO

    from film_recovery.images.ocio import BUILT_IN, load_config

    named = os.environ.get("OCIO") or BUILT_IN
    try:
        load_config()
    except (InputError, PyOpenColorIO.ExceptionMissingFile):
        problems.append(f"The variable OCIO names '{named}', which cannot be read; correct or clear it.")
    return named


def _devices(problems: list[str]) -> tuple[str, str]:
    import onnxruntime
    import torch

    cuda_here = torch.cuda.is_available()
    training = f"cuda, {torch.cuda.get_device_name(0)}" if cuda_here else f"cpu, {torch.get_num_threads()} threads"
    inference = "cuda" if "CUDAExecutionProvider" in onnxruntime.get_available_providers() else "cpu"
    if cuda_here and inference == "cpu":
        problems.append("PyTorch sees a GPU but ONNX Runtime does not; put onnxruntime-gpu in its place, see docs/install.md.")
    return training, inference


def _speeds() -> dict[str, float]:
    """Milliseconds of one training step (medium, 8 crops of 128 pixels) and of one megapixel of inference."""
    import numpy as np
    import torch

    from film_recovery.contract.card import ModelCard
    from film_recovery.inference.session import InferenceOptions, ModelSession
    from film_recovery.modelfile.export import export_model
    from film_recovery.modelfile.load import load_model
    from film_recovery.training.graph import RecoveryGraph
    from film_recovery.training.plan import choose_device, probe_step

    graph = RecoveryGraph("chroma", size="medium", encoding="display", matrix="709", balance=None).eval()
    step = probe_step(graph.network, 8, 128, "fp32", choose_device("auto"), "chroma")
    card = ModelCard(
        "doctor", "chroma", "luma", "display", "709", None, "medium", graph.receptive_field, graph.multiple,
        sum(parameter.numel() for parameter in graph.network.parameters()), versions={"torch": torch.__version__},
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "doctor.onnx"
        export_model(graph, card, path)
        session = ModelSession(load_model(path), InferenceOptions())
        picture = np.random.default_rng(0).random((1000, 1000, 3), np.float32)
        session.run(picture)
        begin = time.perf_counter()
        session.run(picture)
        megapixel = time.perf_counter() - begin
    return {"training_step_ms": round(step * 1000.0, 1), "inference_ms_per_megapixel": round(megapixel * 1000.0, 1)}
