"""What the surroundings of a place say of its colour: the last part of a start of colour, as a module of the exported graph.

A table knows the colour of a pixel alone. What the same colour becomes also hangs on where it stands: in a dark or a light
part of the picture, among which other colours, how near a side that faded unevenly. So the means of the features over a cell
and over ever larger surroundings of it, and random features of these means (Rahimi and Recht, *Random features for large-scale
kernel machines*, NIPS 2007), say by ridge regression (Hoerl and Kennard, *Technometrics* 12, 1970) how far table and filter are
still off there. Means know no grain, and nothing here is finer than a cell, so that what is kept of edges stays the filter's.

What is said of surroundings unlike any that were learned from is followed ever less the more it is, and never cut off: there it
is often exaggerated, and still more often right than wrong.

Names carry their layout: B batch, C features, O learned channels, H height, W width; M means told of a cell, R random features.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

CELL = 8  # pixels a side
BLOCK = 2  # cells a side of the blocks that the surroundings are made of
SURROUNDINGS = (1, 3, 7)  # blocks a side, odd
RANDOM_FEATURES = 512


class Context(nn.Module):
    """Features (B, C, H, W), as they are, to the change of the learned channels, (B, O, H, W). Fresh, it changes nothing.

    :mod:`film_recovery.training.context_fit` learns it.
    """

    mixing: torch.Tensor
    shift: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor
    limit: torch.Tensor  # coded values, the change that the largest numbers come near to

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.features, self.outputs, self.means = features, outputs, features * (1 + len(SURROUNDINGS))
        self.register_buffer("mixing", torch.zeros(RANDOM_FEATURES, self.means))
        self.register_buffer("shift", torch.zeros(RANDOM_FEATURES))
        self.register_buffer("weight", torch.zeros(outputs, self.means + RANDOM_FEATURES))
        self.register_buffer("bias", torch.zeros(outputs))
        self.register_buffer("limit", torch.zeros(outputs))

    @property
    def receptive_field(self) -> int:
        """Radius of influence in pixels, an upper bound: half the largest surroundings, and what both enlargements add."""
        return CELL * BLOCK * max(SURROUNDINGS) // 2 + CELL * BLOCK + CELL

    def told(self, means_BMHW: torch.Tensor) -> torch.Tensor:
        """Means as of :func:`means_around` and their random features, (B, M + R, H, W)."""
        random = functional.conv2d(means_BMHW, self.mixing[:, :, None, None], self.shift)
        return torch.cat([means_BMHW, functional.relu(random)], dim=1)

    def forward(self, features_BCHW: torch.Tensor) -> torch.Tensor:
        height, width = features_BCHW.shape[2:]
        whole = CELL * BLOCK
        padded = functional.pad(features_BCHW, (0, -width % whole, 0, -height % whole), mode="replicate")
        told = self.told(means_around(functional.avg_pool2d(padded, CELL)))
        share = functional.softsign(functional.conv2d(told, self.weight[:, :, None, None], self.bias))
        return _enlarged(share * self.limit[:, None, None], CELL)[:, :, :height, :width]


def means_around(cells_BCHW: torch.Tensor) -> torch.Tensor:
    """Of the means of cells those, and then the means of their surroundings, the smallest first, (B, M, H, W); H and W even."""
    blocks = functional.avg_pool2d(cells_BCHW, BLOCK)
    parts = [cells_BCHW]
    for side in SURROUNDINGS:
        around = functional.pad(blocks, (side // 2,) * 4, mode="replicate")
        parts.append(_enlarged(functional.avg_pool2d(around, side, 1), BLOCK))
    return torch.cat(parts, dim=1)


def _enlarged(picture: torch.Tensor, times: int) -> torch.Tensor:
    return functional.interpolate(picture, scale_factor=float(times), mode="bilinear", align_corners=False)
