"""Detail and grain told apart by neighbouring frames, against pictures whose spectra are known."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from film_elements.clip import moving_still
from film_elements.elements import ElementSimulator
from film_elements.parameters import print_16mm
from film_recovery.elements.coherence import Detail, judge, tile_powers
from film_recovery.images.colour import rgb_to_ycbcr
from film_recovery.images.encodings import encode

FloatArray = npt.NDArray[np.float32]


def pair(sigma: float, grain: float, shift: tuple[float, float] = (0.0, 0.0)) -> Detail | None:
    """Of a picture of blurred noise that moves by ``shift``, under grain of its own in each of two frames."""
    random = np.random.default_rng(6)
    picture = (0.5 + 0.3 * cv2.GaussianBlur(random.standard_normal((540, 540)), (0, 0), sigma)).astype(np.float32)
    move = np.array([[1.0, 0.0, shift[0]], [0.0, 1.0, shift[1]]])
    moved = cv2.warpAffine(picture, move, (540, 540), flags=cv2.INTER_LANCZOS4)
    frames = [
        np.ascontiguousarray((frame + grain * random.standard_normal(frame.shape))[14:-14, 14:-14], np.float32)
        for frame in (picture, moved)
    ]
    return judge([tile_powers(*frames)])


@given(st.floats(0.8, 2.0), st.floats(0.01, 0.04), st.tuples(st.floats(-5, 5), st.floats(-5, 5)))
@settings(max_examples=8)
def test_detail_ends_where_its_power_meets_the_grains(sigma: float, grain: float, shift: tuple[float, float]) -> None:
    found = pair(sigma, grain, shift)
    assert found is not None
    # White noise through a Gaussian has the power 0.3^2 exp(-(2 pi f sigma)^2); grain is white.
    expected = np.sqrt(2.0 * np.log(0.3 / grain)) / (2.0 * np.pi * sigma)
    assert found.resolution == pytest.approx(min(expected, 0.5), abs=0.04)
    assert found.floor[8:].mean() == pytest.approx(grain**2, rel=0.35)


def test_a_picture_without_grain_reaches_the_limit_and_grain_alone_is_no_detail() -> None:
    clean = pair(0.4, 0.0, (2.0, 1.0))
    assert clean is not None
    assert clean.resolution == 0.5
    random = np.random.default_rng(3)
    noise = [random.normal(0.5, 0.03, (512, 512)).astype(np.float32) for _ in range(2)]
    alone = judge([tile_powers(*noise)])
    assert alone is None or (alone.resolution < 0.1 and alone.detail < 0.01)


def test_one_frame_twice_and_no_frames_say_nothing() -> None:
    picture = np.random.default_rng(4).random((512, 512)).astype(np.float32)
    assert judge([tile_powers(picture, picture)]) is None
    assert judge([]) is None


def test_softer_prints_read_softer(photograph: FloatArray) -> None:
    found = []
    for scale in (1.0, 0.5, 0.25):
        stages = tuple(stage * scale for stage in print_16mm().stages_lp_mm)
        simulator = ElementSimulator(dataclasses.replace(print_16mm(), stages_lp_mm=stages), (640, 360), seed=2)
        lumas = []
        for index, picture in enumerate(moving_still(photograph, (640, 360), 24, zoom=0.9, cut=False)):
            if index > 2:
                break
            coded = np.asarray(encode(simulator.simulate(picture, index).scan, "display"), np.float32)
            lumas.append(np.ascontiguousarray(rgb_to_ycbcr(coded, "709")[12:-12, 16:-16, 0], np.float32))
        detail = judge([tile_powers(*lumas[:2]), tile_powers(*lumas[1:])])
        assert detail is not None
        found.append(detail.resolution)
    assert found[0] > 1.2 * found[1] > 1.2 * 1.2 * found[2]
