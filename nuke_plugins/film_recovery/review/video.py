"""Labelled side-by-side movies that any browser plays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from film_recovery.contract.errors import UsageError
from film_recovery.images.drawing import GROUND, Bytes, display
from film_recovery.images.movie import write_movie
from film_recovery.review.stills import comparison

FloatArray = npt.NDArray[np.float32]


def write_comparison_movie(
    path: Path,
    labels: Sequence[str],
    frames: Iterable[tuple[int, Sequence[FloatArray]]],
    encoding: str,
    *,
    fps: float = 24.0,
    cell_width: int = 640,
) -> Path:
    """Write a movie whose every frame is a labelled comparison.

    Args:
        path: ``.mp4`` or another container that ``images.movie`` writes.
        labels: one per picture, 2 to 6.
        frames: frame number and its pictures, working space, (H, W, 3) each, in the order of the labels; taken one by one.
        encoding: of the working space.

    Raises :class:`UsageError` when a frame does not hold as many pictures as there are labels, or there is no frame.
    """
    write_movie(path, _drawn(labels, frames, encoding, cell_width), fps)
    return path


def _drawn(
    labels: Sequence[str], frames: Iterable[tuple[int, Sequence[FloatArray]]], encoding: str, cell_width: int
) -> Iterator[Bytes]:
    size: tuple[int, int] | None = None
    for number, pictures in frames:
        if len(pictures) != len(labels):
            raise UsageError(f"Frame {number} has {len(pictures)} pictures for {len(labels)} labels.")
        cells = [(label, display(rgb, encoding)) for label, rgb in zip(labels, pictures, strict=True)]
        drawn = comparison(cells, f"frame {number}", cell_width=cell_width)
        size = size or (drawn.shape[0] + drawn.shape[0] % 2, drawn.shape[1] + drawn.shape[1] % 2)
        yield _on_canvas(drawn, size)


def _on_canvas(picture: Bytes, size: tuple[int, int]) -> Bytes:
    """The picture at the upper left of a canvas of even sides, as video codecs want them, cut or padded to it."""
    canvas = np.empty((*size, 3), np.uint8)
    canvas[:] = GROUND
    height, width = min(size[0], picture.shape[0]), min(size[1], picture.shape[1])
    canvas[:height, :width] = picture[:height, :width]
    return canvas
