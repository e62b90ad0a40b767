"""Aligning the frames of a shot together: one transform a frame, one smooth warp for all of them.

Weave and jump move every frame by itself, so its shift is its own. Scale, rotation and shear belong to film and scanner and
change slowly: frames near in time support each other there. Curl and uneven shrinkage are the same over a shot; they are seen
best by all of its frames at once. Each frame is first registered alone (:mod:`registration`); blocks then tell where it still
lies off, and what they say together becomes corrections and warp. Where the warp has the form of a perspective it goes into
the matrix, where a person can handle it; otherwise matrices stay affine, and the two never fight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from film_recovery.images.frame import Window
from film_recovery.pairs.deformation import NO_WARP, fit_warp, position_map, warp_at
from film_recovery.pairs.geometry import picture_mask
from film_recovery.pairs.resample import resample_at
from film_recovery.pairs.residual import Blocks

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]

_DRIFT = 0.06  # pixels a frame by which scale and rotation may move a corner: how little a neighbour knows about a frame
_LEAST_FRAMES = 3  # that a slow part is taken from
_LEAST_OF_ONE = 6  # blocks that make a frame speak for itself
_LEAST_BLOCKS = 40  # of all frames of a group together, for a warp of their own
_WORTH = 0.05  # pixels that a warp must move something by, or it is left out
_OWN_WARP = 0.9  # of what the common warp leaves: a group must be better by this much to keep its own
_OWN_PIXELS = 0.03
_ROUNDS = 8
_PERSPECTIVE_SHARE, _PERSPECTIVE_PIXELS = 0.9, 0.4  # of the warp's second order explained; how far it moves a corner


@dataclass(frozen=True)
class Measured:
    """One pair, registered alone, and the blocks that say how it lies then.

    ``matrix`` (3x3) takes reference pixels to source pixels. ``matches`` says that both show the same picture.
    """

    source: int
    reference: int
    matrix: Matrix
    blocks: Blocks
    matches: bool

    @property
    def speaks(self) -> bool:
        """Whether it says where it lies."""
        return self.matches and len(self.blocks.points) >= _LEAST_OF_ONE


@dataclass(frozen=True)
class Aligned:
    """One pair, aligned with the others of its group.

    ``matrix`` (3x3) takes reference pixels to source pixels, ``warp`` (2, 7) is that of :mod:`deformation`. ``supported`` is
    False where the pair said nothing itself and has what its neighbours have.
    """

    source: int
    reference: int
    matrix: Matrix
    warp: Matrix
    supported: bool


def align_groups(groups: Sequence[Sequence[Measured]], size: tuple[int, int]) -> list[list[Aligned]]:
    """Align the pairs of every group (a shot, a single frame) with each other's help.

    All groups share one warp, as film and scanner stay what they are, unless a group's own is clearly better there.

    Args:
        groups: pairs in order of their frames; those that do not speak are given what their neighbours have.
        size: the source's (width, height).

    Returns:
        As many, in the same order. A pair for which there is nothing to go by comes back as it was.
    """
    speaking = [[pair for pair in group if pair.speaks] for group in groups]
    everything = [pair for group in speaking for pair in group]
    common = _solve(everything, size, None)[1] if everything else NO_WARP
    tilt = _perspective(common, size)
    result = []
    for group, good in zip(groups, speaking, strict=True):
        warp = _chosen_warp(good, common, size, len(groups))
        corrections = _solve(good, size, warp)[0]
        affine = {pair.source: _corrected(pair, correction) for pair, correction in zip(good, corrections, strict=True)}
        slow = _supported(good, affine, size)
        own = tilt if warp is common else _perspective(warp, size)
        result.append([_finished(pair, slow, warp, own, size) for pair in group])
    return result


def without_blocks(pair: Measured, masks: Sequence[Sequence[int]], margin: float) -> Measured:
    """The pair without blocks whose middle lies within ``margin`` pixels of a rectangle (x, y, width, height)."""
    points = pair.blocks.points
    kept = np.ones(len(points), bool)
    for x, y, width, height in masks:
        across = np.abs(points[:, 0] - (x + (width - 1) / 2.0)) <= width / 2.0 + margin
        down = np.abs(points[:, 1] - (y + (height - 1) / 2.0)) <= height / 2.0 + margin
        kept &= ~(across & down)
    blocks = pair.blocks
    fewer = Blocks(points[kept], blocks.shifts[kept], blocks.structured, blocks.correlation)
    return Measured(pair.source, pair.reference, pair.matrix, fewer, pair.matches)


def laid(
    ours: FloatArray, theirs: FloatArray, lies: Aligned, areas: tuple[Window, Window], masks: Sequence[Sequence[int]] = ()
) -> tuple[FloatArray, ByteArray]:
    """The reference ``theirs`` on the pixels of the source ``ours``, and where both are picture and no mask lies (uint8, 0
    elsewhere); ``areas`` are the pictures without scan borders of both."""
    there = position_map(lies.matrix, lies.warp, (ours.shape[1], ours.shape[0]))
    shrink = 1.0 / max(float(np.sqrt(abs(np.linalg.det(lies.matrix[:2, :2])))), 1e-6)
    mask = picture_mask(ours.shape, areas[0], masks)
    other, (x, y) = areas[1], (there[..., 0], there[..., 1])
    inside = (x >= other.x + 1) & (x <= other.x + other.width - 2) & (y >= other.y + 1) & (y <= other.y + other.height - 2)
    return resample_at(theirs, there, shrink), np.where(inside, mask, 0).astype(np.uint8)


def _chosen_warp(good: Sequence[Measured], common: Matrix, size: tuple[int, int], groups: int) -> Matrix:
    """The group's own warp where it has blocks enough and lies clearly better by it, else the common one."""
    if groups == 1 or sum(len(pair.blocks.points) for pair in good) < _LEAST_BLOCKS:
        return common
    _, own = _solve(good, size, None)
    left = [_left_over(good, warp, size) for warp in (own, common)]
    return own if left[0] < min(_OWN_WARP * left[1], left[1] - _OWN_PIXELS) else common


def _left_over(pairs: Sequence[Measured], warp: Matrix, size: tuple[int, int]) -> float:
    """Median distance in pixels of what a warp, and the corrections that go with it, leave."""
    corrections, _ = _solve(pairs, size, warp)
    left = [
        pair.blocks.shifts - _affine_at(pair.blocks.points, correction) - warp_at(pair.blocks.points, warp, size)
        for pair, correction in zip(pairs, corrections, strict=True)
    ]
    return float(np.median(np.hypot(*np.concatenate(left).T)))


def _solve(pairs: Sequence[Measured], size: tuple[int, int], given: Matrix | None) -> tuple[list[Matrix], Matrix]:
    """What each frame is still off by (2x3 on x, y, 1) and the warp of all, by turns, with Cauchy weights on the blocks.

    With a ``given`` warp only the corrections are sought.
    """
    points = [pair.blocks.points.astype(np.float64) for pair in pairs]
    shifts = [pair.blocks.shifts.astype(np.float64) for pair in pairs]
    corrections = [np.zeros((2, 3)) for _ in pairs]
    free = given is None and sum(map(len, points)) >= _LEAST_BLOCKS
    warp = np.array(NO_WARP if given is None else given)
    for _ in range(_ROUNDS if pairs else 0):
        left = [s - _affine_at(p, c) - warp_at(p, warp, size) for p, s, c in zip(points, shifts, corrections, strict=True)]
        usual = max(float(np.median(np.hypot(*np.concatenate(left).T))), 0.05)
        weights = [1.0 / (1.0 + (part**2).sum(axis=1) / (2.0 * usual) ** 2) for part in left]
        if free:
            whole = [s - _affine_at(p, c) for p, s, c in zip(points, shifts, corrections, strict=True)]
            _, warp = fit_warp(np.concatenate(points), np.concatenate(whole), np.concatenate(weights), size)
        for index, (p, s, w) in enumerate(zip(points, shifts, weights, strict=True)):
            corrections[index] = _fit_affine(p, s - warp_at(p, warp, size), w, size)
    if given is None and float(np.hypot(*warp_at(_grid(size), warp, size).T).max()) < _WORTH:
        return (corrections, np.array(NO_WARP)) if not free else (_solve(pairs, size, NO_WARP)[0], np.array(NO_WARP))
    return corrections, warp


def _grid(size: tuple[int, int]) -> Matrix:
    x, y = np.meshgrid(np.linspace(0, size[0] - 1, 16), np.linspace(0, size[1] - 1, 10))
    return np.stack([x.ravel(), y.ravel()], axis=-1)


def _fit_affine(points: Matrix, shifts: Matrix, weights: Matrix, size: tuple[int, int]) -> Matrix:
    """(2x3) on (x, y, 1); scale, rotation and shear only as far as the blocks are many and spread, else a shift."""
    middle, half = np.array(size) / 2.0, max(size) / 2.0
    u = (points - middle) / half
    terms = np.column_stack([u, np.ones(len(u))])
    normal = (terms * weights[:, None]).T @ terms
    pull = np.diag([1.0, 1.0, 0.0]) * 0.002 * float(weights.sum())
    solved = np.linalg.solve(normal + pull + 1e-9 * np.eye(3), (terms * weights[:, None]).T @ shifts).T
    linear = solved[:, :2] / half
    return np.column_stack([linear, solved[:, 2] - linear @ middle])


def _affine_at(points: npt.NDArray[np.floating], coefficients: Matrix) -> Matrix:
    return np.asarray(points @ coefficients[:, :2].T + coefficients[:, 2])


def _corrected(pair: Measured, correction: Matrix) -> Matrix:
    """Source to reference (3x3): what was found ``shift`` further on is shown by the source ``shift`` before."""
    step = np.eye(3)
    step[:2] += correction
    return np.asarray(np.linalg.inv(pair.matrix) @ step)


def _supported(pairs: Sequence[Measured], affine: dict[int, Matrix], size: tuple[int, int]) -> dict[int, Matrix]:
    """Each frame's transform with scale, rotation and shear taken from the frames near it, its own shift kept."""
    frames = np.array([pair.source for pair in pairs], np.float64)
    linear = np.array([affine[pair.source][:2, :2] for pair in pairs])
    spread = np.array([_uncertainty(pair) for pair in pairs])
    middle = np.array([(size[0] - 1) / 2.0, (size[1] - 1) / 2.0, 1.0])
    result = {}
    for index, pair in enumerate(pairs):
        own = affine[pair.source]
        near = 1.0 / (spread**2 + (_DRIFT * (frames - frames[index])) ** 2)
        if (near > 0.1 * near[index]).sum() < _LEAST_FRAMES:
            result[pair.source] = own
            continue
        mean = _robust_mean(linear, near)
        matrix = np.eye(3)
        matrix[:2, :2] = mean
        matrix[:2, 2] = (own @ middle)[:2] - mean @ middle[:2]
        result[pair.source] = matrix
    return result


def _robust_mean(values: Matrix, weights: Matrix) -> Matrix:
    """Weighted mean of 2x2 matrices (N, 2, 2); those far from the weighted middle count less."""
    mean = np.tensordot(weights / weights.sum(), values, axes=1)
    for _ in range(3):
        away = np.sqrt(((values - mean) ** 2).sum(axis=(1, 2)))
        usual = max(float(np.median(away)), 1e-6)
        trust = weights / (1.0 + (away / (2.0 * usual)) ** 2)
        mean = np.tensordot(trust / trust.sum(), values, axes=1)
    return np.asarray(mean)


def _uncertainty(pair: Measured) -> float:
    """About how many pixels a corner may be off: grows with what a frame's blocks disagree by, falls with their number."""
    shifts = pair.blocks.shifts
    away = np.hypot(*(shifts - np.median(shifts, axis=0)).T)
    return float(2.0 * max(np.median(away), 0.05) / np.sqrt(len(shifts)))


def _borrowed(pair: Measured, slow: dict[int, Matrix]) -> Matrix:
    """What the nearest aligned frames have, for a frame that says nothing itself."""
    if not slow:
        return np.asarray(np.linalg.inv(pair.matrix))
    nearest = sorted(slow, key=lambda frame: abs(frame - pair.source))[:2]
    return np.asarray(np.mean([slow[frame] for frame in nearest], axis=0))


def _finished(
    pair: Measured, slow: dict[int, Matrix], warp: Matrix, perspective: tuple[Matrix, Matrix] | None, size: tuple[int, int]
) -> Aligned:
    own = pair.source in slow
    to_reference = slow[pair.source] if own else _borrowed(pair, slow)
    if perspective is not None:
        to_reference, warp = to_reference @ perspective[0], perspective[1]
    matrix = np.linalg.inv(to_reference)
    if not own and not slow:
        warp = np.array(NO_WARP)
    return Aligned(pair.source, pair.reference, matrix / matrix[2, 2], warp, own)


def _perspective(warp: Matrix, size: tuple[int, int]) -> tuple[Matrix, Matrix] | None:
    """A perspective (3x3, source to source) and the warp that is left beside it, or None where the warp is of another form.

    To second order ``p / (1 + g u + h v)`` moves p by ``-(g u + h v) p``, whose Legendre coefficients follow from
    ``u^2 = (2 P2 + 1) / 3``.
    """
    across, down = (size[0] - 1) / 2.0, (size[1] - 1) / 2.0
    second = np.array([*warp[0, :3], *warp[1, :3]])
    shape = np.array(
        [[-2.0 / 3.0 * across, 0.0], [0.0, -across], [0.0, 0.0], [0.0, 0.0], [-down, 0.0], [0.0, -2.0 / 3.0 * down]]
    )
    bent, *_ = np.linalg.lstsq(shape, second, rcond=None)
    moved = np.abs(bent).sum() * float(np.hypot(across, down))
    total = float((second**2).sum())
    explained = 1.0 - float(((second - shape @ bent) ** 2).sum()) / max(total, 1e-12)
    if explained < _PERSPECTIVE_SHARE or moved < _PERSPECTIVE_PIXELS:
        return None
    to_unit = np.array([[1.0, 0.0, -across], [0.0, 1.0, -down], [0.0, 0.0, 1.0]])
    tilt = np.eye(3)
    tilt[2, :2] = bent / [across, down]
    matrix = np.linalg.inv(to_unit) @ tilt @ to_unit
    points = _grid(size)
    there = np.column_stack([points + warp_at(points, warp, size), np.ones(len(points))]) @ np.linalg.inv(matrix).T
    affine, left = fit_warp(points, there[:, :2] / there[:, 2:] - points, np.ones(len(points)), size)
    step = np.eye(3)
    step[:2] += affine
    if float(np.hypot(*warp_at(points, left, size).T).max()) < _WORTH:
        left = np.array(NO_WARP)
    return matrix @ step, left
