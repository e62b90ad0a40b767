"""How well two aligned pictures agree: block by block, without trusting the fit that aligned them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]

_BLOCK, _REACH = 72, 10  # pixels: side of a block, and how far it is looked for
_LEAST_CONTRAST = 2e-4  # coded values; what is flatter is rounding, not a picture
_TRUSTED = 0.45  # correlation from which a block's place counts
_STRUCTURE = 0.15  # of the picture's mean squared gradient: what a block needs in every direction
# Real and simulated pairs reach 0.38 to 1.0, different pictures stay below 0.3 after the best alignment there is.
_MATCH_SURELY, _MATCH_CORRELATION, _MATCH_BLOCKS = 0.5, 0.35, 0.15


@dataclass(frozen=True)
class Agreement:
    """``residual_px`` (median) and ``residual_p95`` in pixels, infinite without a block to measure; the correlation 0..1
    of the band-passed pictures; the share 0..1 of the structured blocks that were found where they should be."""

    residual_px: float
    residual_p95: float
    correlation: float
    found: float

    @property
    def matches(self) -> bool:
        """The verdict that both show the same picture."""
        if self.correlation >= _MATCH_SURELY:
            return True
        return self.correlation >= _MATCH_CORRELATION and self.found >= _MATCH_BLOCKS


def band_pass(planes: FloatArray, fine: float, coarse: float, mask: ByteArray) -> FloatArray:
    """Each channel between two Gaussian scales (sigmas in pixels), divided by its local contrast; (H, W, C) float32.

    Fading, exposure and slow shading fall out. Means are taken over the pixels where ``mask`` is not 0 alone, or a scan's
    border, which lies elsewhere in the other element, would leak far into the picture; outside the result is 0. The floor under
    the contrast keeps flat regions, where there is nothing but grain, from being blown up to the size of a picture.
    """
    inside = (mask > 0).astype(np.float32)[..., None]
    kept = planes * inside
    near = np.maximum(cv2.GaussianBlur(inside, (0, 0), fine)[..., None], 1e-3)
    far = np.maximum(_wide_blur(inside, coarse), 1e-3)
    smooth = np.asarray(cv2.GaussianBlur(kept, (0, 0), fine), np.float32).reshape(planes.shape)
    detail = (smooth / near - _wide_blur(kept, coarse) / far) * inside
    farther = np.maximum(_wide_blur(inside, 2.0 * coarse), 1e-3)
    local = np.sqrt(np.maximum(_wide_blur(detail**2, 2.0 * coarse) / farther, 0.0))
    floor = local.mean(axis=(0, 1), keepdims=True) + _LEAST_CONTRAST
    return np.asarray(detail / (local + floor), dtype=np.float32)


def _wide_blur(planes: FloatArray, sigma: float) -> FloatArray:
    """A Gaussian of many pixels, computed on a smaller picture, where it costs little; (H, W, C) float32."""
    height, width, channels = planes.shape
    factor = max(min(int(sigma / 3.0), min(height, width) // 8), 1)
    small = cv2.resize(planes, (max(width // factor, 1), max(height // factor, 1)), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), sigma / factor)
    back = cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(back, np.float32).reshape(height, width, channels)


def canonical_planes(first: FloatArray, second: FloatArray, mask: ByteArray) -> tuple[FloatArray, FloatArray] | None:
    """Channel weights (C,) for each side whose weighted sums correlate most (Hotelling 1936); None without any structure."""
    inside = mask > 0
    count = np.count_nonzero(inside)
    if count < 64:
        return None
    every = max(count // 100_000, 1)  # pixels enough for a handful of weights
    x, y = first[inside][::every].astype(np.float64), second[inside][::every].astype(np.float64)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    if min(float((part**2).mean()) for part in (x, y)) < 1e-4:
        return None
    half_x, half_y = _inverse_root(x.T @ x / len(x)), _inverse_root(y.T @ y / len(y))
    left, strength, right = np.linalg.svd(half_x @ (x.T @ y / len(x)) @ half_y)
    if not np.isfinite(strength).all() or strength[0] <= 1e-6:
        return None
    return (half_x @ left[:, 0]).astype(np.float32), (half_y @ right[0]).astype(np.float32)


@dataclass(frozen=True)
class Blocks:
    """Blocks of the source looked for in the moved reference.

    ``points`` (N, 2) are their middles and ``shifts`` (N, 2) how far off each was found, x and y in pixels, of trusted blocks
    only. ``structured`` counts those that held enough to be looked for at all. ``correlation`` (0..1) is that of the whole
    band-passed pictures.
    """

    points: FloatArray
    shifts: FloatArray
    structured: int
    correlation: float


def measure_agreement(source: FloatArray, moved: FloatArray, mask: ByteArray) -> Agreement:
    """Compare two pictures on one grid, (H, W, C) each, where ``mask`` is not 0."""
    return agreement_of_blocks(find_blocks(source, moved, mask))


def agreement_of_blocks(blocks: Blocks) -> Agreement:
    """The figures of a comparison by blocks."""
    if not len(blocks.shifts):
        return Agreement(float("inf"), float("inf"), blocks.correlation, 0.0)
    distance = np.hypot(blocks.shifts[:, 0], blocks.shifts[:, 1])
    found = len(blocks.shifts) / max(blocks.structured, 1)
    return Agreement(float(np.median(distance)), float(np.percentile(distance, 95)), blocks.correlation, found)


def find_blocks(source: FloatArray, moved: FloatArray, mask: ByteArray, beside: bool = False) -> Blocks:
    """Look for blocks of the source in the moved reference, (H, W, C) each on one grid, where ``mask`` is not 0.

    With ``beside`` the blocks lie midway between the usual ones: a fit is judged by others than those that it went by.
    """
    height, width = mask.shape
    fine = max(1.0, 1.6 * width / 960)
    first, second = (band_pass(picture, fine, 10.0 * fine, mask) for picture in (source, moved))
    mask = np.asarray(cv2.erode(mask, np.ones((5, 5), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0), np.uint8)
    weights = canonical_planes(first, second, mask)
    if weights is None:
        nothing = np.zeros((0, 2), np.float32)
        return Blocks(nothing, nothing, 0, 0.0)
    one, two = (np.ascontiguousarray(part @ weight, np.float32) for part, weight in zip((first, second), weights, strict=True))
    inside = mask > 0
    correlation = float(np.clip(np.corrcoef(one[inside], two[inside])[0, 1], 0.0, 1.0))
    block = int(np.clip(_BLOCK * width / 960, 24, 160))
    reach = max(round(_REACH * width / 960), 4)
    return _block_shifts(one, two, inside, min(block, min(height, width) // 3), reach, correlation, beside)


def _block_shifts(
    one: FloatArray, two: FloatArray, inside: npt.NDArray[np.bool_], block: int, reach: int, correlation: float, beside: bool
) -> Blocks:
    height, width = one.shape
    found, structured = [], 0
    gradient = np.stack([cv2.Sobel(one, cv2.CV_32F, 1, 0), cv2.Sobel(one, cv2.CV_32F, 0, 1)], axis=-1)
    typical = float(np.mean(gradient[inside] ** 2))
    step = max(block * 2 // 3, 1)
    first = reach + (step // 2 if beside else 0)
    for top in range(first, height - block - reach + 1, step):
        for left in range(first, width - block - reach + 1, step):
            wide = (slice(top - reach, top + block + reach), slice(left - reach, left + block + reach))
            if not inside[wide].all():
                continue
            own = (slice(top, top + block), slice(left, left + block))
            if _weaker_direction(gradient[own]) < _STRUCTURE * typical:
                continue  # flat, or edges of one direction only, along which a shift cannot be seen
            structured += 1
            scores = cv2.matchTemplate(two[wide], one[own], cv2.TM_CCOEFF_NORMED)
            _, best, _, (x, y) = cv2.minMaxLoc(scores)
            if best >= _TRUSTED and 0 < x < 2 * reach and 0 < y < 2 * reach:
                around = (scores[y, x - 1 : x + 2].tolist(), scores[y - 1 : y + 2, x].tolist())
                shift = (x - reach + _vertex(*around[0]), y - reach + _vertex(*around[1]))
                found.append((left + (block - 1) / 2, top + (block - 1) / 2, *shift))
    table = np.asarray(found, np.float32).reshape(-1, 4)
    return Blocks(table[:, :2], table[:, 2:], structured, correlation)


def _weaker_direction(gradient: FloatArray) -> float:
    """Mean squared gradient across the direction in which the block has least of it; ``gradient`` (h, w, 2)."""
    flat = gradient.reshape(-1, 2)
    return float(np.linalg.eigvalsh(flat.T @ flat / len(flat))[0])


def _vertex(low: float, middle: float, high: float) -> float:
    """Where the parabola through three neighbouring values has its top, relative to the middle one."""
    bend = low - 2.0 * middle + high
    return 0.5 * (low - high) / bend if bend < 0 else 0.0


def _inverse_root(covariance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    values, vectors = np.linalg.eigh(covariance)
    safe = np.maximum(values, 1e-6 * max(float(values.max()), 1e-12))
    return np.asarray((vectors / np.sqrt(safe)) @ vectors.T)
