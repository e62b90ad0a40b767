"""The sequences on disk: which frames there are, what their headers say, and that a second run gives the same bytes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import OpenImageIO
import pytest

from film_elements import clip, parameters, write
from film_elements.elements import ElementSimulator
from film_elements.parameters import ElementPair
from film_recovery.contract.errors import InputError, StoppedError
from film_recovery.contract.progress import SilentReporter
from film_recovery.images.sequence import open_sequence

FloatArray = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def frames(photograph: FloatArray) -> list[FloatArray]:
    """8 frames of 160x90."""
    return list(clip.moving_still(photograph, (160, 90), 8))


@pytest.fixture(scope="module")
def written(frames: list[FloatArray], tmp_path_factory: pytest.TempPathFactory) -> write.WrittenElements:
    """The demonstration's elements of those frames."""
    return write.write_elements(frames, tmp_path_factory.mktemp("elements"), seed=5)


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below ``folder``."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_internegative_lacks_its_last_quarter(written: write.WrittenElements) -> None:
    assert open_sequence(written.sharp).frames == list(range(1001, 1007)) == written.sharp_frames
    for pattern in (written.colourful, written.sharp_truth, written.colourful_truth):
        assert open_sequence(pattern).frames == list(range(1001, 1009)) == written.frames
    folder = written.record.parent
    assert written.sharp == folder / "internegative_35mm" / "internegative.####.exr"
    assert written.colourful == folder / "print_16mm" / "print.####.exr"


def test_time_code_and_rate_are_in_the_files(written: write.WrittenElements) -> None:
    sequence = open_sequence(written.colourful)
    assert sequence.fps == 25.0
    for frame, expected in ((1001, "00:00:40:01"), (1008, "00:00:40:08")):
        image = OpenImageIO.ImageInput.open(str(sequence.path(frame)))
        assert image is not None
        assert image.spec().get_string_attribute("smpte:TimeCode") == expected
        assert str(image.spec().format) == "half"
        assert image.spec().get_string_attribute("compression") == "zip"
        image.close()


@pytest.mark.parametrize(
    ("frame", "fps", "text"), [(0, 25.0, 0x00000000), (90_000, 25.0, 0x01000000), (59 * 24 + 23, 24.0, 0x00005923)]
)
def test_time_codes_count_in_binary_coded_decimal(frame: int, fps: float, text: int) -> None:
    assert write.time_code(frame, fps) == (text, 0)


def test_the_same_arguments_give_the_same_bytes(
    written: write.WrittenElements, frames: list[FloatArray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "_WORKERS", 1)
    write.write_elements(iter(frames), tmp_path, seed=5, count=8)
    assert hashes(tmp_path) == hashes(written.record.parent)


def test_the_files_hold_what_was_simulated(written: write.WrittenElements, frames: list[FloatArray]) -> None:
    made = ElementSimulator(parameters.print_16mm(), (160, 90), 5).simulate(frames[7], 1008)
    for pattern, picture in ((written.colourful, made.scan), (written.colourful_truth, made.truth)):
        read = open_sequence(pattern).read(1008).rgb
        np.testing.assert_array_equal(read, picture.astype(np.float16).astype(np.float32))


def test_the_record_tells_seed_parameters_geometry_and_credit(written: write.WrittenElements) -> None:
    record = json.loads(written.record.read_text(encoding="utf-8"))
    assert record["credit"] == "Big Buck Bunny, (c) Blender Foundation, CC-BY 3.0"
    assert (record["seed"], record["fps"], record["size"], record["frames"]) == (5, 25.0, [160, 90], [1001, 1008])
    sharp, colourful = record["elements"]["sharp"], record["elements"]["colourful"]
    assert sharp["frames"] == [1001, 1006]
    assert sharp["parameters"]["fading"]["kept"] == [0.35, 0.9, 0.6]
    assert (written.record.parent / colourful["sequence"]).parent.is_dir()
    told = np.array(colourful["geometry"]["1008"]["matrix"])
    done = ElementSimulator(parameters.print_16mm(), (160, 90), 5).geometry(1008).matrix
    np.testing.assert_array_equal(told, done)
    assert str(written.record.parent) not in written.record.read_text(encoding="utf-8")


def test_a_clip_of_another_length_than_said_is_refused(frames: list[FloatArray], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ended after 8 of 9"):
        write.write_elements(iter(frames), tmp_path / "short", count=9)
    with pytest.raises(InputError, match="more than the 7"):
        write.write_elements(iter(frames), tmp_path / "long", count=7)
    with pytest.raises(InputError, match="no frames"):
        write.write_elements([], tmp_path / "none")


def test_frames_of_two_sizes_are_refused(frames: list[FloatArray], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Frame 2 of the clip is 80x90, not 160x90"):
        write.write_elements([frames[0], frames[1][:, :80]], tmp_path)


def test_two_elements_of_one_gauge_are_refused(frames: list[FloatArray], tmp_path: Path) -> None:
    twice = ElementPair(parameters.print_16mm(), parameters.print_16mm())
    with pytest.raises(InputError, match="Both elements are 16mm"):
        write.write_elements(frames, tmp_path, twice)


class _StopsAtOnce(SilentReporter):
    def should_stop(self) -> bool:
        return True


def test_stopping_leaves_no_record(frames: list[FloatArray], tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        write.write_elements(frames, tmp_path, reporter=_StopsAtOnce())
    assert not (tmp_path / "elements.json").exists()


def test_a_cut_element_is_numbered_anew_and_the_record_tells_what_it_shows(
    frames: list[FloatArray], written: write.WrittenElements, tmp_path: Path
) -> None:
    cuts = (write.Cut(frozenset({0, 3}), 1), write.Cut(frozenset({2}), 501))
    cut = write.write_elements(frames, tmp_path, seed=5, cuts=cuts)
    assert open_sequence(cut.sharp).frames == cut.sharp_frames == [1, 2, 3, 4]  # of six, before the missing quarter
    assert open_sequence(cut.colourful).frames == cut.frames == list(range(501, 508))
    shows = {role: of["shows"] for role, of in json.loads(cut.record.read_text(encoding="utf-8"))["elements"].items()}
    assert shows["sharp"] == {"1": 1002, "2": 1003, "3": 1005, "4": 1006}
    assert shows["colourful"]["503"] == 1004
    for number, frame in ((3, 1005), (4, 1006)):  # the same pictures as in the whole element
        assert np.array_equal(open_sequence(cut.sharp).read(number).rgb, open_sequence(written.sharp).read(frame).rgb)
    for truth, whole in ((cut.sharp_truth, written.sharp_truth), (cut.colourful_truth, written.colourful_truth)):
        assert open_sequence(truth).frames == open_sequence(whole).frames
        assert np.array_equal(open_sequence(truth).read(1004).rgb, open_sequence(whole).read(1004).rgb)


def test_a_cut_that_leaves_nothing_is_refused(frames: list[FloatArray], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cut less"):
        write.write_elements(frames, tmp_path, cuts=(write.Cut(frozenset(range(8))), write.Cut()))
