"""The physics, each against a measurement made the way a laboratory would or against plain algebra."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from film_elements import parameters, physics


@given(st.lists(st.floats(1e-3, 2.0), min_size=3, max_size=3))
def test_density_and_transmittance_are_inverse(colour: list[float]) -> None:
    linear = np.array([[colour]], np.float32)
    np.testing.assert_allclose(physics.transmittance(physics.density(linear, 3.0)), linear, rtol=1e-5)


def test_density_stops_at_the_darkest() -> None:
    linear = np.array([[[0.0, -1.0, 1e-9]]], np.float32)
    np.testing.assert_allclose(physics.density(linear, 3.0), 3.0, atol=1e-5)


@given(
    st.lists(st.floats(0.05, 1.0), min_size=3, max_size=3),
    st.lists(st.floats(0.0, 3.0), min_size=3, max_size=3),
    st.lists(st.floats(0.0, 0.1), min_size=3, max_size=3),
)
def test_fading_scales_each_dye(kept: list[float], dyes: list[float], stain: list[float]) -> None:
    absorptions = np.array(parameters.UNWANTED_ABSORPTIONS)
    before = (absorptions @ dyes).astype(np.float32)[None, None]
    after = physics.fade(before, absorptions, kept, stain)[0, 0]
    np.testing.assert_allclose(after, absorptions @ (np.array(kept) * dyes) + stain, atol=2e-5)


def test_uneven_fading_is_fading_for_a_longer_time() -> None:
    absorptions, kept = np.array(parameters.UNWANTED_ABSORPTIONS), np.array((0.35, 0.9, 0.6))
    before = np.full((1, 2, 3), 1.2, np.float32)
    field = np.array([[0.0, 0.05]], np.float32)
    after = physics.fade(before, absorptions, kept, (0.0, 0.0, 0.0), field)[0]
    for pixel, longer in zip(after, (1.0, 1.05), strict=True):
        np.testing.assert_allclose(pixel, physics.fade_matrix(absorptions, kept**longer) @ np.full(3, 1.2), atol=1e-5)


def test_equal_dyes_are_neutral() -> None:
    np.testing.assert_allclose(np.array(parameters.UNWANTED_ABSORPTIONS).sum(axis=1), 1.0)


@pytest.mark.parametrize(("rated", "size_um", "level"), [(5.0, 0.0, 1.0), (18.0, 9.0, 1.0), (4.0, 6.0, 1.0), (18.0, 9.0, 0.5)])
def test_a_48_um_circle_measures_the_rated_granularity(rated: float, size_um: float, level: float) -> None:
    pitch = 4.0
    sigma = physics.pixel_granularity(rated, pitch) * physics.grain_correction(size_um)
    film = np.full((900, 900, 3), level, np.float32)
    film += physics.grain(film, sigma, size_um / pitch, np.random.default_rng(5))
    # A circle drawn 16 times finer, so that pixels on its rim count by their area.
    fine = np.zeros((15 * 16, 15 * 16), np.float32)
    centre = (fine.shape[0] - 1) / 2.0
    y, x = np.indices(fine.shape)
    fine[np.hypot(x - centre, y - centre) <= 24.0 / pitch * 16] = 1.0
    circle = cv2.resize(fine, (15, 15), interpolation=cv2.INTER_AREA)
    seen = cv2.filter2D(film, cv2.CV_32F, circle / circle.sum())[16:-16:5, 16:-16:5]
    measured = 1000.0 * seen.std(axis=(0, 1))
    np.testing.assert_allclose(measured, rated * math.sqrt(level), rtol=0.06)


def test_grain_is_independent_between_layers() -> None:
    film = np.ones((200, 200, 3), np.float32)
    noise = physics.grain(film, 0.05, 0.8, np.random.default_rng(1)).reshape(-1, 3)
    assert np.abs(np.corrcoef(noise.T) - np.eye(3)).max() < 0.03


@pytest.mark.parametrize("half", [0.10, 0.15, 0.30, 0.60])
def test_the_blur_has_the_response_it_was_asked_for(half: float) -> None:
    kernel = physics.blur_kernel(half)
    taps = np.arange(len(kernel)) - len(kernel) // 2
    for frequency in (0.0, 0.5 * half, half, 0.45):
        if frequency <= 0.45:
            response = float((kernel * np.cos(2.0 * math.pi * frequency * taps)).sum())
            assert response == pytest.approx(0.5 ** ((frequency / half) ** 2), abs=0.01)


def test_a_chain_of_stages_multiplies_their_responses() -> None:
    stages = (30.0, 24.0, 30.0, 40.0)
    whole = physics.chain_half_frequency(stages)
    frequency = 20.0
    product = math.prod(0.5 ** ((frequency / stage) ** 2) for stage in stages)
    assert product == pytest.approx(0.5 ** ((frequency / whole) ** 2))


def test_slow_changes_stay_in_their_band_and_have_unit_deviation() -> None:
    seconds = np.arange(25 * 400) / 25.0
    values = np.array([physics.slow_change(t, 0.3, 1.0, np.random.default_rng(3)) for t in seconds])
    assert values.std() == pytest.approx(1.0, abs=0.05)
    power = np.abs(np.fft.rfft(values * np.hanning(len(values)))) ** 2
    frequency = np.fft.rfftfreq(len(values), 1.0 / 25.0)
    inside = (frequency > 0.28) & (frequency < 1.02)
    assert power[inside].sum() > 0.999 * power.sum()


def test_the_warp_has_no_affine_part() -> None:
    field = physics.warp_field(101, 151, np.array([[0.2, -0.1, 0.3], [0.1, 0.2, -0.4]])).astype(np.float64)
    y, x = np.indices(field.shape[:2])
    design = np.stack([x.ravel() / 75.0 - 1.0, y.ravel() / 50.0 - 1.0, np.ones(x.size)], axis=1)
    solution = np.linalg.lstsq(design, field.reshape(-1, 2), rcond=None)[0]
    assert np.abs(solution).max() < 0.01


def test_affine_and_its_inverse_undo_each_other() -> None:
    matrix = physics.affine((960, 540), 0.97, 0.05, (1.3, -0.7))
    point = np.array([123.0, 456.0, 1.0])
    there = matrix @ point
    np.testing.assert_allclose(physics.invert_affine(matrix) @ (*there, 1.0), point[:2], atol=1e-9)


def test_dust_is_where_it_was_put() -> None:
    dirt = physics.dust_density((80, 60), [(20.0, 30.0, 2.0)], [[(50.0, 10.0), (50.0, 25.0)]], 1.4, 0.6)
    assert dirt[30, 20] > 1.2
    assert dirt[18, 50] > 0.4
    assert dirt[50, 70] == 0.0
    assert dirt.min() >= 0.0
