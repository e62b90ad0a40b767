"""Unsteadiness, dust, repeated frames and combed fields against clips whose faults were put in by hand."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from film_elements.clip import moving_still
from film_recovery.elements.faults import COMBED, cadence, combing, frame_shift, specks, unsteadiness
from film_recovery.images.encodings import encode

FloatArray = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def clip(photograph: FloatArray) -> list[FloatArray]:
    """A pan, coded luma (216, 384), 0..1."""
    frames = moving_still(photograph, (384, 216), 40, zoom=0.7, cut=False)
    return [np.asarray(encode(frame, "display"), np.float32).mean(axis=-1) for frame in frames]


def thumbnails(clip: list[FloatArray], order: list[int], noise: float = 1.0) -> npt.NDArray[np.uint8]:
    random = np.random.default_rng(3)
    small = [cv2.resize(clip[index], (96, 54), interpolation=cv2.INTER_AREA) * 255.0 for index in order]
    coded = [np.repeat(picture[..., None], 3, axis=-1) + random.normal(0, noise, (54, 96, 3)) for picture in small]
    return np.asarray(np.clip(np.rint(coded), 0, 255), np.uint8)


@pytest.mark.parametrize("period", [2, 4, 5])
def test_a_rhythm_of_repeated_frames_is_found(clip: list[FloatArray], period: int) -> None:
    order, source = [], 0
    while len(order) < 40:
        order.append(source)
        source += (len(order) % period) != 0
    found = cadence(thumbnails(clip, order, 0.3))
    assert found is not None
    assert found.period == period
    assert f"every {period}" in found.sentence()


def test_single_repetitions_have_no_rhythm_and_none_is_none(clip: list[FloatArray]) -> None:
    order = [*range(12), 11, *range(12, 30), 29, *range(30, 40)]
    found = cadence(thumbnails(clip, order, 0.3))
    assert found is not None
    assert found.repeats == [12, 31]
    assert found.period is None
    straight = cadence(thumbnails(clip, list(range(40))))
    assert straight is not None
    assert straight.repeats == []
    assert cadence(thumbnails(clip, [3] * 40, 0.3)) is None  # nothing moves
    assert cadence(thumbnails(clip, list(range(6)))) is None


@given(st.floats(-6, 6), st.floats(-6, 6))
@example(0.0, -2.5)
@example(2.25, -2.5)
@settings(max_examples=15)
def test_shifts_are_found_to_a_third_of_a_pixel(clip: list[FloatArray], x: float, y: float) -> None:
    moved = cv2.warpAffine(clip[0], np.array([[1, 0, x], [0, 1, y]]), (384, 216), flags=cv2.INTER_CUBIC,
                           borderMode=cv2.BORDER_REFLECT)  # fmt: skip
    assert frame_shift(clip[0], moved) == pytest.approx((x, y), abs=1 / 3)


def test_jump_is_measured_under_a_pan() -> None:
    random = np.random.default_rng(4)
    time = np.arange(80)[:, None]
    jump = random.normal(0.0, 1.0, (80, 2)) * [0.4, 0.9]
    path = np.concatenate([1.5 * time, 0.01 * time**2], axis=1) + jump
    found = unsteadiness([(float(x), float(y)) for x, y in np.diff(path, axis=0)])
    assert found is not None
    assert found == pytest.approx((0.4, 0.9), rel=0.35)
    assert unsteadiness([(0.0, 0.0)] * 5) is None


def test_specks_of_one_frame_are_counted_and_grain_and_motion_are_not(clip: list[FloatArray]) -> None:
    random = np.random.default_rng(5)
    frames = [picture + random.normal(0, 0.015, picture.shape).astype(np.float32) for picture in clip[10:13]]
    assert specks(*frames) == (0, 0)
    dirty = frames[1].copy()
    for x in range(30, 370, 40):
        cv2.circle(dirty, (x, 60 + x // 5), 2, 0.0, -1)
    for x in (60, 140, 220):
        cv2.circle(dirty, (x, 30), 2, 1.0, -1)
    dark, bright = specks(frames[0], dirty, frames[2])
    assert 6 <= dark <= 9
    assert 2 <= bright <= 3


def test_fields_of_two_moments_comb_and_progressive_frames_do_not(clip: list[FloatArray]) -> None:
    random = np.random.default_rng(6)
    for noise in (0.0, 0.01, 0.03):
        first, second = (clip[k] + random.normal(0, noise, clip[k].shape).astype(np.float32) for k in (10, 14))
        woven = first.copy()
        woven[1::2] = second[1::2]
        assert combing(first) < COMBED < combing(woven)
