"""The recovery graph once more, in the form that ONNX Runtime computes fast: this is what an ONNX file holds.

The same numbers as :class:`film_recovery.training.graph.RecoveryGraph`, arranged by what was measured on a CPU:

- the network works in cells of 4x4 pixels, and so does the start's filter here: in cells 9x9 taps reach one cell further, which
  makes a dense 3x3 convolution out of the direct one, and convolutions of many channels are what runtimes do best;
- colour matrices are matrix products over flattened planes; a convolution of three channels is padded to blocks of sixteen;
- the table gathers both its values and their steps along blue, planes at a time, with few elementwise operations between;
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
from film_recovery.training.network import CELL, MULTIPLE, CorrectionNetwork
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
        self.network = _CellNetwork(graph)
        mean, deviation = (_numbers(part).ravel() for part in (graph.mean, graph.deviation))
        first, last = graph.learned.start, graph.learned.stop
        # Features: standardised Y, Cb, Cr of the source, then ones, which carry what the affine head adds, then the start.
        ycc, outputs = rgb_to_ycbcr_matrix(graph.matrix), last - first
        source = np.hstack([ycc, np.zeros((3, outputs))])
        start = np.hstack([ycc[first:last], np.eye(outputs)])  # the source's and what the start adds to it
        rows = np.vstack([source, start]) / deviation[:, None]
        self.register_buffer("to_features", _tensor(np.insert(rows, 3, 0.0, axis=0)))
        self.register_buffer("shift", _tensor(np.insert(-mean / deviation, 3, 1.0)[:, None]))
        self.register_buffer("to_rgb", _tensor(ycbcr_to_rgb_matrix(graph.matrix)[:, first:last]))

    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        coded = self.coded_source(rgb)
        height, width, margin = coded.shape[2], coded.shape[3], self.start.margin
        padding = (margin, margin + -width % MULTIPLE, margin, margin + -height % MULTIPLE)
        around = functional.pad(coded, padding, mode="replicate")
        start = self.start(around)
        inner = torch.cat([around[:, :, margin:-margin, margin:-margin], start], dim=1)
        change = start + self.network(mixed(self.to_features, inner, self.shift))
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
    """What the closed-form start adds to the learned channels, (1, outputs, H, W), of coded RGB with ``margin`` around."""

    table: torch.Tensor
    steps: torch.Tensor
    nodes: torch.Tensor
    to_cells: torch.Tensor
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
        self.register_buffer("kernel", _tensor(in_cells(_numbers(start.kernel) / scale[:, None, None, None], reach)))
        self.register_buffer("offset", _tensor(np.repeat(_numbers(start.offset) / scale, _PIXELS)))
        self.register_buffer("limit", _tensor(np.repeat(scale, _PIXELS)[:, None, None]))
        mixing = rgb_to_ycbcr_matrix(graph.matrix)[: start.inputs]
        if self.uses_table:
            mixing = np.hstack([mixing, np.eye(3)[: start.inputs, start.first :]])
            table = _numbers(start.table).T
            steps = np.zeros_like(table)
            steps[:, :-1] = np.diff(table, axis=1)
            self.register_buffer("table", _tensor(table))
            self.register_buffer("steps", _tensor(steps))
            self.register_buffer("nodes", _tensor(np.array([[NODES**2, NODES, 1.0]])))
        self.register_buffer("to_cells", _unshuffle(mixing))

    def forward(self, around: torch.Tensor) -> torch.Tensor:
        if not self.uses_table:
            return self.filtered(around)
        change, margin = self.table_change(around), self.margin
        return change[:, :, margin:-margin, margin:-margin] + self.filtered(torch.cat([around, change], dim=1))

    def filtered(self, planes: torch.Tensor) -> torch.Tensor:
        """What the filter adds, of coded RGB and the change by the table, without the margin."""
        cells = functional.conv2d(planes, self.to_cells, stride=CELL)
        change = functional.conv2d(cells, self.kernel, self.offset)
        if self.limited:
            change = torch.clamp(change, -1.0, 1.0) * self.limit
        return functional.pixel_shuffle(change, CELL)

    def table_change(self, coded: torch.Tensor) -> torch.Tensor:
        """Trilinear between the table's nodes, (1, outputs, H, W); beyond 0..1 the change of the nearest face."""
        position = torch.clamp(coded, 0.0, 1.0).flatten(2) * float(NODES - 1)
        low = torch.clamp(torch.floor(position), max=float(NODES - 2))
        red, green, blue = (position - low).unbind(1)  # (1, N) each, beside (outputs, N)
        base = torch.matmul(self.nodes, low)[0].to(torch.int64).expand(self.outputs, -1)

        def along_blue(node: int) -> torch.Tensor:
            at = base + node if node else base
            return torch.gather(self.table, 1, at) + blue * torch.gather(self.steps, 1, at)

        def along_green(node: int) -> torch.Tensor:
            near = along_blue(node)
            return near + green * (along_blue(node + NODES) - near)

        near = along_green(0)
        change = near + red * (along_green(NODES**2) - near)
        return change.reshape(1, self.outputs, coded.shape[2], coded.shape[3])


class _CellNetwork(nn.Module):
    """The correction of the learned channels, coded, from features with a plane of ones: Y, Cb, Cr, ones, start."""

    to_cells: torch.Tensor
    ones: torch.Tensor
    largest: torch.Tensor

    def __init__(self, graph: RecoveryGraph) -> None:
        super().__init__()
        network: CorrectionNetwork = graph.network
        inputs, outputs = network.inputs, network.outputs
        gain, self.bounded = _numbers(graph.gain).ravel(), graph.reach is not None
        if graph.reach is not None:
            self.register_buffer("largest", _tensor(graph.reach * gain[:, None, None]))
            gain = np.full_like(gain, 1.0 / graph.reach)
        real = [0, 1, 2, *range(4, inputs + 1)]  # the features that are not the plane of ones
        mixing = np.eye(inputs + 1)[real]
        self.outputs = outputs
        self.register_buffer("to_cells", _unshuffle(mixing))
        self.register_buffer("ones", torch.ones(1, inputs + 1))
        self.stem, self.encode, self.down, self.decode = network.stem, network.encode, network.down, network.decode
        self.up = nn.ModuleList(_as_convolution(layer) for layer in network.up)
        # The head gives the gains of all features and then what is added; here that comes fourth.
        order = np.concatenate([output * (inputs + 1) + np.r_[0:3, inputs, 3:inputs] for output in range(outputs)])
        self.affine = _chosen(network.affine, order, np.repeat(gain, inputs + 1))
        self.direct = _chosen(network.direct, np.arange(outputs * _PIXELS), np.repeat(gain, _PIXELS))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        cells = functional.conv2d(features, self.to_cells, stride=CELL)
        fine = self.encode[0](self.stem(cells))
        middle = self.encode[1](self.down[0](fine))
        coarse = self.encode[2](self.down[1](middle))
        middle = self.decode[0](middle + functional.pixel_shuffle(self.up[0](coarse), 2))
        fine = self.decode[1](fine + functional.pixel_shuffle(self.up[1](middle), 2))
        parts = []
        for cells in self.affine(fine).chunk(self.outputs, dim=1):  # parted before they are enlarged, which is cheaper
            gains = functional.interpolate(cells, scale_factor=float(CELL), mode="bilinear", align_corners=False)
            parts.append(mixed(self.ones, gains * features))
        correction = torch.cat(parts, dim=1) + functional.pixel_shuffle(self.direct(fine), CELL)
        return torch.tanh(correction) * self.largest if self.bounded else correction


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


def in_cells(kernel: Numbers, reach: int) -> Numbers:
    """A filter of pixels (D, C, side, side), odd side, as one of unshuffled cells: (16 D, 16 C, 2 reach + 1, 2 reach + 1)."""
    outputs, inputs, side = kernel.shape[:3]
    across = 2 * reach + 1
    # Tap of the pixel in row i of the n-th cell, for the pixel in row a of the middle one.
    cell, row, middle = np.ogrid[-reach : reach + 1, :CELL, :CELL]
    taps = cell * CELL + row - middle + side // 2
    inside = (taps >= 0) & (taps < side)
    place = np.clip(taps, 0, side - 1)
    found = kernel[:, :, place[:, :, :, None, None, None], place[None, None, None]]
    found = found * (inside[:, :, :, None, None, None] & inside[None, None, None])
    found = found.transpose(0, 4, 7, 1, 3, 6, 2, 5)  # D, its row and column, C, its row and column, cells down, cells across
    return np.ascontiguousarray(found.reshape(outputs * _PIXELS, inputs * _PIXELS, across, across))


def _unshuffle(mixing: Numbers) -> torch.Tensor:
    """Kernel of a convolution with stride 4 from planes through ``mixing`` (D, C) to cells: (16 D, C, 4, 4)."""
    kernel = mixing[:, None, :, None] * np.eye(_PIXELS)[None, :, None, :]
    return _tensor(kernel.reshape(-1, mixing.shape[1], CELL, CELL))


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
