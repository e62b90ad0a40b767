"""Aligning elements on disk whose pictures fill their frames differently, end to end."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import skimage.data
from hypothesis import given
from hypothesis import strategies as st

from film_recovery.images.encodings import decode
from film_recovery.images.frame import Frame
from film_recovery.images.io import write_frame
from film_recovery.images.sequence import open_sequence
from film_recovery.pairs.align_elements import Alignment, AlignRequest, align_elements
from film_recovery.pairs.align_pictures import grown

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


def test_masks_that_were_given_are_recorded_as_they_are_however_narrow(tmp_path: Path) -> None:
    size = (2880, 1210)  # twice as large as it is worked on
    for index in (1, 2):
        source = np.asarray(cv2.resize(picture(index), size, interpolation=cv2.INTER_CUBIC), np.float32)
        write_frame(tmp_path / f"neg.{index}.exr", Frame.from_rgb(source))
        write_frame(tmp_path / f"pos.{index}.exr", Frame.from_rgb(source * np.float32([0.9, 0.5, 0.7])))
    elements = open_sequence(tmp_path / "neg.#.exr"), open_sequence(tmp_path / "pos.#.exr")
    masks = [[1401, 0, 1, 1210], [101, 801, 51, 61], [-5, -3, 9, 9]]
    made = align_elements(*elements, AlignRequest({1: 1, 2: 2}, masks), tmp_path / "out")
    assert made.record.masks == masks
    assert made.masks == [[700, 0, 1, 605], [50, 400, 26, 31], [-3, -2, 5, 5]], "every working pixel that has any of them in it"


@given(st.lists(st.integers(-50, 3000), min_size=2, max_size=2), st.lists(st.integers(1, 900), min_size=2, max_size=2),
       st.floats(0.1, 1.0))  # fmt: skip
def test_a_rectangle_made_smaller_still_covers_all_that_it_did(corner: list[int], size: list[int], ratio: float) -> None:
    x, y, width, height = grown([*corner, *size], ratio)
    assert x <= corner[0] * ratio < x + 1 and y <= corner[1] * ratio < y + 1
    assert 0 <= x + width - (corner[0] + size[0]) * ratio < 1 and 0 <= y + height - (corner[1] + size[1]) * ratio < 1
    assert width > 0 and height > 0


def test_an_edge_that_was_not_found_is_told(tmp_path: Path) -> None:
    notes = aligned(tmp_path, (66, 0)).record.notes
    assert any("pos.####.exr was found on the top," in note for note in notes)
    assert not any("neg.####.exr was found on" in note for note in notes)
