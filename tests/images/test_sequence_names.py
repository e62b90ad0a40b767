from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest

from film_recovery.contract.errors import FrameRangeError, InputError, MissingFrameError, UsageError
from film_recovery.images.frame import Frame
from film_recovery.images.io import read_frame, write_frame
from film_recovery.images.ranges import parse_frames
from film_recovery.images.sequence import open_sequence, output_path, require_token


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    "pattern",
    ["100%done.####.exr", "[a] b (c).%04d.exr", "x#y.@@@@.exr", "Größe ü.####.exr", "a+b^$.####.exr", "%d%s.%04d.exr"],
)
def test_odd_patterns_find_what_they_write(pattern: str, tmp_path: Path) -> None:
    folder = tmp_path / "Söhne [1] & 50%"
    names = [output_path(folder / pattern, frame).name for frame in (7, 8, 12345)]
    assert names[0] == pattern.replace("####", "0007").replace("@@@@", "0007").replace("%04d", "0007")
    touch(folder, *names, "other.0007.exr")
    assert open_sequence(folder / pattern).frames == [7, 8, 12345]


@pytest.mark.parametrize("name", ["x" * 300 + ".exr", "x" * 300 + ".####.exr"])
def test_what_the_system_refuses_to_look_at_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        open_sequence(tmp_path / ("y" * 300) / name)
    with pytest.raises(InputError, match=r"cannot be read|does not exist|No frame"):
        open_sequence(tmp_path / name)
    with pytest.raises(InputError, match="cannot be read"):
        read_frame(tmp_path / name)


def test_umlauts_are_found_however_they_were_composed(tmp_path: Path) -> None:
    touch(tmp_path, unicodedata.normalize("NFD", "Straße für.0001.exr"))
    assert open_sequence(tmp_path / unicodedata.normalize("NFC", "Straße für.####.exr")).frames == [1]


def test_padding_decides_which_files_belong(tmp_path: Path) -> None:
    touch(tmp_path, "a.1.exr", "a.01.exr", "a.0001.exr", "a.00002.exr", "a.10000.exr", "a.-001.exr", "a.-0002.exr", "a.x.exr")
    assert open_sequence(tmp_path / "a.####.exr").frames == [-2, -1, 1, 10000]
    assert open_sequence(tmp_path / "a.#.exr").frames == [1, 10000]
    assert open_sequence(tmp_path / "a.%d.exr").frames == [1, 10000]
    assert open_sequence(tmp_path / "a.%02d.exr").frames == [1, 10000]


@pytest.mark.parametrize(
    ("names", "frames"),
    [
        (["shot-0012.exr", "shot-0013.exr"], [12, 13]),  # a dash that separates is no minus sign
        (["shot.-0002.exr", "shot.-0001.exr", "shot.0000.exr"], [-1, -2, 0]),
        (["A001_0012_v2.exr", "A001_0013_v2.exr"], [12, 13]),
        (["0005.exr", "0010.exr"], [5, 10]),
        (["beach_0002.exr", "cliff_0001.exr"], [1, 2]),  # names that differ in more than a number
        (["r1_0001.exr", "r2_0002.exr"], [1, 2]),
        (["scan20240101123000.exr", "scan20240101123500.exr"], [1, 2]),  # times are no frame numbers
        (["still.0042.exr"], [42]),
        (["poster.exr"], [1]),
    ],
)
def test_a_folder_is_numbered_by_what_differs_in_its_names(names: list[str], frames: list[int], tmp_path: Path) -> None:
    touch(tmp_path, *names, "._" + names[0], "notes.txt", "Thumbs.db")
    sequence = open_sequence(tmp_path)
    assert [frame for _, frame in sorted((path.name, frame) for frame, path in sequence.files.items())] == frames
    assert sequence.frames == sorted(frames)


def test_a_date_among_the_frame_numbers_is_one_gap_and_not_millions_of_frames(tmp_path: Path) -> None:
    touch(tmp_path, "scan.1001.exr", "scan.1002.exr", "scan.1004.exr", "scan.20260714.exr")
    sequence = open_sequence(tmp_path)
    assert sequence.missing == "1003,1005-20260713"


def test_a_single_still_is_a_sequence_of_its_own_number(tmp_path: Path) -> None:
    write_frame(tmp_path / "scan-0100.exr", Frame.from_rgb(np.ones((4, 4, 3))))
    sequence = open_sequence(tmp_path / "scan-0100.exr")
    assert (sequence.frames, sequence.missing, sequence.is_movie, sequence.fps) == ([100], "", False, None)
    assert sequence.read(100).rgb.shape == (4, 4, 3)


def test_a_folder_of_several_kinds_is_not_guessed_at(tmp_path: Path) -> None:
    touch(tmp_path, "a.0001.exr", "a.0001.png")
    with pytest.raises(InputError, match=r"several kinds of images \(\.exr, \.png\); name one"):
        open_sequence(tmp_path)


def test_a_misspelt_name_is_answered_with_the_nearest(tmp_path: Path) -> None:
    touch(tmp_path, "aardvark.0001.exr", "internegative_0001.exr", "clip_v02.mov")
    with pytest.raises(MissingFrameError, match=f"No frame matches .* in {tmp_path}; .* for instance internegative_0001.exr"):
        open_sequence(tmp_path / "internegativ_####.exr")
    with pytest.raises(MissingFrameError, match=r"clip_v01\.mov does not exist; .* for instance clip_v02\.mov"):
        open_sequence(tmp_path / "clip_v01.mov")
    with pytest.raises(MissingFrameError, match="holds no images"):
        open_sequence(touch(tmp_path / "empty") / "a.####.exr")
    with pytest.raises(MissingFrameError, match=r"The folder .*none does not exist; check the path of a\.exr"):
        open_sequence(tmp_path / "none" / "a.exr")


def test_one_frame_may_be_written_under_a_plain_name(tmp_path: Path) -> None:
    require_token(tmp_path / "one.exr", 1)
    with pytest.raises(UsageError, match="needs a place for the frame number"):
        require_token(tmp_path / "one.exr", 2)
    with pytest.raises(UsageError, match="a suffix"):
        require_token(tmp_path / "review.####.jpg")


@pytest.mark.parametrize("text", ["5x2", "1-10x-2", "1-10,", "1,,2", "١-٣", "1-10 x2", "--1"])
def test_ranges_are_taken_only_as_nuke_takes_them(text: str) -> None:
    if text in ("1-10,", "1,,2"):
        assert parse_frames(text)  # an empty part says nothing
        return
    with pytest.raises(FrameRangeError):
        parse_frames(text)


def test_a_range_beyond_all_films_is_refused() -> None:
    with pytest.raises(FrameRangeError, match="too many frames"):
        parse_frames("1-99999999999")
