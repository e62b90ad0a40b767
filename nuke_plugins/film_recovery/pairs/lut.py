"""A colour look-up table fitted in closed form: the best that one LUT can do, and the start that a network corrects.

The table holds the change from input to output at the nodes of a cube over coded 0..1; between nodes it is trilinear, beyond
0..1 the change of the nearest face is kept, so values below 0 and above 1 pass through unclamped.

The fit is regularised least squares: ``|A x - b|^2 + smooth |L x|^2 + small |x|^2`` with ``A`` the trilinear weights of the
sampled pixels and ``L`` the second differences along the three axes, solved by conjugate gradients on the normal equations,
from coarse to fine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import cg

from film_recovery.contract.atomic import write_text

NODES = 33
_SAMPLES = 240_000
_SMOOTH = 2.0
_SMALL = 1e-3
_LEVELS = (9, 17, NODES)
_COARSE_TOLERANCE, _TOLERANCE, _MOST_ROUNDS = 1e-5, 1e-3, 2000
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ColourLut:
    """``delta[r, g, b]`` is the change at a node: float32, shape (n, n, n, 3), indexed by input red, green, blue."""

    delta: FloatArray

    @classmethod
    def fit(
        cls,
        inputs: Sequence[npt.ArrayLike],
        targets: Sequence[npt.ArrayLike],
        seed: int = 0,
        trust: Sequence[FloatArray | None] | None = None,
        nodes: int = NODES,
    ) -> ColourLut:
        """Fit from aligned coded pictures, (H, W, 3) each; the same seed takes the same pixels.

        ``trust`` has for each picture (H, W), 0..1: pixels are taken as often as they are believed. ``nodes`` a side are 33
        or, for a rough table in a fifth of the time, 17 or 9.
        """
        source, change = sampled_changes(inputs, targets, seed, trust)
        return cls(fit_table(source, change, nodes))

    def apply(self, coded: npt.ArrayLike) -> FloatArray:
        """Coded RGB, shape (..., 3), any range, through the table; float32 of the same shape."""
        values = np.asarray(coded, np.float32)
        return values + change_at(self.delta, values)

    def write_cube(self, path: Path, title: str) -> None:
        """Write a ``.cube`` (Adobe Cube LUT Specification 1.0, red fastest) over coded 0..1, whole or not at all."""
        nodes = len(self.delta)
        grid = node_colours(nodes) + self.delta
        rows = grid.transpose(2, 1, 0, 3).reshape(-1, 3)
        body = "\n".join(f"{r:.7f} {g:.7f} {b:.7f}" for r, g, b in rows.tolist())
        clean = title.replace('"', "'")
        write_text(path, f'TITLE "{clean}"\nLUT_3D_SIZE {nodes}\nDOMAIN_MIN 0 0 0\nDOMAIN_MAX 1 1 1\n{body}\n')


def sampled_changes(
    inputs: Sequence[npt.ArrayLike], targets: Sequence[npt.ArrayLike], seed: int, trust: Sequence[FloatArray | None] | None
) -> tuple[FloatArray, FloatArray]:
    """Colours of pixels that the pictures give alike, and what they change by, (N, 3) each; see :meth:`ColourLut.fit`."""
    share = max(_SAMPLES // max(len(inputs), 1), 1)
    random = np.random.default_rng(seed)
    source, change = [], []
    for given, wanted, believed in zip(inputs, targets, trust or [None] * len(inputs), strict=True):
        pixels = np.asarray(given, np.float32).reshape(-1, 3)
        goal = np.asarray(wanted, np.float32).reshape(-1, 3)
        chosen = sampled(len(pixels), share, believed, random)
        source.append(pixels[chosen])
        change.append(goal[chosen] - pixels[chosen])
    return np.concatenate(source), np.concatenate(change)


def sampled(count: int, share: int, trust: FloatArray | None, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """At most ``share`` of ``count`` pixels, each once; with ``trust`` (its ravelled values) as often as they are believed."""
    chosen = random.choice(count, min(share, count), replace=False)
    if trust is not None:
        chosen = chosen[random.random(len(chosen)) < trust.ravel()[chosen]]
    return np.asarray(chosen, np.int64)


def change_at(table: FloatArray, colours: FloatArray) -> FloatArray:
    """What a table (n, n, n, C) changes colours (..., 3) by: (..., C), trilinear, beyond 0..1 as at the nearest face."""
    flat, channels = colours.reshape(-1, 3), table.shape[-1]
    nodes, out = table.reshape(-1, channels), np.empty((len(flat), channels), np.float32)
    for begin in range(0, len(flat), 1 << 18):  # bounds the memory of the eight gathers
        index, weight = _corners(flat[begin : begin + (1 << 18)], len(table))
        out[begin : begin + (1 << 18)] = np.einsum("nkc,nk->nc", nodes[index], weight)
    return out.reshape(*colours.shape[:-1], channels)


def node_colours(nodes: int = NODES) -> FloatArray:
    """The colours at which a table has its nodes, (n, n, n, 3), coded."""
    axis = np.linspace(0.0, 1.0, nodes, dtype=np.float32)
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)


def _corners(values: FloatArray, nodes: int) -> tuple[npt.NDArray[np.int32], FloatArray]:
    """Flat node indices (N, 8) and trilinear weights (N, 8) of coded RGB (N, 3)."""
    position = np.clip(values, 0.0, 1.0) * np.float32(nodes - 1)
    low = np.minimum(position.astype(np.int64), nodes - 2)
    above = (position - low).astype(np.float32).T
    share = np.stack([1.0 - above, above])  # of the lower and the upper node, for red, green, blue
    base = (low @ np.array([nodes * nodes, nodes, 1])).astype(np.int32)
    index, weight = np.empty((8, len(values)), np.int32), np.empty((8, len(values)), np.float32)
    for corner in range(8):
        red, green, blue = corner >> 2 & 1, corner >> 1 & 1, corner & 1
        index[corner] = base + ((red * nodes + green) * nodes + blue)
        weight[corner] = share[red, 0] * share[green, 1] * share[blue, 2]
    return np.ascontiguousarray(index.T), np.ascontiguousarray(weight.T)


def fit_table(source: FloatArray, change: FloatArray, finest: int = NODES) -> FloatArray:
    """The change at the nodes, (finest, finest, finest, C), of colours (N, 3) that change by (N, C) in any channels.

    Coarse tables are solved first, exactly: they tell what lies far from all samples, which conjugate gradients over a fine
    table alone do not reach. Without samples nothing changes.
    """
    nodes, channels = _LEVELS[0], change.shape[1]
    if not len(source):
        return np.zeros((finest, finest, finest, channels), np.float32)
    table = np.zeros((nodes, nodes, nodes, channels))
    for level in _LEVELS[: _LEVELS.index(finest) + 1]:
        table = _between(table, level)
        normal, right = equations(source, change, level)
        jacobi = sparse.diags(1.0 / normal.diagonal())
        wanted = {"rtol": _TOLERANCE if level == NODES else _COARSE_TOLERANCE, "maxiter": _MOST_ROUNDS, "M": jacobi}
        columns = [cg(normal, right[:, c], x0=table[..., c].ravel(), **wanted)[0] for c in range(channels)]
        table = np.stack(columns, axis=-1).reshape(level, level, level, channels)
    return table.astype(np.float32)


def equations(source: FloatArray, change: FloatArray, nodes: int) -> tuple[sparse.csr_matrix, npt.NDArray[np.float64]]:
    """The normal equations of a table with so many nodes a side; the penalties are those of the finest as integrals over the
    cube (a second difference is the square of the step times the curvature)."""
    index, weight = _corners(source, nodes)
    begins = np.arange(0, 8 * len(source) + 1, 8)
    design = sparse.csr_matrix((weight.ravel().astype(np.float64), index.ravel(), begins), shape=(len(source), nodes**3))
    bend = sparse.diags([1.0, -2.0, 1.0], [0, 1, 2], shape=(nodes - 2, nodes), dtype=np.float64)
    stiff = bend.T @ bend
    same = sparse.identity(nodes)
    smooth = (
        sparse.kron(sparse.kron(stiff, same), same)
        + sparse.kron(sparse.kron(same, stiff), same)
        + sparse.kron(sparse.kron(same, same), stiff)
    )
    scale, steps = len(source) / NODES**3, (nodes - 1) / (NODES - 1)
    penalty = _SMOOTH * steps * smooth + _SMALL / steps**3 * sparse.identity(nodes**3)
    return (design.T @ design + scale * penalty).tocsr(), np.asarray(design.T @ change.astype(np.float64))


def _between(table: npt.NDArray[np.float64], nodes: int) -> npt.NDArray[np.float64]:
    """A table (n, n, n, C) with ``nodes`` a side, either n or 2 n - 1: the new ones halfway between the old."""
    for axis in range(3) if nodes != len(table) else ():
        old = np.moveaxis(table, axis, 0)
        new = np.empty((nodes, *old.shape[1:]))
        new[::2], new[1::2] = old, 0.5 * (old[1:] + old[:-1])
        table = np.moveaxis(new, 0, axis)
    return table
