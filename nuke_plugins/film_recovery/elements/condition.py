"""What ageing left of an element, measured in density: grain, contrast of the layers, colour, cast, flicker, clipping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.images.encodings import linear_to_density

_PATCH = 16  # pixels: patches in which grain is measured
_FLATTEST = 0.03  # share of the patches that counts as flat
_GRAIN_BLUR = 2.5  # pixels; what is coarser than this is picture, not grain
_GRAIN_PASSED = 0.98  # share of white noise's deviation that stays above that blur
_GRAIN_DENSITIES = (0.1, 2.0)
_LUMA_BINS = 32
_SERIES_GRID = (16, 9)
_STATIC = 0.25  # share of the grid's cells that counts as standing still
_CUT = 0.6  # correlation of neighbouring block pictures below which the shot changes
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ColourLeft:
    """``spread``: root-mean-square distance of coded (Cb, Cr) from the mean of pixels of like luma, so that a cast, even one
    that changes with brightness, does not count as colour. ``cast``: for low, middle and high density the density of red,
    green and blue minus their mean: the cast, if the picture were grey on average."""

    spread: float
    cast: dict[str, list[float]]


def grain_sigma(densities: Sequence[npt.NDArray[np.float32]]) -> list[float]:
    """Grain per channel: standard deviation of density per pixel, from median absolute deviations in the flattest patches.

    Exact for grain finer than a pixel. Grain of several pixels, as of 16 mm in a fine scan, reads up to a third low, since what
    is coarser cannot be told from picture; a picture without any flat part reads high.

    Args:
        densities: pictures, float32 (H, W, 3), base-10 density.
    """
    flatness, deviation = [], []
    for density in densities:
        height, width = (side // _PATCH for side in density.shape[:2])
        if not height or not width:
            continue
        residual = density - cv2.GaussianBlur(density, (0, 0), _GRAIN_BLUR)
        smooth = cv2.GaussianBlur(density, (0, 0), 2.0)
        slope = sum(cv2.Sobel(smooth, cv2.CV_32F, dx, dy) ** 2 for dx, dy in ((1, 0), (0, 1)))
        level = _patches(density, height, width).mean(axis=(1, 2))
        usable = (level > _GRAIN_DENSITIES[0]) & (level < _GRAIN_DENSITIES[1])
        flatness.append(_patches(slope, height, width).mean(axis=(1, 2)))
        spread = np.median(np.abs(_patches(residual, height, width)), axis=1) * 1.4826 / _GRAIN_PASSED
        deviation.append(np.where(usable[:, None], spread, np.nan))
    if not flatness:
        return [0.0, 0.0, 0.0]
    flat, sigma = np.concatenate(flatness), np.concatenate(deviation)
    usable = np.isfinite(sigma[:, 0])
    if not usable.any():
        return [0.0, 0.0, 0.0]
    limit = np.quantile(flat[usable], _FLATTEST)
    return [float(value) for value in np.median(sigma[usable & (flat <= limit)], axis=0)]


def density_range(densities: Sequence[npt.NDArray[np.float32]]) -> list[list[float]]:
    """The 1st and 99th percentile of density per channel, ``[[low, high], ...]``, grain smoothed away."""
    pixels = np.concatenate([_smoothed(density) for density in densities])
    low, high = np.percentile(pixels, [1.0, 99.0], axis=0)
    return [[float(a), float(b)] for a, b in zip(low, high, strict=True)]


def colour_left(densities: Sequence[npt.NDArray[np.float32]], chromas: Sequence[npt.NDArray[np.float32]],
                lumas: Sequence[npt.NDArray[np.float32]]) -> ColourLeft:  # fmt: skip
    """Colour spread and cast of pictures given as density (H, W, 3), coded (Cb, Cr) (H, W, 2) and coded luma (H, W)."""
    density = np.concatenate([_smoothed(picture) for picture in densities])
    chroma = np.concatenate([_smoothed(picture) for picture in chromas])
    luma = np.concatenate([_smoothed(picture[..., None])[:, 0] for picture in lumas])
    edges = np.quantile(luma, np.linspace(0.0, 1.0, _LUMA_BINS + 1)[1:-1])
    group = np.searchsorted(edges, luma)
    squares = [float(((chroma[group == g] - chroma[group == g].mean(axis=0)) ** 2).sum()) for g in np.unique(group)]
    mean = density.mean(axis=1)
    cast = {}
    for name, (low, high) in {"low": (0.05, 0.25), "mid": (0.4, 0.6), "high": (0.75, 0.95)}.items():
        inside = (mean >= np.quantile(mean, low)) & (mean <= np.quantile(mean, high))
        part = density[inside] - mean[inside][:, None]
        cast[name] = [round(float(value), 4) for value in part.mean(axis=0)]
    return ColourLeft(float(np.sqrt(sum(squares) / len(chroma))), cast)


def clipped(pictures: Sequence[npt.NDArray[np.float32]]) -> tuple[float, float]:
    """Shares of pixels with a channel at or below 0, and at or above 1, of coded pictures (H, W, 3)."""
    low = np.mean([np.mean((picture <= 0.0).any(axis=-1)) for picture in pictures])
    high = np.mean([np.mean((picture >= 1.0).any(axis=-1)) for picture in pictures])
    return float(low), float(high)


def block_densities(linear: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """One frame of linear light (H, W, 3) as mean densities over a coarse grid, (9, 16, 3): all that flicker needs of it."""
    step = max(min(linear.shape[:2]) // 180, 1)  # every third pixel or so is plenty for a mean over a cell
    density = to_density(linear[::step, ::step])
    return np.asarray(cv2.resize(density, _SERIES_GRID, interpolation=cv2.INTER_AREA), np.float32)


def flicker(blocks: Sequence[npt.NDArray[np.float32]]) -> list[float] | None:
    """Flicker per channel: standard deviation over time of the density of what stands still, density.

    Args:
        blocks: :func:`block_densities` of frames in order, evenly spaced. Cuts divide them into shots; each shot loses its
            slow change (a straight line), and only the cells whose picture changes least against the whole frame count.

    Returns:
        Three numbers, or None with fewer than four frames in every shot.
    """
    squares, count = np.zeros(3), 0
    for shot in _shots(blocks):
        if len(shot) < 4:
            continue
        series = np.stack([np.asarray(block, np.float64) for block in shot]).reshape(len(shot), -1, 3)
        time = np.linspace(-1.0, 1.0, len(shot))
        series = series - series.mean(axis=0)
        series = series - time[:, None, None] * (np.tensordot(time, series, axes=1) / (time @ time))[None]
        common = np.median(series, axis=1, keepdims=True)
        motion = ((series - common) ** 2).mean(axis=(0, 2))
        still = motion <= np.quantile(motion, _STATIC)
        squares += (np.median(series[:, still], axis=1) ** 2).sum(axis=0)
        count += len(shot) - 2
    return [float(value) for value in np.sqrt(squares / count)] if count else None


def _shots(blocks: Sequence[npt.NDArray[np.float32]]) -> list[list[npt.NDArray[np.float32]]]:
    shots: list[list[npt.NDArray[np.float32]]] = []
    for index, block in enumerate(blocks):
        if index == 0 or _alike(blocks[index - 1], block) < _CUT:
            shots.append([])
        shots[-1].append(block)
    return shots


def _alike(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> float:
    a, b = (block.mean(axis=-1).ravel() - block.mean() for block in (first, second))
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    if size > 1e-9:
        return float(a @ b) / size
    return float(a.any() == b.any())  # a picture and black are not alike, two of one colour are


def _smoothed(picture: npt.NDArray[np.float32]) -> FloatArray:
    """Means over 4x4 pixels, (N, C): grain falls to a quarter, and there is less to sort."""
    height, width, channels = picture.shape
    small = cv2.resize(picture, (max(width // 4, 1), max(height // 4, 1)), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float64).reshape(-1, channels)


def _patches(picture: npt.NDArray[np.float32], rows: int, columns: int) -> npt.NDArray[np.float32]:
    """(rows * columns, PATCH^2, C)."""
    cut = picture[: rows * _PATCH, : columns * _PATCH]
    split = cut.reshape(rows, _PATCH, columns, _PATCH, -1).transpose(0, 2, 1, 3, 4)
    return split.reshape(rows * columns, _PATCH * _PATCH, -1)


def to_density(linear: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Linear light of any shape to base-10 density, float32, at most 3."""
    return np.asarray(linear_to_density(np.asarray(linear, np.float32)), np.float32)
