"""A training begins with the weights that are shipped, and with no correction all the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenImageIO
import pytest
import skimage.data
import torch
from safetensors.torch import save
from skimage.filters import gaussian

from film_recovery.contract.errors import InputError, ModelFileError, UnreadableImageError, VerificationError
from film_recovery.contract.job import KEPT, TrainingJob
from film_recovery.images.frame import Frame
from film_recovery.images.io import write_frame
from film_recovery.pairs.dataset import Dataset, Pair
from film_recovery.pairs.manifest import Manifest
from film_recovery.training.build import build_graph
from film_recovery.training.initial import SHIPPED, initial_weights
from film_recovery.training.loop import train
from film_recovery.training.network import DETAIL_SIZES

_SHIPPED = sorted(SHIPPED.glob("initial_*.safetensors"))


def _job(size: str = "medium", task: str = "chroma", weights: str = "auto") -> TrainingJob:
    return TrainingJob(task, "", "", size=size, steps=1, device="cpu", initial_weights=weights)


def _dataset(task: str) -> Dataset:
    coded = np.asarray(skimage.data.coffee()[:128, :192], np.float32) / np.float32(255.0)
    target = np.clip(coded * np.array([1.1, 0.9, 0.8], np.float32), 0.0, 1.0)
    source = coded if task == "chroma" else np.asarray(gaussian(coded, 1.5, channel_axis=-1), np.float32)
    pair = Pair(1, False, source, target, target)
    return Dataset(Manifest(task, "none", "709", KEPT[task], None, [0, 0, 192, 128], "", "", 0, {}, [], []), [pair])


def test_there_are_weights_for_every_size_of_spatial_recovery_and_they_are_small() -> None:
    names = {path.stem for path in _SHIPPED}
    assert names == {f"initial_spatial_{size}" for size in DETAIL_SIZES}
    assert sum(path.stat().st_size for path in _SHIPPED) < 10e6


def test_a_job_takes_what_is_shipped_for_it_or_what_it_names() -> None:
    assert initial_weights(_job()) is None
    assert initial_weights(_job("small", "spatial")) == SHIPPED / "initial_spatial_small.safetensors"
    assert initial_weights(_job(task="as-is")) is None
    assert initial_weights(_job(weights="none")) is None
    assert initial_weights(_job(weights="runs/shot010")) == Path("runs/shot010")


def test_weights_that_cannot_be_used_are_told_before_anything_is_written(tmp_path: Path, photograph: np.ndarray) -> None:
    for name in ("source", "reference"):
        for frame in (1, 2):
            write_frame(tmp_path / f"{name}.{frame}.exr", Frame.from_rgb(photograph[:64, :96]))
    files = [str(tmp_path / f"{name}.#.exr") for name in ("source", "reference")]
    (tmp_path / "empty").mkdir()
    (tmp_path / "other.safetensors").write_bytes(save({}, metadata={}))
    for changes, error, words in (
        ({"initial_weights": str(tmp_path / "none.safetensors")}, InputError, "no initial weights in .*none.safetensors"),
        ({"initial_weights": str(tmp_path / "empty")}, InputError, "no initial weights in"),
        ({"initial_weights": str(_SHIPPED[0])}, InputError, "are of a large spatial model"),
        ({"initial_weights": str(tmp_path / "other.safetensors")}, ModelFileError, "not a whole checkpoint"),
        ({"preview": 7}, InputError, "preview's frame 7 is none of"),
    ):
        job = TrainingJob("chroma", *files, frames=[1, 2], steps=1, device="cpu", **changes)  # type: ignore[arg-type]
        with pytest.raises(error, match=words):
            train(job, tmp_path / "run")
        assert not (tmp_path / "run" / "job.json").exists()


def test_a_preview_that_cannot_be_recovered_is_told_before_anything_is_written(tmp_path: Path, photograph: np.ndarray) -> None:
    for name in ("source", "reference"):
        for frame in (1, 2, 3, 4):
            write_frame(tmp_path / f"{name}.{frame}.exr", Frame.from_rgb(photograph[:64, :96]), "float")
    spoilt = photograph[:64, :96].copy()
    spoilt[5, 5] = np.nan
    image = OpenImageIO.ImageBuf(OpenImageIO.ImageSpec(96, 64, 3, "float"))
    image.set_pixels(OpenImageIO.ROI(), spoilt)
    image.write(str(tmp_path / "source.3.exr"))
    content = (tmp_path / "source.4.exr").read_bytes()
    (tmp_path / "source.4.exr").write_bytes(content[: len(content) // 2])
    files = [str(tmp_path / f"{name}.#.exr") for name in ("source", "reference")]
    for preview, error, words in (
        (3, VerificationError, "Frame 3 of the source has .* NaN or infinite"),
        (4, UnreadableImageError, "source.4.exr is damaged"),
    ):
        job = TrainingJob("chroma", *files, frames=[1, 2], steps=1, device="cpu", preview=preview)
        with pytest.raises(error, match=words):
            train(job, tmp_path / "run")
        assert not (tmp_path / "run" / "job.json").exists()


@pytest.mark.parametrize("path", _SHIPPED, ids=lambda path: path.stem)
def test_shipped_weights_fit_and_correct_nothing_yet(path: Path) -> None:
    _, task, size = path.stem.split("_")
    dataset = _dataset(task)
    torch.manual_seed(0)
    given = build_graph(_job(size, task), dataset)
    torch.manual_seed(0)
    fresh = build_graph(_job(size, task, "none"), dataset)
    source = torch.from_numpy(dataset.pairs[0].source).permute(2, 0, 1)[None]
    assert not torch.equal(given.network.stem.weight, fresh.network.stem.weight)
    assert torch.equal(given(source), fresh(source))
    assert all(bool(torch.isfinite(parameter).all()) for parameter in given.network.parameters())
