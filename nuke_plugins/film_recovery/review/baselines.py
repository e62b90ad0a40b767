"""What the recovery has to beat: closed-form methods, fitted once per shot from the training pairs and never per frame.

Each is a plain function of one pixel's colour, so each but the first can be written as a ``.cube`` and loaded in Nuke: the
comparison against a MatchGrade, made repeatable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from film_recovery.contract.errors import UsageError
from film_recovery.images.colour import luma_coefficients, swap_luma
from film_recovery.images.encodings import decode, encode, to_linear
from film_recovery.pairs.balance import DensityBalance, fit_balance
from film_recovery.pairs.dataset import Dataset, apply_balance
from film_recovery.pairs.lut import ColourLut, node_colours

_BAKED_NODES = 65  # of a cube that samples a density balance; see write_cube

FloatArray = npt.NDArray[np.float32]


class Baseline(Protocol):
    """A fitted method. ``name`` is for files and JSON, ``label`` for people."""

    @property
    def name(self) -> str:
        """Short, fit for a file name."""

    @property
    def label(self) -> str:
        """In words."""

    def apply(self, rgb: npt.ArrayLike) -> FloatArray:
        """Working space RGB, (H, W, 3), any range, to the same; nothing is clamped."""

    def write_cube(self, path: Path) -> Path | None:
        """Write the method as a ``.cube`` over coded 0..1 (source coded to result coded); None if there is nothing to write."""


@dataclass(frozen=True)
class Nothing:
    """The source as it is."""

    name: str = "nothing"
    label: str = "source, untouched"

    def apply(self, rgb: npt.ArrayLike) -> FloatArray:
        """See :class:`Baseline`."""
        return np.asarray(rgb, np.float32)

    def write_cube(self, path: Path) -> Path | None:
        """There is nothing to write."""
        return None


@dataclass(frozen=True)
class DensityModel:
    """The 12-number model of the physics: 3x3 matrix and offset in density (``pairs.balance``)."""

    balance: DensityBalance
    encoding: str
    name: str = "density"
    label: str = "density model, 12 numbers"

    def apply(self, rgb: npt.ArrayLike) -> FloatArray:
        """See :class:`Baseline`."""
        return apply_balance(rgb, self.balance, self.encoding)

    def write_cube(self, path: Path) -> Path | None:
        """Sampled at 65 nodes a side, since density is far from linear in coded values near black."""
        return _bake(self, self.encoding, path)


@dataclass(frozen=True)
class FreeLut:
    """One 33-node colour LUT from coded source to coded reference: the best that a colour match can do."""

    lut: ColourLut
    encoding: str
    name: str = "lut"
    label: str = "free 33³ LUT"

    def apply(self, rgb: npt.ArrayLike) -> FloatArray:
        """See :class:`Baseline`."""
        return _decoded(self.lut.apply(_coded(rgb, self.encoding)), self.encoding)

    def write_cube(self, path: Path) -> Path | None:
        """The nodes themselves: the file is the method, exactly."""
        self.lut.write_cube(path, f"film-recovery: {self.label}, coded ({self.encoding}) source to coded reference")
        return path


@dataclass(frozen=True)
class LumaKeepingLut:
    """Balance first, then a 33-node LUT for colour only: the balanced source's luma is put back."""

    balance: DensityBalance
    lut: ColourLut
    encoding: str
    matrix: str
    name: str = "lut_kept_luma"
    label: str = "balance, then LUT colour"

    def apply(self, rgb: npt.ArrayLike) -> FloatArray:
        """See :class:`Baseline`."""
        coded = _coded(apply_balance(rgb, self.balance, self.encoding), self.encoding)
        return _decoded(swap_luma(self.lut.apply(coded), coded, self.matrix), self.encoding)

    def write_cube(self, path: Path) -> Path | None:
        """Balance and LUT in one, sampled at 65 nodes a side."""
        return _bake(self, self.encoding, path)


def fit_baselines(dataset: Dataset) -> list[Baseline]:
    """All baselines of a dataset, fitted on its training pairs; held-out pairs are not touched.

    Raises :class:`UsageError` when the dataset has no training pair.
    """
    training, manifest = dataset.training, dataset.manifest
    balance = DensityBalance.from_numbers(manifest.balance) if manifest.balance else None
    sources, references = ([getattr(pair, side) for pair in training] for side in ("source", "reference"))
    trust = [pair.trust for pair in training]
    return fit_from_pairs(sources, references, manifest.encoding, manifest.matrix, balance, trust)


def fit_from_pairs(
    sources: Sequence[FloatArray],
    references: Sequence[FloatArray],
    encoding: str,
    matrix: str,
    balance: DensityBalance | None = None,
    trust: Sequence[FloatArray | None] | None = None,
) -> list[Baseline]:
    """The same from aligned pictures, working space, (H, W, 3) each; ``balance`` is the model's, fitted here if None; ``trust``
    is what of each picture to believe, (H, W), 0..1."""
    if not sources:
        raise UsageError("Baselines are fitted on training pairs and there is none; take a pair out of the held-out list.")
    density = fit_balance([to_linear(s, encoding) for s in sources], [to_linear(r, encoding) for r in references], trust)
    kept = balance or density
    goals = [_coded(reference, encoding) for reference in references]
    free = ColourLut.fit([_coded(source, encoding) for source in sources], goals, trust=trust)
    balanced = [_coded(apply_balance(source, kept, encoding), encoding) for source in sources]
    colour = ColourLut.fit(balanced, goals, trust=trust)
    return [
        Nothing(),
        DensityModel(density, encoding),
        FreeLut(free, encoding),
        LumaKeepingLut(kept, _colour_only(colour, matrix), encoding, matrix),
    ]


def write_cubes(baselines: Sequence[Baseline], folder: Path) -> list[Path]:
    """Write every baseline that can be a ``.cube`` as ``<folder>/<name>.cube``; returns the paths."""
    written = [baseline.write_cube(folder / f"{baseline.name}.cube") for baseline in baselines]
    return [path for path in written if path is not None]


def _colour_only(lut: ColourLut, matrix: str) -> ColourLut:
    """The LUT without its change of luma: interpolation is linear in the nodes, so this is the luma swap, done once."""
    change = lut.delta.astype(np.float64)
    return ColourLut(np.asarray(change - (change @ luma_coefficients(matrix))[..., None], np.float32))


def _bake(baseline: Baseline, encoding: str, path: Path) -> Path:
    grid = node_colours(_BAKED_NODES)
    result = _coded(baseline.apply(_decoded(grid, encoding)), encoding)
    ColourLut(result - grid).write_cube(path, f"film-recovery: {baseline.label}, coded ({encoding}) source to coded result")
    return path


def _coded(rgb: npt.ArrayLike, encoding: str) -> FloatArray:
    return np.asarray(encode(np.asarray(rgb, np.float32), encoding), np.float32)


def _decoded(coded: npt.ArrayLike, encoding: str) -> FloatArray:
    return np.asarray(decode(np.asarray(coded, np.float32), encoding), np.float32)
