"""What a trainer says of itself: how much it has seen, how much of its correction is handed out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from film_recovery.contract.events import read_events
from film_recovery.contract.exit_codes import ExitCode
from film_recovery.contract.job import TrainingJob
from film_recovery.contract.run_folder import RunFolder
from film_recovery.pairs.dataset import Dataset, Pair
from film_recovery.pairs.manifest import Manifest
from film_recovery.training.build import build_graph
from film_recovery.training.data import prepare
from film_recovery.training.graph import RecoveryGraph
from film_recovery.training.loop import train_dataset
from film_recovery.training.plan import make_plan
from film_recovery.training.trainer import Trainer


def _job(**changes: object) -> TrainingJob:
    usual = {"size": "small", "steps": 8, "batch": 2, "patch": 32, "device": "cpu", "precision": "fp32"}
    return TrainingJob("chroma", "", "", **{**usual, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def dataset(photograph: np.ndarray) -> Dataset:
    pairs = []
    for number in range(3):
        source = np.ascontiguousarray(photograph[:96, 150 * number : 150 * number + 128])
        target = np.clip(source * np.float32([1.1, 0.9, 0.8]), 0.0, 1.0)
        pairs.append(Pair(number, number == 2, source, target, target))
    return Dataset(Manifest("chroma", "none", "709", "luma", None, [0, 0, 128, 96], "", "", 0, {}, [], []), pairs)


def test_steps_at_half_resolution_show_four_times_as_much(dataset: Dataset) -> None:
    job = _job()
    graph = build_graph(job, dataset)
    trainer = Trainer(job, make_plan(job, graph.network, 32, 0.0), graph, dataset.pairs)
    seen = [trainer.times_seen]
    for _ in range(4):
        trainer.step()
        seen.append(trainer.times_seen)
    crop = 2 * 32 * 32 / (2 * 96 * 128)  # of all training pixels
    np.testing.assert_allclose(np.diff(seen), [4 * crop, 4 * crop, crop, crop])  # the first quarter of eight steps is coarse


def test_half_resolution_is_let_go_when_it_is_over(dataset: Dataset) -> None:
    job = _job()
    graph = build_graph(job, dataset)
    trainer = Trainer(job, make_plan(job, graph.network, 32, 0.0), graph, dataset.pairs)
    held = []
    for _ in range(4):
        trainer.step()
        held.append((len(trainer.coarse), trainer.coarse_steps))
    assert held == [(2, 1), (2, 2), (0, 2), (0, 2)]


def test_what_is_not_believed_is_no_usual_change(dataset: Dataset) -> None:
    marked = []
    for pair in dataset.pairs:
        target, trust = pair.target.copy(), np.ones(pair.target.shape[:2], np.float32)
        target[:32], trust[:32] = (1.0, 0.0, 0.0), 0.0  # a red bar in the reference
        marked.append(Pair(pair.frame, pair.held_out, pair.source, target, target, trust))
    plain = build_graph(_job(initial_weights="none"), dataset)
    covered = build_graph(_job(initial_weights="none"), Dataset(dataset.manifest, marked))
    assert (covered.gain < 5.0 * plain.gain).all()  # the start's filter smears the bar a little


def test_the_card_says_zero_where_nothing_of_the_correction_is_handed_out(dataset: Dataset, tmp_path: Path) -> None:
    result = train_dataset(_job(learning_rate=1e-12, initial_weights="none"), tmp_path / "run", dataset)
    card = json.loads(result.model.with_suffix(".json").read_text("utf-8"))
    assert result.held_out["step"] == 0.0
    assert card["training"]["share_of_correction"] == 0.0
    (finished,) = read_events(RunFolder(tmp_path / "run").events, "finished")
    assert (finished["psnr"], finished["share"]) == (card["held_out"]["psnr"], 0.0)


def test_of_initial_weights_that_training_does_not_better_as_much_is_handed_out_as_of_others(dataset: Dataset) -> None:
    job = _job(initial_weights="none")
    graph = build_graph(job, dataset)
    with torch.no_grad():
        graph.network.affine.bias[0] = 2e-4  # a correction that hardly shows
    trainer = Trainer(job, make_plan(job, graph.network, 32, 0.0), graph, dataset.pairs)
    trainer.begin(0.0)
    assert trainer.best_step == 0
    trainer.settle()
    assert trainer.share == 0.0


def test_of_a_target_no_more_is_kept_than_is_learned(dataset: Dataset) -> None:
    graph = RecoveryGraph("spatial", size="small", encoding="none", matrix="709", balance=None)
    prepared = prepare(graph, dataset.pairs[0], torch.device("cpu"))
    assert prepared.target.untyped_storage().nbytes() == 4 * 96 * 128


def test_a_defect_is_no_interruption(dataset: Dataset, tmp_path: Path) -> None:
    def broken(job: TrainingJob, given: Dataset) -> RecoveryGraph:
        raise RuntimeError("a defect\nof several lines")

    with pytest.raises(RuntimeError, match="a defect"):
        train_dataset(_job(), tmp_path / "run", dataset, make_graph=broken)
    (failed,) = read_events(RunFolder(tmp_path / "run").events, "failed")
    assert (failed["text"], failed["code"]) == ("RuntimeError: a defect", ExitCode.CRASH)
