"""Where the network of a run begins: with the weights that are shipped, with those of another run, or at zero correction."""

from __future__ import annotations

from pathlib import Path

import torch

from film_recovery.contract.errors import InputError, ModelFileError
from film_recovery.contract.job import TrainingJob
from film_recovery.contract.run_folder import RunFolder
from film_recovery.training.checkpoint import load_checkpoint
from film_recovery.training.graph import RecoveryGraph
from film_recovery.training.network import HEADS

SHIPPED = Path(__file__).resolve().parents[3] / "models"  # of the checkout, by ``bench/initial_weights.py``


def initial_weights(job: TrainingJob) -> Path | None:
    """The run or checkpoint that a job begins with; None where it begins at zero correction."""
    if job.initial_weights != "auto":
        return None if job.initial_weights == "none" else Path(job.initial_weights)
    shipped = SHIPPED / f"initial_{job.task}_{job.size}.safetensors"
    return shipped if shipped.is_file() else None


def load_weights(path: Path, task: str, size: str) -> dict[str, torch.Tensor]:
    """The network of a run, or of a checkpoint.

    Raises:
        InputError: it is not there, or of another task or size.
        ModelFileError: the file is damaged.
    """
    file = RunFolder(path).last_checkpoint if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"There are no initial weights in {file}; name the folder of a run, a checkpoint, auto or none.")
    info, groups = load_checkpoint(file)
    if (info.task, info.size) != (task, size):
        raise InputError(
            f"The initial weights in {path} are of a {info.size} {info.task} model, this run trains a {size} {task} model; "
            "choose the same task and size."
        )
    if "best" not in groups:
        raise ModelFileError(f"{file} holds no weights that could be handed out; name another run.")
    return groups["best"]


def take_weights(graph: RecoveryGraph, path: Path) -> None:
    """Give a graph these weights; the closed-form start stays this shot's own. Raises as :func:`load_weights` does, and
    :class:`ModelFileError` for weights that do not fit."""
    weights = load_weights(path, graph.task, graph.size)
    try:
        graph.network.load_state_dict(weights)
    except RuntimeError as error:
        raise ModelFileError(f"The initial weights in {path} do not fit; they come from another release.") from error


def with_share(weights: dict[str, torch.Tensor], share: float) -> dict[str, torch.Tensor]:
    """The same weights with so much of their correction: with 0 the start alone, which is handed out while training has not
    yet helped."""
    return {name: tensor * share if name.startswith(HEADS) else tensor for name, tensor in weights.items()}
