"""The recovery graph once more, in the part of the language that TorchScript compiles, for the .cat route of NukeX.

The same weights and the same mathematics as :class:`film_recovery.training.graph.RecoveryGraph`, under the rules of Foundry's
CatFileCreator guide: one tensor (1, 3, H, W) in, one out, padding inside, every new tensor on the input's device. Only
operators that PyTorch 1.6 already had are used, because each Nuke brings a PyTorch of its own.

With the switch *half precision* Nuke casts the module and its input. The colour constants are therefore numbers in the code
and not buffers, and colour and recombination run in single precision on what arrives: the kept component is as exact as the
half-precision picture that was handed in.
"""

# No ``from __future__ import annotations`` here: the compiler reads the annotations of a class as types, not as text.
import torch
from torch import nn
from torch.nn import functional

from film_recovery.images.colour import rgb_to_ycbcr_matrix, ycbcr_to_rgb_matrix
from film_recovery.pairs.lut import NODES
from film_recovery.training.context import BLOCK, SURROUNDINGS, Context
from film_recovery.training.context import CELL as CONTEXT_CELL
from film_recovery.training.graph import RecoveryGraph
from film_recovery.training.network import MULTIPLE, CorrectionNetwork, DetailNetwork, Network


def replicated(image: torch.Tensor, left: int, right: int, top: int, bottom: int) -> torch.Tensor:
    """(B, C, H, W) with its edges repeated outwards by these many pixels."""
    rows = torch.clamp(torch.arange(-top, image.size(2) + bottom, device=image.device), 0, image.size(2) - 1)
    columns = torch.clamp(torch.arange(-left, image.size(3) + right, device=image.device), 0, image.size(3) - 1)
    return image.index_select(2, rows).index_select(3, columns)


def enlarged(image: torch.Tensor, axis: int, times: int) -> torch.Tensor:
    """Bilinear along one axis, as ``interpolate(align_corners=False)`` does it."""
    size = image.size(axis)
    place = torch.arange(size * times, device=image.device).to(torch.float32)
    place = torch.clamp((place + 0.5) / float(times) - 0.5, min=0.0)
    low = torch.floor(place)
    weight = (place - low).to(image.dtype)
    if axis == 2:
        weight = weight.unsqueeze(1)
    first = low.to(torch.int64)
    second = torch.clamp(first + 1, max=size - 1)
    return image.index_select(axis, first) * (1.0 - weight) + image.index_select(axis, second) * weight


def rows_of(planes: torch.Tensor, numbers: list[float]) -> torch.Tensor:
    """Three planes (B, 3, H, W) through a matrix given by rows; as many planes come out as there are rows."""
    found: list[torch.Tensor] = []
    for row in range(len(numbers) // 3):
        weights = numbers[3 * row : 3 * row + 3]
        found.append(planes[:, 0:1] * weights[0] + planes[:, 1:2] * weights[1] + planes[:, 2:3] * weights[2])
    return torch.cat(found, dim=1)


class _Trunk(nn.Module):
    """What the networks share; the layers are a network's own."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.cell, self.stem = network.cell, network.stem
        self.fine_in, self.middle_in, self.coarse = network.encode[0], network.encode[1], network.encode[2]
        self.down_fine, self.down_middle = network.down[0], network.down[1]
        self.up_coarse, self.up_middle = network.up[0], network.up[1]
        self.middle_out, self.fine_out = network.decode[0], network.decode[1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        cell = self.cell
        batch, channels, height, width = x.size(0), x.size(1), x.size(2) // cell, x.size(3) // cell
        cells = x.reshape(batch, channels, height, cell, width, cell).permute(0, 1, 3, 5, 2, 4)
        fine = self.fine_in(self.stem(cells.reshape(batch, channels * cell * cell, height, width)))
        middle = self.middle_in(self.down_fine(fine))
        coarse = self.coarse(self.down_middle(middle))
        middle = self.middle_out(middle + self.up_coarse(coarse))
        result: torch.Tensor = self.fine_out(fine + self.up_middle(middle))
        return result


class _Detail(nn.Module):
    """See :class:`film_recovery.training.network.DetailNetwork`."""

    def __init__(self, network: DetailNetwork) -> None:
        super().__init__()
        self.trunk, self.direct, self.cell = _Trunk(network), network.direct, network.cell

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """In the precision of the weights; H and W are multiples of 16."""
        x = features.to(self.direct.weight.dtype)
        return functional.pixel_shuffle(self.direct(self.trunk(x)), self.cell).to(torch.float32)


class _Correction(nn.Module):
    """See :class:`film_recovery.training.network.CorrectionNetwork`."""

    def __init__(self, network: CorrectionNetwork) -> None:
        super().__init__()
        self.trunk, self.affine, self.direct = _Trunk(network), network.affine, network.direct
        self.inputs, self.outputs, self.cell = network.inputs, network.outputs, network.cell

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """In the precision of the weights; H and W are multiples of 16."""
        x = features.to(self.direct.weight.dtype)
        fine = self.trunk(x)
        coefficients = enlarged(enlarged(self.affine(fine), 2, self.cell), 3, self.cell)
        planes: list[torch.Tensor] = []
        for output in range(self.outputs):
            start = output * (self.inputs + 1)
            gains = coefficients[:, start : start + self.inputs]
            bias = coefficients[:, start + self.inputs : start + self.inputs + 1]
            planes.append(torch.sum(gains * x, dim=1, keepdim=True) + bias)
        return (torch.cat(planes, dim=1) + functional.pixel_shuffle(self.direct(fine), self.cell)).to(torch.float32)


class ScriptedRecovery(nn.Module):
    """A trained recovery that ``torch.jit.script`` compiles. Images are (B, 3, H, W) in the working space, any H and W.

    Args:
        graph: in evaluation mode, on the CPU; its layers are shared, not copied.
    """

    to_ycc: list[float]
    to_rgb: list[float]
    balance: list[float]
    mean: torch.Tensor
    deviation: torch.Tensor
    gain: torch.Tensor
    kernel: torch.Tensor
    offset: torch.Tensor
    limit: torch.Tensor
    table: torch.Tensor
    mixing: torch.Tensor
    shift: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor
    context_limit: torch.Tensor

    def __init__(self, graph: RecoveryGraph) -> None:
        super().__init__()
        self.encoding = graph.encoding
        self.nodes, self.multiple = NODES, MULTIPLE  # compiled code sees no globals
        self.first, self.outputs = graph.learned.start, graph.learned.stop - graph.learned.start
        self.inputs = 3 + self.outputs
        self.filter_inputs = graph.start.inputs
        self.uses_table = graph.start.uses_table
        self.to_ycc = [float(value) for value in rgb_to_ycbcr_matrix(graph.matrix).ravel()]
        # Only the learned columns: a row is an output colour, a column what one learned channel adds to it.
        self.to_rgb = [float(value) for value in ycbcr_to_rgb_matrix(graph.matrix).ravel()]
        self.reach = 0.0 if graph.reach is None else graph.reach  # 0: without bound
        self.balance = graph.balance.numbers if graph.balance is not None else []
        for name in ("mean", "deviation", "gain"):
            self.register_buffer(name, getattr(graph, name).clone())
        self.register_buffer("kernel", graph.start.kernel.clone())
        self.register_buffer("offset", graph.start.offset.clone())
        self.register_buffer("limit", graph.start.limit[:, None, None].clone())
        table = graph.start.table.clone() if graph.start.uses_table else torch.zeros(1, self.outputs)
        self.register_buffer("table", table)
        self.sees_surroundings, context = graph.start.context is not None, graph.start.context or Context(1, self.outputs)
        self.context_cell, self.context_block, self.surroundings = CONTEXT_CELL, BLOCK, list(SURROUNDINGS)
        for name in ("mixing", "shift", "weight", "bias"):
            self.register_buffer(name, getattr(context, name).clone())
        self.register_buffer("context_limit", context.limit[:, None, None].clone())
        network = graph.network
        self.correction = _Detail(network) if isinstance(network, DetailNetwork) else _Correction(network)

    def encode(self, values: torch.Tensor, encoding: str) -> torch.Tensor:
        """See :func:`film_recovery.images.encodings.encode`."""
        if encoding == "display":
            size = torch.abs(values)
            curve = torch.pow(torch.clamp(size, min=0.0031308), 1.0 / 2.4) * 1.055 - 0.055
            return torch.where(size <= 0.0031308, values * 12.92, torch.sign(values) * curve)
        if encoding == "log":
            curve = (torch.log2(torch.clamp(values, min=0.0078125)) + 9.72) / 17.52
            return torch.where(values <= 0.0078125, values * 10.5402377416545 + 0.0729055341958355, curve)
        return values

    def decode(self, values: torch.Tensor, encoding: str) -> torch.Tensor:
        """See :func:`film_recovery.images.encodings.decode`."""
        if encoding == "display":
            size = torch.abs(values)
            curve = torch.pow((torch.clamp(size, min=0.04045) + 0.055) / 1.055, 2.4)
            return torch.where(size <= 0.0031308 * 12.92, values / 12.92, torch.sign(values) * curve)
        if encoding == "log":
            curve = torch.pow(2.0, torch.clamp(values, min=0.155251141552511) * 17.52 - 9.72)
            return torch.where(values <= 0.155251141552511, (values - 0.0729055341958355) / 10.5402377416545, curve)
        return values

    def coded_source(self, rgb: torch.Tensor) -> torch.Tensor:
        """Balanced and coded source, single precision."""
        if len(self.balance) == 0:
            return self.encode(rgb, self.encoding)
        linear = self.decode(rgb, "display") if self.encoding == "none" else rgb
        density = -torch.log10(torch.clamp(linear, min=1e-3))
        moved: list[torch.Tensor] = []
        mixed = rows_of(density, self.balance[0:9])
        for channel in range(3):
            plane = torch.pow(10.0, -(mixed[:, channel : channel + 1] + self.balance[9 + channel]))
            moved.append(plane + torch.clamp(linear[:, channel : channel + 1] - 1e-3, max=0.0))
        balanced = torch.cat(moved, dim=1)
        if self.encoding == "none":
            return self.encode(balanced, "display")
        return self.encode(balanced, self.encoding)

    def started(self, coded: torch.Tensor, ycc: torch.Tensor) -> torch.Tensor:
        """The closed-form start: the learned channels out of table and filter."""
        looked_up = ycc
        if self.uses_table:
            changed = ycc[:, self.first :] + self.table_change(coded)
            looked_up = torch.cat([ycc[:, : self.first], changed], dim=1) if self.first > 0 else changed
        pad = self.kernel.size(3) // 2
        around = replicated(looked_up[:, : self.filter_inputs], pad, pad, pad, pad)
        change = functional.conv2d(around, self.kernel.to(torch.float32), self.offset.to(torch.float32))
        limit = self.limit.to(torch.float32)
        change = torch.minimum(torch.maximum(change, -limit), limit)
        learned = looked_up[:, self.first : self.first + self.outputs]
        if self.sees_surroundings:
            change = change + self.context_change(torch.cat([ycc, learned], dim=1))
        return learned + change

    def context_change(self, features: torch.Tensor) -> torch.Tensor:
        """What the surroundings say; H and W are multiples of 16."""
        cells = functional.avg_pool2d(features, self.context_cell)
        blocks = functional.avg_pool2d(cells, self.context_block)
        means: list[torch.Tensor] = [cells]
        for side in self.surroundings:
            pad = side // 2
            mean = functional.avg_pool2d(replicated(blocks, pad, pad, pad, pad), side, 1)
            means.append(enlarged(enlarged(mean, 2, self.context_block), 3, self.context_block))
        told = torch.cat(means, dim=1)
        mixing, weight = self.mixing.to(torch.float32), self.weight.to(torch.float32)
        random = torch.relu(functional.conv2d(told, mixing.unsqueeze(2).unsqueeze(3), self.shift.to(torch.float32)))
        change = functional.conv2d(
            torch.cat([told, random], dim=1), weight.unsqueeze(2).unsqueeze(3), self.bias.to(torch.float32)
        )
        change = functional.softsign(change) * self.context_limit.to(torch.float32)
        return enlarged(enlarged(change, 2, self.context_cell), 3, self.context_cell)

    def table_change(self, coded: torch.Tensor) -> torch.Tensor:
        """Trilinear between the table's nodes."""
        nodes = self.nodes
        position = torch.clamp(coded, 0.0, 1.0) * float(nodes - 1)
        low = torch.clamp(torch.floor(position), 0.0, float(nodes - 2))
        part = (position - low).unsqueeze(4)
        at = low.to(torch.int64)
        base = (at[:, 0] * nodes + at[:, 1]) * nodes + at[:, 2]
        table = self.table.to(torch.float32)
        total = torch.zeros_like(part[:, 0])
        for bit_r in range(2):
            for bit_g in range(2):
                weight_r = part[:, 0] if bit_r == 1 else 1.0 - part[:, 0]
                weight_g = part[:, 1] if bit_g == 1 else 1.0 - part[:, 1]
                corner = base + (bit_r * nodes + bit_g) * nodes
                along = (1.0 - part[:, 2]) * table[corner] + part[:, 2] * table[corner + 1]
                total = total + weight_r * weight_g * along
        return total.permute(0, 3, 1, 2)

    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        coded = self.coded_source(rgb.to(torch.float32))
        height, width = coded.size(2), coded.size(3)
        grid = self.multiple
        padded = replicated(coded, 0, (grid - width % grid) % grid, 0, (grid - height % grid) % grid)
        ycc = rows_of(padded, self.to_ycc)
        start = self.started(padded, ycc)
        features = torch.cat([ycc, start], dim=1)
        standard = (features - self.mean.to(torch.float32)) / self.deviation.to(torch.float32)
        correction = self.correction(standard)
        if self.reach > 0.0:
            correction = torch.tanh(correction / self.reach) * self.reach
        learned = start + correction * self.gain.to(torch.float32)
        change = (learned - ycc[:, self.first : self.first + self.outputs])[:, :, :height, :width]
        colours: list[torch.Tensor] = []
        for colour in range(3):
            plane = coded[:, colour : colour + 1]
            for channel in range(self.outputs):
                plane = plane + change[:, channel : channel + 1] * self.to_rgb[3 * colour + self.first + channel]
            colours.append(plane)
        return self.decode(torch.cat(colours, dim=1), self.encoding).to(rgb.dtype)


def scripted(graph: RecoveryGraph) -> torch.jit.ScriptModule:
    """Compile a trained graph for TorchScript; it is in evaluation mode and needs no gradient."""
    module = ScriptedRecovery(graph).eval()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    compiled: torch.jit.ScriptModule = torch.jit.script(module)
    return compiled
