"""Detail told from grain by time: neighbouring frames share the picture, never the grain.

The real part of the cross-spectrum of two frames, each tile laid on the other by its own shift, is the power of what both show;
what is left of their power is grain. Unlike a floor taken from flat parts this holds where grain changes with density, and
where no part is flat.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

_TILE = 64
_BINS = 32
_CLEAR = 0.5  # share of the power that is picture, at which detail sinks into the grain
_VISIBLE = 1e-8  # coded power that no 16-bit picture shows
_TEXTURED = 0.25  # share of the tiles, those with most picture, that say how far the detail goes
LOWEST_DETAIL = 0.1  # cycles per pixel, above which a picture's power counts as detail
_BAND = (0.03, 0.15)  # cycles per pixel, where every picture has its texture
_FOUND = 0.5  # share of the texture's power that both frames have to show, for a tile to count as laid on the other
FloatArray = npt.NDArray[np.float64]
_RADIUS = np.hypot(np.fft.fftfreq(_TILE)[:, None], np.fft.fftfreq(_TILE)[None])
_RING = np.minimum((_RADIUS * 2.0 * _BINS).astype(int), _BINS)  # the corners beyond 0.5 go into a ring that is dropped
_COUNTS = np.bincount(_RING.ravel(), minlength=_BINS + 1)[:_BINS]
FREQUENCY: FloatArray = np.asarray((np.arange(_BINS) + 0.5) / (2.0 * _BINS), np.float64)


@dataclass(frozen=True)
class TilePowers:
    """Of tiles of a pair of frames: ``shared`` and ``total`` power of coded luma, (N, 32) over :data:`FREQUENCY`; white noise
    of variance v has power v."""

    shared: FloatArray
    total: FloatArray


@dataclass(frozen=True)
class Detail:
    """``resolution``: cycles per pixel, 0 to 0.5, up to which there is as much picture as grain where the picture has texture.
    ``detail``: root-mean-square coded luma of the picture alone above 0.1 cycles per pixel. ``power`` and ``floor`` (the
    grain's) of all tiles over :data:`FREQUENCY`."""

    resolution: float
    detail: float
    power: FloatArray
    floor: FloatArray


def tile_powers(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> TilePowers:
    """Of two neighbouring frames, coded luma (H, W) each. Tiles that cannot be laid on each other are left out."""
    if np.array_equal(first, second):  # one frame twice: its grain would count as picture
        return TilePowers(np.zeros((0, _BINS)), np.zeros((0, _BINS)))
    window = cv2.createHanningWindow((_TILE, _TILE), cv2.CV_32F)
    norm = float((window.astype(np.float64) ** 2).sum())
    shared, total = [], []
    for y in range(0, first.shape[0] - _TILE + 1, _TILE):
        for x in range(0, first.shape[1] - _TILE + 1, _TILE):
            a, b = (np.ascontiguousarray(picture[y : y + _TILE, x : x + _TILE]) for picture in (first, second))
            a, b = a - a.mean(), b - b.mean()
            (dx, dy), _ = cv2.phaseCorrelate(cv2.GaussianBlur(a, (0, 0), 1.5), cv2.GaussianBlur(b, (0, 0), 1.5), window)
            x_b, y_b = (int(np.rint(shift)) for shift in (dx, dy))
            if not (0 <= y + y_b <= second.shape[0] - _TILE and 0 <= x + x_b <= second.shape[1] - _TILE):
                continue
            b = second[y + y_b : y + y_b + _TILE, x + x_b : x + x_b + _TILE]
            pair = [np.fft.fft2((tile - tile.mean()) * window) for tile in (a, b)]
            cross = _best_phase(pair[0] * np.conj(pair[1]), dx - x_b, dy - y_b)
            power = 0.5 * (np.abs(pair[0]) ** 2 + np.abs(pair[1]) ** 2)
            shared.append(_rings(cross) / norm)
            total.append(_rings(power) / norm)
    if not shared:
        return TilePowers(np.zeros((0, _BINS)), np.zeros((0, _BINS)))
    return _laid(np.array(shared), np.array(total))


def judge(pairs: list[TilePowers]) -> Detail | None:
    """All pairs of a shot together; None when too little could be laid on each other, as in fast motion or without texture."""
    shared = np.concatenate([pair.shared for pair in pairs]) if pairs else np.zeros((0, _BINS))
    if len(shared) < 16:
        return None
    total = np.concatenate([pair.total for pair in pairs])
    texture = shared[:, _band()].sum(axis=1)
    rich = texture >= np.quantile(texture, 1.0 - _TEXTURED)
    share = shared[rich].sum(axis=0) / np.maximum(total[rich].sum(axis=0), _VISIBLE * rich.sum())
    power, alike = total.mean(axis=0), np.maximum(shared.mean(axis=0), 0.0)
    above = FREQUENCY >= LOWEST_DETAIL
    detail = float(np.sqrt((alike * 2.0 * np.pi * FREQUENCY * (0.5 / _BINS))[above].sum()))
    return Detail(_crossing(share), detail, power, np.maximum(power - alike, 0.0))


def _crossing(share: FloatArray) -> float:
    """The frequency at which the share of the picture falls below a half for good; one noisy ring does not end the detail."""
    clear = share > _CLEAR
    clear[:2] = True  # a tile is too small to judge the lowest frequencies
    below = np.flatnonzero(~(clear | np.append(clear[1:], False)))
    if not len(below):
        return 0.5
    last = int(below[0])
    left, right = float(share[last - 1]), float(share[last])
    part = (left - _CLEAR) / (left - right) if left > _CLEAR > right else 0.0
    return float(FREQUENCY[last - 1] + part * (FREQUENCY[last] - FREQUENCY[last - 1]))


def _best_phase(cross: npt.NDArray[np.complex128], dx: float, dy: float) -> FloatArray:
    """The real part once the rest of the shift, less than a pixel, is taken off: its slope over frequency is fitted."""
    fy, fx = np.fft.fftfreq(_TILE)[:, None], np.fft.fftfreq(_TILE)[None]
    inside = (_RADIUS > 0.015) & (_RADIUS < 0.2)
    weight = np.abs(cross) * inside
    for _ in range(3):
        turned = cross * np.exp(-2j * np.pi * (fx * dx + fy * dy))
        angle = np.angle(turned) / (2.0 * np.pi)
        mixed = (weight * fx * fy).sum()
        normal = np.array([[(weight * fx * fx).sum(), mixed], [mixed, (weight * fy * fy).sum()]])
        right = np.array([(weight * fx * angle).sum(), (weight * fy * angle).sum()])
        if abs(np.linalg.det(normal)) < 1e-30:
            break
        step = np.linalg.solve(normal, right)
        dx, dy = dx + float(step[0]), dy + float(step[1])
    return np.asarray((cross * np.exp(-2j * np.pi * (fx * dx + fy * dy))).real, np.float64)


def _rings(power: FloatArray) -> FloatArray:
    return np.asarray(np.bincount(_RING.ravel(), power.ravel(), minlength=_BINS + 1)[:_BINS] / _COUNTS, np.float64)


def _band() -> npt.NDArray[np.bool_]:
    return np.asarray((_BAND[0] < FREQUENCY) & (_BAND[1] > FREQUENCY))


def _laid(shared: FloatArray, total: FloatArray) -> TilePowers:
    """Tiles whose texture both frames show, and flat ones, which have none to show."""
    here, whole = shared[:, _band()].sum(axis=1), total[:, _band()].sum(axis=1)
    kept = (here > _FOUND * whole) | (whole < 4.0 * np.median(total[:, -8:], axis=1) * _band().sum())
    return TilePowers(shared[kept], total[kept])
