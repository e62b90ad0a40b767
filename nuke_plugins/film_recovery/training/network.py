"""The network that corrects a closed-form start.

Pixel-unshuffle by 4, a small U-Net (one residual block a level, additive skips), and two heads that start at zero, so an
untrained network returns the start itself: local affine coefficients per 4x4 cell, bilinearly enlarged, and a direct residual
by pixel-shuffle. Tensor names carry their layout: B batch, C channels, H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

CELL = 4  # pixels a side of the cell in which the U-Net works
MULTIPLE = CELL * 4  # two halvings below the cell
HEADS = ("affine.", "direct.")  # of the parameters' names: what makes the correction; zero, there is none


@dataclass(frozen=True)
class NetworkSize:
    """Channels of the three levels and residual blocks a level."""

    widths: tuple[int, int, int]
    blocks: int


SIZES: dict[str, NetworkSize] = {
    "small": NetworkSize((16, 48, 64), 1),
    "medium": NetworkSize((64, 96, 128), 1),
    "large": NetworkSize((96, 160, 224), 2),
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


class CorrectionNetwork(nn.Module):
    """Features (B, ``inputs``, H, W), standardised, to a correction (B, ``outputs``, H, W); H and W multiples of 16."""

    def __init__(self, inputs: int, outputs: int, size: NetworkSize) -> None:
        super().__init__()
        self.inputs, self.outputs, self.size = inputs, outputs, size
        wide, wider, widest = size.widths
        self.stem = nn.Conv2d(inputs * CELL * CELL, wide, 3, padding=1)
        self.encode = nn.ModuleList([_blocks(wide, size.blocks), _blocks(wider, size.blocks), _blocks(widest, size.blocks)])
        self.down = nn.ModuleList([nn.Conv2d(wide, wider, 2, stride=2), nn.Conv2d(wider, widest, 2, stride=2)])
        self.up = nn.ModuleList([nn.ConvTranspose2d(widest, wider, 2, stride=2), nn.ConvTranspose2d(wider, wide, 2, stride=2)])
        self.decode = nn.ModuleList([_blocks(wider, size.blocks), _blocks(wide, size.blocks)])
        self.affine = nn.Conv2d(wide, outputs * (inputs + 1), 3, padding=1)
        self.direct = nn.Conv2d(wide, outputs * CELL * CELL, 3, padding=1)
        for head in (self.affine, self.direct):
            for parameter in head.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x_BCHW: torch.Tensor) -> torch.Tensor:
        fine = self.encode[0](self.stem(functional.pixel_unshuffle(x_BCHW, CELL)))
        middle = self.encode[1](self.down[0](fine))
        coarse = self.encode[2](self.down[1](middle))
        middle = self.decode[0](middle + self.up[0](coarse))
        fine = self.decode[1](fine + self.up[1](middle))
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
        convolutions = 2 * self.size.blocks  # 3x3 convolutions of a level, each reaching one cell further
        fine = 1 + 2 * convolutions + 1 + 1  # stem, both sides, head, enlargement
        return CELL * (fine + 2 * 2 * convolutions + 4 * convolutions) + MULTIPLE
