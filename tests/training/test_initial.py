"""A training begins with the weights that are shipped, and with no correction all the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch

from film_recovery.contract.job import TrainingJob
from film_recovery.pairs.dataset import Dataset, Pair
from film_recovery.pairs.manifest import Manifest
from film_recovery.training.build import build_graph
from film_recovery.training.initial import SHIPPED, initial_weights

_SHIPPED = sorted(SHIPPED.glob("initial_*.safetensors"))


def _job(size: str = "medium", task: str = "chroma", weights: str = "auto") -> TrainingJob:
    return TrainingJob(task, "", "", size=size, steps=1, device="cpu", initial_weights=weights)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    coded = np.asarray(skimage.data.coffee()[:128, :192], np.float32) / np.float32(255.0)
    target = np.clip(coded * np.array([1.1, 0.9, 0.8], np.float32), 0.0, 1.0)
    pair = Pair(1, False, coded, target, target)
    return Dataset(Manifest("chroma", "none", "709", "luma", None, [0, 0, 192, 128], "", "", 0, {}, [], []), [pair])


def test_there_are_weights_for_the_usual_training_and_they_are_small() -> None:
    assert SHIPPED / "initial_chroma_medium.safetensors" in _SHIPPED
    assert sum(path.stat().st_size for path in _SHIPPED) < 10e6


def test_a_job_takes_what_is_shipped_for_it_or_what_it_names() -> None:
    assert initial_weights(_job()) == SHIPPED / "initial_chroma_medium.safetensors"
    assert initial_weights(_job(task="spatial")) is None
    assert initial_weights(_job(weights="none")) is None
    assert initial_weights(_job(weights="runs/shot010")) == Path("runs/shot010")


@pytest.mark.parametrize("path", _SHIPPED, ids=lambda path: path.stem)
def test_shipped_weights_fit_and_correct_nothing_yet(path: Path, dataset: Dataset) -> None:
    size = path.stem.split("_")[2]
    torch.manual_seed(0)
    given = build_graph(_job(size), dataset)
    torch.manual_seed(0)
    fresh = build_graph(_job(size, weights="none"), dataset)
    source = torch.from_numpy(dataset.pairs[0].source).permute(2, 0, 1)[None]
    assert not torch.equal(given.network.stem.weight, fresh.network.stem.weight)
    assert torch.equal(given(source), fresh(source))
    assert all(bool(torch.isfinite(parameter).all()) for parameter in given.network.parameters())
