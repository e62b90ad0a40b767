"""Bringing the reference onto the source: one affine transform a pair, sub-pixel, blind to colour, blur and grain.

Stages, each coarse to fine:

1. *Search.* The middle of the source's gradient picture is found in the reference's by normalised cross-correlation, over
   a few scales, on a thumbnail: framing and scale may each differ by 10 %, the scale beyond the ratio of the two sizes.
2. *ECC* (Evangelidis and Psarakis 2008, OpenCV) on gradient magnitudes summed over the channels, which do not care whether
   a channel is reversed, faded or lost.
3. *ECC* on one signed, band-passed plane a side: the two combinations of channels that agree best (canonical correlation,
   Hotelling 1936). A faded channel gets a small weight there, a reversed one a negative weight.

The residual is measured by other means than the fit: blocks of the source are looked for in the warped reference, one by
one. Pixel coordinates are those of the arrays: pixel centres at whole numbers, row 0 on top.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.images.frame import Window
from film_recovery.pairs.deformation import NO_WARP
from film_recovery.pairs.geometry import as_planes, picture_mask, square
from film_recovery.pairs.resample import resample
from film_recovery.pairs.residual import Blocks, agreement_of_blocks, band_pass, canonical_planes, find_blocks

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]
Masks = tuple[ByteArray, ByteArray]
Rectangles = Sequence[Sequence[int]]

_SEARCH_SIDE = 256  # longest side of the thumbnail, pixels
_SEARCH_SCALES = (1.0, 0.98, 1.02, 0.96, 1.04, 0.94, 1.06, 0.92, 1.08, 0.9, 1.1)
_SEARCH_MARGIN = 0.11  # of each side
_GRADIENT_SIDES = (256, 512)
_SIGNED_SIDES = (512, 1024, 1600)
_MOST_SCALE, _MOST_SHIFT = 0.14, 0.16  # beyond these a solution is an accident
_ITERATIONS, _EPSILON = 60, 1e-6
_OTHER_SHAPE = 0.03  # of a side: picture areas that differ by more are tried on each other
_NEGLIGIBLE = 0.5  # pixels at the corners, below which leaving a picture alone is tried


@dataclass(frozen=True)
class Registration:
    """How the reference lies on the source.

    ``matrix`` (2x3, float64) takes a source pixel ``(x, y, 1)`` to the reference pixel that shows the same point.
    ``residual_px`` and ``residual_p95`` are the median and 95th percentile of what is left, in source pixels; infinite when
    nothing could be measured. ``correlation`` (0..1) is that of the aligned band-passed pictures. ``matches`` is the
    verdict that both show the same picture. ``blocks`` are those that the figures were taken from.
    ``warp`` (2, 7), where there is one, goes first: see :mod:`deformation`. ``doubt`` is what an alignment that was made before
    found wrong with the pair, a clause.
    """

    matrix: Matrix
    residual_px: float
    residual_p95: float
    correlation: float
    matches: bool
    blocks: Blocks | None = None
    warp: Matrix | None = None
    doubt: str = ""


def register(
    source: npt.ArrayLike,
    reference: npt.ArrayLike,
    area: Window,
    reference_area: Window | None = None,
    *,
    start: npt.ArrayLike | None = None,
    masks: Rectangles = (),
) -> Registration:
    """Find the affine transform that brings ``reference`` onto ``source``.

    Args:
        source: coded picture, (H, W, 3) or (H, W), any range.
        reference: coded picture of the other element, (H', W', 3) or (H', W'); another size is met by the ratio of sizes, or
            of the picture areas where these have another shape (letterbox, anamorphic).
        area: the source's picture without scan borders, in pixels of the array; only this is compared.
        reference_area: the same of the reference; the whole reference if None.
        start: 2x3, source pixels to reference pixels, where another frame of the same elements lies; it is looked for from
            there, which is faster, and anew when nothing is found so.
        masks: rectangles (x, y, width, height) of the source that are not compared.

    Never raises for pictures that do not fit: the verdict is in ``matches``.
    """
    ours, theirs = as_planes(source), as_planes(reference)
    stretch = _size_ratio(ours.shape[:2], theirs.shape[:2])

    def judged(matrix: Matrix) -> Registration:
        blocks = _blocks(ours, theirs, matrix, area, reference_area, masks)
        found = agreement_of_blocks(blocks)
        return Registration(matrix, found.residual_px, found.residual_p95, found.correlation, found.matches, blocks)

    allowed = (picture_mask(ours.shape[:2], area, masks), picture_mask(theirs.shape[:2], reference_area))
    if start is not None:
        near = judged(_compose(stretch, _refined(ours, theirs, allowed, _compose(_inverse(stretch), np.asarray(start)), 1)))
        if near.matches:
            return near
    # Everything below works with the reference stretched to the source's size; `found` maps within that one grid.
    found = _refined(ours, theirs, allowed, _search(ours, theirs, allowed), len(_GRADIENT_SIDES))
    best = judged(_compose(stretch, found))
    if best.matches and _farthest(found, ours.shape) < _NEGLIGIBLE:
        straight = judged(stretch)
        if straight.matches and straight.residual_px <= best.residual_px + 0.02:
            return straight  # aligned as they come: no resampling that brings nothing
    elif reference_area is not None and _shaped_otherwise(area, ours.shape, reference_area, theirs.shape):
        other = judged(_by_areas(ours, theirs, area, reference_area, masks))
        if (other.matches, other.correlation) > (best.matches, best.correlation):
            return other
    return best


def _refined(ours: FloatArray, theirs: FloatArray, masks: Masks, found: Matrix, levels: int) -> Matrix:
    """From a guess within the source's grid to the best there is, coarse to fine; ``levels`` of gradients first."""
    for side in _GRADIENT_SIDES[:levels]:
        if side == _GRADIENT_SIDES[0] or side < 2 * max(ours.shape[:2]):
            found = _refine_gradients(ours, theirs, masks, found, side)
    for side in _SIGNED_SIDES:
        if side == _SIGNED_SIDES[0] or side < 2 * max(ours.shape[:2]):
            found = _refine_signed(ours, theirs, masks, found, side)
    return found


def _shaped_otherwise(area: Window, shape: Sequence[int], other: Window, other_shape: Sequence[int]) -> bool:
    """Whether the two pictures fill clearly different shares of their arrays."""
    across = (area.width / shape[1]) / (other.width / other_shape[1])
    down = (area.height / shape[0]) / (other.height / other_shape[0])
    return max(abs(across - 1.0), abs(down - 1.0)) > _OTHER_SHAPE


def _by_areas(ours: FloatArray, theirs: FloatArray, area: Window, other: Window, masks: Rectangles) -> Matrix:
    """The transform found between the picture areas alone, for whole pictures."""
    parts = [np.ascontiguousarray(part.cut(whole)) for whole, part in ((ours, area), (theirs, other))]
    moved = [(x - area.x, y - area.y, width, height) for x, y, width, height in masks]
    allowed = (picture_mask(parts[0].shape[:2], None, moved), picture_mask(parts[1].shape[:2], None))
    found = _refined(parts[0], parts[1], allowed, _search(parts[0], parts[1], allowed), len(_GRADIENT_SIDES))
    between = _compose(_size_ratio(parts[0].shape[:2], parts[1].shape[:2]), found)
    to_part = np.array([[1.0, 0.0, -area.x], [0.0, 1.0, -area.y]])
    from_part = np.array([[1.0, 0.0, other.x], [0.0, 1.0, other.y]])
    return _compose(from_part, _compose(between, to_part))


def unregistered(
    source: npt.ArrayLike, reference: npt.ArrayLike, area: Window, reference_area: Window | None = None
) -> Registration:
    """Judge two pictures as they lie, without moving anything; arguments as for :func:`register`."""
    ours, theirs = as_planes(source), as_planes(reference)
    matrix = _size_ratio(ours.shape[:2], theirs.shape[:2])
    found = agreement_of_blocks(_blocks(ours, theirs, matrix, area, reference_area, ()))
    return Registration(matrix, found.residual_px, found.residual_p95, found.correlation, found.matches)


def _blocks(
    source: FloatArray,
    reference: FloatArray,
    matrix: Matrix,
    area: Window,
    reference_area: Window | None,
    masks: Rectangles,
) -> Blocks:
    size = (source.shape[1], source.shape[0])
    moved = _move(reference, matrix, size)
    there = _move_mask(picture_mask(reference.shape[:2], reference_area), matrix, size)
    both = cv2.bitwise_and(picture_mask(source.shape[:2], area, masks), there)
    return find_blocks(source, moved, np.asarray(both, np.uint8))


def warp(rgb: npt.ArrayLike, registration: Registration, shape: Sequence[int]) -> FloatArray:
    """Resample the reference onto the source's pixels.

    Args:
        rgb: (H', W', 3) of the reference, any range, values below 0 and above 1 included.
        registration: where its pixels lie.
        shape: the source's (height, width).

    Returns:
        float32 (height, width, 3), see :func:`film_recovery.pairs.resample.resample`. When the transform is the identity the
        pixels come back untouched.
    """
    picture = np.asarray(rgb, dtype=np.float32)
    matrix = registration.matrix
    bent = NO_WARP if registration.warp is None else registration.warp
    if picture.shape[:2] == tuple(shape[:2]) and np.array_equal(matrix, np.eye(2, 3)) and not np.any(bent):
        return picture.copy()
    return resample(picture, np.linalg.inv(square(matrix)), bent, shape)


def _size_ratio(ours: Sequence[int], theirs: Sequence[int]) -> Matrix:
    """Source pixel to reference pixel when both pictures fill their arrays."""
    sx, sy = theirs[1] / ours[1], theirs[0] / ours[0]
    return np.array([[sx, 0.0, 0.5 * sx - 0.5], [0.0, sy, 0.5 * sy - 0.5]])


def _inverse(matrix: Matrix) -> Matrix:
    return np.asarray(np.linalg.inv(square(matrix))[:2])


def _compose(outer: Matrix, inner: Matrix) -> Matrix:
    return np.asarray((square(outer) @ square(inner))[:2])


def _level(shape: Sequence[int], side: int) -> tuple[int, int]:
    """(width, height) of the pyramid level whose longest side is at most ``side``."""
    ratio = min(1.0, side / max(shape[:2]))
    return max(round(shape[1] * ratio), 8), max(round(shape[0] * ratio), 8)


def _to_level(found: Matrix, shape: Sequence[int], size: tuple[int, int]) -> Matrix:
    """A transform of the source's grid, written for a level's grid."""
    up, down = _size_ratio((size[1], size[0]), shape), _size_ratio(shape, (size[1], size[0]))
    return _compose(down, _compose(found, up))


def _from_level(found: Matrix, shape: Sequence[int], size: tuple[int, int]) -> Matrix:
    up, down = _size_ratio((size[1], size[0]), shape), _size_ratio(shape, (size[1], size[0]))
    return _compose(up, _compose(found, down))


def _resized(planes: FloatArray, size: tuple[int, int]) -> FloatArray:
    if (planes.shape[1], planes.shape[0]) == size:
        return planes
    small = cv2.resize(planes, size, interpolation=cv2.INTER_AREA if planes.shape[1] >= size[0] else cv2.INTER_CUBIC)
    return np.asarray(small[..., None] if small.ndim == 2 else small, dtype=np.float32)


def _move(planes: FloatArray, matrix: Matrix, size: tuple[int, int]) -> FloatArray:
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(planes, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved[..., None] if moved.ndim == 2 else moved, dtype=np.float32)


def _move_mask(mask: ByteArray, matrix: Matrix, size: tuple[int, int]) -> ByteArray:
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(mask, matrix, size, flags=flags, borderMode=cv2.BORDER_CONSTANT), dtype=np.uint8)


def _small_masks(masks: Masks, size: tuple[int, int]) -> Masks:
    """Both masks at a level; a pixel counts only when all of it is picture."""
    small = [cv2.resize(mask, size, interpolation=cv2.INTER_AREA) for mask in masks]
    first, second = (np.asarray(np.where(mask == 255, 255, 0), dtype=np.uint8) for mask in small)
    return first, second


def _drawn_in(masks: Masks, pixels: int) -> Masks:
    """Without the rim in which filters saw less than their whole neighbourhood."""
    reach = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    first, second = (cv2.erode(mask, reach, borderType=cv2.BORDER_CONSTANT, borderValue=0) for mask in masks)
    return np.asarray(first, np.uint8), np.asarray(second, np.uint8)


def _gradients(planes: FloatArray, mask: ByteArray) -> FloatArray:
    """Gradient magnitude over all channels, each normalised by its local contrast; float32 (H, W)."""
    flat = band_pass(planes, 1.2, 12.0, mask)
    dx = cv2.Sobel(flat, cv2.CV_32F, 1, 0)
    dy = cv2.Sobel(flat, cv2.CV_32F, 0, 1)
    power = (dx**2 + dy**2).reshape(*planes.shape[:2], -1).sum(axis=-1)
    return np.asarray(np.sqrt(np.sqrt(power)), dtype=np.float32)  # the square root tames a few hard edges


def _search(ours: FloatArray, theirs: FloatArray, masks: Masks) -> Matrix:
    """First guess on a thumbnail: the scale and shift with the highest normalised cross-correlation."""
    size = _level(ours.shape, _SEARCH_SIDE)
    small = _small_masks(masks, size)
    first, second = (_gradients(_resized(planes, size), mask) for planes, mask in zip((ours, theirs), small, strict=True))
    inner = _drawn_in(small, 3)
    first, second = (np.where(mask > 0, plane, plane[mask > 0].mean() if mask.any() else 0.0).astype(np.float32)
                     for plane, mask in zip((first, second), inner, strict=True))  # fmt: skip
    margin = max(round(_SEARCH_MARGIN * size[0]), 2), max(round(_SEARCH_MARGIN * size[1]), 2)
    middle = np.ascontiguousarray(first[margin[1] : size[1] - margin[1], margin[0] : size[0] - margin[0]])
    best, found = -1.0, np.eye(2, 3)
    for scale in _SEARCH_SCALES:
        zoom = np.array([[scale, 0.0, (1 - scale) * (size[0] - 1) / 2], [0.0, scale, (1 - scale) * (size[1] - 1) / 2]])
        scaled = cv2.warpAffine(
            second, zoom, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
        )
        scores = cv2.matchTemplate(scaled, middle, cv2.TM_CCOEFF_NORMED)
        _, score, _, (at_x, at_y) = cv2.minMaxLoc(np.nan_to_num(scores))
        if score > best + 0.01:  # the plain scale unless another is clearly better
            best = score
            found = _compose(zoom, np.array([[1.0, 0.0, at_x - margin[0]], [0.0, 1.0, at_y - margin[1]]]))
    return _from_level(found, ours.shape, size)


def _refine_gradients(ours: FloatArray, theirs: FloatArray, masks: Masks, found: Matrix, side: int) -> Matrix:
    size = _level(ours.shape, side)
    small = _small_masks(masks, size)
    start = _to_level(found, ours.shape, size)
    first, second = (_gradients(_resized(part, size), mask) for part, mask in zip((ours, theirs), small, strict=True))
    return _from_level(_ecc(first, second, _drawn_in(small, 3), start, 7), ours.shape, size)


def _refine_signed(ours: FloatArray, theirs: FloatArray, masks: Masks, found: Matrix, side: int) -> Matrix:
    size = _level(ours.shape, side)
    small = _small_masks(masks, size)
    start = _to_level(found, ours.shape, size)
    fine = max(1.0, 1.6 * size[0] / 960)
    first, second = (
        band_pass(_resized(part, size), fine, 10.0 * fine, mask) for part, mask in zip((ours, theirs), small, strict=True)
    )
    inner = _drawn_in(small, 2)
    both = np.asarray(cv2.bitwise_and(inner[0], _move_mask(inner[1], start, size)), np.uint8)
    weights = canonical_planes(first, _move(second, start, size), both)
    if weights is None:
        return found
    planes = [np.ascontiguousarray(part @ w, dtype=np.float32) for part, w in zip((first, second), weights, strict=True)]
    return _from_level(_ecc(planes[0], planes[1], inner, start, 3), ours.shape, size)


def _ecc(first: FloatArray, second: FloatArray, masks: Masks, start: Matrix, blur: int) -> Matrix:
    """One ECC ascent; the start comes back when it does not converge or leaves what two scans can differ by."""
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _ITERATIONS, _EPSILON)
    try:
        _, solution = cv2.findTransformECCWithMask(
            first, second, masks[0], masks[1], start.astype(np.float32), cv2.MOTION_AFFINE, criteria, blur
        )
    except cv2.error:
        return start
    matrix = np.asarray(solution, dtype=np.float64)
    if _plausible(start, first.shape):
        return matrix if _plausible(matrix, first.shape) else start
    return matrix if _plausible(_compose(_inverse(start), matrix), first.shape) else start  # told to begin far off


def _farthest(matrix: Matrix, shape: Sequence[int]) -> float:
    """The largest distance in pixels by which a transform moves a corner of the picture."""
    right, bottom = shape[1] - 1.0, shape[0] - 1.0
    corners = np.array([[0.0, right, 0.0, right], [0.0, 0.0, bottom, bottom], [1.0, 1.0, 1.0, 1.0]])
    return float(np.hypot(*(matrix @ corners - corners[:2])).max())


def _plausible(matrix: Matrix, shape: Sequence[int]) -> bool:
    if not np.isfinite(matrix).all():
        return False
    centre = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2, 1.0])
    shift = np.abs(matrix @ centre - centre[:2]) / np.array([shape[1], shape[0]])
    return bool(np.abs(matrix[:, :2] - np.eye(2)).max() <= _MOST_SCALE and shift.max() <= _MOST_SHIFT)
