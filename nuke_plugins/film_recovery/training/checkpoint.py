"""Checkpoints: one safetensors file with everything that a resumed run needs to go on bit for bit. No pickle anywhere."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from film_recovery.contract.atomic import atomic_path
from film_recovery.contract.errors import ModelFileError
from film_recovery.pairs.balance import DensityBalance
from film_recovery.training.graph import RecoveryGraph

_KEY = "film_recovery_checkpoint"


@dataclass
class CheckpointInfo:
    """What stands in the file's header: enough to rebuild the graph, and where the run was.

    ``best`` is the best held-out figure so far (dB), reached at ``best_step``; both None before the first evaluation.
    """

    task: str
    size: str
    encoding: str
    matrix: str
    balance: list[float] | None
    step: int
    best: float | None = None
    best_step: int | None = None


def save_checkpoint(path: Path, info: CheckpointInfo, groups: dict[str, dict[str, torch.Tensor]]) -> None:
    """Write named groups of tensors, whole or not at all. Raises :class:`StorageError` when the disk is full."""
    tensors = {
        f"{group}/{name}": tensor.detach().to("cpu").contiguous().clone()
        for group, members in groups.items()
        for name, tensor in members.items()
    }
    with atomic_path(path) as temporary:
        # not by the library, whose files are for their owner alone and which tells of a full disk in an error of its own
        temporary.write_bytes(save(tensors, metadata={_KEY: json.dumps(asdict(info))}))


def load_checkpoint(path: Path) -> tuple[CheckpointInfo, dict[str, dict[str, torch.Tensor]]]:
    """Read a checkpoint. Raises :class:`ModelFileError` when it is absent, not readable, damaged or not ours."""
    if not path.is_file():
        raise ModelFileError(f"{path} does not exist; the run has no checkpoint yet, so start it anew.")
    try:
        path.open("rb").close()  # the library calls a file absent that may not be read
        with safe_open(str(path), framework="pt") as stream:
            header = json.loads((stream.metadata() or {})[_KEY])
            groups: dict[str, dict[str, torch.Tensor]] = {}
            for key in stream.keys():  # noqa: SIM118 - safe_open has no iterator
                group, _, name = key.partition("/")
                groups.setdefault(group, {})[name] = stream.get_tensor(key)
        return CheckpointInfo(**header), groups
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror or error}; check the permissions of the file.") from error
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{path} is not a whole checkpoint of this program; restore it or start the run anew.") from error


def graph_from_checkpoint(path: Path, group: str = "graph") -> tuple[CheckpointInfo, RecoveryGraph]:
    """Rebuild the graph with the weights of one group (``graph`` as trained, ``best`` the best averaged ones)."""
    info, groups = load_checkpoint(path)
    graph = RecoveryGraph(
        info.task,
        size=info.size,
        encoding=info.encoding,
        matrix=info.matrix,
        balance=DensityBalance.from_numbers(info.balance) if info.balance else None,
    )
    try:
        graph.load_state_dict(groups["graph"])
        if group != "graph":
            graph.network.load_state_dict(groups[group])
    except (RuntimeError, KeyError) as error:
        kind = f"{info.size} {info.task}"
        raise ModelFileError(f"{path} does not fit a {kind} network; it comes from another release.") from error
    return info, graph
