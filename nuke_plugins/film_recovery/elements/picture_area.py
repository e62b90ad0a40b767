"""Where the picture lies in a scan: inside the dark (or clear) borders that the gate and the film leave around it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.images.frame import Window

FloatArray = npt.NDArray[np.float32]

LARGEST_BORDER = 0.15  # of a side; beyond it is taken for a dark part of the picture
_LARGEST_BAR = 0.30  # but for two bars of one depth: 2.39:1 in 4:3 has 0.22 above and below
_ANALYSED_SIDE = 2048  # longest side in pixels at which borders are looked for
_STRAIGHT = 0.45  # share of an edge's length that must step from border to picture
_EDGE_LINES = 5  # lines within which a gate's edge rises, besides 0.4 % of the side
_SIDES = ("left", "right", "top", "bottom")
_AGREEING = 0.02  # of a side: frames whose edges lie further apart do not speak of the same gate


def picture_area(frames: Sequence[npt.ArrayLike]) -> Window:
    """Find the picture without its scan borders, the same for all ``frames``.

    Args:
        frames: display-coded pictures (H, W, 3) or (H, W) of one element, all of one size, any range; faded and dark ones
            are welcome: levels are judged against the frame's own.

    Returns:
        A window in pixels of the arrays, inside the picture of every frame even when the film weaves. Each side is judged
        alone, and left whole when it is not sure: when there is no straight step along most of its length, or one deeper
        than 15 % of the side. Bars of equal depth on opposite sides, as of a letterbox, may have 30 % each. Without frames of
        any size there is nothing to say and :class:`ValueError` is raised.
    """
    return find_edges(frames)[0]


def find_edges(frames: Sequence[npt.ArrayLike]) -> tuple[Window, list[str]]:
    """:func:`picture_area`, and the sides (``left``, ``right``, ``top``, ``bottom``) where the picture's edge was not found,
    though what lies there, dark or even, may be a border."""
    pictures = [np.asarray(frame, dtype=np.float32) for frame in frames]
    if not pictures:
        raise ValueError("picture_area needs at least one frame")
    height, width = pictures[0].shape[:2]
    shrink = max(1.0, max(height, width) / _ANALYSED_SIDE)
    insets = np.array([_insets(_prepared(picture, shrink)) for picture in pictures], dtype=np.float64)
    left, right = (_agreed(insets[:, side], width, shrink) for side in (0, 1))
    top, bottom = (_agreed(insets[:, side], height, shrink) for side in (2, 3))
    unsure = [name for side, name in enumerate(_SIDES) if np.isnan(insets[:, side]).all()]
    return Window(left, top, width - left - right, height - top - bottom), unsure


def _prepared(picture: FloatArray, shrink: float) -> FloatArray:
    """(H, W, C), smaller if very large, with grain and dust taken down."""
    planes = picture[..., None] if picture.ndim == 2 else picture[..., :3]
    planes = np.nan_to_num(planes)
    if shrink > 1.0:
        size = (max(round(planes.shape[1] / shrink), 1), max(round(planes.shape[0] / shrink), 1))
        small = cv2.resize(planes, size, interpolation=cv2.INTER_AREA)
        planes = np.asarray(small, np.float32).reshape(size[1], size[0], -1)
    smooth = cv2.medianBlur(np.ascontiguousarray(planes), 3)
    return np.asarray(smooth.reshape(planes.shape), dtype=np.float32)


def _insets(planes: FloatArray) -> list[float]:
    """Left, right, top, bottom border in pixels; NaN where this frame cannot tell."""
    return [*_opposite(planes.transpose(1, 0, 2)), *_opposite(planes)]


def _opposite(lines: FloatArray) -> list[float]:
    """The borders at the first and the last of ``lines``, see :func:`_border`."""
    both = [lines, lines[::-1]]
    found = [_border(side, LARGEST_BORDER) for side in both]
    if np.isnan(found).all():
        bars = [_border(side, _LARGEST_BAR) for side in both]
        if abs(bars[0] - bars[1]) <= max(_AGREEING * len(lines), 3.0):  # not so when either is NaN
            return bars
    return found


def _border(lines: FloatArray, largest: float) -> float:
    """Depth of the border before the first line of picture, up to a share of all; ``lines`` (N, length, C) run inwards.

    0 when the picture reaches the edge, NaN when it cannot be told.
    """
    most = int(largest * len(lines))
    ends = lines.shape[1] // 8  # the corners belong to the neighbouring borders
    core = lines[:, ends : lines.shape[1] - ends]
    if most < 3 or core.shape[1] < 8:
        return 0.0
    outside = np.median(core[:2].reshape(-1, core.shape[2]), axis=0)
    dark, bright = np.percentile(core.reshape(-1, core.shape[2]), (5, 95), axis=0)
    contrast = bright - dark
    step = np.maximum(0.12 * contrast, 1e-4)
    away = np.abs(core[: most + 8] - outside) > step  # (lines, length, C)
    picture = away.any(axis=2).mean(axis=1)  # share of a line that differs from the border
    if picture[:2].max() > 0.1:
        return 0.0
    reached = np.flatnonzero(picture > _STRAIGHT)
    first = np.flatnonzero(picture > 0.1)
    if not len(reached) or reached[0] > most:
        return float("nan")
    if reached[0] - first[0] > 0.02 * len(lines) + 3 or not _is_steep(core, outside, int(first[0])):
        return float("nan")  # it fades in: vignette or night, not a gate
    return float(_inside_of_edge(core, int(reached[0]), most))


def _is_steep(core: FloatArray, outside: FloatArray, first: int) -> bool:
    """Whether the picture begins within a few lines of ``first``: the rise from 10 to 70 % of what follows."""
    depth = np.abs(core[: first + 16] - outside).mean(axis=(1, 2))
    depth = depth - depth[: max(first - 2, 1)].mean()
    level = float(np.median(depth[first + 4 :]))
    begins, stands = (int(np.argmax(depth > share * level)) for share in (0.1, 0.7))
    return stands - begins <= _EDGE_LINES + 0.004 * len(core)


def _inside_of_edge(core: FloatArray, first: int, most: int) -> int:
    """The line at which the soft edge has risen fully: where the mean step from line to line is small again."""
    rise = np.abs(np.diff(core[: most + 8], axis=0)).mean(axis=(1, 2))
    usual = float(np.median(np.abs(np.diff(core[most : 3 * most], axis=0)).mean(axis=(1, 2))))
    at = first
    while at < min(first + 6, len(rise) - 1) and rise[at] > 2.0 * usual + 1e-6:
        at += 1
    return at + 1


def _agreed(insets: npt.NDArray[np.float64], side: int, shrink: float) -> int:
    """One border for all frames: the deepest of those that speak of the same gate."""
    certain = insets[np.isfinite(insets)] * shrink
    if not len(certain):
        return 0
    near = certain[np.abs(certain - np.median(certain)) <= max(_AGREEING * side, 3.0)]
    deepest = int(np.ceil(near.max())) if len(near) else 0
    return min(deepest + (1 if deepest else 0), int(_LARGEST_BAR * side))
