from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st

from film_recovery.elements.picture_area import find_edges, picture_area
from film_recovery.images.frame import Window

PICTURE = cv2.resize(skimage.data.coffee().astype(np.float32) / 255.0, (480, 270), interpolation=cv2.INTER_AREA)


def framed(picture: np.ndarray, window: Window, level: float = 0.02, softness: float = 1.0, seed: int = 0) -> np.ndarray:
    """``picture`` (270, 480, 3) squeezed into ``window`` of a scan, with a soft edge, a border and grain."""
    scan, mask = np.zeros((270, 480, 3), np.float32), np.zeros((270, 480), np.float32)
    rows, columns = slice(window.y, window.y + window.height), slice(window.x, window.x + window.width)
    scan[rows, columns] = cv2.resize(picture, (window.width, window.height), interpolation=cv2.INTER_AREA)
    mask[rows, columns] = 1.0
    edge = cv2.GaussianBlur(mask, (0, 0), softness)[..., None]
    grain = 0.004 * np.random.default_rng(seed).standard_normal(scan.shape)
    return np.asarray(scan * edge + level * (1.0 - edge) + grain, np.float32)


def assert_close_inside(found: Window, true: Window, slack: int = 7) -> None:
    assert found.x >= true.x
    assert found.y >= true.y
    assert found.x + found.width <= true.x + true.width
    assert found.y + found.height <= true.y + true.height
    assert found.width >= true.width - 2 * slack
    assert found.height >= true.height - 2 * slack


@settings(max_examples=25)
@given(
    left=st.integers(4, 40),
    top=st.integers(4, 25),
    right=st.integers(4, 40),
    bottom=st.integers(4, 25),
    seed=st.integers(0, 99),
)
def test_borders_of_any_width_are_found(left: int, top: int, right: int, bottom: int, seed: int) -> None:
    true = Window(left, top, 480 - left - right, 270 - top - bottom)
    assert_close_inside(picture_area([framed(PICTURE, true, seed=seed)]), true)


@pytest.mark.parametrize("change", ["faded", "dark", "white border", "gray"])
def test_faded_dark_and_gray_pictures_and_clear_borders(change: str) -> None:
    true = Window(14, 9, 452, 250)
    if change == "faded":
        scan = framed(PICTURE * np.float32([0.25, 0.8, 0.5]) + np.float32([0.5, 0.1, 0.2]), true, level=0.05)
    elif change == "dark":
        scan = framed(PICTURE * 0.25 + 0.03, true, level=0.0)
    elif change == "white border":
        scan = framed(PICTURE * 0.8, true, level=1.0)
    else:
        scan = framed(PICTURE, true)[..., 1]
    assert_close_inside(picture_area([scan]), true)


def test_a_picture_without_borders_is_left_whole(photograph: np.ndarray, portrait: np.ndarray) -> None:
    for picture in (photograph, portrait, np.zeros((80, 90, 3), np.float32), np.ones((3, 3, 3), np.float32)):
        height, width = picture.shape[:2]
        assert picture_area([picture]) == Window(0, 0, width, height)


def test_a_night_scene_that_fades_to_black_keeps_its_edges() -> None:
    ramp = np.clip((np.arange(480, dtype=np.float32) - 30) / 120, 0, 1)[None, :, None]
    night = np.asarray(PICTURE * ramp, np.float32)
    assert picture_area([night]).x == 0


@pytest.mark.parametrize("true", [Window(0, 59, 480, 151), Window(105, 0, 270, 270)])
def test_the_bars_of_another_format_are_found(true: Window) -> None:
    """2.39:1 in 4:3 has 22 % above and below, a narrow picture in a wide frame as much at its sides."""
    found, unsure = find_edges([framed(PICTURE, true, softness=0.6)])
    assert_close_inside(found, true)
    assert not unsure


def test_a_dark_part_of_the_picture_is_not_cropped_but_told() -> None:
    """Deeper than a gate's border, and on one side alone."""
    found, unsure = find_edges([framed(PICTURE, Window(0, 60, 480, 210), softness=0.6)])
    assert found == Window(0, 0, 480, 270)
    assert unsure == ["top"]
    assert find_edges([PICTURE])[1] == []


def test_a_weaving_picture_is_cropped_to_what_every_frame_has() -> None:
    windows = [Window(12 + shift, 10, 450, 250) for shift in (0, 3, -2, 5)]
    found = picture_area([framed(PICTURE, window, seed=index) for index, window in enumerate(windows)])
    assert found.x >= 17
    assert found.x + found.width <= 10 + 450


def test_no_frames_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        picture_area([])
