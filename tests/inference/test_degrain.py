"""Grain that a spatial recovery has left is averaged along the motion; picture, level and colour are not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.inference.test_shimmer import check_chunks, slowly
from tests.inference.test_steady import make_model, panned, written

from film_elements.clip import moving_still
from film_recovery.contract.card import ModelCard
from film_recovery.contract.errors import UsageError
from film_recovery.contract.steady import BESIDE
from film_recovery.images.colour import rgb_to_ycbcr
from film_recovery.images.encodings import decode, encode
from film_recovery.images.frame import Frame
from film_recovery.images.io import read_frame, write_frame
from film_recovery.images.sequence import open_sequence
from film_recovery.inference.beside import may_steady
from film_recovery.inference.degrain import Averaged, average, coded_luma, with_luma_change
from film_recovery.inference.grain import with_grain
from film_recovery.inference.sequence import apply_model
from film_recovery.inference.shimmer import tie
from film_recovery.inference.steady import NO_DEVIATION, small_picture

CARD = ModelCard("t", "spatial", "chroma", "display", "709", None, "small", 0, 16, 1)
GRAIN = 0.02  # coded
FloatArray = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "spatial.onnx", "spatial")


def grainy(frames: list[FloatArray], size: float = GRAIN) -> list[FloatArray]:
    """Frames with grain of two pixels, of luma, another one in every frame."""
    random, found = np.random.default_rng(11), []
    for frame in frames:
        grain = cv2.GaussianBlur(random.normal(0.0, 1.0, frame.shape[:2]).astype(np.float32), (0, 0), 0.7)
        coded = encode(frame, "display") + size / grain.std() * grain[..., None]
        found.append(np.asarray(decode(coded, "display"), np.float32))
    return found


def averaged(frames: list[FloatArray], frame: int) -> Averaged:
    """A frame averaged with those beside it, as far as they are tied."""
    pictures = [small_picture(one, "display") for one in frames]
    near = [at for at in range(max(frame - BESIDE, 0), min(frame + BESIDE + 1, len(frames))) if at != frame]
    ties = [(tie(pictures[frame], pictures[at], (NO_DEVIATION, NO_DEVIATION), at), at) for at in near]
    return average(luma(frames[frame]), [(one, luma(frames[at])) for one, at in ties if one is not None])


def luma(frame: FloatArray) -> FloatArray:
    return coded_luma(frame, CARD)


def rms(picture: FloatArray) -> float:
    return float(np.sqrt(np.square(picture).mean()))


@pytest.mark.parametrize("moves", [False, True], ids=["still", "panned"])
def test_grain_falls_as_an_average_of_five_does(photograph: FloatArray, moves: bool) -> None:
    frames = slowly(photograph) if moves else [panned(photograph, 1)[0]] * 9
    noisy, truth = grainy(frames), luma(frames[4])
    found = averaged(noisy, 4)
    result = luma(noisy[4]) + found.change
    assert rms(result - truth) < (0.735 if moves else 0.65) * rms(luma(noisy[4]) - truth)  # 1 / sqrt(5) = 0.45
    assert 0.2 <= found.left < 0.3  # of three frames at least a third is left
    if not moves:  # what flow gets wrong is not grain
        assert found.left**0.5 == pytest.approx(rms(result - truth) / GRAIN, abs=0.15)


def test_motion_is_followed_in_pictures_larger_than_the_flow_is_taken_of(photograph: FloatArray) -> None:
    height, width = photograph.shape[:2]
    large = np.asarray(cv2.resize(photograph, (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC), np.float32).clip(0.0)
    frames = [large[3 * at : 3 * at + 600, 8 * at : 8 * at + 1100] for at in range(5)]
    noisy, truth = grainy(frames), luma(frames[2])
    result = luma(noisy[2]) + averaged(noisy, 2).change
    assert rms(result - truth) < 0.7 * rms(luma(noisy[2]) - truth)


def test_bars_tell_nothing_of_grain(photograph: FloatArray) -> None:
    still, noisy = panned(photograph, 1)[0], grainy([panned(photograph, 1)[0]] * 5)
    bar = len(still) // 5
    for frame in (still, *noisy):
        frame[:bar] = frame[-bar:] = 0.0
    found, inside = averaged(noisy, 2), slice(bar, -bar)
    before, after = ((picture - luma(still))[inside] for picture in (luma(noisy[2]), luma(noisy[2]) + found.change))
    assert rms(after) < 0.735 * rms(before) and found.left**0.5 == pytest.approx(rms(after) / rms(before), abs=0.15)
    black = averaged([np.zeros_like(still)] * 3, 1)
    assert not black.change.any() and black.left == pytest.approx(1 / 3)


def test_without_grain_detail_stays(photograph: FloatArray) -> None:
    frames = slowly(photograph)
    assert rms(averaged(frames, 4).change) < 0.006  # what interpolation costs


def test_level_flicker_and_flashes_stay(photograph: FloatArray) -> None:
    frames = slowly(photograph)
    gains = [1.0, 1.02, 0.97, 1.03, 1.6, 0.98, 1.01, 0.97, 1.0]
    for middle in (3, 4):
        change = averaged([frame * np.float32(gain) for frame, gain in zip(grainy(frames), gains, strict=True)], middle).change
        assert np.abs(cv2.blur(change, (48, 48))).max() < 0.003
        assert abs(float(change.mean())) < 1e-4


def test_a_cut_and_things_that_come_and_go_leave_no_ghost(photograph: FloatArray, portrait: FloatArray) -> None:
    first, second = panned(photograph, 1)[0], panned(portrait, 1)[0]
    found = averaged([first] * 3 + [second] * 3, 3)
    assert rms(found.change) < 1e-4
    flashing = [frame.copy() for frame in [first] * 5]
    flashing[2][40:90, 60:120] = second[40:90, 60:120]  # in one frame only
    assert rms(averaged(flashing, 2).change[40:90, 60:120]) < 0.01 < rms(luma(flashing[2]) - luma(first))


def test_frames_of_another_size_count_nothing(photograph: FloatArray) -> None:
    frames = grainy(slowly(photograph, 3))
    larger = np.asarray(cv2.resize(frames[0], None, fx=2.0, fy=2.0), np.float32)
    mixed, without = averaged([larger, *frames[1:]], 1), averaged(frames[1:], 0)
    assert np.array_equal(mixed.change, without.change) and mixed.left == without.left < 1.0


def test_colour_stays_where_luma_is_changed(photograph: FloatArray) -> None:
    frames = grainy(slowly(photograph))
    change = averaged(frames, 4).change
    before, after = (
        rgb_to_ycbcr(encode(one, "display"), "709") for one in (frames[4], with_luma_change(frames[4], change, CARD))
    )
    assert np.abs(after[..., 1:] - before[..., 1:]).max() < 2e-5
    assert np.abs(after[..., 0] - before[..., 0] - change).max() < 2e-5


@settings(max_examples=20)
@example(height=8, width=8)
@example(height=33, width=32)
@example(height=16, width=1100)
@given(height=st.integers(1, 70), width=st.integers(1, 70))
def test_pictures_of_any_size(height: int, width: int) -> None:
    random = np.random.default_rng(height * 100 + width)
    frames = [random.uniform(0.2, 0.6, (height, width, 3)).astype(np.float32) for _ in range(3)]
    found = averaged(frames, 1)
    assert found.change.shape == (height, width) and np.isfinite(found.change).all() and 0.0 < found.left <= 1.0


@settings(max_examples=6)
@given(parts=st.lists(st.sampled_from(range(3)), min_size=8, max_size=8))
def test_any_chunks_equal_the_whole(
    model: Path, photograph: FloatArray, tmp_path_factory: pytest.TempPathFactory, parts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("chunks")
    moving = grainy([np.maximum(one, 0.01) for one in list(moving_still(photograph, (96, 64), 40, 0.8))[16:24]])  # cut at 20
    check_chunks(model, moving, parts, folder)


def test_a_spatial_recovery_is_averaged_towards_what_it_is_without_grain_and_says_so(
    photograph: FloatArray, tmp_path: Path
) -> None:
    model, frames = make_model(tmp_path / "plain.onnx", "spatial", spread=0.0), slowly(photograph)
    clean = open_sequence(written(tmp_path / "clean", dict(enumerate(frames, start=1001))))
    sequence = open_sequence(written(tmp_path / "in", dict(enumerate(grainy(frames), start=1001))))
    apply_model(model, clean, tmp_path / "truth" / "r.####.exr", [1001, 1005, 1009], pixel_type="float", steady=False)
    apply_model(model, sequence, tmp_path / "on" / "r.####.exr", pixel_type="float")
    apply_model(model, sequence, tmp_path / "off" / "r.####.exr", pixel_type="float", steady=False)
    single = [read_frame(tmp_path / "off" / f"r.{frame}.exr") for frame in range(1001, 1010)]
    for frame in (1001, 1005, 1009):
        found = read_frame(tmp_path / "on" / f"r.{frame}.exr")
        assert "film_recovery/beside" in found.metadata and "film_recovery/steadied" not in found.metadata
        assert "film_recovery/beside" not in single[frame - 1001].metadata
        truth = luma(read_frame(tmp_path / "truth" / f"r.{frame}.exr").rgb)
        before, after = (rgb_to_ycbcr(encode(one.rgb, "display"), "709") for one in (single[frame - 1001], found))
        assert np.abs(after[..., 1:] - before[..., 1:]).max() < 1e-4
        assert rms(after[..., 0] - truth) < (0.72 if frame == 1005 else 0.82) * rms(before[..., 0] - truth)


def test_a_frame_is_done_again_when_one_beside_it_becomes_another(model: Path, photograph: FloatArray, tmp_path: Path) -> None:
    frames = slowly(photograph)
    source, output = written(tmp_path / "in", dict(enumerate(frames, start=1001))), tmp_path / "out" / "r.####.exr"
    apply_model(model, open_sequence(source), output)
    assert apply_model(model, open_sequence(source), output, skip_existing=True).done == []
    write_frame(tmp_path / "in" / "scan.1009.exr", Frame.from_rgb(frames[8] * np.float32(1.001), "float"), "float")
    assert apply_model(model, open_sequence(source), output, skip_existing=True).done == [1007, 1008, 1009]


def test_the_sources_grain_is_not_averaged_away_and_put_back(model: Path, photograph: FloatArray, tmp_path: Path) -> None:
    sequence = open_sequence(written(tmp_path / "in", dict(enumerate(slowly(photograph, 2), start=1001))))
    with pytest.raises(UsageError, match="does not tell of grain"):
        apply_model(model, sequence, tmp_path / "out" / "r.####.exr", grain="source")
    card = ModelCard(**{**vars(CARD), "grain": _grain()})
    assert not may_steady(card, None, "source") and may_steady(card, None, "reference")
    with pytest.raises(UsageError, match="leave one of them out"):
        may_steady(card, True, "source")


def test_made_grain_makes_up_for_what_averaging_took() -> None:
    card = ModelCard(**{**vars(CARD), "encoding": "none", "grain": _grain()})
    flat = np.full((256, 256, 3), 0.5, np.float32)
    powers = [float(np.var(with_grain(flat, flat, card, "reference", 3, left)[..., 0])) for left in (1.0, 0.25)]
    assert powers[1] / powers[0] == pytest.approx((4.0 - 0.25 * 3.0) / (4.0 - 3.0), rel=0.02)


def _grain() -> dict[str, list[float]]:
    return {
        "frequency": [0.05, 0.25, 0.45], "source": [4e-4] * 3, "reference": [4e-4] * 3, "recovered": [3e-4] * 3,
        "level": [0.25, 0.75], "strength": [1.0, 1.0], "softness": [1.0],
    }  # fmt: skip
