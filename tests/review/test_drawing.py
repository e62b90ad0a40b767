"""Labelled grids: pictures unharmed, labels beside them, whole files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from film_recovery.contract.errors import StorageError, UsageError
from film_recovery.images.drawing import GROUND, MARGIN, draw_grid, enlarge, fit_width, font, save_png, to_uint8, wrap


def _noise(height: int, width: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_a_picture_of_the_cell_width_is_drawn_untouched_and_its_label_below_it() -> None:
    picture = _noise(60, 200)
    drawn = draw_grid([[("16 mm print", picture)]], cell_width=200)
    assert drawn.dtype == np.uint8
    assert np.array_equal(drawn[MARGIN : MARGIN + 60, MARGIN : MARGIN + 200], picture)
    strip = drawn[MARGIN + 62 :, MARGIN : MARGIN + 200]
    assert (strip.max(axis=-1) > 200).any()
    assert tuple(drawn[2, 2]) == GROUND


def test_float_pictures_clip_and_nan_is_black() -> None:
    shown = to_uint8(np.array([[[-1.0, 0.5, 2.0], [np.nan, np.inf, -np.inf]]]))
    assert shown.tolist() == [[[0, 128, 255], [0, 255, 0]]]


def test_small_pictures_grow_by_whole_multiples_and_large_ones_shrink_to_the_cell() -> None:
    picture = _noise(10, 30)
    assert np.array_equal(fit_width(picture, 100), enlarge(picture, 3))
    assert fit_width(_noise(90, 300), 100).shape == (30, 100, 3)
    assert np.array_equal(enlarge(picture, 2)[::2, 1::2], picture)


def test_rows_of_different_length_and_size_fit_one_grid() -> None:
    drawn = draw_grid([[("a", _noise(40, 80)), ("b", _noise(60, 80))], [("c", _noise(20, 40))]], "Title", 80, "subtitle")
    assert drawn.shape[1] == 2 * MARGIN + 2 * 80 + 10


def test_long_labels_wrap_and_endless_words_are_cut() -> None:
    lines = wrap("a label that is much too long for its narrow cell", font(14), 120)
    assert len(lines) > 2 and all(font(14).getlength(line) <= 120 for line in lines)
    (cut,) = wrap("x" * 400, font(14), 120)
    assert cut.endswith("…") and font(14).getlength(cut) <= 120
    assert wrap("one\ntwo", font(14), 120) == ["one", "two"]


@settings(max_examples=25)
@given(st.text(max_size=60), st.text(max_size=60), st.integers(1, 90), st.integers(1, 90), st.integers(8, 120))
def test_any_text_and_size_can_be_drawn(label: str, title: str, height: int, width: int, cell: int) -> None:
    drawn = draw_grid([[(label, _noise(height, width))]], title, cell)
    assert drawn.ndim == 3 and drawn.shape[2] == 3 and min(drawn.shape[:2]) > 2 * MARGIN


def test_nothing_to_draw_and_wrong_shapes_are_refused() -> None:
    for rows in ([], [[]]):
        with pytest.raises(UsageError, match="no picture"):
            draw_grid(rows)
    with pytest.raises(UsageError, match="shape"):
        draw_grid([[("grey", np.zeros((4, 4), np.float32))]])


def test_png_round_trip_and_full_disk_leaves_nothing(tmp_path: Path) -> None:
    picture = _noise(20, 30)
    path = save_png(tmp_path / "ä sheet" / "contact.png", picture)
    assert np.array_equal(np.asarray(Image.open(path)), picture)
    assert [entry.name for entry in path.parent.iterdir()] == ["contact.png"]
    with pytest.raises((StorageError, OSError)):
        save_png(Path("/proc/film/contact.png"), picture)
