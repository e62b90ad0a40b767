"""Grain on a spatial recovery: the source's own put back, or the reference's kind made up; colour and chunks do not move."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from film_recovery.contract.card import ModelCard
from film_recovery.contract.errors import ModelFileError, UsageError
from film_recovery.elements.spectrum import grain_power
from film_recovery.images.colour import rgb_to_ycbcr
from film_recovery.images.frame import Frame, Window
from film_recovery.images.io import read_frame, write_frame
from film_recovery.images.sequence import open_sequence
from film_recovery.inference.grain import TREATMENTS, grain_kernel, with_grain
from film_recovery.inference.sequence import apply_model
from film_recovery.inference.session import InferenceOptions, ModelSession
from film_recovery.modelfile.export import export_model
from film_recovery.modelfile.load import load_model
from film_recovery.training.graph import RecoveryGraph

SOFT = 1.2  # pixels
FREQUENCY = [0.05, 0.15, 0.25, 0.35, 0.45]
GRAIN = {
    "frequency": FREQUENCY, "source": [4e-4] * 5, "reference": [4e-4, 4e-4, 3e-4, 2e-4, 1e-4], "recovered": [0.0] * 5,
    "level": [0.25, 0.75], "strength": [1.0, 1.0], "softness": [SOFT],
}  # fmt: skip


def _card(grain: dict[str, list[float]] | None = None, task: str = "spatial") -> ModelCard:
    graph = RecoveryGraph(task, size="small", encoding="none", matrix="709", balance=None)
    card = ModelCard("t", task, graph.kept, "none", "709", None, "small", graph.receptive_field, graph.multiple, 1)
    card.grain = GRAIN if grain is None else grain
    return card


def _grey(luma: np.ndarray) -> np.ndarray:
    return np.repeat(luma[..., None], 3, axis=-1).astype(np.float32)


def _frame(rgb: np.ndarray) -> Frame:
    window = Window(0, 0, rgb.shape[1], rgb.shape[0])
    return Frame(rgb.copy(), window, window)


def _luma(rgb: np.ndarray) -> np.ndarray:
    return rgb_to_ycbcr(rgb, "709")[..., 0]


def test_the_sources_own_grain_comes_back_on_a_true_recovery(photograph: np.ndarray) -> None:
    truth = _luma(photograph)
    grain = np.random.default_rng(0).normal(0.0, 0.02, truth.shape).astype(np.float32)
    source = ndimage.gaussian_filter(truth, SOFT, mode="nearest") + grain
    found = _luma(with_grain(_grey(truth), _grey(source), _card(), "source", 7)) - truth
    inside = (slice(12, -12), slice(12, -12))
    assert np.corrcoef(found[inside].ravel(), grain[inside].ravel())[0, 1] > 0.98
    assert found[inside].std() == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize("left", [0.25, 0.6])
def test_a_recovery_that_has_a_share_of_the_sources_grain_gets_what_it_lacks(photograph: np.ndarray, left: float) -> None:
    truth = _luma(photograph)
    grain = np.random.default_rng(0).normal(0.0, 0.02, truth.shape).astype(np.float32)
    source = ndimage.gaussian_filter(truth, SOFT, mode="nearest") + grain
    card = _card({**GRAIN, "recovered": [left**2 * power for power in GRAIN["source"]]})
    found = _luma(with_grain(_grey(truth + left * grain), _grey(source), card, "source", 7)) - truth
    inside = (slice(12, -12), slice(12, -12))
    assert np.corrcoef(found[inside].ravel(), grain[inside].ravel())[0, 1] > 0.98
    assert found[inside].std() == pytest.approx(0.02, rel=0.05)
    coarse, wanted = (ndimage.gaussian_filter(part, 4.0)[inside] for part in (found, grain))
    assert np.vdot(coarse, wanted) / np.vdot(wanted, wanted) == pytest.approx(1.0, abs=0.1), "also where the source is sharp"


def test_a_recovery_that_has_all_of_the_sources_grain_gets_none_again(photograph: np.ndarray) -> None:
    card = _card({**GRAIN, "recovered": GRAIN["source"]})
    source = photograph + np.random.default_rng(0).normal(0.0, 0.02, photograph.shape).astype(np.float32)
    assert np.abs(with_grain(source, source, card, "source", 7) - source).max() < 1e-6


def test_made_grain_has_the_spectrum_of_the_reference() -> None:
    flat = _grey(np.full((512, 512), 0.5))
    grain = _luma(with_grain(flat, flat, _card(), "reference", 3)) - 0.5
    frequency, power = grain_power([0.5 + grain])
    expected = np.interp(frequency, FREQUENCY, GRAIN["reference"])
    seen = (frequency > 0.08) & (frequency < 0.48)
    assert np.abs(power / expected - 1.0)[seen].mean() < 0.15
    assert grain_kernel(np.asarray(FREQUENCY), np.zeros(5)).max() == 0.0


def test_made_grain_follows_luma_as_the_references_does() -> None:
    halves = _grey(np.repeat([[0.25] * 200 + [0.75] * 200], 200, axis=0))
    card = _card({**GRAIN, "strength": [1.5, 0.5]})
    grain = _luma(with_grain(halves, halves, card, "reference", 3)) - _luma(halves)
    assert grain[:, :180].std() / grain[:, 220:].std() == pytest.approx(3.0, rel=0.1)


@pytest.mark.parametrize("treatment", TREATMENTS)
def test_colour_stays_and_a_frame_is_the_same_however_often_it_is_made(photograph: np.ndarray, treatment: str) -> None:
    source = np.clip(photograph * np.float32(1.3) - 0.1, -0.1, 1.2)  # also below 0 and above 1
    first, again, next_one = (with_grain(source, source * 0.98, _card(), treatment, frame) for frame in (5, 5, 6))
    assert np.array_equal(first, again)
    assert np.array_equal(first, next_one) == (treatment != "reference")
    assert np.abs(rgb_to_ycbcr(first, "709")[..., 1:] - rgb_to_ycbcr(source, "709")[..., 1:]).max() < 1e-6


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(2)
    graph = RecoveryGraph("spatial", size="small", encoding="display", matrix="709", balance=None).eval()
    for parameter in graph.network.parameters():
        torch.nn.init.normal_(parameter, std=0.03)
    path = tmp_path_factory.mktemp("grain") / "spatial.onnx"
    export_model(graph, dataclasses.replace(_card(), encoding="display"), path)
    return path


def test_chunks_and_tiles_give_the_same_bits_and_the_header_names_the_grain(
    model: Path, tmp_path: Path, photograph: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = np.hstack([photograph, photograph[:, ::-1]])
    for number in (1, 2, 3):
        write_frame(tmp_path / f"in.{number:04d}.exr", _frame(wide[number : number + 96, 200:860]), "float")
    sequence = open_sequence(str(tmp_path / "in.####.exr"))
    apply_model(model, sequence, tmp_path / "whole.####.exr", grain="reference", pixel_type="float")
    small, recover, widths = InferenceOptions(tile=64), ModelSession.run, []

    def counted(self: ModelSession, rgb: np.ndarray, at_once: int) -> np.ndarray:
        widths.append(rgb.shape[1])
        return recover(self, rgb, at_once)

    monkeypatch.setattr(ModelSession, "run", counted)
    apply_model(model, sequence, tmp_path / "part.####.exr", [3], small, grain="reference", pixel_type="float")
    assert len(widths) >= 2 * 3 and max(widths) < 660  # of the frame and the two beside it
    whole, part = (read_frame(tmp_path / f"{name}.0003.exr") for name in ("whole", "part"))
    assert np.abs(whole.rgb - part.rgb).max() < 1e-6
    assert whole.metadata["film_recovery/grain"] == "reference"
    kept = apply_model(model, sequence, tmp_path / "whole.####.exr", grain="reference", pixel_type="float", skip_existing=True)
    other = apply_model(model, sequence, tmp_path / "whole.####.exr", grain="source", pixel_type="float", skip_existing=True)
    assert (kept.skipped, other.done) == ([1, 2, 3], [1, 2, 3])


def test_models_that_cannot_have_grain_say_so(tmp_path: Path, model: Path, photograph: np.ndarray) -> None:
    write_frame(tmp_path / "in.0001.exr", _frame(photograph[:64, :64]), "float")
    sequence = open_sequence(str(tmp_path / "in.####.exr"))
    loaded = load_model(model)
    for card, words in (
        (dataclasses.replace(loaded.card, grain={}), "does not tell of grain"),
        (dataclasses.replace(loaded.card, task="chroma"), "Only a spatial recovery"),
        (dataclasses.replace(loaded.card, balance=[0.0] * 12), "balances the source"),
    ):
        unfit = dataclasses.replace(loaded, card=card)
        with pytest.raises(UsageError, match=words):
            apply_model(unfit, sequence, tmp_path / "out.####.exr", grain="source")
    assert not list(tmp_path.glob("out.*"))


@pytest.mark.parametrize("damage", [{"level": [0.5]}, {"softness": [1e9]}, {"source": [float("1e400")] * 5}, {"more": [1.0]}])
def test_a_card_with_grain_that_fits_nothing_is_refused(tmp_path: Path, damage: dict[str, list[float]]) -> None:
    graph = RecoveryGraph("spatial", size="small", encoding="none", matrix="709", balance=None).eval()
    with pytest.raises(ModelFileError, match="says grain"):
        export_model(graph, _card({**GRAIN, **damage}), tmp_path / "m.onnx")
