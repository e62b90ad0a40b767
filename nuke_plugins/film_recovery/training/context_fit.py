"""Learning in closed form what surroundings say of colour, once table and filter are there.

All of every picture is looked at: on surroundings that it has not seen, a map of many features says anything. What is learned
are means, and the mean of a cell is known from some of its pixels nearly as well as from all; so of large pictures every second
or fourth pixel of every such row is enough. What the filter does to a mean is what it does to an even picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from film_recovery.images.encodings import encode
from film_recovery.training.context import BLOCK, CELL, RANDOM_FEATURES, Context, means_around
from film_recovery.training.graph import RecoveryGraph
from film_recovery.training.levels import flicker_levels
from film_recovery.training.parts import BELIEVED
from film_recovery.training.softness import soften

_RIDGE = 5e-4  # of the mean square of what is told of a cell
_REACH = 16.0  # usual changes; so many are halved, a usual one is nearly whole
_STEPS = (1, 2, 4)  # pixels between those that are looked at
_AREA = 1_000_000  # pixels of all pictures together that are looked at, about
_CELLS = 30_000  # that are learned from, at least
_LEAST_BLUR = 0.5  # cells; less of a blur leaves most of what is told of a cell as it is, and what it takes is not copied
FloatArray = npt.NDArray[np.float32]


@torch.no_grad()
def fit_context(
    graph: RecoveryGraph,
    pictures: Sequence[FloatArray],
    targets: Sequence[FloatArray],
    trust: Sequence[FloatArray | None],
    seed: int,
) -> None:
    """Give the start of ``graph``, whose statistics are known, the context that the pairs speak for; none where nothing in them
    is believed, or no picture has 16 pixels a side.

    ``pictures`` and ``targets`` (H, W, 3) are in the working space, ``trust`` (H, W) each is 0..1, or None for all.
    """
    context = graph.start.context
    assert context is not None
    step = next((s for s in _STEPS if sum(one[..., 0].size for one in pictures) <= _AREA * s * s), _STEPS[-1])
    pairs = [one for one in zip(pictures, targets, trust, strict=True) if min(one[0].shape[:2]) >= BLOCK * CELL]
    if not pairs:
        return
    views = [_view(graph, *one, step) for one in pairs]
    thin = max(int((sum(sure.numel() for _, _, sure in views) * (step / CELL) ** 2 / _CELLS) ** 0.5), 1)
    levels = flicker_levels([wanted.numpy() for _, wanted, _ in views], [sure[0].numpy() > BELIEVED for _, _, sure in views])
    copies = context.means // context.features
    mean, deviation = (part.flatten().double().repeat(copies) for part in (graph.mean, graph.deviation))
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(RANDOM_FEATURES, context.means, generator=generator).double() / context.means**0.5 / deviation
    context.mixing.copy_(mixing)
    context.shift.copy_(2.0 * torch.rand(RANDOM_FEATURES, generator=generator) - 1.0 - mixing @ mean)
    size = context.means + RANDOM_FEATURES + 1
    normal, right = torch.zeros(size, size, dtype=torch.float64), torch.zeros(size, context.outputs, dtype=torch.float64)
    blur = float(graph.start.softness) / CELL
    for (features, wanted, sure), level in zip(views, levels.astype(np.float32), strict=True):
        told = _told(context, means_around(functional.avg_pool2d(features[None], CELL // step)), blur, thin)
        told[: context.means] = ((told[: context.means] - mean[:, None]) / deviation[:, None]).float()
        change = (wanted - torch.from_numpy(level)[:, None, None]) / graph.gain[0]
        cells, believed = (functional.avg_pool2d(part, CELL // step)[:, ::thin, ::thin].flatten(1) for part in (change, sure))
        weighed = told * believed
        normal += weighed @ told.T
        right += weighed @ cells.T
    if not normal[-1, -1] > 0.0:  # the constant's: how much is believed
        return
    price = _RIDGE * normal.diagonal()[:-1].mean() * torch.eye(size, dtype=torch.float64)
    price[-1, -1] = 0.0  # the constant is free
    solution = torch.linalg.solve(normal + price, right) / _REACH
    weight, bias = solution[:-1].T, solution[-1]
    weight[:, : context.means] /= deviation
    context.weight.copy_(weight)
    context.bias.copy_(bias - weight[:, : context.means] @ mean)
    context.limit.copy_(_REACH * graph.gain.flatten())


def _told(context: Context, means: torch.Tensor, blur: float, thin: int) -> torch.Tensor:
    """What is told of every n-th cell of every n-th row, blurred by so many cells, and one, (M + R + 1, N)."""
    if blur < _LEAST_BLUR:
        told = context.told(means[:, :, ::thin, ::thin])
    else:
        told = soften(context.told(means), blur)[:, :, ::thin, ::thin]
    return torch.cat([told[0].flatten(1), torch.ones(1, told[0, 0].numel())])


def _view(
    graph: RecoveryGraph, picture: FloatArray, target: FloatArray, trust: FloatArray | None, step: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of every n-th pixel of every n-th row: features (C, H, W), the change (O, H, W) that is wanted of table and filter, trust
    (1, H, W). Height and width are those of whole blocks."""
    start, block = graph.start, BLOCK * CELL // step
    height, width = (-(-length // step) // block * block for length in picture.shape[:2])
    at = (slice(0, height * step, step), slice(0, width * step, step))
    source, goal = (torch.from_numpy(np.ascontiguousarray(part[at])).permute(2, 0, 1)[None] for part in (picture, target))
    coded = graph.coded_source(source)
    ycc = functional.conv2d(coded, graph.to_ycc)
    looked_up = start.looked_up(coded, ycc)
    learned = looked_up[:, graph.learned]
    filtered = functional.conv2d(looked_up[:, : start.inputs], start.kernel.sum(dim=(2, 3), keepdim=True), start.offset)
    evened = learned + start.bounded(filtered)
    wanted = functional.conv2d(torch.as_tensor(encode(goal, graph.encoding, torch)), graph.to_ycc)
    change = wanted[:, graph.learned] - soften(evened, float(start.softness) / step)
    sure = torch.ones(1, height, width) if trust is None else torch.from_numpy(trust[at].copy())[None]
    return torch.cat([ycc, learned], dim=1)[0], change[0], sure
