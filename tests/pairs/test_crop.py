from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from film_recovery.images.frame import Window
from film_recovery.pairs.crop import cut, mapped_area, shared_crop
from film_recovery.pairs.deformation import NO_WARP
from film_recovery.pairs.geometry import square

WINDOWS = st.builds(Window, st.integers(-5, 60), st.integers(-5, 60), st.integers(40, 400), st.integers(40, 400))


@given(
    area=st.builds(Window, st.integers(0, 40), st.integers(0, 40), st.integers(100, 900), st.integers(100, 500)),
    scale=st.floats(0.5, 2.5),
    turn=st.floats(-2.0, 2.0),
    shift=st.tuples(st.floats(-50, 50), st.floats(-50, 50)),
)
def test_every_pixel_mapped_back_lies_inside_the_reference(
    area: Window, scale: float, turn: float, shift: tuple[float, float]
) -> None:
    angle = np.radians(turn)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.column_stack([linear, shift])
    window = mapped_area(area, np.linalg.inv(square(matrix)), NO_WARP, (960, 540))
    corners = np.array([[x, y, 1.0] for x in (window.x, window.x + window.width - 1)
                        for y in (window.y, window.y + window.height - 1)])  # fmt: skip
    if window.width > 0 and window.height > 0:
        there = corners @ matrix.T
        assert (there >= [area.x - 1e-3, area.y - 1e-3]).all()
        assert (there <= [area.x + area.width - 1 + 1e-3, area.y + area.height - 1 + 1e-3]).all()


def test_an_untouched_reference_loses_only_what_resampling_needs() -> None:
    assert mapped_area(Window(10, 20, 300, 200), np.eye(3), NO_WARP, (320, 240)) == Window(13, 23, 294, 194)


@given(st.lists(WINDOWS, min_size=1, max_size=5))
def test_the_shared_crop_is_even_and_inside_all(windows: list[Window]) -> None:
    crop = shared_crop(windows)
    assert crop.x % 2 == crop.y % 2 == crop.width % 2 == crop.height % 2 == 0
    if crop.width and crop.height:
        for window in windows:
            assert window.x <= crop.x
            assert crop.x + crop.width <= window.x + window.width
            assert window.y <= crop.y
            assert crop.y + crop.height <= window.y + window.height


def test_windows_apart_share_nothing() -> None:
    assert shared_crop([Window(0, 0, 50, 50), Window(100, 0, 50, 50)]).width == 0


def test_cut_takes_the_named_pixels(photograph: np.ndarray) -> None:
    assert np.array_equal(cut(photograph, Window(4, 6, 10, 8)), photograph[6:14, 4:14])
