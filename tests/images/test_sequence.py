from __future__ import annotations

import os
from pathlib import Path

import fileseq
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from film_recovery.contract.errors import FrameRangeError, InputError, MissingFrameError, UnreadableImageError, UsageError
from film_recovery.images.frame import Frame
from film_recovery.images.io import write_frame
from film_recovery.images.movie import write_movie
from film_recovery.images.ranges import counted, format_frames, parse_frames
from film_recovery.images.sequence import open_sequence, output_path, require_token

PICTURE = np.full((8, 12, 3), 0.25, np.float32)


def write(folder: Path, *names: str) -> Path:
    for name in names:
        write_frame(folder / name, Frame.from_rgb(PICTURE))
    return folder


def test_ranges_are_read_as_nuke_writes_them() -> None:
    assert parse_frames("1-10x2,15") == [1, 3, 5, 7, 9, 15]
    assert parse_frames("-5--2, 0 3") == [-5, -4, -3, -2, 0, 3]


def test_one_is_not_spoken_of_as_many() -> None:
    assert [counted(count, "frame") for count in (0, 1, 2)] == ["0 frames", "1 frame", "2 frames"]


@pytest.mark.parametrize("text", ["", "1-10y3", "1-10:3", "a", "1-", "1..5", "1-10x0"])
def test_ranges_that_nuke_does_not_know_are_refused(text: str) -> None:
    with pytest.raises(FrameRangeError, match="write for instance"):
        parse_frames(text)


@given(st.sets(st.integers(-300, 30000), min_size=1, max_size=40))
def test_ranges_round_trip_and_agree_with_fileseq(frames: set[int]) -> None:
    text = format_frames(frames)
    assert parse_frames(text) == sorted(frames) == sorted(fileseq.FrameSet(text))


@pytest.mark.parametrize("pattern", ["a.####.exr", "a.%04d.exr", "a.@@@@.exr"])
def test_patterns_find_negative_long_and_missing_frames(pattern: str, tmp_path: Path) -> None:
    write(tmp_path, "a.-002.exr", "a.0007.exr", "a.12345.exr", "b.0003.exr", "a.03.exr")
    sequence = open_sequence(tmp_path / pattern)
    assert sequence.frames == [-2, 7, 12345]
    assert sequence.missing == "-1-6,8-12344"
    assert np.allclose(sequence.read(7).rgb, PICTURE)
    with pytest.raises(MissingFrameError, match="no frame 8"):
        sequence.read(8)


def test_frames_whose_names_are_not_utf8_are_refused_by_name(tmp_path: Path) -> None:
    """As from a disk of Latin-1 days; OpenImageIO cannot open them."""
    written = write(tmp_path, "cafe.0001.png") / "cafe.0001.png"
    os.rename(written, os.fsencode(tmp_path) + b"/caf\xe9.0001.png")
    with pytest.raises(InputError, match=r"caf\\udce9.0001.png' is not UTF-8.*rename"):
        open_sequence(tmp_path)


@given(st.integers(-9999, 123456), st.sampled_from(["x.####.exr", "x.%04d.exr", "x.#.exr", "x.%d.exr"]))
def test_output_names_match_the_patterns_that_made_them(frame: int, pattern: str) -> None:
    expected = fileseq.FileSequence("/" + pattern, pad_style=fileseq.PAD_STYLE_HASH1).frame(frame)
    assert str(output_path("/" + pattern, frame)) == expected


def test_a_folder_of_stills_goes_in_name_order(tmp_path: Path) -> None:
    write(tmp_path, "beach.exr", "alps.exr", "city.exr")
    sequence = open_sequence(tmp_path)
    assert sequence.frames == [1, 2, 3]
    assert [path.name for path in (sequence.path(n) for n in sequence.frames) if path] == ["alps.exr", "beach.exr", "city.exr"]


def test_a_folder_of_numbered_stills_keeps_its_numbers(tmp_path: Path) -> None:
    write(tmp_path, "shot.1005.exr", "shot.1001.exr")
    assert open_sequence(tmp_path).frames == [1001, 1005]


def test_a_movie_is_read_to_the_frame(tmp_path: Path) -> None:
    frames = [np.full((32, 48, 3), 20 + 20 * n, np.uint8) for n in range(8)]
    write_movie(tmp_path / "m.mp4", frames, 25.0)
    sequence = open_sequence(tmp_path / "m.mp4")
    assert (sequence.is_movie, sequence.frames, sequence.fps) == (True, list(range(1, 9)), 25.0)
    for frame in (5, 2, 8, 1):
        assert abs(float(sequence.read(frame).rgb.mean()) * 255 - (20 + 20 * (frame - 1))) < 4
    assert sequence.read(1).is_coded


def test_what_is_not_there_is_told_with_what_is(tmp_path: Path) -> None:
    write(tmp_path, "a.0001.exr")
    with pytest.raises(MissingFrameError, match=r"for instance a\.0001\.exr"):
        open_sequence(tmp_path / "b.####.exr")
    with pytest.raises(MissingFrameError, match=r"folder .* does not exist"):
        open_sequence(tmp_path / "none" / "b.####.exr")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no images"):
        open_sequence(tmp_path / "empty")
    (tmp_path / "bad.mp4").write_bytes(b"no movie")
    with pytest.raises(UnreadableImageError, match="cannot be read as a movie"):
        open_sequence(tmp_path / "bad.mp4")
    with pytest.raises(UsageError, match="place for the frame number"):
        require_token(tmp_path / "out.exr")
