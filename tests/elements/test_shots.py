"""Shot cuts of edited material whose cuts are known, through fading, flicker, flashes, losses and dissolves."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from film_elements.clip import moving_still
from film_recovery.elements.shots import find_shots, shot_ranges
from film_recovery.images.encodings import encode

ByteArray = npt.NDArray[np.uint8]
LENGTHS = (14, 20, 11, 17)
STARTS = [0, 14, 34, 45]


@pytest.fixture(scope="module")
def edited(photograph: npt.NDArray[np.float32], portrait: npt.NDArray[np.float32]) -> ByteArray:
    """Four panning shots, two each of two stills, (62, 54, 96, 3)."""
    import skimage.data

    rocket = (skimage.data.rocket().astype(np.float32) / 255.0) ** 2.2
    cat = (skimage.data.chelsea().astype(np.float32) / 255.0) ** 2.2
    frames = []
    for still, length in zip((photograph, portrait[60:348], rocket, cat), LENGTHS, strict=True):
        for picture in moving_still(np.asarray(still, np.float32), (192, 108), length, zoom=0.8, cut=False):
            small = cv2.resize(picture, (96, 54), interpolation=cv2.INTER_AREA)
            frames.append(np.rint(np.clip(encode(small, "display"), 0.0, 1.0) * 255.0))
    return np.asarray(frames, np.uint8)


def aged(clip: ByteArray, kept: tuple[float, float, float], flicker: float, seed: int) -> ByteArray:
    """Every layer's density times what is kept, with flicker, unsteadiness and grain."""
    random = np.random.default_rng(seed)
    frames = []
    for frame in clip:
        density = -np.log10((frame.astype(np.float32) + 2.0) / 257.0) * np.array(kept, np.float32)
        density += flicker * random.standard_normal(3).astype(np.float32)
        picture = 255.0 * 10.0**-density
        move = np.float32([[1, 0, random.normal(0, 0.6)], [0, 1, random.normal(0, 0.6)]])
        picture = cv2.warpAffine(picture, move, (96, 54), borderMode=cv2.BORDER_REFLECT)
        frames.append(np.clip(picture + random.normal(0, 2.0, picture.shape), 0, 255))
    return np.asarray(frames, np.uint8)


def test_the_cuts_of_an_edited_clip_are_found(edited: ByteArray) -> None:
    assert find_shots(edited) == STARTS
    assert shot_ranges(STARTS, 62) == [(0, 14), (14, 34), (34, 45), (45, 62)]


@given(st.tuples(*[st.floats(0.12, 1.0)] * 3), st.floats(0.0, 0.05), st.integers(0, 99))
@settings(max_examples=10)
def test_fading_flicker_and_weave_change_no_cut(edited: ByteArray, kept: tuple[float, float, float], flicker: float,
                                                seed: int) -> None:  # fmt: skip
    assert find_shots(aged(edited, kept, flicker, seed)) == STARTS


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_flash_is_no_cut(edited: ByteArray, length: int) -> None:
    for flash in (np.full((54, 96, 3), 250), np.random.default_rng(1).integers(0, 255, (54, 96, 3))):
        clip = edited.copy()
        clip[22 : 22 + length] = flash
        assert find_shots(clip) == STARTS


def test_dark_scan_borders_that_stand_still_hide_no_cut(edited: ByteArray) -> None:
    clip = edited.copy()
    clip[:, :7], clip[:, -7:], clip[:, :, :5], clip[:, :, -3:] = 3, 3, 3, 3
    assert find_shots(clip) == STARTS


def test_a_jump_over_lost_frames_is_no_cut(edited: ByteArray) -> None:
    lost = np.r_[5:9, 18:24, 50:53]
    left = np.delete(np.arange(62), lost)
    starts = [int(np.flatnonzero(left >= start)[0]) for start in STARTS]
    assert find_shots(edited[left]) == starts


def test_black_and_unreadable_frames_belong_to_the_shot_before(edited: ByteArray) -> None:
    clip = edited.copy()
    clip[20:26] = 0
    assert find_shots(clip) == STARTS
    clip[12:14] = 0
    assert find_shots(clip) == STARTS
    assert find_shots(np.zeros((5, 54, 96, 3), np.uint8)) == [0]
    assert find_shots(np.zeros((0, 54, 96, 3), np.uint8)) == []


@pytest.mark.parametrize("length", [8, 12, 20])
def test_a_dissolve_between_quiet_shots_is_a_cut_near_its_middle(edited: ByteArray, length: int) -> None:
    shares = np.concatenate([np.zeros(20), np.linspace(0.0, 1.0, length), np.ones(20)])[:, None, None, None]
    clip = (
        (1.0 - shares) * edited[5] + shares * edited[50] + np.random.default_rng(2).normal(0.0, 1.0, (len(shares), 54, 96, 3))
    )
    found = find_shots(np.asarray(np.clip(clip, 0, 255), np.uint8))
    assert len(found) == 2
    assert abs(found[1] - (20 + length // 2)) <= length // 2


def test_pyscenedetect_finds_the_same_cuts(edited: ByteArray) -> None:
    from scenedetect import FrameTimecode
    from scenedetect.detectors import AdaptiveDetector

    detector, cuts = AdaptiveDetector(min_scene_len=3, window_width=2), []
    for index, frame in enumerate(edited):
        cuts += detector.process_frame(FrameTimecode(index, 25.0), np.ascontiguousarray(frame[..., ::-1]))
    assert [0, *(cut.frame_num for cut in cuts)] == find_shots(edited)
