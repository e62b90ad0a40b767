from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from film_recovery.images.io import read_frame
from film_recovery.pairs.align_elements import _warps
from film_recovery.pairs.confidence import local_confidence
from film_recovery.pairs.deformation import (
    NO_WARP,
    basis,
    fit_warp,
    position_map,
    reference_points,
    warp_at,
    write_stmap,
)
from film_recovery.pairs.registration import Registration, warp
from film_recovery.pairs.resample import resample

COFFEE = (skimage.data.coffee()[:300, :480] / 255.0).astype(np.float32)
SIZE = (480, 300)
coefficients = st.lists(st.floats(-3.0, 3.0), min_size=14, max_size=14).map(lambda values: np.array(values).reshape(2, 7))


def perspective(turn: float = 0.4, lean: float = 2e-5) -> np.ndarray:
    """Reference pixels to source pixels."""
    angle = np.radians(turn)
    return np.array([[np.cos(angle), -np.sin(angle), 3.3], [np.sin(angle), np.cos(angle), -2.1], [lean, -lean, 1.0]])


@settings(max_examples=15)
@given(warp_=coefficients, turn=st.floats(-1.0, 1.0))
def test_the_map_and_the_points_say_the_same(warp_: np.ndarray, turn: float) -> None:
    points = np.stack(np.meshgrid(np.arange(0, 480, 37), np.arange(0, 300, 23)), axis=-1).reshape(-1, 2)
    there = position_map(perspective(turn), warp_, SIZE)
    assert np.allclose(there[points[:, 1], points[:, 0]], reference_points(points, perspective(turn), warp_, SIZE), atol=1e-3)


def test_the_warp_holds_nothing_affine() -> None:
    x, y = np.meshgrid(np.arange(480.0), np.arange(300.0))
    points = np.stack([x.ravel(), y.ravel()], axis=-1)
    terms = basis(points, SIZE)
    for affine in (np.ones(len(points)), 2 * points[:, 0] / 479 - 1, 2 * points[:, 1] / 299 - 1):
        assert np.abs(terms.T @ affine / len(points)).max() < 0.01


@settings(max_examples=15)
@given(warp_=coefficients, seed=st.integers(0, 999))
def test_a_warp_is_found_again_from_its_displacements(warp_: np.ndarray, seed: int) -> None:
    random = np.random.default_rng(seed)
    points = random.random((400, 2)) * SIZE
    affine = np.array([[0.004, -0.002, 1.0], [0.001, 0.003, -2.0]])
    shifts = points @ affine[:, :2].T + affine[:, 2] + warp_at(points, warp_, SIZE)
    found_affine, found = fit_warp(points, shifts, np.ones(len(points)), SIZE)
    left = points @ found_affine[:, :2].T + found_affine[:, 2] + warp_at(points, found, SIZE) - shifts
    assert np.abs(left).max() < 0.15


@settings(max_examples=6)
@given(warp_=coefficients)
def test_a_smooth_picture_lies_where_another_interpolation_puts_it(warp_: np.ndarray) -> None:
    picture = cv2.GaussianBlur(COFFEE, (0, 0), 2.0)
    moved = resample(picture, perspective(), warp_, picture.shape[:2])
    there = position_map(perspective(), warp_, SIZE)
    oracle = np.stack([ndimage.map_coordinates(picture[..., c], [there[..., 1], there[..., 0]], order=3) for c in range(3)], -1)
    assert np.abs(moved - oracle)[20:-20, 20:-20].max() < 0.006


def test_an_affine_move_is_the_one_of_registration() -> None:
    matrix = np.array([[1.01, 0.002, -2.3], [-0.003, 0.99, 1.7]])
    square = np.linalg.inv(np.vstack([matrix, [0.0, 0.0, 1.0]]))
    found = resample(COFFEE, square, NO_WARP, COFFEE.shape[:2])
    assert np.array_equal(found, warp(COFFEE, Registration(matrix, 0.0, 0.0, 1.0, True), COFFEE.shape[:2]))


def test_nothing_moves_nothing_changes() -> None:
    assert np.array_equal(resample(COFFEE, np.eye(3), NO_WARP, COFFEE.shape[:2]), COFFEE)


def test_one_channel_stays_one_channel() -> None:
    assert resample(COFFEE[..., :1], perspective(), NO_WARP, (300, 480)).shape == (300, 480, 1)
    assert resample(COFFEE[..., 0], perspective(), NO_WARP, (300, 480)).shape == (300, 480)


def test_an_stmap_follows_nukes_convention(tmp_path: Path) -> None:
    warp_ = np.zeros((2, 7))
    warp_[0, 0], warp_[1, 2] = 2.0, -1.5
    write_stmap(tmp_path / "warp.0001.exr", warp_, SIZE)
    read = read_frame(tmp_path / "warp.0001.exr").rgb
    points = np.array([[0, 0], [100, 40], [479, 299]])
    there = points + warp_at(points, warp_, SIZE)
    found = read[points[:, 1], points[:, 0]]
    assert np.allclose(found[:, 0] * 480 - 0.5, there[:, 0], atol=1e-3)
    assert np.allclose((1.0 - found[:, 1]) * 300 - 0.5, there[:, 1], atol=1e-3)


def worn(picture: np.ndarray, seed: int) -> np.ndarray:
    """Softer, faded, one channel reversed, with grain."""
    soft = cv2.GaussianBlur(picture, (0, 0), 0.8) * np.float32([-0.5, 0.7, 0.3]) + np.float32([0.8, 0.1, 0.4])
    return np.asarray(soft + 0.012 * np.random.default_rng(seed).standard_normal(picture.shape), np.float32)


def test_confidence_is_high_through_wear_and_low_at_what_one_side_has_alone() -> None:
    other = worn(COFFEE, 3)
    assert local_confidence(COFFEE, other)[10:-10, 10:-10].mean() > 0.95
    letters = np.zeros(COFFEE.shape[:2], np.uint8)
    cv2.putText(letters, "subtitle", (150, 270), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 255, 3)
    titled = other.copy()
    titled[letters > 0] = 1.0
    found = local_confidence(COFFEE, titled)
    assert found.dtype == np.float32
    assert found.min() >= 0.0 and found.max() <= 1.0
    assert found[letters > 0].mean() < 0.35
    assert found[:200].mean() > 0.95


def test_confidence_is_low_where_a_part_lies_elsewhere_and_in_another_picture() -> None:
    other = worn(COFFEE, 4)
    other[100:200, 150:300] = other[106:206, 145:295].copy()
    found = local_confidence(COFFEE, other)
    assert found[110:190, 160:290].mean() < 0.5
    assert found[110:190, 340:].mean() > 0.9
    assert local_confidence(COFFEE, COFFEE[::-1, ::-1]).mean() < 0.3


def test_confidence_of_nothing_is_nothing() -> None:
    assert not local_confidence(COFFEE, np.zeros_like(COFFEE)).any()
    mask = np.zeros(COFFEE.shape[:2], np.uint8)
    mask[:, :240] = 1
    found = local_confidence(COFFEE, COFFEE, mask)
    assert not found[:, 240:].any()
    assert found[:, :230].min() > 0.9
    with pytest.raises(ValueError, match="one size"):
        local_confidence(COFFEE, COFFEE[:100])


def test_the_stmaps_of_an_earlier_alignment_stay(tmp_path: Path) -> None:
    """A node reads them by their numbers."""

    def align(*shifts: float) -> list[str]:
        aligned = {frame: SimpleNamespace(warp=np.full((2, 7), shift)) for frame, shift in enumerate(shifts)}
        work = SimpleNamespace(aligned=aligned, elements=SimpleNamespace(ratios=[1.0], sizes=[SIZE]))
        verdicts = dict.fromkeys(aligned, SimpleNamespace(verdict="aligned"))
        return [warp.stmap for warp in _warps(work, verdicts, tmp_path)[0]]  # type: ignore[arg-type]

    assert align(1.0, 2.0) == ["warp.0001.exr", "warp.0002.exr"]
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert align(3.0, 2.0) == ["warp.0003.exr", "warp.0002.exr"]
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {**after, **before} == after
    assert sorted(after) == ["warp.0001.exr", "warp.0002.exr", "warp.0003.exr"]
