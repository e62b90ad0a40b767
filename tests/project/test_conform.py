"""A project whose elements are numbered each for itself: the match puts them on one time line, down to the finished frames."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from film_recovery.contract.curation import MatchRecord, Segment
from film_recovery.contract.errors import ProjectError
from film_recovery.contract.job import load_job
from film_recovery.images.colour import luma
from film_recovery.images.encodings import density_to_linear, encode, linear_to_density
from film_recovery.images.frame import Frame
from film_recovery.images.io import read_frame, write_frame
from film_recovery.images.movie import write_movie
from film_recovery.images.sequence import open_sequence
from film_recovery.project.plan import plan_project
from film_recovery.project.run import run_project
from film_recovery.project.schema import load_project
from film_recovery.project.state import Places

FloatArray = npt.NDArray[np.float32]
_PASS = """
[passes.{name}]
task = "{task}"
source = "{source}"
reference = "{reference}"
pairs = 2
held_out_pairs = 1
steps = 2
size = "small"
patch = 32
batch = 2
apply = "{apply}"
"""
PROJECT = (
    """\
name = "spliced"
output = "work"

[elements.negative]
files = "neg/neg.####.exr"

[elements.print]
files = "pos/pos.####.exr"

[conform]
match = "match.json"
a = "negative"
b = "print"

[sequence]
order = ["colour", "detail"]
"""
    + _PASS.format(name="colour", task="chroma", source="negative", reference="print", apply="all")
    + _PASS.format(name="detail", task="spatial", source="print", reference="colour", apply="missing-from:negative")
)
# The film's frame at each place of the time line 1001 to 1008, as each element's file: the negative lost the head and a splice.
LINE = {1001: (None, 501), 1002: (1, 502), 1003: (2, 503), 1004: (None, 504), 1005: (3, 505), 1006: (4, 506), 1007: (5, 507),
        1008: (None, 508)}  # fmt: skip


@pytest.fixture(scope="module")
def spliced(tmp_path_factory: pytest.TempPathFactory, photograph: FloatArray) -> Path:
    """The project file beside its elements and their match, which was made the other way round."""
    folder = tmp_path_factory.mktemp("spliced")
    for index, (ours, theirs) in enumerate(LINE.values()):
        picture = np.ascontiguousarray(photograph[100:196, 40 + 30 * index : 168 + 30 * index]) * 0.8 + 0.05
        faded = density_to_linear(linear_to_density(picture) * np.array([0.5, 0.9, 0.7])).astype(np.float32)
        if ours is not None:
            write_frame(folder / "neg" / f"neg.{ours:04d}.exr", Frame.from_rgb(faded), "half")
        soft = np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.2), np.float32)
        write_frame(folder / "pos" / f"pos.{theirs:04d}.exr", Frame.from_rgb(soft), "half")
    segments = [Segment(502, 1, 2, 1.0, [0, 0]), Segment(505, 3, 3, 1.0, [0, 0, 0])]
    names = (str(folder / "pos" / "pos.####.exr"), str(folder / "neg" / "neg.####.exr"))
    alone = [[501, 501], [504, 504], [508, 508]]
    MatchRecord(*names, False, np.eye(3).tolist(), segments, alone, []).save(folder / "match.json")
    (folder / "project.toml").write_text(PROJECT, encoding="utf-8")
    return folder / "project.toml"


@pytest.fixture(scope="module")
def finished(spliced: Path) -> Path:
    """The same after a run."""
    run_project(spliced)
    return spliced


def test_every_picture_of_either_element_has_its_place(finished: Path) -> None:
    places = Places(finished, load_project(finished))
    assert open_sequence(places.sequence()).frames == list(LINE)
    assert open_sequence(places.frames("colour")).frames == [1002, 1003, 1005, 1006, 1007]
    assert open_sequence(places.frames("detail")).frames == [1001, 1004, 1008]


def test_pairs_show_the_same_picture(finished: Path) -> None:
    places = Places(finished, load_project(finished))
    colour, detail = (load_job(places.run(name, "all").job) for name in ("colour", "detail"))
    partners = {ours: theirs for ours, theirs in LINE.values() if ours is not None}
    assert {frame: colour.partner(frame) for frame in (*colour.frames, *colour.held_out)}.items() <= partners.items()
    frame_of = {theirs: frame for frame, (_, theirs) in LINE.items()}
    for theirs in (*detail.frames, *detail.held_out):
        assert detail.partner(theirs) == frame_of[theirs], "the reference is the other pass, numbered as the time line"


def test_a_recovered_frame_keeps_the_luma_of_the_file_at_its_place(finished: Path) -> None:
    places = Places(finished, load_project(finished))
    made = read_frame(places.frames("detail").with_name("detail.1004.exr")).rgb
    file = read_frame(finished.parent / "pos" / "pos.0504.exr").rgb
    other = read_frame(finished.parent / "pos" / "pos.0505.exr").rgb
    coded, right, wrong = (np.asarray(encode(part, "display"), np.float32) for part in (made, file, other))
    change = [coded - luma(coded, "709")[..., None] - (part - luma(part, "709")[..., None]) for part in (right, wrong)]
    assert np.abs(change[0]).max() < 0.01
    assert np.abs(change[1]).mean() > 0.02


def test_a_second_run_does_nothing_and_another_match_trains_again(finished: Path, tmp_path: Path) -> None:
    assert {step.state for step in plan_project(finished)} == {"up to date"}
    copy = Path(shutil.copytree(finished.parent, tmp_path / "copy")) / "project.toml"
    text = (copy.parent / "match.json").read_text(encoding="utf-8")
    (copy.parent / "match.json").write_text(re.sub(r'"confidence": 1.0', '"confidence": 0.9', text), encoding="utf-8")
    assert [step.state for step in plan_project(copy)] == ["train", "waits"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('b = "print"', 'b = "prints"'), r"conform\.b names 'prints'.*did you mean 'print'"),
        (('b = "print"', 'b = "negative"'), "must differ"),
        (('match = "match.json"', 'mach = "match.json"'), r"conform has the unknown key 'mach'; did you mean 'match'"),
    ],
)
def test_mistakes_are_told_with_their_place(spliced: Path, tmp_path: Path, change: tuple[str, str], words: str) -> None:
    path = tmp_path / "project.toml"
    path.write_text(PROJECT.replace(*change), encoding="utf-8")
    with pytest.raises(ProjectError, match=words):
        load_project(path)


def test_a_pair_that_an_element_lacks_is_refused(spliced: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(spliced.parent, tmp_path / "copy", ignore=shutil.ignore_patterns("work"))) / "project.toml"
    named = PROJECT.replace("pairs = 2\nheld_out_pairs = 1", 'frames = "1002,1004"\nheld_out_pairs = 0', 1)
    copy.write_text(named, encoding="utf-8")
    with pytest.raises(ProjectError, match=r"'negative' has no picture at frame 1004"):
        run_project(copy)


def test_a_movie_is_refused(spliced: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(spliced.parent, tmp_path / "copy", ignore=shutil.ignore_patterns("work"))) / "project.toml"
    write_movie(copy.parent / "pos.mp4", [np.full((96, 128, 3), 20 * number, np.uint8) for number in range(8)], 24.0)
    for file in (copy, copy.parent / "match.json"):
        file.write_text(file.read_text(encoding="utf-8").replace("pos/pos.####.exr", "pos.mp4"), encoding="utf-8")
    with pytest.raises(ProjectError, match="'print' is a movie"):
        run_project(copy)


def test_a_match_of_other_files_is_refused(spliced: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(spliced.parent, tmp_path / "copy", ignore=shutil.ignore_patterns("work"))) / "project.toml"
    (copy.parent / "pos" / "pos.0505.exr").unlink()
    with pytest.raises(ProjectError, match=r"frame 505 of 'print'.*match again"):
        run_project(copy)
