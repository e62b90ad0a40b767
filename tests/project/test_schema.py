"""Mistakes in a project file are answered in one sentence that names the file, the place and the nearest right name."""

from __future__ import annotations

from pathlib import Path

import pytest

from film_recovery.contract.errors import ProjectError
from film_recovery.project.schema import load_project

GOOD = """\
name = "film"

[elements.internegative]
files = "in/scan.####.exr"

[elements.print]
files = "print/print.####.exr"

[shots.meadow]
frames = "1001-1010"
scene = "outside"

[shots.burrow]
frames = "1011-1020"
scene = "outside"

[shots.sky]
frames = "1021-1030"

[passes.colour]
task = "chroma"
source = "internegative"
reference = "print"
minutes = 1

[passes.detail]
task = "spatial"
source = "print"
reference = "colour"
steps = 10
apply = "missing-from:internegative"

[sequence]
order = ["colour", "detail"]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "project.toml"


def refusal(path: Path, *changes: tuple[str, str]) -> str:
    """The sentence that answers the good project with some text replaced; it always begins with the file."""
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ProjectError) as error:
        load_project(path)
    message = str(error.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


def test_a_good_project_is_read(path: Path) -> None:
    path.write_text(GOOD, encoding="utf-8")
    project = load_project(path)
    assert project.order() == ["colour", "detail"]
    assert project.passes["detail"].missing_from == "internegative"
    assert project.units("colour") == {"all": list(range(1001, 1031))}


def test_passes_run_after_what_they_build_on_whatever_the_order_in_the_file(path: Path) -> None:
    first, second = GOOD.index("[passes.colour]"), GOOD.index("[passes.detail]")
    end = GOOD.index("[sequence]")
    path.write_text(GOOD[:first] + GOOD[second:end] + GOOD[first:second] + GOOD[end:], encoding="utf-8")
    assert load_project(path).order() == ["colour", "detail"]


def test_weights_and_missing_frames_of_another_pass_count_as_building_on_it(path: Path) -> None:
    extra = '[passes.a]\ntask = "chroma"\nsource = "print"\nreference = "internegative"\nsteps = 1\n'
    path.write_text(GOOD + extra + 'initial_weights = "detail"\n', encoding="utf-8")
    assert load_project(path).order().index("a") > load_project(path).order().index("detail")
    path.write_text(GOOD + extra + 'apply = "missing-from:colour"\n', encoding="utf-8")
    assert load_project(path).upstream("a") == ["colour"]


@pytest.mark.parametrize(
    ("scope", "units"),
    [("shot", {"meadow": 10, "burrow": 10, "sky": 10}), ("scene", {"outside": 20, "sky": 10}), ("sequence", {"all": 30})],
)
def test_scope_divides_the_frames_among_models(path: Path, scope: str, units: dict[str, int]) -> None:
    path.write_text(GOOD.replace("minutes = 1", f'minutes = 1\nscope = "{scope}"'), encoding="utf-8")
    assert {unit: len(frames or []) for unit, frames in load_project(path).units("colour").items()} == units


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("reference = \"print\"", "refrence = \"print\"", ["passes.colour", "'refrence'", "did you mean 'reference'?"]),
        ("files = \"in/", "file = \"in/", ["elements.internegative", "'file'", "did you mean 'files'?"]),
        ("task = \"chroma\"", "task = \"croma\"", ["passes.colour.task", "'croma'", "did you mean 'chroma'?"]),
        ("scene = \"outside\"", "scenes = \"outside\"", ["shots.meadow", "did you mean 'scene'?"]),
        ("order =", "ordre =", ["sequence", "did you mean 'order'?"]),
        ("name = \"film\"", "nmae = \"film\"", ["'nmae'", "did you mean 'name'?"]),
        ("task = \"spatial\"\n", "", ["passes.detail lacks the key 'task'"]),
        ("steps = 10", "steps = \"ten\"", ["passes.detail.steps", "expected"]),
        ("steps = 10", "steps = 0", ["passes.detail", "at least one step"]),
        ("minutes = 1", "minutes = nan", ["passes.colour", "at least one step, and an end"]),
        ("steps = 10", "steps = 10\nseed = -1", ["passes.detail", "The seed is -1"]),
        ("steps = 10", "steps = 10\nminutes = 2", ["passes.detail", "either steps or minutes"]),
        ("steps = 10\n", "", ["passes.detail", "either steps or minutes"]),
        ("steps = 10", "steps = 10\npairs = 0", ["passes.detail", "at least one pair"]),
        ("steps = 10", "steps = 10\npatch = 100", ["passes.detail", "multiple of 16"]),
        ("steps = 10", "steps = 10\nbalance = \"fitt\"", ["passes.detail", "Unknown balance 'fitt'"]),
        ("steps = 10", "steps = 10\nframes = \"1-5\"\nheld_out = \"5\"", ["passes.detail", "Frame 5 is on both sides"]),
        ("reference = \"colour\"", "reference = \"color\"", ["passes.detail.reference", "'color'", "did you mean 'colour'?"]),
        ("missing-from:internegative", "missing-from:internegativ", ["passes.detail.apply", "did you mean 'internegative'?"]),
        ("missing-from:internegative", "missing-from:", ["passes.detail.apply", "known are"]),
        ("missing-from:internegative", "1-10y3", ["passes.detail.apply", "'1-10y3' is not a frame range"]),
        ("frames = \"1011-1020\"", "frames = \"1011 bis 1020\"", ["shots.burrow.frames", "not a frame range"]),
        ("reference = \"colour\"", "reference = \"print\"", ["passes.detail", "they must differ"]),
        ("\"colour\", \"detail\"]", "\"colour\", \"details\"]", ["sequence.order", "did you mean 'detail'?"]),
        ("[\"colour\", \"detail\"]", "[]", ["sequence.order names no pass"]),
        ("[elements.print]", "[elements.colour]", ["'colour' names both an element and a pass"]),
        ("[shots.sky]", "[shots.\"the sky\"]", ["'the sky' may hold letters"]),
        ("name = \"film\"", "name = film", ["not valid TOML"]),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(path: Path, old: str, new: str, words: list[str]) -> None:
    message = refusal(path, (old, new))
    for word in words:
        assert word in message


def test_a_circle_of_passes_is_named(path: Path) -> None:
    message = refusal(path, ('source = "internegative"', 'source = "detail"'))
    assert "in a circle (colour → detail → colour)" in message


def test_a_pass_cannot_start_from_its_own_weights(path: Path) -> None:
    assert "circle (detail → detail)" in refusal(path, ("steps = 10", 'steps = 10\ninitial_weights = "detail"'))


def test_two_models_of_one_pass_may_not_render_the_same_frame(path: Path) -> None:
    message = refusal(path, ("minutes = 1", 'minutes = 1\nscope = "shot"'), ("1011-1020", "1010-1020"))
    assert "frame 1010 in both 'meadow' and 'burrow'" in message


def test_weights_of_a_narrower_scope_are_refused(path: Path) -> None:
    weights = ("steps = 10", 'steps = 10\ninitial_weights = "colour"')
    message = refusal(path, ("minutes = 1", 'minutes = 1\nscope = "shot"'), weights)
    assert "passes.detail.initial_weights" in message


def test_a_scope_by_shot_needs_shots(path: Path) -> None:
    begin, end = GOOD.index("[shots.meadow]"), GOOD.index("[passes.colour]")
    path.write_text(GOOD[:begin] + GOOD[end:].replace("minutes = 1", 'minutes = 1\nscope = "shot"'), encoding="utf-8")
    with pytest.raises(ProjectError, match="names no shots"):
        load_project(path)


def test_a_project_that_is_not_there_is_named(path: Path) -> None:
    with pytest.raises(ProjectError, match="is a folder; name the project file in it"):
        load_project(path.parent)
    with pytest.raises(ProjectError, match="does not exist"):
        load_project(path)


def test_a_file_in_another_text_coding_is_refused(path: Path) -> None:
    path.write_bytes('name = "Zeichenträger"\n'.encode("latin-1"))
    with pytest.raises(ProjectError, match="not valid TOML"):
        load_project(path)
