"""Pairs as tensors, prepared once, and the crops of a step as a pure function of (seed, step)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional

from film_recovery.images.encodings import encode
from film_recovery.pairs.dataset import Pair
from film_recovery.training.graph import RecoveryGraph
from film_recovery.training.levels import flicker_levels
from film_recovery.training.network import MULTIPLE
from film_recovery.training.parts import BELIEVED


@dataclass(frozen=True)
class PreparedPair:
    """One pair on the training device, float32: ``features`` (C, H, W), ``target`` (O, H, W) the learned channels, coded,
    ``trust`` (1, H, W) 0..1, how far each pixel of the target is to be believed."""

    frame: int
    features: torch.Tensor
    target: torch.Tensor
    trust: torch.Tensor

    @property
    def area(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.features.shape[1], self.features.shape[2]

    def halved(self) -> PreparedPair:
        """The pair at half the size, averaged over 2x2 pixels."""
        return PreparedPair(self.frame, *(functional.avg_pool2d(part, 2) for part in (self.features, self.target, self.trust)))


@dataclass(frozen=True)
class Crop:
    """One crop of one pair: which pair, the upper left pixel, and how it is turned (paired: both sides alike)."""

    pair: int
    top: int
    left: int
    flip_vertical: bool
    flip_horizontal: bool
    transpose: bool


@torch.no_grad()
def prepare(graph: RecoveryGraph, pair: Pair, device: torch.device) -> PreparedPair:
    """Everything before the network is fixed, so it is computed once per pair and not once per crop."""
    source = torch.from_numpy(pair.source).permute(2, 0, 1)[None].to(device)
    target = torch.from_numpy(pair.target).permute(2, 0, 1)[None].to(device)
    features = graph.features(graph.coded_source(source))
    wanted = functional.conv2d(torch.as_tensor(encode(target, graph.encoding, torch)), graph.to_ycc)[:, graph.learned]
    learned = wanted[0].clone(memory_format=torch.contiguous_format)  # as a view it would keep all three channels
    trust = torch.ones(1, *source.shape[2:]) if pair.trust is None else torch.from_numpy(pair.trust)[None]
    return PreparedPair(pair.frame, features[0].contiguous(), learned, trust.to(device))


def levelled(pairs: Sequence[PreparedPair]) -> list[PreparedPair]:
    """The pairs with targets that lie alike to the start: without what :mod:`levels` knows for flicker of whole frames.

    A network that is shown every frame's own level learns to tell the frames apart, not their colour. Only pixels that are
    believed tell a level.
    """
    residuals = [(pair.target - pair.features[3:]).cpu().numpy() for pair in pairs]
    levels = flicker_levels(residuals, [(pair.trust[0] > BELIEVED).cpu().numpy() for pair in pairs])
    shifts = torch.from_numpy(levels.astype(np.float32)).to(pairs[0].target.device)
    return [replace(pair, target=pair.target - shift[:, None, None]) for pair, shift in zip(pairs, shifts, strict=True)]


def draw_crops(seed: int, step: int, areas: Sequence[tuple[int, int]], batch: int, patch: int, turn: bool) -> list[Crop]:
    """The crops of a step: a pure function, so resuming has no sampler state to restore.

    ``areas`` are the heights and widths of the pairs; ``patch`` must fit in each. ``turn`` also allows transposition.
    """
    random = np.random.Generator(np.random.Philox(key=[seed & 0xFFFFFFFFFFFFFFFF, step]))
    crops = []
    for _ in range(batch):
        pair = int(random.integers(len(areas)))
        height, width = areas[pair]
        top, left = int(random.integers(height - patch + 1)), int(random.integers(width - patch + 1))
        vertical, horizontal, transposed = (bool(bit) for bit in random.integers(0, 2, 3))
        crops.append(Crop(pair, top, left, vertical, horizontal, transposed and turn))
    return crops


def cut(
    pairs: Sequence[PreparedPair], crops: Sequence[Crop], patch: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Cut and turn the crops: features (B, C, patch, patch), targets (B, O, patch, patch) and trust (B, 1, patch, patch)."""
    parts: tuple[list[torch.Tensor], list[torch.Tensor], list[torch.Tensor]] = ([], [], [])
    for crop in crops:
        pair = pairs[crop.pair]
        for kept, picture in zip(parts, (pair.features, pair.target, pair.trust), strict=True):
            piece = picture[:, crop.top : crop.top + patch, crop.left : crop.left + patch]
            dims = [axis for axis, flip in ((1, crop.flip_vertical), (2, crop.flip_horizontal)) if flip]
            piece = torch.flip(piece, dims) if dims else piece
            kept.append(piece.transpose(1, 2) if crop.transpose else piece)
    return torch.stack(parts[0]), torch.stack(parts[1]), torch.stack(parts[2])


def largest_patch(areas: Sequence[tuple[int, ...]], wanted: int) -> int:
    """The wanted crop size, or the largest multiple of 16 that fits in every pair; ``areas`` are heights and widths."""
    smallest = min(min(area) for area in areas)
    return max(min(wanted, smallest // MULTIPLE * MULTIPLE), MULTIPLE)
