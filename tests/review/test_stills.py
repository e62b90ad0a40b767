"""Comparison pictures show what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from film_recovery.contract.errors import UsageError
from film_recovery.images.drawing import MARGIN, display
from film_recovery.images.encodings import encode
from film_recovery.images.movie import Movie
from film_recovery.review.stills import busiest, comparison, crop, detail_crops
from film_recovery.review.video import write_comparison_movie

FloatArray = npt.NDArray[np.float32]


def test_display_gives_linear_files_the_curve_and_leaves_coded_ones(photograph: FloatArray) -> None:
    coded = np.asarray(encode(photograph, "display"), np.float32)
    assert np.abs(display(photograph, "display") - coded).max() < 1e-6
    assert np.array_equal(display(photograph, "log"), display(photograph, "display"))
    assert np.array_equal(display(coded, "none"), np.clip(coded, 0, 1))
    assert display(photograph * 9 - 1, "display").min() == 0.0


@pytest.mark.parametrize(("count", "columns", "rows"), [(2, 2, 1), (3, 2, 2), (4, 2, 2), (5, 3, 2), (6, 3, 2)])
def test_comparison_lays_out_two_to_six(photograph: FloatArray, count: int, columns: int, rows: int) -> None:
    drawn = comparison([(f"picture {n}", photograph) for n in range(count)], cell_width=150)
    assert drawn.shape[1] == 2 * MARGIN + columns * 150 + (columns - 1) * 10
    assert rows * 100 < drawn.shape[0] < rows * 100 + 160


@pytest.mark.parametrize("count", [0, 1, 7])
def test_comparison_refuses_other_numbers(photograph: FloatArray, count: int) -> None:
    with pytest.raises(UsageError, match="2 to 6"):
        comparison([("x", photograph)] * count)


def test_crops_stay_inside_and_are_enlarged_without_a_filter(photograph: FloatArray) -> None:
    picture = np.asarray(display(photograph, "display") * 255 + 0.5, np.uint8)
    assert crop(picture, (0.0, 1.0), 50).shape == (50, 50, 3)
    assert np.array_equal(crop(picture, (0.0, 0.0), 50), picture[:50, :50])
    assert crop(picture[:20], (0.5, 0.5), 50).shape == (20, 50, 3)
    drawn = detail_crops([("a", picture), ("b", picture)], (0.5, 0.5), 50, 2)
    first = drawn[-50:].copy()
    assert drawn.shape[1] == 2 * MARGIN + 210 and first.size > 0


def test_busiest_square_is_found() -> None:
    picture = np.full((200, 300, 3), 90, np.uint8)
    picture[120:170, 200:250] = np.random.default_rng(0).integers(0, 255, (50, 50, 3), np.uint8)
    x, y = busiest(picture, 60)
    assert abs(x * 300 - 225) < 12 and abs(y * 200 - 145) < 12
    assert 0.0 <= busiest(picture[:20, :20], 60)[0] <= 1.0


def test_movie_holds_every_frame_with_its_pictures(tmp_path: Path, photograph: FloatArray) -> None:
    small = photograph[:100, :151]
    frames = ((number, [small, small * np.float32(number / 5)]) for number in range(1, 6))
    path = write_comparison_movie(tmp_path / "side by side.mp4", ["source", "recovered"], frames, "display", cell_width=151)
    movie = Movie(path)
    assert movie.count == 5 and movie.fps == pytest.approx(24.0)
    shown = movie.read(1).rgb
    assert shown.shape[0] % 2 == 0 and shown.shape[1] % 2 == 0
    assert movie.read(5).rgb.mean() > shown.mean()


def test_movie_frames_without_their_pictures_are_refused(tmp_path: Path, photograph: FloatArray) -> None:
    with pytest.raises(UsageError, match="Frame 3 has 1 pictures for 2 labels"):
        write_comparison_movie(tmp_path / "x.mp4", ["a", "b"], [(3, [photograph])], "display")
    assert list(tmp_path.iterdir()) == []
