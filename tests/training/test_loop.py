from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
import torch
from scipy import ndimage

from film_recovery.contract.errors import BusyError, DeviceError, DivergedError, InputError, ModelFileError, StoppedError
from film_recovery.contract.events import read_events
from film_recovery.contract.job import TrainingJob
from film_recovery.contract.progress import SilentReporter
from film_recovery.contract.run_folder import RunFolder
from film_recovery.images.colour import rgb_to_ycbcr, ycbcr_to_rgb
from film_recovery.images.encodings import encode
from film_recovery.images.frame import Frame
from film_recovery.images.io import read_frame, write_frame
from film_recovery.modelfile.load import load_model
from film_recovery.pairs.dataset import Dataset, build_dataset, load_dataset
from film_recovery.training import loop
from film_recovery.training.build import build_graph
from film_recovery.training.checkpoint import load_checkpoint, save_checkpoint
from film_recovery.training.graph import RecoveryGraph
from film_recovery.training.loop import resume, train, train_dataset
from film_recovery.training.monitor import Monitor
from film_recovery.training.plan import load_plan
from film_recovery.training.start_module import Start

STEPS = 30


class StopAfter(SilentReporter):
    """Asks to stop once it was asked a number of times."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def should_stop(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.fixture(scope="module")
def elements(tmp_path_factory: pytest.TempPathFactory, photograph: np.ndarray) -> Path:
    """A faded, sharp element and a soft, coloured one, four frames of a photograph panned along."""
    folder = tmp_path_factory.mktemp("elements")
    for frame in range(1, 6):
        picture = photograph[20:180, 40 * frame : 40 * frame + 224]
        faded, soft = picture ** np.float32([0.5, 0.9, 0.8]) * 0.8, cv2.GaussianBlur(picture, (0, 0), 1.0)
        write_frame(folder / f"faded.{frame:04d}.exr", Frame.from_rgb(faded), "float")
        write_frame(folder / f"print.{frame:04d}.exr", Frame.from_rgb(soft), "float")
    return folder


def job(elements: Path, **changes: object) -> TrainingJob:
    values: dict[str, object] = {
        "task": "chroma", "source": str(elements / "faded.####.exr"), "reference": str(elements / "print.####.exr"),
        "frames": [1, 3, 5], "held_out": [4], "size": "small", "patch": 32, "batch": 2, "steps": STEPS,
        "checkpoint_interval": 10, "sheet_interval": 15, "precision": "fp32",
    }  # fmt: skip
    return TrainingJob(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole(elements: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that was never stopped."""
    run = RunFolder(tmp_path_factory.mktemp("run") / "whole")
    train(job(elements), run.path)
    return run


def figure_of_the_file(run: RunFolder, dataset: Dataset) -> float:
    """PSNR in dB of what the model file makes of the held-out pairs: coded RGB of which what is kept is right, as soft as the
    targets are, without each frame's mean error, pixels counting as far as they are believed."""
    model = load_model(run.path)
    session = onnxruntime.InferenceSession(model.content, providers=["CPUExecutionProvider"])
    learned = np.float32({"luma": [0.0, 1.0, 1.0], "chroma": [1.0, 0.0, 0.0]}[model.card.kept])
    softness, figures = float(load_checkpoint(run.last_checkpoint)[1]["graph"]["start.softness"]), []
    for pair in dataset.held_out:
        rgb = session.run(None, {"rgb": pair.source.transpose(2, 0, 1)[None]})[0][0].transpose(1, 2, 0)
        found, target = (rgb_to_ycbcr(encode(picture, "display"), "709") for picture in (rgb, pair.target))
        error = ndimage.gaussian_filter(found, (softness, softness, 0), mode="nearest", truncate=3.0) - target
        error = ycbcr_to_rgb(error * learned, "709")
        trust = np.ones(error.shape[:2]) if pair.trust is None else pair.trust
        error -= np.average(error, axis=(0, 1), weights=trust)
        figures.append(-10.0 * np.log10(np.average(np.square(error).mean(axis=2), weights=trust)))
    return float(np.mean(figures))


def same_tensors(first: RunFolder, second: RunFolder) -> bool:
    (info_a, a), (info_b, b) = (load_checkpoint(run.last_checkpoint) for run in (first, second))
    assert info_a == info_b
    assert {group: set(tensors) for group, tensors in a.items()} == {group: set(tensors) for group, tensors in b.items()}
    return all(torch.equal(a[group][name], b[group][name]) for group in a for name in a[group])


def test_a_run_leaves_a_checked_model_and_its_records(whole: RunFolder) -> None:
    model = load_model(whole.path)
    assert model.card.kept == "luma"
    assert model.card.training["frames"] == [1, 3, 5]
    assert model.half_path.is_file()
    kinds = {event["event"] for event in read_events(whole.events)}
    assert {"started", "start", "progress", "held_out", "contact_sheet", "checkpoint", "exported", "finished"} <= kinds
    assert len(list(whole.sheets.glob("contact_*.png"))) == 2


def test_what_is_handed_out_is_not_worse_than_the_start_on_the_held_out_pair(whole: RunFolder) -> None:
    start = read_events(whole.events, "start")[0]["held_out"]
    assert load_model(whole.path).card.held_out["psnr"] >= start


@pytest.mark.parametrize(("task", "rate"), [("chroma", 0.3), ("spatial", 0.03)])
def test_a_training_that_harms_hands_out_what_is_not_worse_than_the_start(
    elements: Path, tmp_path: Path, task: str, rate: float
) -> None:
    run = RunFolder(tmp_path / "harmed")
    train(job(elements, task=task, learning_rate=rate), run.path)
    start = read_events(run.events, "start")[0]["held_out"]
    assert read_events(run.events, "held_out")[-1]["psnr"] < start - 0.3
    figure = figure_of_the_file(run, load_dataset(run.dataset))
    assert figure >= start - 0.02
    assert figure == pytest.approx(load_model(run.path).card.held_out["psnr"], abs=0.05)


def test_a_training_that_helps_hands_out_a_file_as_good_as_its_card_says(elements: Path, tmp_path: Path) -> None:
    def make(job: TrainingJob, dataset: Dataset) -> RecoveryGraph:
        graph = build_graph(job, dataset)
        graph.start = Start("chroma")  # changes nothing, and so leaves all to learn
        graph.gain.fill_(0.05)
        return graph

    run, wanted = RunFolder(tmp_path / "helped"), job(elements, balance="none", learning_rate=0.001)
    dataset = build_dataset(wanted, tmp_path / "pairs")
    train_dataset(wanted, run.path, dataset, make_graph=make)
    start, figure = read_events(run.events, "start")[0]["held_out"], figure_of_the_file(run, dataset)
    assert figure > start + 1.0
    assert figure == pytest.approx(load_model(run.path).card.held_out["psnr"], abs=0.05)


def test_without_held_out_pairs_a_quarter_of_the_correction_is_handed_out(elements: Path, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "unjudged")
    train(job(elements, held_out=[], steps=4), run.path)
    assert load_model(run.path).card.training["share_of_correction"] == 0.25
    trained, handed_out = (load_checkpoint(path)[1] for path in (run.last_checkpoint, run.best_checkpoint))
    for name, tensor in trained["averaged"].items():
        assert torch.equal(handed_out["best"][name], tensor * (0.25 if name.startswith(("affine.", "direct.")) else 1.0))


def test_pairs_in_memory_are_trained_to_the_same_bits(elements: Path, whole: RunFolder, tmp_path: Path) -> None:
    train_dataset(job(elements), tmp_path, load_dataset(whole.dataset))
    assert same_tensors(RunFolder(tmp_path), whole)
    with pytest.raises(InputError, match="already holds a run"):
        train_dataset(job(elements), tmp_path, load_dataset(whole.dataset))


def test_another_network_is_trained_and_exported_by_the_same_code(elements: Path, whole: RunFolder, tmp_path: Path) -> None:
    class Plain(torch.nn.Module):
        inputs, receptive_field = 5, 1

        def __init__(self) -> None:
            super().__init__()
            self.only = torch.nn.Conv2d(5, 2, 3, padding=1)

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return self.only(features)

    def make(wanted: TrainingJob, dataset: Dataset) -> RecoveryGraph:
        graph = build_graph(wanted, dataset)
        graph.network = Plain()
        return graph

    result = train_dataset(job(elements, steps=3), tmp_path, load_dataset(whole.dataset), make_graph=make)
    assert load_model(result.model).card.parameters == 5 * 2 * 9 + 2


def test_a_stopped_and_resumed_run_has_the_same_bits(elements: Path, whole: RunFolder, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "stopped")
    with pytest.raises(StoppedError, match="resume"):
        train(job(elements), run.path, _StopInTraining(run, 13))
    assert load_checkpoint(run.last_checkpoint)[0].step == 13
    resume(run.path)
    assert same_tensors(run, whole)
    steps = [event["step"] for event in read_events(run.events, "held_out")]
    assert steps == sorted(set(steps)) == [event["step"] for event in read_events(whole.events, "held_out")]
    assert run.model("chroma").read_bytes() != b""


@pytest.mark.parametrize(("steps", "interval"), [(30, 1), (30, 7), (14, 7)])  # judged every second step, every step
def test_a_training_that_diverges_ends_and_spoils_nothing_that_was_saved(
    elements: Path, tmp_path: Path, steps: int, interval: int
) -> None:
    run = RunFolder(tmp_path / "diverged")
    wanted = job(elements, learning_rate=1e37, steps=steps, checkpoint_interval=interval, sheet_interval=1)
    with pytest.raises(DivergedError, match=r"at step \d+ \(frames \[.*\b[135]\b.*\]\)"):
        train(wanted, run.path)
    info, groups = load_checkpoint(run.last_checkpoint)
    assert [event["event"] for event in read_events(run.events)][-1] == "failed"
    assert info.step < 3
    for group in ("averaged", "best"):
        assert all(bool(torch.isfinite(tensor).all()) for tensor in groups[group].values())
    assert not run.model("chroma").exists()


def test_a_finished_run_that_is_resumed_tells_its_end_once(elements: Path, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "again")
    train(job(elements, frames=[3], steps=4), run.path)  # one pair: there is something to warn of
    before = read_events(run.events)
    assert {"warning", "exported", "finished"} <= {str(event["event"]) for event in before}
    resume(run.path)
    after = [event["event"] for event in read_events(run.events)]
    assert "resumed" in after and [kind for kind in after if kind != "resumed"] == [event["event"] for event in before]


def _of_another_release(run: RunFolder) -> None:
    """Leave of the last checkpoint what one holds that another optimiser made."""
    info, groups = load_checkpoint(run.last_checkpoint)
    save_checkpoint(run.last_checkpoint, info, {name: group for name, group in groups.items() if name != "mean"})


def test_a_finished_run_of_another_release_is_exported_anew(elements: Path, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "old")
    train(job(elements, steps=4), run.path)
    _of_another_release(run)
    run.model("chroma").unlink()
    resume(run.path)
    assert load_model(run.path).card.training["steps"] == 4
    assert read_events(run.events)[-1]["event"] == "finished"


def test_an_unfinished_run_of_another_release_is_told(elements: Path, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "old")
    with pytest.raises(StoppedError):
        train(job(elements), run.path, _StopInTraining(run, 13))
    _of_another_release(run)
    with pytest.raises(ModelFileError, match=r"last\.safetensors comes from another release"):
        resume(run.path)


class _StopInTraining(StopAfter):
    """Counts only while the run is training: before that there is no plan yet."""

    def __init__(self, run: RunFolder, steps: int) -> None:
        super().__init__(steps - 1)
        self.run = run

    def should_stop(self) -> bool:
        return self.run.plan.exists() and super().should_stop()


def test_a_killed_and_resumed_run_has_the_same_bits(elements: Path, whole: RunFolder, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "killed")
    code = (
        "import json, sys; from pathlib import Path; from film_recovery.contract.job import TrainingJob; "
        "from film_recovery.training.loop import train; train(TrainingJob(**json.loads(sys.argv[1])), Path(sys.argv[2]))"
    )

    arguments = [json.dumps(dataclasses.asdict(job(elements))), str(run.path)]
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], env=dict(os.environ))
    deadline = time.monotonic() + 120
    while not any(event["step"] >= 12 for event in read_events(run.events, "progress")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    resume(run.path)
    assert same_tensors(run, whole)
    assert not list(run.checkpoints.glob("*partial*"))


def test_a_stop_request_file_ends_the_run_with_a_checkpoint(elements: Path, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "asked")
    run.path.mkdir()
    run.stop_request.touch()
    with pytest.raises(StoppedError):
        train(job(elements), run.path)
    assert load_checkpoint(run.last_checkpoint)[0].step == 1
    assert not run.model("chroma").exists()


def test_a_stop_is_obeyed_once_and_also_while_a_resume_starts(elements: Path, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "asked")
    run.path.mkdir()
    for step in (1, 2):
        run.stop_request.touch()
        with pytest.raises(StoppedError):
            resume(run.path) if run.job.exists() else train(job(elements), run.path)
        assert load_checkpoint(run.last_checkpoint)[0].step == step
        assert not run.stop_request.exists()


def test_a_stop_that_was_asked_of_a_refused_attempt_is_not_obeyed_by_the_next(elements: Path, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "refused")
    run.path.mkdir()
    run.stop_request.touch()
    with pytest.raises(InputError):
        train(job(elements, frames=[1, 99]), run.path)
    assert not run.job.exists() and not run.stop_request.exists()


def test_a_refusal_is_forgotten_as_soon_as_the_next_attempt_begins(elements: Path, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "refused")
    run.path.mkdir()
    with pytest.raises(InputError):
        train(job(elements, frames=[1, 99]), run.path)
    assert [event["event"] for event in read_events(run.events)] == ["failed"]

    class Looks(SilentReporter):
        def stage(self, text: str) -> None:
            assert not read_events(run.events)
            raise StoppedError("It was looked at.")

    with pytest.raises(StoppedError, match="It was looked at"):
        train(job(elements), run.path, Looks())


def test_an_attempt_that_was_killed_when_its_pairs_were_written_can_be_made_again(elements: Path, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "killed")
    build_dataset(job(elements, steps=1), run.dataset)
    train(job(elements, steps=1), run.path)
    assert run.model("chroma").is_file()


def test_pictures_take_a_small_part_of_the_time(elements: Path, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "pictures")
    train(job(elements, sheet_interval=1, preview=2), run.path)
    steps = [event["step"] for event in read_events(run.events, "contact_sheet")]
    assert (steps[0], steps[-1]) == (1, STEPS) and len(steps) < STEPS
    assert [event["step"] for event in read_events(run.events, "preview")] == steps


def test_a_run_with_a_preview_goes_on_where_its_elements_are_not(elements: Path, tmp_path: Path) -> None:
    here = shutil.copytree(elements, tmp_path / "elements")
    frame = read_frame(here / "faded.0002.exr").rgb
    run = RunFolder(tmp_path / "run")
    with pytest.raises(StoppedError):
        train(job(here, preview=2), run.path, StopAfter(12))
    shutil.rmtree(here)
    resume(run.path)
    events = read_events(run.events)
    assert events[-1]["event"] == "finished"
    shown = next(event for event in reversed(events) if event["event"] == "preview")
    assert shown["handed_out"] and (run.path / shown["path"]).is_file()
    x, y, width, height = load_dataset(run.dataset).manifest.crop
    assert np.array_equal(read_frame(run.preview / "input.exr").rgb, frame[y : y + height, x : x + width])


def test_there_are_no_more_sheets_than_anybody_looks_at(
    elements: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_SHEETS", 3)
    monkeypatch.setattr(Monitor, "has_time", True)
    run = RunFolder(tmp_path / "pictures")
    train(job(elements, sheet_interval=1), run.path)
    steps = [event["step"] for event in read_events(run.events, "contact_sheet")]
    assert steps == [10, 20, STEPS]


def test_the_last_sheet_is_of_the_model_that_is_handed_out(
    elements: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[dict[str, torch.Tensor]] = []
    monkeypatch.setattr(Monitor, "draw", lambda _, graph, *__, **___: drawn.append(graph.network.state_dict()))
    run = RunFolder(tmp_path / "shown")
    train(job(elements, learning_rate=0.3), run.path)  # so that the last weights are not the best
    best = load_checkpoint(run.best_checkpoint)[1]["best"]
    assert all(torch.equal(drawn[-1][name], tensor) for name, tensor in best.items())


def test_too_little_memory_is_told_and_recorded(elements: Path, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "large")
    with pytest.raises(DeviceError, match=r"smaller --batch.* fewer or a smaller --crop"):
        train(job(elements, batch=10**9), run.path)
    last = read_events(run.events)[-1]
    assert (last["event"], last["code"]) == ("failed", 4)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_refused_before_any_work(elements: Path, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="No CUDA device"):
        train(job(elements, device="cuda"), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_run_goes_on_on_another_device(elements: Path, whole: RunFolder, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "moved")
    with pytest.raises(StoppedError):
        train(job(elements), run.path, _StopInTraining(run, 13))
    plan = load_plan(run.plan)
    plan.device, plan.threads = "cuda", 1  # as if it had begun on a GPU
    plan.save(run.plan)
    resume(run.path, device="cpu")
    assert (load_plan(run.plan).device, load_plan(run.plan).threads) == ("cpu", torch.get_num_threads())
    assert same_tensors(run, whole)


def test_a_folder_that_holds_a_run_is_refused(elements: Path, whole: RunFolder) -> None:
    with pytest.raises(InputError, match="already holds a run"):
        train(job(elements), whole.path)


def test_two_processes_cannot_work_in_one_folder(elements: Path, tmp_path: Path) -> None:
    with RunFolder(tmp_path).locked(), pytest.raises(BusyError, match="Another process"):
        train(job(elements), tmp_path)


def test_initial_weights_of_another_run_are_taken_and_others_refused(elements: Path, whole: RunFolder, tmp_path: Path) -> None:
    train(job(elements, steps=1, initial_weights=str(whole.path)), tmp_path / "more")
    with pytest.raises(InputError, match="small chroma"):
        train(job(elements, size="medium", steps=1, initial_weights=str(whole.path)), tmp_path / "other")


def test_a_damaged_checkpoint_is_named(whole: RunFolder, tmp_path: Path) -> None:
    damaged = tmp_path / "last.safetensors"
    damaged.write_bytes(whole.last_checkpoint.read_bytes()[:1000])
    with pytest.raises(ModelFileError, match="not a whole checkpoint"):
        load_checkpoint(damaged)


def test_spatial_and_as_is_runs_train_and_export(elements: Path, tmp_path: Path) -> None:
    for task in ("spatial", "as-is"):
        source, reference = str(elements / "print.####.exr"), str(elements / "faded.####.exr")
        result = train(job(elements, task=task, source=source, reference=reference, steps=2), tmp_path / task)
        assert load_model(result.model).card.task == task
