from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from click.testing import CliRunner

from film_recovery.cli.main import cli
from film_recovery.contract.card import ModelCard
from film_recovery.contract.errors import ModelFileError, UsageError
from film_recovery.images.density import apply_balance
from film_recovery.images.familiar import FamiliarColours, cells_of
from film_recovery.images.frame import Frame
from film_recovery.images.io import read_frame, write_frame
from film_recovery.images.sequence import open_sequence
from film_recovery.inference.confidence import LAYER, ConfidenceMaps, least_like
from film_recovery.inference.sequence import apply_model
from film_recovery.inference.session import InferenceOptions
from film_recovery.inference.tiles import smallest_tile
from film_recovery.modelfile.export import export_model
from film_recovery.modelfile.load import load_model
from film_recovery.pairs.balance import DensityBalance
from film_recovery.training.graph import RecoveryGraph

BALANCE = [1.6, -0.1, -0.03, 0.1, 1.1, 0.05, 0.04, -0.1, 1.3, -0.02, 0.01, 0.03]
FloatArray = npt.NDArray[np.float32]


def familiar(pictures: list[FloatArray]) -> str:
    found = FamiliarColours.of([cells_of(one, BALANCE, "display", "709") for one in pictures], [None] * len(pictures))
    assert found is not None
    return found.to_text()


def make_model(path: Path, colours: str) -> Path:
    graph = RecoveryGraph(
        "chroma", size="small", encoding="display", matrix="709", balance=DensityBalance.from_numbers(BALANCE)
    ).eval()
    for parameter in graph.network.parameters():
        torch.nn.init.normal_(parameter, std=0.03)
    card = ModelCard("t", "chroma", "luma", "display", "709", BALANCE, "small", graph.receptive_field, graph.multiple, 1,
                     colours=colours)  # fmt: skip
    export_model(graph, card, path)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, photograph: FloatArray) -> Path:
    torch.manual_seed(3)
    return make_model(tmp_path_factory.mktemp("model") / "chroma.onnx", familiar([photograph]))


@pytest.fixture
def shot(tmp_path: Path, photograph: FloatArray, portrait: FloatArray) -> Path:
    """Two frames of the photograph that is known, and two of another one."""
    for number, picture in zip((1001, 1002, 1043, 1044), (photograph, photograph, portrait, portrait), strict=True):
        part = picture[number % 5 : number % 5 + 301, 9:512]
        write_frame(tmp_path / "in" / f"s.{number}.exr", Frame.from_rgb(part, "float", {"note": "kept"}), "float")
    return tmp_path / "in" / "s.####.exr"


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_layer_is_written_beside_the_colour_and_colour_stays_the_same(model: Path, shot: Path, tmp_path: Path) -> None:
    plain = apply_model(model, open_sequence(shot), tmp_path / "plain" / "r.####.exr", steady=False)
    report = apply_model(model, open_sequence(shot), tmp_path / "out" / "r.####.exr", steady=False, confidence=True)
    assert plain.unlike == {} and sorted(report.unlike) == report.done
    for frame in report.done:
        result = read_frame(tmp_path / "out" / f"r.{frame}.exr")
        assert np.array_equal(result.rgb, read_frame(tmp_path / "plain" / f"r.{frame}.exr").rgb)
        assert list(result.extra) == [LAYER] == ["confidence.Y"]
        layer = result.extra[LAYER]
        assert layer.shape == (301, 503) and layer.min() > 0.0 and layer.max() <= 1.0
        assert np.mean(layer < 0.5) == pytest.approx(report.unlike[frame], abs=0.002)
        assert result.metadata["film_recovery/confidence"] == "colours"
    assert max(report.unlike[1001], report.unlike[1002]) < 0.02 < 0.1 < min(report.unlike[1043], report.unlike[1044])


def test_chunks_tiles_and_threads_give_the_same_bits(model: Path, shot: Path, tmp_path: Path) -> None:
    sequence, asked = open_sequence(shot), {"confidence": True, "pixel_type": "float", "steady": True}
    card = load_model(model).card
    assert smallest_tile(card.receptive_field, card.multiple) < 500  # so that there are several
    apply_model(model, sequence, tmp_path / "whole" / "r.####.exr", **asked)
    for chunk, options in (
        ([1044, 1002], InferenceOptions(device="cpu", threads=1)), ([1001], None), ([1043], InferenceOptions(tile=128)),
    ):  # fmt: skip
        apply_model(model, sequence, tmp_path / "parts" / "r.####.exr", chunk, options, **asked)
    for frame in sequence.frames:
        one, two = (read_frame(tmp_path / folder / f"r.{frame}.exr") for folder in ("whole", "parts"))
        assert np.array_equal(one.extra[LAYER], two.extra[LAYER])
        assert np.abs(one.rgb - two.rgb).max() < 1e-5


def test_frames_without_the_layer_are_done_again_when_it_is_asked_for(model: Path, shot: Path, tmp_path: Path) -> None:
    words = ["apply", str(model), "--input", str(shot), "--output", str(tmp_path / "out" / "r.####.exr"), "--skip-existing"]
    for options, done in (([], 4), (["--confidence"], 4), (["--confidence"], 0), ([], 4)):
        result = CliRunner().invoke(cli, [*words, *options])
        assert result.exit_code == 0, result.output
        assert f"{done} frames written" in result.output
        assert ("frame 1043 is unlike the pairs" in result.output or "frame 1044 is unlike" in result.output) == bool(
            options and done
        )
    assert LAYER not in read_frame(tmp_path / "out" / "r.1043.exr").extra


def test_after_a_second_recovery_the_lower_confidence_stays(model: Path, shot: Path, tmp_path: Path) -> None:
    apply_model(model, open_sequence(shot), tmp_path / "one" / "r.####.exr", [1001], steady=False, confidence=True)
    first = read_frame(tmp_path / "one" / "r.1001.exr")
    first.extra[LAYER][:100] = 0.25
    write_frame(tmp_path / "one" / "r.1001.exr", first, "half")
    second = open_sequence(tmp_path / "one" / "r.####.exr")
    apply_model(model, second, tmp_path / "two" / "r.####.exr", steady=False, confidence=True)
    result = read_frame(tmp_path / "two" / "r.1001.exr").extra[LAYER]
    assert (result <= first.extra[LAYER]).all() and (result[:100] <= 0.25).all()


def test_flicker_comes_off_before_colours_are_compared(model: Path, photograph: FloatArray) -> None:
    deviation = (0.03, -0.02, 0.05)
    flickering = np.asarray(photograph * 10.0 ** -np.array(deviation), np.float32)
    maps = ConfidenceMaps(load_model(model).card, Path("r.####.exr"))
    steady, there = (
        maps.beside(Frame.from_rgb(photograph), picture, found)[0].extra[LAYER]
        for picture, found in ((photograph, (0.0, 0.0, 0.0)), (flickering, deviation))
    )
    assert np.abs(steady - there).max() < 0.01


def test_what_cannot_be_had_is_refused_before_anything_is_written(model: Path, shot: Path, tmp_path: Path) -> None:
    older = make_model(tmp_path / "older" / "chroma.onnx", "")
    with pytest.raises(UsageError, match="made before models told which colours"):
        apply_model(older, open_sequence(shot), tmp_path / "out" / "r.####.exr", confidence=True)
    for suffix in ("dpx", "tif"):
        with pytest.raises(UsageError, match="cannot hold a layer"):
            apply_model(model, open_sequence(shot), tmp_path / "out" / f"r.####.{suffix}", confidence=True)
    assert not (tmp_path / "out").exists()
    apply_model(older, open_sequence(shot), tmp_path / "out" / "r.####.exr", [1001])


def test_a_card_of_before_has_no_colours_and_a_spoiled_one_is_refused(model: Path, tmp_path: Path) -> None:
    values = json.loads(load_model(model).card.to_json())
    del values["colours"], values["schema"], values["version"]
    assert ModelCard(**values).colours == ""
    for text in ("no base64", "AAAA" * 5000, "AAA="):
        with pytest.raises(ModelFileError, match="says colours = "):
            load_model(make_model(tmp_path / "spoiled.onnx", text))


def test_the_balance_is_part_of_what_is_seen(photograph: FloatArray) -> None:
    whole = photograph[:320, :480]
    seen = np.asarray(apply_balance(cells_mean(whole), BALANCE), np.float32)
    assert np.allclose(cells_of(whole, BALANCE, "display", "709"), cells_of(np.repeat(np.repeat(seen, 4, 0), 4, 1), None,
                                                                          "display", "709"), atol=1e-5)  # fmt: skip


def cells_mean(picture: FloatArray) -> FloatArray:
    height, width = picture.shape[:2]
    return np.asarray(picture.reshape(height // 4, 4, width // 4, 4, 3).mean(axis=(1, 3)), np.float32)


def test_the_frames_that_are_named_are_distinct() -> None:
    shares = {1001: 0.01, 1040: 0.30, 1041: 0.32, 1043: 0.31, 1200: 0.10, 1300: 0.04, 1400: 0.09, 1500: 0.08}
    assert least_like(shares) == [1041, 1200, 1400]
    assert least_like({}) == [] and least_like({1: 0.0}) == []
