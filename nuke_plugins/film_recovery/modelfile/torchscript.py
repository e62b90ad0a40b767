"""Writing a TorchScript file, from which NukeX's CatFileCreator makes a .cat for its Inference node.

The file holds the whole recovery, as the ONNX file does: working-space RGB (1, 3, H, W) in and out, any H and W. Nuke evaluates
it inside the graph, without a bake. Each Nuke brings its own PyTorch (1.12 in 14, 1.6 in 13); which one newer releases bring is
not documented, so the file is kept to the oldest file format that holds it.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch

from film_recovery.contract.atomic import atomic_path
from film_recovery.contract.card import METADATA_KEY
from film_recovery.contract.errors import ModelFileError
from film_recovery.modelfile.check import KEPT, PARITY, kept_change
from film_recovery.modelfile.load import LoadedModel

NEWEST_FORMAT = 4  # of the archive; PyTorch 1.6 and newer read it
_SHAPES = ((64, 96), (51, 83), (5, 3))


def write_torchscript(module: torch.jit.ScriptModule, model: LoadedModel, path: Path) -> float:
    """Write ``path`` (.pt), whole or not at all, after comparing it with the ONNX model of the same training.

    Args:
        module: compiled, in evaluation mode, on the CPU.
        model: the ONNX model; its card goes into the file too.

    Returns:
        The largest difference between the two files' results: absolute up to 1, relative beyond.

    Raises:
        ModelFileError: the two differ by more than 1e-4, the kept component changes, or the file needs a newer PyTorch.
        StorageError: the disk is full or read-only.
    """
    path = Path(path)
    content = io.BytesIO()  # PyTorch aborts the process where a disk is full, and puts a file's own name into it
    torch.jit.save(module, content, _extra_files={METADATA_KEY: model.card.to_json()})
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.getvalue())
        _check_format(temporary, path.name)
        return _largest_difference(temporary, model, path.name)


def archive_format(path: Path) -> int:
    """The version of the archive's format. Raises :class:`ModelFileError` when it is no TorchScript file."""
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(entry for entry in archive.namelist() if entry.split("/")[1:] in (["version"], [".data", "version"]))
            return int(archive.read(name))
    except (OSError, StopIteration, ValueError, zipfile.BadZipFile) as error:
        raise ModelFileError(f"{path} is no TorchScript file; export it again.") from error


def _check_format(path: Path, name: str) -> None:
    found = archive_format(path)
    if found > NEWEST_FORMAT:
        raise ModelFileError(f"{name} came out in the file format {found}, which older Nukes cannot read; this is a defect.")


def _largest_difference(path: Path, model: LoadedModel, name: str) -> float:
    session = ort.InferenceSession(model.content, providers=["CPUExecutionProvider"])
    written = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    random = np.random.default_rng(0)
    largest = 0.0
    for height, width in _SHAPES:
        image = (random.random((1, 3, height, width), np.float32) * 1.4 - 0.2).astype(np.float32)
        image[..., : height // 8, :] *= 4.0
        wanted = np.asarray(session.run(None, {"rgb": image})[0], np.float32)
        with torch.no_grad():
            given = np.asarray(written(torch.from_numpy(image)).numpy(), np.float32)
        size = np.maximum(np.abs(wanted).max(axis=1, keepdims=True), 1.0)  # of a pixel, as where the model itself was checked
        difference = float((np.abs(given - wanted) / size).max())
        if not difference <= PARITY:
            raise ModelFileError(
                f"{name} differs from {model.path} by {difference:.2g} (limit {PARITY:g}): model and checkpoint are not of the "
                "same training; finish or resume the run, so that it exports its model, and try again."
            )
        change = kept_change(image[0].transpose(1, 2, 0), given[0].transpose(1, 2, 0), model.card)
        if not change <= KEPT:
            kept = model.card.kept
            raise ModelFileError(f"{name} changes the kept {kept} by {change:.2g} (limit {KEPT:g}); this is a defect.")
        largest = max(largest, difference)
    return largest
