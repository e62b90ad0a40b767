"""The two pictures of a pair as alignment looks at them: coded, of a working size, the reference the right way round."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence as Items
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.contract.errors import InputError, MissingFrameError, UnreadableImageError
from film_recovery.elements.picture_area import find_edges
from film_recovery.elements.selection import spread_frames
from film_recovery.images.encodings import encode
from film_recovery.images.frame import Window
from film_recovery.images.sequence import Sequence
from film_recovery.pairs.geometry import square
from film_recovery.pairs.registration import register

FloatArray = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]

WORKING_SIDE = 1440  # pixels: longest side that is looked at; a larger scan is averaged down
_LOOKS = 7  # pairs that are tried to learn how the elements lie
_FEW = 960  # pixels: longest side for that
_AGREEING = 0.5  # of the pairs that could be told


@dataclass(frozen=True)
class Elements:
    """A source and a reference, and what holds for all of their frames. Windows and masks are in working pixels.

    ``sizes`` are the stored (width, height) of source and reference, ``ratios`` the working pixels in a stored one. ``start``
    (2x3) takes source pixels to those of the reference the right way round, both at working size; None where it is not known.
    ``unsure`` are the sides of each, as stored, where what looks like a border has no edge that was found.
    """

    source: Sequence
    reference: Sequence
    sizes: tuple[tuple[int, int], tuple[int, int]]
    ratios: tuple[float, float]
    areas: tuple[Window, Window]
    mirrored: bool
    start: Matrix | None
    masks: list[list[int]]
    unsure: tuple[list[str], list[str]]
    lock: threading.Lock = field(default_factory=threading.Lock, compare=False)

    @property
    def working_size(self) -> tuple[int, int]:
        """(width, height) of the source as it is looked at."""
        return scaled(self.sizes[0], self.ratios[0])

    def read(self, source: int, reference: int) -> tuple[FloatArray, FloatArray]:
        """Both pictures, float32 (H, W, 3), coded. Raises what reading raises, and :class:`InputError` for another size."""
        return self.read_source(source), self.read_reference(reference)

    def read_source(self, frame: int) -> FloatArray:
        """One source picture; see :meth:`read`."""
        return self._read(self.source, frame, 0)

    def read_reference(self, frame: int) -> FloatArray:
        """One reference picture, the right way round; see :meth:`read`."""
        picture = self._read(self.reference, frame, 1)
        return np.ascontiguousarray(picture[:, ::-1]) if self.mirrored else picture

    def stored(self, matrix: npt.ArrayLike) -> Matrix:
        """A working 3x3, reference to source, for stored pixels; the mirroring goes into it. Its last element is 1."""
        down, up = _scaling(self.ratios[1], self.sizes[1]), np.linalg.inv(_scaling(self.ratios[0], self.sizes[0]))
        flip = np.eye(3)
        if self.mirrored:
            flip[0] = [-1.0, 0.0, scaled(self.sizes[1], self.ratios[1])[0] - 1.0]
        found = up @ np.asarray(matrix, np.float64) @ flip @ down
        return np.asarray(found / found[2, 2])

    def _read(self, sequence: Sequence, frame: int, index: int) -> FloatArray:
        if sequence.is_movie:  # one decoder
            with self.lock:
                found = sequence.read(frame)
        else:
            found = sequence.read(frame)
        size = (found.rgb.shape[1], found.rgb.shape[0])
        if size != self.sizes[index]:
            raise InputError(
                f"Frame {frame} of {sequence.name} has {size[0]}x{size[1]} pixels, the others {self.sizes[index][0]}x"
                f"{self.sizes[index][1]}; bring all frames to one size."
            )
        return coded(found.rgb, found.is_coded, self.ratios[index])


def open_elements(
    source: Sequence,
    reference: Sequence,
    partners: dict[int, int],
    masks: Items[Items[int]],
    mirrored: bool | None,
) -> Elements:
    """Look at a few pairs to learn sizes, picture areas, whether the reference is mirrored, and about how it lies.

    Args:
        source, reference: the elements.
        partners: reference frame by source frame.
        masks: rectangles (x, y, width, height) in stored source pixels.
        mirrored: None when it is to be found out.

    Raises:
        UnreadableImageError: not one pair can be read.
    """
    looks: list[tuple[FloatArray, FloatArray]] = []
    sizes: list[tuple[int, int]] = []
    problem = ""
    for frame in spread_frames(list(partners), _LOOKS):
        try:
            both = [source.read(frame), reference.read(partners[frame])]
        except (MissingFrameError, UnreadableImageError) as error:
            problem = str(error)
            continue
        sizes = sizes or [(part.rgb.shape[1], part.rgb.shape[0]) for part in both]
        if [(part.rgb.shape[1], part.rgb.shape[0]) for part in both] == sizes:
            ratios = [working_ratio(size) for size in sizes]
            pictures = [coded(part.rgb, part.is_coded, ratio) for part, ratio in zip(both, ratios, strict=True)]
            looks.append((pictures[0], pictures[1]))
    if not looks:
        raise UnreadableImageError(f"Not one pair of {source.name} and {reference.name} can be read: {problem}")
    ratios = [working_ratio(size) for size in sizes]
    edges = [_edges([look[index] for look in looks]) for index in (0, 1)]
    areas = [area for area, _ in edges]
    small_masks = [grown(mask, ratios[0]) for mask in masks]
    side, start = _framing(looks, (areas[0], areas[1]), mirrored, small_masks)
    if side:
        width = looks[0][1].shape[1]
        areas[1] = Window(width - areas[1].x - areas[1].width, areas[1].y, areas[1].width, areas[1].height)
    return Elements(
        source, reference, (sizes[0], sizes[1]), (ratios[0], ratios[1]), (areas[0], areas[1]), side, start, small_masks,
        (edges[0][1], edges[1][1]),
    )  # fmt: skip


def coded(rgb: npt.ArrayLike, is_coded: bool, ratio: float) -> FloatArray:
    """A stored picture as it is looked at: display-coded, at working size, without values that are not finite."""
    picture = np.nan_to_num(np.asarray(rgb, np.float32), posinf=1.0, neginf=0.0)
    if ratio < 1.0:
        size = scaled((picture.shape[1], picture.shape[0]), ratio)
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)
    return np.asarray(encode(picture, "none" if is_coded else "display"), np.float32)


def working_ratio(size: tuple[int, int]) -> float:
    """Working pixels in a stored one, at most 1."""
    return min(1.0, WORKING_SIDE / max(size))


def scaled(size: tuple[int, int], ratio: float) -> tuple[int, int]:
    """(width, height) at working size."""
    return max(round(size[0] * ratio), 1), max(round(size[1] * ratio), 1)


def _scaling(ratio: float, size: tuple[int, int]) -> Matrix:
    """Stored pixels to working pixels, 3x3; both pictures fill their arrays."""
    x, y = (new / old for new, old in zip(scaled(size, ratio), size, strict=True))
    return np.array([[x, 0.0, 0.5 * x - 0.5], [0.0, y, 0.5 * y - 0.5], [0.0, 0.0, 1.0]])


def _edges(pictures: list[FloatArray]) -> tuple[Window, list[str]]:
    """Of the pictures that show something; where none does, the whole."""
    showing = [picture for picture in pictures if float(picture.std()) > 0.01]
    height, width = pictures[0].shape[:2]
    return find_edges(showing) if showing else (Window(0, 0, width, height), [])


def _framing(
    looks: list[tuple[FloatArray, FloatArray]], areas: tuple[Window, Window], mirrored: bool | None, masks: list[list[int]]
) -> tuple[bool, Matrix | None]:
    """Whether the reference is mirrored, and the middle (2x3, working pixels) of how the pairs lie."""
    found = {side: _lying(looks, areas, side, masks) for side in ((False,) if mirrored is None else (mirrored,))}
    if mirrored is None and len(found[False]) < _AGREEING * len(looks):
        found[True] = _lying(looks, areas, True, masks)
    side = max(found, key=lambda key: len(found[key]))
    return side, np.median(found[side], axis=0) if found[side] else None


def _lying(
    looks: list[tuple[FloatArray, FloatArray]], areas: tuple[Window, Window], mirrored: bool, masks: list[list[int]]
) -> list[Matrix]:
    """How each pair that matches lies (2x3, working pixels), found at a smaller size."""
    found = []
    for ours, theirs in looks:
        pictures = [ours, np.ascontiguousarray(theirs[:, ::-1]) if mirrored else theirs]
        windows = list(areas)
        if mirrored:
            windows[1] = Window(theirs.shape[1] - areas[1].x - areas[1].width, areas[1].y, areas[1].width, areas[1].height)
        ratios = [min(1.0, _FEW / max(part.shape[:2])) for part in pictures]
        sizes = [(part.shape[1], part.shape[0]) for part in pictures]
        small = [
            np.asarray(cv2.resize(part, scaled(size, ratio), interpolation=cv2.INTER_AREA), np.float32)
            for part, size, ratio in zip(pictures, sizes, ratios, strict=True)
        ]
        inner = [shrunk(window, ratio) for window, ratio in zip(windows, ratios, strict=True)]
        rectangles = [grown(mask, ratios[0]) for mask in masks]
        result = register(small[0], small[1], inner[0], inner[1], masks=rectangles)
        if result.matches:
            up = np.linalg.inv(_scaling(ratios[1], sizes[1])) @ square(result.matrix) @ _scaling(ratios[0], sizes[0])
            found.append(np.asarray(up[:2]))
    return found


def shrunk(window: Window, ratio: float) -> Window:
    """The pixels of a picture made smaller by ``ratio`` that lie wholly in ``window``."""
    left, top = int(np.ceil(window.x * ratio)), int(np.ceil(window.y * ratio))
    right, bottom = int((window.x + window.width) * ratio), int((window.y + window.height) * ratio)
    return Window(left, top, right - left, bottom - top)


def grown(rectangle: Items[int], ratio: float) -> list[int]:
    """The pixels [x, y, width, height] of a picture scaled by ``ratio`` that have any of a ``rectangle`` of it in them."""
    x, y, width, height = rectangle
    left, top = math.floor(x * ratio), math.floor(y * ratio)
    return [left, top, math.ceil((x + width) * ratio) - left, math.ceil((y + height) * ratio) - top]
