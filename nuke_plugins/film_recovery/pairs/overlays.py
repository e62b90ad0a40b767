"""Subtitles, titles and logos that one element has and the other has not, found in aligned pairs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.pairs.confidence import local_confidence

FloatArray = npt.NDArray[np.float32]
Box = tuple[int, int, int, int]  # x, y, width, height

_SIDE = 960  # pixels: width of the picture that is looked at
_DOUBT = 0.3  # confidence below which a place is not the same on both sides
_STROKES = 1.0  # pixels: sigmas of the band of letters' edges, this and four times it
_ONE_SIDED, _STRONG = 2.0, 2.5  # times the other side's contrast there, and the side's own usual contrast
_JOIN = (0.03, 0.012)  # of the width: letters and lines that lie nearer belong together
_LEAST = (0.05, 0.01)  # of the width: what is smaller is dust
_MOST_HEIGHT = 0.2  # of the height; a higher thing is no line of text
_WORD_GAP = 0.1  # of the width; words of one line that lie nearer belong together
_MARGIN = 0.008  # of the width, round what was found
_PERSISTS = 2  # frames in which something must be at one place
_ALONE = 3  # pairs, up to which one sight is enough
_MOST_SHARE = 0.35  # of the picture: what would mask more is no overlay


def one_sided(source: npt.ArrayLike, moved: npt.ArrayLike, mask: npt.ArrayLike) -> list[Box]:
    """Where one of two aligned pictures has strokes of high contrast that the other lacks.

    Args:
        source, moved: coded pictures (H, W, 3) on one grid.
        mask: uint8 (H, W), 0 where nothing is compared.

    Returns:
        Boxes in pixels of the arrays, at least 5 % of the width wide.
    """
    ours, theirs, inside = (np.asarray(part) for part in (source, moved, mask))
    full = ours.shape[1]
    ratio = min(1.0, _SIDE / full)
    size = (round(full * ratio), round(ours.shape[0] * ratio))
    small = [np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.float32) for part in (ours, theirs)]
    allowed = cv2.resize(np.where(inside > 0, 255, 0).astype(np.uint8), size, interpolation=cv2.INTER_AREA) == 255
    if allowed.mean() < 0.1:
        return []
    rim = np.ones((9, 9), np.uint8)
    core = cv2.erode(allowed.astype(np.uint8), rim, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
    doubt = (local_confidence(small[0], small[1], allowed) < _DOUBT) & core
    if not doubt.any():
        return []
    contrast = [_strokes(part, core) for part in small]
    alone = np.zeros(core.shape, bool)
    for own, other in (contrast, contrast[::-1]):
        alone |= (own > _ONE_SIDED * other) & (own > _STRONG)
    found = _boxes((alone & doubt).astype(np.uint8), size)
    back = 1.0 / ratio
    return [(int(x * back), int(y * back), int(np.ceil(w * back)), int(np.ceil(h * back))) for x, y, w, h in found]


def persistent(sights: Mapping[int, Sequence[Box]], size: tuple[int, int]) -> list[Box]:
    """What was seen at one place in several frames (or once, where there are few), as boxes with a margin; largest first.

    Args:
        sights: boxes of :func:`one_sided` by frame, an empty list where there was nothing.
        size: the source's (width, height).
    """
    clusters: list[tuple[Box, set[int]]] = []
    gap = round(_WORD_GAP * size[0])
    for frame, boxes in sorted(sights.items()):
        for box in boxes:
            clusters = _joined(clusters, box, {frame}, gap)
    needed = _PERSISTS if len(sights) > _ALONE else 1
    kept = [_widened(box, size) for box, frames in clusters if len(frames) >= needed]
    if sum(width * height for _, _, width, height in kept) > _MOST_SHARE * size[0] * size[1]:
        return []
    return sorted(kept, key=lambda box: -box[2] * box[3])


def _strokes(picture: FloatArray, inside: npt.NDArray[np.bool_]) -> FloatArray:
    """Local contrast of fine strokes as a multiple of the usual one, the strongest channel; (H, W)."""
    fine = np.asarray(cv2.GaussianBlur(picture, (0, 0), _STROKES), np.float32)
    band = fine - np.asarray(cv2.GaussianBlur(picture, (0, 0), 4.0 * _STROKES), np.float32)
    local = np.sqrt(np.maximum(cv2.GaussianBlur(band * band, (0, 0), 5.0 * _STROKES), 0.0))
    usual = np.sqrt((band[inside] ** 2).mean(axis=0)) + 0.002
    return np.asarray((local / usual).max(axis=-1), np.float32)


def _boxes(marks: npt.NDArray[np.uint8], size: tuple[int, int]) -> list[Box]:
    reach = tuple(2 * max(round(share * size[0] / 2.0), 1) + 1 for share in _JOIN)
    closed = cv2.morphologyEx(marks, cv2.MORPH_CLOSE, np.ones((reach[1], reach[0]), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
    found = []
    for x, y, width, height, area in stats[1:count].tolist():
        is_large = width >= _LEAST[0] * size[0] and height >= _LEAST[1] * size[0]
        if is_large and height <= _MOST_HEIGHT * size[1] and area > 0.4 * width * height:
            found.append((x, y, width, height))
    return found


def _joined(clusters: Iterable[tuple[Box, set[int]]], box: Box, frames: set[int], gap: int) -> list[tuple[Box, set[int]]]:
    """The clusters with one more box; those that it touches, or stands on one line with, become one with it."""
    apart = []
    for other, seen in clusters:
        if _touch(box, other, gap):
            left, top = min(box[0], other[0]), min(box[1], other[1])
            right, bottom = max(box[0] + box[2], other[0] + other[2]), max(box[1] + box[3], other[1] + other[3])
            box, frames = (left, top, right - left, bottom - top), frames | seen
        else:
            apart.append((other, seen))
    return [*apart, (box, frames)]


def _touch(one: Box, two: Box, gap: int) -> bool:
    across = gap + min(one[0] + one[2], two[0] + two[2]) - max(one[0], two[0])
    down = min(one[1] + one[3], two[1] + two[3]) - max(one[1], two[1])
    return across > 0 and down > 0


def _widened(box: Box, size: tuple[int, int]) -> Box:
    margin = round(_MARGIN * size[0])
    left, top = max(box[0] - margin, 0), max(box[1] - margin, 0)
    right, bottom = min(box[0] + box[2] + margin, size[0]), min(box[1] + box[3] + margin, size[1])
    return left, top, right - left, bottom - top
