from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import OpenImageIO
import pytest

from film_recovery.contract.errors import InputError, UsageError, VerificationError
from film_recovery.contract.job import TrainingJob
from film_recovery.images.frame import Frame, Window
from film_recovery.images.io import read_frame, write_frame
from film_recovery.images.sequence import open_sequence
from film_recovery.pairs.rules import Finding, Range, raise_on_errors, thumbnail, verify_held_out, verify_range
from film_recovery.pairs.verify import verify_job

JobMaker = Callable[..., TrainingJob]


@pytest.fixture
def reference(job: JobMaker) -> Callable[[int], Frame]:
    """Reads a frame of the reference, to be written changed."""
    return open_sequence(job().reference).read


def errors(found: list[Finding]) -> list[str]:
    return [finding.message for finding in found if finding.severity == "error"]


def warnings(found: list[Finding]) -> list[str]:
    return [finding.message for finding in found if finding.severity == "warning"]


def test_sound_inputs_give_no_finding_and_write_nothing(job: JobMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert verify_job(job()) == []
    assert list(tmp_path.iterdir()) == []


def test_the_offset_pairs_other_frames(job: JobMaker) -> None:
    (text,) = errors(verify_job(job(frames=[1001], held_out=[], reference_offset=9)))
    assert text.startswith("Source frame 1001 and reference frame 1010 do not seem to show the same picture")


def test_a_missing_frame_is_named_with_what_there_is(job: JobMaker) -> None:
    found = errors(verify_job(job(frames=[1001, 1200])))
    assert len(found) == 2  # one for each element
    assert all("no frame 1200" in text and "1001-1010" in text for text in found)


def changed_element(folder: Path, frames: dict[int, Frame]) -> str:
    for number, frame in frames.items():
        write_frame(folder / f"changed.{number:04d}.exr", frame, pixel_type="float")
    return str(folder / "changed.####.exr")


def test_nan_pixels_are_counted_and_the_frame_named(job: JobMaker, reference: Callable[[int], Frame], tmp_path: Path) -> None:
    bad = reference(1008)
    bad.rgb[4, 5:8, 1] = np.nan
    files = changed_element(tmp_path, {1001: reference(1001), 1004: reference(1004)})
    # Our own writer refuses NaN.
    image = OpenImageIO.ImageBuf(OpenImageIO.ImageSpec(bad.rgb.shape[1], bad.rgb.shape[0], 3, "float"))
    image.set_pixels(OpenImageIO.ROI(), bad.rgb)
    assert image.write(str(tmp_path / "changed.1008.exr"))
    (text,) = errors(verify_job(job(reference=files)))
    assert "Frame 1008 of the reference has 3 pixels that are NaN or infinite" in text


def test_a_truncated_frame_is_an_error_of_that_frame(job: JobMaker, reference: Callable[[int], Frame], tmp_path: Path) -> None:
    files = changed_element(tmp_path, {number: reference(number) for number in (1001, 1004, 1008)})
    path = tmp_path / "changed.1004.exr"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (found,) = [finding for finding in verify_job(job(reference=files)) if finding.severity == "error"]
    assert found.frame == 1004
    assert "changed.1004.exr" in found.message


def test_mixed_sizes_in_one_element_are_an_error(job: JobMaker, reference: Callable[[int], Frame], tmp_path: Path) -> None:
    files = changed_element(
        tmp_path, {1001: reference(1001), 1004: reference(1004), 1008: Frame.from_rgb(reference(1008).rgb[:-10])}
    )
    found = errors(verify_job(job(reference=files)))
    assert any("mixes sizes: frame 1001 is 208x144, frame 1008 is 208x134" in text for text in found)


def test_two_sizes_need_the_alignment(job: JobMaker, reference: Callable[[int], Frame], tmp_path: Path) -> None:
    frames = {}
    for number in (1001, 1004, 1008):
        larger = cv2.resize(reference(number).rgb, (312, 216), interpolation=cv2.INTER_CUBIC)
        frames[number] = Frame.from_rgb(larger)
    files = changed_element(tmp_path, frames)
    (text,) = errors(verify_job(job(reference=files, align="none")))
    assert "208x144" in text
    assert "312x216" in text
    assert errors(verify_job(job(reference=files))) == []


def test_data_windows_that_lie_elsewhere_need_the_alignment(
    job: JobMaker, reference: Callable[[int], Frame], tmp_path: Path
) -> None:
    frames = {number: reference(number) for number in (1001, 1004, 1008)}
    for frame in frames.values():
        frame.display_window = Window(10, 20, 240, 180)
        frame.data_window = Window(16, 24, 208, 144)
    (text,) = errors(verify_job(job(reference=changed_element(tmp_path, frames), align="none")))
    assert text.startswith("The source is 208x144 at 0,0 and the reference 208x144 at 6,4; bring them to one size and data")
    assert errors(verify_job(job(reference=changed_element(tmp_path, frames)))) == []
    frames[1008].data_window = Window(17, 24, 208, 144)
    (text,) = errors(verify_job(job(reference=changed_element(tmp_path, frames), align="none")))
    assert "The reference mixes data windows: frame 1001 is 208x144 at 6,4, frame 1008 is 208x144 at 7,4; bring" in text
    assert errors(verify_job(job(reference=changed_element(tmp_path, frames)))) == []


def test_identical_input_and_target_are_an_error(job: JobMaker) -> None:
    found = errors(verify_job(job(reference=job().source)))
    assert any("frame 1001 are identical" in text for text in found)


def test_other_pictures_are_an_error_naming_the_frame(job: JobMaker, portrait: np.ndarray, tmp_path: Path) -> None:
    tops = {1001: 0, 1004: 150, 1008: 300}
    frames = {number: Frame.from_rgb(portrait[top : top + 144, 100:308]) for number, top in tops.items()}
    found = verify_job(job(reference=changed_element(tmp_path, frames)))
    assert sum("do not seem to show the same picture" in text for text in errors(found)) == 3
    as_is = verify_job(job(task="as-is", reference=changed_element(tmp_path, frames)))
    assert errors(as_is) == []
    assert len(warnings(as_is)) == 3


def test_an_unaligned_reference_is_a_warning(job: JobMaker) -> None:
    found = verify_job(job(align="none"))
    assert errors(found) == []
    assert any("clearly not aligned" in text for text in warnings(found))


def test_alpha_is_a_warning(job: JobMaker, reference: Callable[[int], Frame], tmp_path: Path) -> None:
    frames = {number: reference(number) for number in (1001, 1004, 1008)}
    for frame in frames.values():
        frame.extra["A"] = np.ones(frame.rgb.shape[:2], np.float32)
    found = verify_job(job(reference=changed_element(tmp_path, frames)))
    assert errors(found) == []
    assert any("alpha channel (frames 1001" in text for text in warnings(found))


def test_pictures_too_small_to_train_on_are_an_error(job: JobMaker, reference: Callable[[int], Frame], tmp_path: Path) -> None:
    frames = {number: Frame.from_rgb(reference(number).rgb[:, :3]) for number in (1001, 1004, 1008)}
    files = changed_element(tmp_path, frames)
    assert any("is 3x144 pixels; at least 32" in text for text in errors(verify_job(job(source=files, reference=files))))


def test_coded_against_linear_is_one_sentence(job: JobMaker, reference: Callable[[int], Frame], tmp_path: Path) -> None:
    for number in (1001, 1004, 1008):
        write_frame(tmp_path / f"print.{number}.png", Frame.from_rgb(np.clip(reference(number).rgb, 0, 1)), pixel_type="uint8")
    with pytest.raises(InputError, match=r"source holds linear values \(float\) and the reference coded ones \(uint8\)"):
        verify_job(job(reference=str(tmp_path / "print.####.png")))


def test_an_encoding_that_is_not_for_the_files_is_refused(
    job: JobMaker, reference: Callable[[int], Frame], tmp_path: Path
) -> None:
    for number in (1001, 1004, 1008):
        write_frame(tmp_path / f"print.{number}.png", Frame.from_rgb(np.clip(reference(number).rgb, 0, 1)))
    files = str(tmp_path / "print.####.png")
    with pytest.raises(InputError, match=r"print\.1001\.png holds coded values \(uint16\), and the encoding log is for linear"):
        verify_job(job(source=files, reference=files, encoding="log"))


def test_elements_without_a_common_frame_are_refused(job: JobMaker) -> None:
    with pytest.raises(InputError, match="share no frames"):
        verify_job(job(frames=[], held_out=[], reference_offset=500))


def test_one_frame_on_both_sides_is_refused(job: JobMaker) -> None:
    with pytest.raises(UsageError, match="Frame 1001 is on both sides"):
        verify_job(job(held_out=[1001]))


def test_a_crop_outside_the_picture_is_an_error(job: JobMaker) -> None:
    assert any("reaches beyond" in text for text in errors(verify_job(job(crop=[100, 0, 200, 100]))))
    assert any("Only 16x16 pixels" in text for text in errors(verify_job(job(crop=[100, 50, 16, 16]))))


def test_a_crop_that_takes_in_a_border_of_the_reference_is_a_warning(
    job: JobMaker, reference: Callable[[int], Frame], tmp_path: Path
) -> None:
    bordered = {}
    for number in (1001, 1004, 1008):
        bordered[number] = reference(number)
        bordered[number].rgb[:, -24:] = 0.0
    wanted = {"frames": [1001, 1008], "held_out": [1004], "reference": changed_element(tmp_path, bordered)}
    height, width = bordered[1001].rgb.shape[:2]
    (text,) = warnings(verify_job(job(**wanted, crop=[40, 20, width - 48, height - 40])))
    assert "of the crop that was given lies where one element has a border" in text
    assert verify_job(job(**wanted, crop=[40, 20, width - 80, height - 40])) == []


def test_no_held_out_pair_is_a_warning(job: JobMaker) -> None:
    assert any("No pair is held out" in text for text in warnings(verify_job(job(held_out=[]))))


def test_scene_linear_values_suggest_log_and_negatives_are_told() -> None:
    (bright,) = verify_range("source", {5: Range.of(np.full((9, 9, 3), 12.0, np.float32))}, "display")
    assert "reaches 12 in frame 5" in bright.message
    assert "encoding log" in bright.message
    specks = np.full((40, 50, 3), 0.4, np.float32)
    specks[3, 4] = 50.0
    (both,) = verify_range("source", {5: Range.of(specks), 6: Range.of(np.full((9, 9, 3), 2.0, np.float32))}, "display")
    assert "reaches 50 in frame 5" in both.message and both.frame == 5
    (dark,) = verify_range("reference", {7: Range.of(np.full((9, 9, 3), -0.2, np.float32))}, "none")
    assert "100.0% of the reference's pixels in frame 7 lie well below 0" in dark.message
    assert verify_range("source", {5: Range.of(np.full((9, 9, 3), 12.0, np.float32))}, "log") == []
    lowest = {number: Range.of(np.full((9, 9, 3), low, np.float32)) for number, low in ((5, -0.1), (7, -0.3), (9, -0.005))}
    (steep,) = verify_range("reference", lowest, "log")
    assert steep.severity == "warning" and steep.frame is None, "7 is a number of the reference's"
    assert "reference goes down to -0.3 in frame 7" in steep.message and "compress the gamut" in steep.message
    assert verify_range("reference", {9: lowest[9]}, "log") == []
    assert verify_range("source", {5: Range.of(np.full((9, 9, 3), 0.5, np.float32))}, "display") == []


def test_a_training_frame_that_repeats_a_held_out_one_is_a_warning(photograph: np.ndarray) -> None:
    grain = 0.02 * np.random.default_rng(0).standard_normal(photograph.shape).astype(np.float32)
    pictures = {1: photograph, 2: np.roll(photograph, 1, axis=1) + grain, 3: photograph[:, ::-1]}
    thumbnails = {number: thumbnail(np.ascontiguousarray(picture)) for number, picture in pictures.items()}
    (found,) = verify_held_out(thumbnails, [1, 3], [2])
    assert "Held-out frame 2 looks almost the same as training frame 1" in found.message
    assert verify_held_out(thumbnails, [3], [2]) == []


def test_all_errors_come_in_one_message_and_warnings_in_none() -> None:
    raise_on_errors([Finding("warning", "look")])
    with pytest.raises(VerificationError, match=r"^one$"):
        raise_on_errors([Finding("error", "one"), Finding("error", "one")])
    with pytest.raises(VerificationError, match=r"2 problems:\n- one\n- two"):
        raise_on_errors([Finding("error", "one"), Finding("warning", "look"), Finding("error", "two")])


def test_a_folder_of_stills_is_paired_by_number(job: JobMaker, reference: Callable[[int], Frame], tmp_path: Path) -> None:
    for number in (1001, 1004, 1008):
        for element, frame in (("a", read_frame(open_sequence(job().source).path(number) or "")), ("b", reference(number))):
            write_frame(tmp_path / element / f"still_{number}.exr", frame, pixel_type="half")
    assert errors(verify_job(job(source=str(tmp_path / "a"), reference=str(tmp_path / "b"), frames=[], held_out=[]))) == []
