"""Baselines undo a simulated fading, keep what they promise, and say the same as the files they write."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import PyOpenColorIO as ocio
import pytest

from film_recovery.contract.errors import UsageError
from film_recovery.images.encodings import density_to_linear, encode, linear_to_density
from film_recovery.pairs.balance import DensityBalance
from film_recovery.pairs.dataset import Dataset, Pair, apply_balance
from film_recovery.pairs.manifest import Manifest
from film_recovery.review.baselines import Baseline, LumaKeepingLut, fit_baselines, fit_from_pairs, write_cubes
from film_recovery.review.metrics import delta_e, luma_identity

FloatArray = npt.NDArray[np.float32]
ABSORPTIONS = np.array([[0.90, 0.08, 0.02], [0.12, 0.80, 0.08], [0.06, 0.16, 0.78]])
NAMES = ["nothing", "density", "lut", "lut_kept_luma"]


def _fade(linear: FloatArray) -> FloatArray:
    dyes = linear_to_density(linear.astype(np.float64)) @ np.linalg.inv(ABSORPTIONS).T * [0.4, 0.92, 0.7]
    return np.asarray(density_to_linear(dyes @ ABSORPTIONS.T + [0.05, 0.02, 0.08]), np.float32)


@pytest.fixture(scope="module")
def pair(photograph: FloatArray, portrait: FloatArray) -> tuple[list[FloatArray], list[FloatArray]]:
    truths = [cv2.resize(picture, (300, 200)) for picture in (photograph, portrait)]
    sources = [_fade(truth) for truth in truths]
    grain = np.random.default_rng(0)
    references = [
        np.asarray(cv2.GaussianBlur(t, (0, 0), 1.0) * (1 + grain.normal(0, 0.05, t.shape)), np.float32) for t in truths
    ]
    return sources, [*references, *truths]


@pytest.fixture(scope="module")
def fitted(pair: tuple[list[FloatArray], list[FloatArray]]) -> list[Baseline]:
    return fit_from_pairs(pair[0], pair[1][:2], "display", "709")


def test_each_baseline_beats_doing_nothing(fitted: list[Baseline], pair: tuple[list[FloatArray], list[FloatArray]]) -> None:
    assert [baseline.name for baseline in fitted] == NAMES
    truth, source = pair[1][2], pair[0][0]
    differences = {baseline.name: delta_e(baseline.apply(source), truth, "display")[0] for baseline in fitted}
    assert all(differences[name] < 0.4 * differences["nothing"] for name in NAMES[1:])
    assert differences["lut_kept_luma"] < differences["lut"]


def test_do_nothing_does_nothing(fitted: list[Baseline], photograph: FloatArray) -> None:
    assert np.array_equal(fitted[0].apply(photograph), photograph)


def test_kept_luma_is_the_balanced_sources(fitted: list[Baseline], pair: tuple[list[FloatArray], list[FloatArray]]) -> None:
    source = pair[0][1]
    kept = fitted[3]
    assert isinstance(kept, LumaKeepingLut)
    assert luma_identity(kept.apply(source), apply_balance(source, kept.balance, "display"), "display") <= 1e-6


def test_a_dataset_is_fitted_on_its_training_pairs_with_its_own_balance(
    fitted: list[Baseline], pair: tuple[list[FloatArray], list[FloatArray]]
) -> None:
    sources, references = pair[0], pair[1]
    mine = DensityBalance(np.eye(3) * 1.1, np.array([0.01, 0.0, -0.01]))
    manifest = Manifest("chroma", "display", "709", "luma", mine.numbers, [0, 0, 300, 200], "a", "b", 0, {}, [], [])
    pairs = [Pair(number, False, sources[number], references[number], references[number]) for number in range(2)]
    poison = Pair(9, True, sources[0] * np.float32(0.0), references[0], references[0])
    from_dataset = fit_baselines(Dataset(manifest, [*pairs, poison]))
    for ours, theirs in zip(from_dataset[:3], fitted[:3], strict=True):
        assert np.array_equal(ours.apply(sources[0]), theirs.apply(sources[0])), ours.name
    assert isinstance(from_dataset[3], LumaKeepingLut) and from_dataset[3].balance.numbers == mine.numbers


def test_values_outside_the_range_pass_finite(fitted: list[Baseline]) -> None:
    wild = np.array([[[-0.2, 0.1, 3.0], [8.0, 8.0, 8.0], [0.0, 0.0, 0.0]]], np.float32)
    for baseline in fitted:
        assert np.isfinite(baseline.apply(wild)).all()


def test_cubes_read_by_opencolorio_give_the_same_colours(
    fitted: list[Baseline], pair: tuple[list[FloatArray], list[FloatArray]], tmp_path: Path
) -> None:
    paths = write_cubes(fitted, tmp_path)
    assert [path.name for path in paths] == ["density.cube", "lut.cube", "lut_kept_luma.cube"]
    source = pair[0][0]
    for baseline, path in zip(fitted[1:], paths, strict=True):
        transform = ocio.FileTransform(str(path), interpolation=ocio.INTERP_LINEAR)
        processor = ocio.Config.CreateRaw().getProcessor(transform).getDefaultCPUProcessor()
        coded = np.ascontiguousarray(encode(source, "display"), np.float32)
        processor.applyRGB(coded)
        wanted = np.asarray(encode(baseline.apply(source), "display"), np.float32)
        error = np.abs(coded - wanted)
        assert error.mean() < (1e-5 if baseline.name == "lut" else 2e-3), baseline.name


def test_no_training_pair_is_said_in_words() -> None:
    with pytest.raises(UsageError, match="training pairs"):
        fit_from_pairs([], [], "display", "709")
