"""The networks that correct a closed-form start.

Both are a small U-Net (residual blocks, additive skips) whose heads start at zero: an untrained one returns the start itself.
Colour changes slowly over the picture: its network works in cells of 4x4 pixels and has two heads, local affine coefficients
per cell, bilinearly enlarged, and a direct residual by pixel-shuffle. Detail is a matter of single pixels. In cells of 4x4 a
network has to learn every edge anew for each of sixteen places in the cell and stays 0.6 to 1.3 dB behind after the same time;
so the network of spatial recovery works on pixels, the small one in cells of 2x2, and has the direct head alone.
Tensor names carry their layout: B batch, C channels, H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

CELL = 4  # pixels a side of the cell in which the network of colour works
MULTIPLE = CELL * 4  # two halvings below the cell
HEADS = ("affine.", "direct.")  # of the parameters' names: what makes the correction; zero, there is none


@dataclass(frozen=True)
class NetworkSize:
    """Channels of the three levels, residual blocks a level, and pixels a side of the cell."""

    widths: tuple[int, int, int]
    blocks: int = 1
    cell: int = CELL


SIZES: dict[str, NetworkSize] = {
    "small": NetworkSize((16, 48, 64)),
    "medium": NetworkSize((64, 96, 128)),
    "large": NetworkSize((96, 160, 224), blocks=2),
}
DETAIL_SIZES: dict[str, NetworkSize] = {
    "small": NetworkSize((16, 32, 64), cell=2),
    "medium": NetworkSize((16, 32, 64), cell=1),
    "large": NetworkSize((32, 64, 96), cell=1),
}


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside the identity; shape (B, C, H, W) in and out."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x_BCHW: torch.Tensor) -> torch.Tensor:
        change: torch.Tensor = self.second(functional.relu(self.first(functional.relu(x_BCHW))))
        return x_BCHW + change


def _blocks(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(channels) for _ in range(count)))


class _UNet(nn.Module):
    """Features (B, ``inputs``, H, W), standardised, to a correction (B, ``outputs``, H, W); H and W multiples of 16.

    What the networks share: stem and three levels, the finest with so many blocks ``before`` its first halving.
    """

    def __init__(self, inputs: int, outputs: int, size: NetworkSize, before: int) -> None:
        super().__init__()
        self.inputs, self.outputs, self.cell = inputs, outputs, size.cell
        wide, wider, widest = size.widths
        self.stem = nn.Conv2d(inputs * size.cell**2, wide, 3, padding=1)
        self.encode = nn.ModuleList([_blocks(wide, before), _blocks(wider, size.blocks), _blocks(widest, size.blocks)])
        self.down = nn.ModuleList([nn.Conv2d(wide, wider, 2, stride=2), nn.Conv2d(wider, widest, 2, stride=2)])
        self.up = nn.ModuleList([nn.ConvTranspose2d(widest, wider, 2, stride=2), nn.ConvTranspose2d(wider, wide, 2, stride=2)])
        self.decode = nn.ModuleList([_blocks(wider, size.blocks), _blocks(wide, size.blocks)])
        # Convolutions of 3x3 reach one cell of their level farther; at the end what halving and enlarging add.
        self._reach = 1 + 2 * (before + size.blocks) + 2 * 4 * size.blocks + 4 * 2 * size.blocks + 4

    def trunk(self, x_BCHW: torch.Tensor) -> torch.Tensor:
        """What the heads are given, (B, first width, H / cell, W / cell)."""
        fine = self.encode[0](self.stem(functional.pixel_unshuffle(x_BCHW, self.cell)))
        middle = self.encode[1](self.down[0](fine))
        coarse = self.encode[2](self.down[1](middle))
        middle = self.decode[0](middle + self.up[0](coarse))
        return torch.as_tensor(self.decode[1](fine + self.up[1](middle)))


class CorrectionNetwork(_UNet):
    """The network of colour: local affine coefficients and a direct residual."""

    def __init__(self, inputs: int, outputs: int, size: NetworkSize) -> None:
        super().__init__(inputs, outputs, size, size.blocks)
        self.affine = nn.Conv2d(size.widths[0], outputs * (inputs + 1), 3, padding=1)
        self.direct = nn.Conv2d(size.widths[0], outputs * CELL * CELL, 3, padding=1)
        for head in (self.affine, self.direct):
            for parameter in head.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x_BCHW: torch.Tensor) -> torch.Tensor:
        fine = self.trunk(x_BCHW)
        residual = functional.pixel_shuffle(self.direct(fine), CELL)
        coefficients = functional.interpolate(self.affine(fine), scale_factor=float(CELL), mode="bilinear", align_corners=False)
        planes = []
        for output in range(self.outputs):
            first = output * (self.inputs + 1)
            gains = coefficients[:, first : first + self.inputs]
            bias = coefficients[:, first + self.inputs : first + self.inputs + 1]
            planes.append((gains * x_BCHW).sum(dim=1, keepdim=True) + bias)
        return torch.cat(planes, dim=1) + residual

    @property
    def receptive_field(self) -> int:
        """Radius in pixels beyond which an input pixel cannot change an output pixel (an upper bound)."""
        return CELL * (self._reach + 1 + 1)  # head, enlargement


class DetailNetwork(_UNet):
    """The network of detail: a direct residual."""

    def __init__(self, inputs: int, outputs: int, size: NetworkSize) -> None:
        super().__init__(inputs, outputs, size, 0)
        self.direct = nn.Conv2d(size.widths[0], outputs * size.cell**2, 3, padding=1)
        for parameter in self.direct.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x_BCHW: torch.Tensor) -> torch.Tensor:
        return functional.pixel_shuffle(self.direct(self.trunk(x_BCHW)), self.cell)

    @property
    def receptive_field(self) -> int:
        """Radius in pixels beyond which an input pixel cannot change an output pixel (an upper bound)."""
        return self.cell * (self._reach + 1)  # head


Network = CorrectionNetwork | DetailNetwork


def make_network(task: str, inputs: int, outputs: int, size: str) -> Network:
    """The network of a task, untrained."""
    if task == "spatial":
        return DetailNetwork(inputs, outputs, DETAIL_SIZES[size])
    return CorrectionNetwork(inputs, outputs, SIZES[size])
