"""The whole recovery as one module: working-space RGB in, working-space RGB out. This is what is trained, and, in the form of
:mod:`film_recovery.training.exported`, what is exported.

decode( recombine( kept component, start + network correction ) ), after the density balance and the encoding. The kept
component never passes through the network: chroma recovery adds a change of Cb and Cr to the coded balanced source, spatial
recovery a change of Y, so what is kept is exact up to the rounding of one addition, at any value, without a clamp.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from film_recovery.contract.job import KEPT
from film_recovery.images.colour import rgb_to_ycbcr_matrix, ycbcr_to_rgb_matrix
from film_recovery.images.encodings import decode, encode, from_linear, to_linear
from film_recovery.pairs.balance import DensityBalance, balance_planes
from film_recovery.training.exported import ExportedRecovery
from film_recovery.training.network import MULTIPLE, Network, make_network
from film_recovery.training.start_module import Start

# task: channels of YCbCr that are learned
_LEARNED = {"chroma": slice(1, 3), "spatial": slice(0, 1), "as-is": slice(0, 3)}
_REACH = {"chroma": 2.0}  # usual changes, the largest correction


class RecoveryGraph(nn.Module):
    """One trained recovery. Images are float32 tensors (B, 3, H, W) in the working space, any range, any H and W."""

    to_ycc: torch.Tensor
    to_rgb: torch.Tensor
    mean: torch.Tensor
    deviation: torch.Tensor
    gain: torch.Tensor

    def __init__(
        self,
        task: str,
        *,
        size: str,
        encoding: str,
        matrix: str,
        balance: DensityBalance | None,
        start: Start | None = None,
    ) -> None:
        super().__init__()
        self.task, self.kept, self.size, self.encoding, self.matrix = task, KEPT[task], size, encoding, matrix
        self.balance = balance
        self.learned, self.reach = _LEARNED[task], _REACH.get(task)
        outputs = self.learned.stop - self.learned.start
        self.start = start if start is not None else Start(task)
        self.network = make_network(task, 3 + outputs, outputs, size)
        self.register_buffer("to_ycc", torch.tensor(rgb_to_ycbcr_matrix(matrix), dtype=torch.float32)[:, :, None, None])
        self.register_buffer("to_rgb", torch.tensor(ycbcr_to_rgb_matrix(matrix), dtype=torch.float32)[:, :, None, None])
        self.register_buffer("mean", torch.zeros(1, 3 + outputs, 1, 1))
        self.register_buffer("deviation", torch.ones(1, 3 + outputs, 1, 1))
        self.register_buffer("gain", torch.ones(1, outputs, 1, 1))
        self.multiple = MULTIPLE

    @property
    def receptive_field(self) -> int:
        """Radius of influence in pixels, of the network and of the start."""
        return self.network.receptive_field + self.start.receptive_field

    def coded_source(self, rgb_BCHW: torch.Tensor) -> torch.Tensor:
        """Balanced and coded source; its luma (or chroma) is what is kept."""
        if self.balance is None:
            return torch.as_tensor(encode(rgb_BCHW, self.encoding, torch))
        linear = to_linear(rgb_BCHW, self.encoding, torch)
        planes = balance_planes(linear[:, 0:1], linear[:, 1:2], linear[:, 2:3], self.balance, torch)
        return torch.as_tensor(encode(from_linear(torch.cat(planes, dim=1), self.encoding, torch), self.encoding, torch))

    def features(self, coded_BCHW: torch.Tensor) -> torch.Tensor:
        """YCbCr of the coded source, then the start's learned channels; not yet standardised."""
        ycc = functional.conv2d(coded_BCHW, self.to_ycc)
        return torch.cat([ycc, self.start(coded_BCHW, ycc)], dim=1)

    def correct(self, features_BCHW: torch.Tensor) -> torch.Tensor:
        """The learned channels, coded: start plus correction. H and W are multiples of 16."""
        correction: torch.Tensor = self.network((features_BCHW - self.mean) / self.deviation)
        return features_BCHW[:, 3:] + self.bounded(correction) * self.gain

    def bounded(self, correction_BCHW: torch.Tensor) -> torch.Tensor:
        """The network's output, in usual changes; colour is held within ``reach``: of colours that the pairs lack a network
        says anything, and then the table's guess is the better one."""
        return correction_BCHW if self.reach is None else self.reach * torch.tanh(correction_BCHW / self.reach)

    def recombine(self, coded_BCHW: torch.Tensor, ycc_BCHW: torch.Tensor, learned_BCHW: torch.Tensor) -> torch.Tensor:
        """Coded RGB with the learned channels in place of the source's own."""
        change = learned_BCHW - ycc_BCHW[:, self.learned]
        return coded_BCHW + functional.conv2d(change, self.to_rgb[:, self.learned])

    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        coded = self.coded_source(rgb)
        height, width = coded.shape[2], coded.shape[3]
        padded = functional.pad(coded, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="replicate")
        features = self.features(padded)
        learned = self.correct(features)[:, :, :height, :width]
        recovered = self.recombine(coded, features[:, :3, :height, :width], learned)
        return torch.as_tensor(decode(recovered, self.encoding, torch))

    def for_export(self) -> nn.Module:
        """The same recovery in the form that ONNX Runtime computes fast; itself, with a network of another kind."""
        return ExportedRecovery(self).eval() if isinstance(self.network, Network) else self

    def standardise(self, mean: Any, deviation: Any, gain: Any) -> None:
        """Set the statistics of the features (per channel) and the size of a correction (per learned channel)."""
        for buffer, values in ((self.mean, mean), (self.deviation, deviation), (self.gain, gain)):
            buffer.copy_(torch.as_tensor(values, dtype=torch.float32).reshape(buffer.shape))
