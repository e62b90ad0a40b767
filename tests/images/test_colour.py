from __future__ import annotations

import colour as colour_science
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from film_recovery.contract.errors import InputError, UsageError
from film_recovery.images import colour, ocio
from film_recovery.images.encodings import ENCODING_NAMES, decode, encode, from_linear, to_linear

NAMES = {"601": "ITU-R BT.601", "709": "ITU-R BT.709", "2020": "ITU-R BT.2020"}
values = st.floats(-8.0, 60.0, width=32)


@pytest.mark.parametrize("matrix", NAMES)
def test_the_matrices_are_those_of_the_recommendations(matrix: str) -> None:
    weights = colour_science.WEIGHTS_YCBCR[NAMES[matrix]]
    oracle = colour_science.matrix_YCbCr(K=weights, bits=8, is_legal=False, is_int=False)
    assert np.allclose(colour.ycbcr_to_rgb_matrix(matrix), oracle, atol=1e-12)
    assert np.allclose(colour.rgb_to_ycbcr_matrix(matrix) @ colour.ycbcr_to_rgb_matrix(matrix), np.eye(3), atol=1e-15)


@given(st.lists(values, min_size=3, max_size=3), st.sampled_from(list(NAMES)))
def test_ycbcr_round_trips_at_any_value(rgb: list[float], matrix: str) -> None:
    pixel = np.array(rgb, np.float32)
    again = colour.ycbcr_to_rgb(colour.rgb_to_ycbcr(pixel, matrix), matrix)
    assert np.abs(again - pixel).max() <= 1e-6 * max(np.abs(pixel).max(), 1.0)


@given(st.lists(values, min_size=6, max_size=6), st.sampled_from(list(NAMES)))
def test_a_luma_swap_takes_the_luma_and_leaves_the_chroma(six: list[float], matrix: str) -> None:
    first, second = np.array(six[:3], np.float32), np.array(six[3:], np.float32)
    swapped = colour.rgb_to_ycbcr(colour.swap_luma(first, second, matrix), matrix)
    scale = max(np.abs(six).max(), 1.0) * 1e-6
    assert abs(swapped[0] - colour.luma(second, matrix)) <= scale
    assert np.abs(swapped[1:] - colour.rgb_to_ycbcr(first, matrix)[1:]).max() <= scale


def test_an_unknown_matrix_is_one_sentence() -> None:
    with pytest.raises(UsageError, match="choose one of 601, 709, 2020"):
        colour.luma_coefficients("240")


@settings(max_examples=200)
@given(values, st.sampled_from(ENCODING_NAMES))
def test_encodings_invert_below_zero_and_above_one(value: float, encoding: str) -> None:
    double = np.array([value], np.float64)
    for forward, back in ((encode, decode), (to_linear, from_linear)):
        # The sRGB curve's published constants leave a step of 2e-8 at the joint.
        assert np.allclose(back(forward(double, encoding), encoding), double, rtol=1e-6, atol=1e-7)
    single = np.array([value], np.float32)
    assert abs(decode(encode(single, encoding), encoding) - single)[0] <= 2e-6 * max(abs(value), 1.0)


def test_the_curves_are_the_published_ones() -> None:
    ramp = np.linspace(0.0, 4.0, 4001)
    assert np.allclose(encode(ramp[:1001], "display"), colour_science.cctf_encoding(ramp[:1001], "sRGB"), atol=1e-7)
    assert np.allclose(encode(ramp, "log"), colour_science.models.log_encoding_ACEScct(ramp), atol=1e-7)


@given(st.lists(values, min_size=1, max_size=8), st.sampled_from(ENCODING_NAMES))
def test_arrays_and_tensors_agree(numbers: list[float], encoding: str) -> None:
    array = np.array(numbers, np.float64)
    for step in (encode, decode):
        with np.errstate(over="ignore"):
            expected = step(array, encoding)
        assert np.allclose(step(torch.from_numpy(array), encoding, torch).numpy(), expected, rtol=1e-9, atol=1e-12)


def test_ocio_writes_aces_as_the_matrices_say() -> None:
    pixels = np.array([[[1.0, 1.0, 1.0], [0.5, -0.2, 3.0]]], np.float32)
    oracle = colour_science.RGB_to_RGB(pixels, "ITU-R BT.709", "ACES2065-1", chromatic_adaptation_transform="Bradford")
    assert np.allclose(ocio.to_aces(pixels, "Linear Rec.709 (sRGB)", ocio.load_config(ocio.BUILT_IN)), oracle, atol=2e-4)


def test_an_unknown_colour_space_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'ACEScg'"):
        ocio.to_aces(np.zeros((1, 1, 3)), "ACESgc", ocio.load_config(ocio.BUILT_IN))
