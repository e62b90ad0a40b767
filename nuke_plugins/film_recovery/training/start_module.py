"""The closed-form start as a module of the exported graph: a colour look-up table, then a linear filter, then, for colour, what
the surroundings say (:mod:`film_recovery.training.context`).

:mod:`film_recovery.training.start` fits the first two, :mod:`film_recovery.training.build` has the last fitted; here they are
applied.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from film_recovery.pairs.lut import NODES
from film_recovery.training.context import Context

FILTER_SIDE = {"chroma": 9, "spatial": 13, "as-is": 9}  # pixels, odd
_INPUTS = {"chroma": 3, "spatial": 1, "as-is": 3}  # channels of YCbCr that the filter looks at
_FIRST, _OUTPUTS = {"chroma": 1, "spatial": 0, "as-is": 0}, {"chroma": 2, "spatial": 1, "as-is": 3}
NO_LIMIT = 1e6  # coded values; a finite number, which every runtime compares alike
FloatArray = npt.NDArray[np.float32]


class Start(nn.Module):
    """Coded RGB and its YCbCr, both (B, 3, H, W), to the learned channels (B, 1 to 3, H, W). Fresh, it changes nothing."""

    table: torch.Tensor
    kernel: torch.Tensor
    offset: torch.Tensor
    limit: torch.Tensor
    softness: torch.Tensor  # pixels by which the targets were softer; only training asks for it

    def __init__(self, task: str) -> None:
        super().__init__()
        self.first, self.outputs, self.inputs = _FIRST[task], _OUTPUTS[task], _INPUTS[task]
        self.uses_table = task != "spatial"
        side = FILTER_SIDE[task]
        if self.uses_table:
            self.register_buffer("table", torch.zeros(NODES**3, self.outputs))
        self.register_buffer("kernel", torch.zeros(self.outputs, self.inputs, side, side))
        self.register_buffer("offset", torch.zeros(self.outputs))
        self.register_buffer("limit", torch.full((self.outputs,), NO_LIMIT))
        self.register_buffer("softness", torch.zeros(()))
        self.context = Context(3 + self.outputs, self.outputs) if task == "chroma" else None

    @property
    def receptive_field(self) -> int:
        """Radius of influence in pixels."""
        return self.filter_reach + (0 if self.context is None else self.context.receptive_field)

    @property
    def filter_reach(self) -> int:
        """Radius of influence of table and filter, in pixels."""
        return self.kernel.shape[-1] // 2

    def set_table(self, table: FloatArray) -> None:
        """Set the table's change of the learned channels at its nodes, (33, 33, 33, outputs), coded values."""
        self.table.copy_(torch.from_numpy(table.reshape(-1, self.outputs)))

    def set_filter(self, kernel: FloatArray, offset: FloatArray) -> None:
        """Set the filter's change: kernel (outputs, inputs, side, side) and offset (outputs,), coded values."""
        self.kernel.copy_(torch.from_numpy(kernel))
        self.offset.copy_(torch.from_numpy(offset))

    def set_limit(self, limit: FloatArray) -> None:
        """Let the filter change no learned channel by more than this, (outputs,), coded values."""
        self.limit.copy_(torch.from_numpy(limit))

    def looked_up(self, coded_BCHW: torch.Tensor, ycc_BCHW: torch.Tensor) -> torch.Tensor:
        """YCbCr with the learned channels through the table, before the filter."""
        if not self.uses_table:
            return ycc_BCHW
        changed = ycc_BCHW[:, self.first :] + self._table_change(coded_BCHW)
        return torch.cat([ycc_BCHW[:, : self.first], changed], dim=1) if self.first else changed

    def bounded(self, change_BCHW: torch.Tensor) -> torch.Tensor:
        """A change by the filter, within its limit."""
        limit = self.limit[:, None, None]
        return torch.minimum(torch.maximum(change_BCHW, -limit), limit)

    def forward(self, coded_BCHW: torch.Tensor, ycc_BCHW: torch.Tensor) -> torch.Tensor:
        looked_up = self.looked_up(coded_BCHW, ycc_BCHW)
        pad = self.kernel.shape[-1] // 2
        around = functional.pad(looked_up[:, : self.inputs], (pad, pad, pad, pad), mode="replicate")
        change = self.bounded(functional.conv2d(around, self.kernel, self.offset))
        learned = looked_up[:, self.first : self.first + self.outputs]
        if self.context is not None:
            change = change + self.context(torch.cat([ycc_BCHW, learned], dim=1))
        return learned + change

    def _table_change(self, coded_BCHW: torch.Tensor) -> torch.Tensor:
        """Trilinear between the nodes; beyond 0..1 the change of the nearest face."""
        position = torch.clip(coded_BCHW, 0.0, 1.0) * float(NODES - 1)
        low = torch.clip(torch.floor(position), 0.0, float(NODES - 2))
        red, green, blue = low.to(torch.int64).unbind(dim=1)
        base = (red * NODES + green) * NODES + blue
        fr, fg, fb = (part.unsqueeze(-1) for part in (position - low).unbind(dim=1))
        total = torch.zeros_like(fr)
        for bit_r in (0, 1):
            for bit_g in (0, 1):
                weight = (fr if bit_r else 1.0 - fr) * (fg if bit_g else 1.0 - fg)
                at = base + (bit_r * NODES + bit_g) * NODES
                total = total + weight * ((1.0 - fb) * self.table[at] + fb * self.table[at + 1])
        return total.permute(0, 3, 1, 2)
