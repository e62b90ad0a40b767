"""Which frames show the same picture: against known losses, framings and mirrorings, and against all paths of small cases."""

from __future__ import annotations

import csv
import shutil
import tracemalloc
from pathlib import Path

import cv2
import hypothesis
import hypothesis.strategies as st
import numpy as np
import numpy.typing as npt
import opentimelineio as otio
import pytest

from film_elements.clip import moving_still
from film_elements.reel import Framing, Reel, two_reels
from film_recovery.contract.curation import MatchRecord, load_match
from film_recovery.contract.errors import InputError, MissingFrameError, StoppedError
from film_recovery.contract.progress import SilentReporter
from film_recovery.elements import monotone
from film_recovery.elements.framing import find_framing, plain_framing
from film_recovery.elements.matching import match_frames
from film_recovery.elements.overlap import match_elements, match_surveys, write_table, write_timeline
from film_recovery.elements.survey import DETAIL, Survey, detail_plane, small_pictures, survey_element
from film_recovery.images.frame import Frame
from film_recovery.images.io import write_frame
from film_recovery.images.sequence import open_sequence

FloatArray = npt.NDArray[np.float32]
SIZE = (384, 216)


@pytest.fixture(scope="module")
def truth(photograph: FloatArray) -> list[FloatArray]:
    """Two shots of 24 frames: pans in different directions."""
    first = moving_still(photograph, SIZE, 24, zoom=0.5, cut=False)
    second = moving_still(np.ascontiguousarray(photograph[::-1, ::-1]), SIZE, 24, zoom=0.45, cut=False)
    return [*first, *list(second)[::-1]]


def details(reel: Reel, truth: list[FloatArray]) -> npt.NDArray[np.int8]:
    """The detail planes of a whole reel."""
    scans = (reel.scan(truth[shown], place).scan for place, shown in enumerate(reel.shown))
    return np.stack([small_pictures(Frame.from_rgb(scan))[1] for scan in scans])


def test_a_request_to_stop_is_heard(truth: list[FloatArray]) -> None:
    class Stops(SilentReporter):
        def should_stop(self) -> bool:
            return True

    planes = np.stack([small_pictures(Frame.from_rgb(picture))[1] for picture in truth])
    with pytest.raises(StoppedError):
        match_frames(planes, planes, Stops())


@pytest.mark.parametrize("framing", [Framing(), Framing(1.03, (0.01, -0.012)), Framing(0.98, (-0.02, 0.0), mirrored=True)])
def test_partners_of_spliced_faded_elements_are_found(truth: list[FloatArray], framing: Framing) -> None:
    a, b = two_reels(len(truth), SIZE, 5, lost=0.15, framing=framing, trims=((2, 0), (0, 3)))
    found = match_frames(details(a, truth), details(b, truth))
    partner = {shown: place for place, shown in enumerate(b.shown)}
    common = [place for place, shown in enumerate(a.shown) if shown in partner]
    right = sum(
        partner[a.shown[row]] == column
        for row, column in zip(found.rows, found.columns, strict=True)
        if a.shown[row] in partner
    )
    assert right >= 0.95 * len(common)
    certain = found.plus_minus == 0
    shown_a, shown_b = np.array(a.shown)[found.rows], np.array(b.shown)[found.columns]
    assert np.mean(shown_a[certain] == shown_b[certain]) >= 0.98
    assert found.framing.is_mirrored == framing.mirrored
    assert (np.diff(found.rows) > 0).all() and (np.diff(found.columns) > 0).all()


def test_elements_that_share_nothing_get_no_segment(truth: list[FloatArray]) -> None:
    chance = np.random.default_rng(3)
    soft = [cv2.resize(chance.random((12, 20, 3), np.float32), SIZE, interpolation=cv2.INTER_CUBIC) for _ in range(20)]
    other = np.stack([small_pictures(Frame.from_rgb(np.clip(picture, 0, 1)))[1] for picture in soft])
    a, _ = two_reels(len(truth), SIZE, 5, lost=0.0)
    assert len(match_frames(details(a, truth), other).rows) == 0


def test_a_still_picture_is_called_uncertain(truth: list[FloatArray]) -> None:
    frames = [truth[5]] * 14
    a, b = two_reels(len(frames), SIZE, 6, lost=0.0)
    found = match_frames(details(a, frames), details(b, frames))
    assert len(found.rows) >= 8
    assert (found.plus_minus > 0).mean() >= 0.9


def test_a_stretch_that_only_one_element_has_gets_no_partner(truth: list[FloatArray]) -> None:
    a, b = two_reels(len(truth), SIZE, 7, lost=0.0, lost_stretches=((10, 33),))
    found = match_frames(details(a, truth), details(b, truth))
    shown_b = {b.shown[column] for column in found.columns}
    assert not shown_b & set(range(11, 33))
    assert len(found.rows) >= 0.95 * len(a.shown)


def survey_of(name: str, pictures: list[FloatArray]) -> Survey:
    small = [small_pictures(Frame.from_rgb(picture)) for picture in pictures]
    planes = [np.stack(part) for part in zip(*small, strict=True)]
    return Survey(name, np.arange(1, len(pictures) + 1), planes[0], planes[1], {}, pictures[0].shape[1::-1])


@pytest.mark.parametrize(("size", "boxed"), [((384, 288), "reference"), ((512, 216), "reference"), ((384, 288), "source")])
def test_bars_of_one_element_alone_do_not_hide_its_picture(truth: list[FloatArray], size: tuple[int, int], boxed: str) -> None:
    """A wide picture in a 4:3 frame, and in a wider one."""
    a, b = two_reels(12, SIZE, 5, lost=0.0)
    scans = [[reel.scan(truth[shown], place).scan for place, shown in enumerate(reel.shown)] for reel in (a, b)]
    corner = (size[0] - SIZE[0]) // 2, (size[1] - SIZE[1]) // 2

    def in_bars(scan: FloatArray) -> FloatArray:
        frame = np.full((size[1], size[0], 3), 0.001, np.float32)
        frame[corner[1] : corner[1] + SIZE[1], corner[0] : corner[0] + SIZE[0]] = scan
        return frame

    which = 1 if boxed == "reference" else 0
    plain = match_surveys(survey_of("a", scans[0]), survey_of("b", scans[1])).record
    scans[which] = [in_bars(scan) for scan in scans[which]]
    found = match_surveys(survey_of("a", scans[0]), survey_of("b", scans[1])).record
    assert [(part.first_a, part.first_b, part.length) for part in found.segments] == [(1, 1, 12)]
    points = np.array([[100.0, 60.0, 1.0], [300.0, 170.0, 1.0]])
    moved = np.array([*corner, 0.0])
    true = points @ np.array(plain.framing).T + (moved if which else 0.0)
    there = (points + (0.0 if which else moved)) @ np.array(found.framing).T
    assert np.abs(there - true).max() < 1.0


@pytest.mark.parametrize("kept", [[7], [3, 20, 40]])
def test_a_few_frames_are_found_in_a_whole_reel_whichever_is_named_first(truth: list[FloatArray], kept: list[int]) -> None:
    a, b = two_reels(len(truth), SIZE, 5, lost=0.0)
    reel, few = details(a, truth), details(b, truth)[kept]
    assert match_frames(reel, few).rows.tolist() == kept
    assert match_frames(few, reel).columns.tolist() == kept


def test_an_element_that_runs_backwards_is_told(truth: list[FloatArray]) -> None:
    pictures = truth[:12]
    notes = match_surveys(survey_of("a", pictures), survey_of("b", pictures[::-1])).record.notes
    assert any("b runs backwards against a" in note for note in notes)
    notes = match_surveys(survey_of("a", pictures), survey_of("b", pictures)).record.notes
    assert not any("backwards" in note for note in notes)


def test_nothing_to_match_is_said() -> None:
    with pytest.raises(InputError, match="no frames"):
        match_frames(np.zeros((0, 108, 192), np.int8), np.zeros((3, 108, 192), np.int8))


def test_detail_is_blind_to_fading_and_exposure(photograph: FloatArray) -> None:
    coded = np.clip(cv2.resize(photograph, DETAIL, interpolation=cv2.INTER_AREA), 0, 1) ** (1 / 2.2)
    faded = (0.35 * coded[..., :1] + 0.4, 0.9 * coded[..., 1:2], 0.6 * coded[..., 2:] + 0.1)
    one, two = detail_plane(coded.astype(np.float32)), detail_plane(np.concatenate(faded, axis=-1).astype(np.float32))
    assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.99


@hypothesis.given(st.floats(0.9, 1.1), st.floats(-0.06, 0.06), st.floats(-0.06, 0.06), st.booleans())
@hypothesis.settings(max_examples=8)
def test_framing_in_pixels_is_what_it_is_in_shares(zoom: float, right: float, down: float, mirrored: bool) -> None:
    framing = plain_framing(zoom, right, down, mirrored)
    sizes = (720, 576), (1920, 1080)
    point = np.array([[0.3, 0.7]])
    pixel = np.append(point[0] * sizes[0] - 0.5, 1.0)
    there = framing.in_pixels(*sizes) @ pixel
    np.testing.assert_allclose(there[:2], framing.apply(point)[0] * sizes[1] - 0.5, atol=1e-9)


def test_framing_of_the_same_pictures_is_none(truth: list[FloatArray]) -> None:
    a, _ = two_reels(len(truth), SIZE, 5, lost=0.0)
    planes = details(a, truth)
    framing, alike = find_framing(planes, planes)
    np.testing.assert_allclose(framing.matrix, plain_framing().matrix, atol=1e-9)
    assert alike > 0.999


def every_path(score: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
    """Total log-probability and the posterior of every pair, by walking all paths one by one."""
    rows, columns = score.shape
    ends: list[tuple[float, tuple[tuple[int, int], ...]]] = []

    def walk(row: int, column: int, state: str, log: float, pairs: tuple[tuple[int, int], ...]) -> None:
        if (row, column) == (rows, columns):
            ends.append((log + (monotone._STAY if state == "M" else monotone._END_GAP), pairs))
            return
        if row < rows and column < columns:
            step = monotone._STAY if state == "M" else monotone._END_GAP
            walk(row + 1, column + 1, "M", log + step + score[row, column], (*pairs, (row, column)))
        if row < rows and state != "Y":
            walk(row + 1, column, "X", log + (monotone._BEGIN_GAP if state == "M" else monotone._GO_ON), pairs)
        if column < columns:
            step = {"M": monotone._BEGIN_GAP, "X": monotone._TURN, "Y": monotone._GO_ON}[state]
            walk(row, column + 1, "Y", log + step, pairs)

    walk(0, 0, "M", 0.0, ())
    total = float(np.logaddexp.reduce([log for log, _ in ends]))
    posterior = np.zeros_like(score)
    for log, pairs in ends:
        for pair in pairs:
            posterior[pair] += np.exp(log - total)
    return total, posterior


@hypothesis.given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 10_000))
@hypothesis.settings(max_examples=25)
def test_posteriors_are_those_of_all_paths(rows: int, columns: int, seed: int) -> None:
    score = np.random.default_rng(seed).normal(0.0, 2.0, (rows, columns))
    every = list(score.astype(np.float32))
    band = monotone.Band(np.zeros(rows, np.int64), np.full(rows, columns - 1, np.int64), every, columns)
    _, posterior = every_path(score)
    np.testing.assert_allclose(monotone.most_probable_path(band).probability, posterior, atol=1e-5)


@hypothesis.given(st.integers(0, 10_000))
@hypothesis.settings(max_examples=25)
def test_a_band_along_the_truth_gives_what_the_whole_matrix_gives(seed: int) -> None:
    chance = np.random.default_rng(seed)
    count = 12
    first = np.maximum(np.arange(count) - 2, 0)
    last = np.minimum(np.arange(count) + 2, count - 1)
    whole = chance.normal(-14.0, 1.0, (count, count)).astype(np.float32)
    whole[np.arange(count), np.arange(count)] = 8.0
    narrow = [whole[row, first[row] : last[row] + 1] for row in range(count)]
    full = monotone.Band(np.zeros(count, np.int64), np.full(count, count - 1, np.int64), list(whole), count)
    everything, banded = (
        monotone.most_probable_path(full),
        monotone.most_probable_path(monotone.Band(first, last, narrow, count)),
    )
    assert everything.columns.tolist() == banded.columns.tolist() == list(range(count))
    for row in range(count):
        wide = everything.probability[row][first[row] : last[row] + 1]
        np.testing.assert_allclose(banded.probability[row], wide, atol=1e-3)


def test_a_long_loss_does_not_make_every_row_of_a_band_wide() -> None:
    """1200 frames beside 2600, of which 1400 are missing in the middle: a rectangle would take 75 MB."""
    count, missing, reach = 1200, 1400, 12
    true = np.arange(count) + missing * (np.arange(count) >= count // 2)
    first, last = np.maximum(true - reach, 0), np.minimum(true + reach, count + missing - 1)
    first[count // 2 : count // 2 + reach] = count // 2 - reach
    last[count // 2 - reach : count // 2] = count // 2 + missing
    score = [np.full(width, -20.0, np.float32) for width in last - first + 1]
    for row in range(count):
        score[row][true[row] - first[row]] = 8.0
    tracemalloc.start()
    found = monotone.most_probable_path(monotone.Band(first, last, score, count + missing))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.columns.tolist() == true.tolist()
    assert peak < 8e6


@pytest.fixture(scope="module")
def on_disk(truth: list[FloatArray], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Reel, Reel]:
    """Both reels as EXR files; b counts from 86400."""
    folder = tmp_path_factory.mktemp("reels")
    a, b = two_reels(len(truth), SIZE, 9, lost=0.1)
    for name, reel, first in (("a", a, 1001), ("b", b, 86400)):
        for place, shown in enumerate(reel.shown):
            write_frame(folder / name / f"{name}.{first + place:05d}.exr", Frame.from_rgb(reel.scan(truth[shown], place).scan))
    return folder, a, b


def test_elements_on_disk_become_a_record(on_disk: tuple[Path, Reel, Reel], tmp_path: Path) -> None:
    folder, a, b = on_disk
    found = match_elements(open_sequence(folder / "a" / "a.#####.exr"), open_sequence(folder / "b" / "b.#####.exr"), tmp_path)
    record = found.record
    record.save(tmp_path / "match.json")
    assert load_match(tmp_path / "match.json") == record
    partners = record.partners()
    right = [a.shown[x - 1001] == b.shown[y - 86400] for x, y in partners.items()]
    assert np.mean(right) > 0.95
    alone = {frame for first, last in record.only_a for frame in range(first, last + 1)}
    assert alone | set(partners) == set(range(1001, 1001 + len(a.shown))) and not alone & set(partners)
    write_table(record, tmp_path / "match.csv")
    rows = list(csv.DictReader((tmp_path / "match.csv").open(encoding="utf-8")))
    assert sum(int(row["length"]) for row in rows) == len(partners)
    write_timeline(record, tmp_path / "match.otio", 24.0)
    check_timeline(tmp_path / "match.otio", record)


def check_timeline(path: Path, record: MatchRecord) -> None:
    """Frames that are matched lie at the same place of both tracks."""
    timeline = otio.adapters.read_from_file(str(path))
    places: dict[str, dict[int, int]] = {"a": {}, "b": {}}
    for track in timeline.tracks:
        at = 0
        for item in track:
            length = int(item.duration().value)
            if isinstance(item, otio.schema.Clip) and item.metadata["film_recovery"]["matched"]:
                places[track.name].update({int(item.source_range.start_time.value) + k: at + k for k in range(length)})
            at += length
    for frame, partner in record.partners().items():
        assert places["a"][frame] == places["b"][partner]


def test_a_survey_is_used_again_and_sees_a_changed_file(on_disk: tuple[Path, Reel, Reel], tmp_path: Path) -> None:
    folder, a, _ = on_disk
    sequence = open_sequence(folder / "a" / "a.#####.exr")

    class Counting(SilentReporter):
        done = 0

        def progress(self, done: int, total: int, unit: str, figures: dict[str, float] | None = None) -> None:
            self.done = done

    first, second, third = Counting(), Counting(), Counting()
    before = np.array(survey_element(sequence, tmp_path, first).thumbnails)
    survey_element(sequence, tmp_path, second)
    write_frame(folder / "a" / "a.01003.exr", Frame.from_rgb(np.full((216, 384, 3), 0.25, np.float32)))
    after = survey_element(sequence, tmp_path, third)
    assert (first.done, second.done, third.done) == (len(a.shown), 0, 1)
    assert (np.array(after.thumbnails[2]) != before[2]).any() and (np.array(after.thumbnails[3]) == before[3]).all()


def test_a_survey_of_frames_that_came_and_went_reads_only_those_that_are_new(tmp_path: Path) -> None:
    class Counting(SilentReporter):
        done = 0

        def progress(self, done: int, total: int, unit: str, figures: dict[str, float] | None = None) -> None:
            self.done = done

    def write(frame: int) -> None:
        write_frame(tmp_path / f"a.{frame:04d}.exr", Frame.from_rgb(np.full((64, 96, 3), 0.01 * frame, np.float32)))

    for frame in range(10, 40):
        write(frame)
    survey_element(open_sequence(tmp_path / "a.####.exr"), tmp_path / "cache")
    (tmp_path / "a.0012.exr").unlink()
    for frame in (9, 41):
        write(frame)
    reporter, sequence = Counting(), open_sequence(tmp_path / "a.####.exr")
    found = survey_element(sequence, tmp_path / "cache", reporter)
    fresh = survey_element(sequence, tmp_path / "fresh")
    assert reporter.done == 2 and found.frames.tolist() == sequence.frames
    assert np.array_equal(found.thumbnails, fresh.thumbnails) and np.array_equal(found.details, fresh.details)


def test_a_survey_that_is_killed_after_frames_came_and_went_keeps_every_picture_with_its_frame(tmp_path: Path) -> None:
    def write(frame: int) -> None:
        write_frame(tmp_path / f"a.{frame:04d}.exr", Frame.from_rgb(np.full((64, 96, 3), 0.01 * frame, np.float32)))

    for frame in range(10, 40):
        write(frame)
    survey_element(open_sequence(tmp_path / "a.####.exr"), tmp_path / "cache")
    for frame in range(10, 20):
        (tmp_path / f"a.{frame:04d}.exr").unlink()
        write(frame + 40)

    class Watching(SilentReporter):
        def progress(self, done: int, total: int, unit: str, figures: dict[str, float] | None = None) -> None:
            if done == 1:  # what a kill would leave
                shutil.copytree(tmp_path / "cache", tmp_path / "killed")

    sequence = open_sequence(tmp_path / "a.####.exr")
    whole = survey_element(sequence, tmp_path / "cache", Watching())
    again = survey_element(sequence, tmp_path / "killed")
    assert np.array_equal(again.thumbnails, whole.thumbnails) and np.array_equal(again.details, whole.details)


def test_a_link_to_nothing_is_named(tmp_path: Path) -> None:
    write_frame(tmp_path / "a.0001.exr", Frame.from_rgb(np.full((64, 96, 3), 0.2, np.float32)))
    (tmp_path / "a.0002.exr").symlink_to(tmp_path / "gone.exr")
    with pytest.raises(MissingFrameError, match=r"a\.0002\.exr is not there"):
        survey_element(open_sequence(tmp_path / "a.####.exr"), tmp_path / "cache")


def test_a_stopped_survey_goes_on_where_it_was(on_disk: tuple[Path, Reel, Reel], tmp_path: Path) -> None:
    folder, _, b = on_disk
    sequence = open_sequence(folder / "b" / "b.#####.exr")

    class Stopping(SilentReporter):
        done = 0

        def __init__(self, after: int) -> None:
            self.after = after

        def progress(self, done: int, total: int, unit: str, figures: dict[str, float] | None = None) -> None:
            self.done += 1

        def should_stop(self) -> bool:
            return self.done >= self.after

    with pytest.raises(StoppedError, match="need not be read again"):
        survey_element(sequence, tmp_path, Stopping(7))
    rest = Stopping(1000)
    survey = survey_element(sequence, tmp_path, rest)
    assert rest.done == len(b.shown) - 7
    assert (survey.thumbnails.reshape(len(b.shown), -1).max(axis=1) > 0).all()


def test_a_damaged_frame_is_named_and_left_out(on_disk: tuple[Path, Reel, Reel], tmp_path: Path) -> None:
    folder, _, _ = on_disk
    broken = folder / "b" / "b.86405.exr"
    content = broken.read_bytes()
    try:
        broken.write_bytes(content[: len(content) // 2])
        found = match_elements(
            open_sequence(folder / "a" / "a.#####.exr"), open_sequence(folder / "b" / "b.#####.exr"), tmp_path
        )
    finally:
        broken.write_bytes(content)
    assert 86405 in found.b.broken and 86405 not in found.record.partners().values()
    assert any("cannot be read: 86405" in note for note in found.record.notes)
    assert 86405 not in [frame for first, last in found.record.only_b for frame in range(first, last + 1)]
    assert 86405 not in [moment.b for moment in found.record.timeline(1)], "it would be asked for, and end every recovery"
