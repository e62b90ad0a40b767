"""The recovery graph once more, in the form that ONNX Runtime computes fast: this is what an ONNX file holds.

The same numbers as :class:`film_recovery.training.graph.RecoveryGraph`, arranged by what was measured on a CPU:

- what works in cells of pixels, the network's first layer and the start's filter, is one convolution with the cell's side as
  its stride that reads pixels: a kernel as wide as its cells, instead of cells made first;
- the affine gains are enlarged by a convolution of each channel with fixed weights, and meet the features, in cells, before one
  pixel-shuffle of the result; what the affine head adds is enlarged together with the direct residual;
- colour matrices are matrix products over flattened planes; a convolution of three channels is padded to blocks of sixteen;
- the table is a polynomial in each of its cells, whose factors are gathered by indices of 32 bits, planes at a time;
- transfer curves are a factor on the value, without choosing between branches, and a power is a logarithm and an exponential.

Values differ from the plain form by rounding, under 1e-6 of a pixel's size.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from film_recovery.images import encodings
from film_recovery.images.colour import rgb_to_ycbcr_matrix, ycbcr_to_rgb_matrix
from film_recovery.pairs.lut import NODES
from film_recovery.training.context import CELL as CONTEXT_CELL
from film_recovery.training.context import SURROUNDINGS, means_around
from film_recovery.training.network import CELL, MULTIPLE, CorrectionNetwork, DetailNetwork, Network
from film_recovery.training.start_module import NO_LIMIT

if TYPE_CHECKING:
    from film_recovery.training.graph import RecoveryGraph

_PIXELS = CELL * CELL
Numbers = npt.NDArray[Any]


class ExportedRecovery(nn.Module):
    """A trained recovery for export. Images are float32 (1, 3, H, W) in the working space, any range, any H and W.

    Args:
        graph: in evaluation mode, on the CPU, without a gradient to come; its layers are read, not changed.
    """

    to_features: torch.Tensor
    shift: torch.Tensor
    to_rgb: torch.Tensor

    def __init__(self, graph: RecoveryGraph) -> None:
        super().__init__()
        self.encoding, self.balance = graph.encoding, None if graph.balance is None else _Balance(graph.balance.numbers)
        self.start = _CellStart(graph)
        self.context = None if graph.start.context is None else _CellContext(graph)
        self.network = _DetailNetwork(graph) if isinstance(graph.network, DetailNetwork) else _CellNetwork(graph)
        mean, deviation = (_numbers(part).ravel() for part in (graph.mean, graph.deviation))
        first, last = graph.learned.start, graph.learned.stop
        self.register_buffer("to_features", _tensor(_to_features(graph) / deviation[:, None]))
        self.register_buffer("shift", _tensor((-mean / deviation)[:, None]))
        self.register_buffer("to_rgb", _tensor(ycbcr_to_rgb_matrix(graph.matrix)[:, first:last]))

    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        coded = self.coded_source(rgb)
        height, width = coded.shape[2], coded.shape[3]
        padded = functional.pad(coded, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="replicate")
        start, looked_up = self.start(padded)
        if self.context is not None:
            start = start + self.context(padded, looked_up)
        change = start + self.network(mixed(self.to_features, torch.cat([padded, start], dim=1), self.shift))
        recovered = coded + mixed(self.to_rgb, change[:, :, :height, :width])
        return decoded(recovered, self.encoding)

    def coded_source(self, rgb: torch.Tensor) -> torch.Tensor:
        """Balanced and coded source, (1, 3, H, W)."""
        if self.balance is None:
            return encoded(rgb, self.encoding)
        if self.encoding == "none":
            return encoded(self.balance(decoded(rgb, "display")), "display")
        return encoded(self.balance(rgb), self.encoding)


class _Balance(nn.Module):
    """:func:`film_recovery.pairs.balance.balance_planes` in natural logarithms, linear RGB (1, 3, H, W) in and out."""

    matrix: torch.Tensor
    shift: torch.Tensor

    def __init__(self, numbers: list[float]) -> None:
        super().__init__()
        self.register_buffer("matrix", _tensor(np.reshape(numbers[:9], (3, 3))))
        self.register_buffer("shift", _tensor(-math.log(10.0) * np.reshape(numbers[9:], (3, 1))))

    def forward(self, linear: torch.Tensor) -> torch.Tensor:
        with_density = torch.clamp(linear, min=encodings.DENSITY_TOE)
        return torch.exp(mixed(self.matrix, torch.log(with_density), self.shift)) + (linear - with_density)


class _CellStart(nn.Module):
    """What table and filter add to the learned channels, (1, outputs, H, W), of coded RGB; and the table alone, or nothing
    without one."""

    polynomial: torch.Tensor
    nodes: torch.Tensor
    mixing: torch.Tensor
    kernel: torch.Tensor
    offset: torch.Tensor
    limit: torch.Tensor

    def __init__(self, graph: RecoveryGraph) -> None:
        super().__init__()
        start = graph.start
        self.outputs, self.uses_table = start.outputs, start.uses_table
        pad = start.kernel.shape[-1] // 2
        reach = -(-pad // CELL)  # cells
        self.margin = reach * CELL
        limit = _numbers(start.limit)
        self.limited = bool((limit < NO_LIMIT).all())
        scale = np.maximum(limit, 1e-9) if self.limited else np.ones_like(limit)  # runtimes clip to one range, for free
        self.register_buffer("kernel", _tensor(of_cells(_numbers(start.kernel) / scale[:, None, None, None], reach)))
        self.register_buffer("offset", _tensor(np.repeat(_numbers(start.offset) / scale, _PIXELS)))
        self.register_buffer("limit", _tensor(np.repeat(scale, _PIXELS)[:, None, None]))
        mixing = rgb_to_ycbcr_matrix(graph.matrix)[: start.inputs]
        if self.uses_table:
            mixing = np.hstack([mixing, np.eye(3)[: start.inputs, start.first :]])
            self.register_buffer("polynomial", _tensor(_polynomial(_numbers(start.table).T)))
            self.register_buffer("nodes", _tensor(np.array([[NODES**2, NODES, 1.0]])))
        self.register_buffer("mixing", _tensor(mixing))

    def forward(self, coded: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.uses_table:
            change = self.filtered(coded)
            return change, torch.zeros_like(change)
        looked_up = self.table_change(coded)
        return looked_up + self.filtered(torch.cat([coded, looked_up], dim=1)), looked_up

    def filtered(self, planes: torch.Tensor) -> torch.Tensor:
        """What the filter adds, of coded RGB and the change by the table."""
        around = functional.pad(mixed(self.mixing, planes), (self.margin,) * 4, mode="replicate")
        change = functional.conv2d(around, self.kernel, self.offset, stride=CELL)
        if self.limited:
            change = torch.clamp(change, -1.0, 1.0) * self.limit
        return functional.pixel_shuffle(change, CELL)

    def table_change(self, coded: torch.Tensor) -> torch.Tensor:
        """Trilinear between the table's nodes, (1, outputs, H, W); beyond 0..1 the change of the nearest face."""
        position = torch.clamp(coded, 0.0, 1.0).flatten(2) * float(NODES - 1)
        low = torch.clamp(torch.floor(position), max=float(NODES - 2))
        red, green, blue = (position - low).unbind(1)  # (1, N) each, beside (outputs, N)
        base = torch.matmul(self.nodes, low)[0].to(torch.int32).expand(self.outputs, -1)

        def along_blue(part: int) -> torch.Tensor:
            return gathered(self.polynomial[part], base) + blue * gathered(self.polynomial[part + 1], base)

        def along_green(part: int) -> torch.Tensor:
            return along_blue(part) + green * along_blue(part + 2)

        change = along_green(0) + red * along_green(4)
        return change.reshape(1, self.outputs, coded.shape[2], coded.shape[3])


class _CellContext(nn.Module):
    """What surroundings add to the learned channels, of coded RGB and the change by the table, (1, 3 and outputs, H, W).

    The features of a mean are the mean of the features, so they are never made: ``mixing`` and what weighs the means take coded
    values as they are.
    """

    mixing: torch.Tensor
    shift: torch.Tensor
    ours: torch.Tensor
    random: torch.Tensor
    bias: torch.Tensor
    limit: torch.Tensor
    enlarging: torch.Tensor

    def __init__(self, graph: RecoveryGraph) -> None:
        super().__init__()
        context = graph.start.context
        assert context is not None
        to_means = np.kron(np.eye(1 + len(SURROUNDINGS)), _to_features(graph))
        weight, outputs = _numbers(context.weight), context.outputs
        self.register_buffer("mixing", _tensor((_numbers(context.mixing) @ to_means)[:, :, None, None]))
        self.register_buffer("shift", _tensor(_numbers(context.shift)))
        self.register_buffer("ours", _tensor((weight[:, : context.means] @ to_means)[:, :, None, None]))
        self.register_buffer("random", _tensor(weight[:, context.means :, None, None]))
        self.register_buffer("bias", _tensor(_numbers(context.bias)))
        self.register_buffer("limit", _tensor(_numbers(context.limit)[:, None, None]))
        self.register_buffer("enlarging", _tensor(np.kron(np.eye(outputs)[:, :, None, None], _enlarging(CONTEXT_CELL))))

    def forward(self, coded: torch.Tensor, looked_up: torch.Tensor) -> torch.Tensor:
        means = means_around(torch.cat([functional.avg_pool2d(part, CONTEXT_CELL) for part in (coded, looked_up)], dim=1))
        told = functional.relu(functional.conv2d(means, self.mixing, self.shift))
        change = functional.conv2d(told, self.random, self.bias) + functional.conv2d(means, self.ours)
        around = functional.pad(functional.softsign(change) * self.limit, (1, 1, 1, 1), mode="replicate")
        return functional.pixel_shuffle(functional.conv2d(around, self.enlarging), CONTEXT_CELL)


class _Trunk(nn.Module):
    """What the networks share, of standardised features (1, C, H, W)."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        cell = network.cell
        self.stem = nn.Conv2d(network.inputs, network.stem.out_channels, 3 * cell, stride=cell, padding=cell)
        weight, bias = (_numbers(parameter) for parameter in network.stem.parameters())
        self.stem.load_state_dict({"weight": _tensor(_over_pixels(weight, cell)), "bias": _tensor(bias)})
        self.encode, self.down, self.decode = network.encode, network.down, network.decode
        self.up = nn.ModuleList(_as_convolution(layer) for layer in network.up)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        fine = self.encode[0](self.stem(features))
        middle = self.encode[1](self.down[0](fine))
        coarse = self.encode[2](self.down[1](middle))
        middle = self.decode[0](middle + functional.pixel_shuffle(self.up[0](coarse), 2))
        return torch.as_tensor(self.decode[1](fine + functional.pixel_shuffle(self.up[1](middle), 2)))


class _DetailNetwork(nn.Module):
    """The correction of the learned channel, coded, from standardised features."""

    def __init__(self, graph: RecoveryGraph) -> None:
        super().__init__()
        network, gain = graph.network, _numbers(graph.gain).ravel()
        self.trunk, self.cell = _Trunk(network), network.cell
        self.direct = _chosen(network.direct, np.arange(network.direct.out_channels), np.repeat(gain, self.cell**2))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return functional.pixel_shuffle(self.direct(self.trunk(features)), self.cell)


class _CellNetwork(nn.Module):
    """The correction of the learned channels, coded, from standardised features."""

    enlarging: torch.Tensor
    adding: torch.Tensor
    ones: torch.Tensor
    largest: torch.Tensor

    def __init__(self, graph: RecoveryGraph) -> None:
        super().__init__()
        network = graph.network
        assert isinstance(network, CorrectionNetwork)
        inputs, outputs = network.inputs, network.outputs
        gain, self.bounded = _numbers(graph.gain).ravel(), graph.reach is not None
        if graph.reach is not None:
            self.register_buffer("largest", _tensor(graph.reach * np.repeat(gain, _PIXELS)[:, None, None]))
            gain = np.full_like(gain, 1.0 / graph.reach)
        self.inputs, self.outputs, self.trunk = inputs, outputs, _Trunk(network)
        self.register_buffer("ones", torch.ones(1, inputs))
        # The head gives, for each output, the gains of all features and then what is added; here the gains of all come first.
        place = np.arange(outputs * (inputs + 1)).reshape(outputs, inputs + 1)
        order = np.concatenate([place[:, :inputs].ravel(), place[:, inputs]])
        self.affine = _chosen(network.affine, order, np.concatenate([np.repeat(gain, inputs), gain]))
        self.direct = _chosen(network.direct, np.arange(outputs * _PIXELS), np.repeat(gain, _PIXELS))
        bilinear = _enlarging(CELL)
        self.register_buffer("enlarging", _tensor(np.tile(bilinear, (outputs * inputs, 1, 1, 1))))
        self.register_buffer("adding", _tensor(np.kron(np.eye(outputs)[:, :, None, None], bilinear)))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        fine = self.trunk(features)
        head = functional.pad(self.affine(fine), (1, 1, 1, 1), mode="replicate")
        count, height, width = self.outputs * self.inputs, fine.shape[2], fine.shape[3]
        gains = functional.conv2d(head[:, :count], self.enlarging, groups=count)
        added = functional.conv2d(head[:, count:], self.adding) + self.direct(fine)
        # Planes as pictures of one channel, whose cells have one order only.
        cells = in_cells(features.reshape(self.inputs, 1, features.shape[2], features.shape[3]))
        products = gains.reshape(self.outputs, self.inputs, -1) * cells.reshape(1, self.inputs, -1)
        correction = torch.matmul(self.ones, products).reshape(1, self.outputs * _PIXELS, height, width) + added
        if self.bounded:
            correction = torch.tanh(correction) * self.largest
        return functional.pixel_shuffle(correction, CELL)


class _Gather(torch.autograd.Function):
    """Indices of 32 bits, half as much to move as those of 64 bits that PyTorch wants."""

    @staticmethod
    def forward(ctx: Any, planes: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        return torch.gather(planes, 1, index.to(torch.int64))

    @staticmethod
    def symbolic(graph: Any, planes: Any, index: Any) -> Any:
        return graph.op("GatherElements", planes, index, axis_i=1)


class _SpaceToDepth(torch.autograd.Function):
    """Pixel-unshuffle of single planes, (N, 1, H, W): one operation in ONNX, where PyTorch would write a transpose."""

    @staticmethod
    def forward(ctx: Any, planes: torch.Tensor) -> torch.Tensor:
        return functional.pixel_unshuffle(planes, CELL)

    @staticmethod
    def symbolic(graph: Any, planes: Any) -> Any:
        return graph.op("SpaceToDepth", planes, blocksize_i=CELL)


def gathered(planes: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Of planes (C, N) what stands at ``index`` (C, M), int32."""
    result: torch.Tensor = _Gather.apply(planes, index)  # type: ignore[no-untyped-call]
    return result


def in_cells(planes: torch.Tensor) -> torch.Tensor:
    """Planes (N, 1, H, W) in cells, (N, 16, H / 4, W / 4)."""
    result: torch.Tensor = _SpaceToDepth.apply(planes)  # type: ignore[no-untyped-call]
    return result


def mixed(matrix: torch.Tensor, planes: torch.Tensor, shift: torch.Tensor | None = None) -> torch.Tensor:
    """Planes (1, C, H, W) through a matrix (D, C), and ``shift`` (D, 1) added: (1, D, H, W)."""
    result = torch.matmul(matrix, planes.flatten(2))
    if shift is not None:
        result = result + shift
    return result.reshape(1, matrix.shape[0], planes.shape[2], planes.shape[3])


def encoded(values: torch.Tensor, encoding: str) -> torch.Tensor:
    """See :func:`film_recovery.images.encodings.encode`: the display curve as a factor, constant where it is straight."""
    if encoding == "display":
        size = torch.clamp(torch.abs(values), min=0.0031308)
        return values * ((1.055 * torch.exp(torch.log(size) * (1.0 / 2.4)) - 0.055) / size)
    if encoding == "log":
        bent = torch.log(torch.clamp(values, min=encodings.CCT_X_BREAK)) * (1.0 / (17.52 * math.log(2.0))) + 9.72 / 17.52
        straight = torch.clamp(values, max=encodings.CCT_X_BREAK) * encodings.CCT_SLOPE
        return bent + (straight - encodings.CCT_X_BREAK * encodings.CCT_SLOPE)
    return values


def decoded(values: torch.Tensor, encoding: str) -> torch.Tensor:
    """See :func:`film_recovery.images.encodings.decode`; the inverse of :func:`encoded`."""
    if encoding == "display":
        size = torch.clamp(torch.abs(values), min=0.04045)
        return values * (torch.exp(torch.log((size + 0.055) * (1.0 / 1.055)) * 2.4) / size)
    if encoding == "log":
        bent = torch.exp(torch.clamp(values, min=encodings.CCT_Y_BREAK) * (17.52 * math.log(2.0)) - 9.72 * math.log(2.0))
        straight = torch.clamp(values, max=encodings.CCT_Y_BREAK) - encodings.CCT_Y_BREAK
        return bent + straight * (1.0 / encodings.CCT_SLOPE)
    return values


def of_cells(kernel: Numbers, reach: int) -> Numbers:
    """A filter of pixels (D, C, side, side), odd side, as one of stride 4 that gives cells: (16 D, C, width, width).

    Its width is that of ``2 reach + 1`` cells."""
    outputs, inputs, side = kernel.shape[:3]
    width, first = (2 * reach + 1) * CELL, reach * CELL - side // 2
    result = np.zeros((outputs, CELL, CELL, inputs, width, width))
    for row in range(CELL):
        for column in range(CELL):
            down, across = slice(first + row, first + row + side), slice(first + column, first + column + side)
            result[:, row, column, :, down, across] = kernel
    return result.reshape(outputs * _PIXELS, inputs, width, width)


def _polynomial(table: Numbers) -> Numbers:
    """What is trilinear between the nodes of a table (D, 33 ** 3) as a polynomial: (8, D, 33 ** 3) factors at each cell's first
    node, of 1, b, g, gb, r, rb, rg and rgb, each from 0 to 1 in the cell. No cell begins at the last nodes.
    """
    factors = table.reshape(len(table), NODES, NODES, NODES)[None]
    for axis in (4, 3, 2):
        steps = np.diff(factors, axis=axis, append=np.take(factors, [-1], axis))
        factors = np.concatenate([factors, steps])
    return factors.reshape(8, len(table), -1)


def _over_pixels(kernel: Numbers, cell: int) -> Numbers:
    """A filter of cells so many pixels a side (D, cell * cell * C, side, side) as one of pixels with as large a stride:
    (D, C, cell * side, cell * side)."""
    outputs, inputs, side = len(kernel), kernel.shape[1] // cell**2, kernel.shape[2]
    parted = kernel.reshape(outputs, inputs, cell, cell, side, side).transpose(0, 1, 4, 2, 5, 3)
    return np.ascontiguousarray(parted.reshape(outputs, inputs, side * cell, side * cell))


def _enlarging(times: int) -> Numbers:
    """Bilinear enlargement between the middles of pixels, as a filter that gives cells so many times as wide and high:
    (times * times, 1, 3, 3)."""
    before = np.clip(0.5 - (np.arange(times) + 0.5) / times, 0.0, None)
    taps = np.stack([before, 1.0 - before - before[::-1], before[::-1]])  # of the cell before, the middle, the cell after
    return np.ascontiguousarray(np.einsum("ia,jb->abij", taps, taps).reshape(times**2, 1, 3, 3))


def _to_features(graph: RecoveryGraph) -> Numbers:
    """Rows that make, of coded RGB and a change of the learned channels, YCbCr and then the learned channels so changed."""
    ycc = rgb_to_ycbcr_matrix(graph.matrix)
    outputs = graph.learned.stop - graph.learned.start
    return np.vstack([np.hstack([ycc, np.zeros((3, outputs))]), np.hstack([ycc[graph.learned], np.eye(outputs)])])


def _as_convolution(layer: nn.Module) -> nn.Conv2d:
    """A transposed 2x2 convolution of stride 2 as a 1x1 convolution before a pixel-shuffle by 2."""
    weight, bias = (_numbers(parameter) for parameter in layer.parameters())
    return _convolution(weight.reshape(len(weight), -1).T[:, :, None, None], np.repeat(bias, 4))


def _chosen(layer: nn.Module, order: Numbers, scale: Numbers) -> nn.Conv2d:
    """A convolution whose outputs are those of ``layer`` in this order, times ``scale``."""
    weight, bias = (_numbers(parameter)[order] for parameter in layer.parameters())
    return _convolution(weight * scale[:, None, None, None], bias * scale)


def _convolution(weight: Numbers, bias: Numbers) -> nn.Conv2d:
    """Of weights (D, C, side, side) and bias (D,), its output of its input's size."""
    made = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2], padding=weight.shape[2] // 2)
    made.load_state_dict({"weight": _tensor(weight), "bias": _tensor(bias)})
    return made


def _numbers(tensor: torch.Tensor) -> Numbers:
    return tensor.detach().cpu().numpy().astype(np.float64)


def _tensor(values: Numbers) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))
