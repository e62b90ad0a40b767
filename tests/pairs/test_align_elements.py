"""Aligning elements on disk whose pictures fill their frames differently, end to end."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import skimage.data

from film_recovery.images.encodings import decode
from film_recovery.images.frame import Frame
from film_recovery.images.io import write_frame
from film_recovery.images.sequence import open_sequence
from film_recovery.pairs.align_elements import Alignment, AlignRequest, align_elements

WIDE = (400, 168)  # 2.39:1
COFFEE = np.asarray(decode(skimage.data.coffee().astype(np.float32) / 255.0, "display"), np.float32)


def picture(index: int) -> np.ndarray:
    return np.asarray(cv2.resize(COFFEE[100 + 8 * index : 300 + 8 * index], WIDE, interpolation=cv2.INTER_AREA), np.float32)


def aligned(folder: Path, bars: tuple[int, int]) -> Alignment:
    """Two pairs; the reference stands between black bars so many pixels high, above and below."""
    for index in range(2):
        source = picture(index)
        frame = np.full((bars[0] + WIDE[1] + bars[1], WIDE[0], 3), 0.001, np.float32)
        frame[bars[0] : bars[0] + WIDE[1]] = np.clip(source * [0.9, 0.5, 0.7] + 0.02, 0.0, 1.0)
        write_frame(folder / f"neg.{index + 1:04d}.exr", Frame.from_rgb(source))
        write_frame(folder / f"pos.{index + 1:04d}.exr", Frame.from_rgb(frame))
    elements = open_sequence(folder / "neg.####.exr"), open_sequence(folder / "pos.####.exr")
    return align_elements(*elements, AlignRequest({1: 1, 2: 2}), folder / "out")


def test_a_wide_picture_in_a_letterbox_is_laid_on_the_bare_one(tmp_path: Path) -> None:
    record = aligned(tmp_path, (66, 66)).record
    assert record.reference_size == [400, 300]
    for frame in record.frames:
        assert frame.verdict == "aligned"
        moved = np.array(frame.matrix) @ [200.0, 150.0, 1.0]
        assert np.abs(moved / moved[2] - [200.0, 150.0 - 66.0, 1.0]).max() < 0.2
    assert not any("No edge" in note for note in record.notes)


def test_an_edge_that_was_not_found_is_told(tmp_path: Path) -> None:
    notes = aligned(tmp_path, (66, 0)).record.notes
    assert any("pos.####.exr was found on the top," in note for note in notes)
    assert not any("neg.####.exr was found on" in note for note in notes)
