"""A training may end early: by its figures alone, with a rate that falls to its end, and resumed to the same bits."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from film_recovery.contract.errors import StoppedError
from film_recovery.contract.events import read_events
from film_recovery.contract.job import TrainingJob
from film_recovery.contract.progress import SilentReporter
from film_recovery.contract.run_folder import RunFolder
from film_recovery.images.frame import Frame
from film_recovery.images.io import write_frame
from film_recovery.pairs.dataset import load_dataset
from film_recovery.training.build import build_graph
from film_recovery.training.checkpoint import load_checkpoint
from film_recovery.training.data import PreparedPair
from film_recovery.training.evaluate import level_spread, middle
from film_recovery.training.graph import RecoveryGraph
from film_recovery.training.loop import resume, train
from film_recovery.training.plan import TrainingPlan, has_levelled, load_plan
from film_recovery.training.trainer import Trainer

STEPS = 48


def plan(steps: int = 200) -> TrainingPlan:
    return TrainingPlan(steps, "fp32", "cpu", 1, 32, 1e-3, 10, 0.01)


def points(*figures: float, every: int = 10) -> list[tuple[int, float]]:
    return [(every * (place + 1), figure) for place, figure in enumerate(figures)]


def test_level_is_what_gains_nothing_more() -> None:
    assert has_levelled(points(30.0, 31.0, 31.1, 31.1, 31.1, 31.1), 100)
    assert not has_levelled(points(30.0, 31.0, 31.1, 31.2, 31.3, 31.4), 100)
    assert not has_levelled(points(31.0, 31.0, 31.0), 100), "too early in the plan"
    assert not has_levelled([], 100)
    level = points(*[31.0] * 10)
    assert has_levelled(level[:8], 100) and not has_levelled(level[:9], 100), "a tenth is left, which it takes to end"


@given(st.lists(st.floats(20.0, 50.0), min_size=6, max_size=30), st.floats(-5.0, 5.0))
def test_level_does_not_depend_on_where_the_figures_lie(figures: list[float], shift: float) -> None:
    rounded = [round(figure, 2) for figure in figures]
    moved = [figure + round(shift) for figure in rounded]
    assert has_levelled(points(*rounded), 15 * len(figures)) == has_levelled(points(*moved), 15 * len(figures))


@given(st.integers(40, 180))
def test_a_cut_short_rate_goes_on_where_it_was_and_falls_to_its_end(step: int) -> None:
    whole, cut = plan(), plan()
    cut.cool(step)
    assert cut.steps <= whole.steps and cut.whole == whole.steps
    assert [cut.learning_rate_at(one) for one in range(step)] == [whole.learning_rate_at(one) for one in range(step)]
    rates = [cut.learning_rate_at(one) for one in range(step, cut.steps)]
    assert rates[0] == pytest.approx(max(whole.learning_rate_at(step), 1e-5))
    assert all(later <= earlier for earlier, later in itertools.pairwise(rates))
    assert rates[-1] <= max(whole.learning_rate_at(step) * 0.11, 1e-5)


@pytest.fixture(scope="module")
def elements(tmp_path_factory: pytest.TempPathFactory, photograph: np.ndarray) -> Path:
    folder = tmp_path_factory.mktemp("elements")
    for frame in range(1, 5):
        picture = photograph[20:148, 60 * frame : 60 * frame + 160]
        write_frame(folder / f"faded.{frame:04d}.exr", Frame.from_rgb(picture ** np.float32([0.5, 0.9, 0.8]) * 0.8), "float")
        write_frame(folder / f"print.{frame:04d}.exr", Frame.from_rgb(picture), "float")
    return folder


def job(elements: Path, **changes: object) -> TrainingJob:
    values: dict[str, object] = {
        "frames": [1, 2, 4], "held_out": [3], "size": "small", "patch": 32, "batch": 1, "steps": STEPS, "precision": "fp32",
        "checkpoint_interval": 5, "sheet_interval": 1000, "device": "cpu", "learning_rate": 1e-6, "stop_when_level": True,
    }  # fmt: skip
    values.update(changes)
    source, reference = (str(elements / f"{name}.####.exr") for name in ("faded", "print"))
    return TrainingJob("chroma", source, reference, **values)  # type: ignore[arg-type]


class StopAfter(SilentReporter):
    """Asks to stop once it was asked a number of times."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def should_stop(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.fixture(scope="module")
def early(elements: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A training that learns nothing, so that it is level from the beginning, and was never stopped."""
    run = RunFolder(tmp_path_factory.mktemp("early") / "run")
    train(job(elements), run.path)
    return run


def test_a_level_training_ends_early_and_says_so(early: RunFolder) -> None:
    told = read_events(early.events, "levelled")
    assert len(told) == 1 and told[0]["steps"] == load_plan(early.plan).steps < STEPS
    assert read_events(early.events)[-1] | {"step": 0} == read_events(early.events, "finished")[0] | {"step": 0}
    assert load_checkpoint(early.last_checkpoint)[0].step == load_plan(early.plan).steps


@pytest.mark.parametrize("stopped_after", [13, 20, 23])
def test_stopped_before_or_after_it_was_cut_short_it_comes_to_the_same_bits(
    elements: Path, early: RunFolder, tmp_path: Path, stopped_after: int
) -> None:
    run = RunFolder(tmp_path / "run")
    with pytest.raises(StoppedError):
        train(job(elements), run.path, StopAfter(stopped_after + 4 + 4))
    if stopped_after < 16:  # killed after the decision, but before a checkpoint that is later than it
        shutil.copy(early.plan, run.plan)
    resume(run.path)
    (info_a, a), (info_b, b) = (load_checkpoint(one.last_checkpoint) for one in (run, early))
    assert info_a == info_b
    assert all(torch.equal(a[group][name], b[group][name]) for group in b for name in b[group])
    assert read_events(run.events, "levelled")[0]["step"] == read_events(early.events, "levelled")[0]["step"]


def test_without_being_asked_it_trains_to_its_end(elements: Path, tmp_path: Path) -> None:
    train(job(elements, stop_when_level=False), tmp_path / "run")
    assert load_plan(tmp_path / "run" / "plan.json").steps == STEPS


def test_restless_weights_must_be_clearly_better(elements: Path, early: RunFolder) -> None:
    dataset = load_dataset(early.dataset)
    wanted = job(elements)
    trainer = Trainer(wanted, load_plan(early.plan), build_graph(wanted, dataset), dataset.pairs)
    trainer.begin(10.0)
    best = trainer.best
    assert best is not None and best > 10.1, "far better than a bad start, however it flickers"
    trainer.best, trainer.best_step, trainer.restless = best - 0.05, -1, -1.0
    trainer.evaluate()
    assert trainer.best_step == -1
    trainer.restless = 1.0
    trainer.evaluate()
    assert (trainer.best, trainer.best_step) == (best, 0)


def test_spread_is_that_of_the_levels() -> None:
    graph = RecoveryGraph("chroma", size="small", encoding="display", matrix="709", balance=None).eval()
    pairs = []
    for level in (0.00, 0.02, 0.04):
        features = torch.full((5, 32, 32), 0.1)
        pairs.append(PreparedPair(1, features, features[3:] - level, torch.ones(1, 32, 32)))
    assert level_spread(graph, pairs, start_only=True) == pytest.approx(0.02 * np.sqrt(2.0 / 3.0) * np.sqrt(2.0), rel=1e-4)
    assert level_spread(graph, pairs[:1], start_only=True) == 0.0
    assert middle(pairs[0], 16).area == (16, 16)
