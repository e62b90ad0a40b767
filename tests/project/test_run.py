"""A tiny combined recovery from two elements on disk to the finished sequence, and what a second run does."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from film_recovery.contract.errors import BusyError, InputError, MissingFrameError, ProjectError, StoppedError
from film_recovery.contract.progress import SilentReporter
from film_recovery.contract.run_folder import RunFolder
from film_recovery.images.colour import luma
from film_recovery.images.encodings import density_to_linear, encode, linear_to_density
from film_recovery.images.frame import Frame
from film_recovery.images.io import read_frame, write_frame
from film_recovery.images.sequence import open_sequence
from film_recovery.project import run
from film_recovery.project.plan import plan_project
from film_recovery.project.run import run_project
from film_recovery.project.state import load_state

FloatArray = npt.NDArray[np.float32]
FRAMES = list(range(1001, 1009))
HELD = FRAMES[:6]  # what the sharp element still has
PROJECT = """\
name = "tiny"
output = "work"

[elements.negative]
files = "sharp element/neg.####.exr"
label = "35 mm internegative"
gauge = "35 mm"

[elements.print]
files = "kopie/print.####.exr"
kind = "positive print"

[passes.colour]
task = "chroma"
source = "negative"
reference = "print"
frames = "1001,1004"
held_out = "1003"
steps = 2
size = "small"
patch = 32
batch = 2

[passes.detail]
task = "spatial"
source = "print"
reference = "colour"
pairs = 2
held_out_pairs = 1
steps = 2
size = "small"
patch = 32
batch = 2
apply = "missing-from:negative"

[sequence]
name = "finished"
order = ["colour", "detail"]

[provenance]
film = "Tiny"
restorer = "R. Storer"
"""


def save(path: Path, picture: FloatArray) -> None:
    write_frame(path, Frame.from_rgb(picture), "half")


@pytest.fixture(scope="module")
def elements(tmp_path_factory: pytest.TempPathFactory, photograph: FloatArray) -> Path:
    """A folder with the project file, six frames of a faded element and eight of a soft one."""
    folder = tmp_path_factory.mktemp("tiny project")
    for index, frame in enumerate(FRAMES):
        picture = np.ascontiguousarray(photograph[100:196, 40 + 30 * index : 168 + 30 * index]) * 0.8 + 0.05
        faded = density_to_linear(linear_to_density(picture) * np.array([0.5, 0.9, 0.7])).astype(np.float32)
        if frame in HELD:
            save(folder / "sharp element" / f"neg.{frame}.exr", faded)
        save(folder / "kopie" / f"print.{frame}.exr", np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.2), np.float32))
    (folder / "project.toml").write_text(PROJECT, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def finished(elements: Path) -> Path:
    """The same folder after a run."""
    result = run_project(elements / "project.toml")
    assert [step["found"] for step in result["passes"]] == ["train", "train"]
    return elements


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished project to change; dates are kept, so what is known of the files holds."""
    return Path(shutil.copytree(finished, tmp_path / "kopiertes Projekt")) / "project.toml"


def states(path: Path) -> dict[str, str]:
    return {step.name: step.state for step in plan_project(path)}


def reasons(path: Path) -> str:
    return "; ".join(f"{step.name}: {step.reason}" for step in plan_project(path))


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def brighten(path: Path) -> None:
    frame = read_frame(path)
    save(path, frame.rgb * np.float32(1.02))


def test_a_project_not_yet_run_says_what_it_lacks(elements: Path, tmp_path: Path) -> None:
    fresh = Path(shutil.copytree(elements, tmp_path / "fresh", ignore=shutil.ignore_patterns("work"))) / "project.toml"
    assert states(fresh) == {"colour": "train", "detail": "waits"}
    assert "colour: it has no model yet" in reasons(fresh)
    assert "detail: its input, the pass 'colour', is not up to date" in reasons(fresh)
    assert not (fresh.parent / "work").exists()


def test_the_whole_sequence_has_both_colour_and_detail(finished: Path) -> None:
    sequence = open_sequence(finished / "work" / "sequence" / "finished.####.exr")
    assert sequence.frames == FRAMES
    rows = (finished / "work" / "sequence" / "origin.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[:2] for row in rows[1:]] == [[str(f), "colour" if f in HELD else "detail"] for f in FRAMES]


def test_assembled_frames_are_the_passes_bytes(finished: Path) -> None:
    work = finished / "work"
    for frame, name in ((1002, "colour"), (1008, "detail")):
        copied = work / "sequence" / f"finished.{frame}.exr"
        assert copied.read_bytes() == (work / "passes" / name / "frames" / f"{name}.{frame}.exr").read_bytes()


def test_the_record_names_elements_models_and_people(finished: Path) -> None:
    record = json.loads((finished / "work" / "sequence" / "provenance.json").read_text(encoding="utf-8"))
    assert record["film"] == "Tiny"
    assert record["restorer"] == "R. Storer"
    assert record["elements"]["negative"]["label"] == "35 mm internegative"
    assert record["digital_source_type"].endswith("/compositeWithTrainedAlgorithmicMedia")
    assert record["passes"]["detail"]["frames"] == "1007-1008"
    assert record["passes"]["detail"]["reference"] == "colour"
    (model,) = record["passes"]["colour"]["models"]
    assert len(model["sha256"]) == 64
    assert model["training"]["frames"] == [1001, 1004]


def test_a_second_run_does_nothing(finished: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in (finished / "work").rglob("*.exr")}
    result = run_project(finished / "project.toml")
    assert {step["found"] for step in result["passes"]} == {"up to date"}
    assert {file: file.stat().st_mtime_ns for file in (finished / "work").rglob("*.exr")} == before


def test_a_touched_frame_and_a_moved_folder_change_nothing(project: Path) -> None:
    os.utime(project.parent / "sharp element" / "neg.1001.exr")
    assert states(project) == {"colour": "up to date", "detail": "up to date"}


def test_another_frame_needs_rendering_only(project: Path) -> None:
    brighten(project.parent / "sharp element" / "neg.1002.exr")
    assert states(project) == {"colour": "render", "detail": "waits"}  # the detail pass may have learned from that frame
    assert [step.name for step in plan_project(project, only=["colour"])] == ["colour"]
    assert "frames 1001-1006 are missing or stale" in reasons(project)  # all of them were steadied by it
    work = project.parent / "work"
    model = (work / "passes" / "colour" / "all" / "run" / "export" / "chroma.onnx").read_bytes()
    run_project(project, only=["colour"])
    assert states(project)["colour"] == "up to date"
    assert (work / "passes" / "colour" / "all" / "run" / "export" / "chroma.onnx").read_bytes() == model


def test_a_source_that_is_replaced_during_a_render_is_rendered_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = project.parent / "sharp element" / "neg.1002.exr"
    brighten(changed)

    def apply_model(*arguments: Any, **options: Any) -> None:
        run_apply(*arguments, **options)
        brighten(changed)

    run_apply = run.apply_model
    monkeypatch.setattr(run, "apply_model", apply_model)
    run_project(project, only=["colour"])
    assert states(project)["colour"] == "render"


def test_a_render_that_is_stopped_keeps_what_it_has_rendered(project: Path) -> None:
    brighten(project.parent / "sharp element" / "neg.1002.exr")

    def apply_model(model: Path, source: Any, target: Path, frames: list[int], **options: Any) -> None:
        run_apply(model, source, target, frames[:3], **options)
        raise StoppedError("Stopped.")

    run_apply = run.apply_model
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "apply_model", apply_model)
        with pytest.raises(StoppedError):
            run_project(project, only=["colour"])
    frames = project.parent / "work" / "passes" / "colour" / "frames"
    before = {path.name: path.stat().st_mtime_ns for path in frames.iterdir()}
    run_project(project, only=["colour"])
    assert states(project)["colour"] == "up to date"
    kept = {path.name for path in frames.iterdir() if path.stat().st_mtime_ns == before[path.name]}
    assert {"colour.1001.exr", "colour.1002.exr", "colour.1003.exr"} <= kept  # and those that the change did not reach


def test_a_changed_training_picture_needs_training(project: Path) -> None:
    brighten(project.parent / "kopie" / "print.1004.exr")
    assert states(project)["colour"] == "train"
    assert "the picture print 1004, which it was trained on, changed" in reasons(project)


def test_a_changed_setting_trains_its_pass_and_the_old_model_is_kept(project: Path) -> None:
    change(project, "apply =", "seed = 3\napply =")
    assert states(project) == {"colour": "up to date", "detail": "train"}
    assert "its settings changed" in reasons(project)
    unit = project.parent / "work" / "passes" / "detail" / "all"
    before = (unit / "run" / "export" / "spatial.onnx").read_bytes()
    run_project(project)
    assert states(project) == {"colour": "up to date", "detail": "up to date"}
    assert (unit / "earlier" / "run_001" / "export" / "spatial.onnx").read_bytes() == before


def test_a_lost_and_a_damaged_frame_are_rendered_again(project: Path) -> None:
    frames = project.parent / "work" / "passes" / "detail" / "frames"
    whole = (frames / "detail.1008.exr").read_bytes()
    (frames / "detail.1007.exr").unlink()
    (frames / "detail.1008.exr").write_bytes(whole[: len(whole) // 2])
    assert states(project)["detail"] == "render"
    run_project(project)
    assert (frames / "detail.1008.exr").read_bytes() == whole
    assert (frames / "detail.1007.exr").is_file()


def test_frames_nobody_asks_for_any_more_leave_the_sequence(project: Path) -> None:
    change(project, 'apply = "missing-from:negative"', 'apply = "1008"')
    run_project(project)
    assert open_sequence(project.parent / "work" / "sequence" / "finished.####.exr").frames == [*HELD, 1008]
    assert states(project)["detail"] == "up to date"


def test_frames_that_a_source_lacks_are_told(project: Path) -> None:
    said: list[str] = []

    class Listens(SilentReporter):
        def note(self, text: str) -> None:
            said.append(text)

    change(project, 'apply = "missing-from:negative"', 'apply = "1008,2008-2010"')
    with pytest.raises(ProjectError, match="'detail' is to be applied to 2008-2010, which its source print lacks"):
        run_project(project)
    change(project, 'apply = "1008,2008-2010"', 'apply = "1008"')
    run_project(project, Listens())
    assert any("detail.1007.exr is removed" in line for line in said)


def test_a_pass_with_nothing_to_render_is_left_alone(project: Path) -> None:
    change(project, 'apply = "missing-from:negative"', 'apply = "missing-from:print"')
    result = run_project(project)
    assert result["frames"] == {"colour": 6, "detail": 0}
    assert "detail: no frame asks for it" in reasons(project)


def test_a_merge_can_be_switched_on_and_keeps_the_originals_luma(project: Path) -> None:
    change(project, 'steps = 2\nsize = "small"', 'steps = 2\nmerge = "color"\nsize = "small"')
    assert states(project)["colour"] == "render"
    run_project(project, only=["colour"])
    work = project.parent / "work" / "passes" / "colour"
    merged, original = (
        luma(encode(read_frame(path).rgb, "display"), "709")
        for path in (work / "frames" / "colour.1002.exr", project.parent / "sharp element" / "neg.1002.exr")
    )
    assert np.abs(merged - original).max() < 2e-3  # stored as half, in linear light
    assert states(project)["colour"] == "up to date"


def test_a_merge_that_is_stopped_goes_on_where_it_was(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_MERGED_AT_ONCE", 2)
    change(project, 'steps = 2\nsize = "small"', 'steps = 2\nmerge = "color"\nsize = "small"')
    work = project.parent / "work" / "passes" / "colour"

    class StopsInMerging(SilentReporter):
        def should_stop(self) -> bool:
            kinds = [record[3] for record in load_state(work / "all" / "state.json").frames.values()]
            return kinds.count("color") == 4

    with pytest.raises(StoppedError, match="4 of 6 frames of 'colour' merged"):
        run_project(project, StopsInMerging(), only=["colour"])
    (step,) = plan_project(project, only=["colour"])
    assert (step.state, step.frames) == ("render", [1005, 1006])
    before = {frame: (work / "frames" / f"colour.{frame}.exr").stat().st_mtime_ns for frame in (1001, 1004)}
    run_project(project, only=["colour"])
    assert states(project)["colour"] == "up to date"
    assert before == {frame: (work / "frames" / f"colour.{frame}.exr").stat().st_mtime_ns for frame in before}


@pytest.mark.parametrize("is_recorded", [True, False])
def test_a_merge_can_be_switched_off_again(project: Path, is_recorded: bool) -> None:
    frames = project.parent / "work" / "passes" / "colour" / "frames"
    before = {path.name: path.read_bytes() for path in frames.iterdir()}
    change(project, 'steps = 2\nsize = "small"', 'steps = 2\nmerge = "color"\nsize = "small"')
    run_project(project, only=["colour"])
    assert {path.name: path.read_bytes() for path in frames.iterdir()} != before
    if not is_recorded:  # as after a run that was killed
        state = load_state(frames.parent / "all" / "state.json")
        state.frames = {}
        state.save(frames.parent / "all" / "state.json")
    change(project, 'merge = "color"\n', "")
    run_project(project, only=["colour"])
    assert {path.name: path.read_bytes() for path in frames.iterdir()} == before


def test_a_retouched_frame_is_rendered_again(project: Path) -> None:
    path = project.parent / "work" / "passes" / "colour" / "frames" / "colour.1002.exr"
    before, frame = path.read_bytes(), read_frame(path)
    write_frame(path, replace(frame, rgb=frame.rgb * np.float32(1.02)), "half")  # the header stays
    assert states(project)["colour"] == "render" and "colour: frame 1002 is missing or stale" in reasons(project)
    run_project(project, only=["colour"])
    assert path.read_bytes() == before


def test_a_file_that_cannot_be_read_is_named(project: Path) -> None:
    path = project.parent / "work" / "passes" / "colour" / "frames" / "colour.1002.exr"
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match=r"colour\.1002\.exr cannot be read \(Is a directory\); check its permissions"):
        run_project(project)


def test_an_exchanged_model_is_noticed(project: Path) -> None:
    passes = project.parent / "work" / "passes"
    shutil.copyfile(passes / "detail/all/run/export/spatial.onnx", passes / "colour/all/run/export/chroma.onnx")
    assert "colour: its model file is absent or not the one that was trained" in reasons(project)


def test_a_damaged_record_means_doing_the_work_again(project: Path) -> None:
    (project.parent / "work" / "passes" / "colour" / "all" / "state.json").write_text("{", encoding="utf-8")
    (project.parent / "work" / "hashes.json").write_text("[", encoding="utf-8")
    assert states(project)["colour"] == "train"


class StopsInTraining(SilentReporter):
    """Asks to stop as soon as the steps begin."""

    training = False

    def stage(self, text: str) -> None:
        self.training = text.startswith("Training")

    def should_stop(self) -> bool:
        return self.training


def test_a_stopped_training_is_resumed_where_it_was(project: Path) -> None:
    change(project, "apply =", "seed = 5\napply =")
    with pytest.raises(StoppedError):
        run_project(project, StopsInTraining())
    plan = {step.name: step for step in plan_project(project)}
    assert plan["detail"].state == "resume"
    assert plan["detail"].reason == "its training was interrupted"
    result = run_project(project)
    assert [step["found"] for step in result["passes"]] == ["up to date", "resume"]
    assert states(project) == {"colour": "up to date", "detail": "up to date"}


def test_an_interrupted_training_whose_settings_changed_starts_anew(project: Path) -> None:
    change(project, "apply =", "seed = 5\napply =")
    with pytest.raises(StoppedError):
        run_project(project, StopsInTraining())
    change(project, "seed = 5", "seed = 6")
    assert states(project)["detail"] == "train"


def test_two_runs_of_one_project_do_not_meet(project: Path) -> None:
    with RunFolder(project.parent / "work").locked(), pytest.raises(BusyError):
        run_project(project)


def test_a_run_that_somebody_goes_on_with_is_not_set_aside(project: Path) -> None:
    change(project, "apply =", "seed = 3\napply =")
    held = RunFolder(project.parent / "work" / "passes" / "detail" / "all" / "run")
    with held.locked(), pytest.raises(BusyError, match="run; wait for it or stop it, then run again"):
        run_project(project)
    assert held.job.exists()


def test_two_projects_do_not_share_an_output(project: Path) -> None:
    other = Path(shutil.copyfile(project, project.with_name("other.toml")))
    before = sorted(path.name for path in project.parent.rglob("work/**/*.exr"))
    change(other, 'apply = "missing-from:negative"', 'apply = "1008"')
    with pytest.raises(ProjectError, match=r"work belongs to the project .*project\.toml; give each project its own output"):
        run_project(other)
    assert sorted(path.name for path in project.parent.rglob("work/**/*.exr")) == before
    project.unlink()  # renamed
    run_project(other)
    assert states(other)["detail"] == "up to date"


def test_only_takes_a_pass_that_exists(project: Path) -> None:
    for ask in (run_project, plan_project):
        with pytest.raises(ProjectError, match="no pass 'colours'"):
            ask(project, only=["colours"])


def test_each_shot_gets_its_own_model(elements: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(elements, tmp_path / "shots", ignore=shutil.ignore_patterns("work"))) / "project.toml"
    detail, end = PROJECT.index("[passes.detail]"), PROJECT.index("[sequence]")
    text = (PROJECT[:detail] + PROJECT[end:]).replace('order = ["colour", "detail"]', 'order = ["colour"]')
    text = text.replace('frames = "1001,1004"\nheld_out = "1003"', 'scope = "shot"\npairs = 2\nheld_out_pairs = 0')
    shots = '[shots.one]\nframes = "1001-1003"\n[shots.two]\nframes = "1004-1006"\n'
    path.write_text(text + shots, encoding="utf-8")
    result = run_project(path)
    assert [(step["unit"], step["found"]) for step in result["passes"]] == [("one", "train"), ("two", "train")]
    units = path.parent / "work" / "passes" / "colour"
    for unit, frames in (("one", [1001, 1003]), ("two", [1004, 1006])):
        assert json.loads((units / unit / "run" / "job.json").read_text(encoding="utf-8"))["frames"] == frames
    assert open_sequence(path.parent / "work" / "sequence" / "finished.####.exr").frames == HELD
    change(path, "1004-1006", "1005-1006")
    assert [(step.unit, step.state) for step in plan_project(path)] == [("one", "up to date"), ("two", "train")]


def test_a_shot_that_one_element_lacks_cannot_be_trained(elements: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(elements, tmp_path / "lacks", ignore=shutil.ignore_patterns("work"))) / "project.toml"
    detail = PROJECT.index("[passes.detail]")
    text = PROJECT[:detail] + PROJECT[detail:].replace('"colour"\npairs', '"negative"\nscope = "shot"\npairs')
    text = text.replace('order = ["colour", "detail"]', 'order = ["detail"]')
    path.write_text(text + '[shots.late]\nframes = "1007-1008"\n', encoding="utf-8")
    with pytest.raises(ProjectError, match="'print' and 'negative' share no frame in 'late'"):
        run_project(path, only=["detail"])


def test_an_element_that_is_not_there_is_named(elements: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(elements, tmp_path / "absent", ignore=shutil.ignore_patterns("work"))) / "project.toml"
    change(path, "kopie/", "copy/")
    with pytest.raises(MissingFrameError, match="copy does not exist"):
        run_project(path)
