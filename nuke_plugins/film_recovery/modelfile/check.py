"""Proof after writing: the file computes what the module computes, and keeps what it must keep."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import torch
from torch import nn

from film_recovery.contract.card import ModelCard
from film_recovery.contract.errors import ModelFileError
from film_recovery.images.colour import rgb_to_ycbcr
from film_recovery.images.density import apply_balance
from film_recovery.images.encodings import encode, from_linear, to_linear
from film_recovery.modelfile.load import judge

PARITY = 1e-4  # largest difference to the module in double precision; relative to the pixel's size where that exceeds 1
HALF_PARITY_MEAN = 2e-3  # mean difference of the half variant
HALF_PARITY_P999 = 1e-2  # 99.9 % of its values differ by less
KEPT = 1e-6  # largest change of the kept component, relative to the pixel's size where that exceeds 1
_SHAPES = ((64, 96), (51, 83), (3, 3))
_KEPT_CHANNELS = {"luma": [0], "chroma": [1, 2]}


def check_model(path: Path, module: nn.Module, card: ModelCard, *, half: bool = False, name: str | None = None) -> None:
    """Compare a written file with its module on odd sizes, with values below 0 and above 1.

    The module computes in double precision: in single it rounds as the file does, differently on every processor, and where a
    strong balance magnifies that, both together would exceed what either may be off.

    Args:
        path: the file, which must also pass everything that :func:`film_recovery.modelfile.load.load_model` asks.
        module: what it was exported from, in evaluation mode, on the CPU.
        half: the file is the half-precision variant, which may differ by more.
        name: what messages call the file; None for its own name.

    Raises:
        ModelFileError: the file is not fit to be loaded, differs from the module, or changes what it must keep.
    """
    name = name or path.name
    content = path.read_bytes()
    judge(content, Path(name))
    session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    exact, random = copy.deepcopy(module).double(), np.random.default_rng(0)
    for height, width in _SHAPES:
        image = (random.random((1, 3, height, width), np.float32) * 1.2 - 0.1).astype(np.float32)
        image[..., : height // 8, :] *= 4.0
        given = np.asarray(session.run(None, {"rgb": image})[0], np.float32)
        with torch.no_grad():
            wanted = exact(torch.from_numpy(image).double()).numpy()
        for found, limit in _differences(given, wanted, half):
            if not found <= limit:
                raise ModelFileError(
                    f"{name} differs from the trained model by {found:.2g} (limit {limit:g}); export it again."
                )
        change = kept_change(image[0].transpose(1, 2, 0), given[0].transpose(1, 2, 0), card)
        if not change <= KEPT:
            raise ModelFileError(f"{name} changes the kept {card.kept} by {change:.2g} (limit {KEPT:g}); export it again.")


def _differences(given: npt.NDArray[np.float32], wanted: npt.NDArray[np.float64], half: bool) -> list[tuple[float, float]]:
    """What was found and what is allowed, of (B, C, H, W) each.

    A difference is absolute up to 1 and beyond it relative to the pixel's largest channel: a strong balance throws values above
    1 so far out that a small channel is a difference of large ones.
    """
    difference = np.abs(given - wanted) / np.maximum(np.abs(wanted).max(axis=1, keepdims=True), 1.0)
    if not half:
        return [(float(difference.max()), PARITY)]
    return [(float(difference.mean()), HALF_PARITY_MEAN), (float(np.quantile(difference, 0.999)), HALF_PARITY_P999)]


def balanced_source(working: npt.NDArray[np.float32], card: ModelCard) -> npt.NDArray[np.float32]:
    """The source (H, W, 3) as the graph balances it, coded; what is kept is this picture's luma or chroma."""
    if card.balance is None:
        return np.asarray(encode(working, card.encoding), np.float32)
    linear = apply_balance(to_linear(working, card.encoding), card.balance)
    return np.asarray(encode(from_linear(linear, card.encoding), card.encoding), np.float32)


def kept_change(working: npt.NDArray[np.float32], recovered: npt.NDArray[np.float32], card: ModelCard) -> float:
    """Largest change of the kept component between balanced source and result, (H, W, 3) each in the working space.

    Coded values; beyond 1 relative to the pixel's largest channel. 0 when nothing is kept.
    """
    if card.kept == "nothing":
        return 0.0
    source = balanced_source(working, card)
    result = np.asarray(encode(recovered, card.encoding), np.float32)
    channels = _KEPT_CHANNELS[card.kept]
    change = np.abs(rgb_to_ycbcr(result, card.matrix) - rgb_to_ycbcr(source, card.matrix))[..., channels]
    size = np.maximum(np.maximum(np.abs(source), np.abs(result)).max(axis=-1, keepdims=True), 1.0)
    return float((change / size).max())
