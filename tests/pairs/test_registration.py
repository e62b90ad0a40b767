from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st

from film_elements.elements import ElementFrame, ElementSimulator
from film_elements.parameters import internegative_35mm, print_16mm
from film_recovery.elements.picture_area import picture_area
from film_recovery.images.encodings import decode, encode
from film_recovery.images.frame import Window
from film_recovery.pairs.registration import Registration, register, unregistered, warp

FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
COFFEE = (skimage.data.coffee()[:360, :560] / 255.0).astype(np.float32)
WHOLE = Window(0, 0, COFFEE.shape[1], COFFEE.shape[0])


def coded(rgb: FloatArray) -> FloatArray:
    return np.asarray(encode(rgb, "display"), np.float32)


def affine(scale: float, turn: float, shear: float, shift: tuple[float, float], size: tuple[int, int]) -> np.ndarray:
    """Source pixel to reference pixel, about the middle of the picture; ``size`` is (width, height)."""
    cosine, sine = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    linear = scale * np.array([[cosine, -sine + shear], [sine, cosine]])
    middle = (np.array(size) - 1) / 2
    return np.column_stack([linear, middle + np.array(shift) - linear @ middle])


def seen_through(picture: FloatArray, matrix: np.ndarray) -> FloatArray:
    """The reference picture of which ``matrix`` is the true registration."""
    size = (picture.shape[1], picture.shape[0])
    return np.asarray(cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT), np.float32)


def error_px(found: np.ndarray, true: np.ndarray, area: Window) -> float:
    """Median distance between where two transforms put the pixels of ``area``."""
    y, x = np.mgrid[area.y : area.y + area.height : 8, area.x : area.x + area.width : 8]
    points = np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    return float(np.median(np.hypot(*((found - true) @ points))))


@settings(max_examples=12)
@given(
    scale=st.floats(0.97, 1.03),
    turn=st.floats(-0.6, 0.6),
    shear=st.floats(-0.004, 0.004),
    shift=st.tuples(st.floats(-0.05, 0.05), st.floats(-0.05, 0.05)),
    blur=st.floats(0.3, 2.0),
    seed=st.integers(0, 1000),
)
def test_any_small_affine_is_found_through_blur_grain_and_fading(
    scale: float, turn: float, shear: float, shift: tuple[float, float], blur: float, seed: int
) -> None:
    size = (WHOLE.width, WHOLE.height)
    true = affine(scale, turn, shear, (shift[0] * size[0], shift[1] * size[1]), size)
    random = np.random.default_rng(seed)
    reference = cv2.GaussianBlur(seen_through(COFFEE, true), (0, 0), blur)
    reference = reference + 0.04 * cv2.GaussianBlur(random.standard_normal(COFFEE.shape).astype(np.float32), (0, 0), 0.8)
    faded = COFFEE * np.float32([0.25, 0.9, 0.6]) + np.float32([0.6, 0.05, 0.2])
    faded = faded + 0.01 * random.standard_normal(COFFEE.shape).astype(np.float32)
    found = register(faded, reference, WHOLE)
    assert found.matches
    assert error_px(found.matrix, true, WHOLE) < 0.3
    assert found.residual_px < 0.35


@pytest.mark.parametrize("harm", ["reversed", "lost"])
def test_a_reversed_or_lost_channel_does_not_hurt(harm: str) -> None:
    true = affine(1.008, 0.1, 0.0, (4.3, -2.6), (WHOLE.width, WHOLE.height))
    reference = seen_through(COFFEE, true)
    reference[..., 0] = 1.0 - reference[..., 0] if harm == "reversed" else 0.5
    found = register(COFFEE, reference, WHOLE)
    assert found.matches
    assert error_px(found.matrix, true, WHOLE) < 0.1


def element_pair() -> tuple[ElementFrame, ElementFrame]:
    """A faded internegative and a soft, grainy, weaving, shrunk print of one photograph, 960x540."""
    photograph = cv2.resize(skimage.data.chelsea()[:253].astype(np.float32) / 255.0, (960, 540), interpolation=cv2.INTER_CUBIC)
    truth = np.asarray(decode(np.clip(photograph, 0.0, 1.0), "display"), np.float32)
    makers = (ElementSimulator(element, (960, 540), 3) for element in (internegative_35mm(), print_16mm()))
    first, second = (maker.simulate(truth, 1012) for maker in makers)
    return first, second


def test_simulated_film_elements_are_aligned_to_a_third_of_a_pixel() -> None:
    ours, theirs = element_pair()
    pictures = coded(ours.scan), coded(theirs.scan)
    areas = [picture_area([picture]) for picture in pictures]
    found = register(*pictures, *areas)
    straight = unregistered(*pictures, *areas)
    # The slow warp of the print is not affine and is left out of the yardstick; it is part of the 0.3 px.
    true = theirs.geometry.matrix @ np.linalg.inv(np.vstack([ours.geometry.matrix, [0.0, 0.0, 1.0]]))
    assert found.matches
    assert error_px(found.matrix, true, areas[0]) < 0.3
    assert found.residual_px < 0.3
    assert straight.residual_px > 3 * found.residual_px


def test_different_pictures_are_rejected() -> None:
    others = (skimage.data.astronaut()[:360, :], skimage.data.chelsea(), skimage.data.rocket())
    for other in others:
        picture = cv2.resize(other.astype(np.float32) / 255.0, (WHOLE.width, WHOLE.height), interpolation=cv2.INTER_AREA)
        assert not register(COFFEE, picture, WHOLE).matches


def test_a_picture_without_structure_is_rejected_without_an_exception() -> None:
    flat = np.full_like(COFFEE, 0.2)
    for ours, theirs in ((COFFEE, flat), (flat, COFFEE), (flat, flat)):
        found = register(ours, theirs, WHOLE)
        assert not found.matches
        assert found.residual_px == np.inf
        assert np.isfinite(found.matrix).all()


def test_the_smallest_pictures_are_registered_without_an_exception() -> None:
    for side in (32, 40, 64):
        piece = COFFEE[100 : 100 + side, 200 : 200 + side]
        assert register(piece, piece * 0.7 + 0.1, Window(0, 0, side, side)).matches


def test_the_residual_is_the_distance_that_is_left() -> None:
    shifted = seen_through(COFFEE, np.array([[1.0, 0.0, 1.5], [0.0, 1.0, 0.0]]))
    lying = unregistered(COFFEE, shifted, WHOLE)
    assert lying.matches
    assert lying.residual_px == pytest.approx(1.5, abs=0.1)
    assert lying.residual_p95 == pytest.approx(1.5, abs=0.2)


def test_what_is_aligned_already_is_left_to_the_bit() -> None:
    darker = COFFEE * 0.8
    found = register(COFFEE, darker, WHOLE)
    assert np.array_equal(found.matrix, np.eye(2, 3))
    assert np.array_equal(warp(darker, found, darker.shape[:2]), darker)


def test_a_reference_of_another_size_is_scaled() -> None:
    larger = cv2.resize(COFFEE, None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC)
    found = register(COFFEE, larger, WHOLE)
    moved = warp(larger, found, COFFEE.shape[:2])
    assert found.matches
    assert moved.shape == COFFEE.shape
    assert np.abs(moved - COFFEE)[8:-8, 8:-8].mean() < 0.012


def test_gray_pictures_are_aligned_too() -> None:
    true = affine(1.0, 0.0, 0.0, (3.4, -1.2), (WHOLE.width, WHOLE.height))
    found = register(COFFEE[..., 1], seen_through(COFFEE, true)[..., 1], WHOLE)
    assert error_px(found.matrix, true, WHOLE) < 0.1


def moved_by(x: float, y: float) -> Registration:
    return Registration(np.array([[1.0, 0.0, x], [0.0, 1.0, y]]), 0.0, 0.0, 1.0, True)


def test_warp_moves_by_whole_pixels_exactly_and_repeats_the_edge() -> None:
    out = warp(COFFEE, moved_by(3.0, 2.0), COFFEE.shape[:2])
    assert np.allclose(out[:-2, :-3], COFFEE[2:, 3:], atol=1e-6)
    assert np.allclose(out[:-2, -1], COFFEE[2:, -1], atol=1e-6)


def test_warp_keeps_fine_detail_at_half_a_pixel() -> None:
    x = np.arange(200, dtype=np.float32)
    wave = np.repeat((0.5 + 0.4 * np.sin(2 * np.pi * 0.3 * x))[None, :, None], 40, axis=0).repeat(3, axis=2)
    out = warp(wave, moved_by(0.5, 0.0), wave.shape[:2])[20, 10:-10, 0]
    expected = 0.5 + 0.4 * np.sin(2 * np.pi * 0.3 * (x[10:-10] + 0.5))
    assert np.abs(out - expected).mean() < 0.01
    assert out.std() > 0.99 * expected.std()


def test_a_highlight_leaves_no_ring_and_nothing_negative() -> None:
    picture = np.full((64, 64, 3), 0.02, np.float32)
    picture[30:34, 30:34] = 80.0
    out = warp(picture, moved_by(0.37, -0.41), (64, 64))
    assert out.min() >= 0.01
    assert out.max() <= 80.25
    assert np.allclose(out[:26], 0.02)
    assert out.sum() == pytest.approx(picture.sum(), rel=0.05)


def test_warp_takes_values_below_zero() -> None:
    out = warp(COFFEE - 0.5, moved_by(0.5, 0.25), COFFEE.shape[:2])
    assert out.dtype == np.float32
    assert out.min() < -0.45
    assert np.abs(out - (warp(COFFEE, moved_by(0.5, 0.25), COFFEE.shape[:2]) - 0.5)).mean() < 1e-4
