"""The flicker of whole frames is taken out of what a model sees, and nothing else is."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from click.testing import CliRunner

from film_elements.clip import moving_still
from film_recovery.cli.main import cli
from film_recovery.contract.card import ModelCard
from film_recovery.contract.errors import UsageError
from film_recovery.contract.steady import WINDOW
from film_recovery.images.colour import rgb_to_ycbcr
from film_recovery.images.encodings import decode, encode
from film_recovery.images.frame import Frame
from film_recovery.images.io import read_frame, write_frame
from film_recovery.images.movie import write_movie
from film_recovery.images.sequence import Sequence, open_sequence
from film_recovery.inference.beside import may_steady
from film_recovery.inference.sequence import apply_model
from film_recovery.inference.steady import Steadiness, source_reader, steadied
from film_recovery.modelfile.check import kept_change
from film_recovery.modelfile.export import export_model
from film_recovery.modelfile.load import load_model
from film_recovery.pairs.balance import DensityBalance
from film_recovery.training.graph import RecoveryGraph

SIZE = (240, 136)
COUNT = 60
BALANCE = [2.6, -0.15, -0.03, 0.2, 1.1, 0.05, 0.08, -0.1, 1.6, -0.02, 0.01, 0.03]
FloatArray = npt.NDArray[np.float32]


def panned(picture: FloatArray, count: int = COUNT, zoom: float = 0.8) -> list[FloatArray]:
    return [np.maximum(frame, 0.01) for frame in moving_still(picture, SIZE, count, zoom, cut=False)]


def slow_flicker(count: int = COUNT) -> npt.NDArray[np.float64]:
    """Density (count, 3): two waves a channel, half a second to one and a half long, deviation about 0.005."""
    seconds = np.arange(count)[:, None] / 24.0
    return 0.005 * (np.sin(2 * np.pi * seconds * [0.9, 0.7, 1.1] + [0, 1, 2]) + np.sin(2 * np.pi * seconds * 1.9 + [2, 0, 1]))


def flickering(frames: list[FloatArray], density: npt.NDArray[np.float64]) -> list[FloatArray]:
    return [np.asarray(frame * 10.0**-shift, np.float32) for frame, shift in zip(frames, density, strict=True)]


def deviations(frames: list[FloatArray], encoding: str = "display", first: int = 0) -> npt.NDArray[np.float64]:
    steadiness = Steadiness(list(range(first, first + len(frames))), lambda frame: frames[frame - first], encoding)
    return np.array([steadiness.deviation(first + index) for index in range(len(frames))])


def grainy(frames: list[FloatArray]) -> list[FloatArray]:
    random = np.random.default_rng(5)
    return [np.asarray(frame * 10.0 ** random.normal(0.0, 0.02, frame.shape), np.float32) for frame in frames]


def make_model(path: Path, task: str = "chroma", spread: float = 0.03) -> Path:
    """A model with parameters at random; with a ``spread`` of 0 its network corrects nothing."""
    torch.manual_seed(3)
    balance = DensityBalance.from_numbers(BALANCE)
    graph = RecoveryGraph(task, size="small", encoding="display", matrix="709", balance=balance).eval()
    for parameter in graph.network.parameters():
        torch.nn.init.normal_(parameter, std=spread)
    kept = {"chroma": "luma", "spatial": "chroma"}[task]
    card = ModelCard("t", task, kept, "display", "709", BALANCE, "small", graph.receptive_field, graph.multiple, 1)
    export_model(graph, card, path)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "chroma.onnx")


def written(folder: Path, frames: dict[int, FloatArray]) -> Path:
    for number, rgb in frames.items():
        write_frame(folder / f"scan.{number}.exr", Frame.from_rgb(rgb, "float"), "float")
    return folder / "scan.####.exr"


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_flicker_of_a_moving_grainy_shot_is_found(photograph: FloatArray) -> None:
    flicker = slow_flicker()
    found = deviations(grainy(flickering(panned(photograph), flicker)))
    inner = slice(WINDOW, COUNT - WINDOW)
    left = (flicker - found)[inner]
    assert (left.std(axis=0) < 0.2 * flicker[inner].std(axis=0)).all()
    assert ((flicker - found).std(axis=0) < 0.5 * flicker.std(axis=0)).all()  # at the ends of the shot the window is half


def test_what_does_not_flicker_is_left_alone(photograph: FloatArray) -> None:
    found = np.abs(deviations(grainy(panned(photograph))))
    assert found.max() < 0.002 and np.sqrt(np.square(found).mean()) < 0.001  # the largest where the pan begins and ends


def test_coded_values_are_steadied_as_the_light_they_stand_for(photograph: FloatArray) -> None:
    frames = flickering(panned(photograph, 30), slow_flicker(30))
    coded = [np.asarray(encode(frame, "display"), np.float32) for frame in frames]
    assert np.allclose(deviations(coded, "none"), deviations(frames), atol=2e-4)


def test_the_window_ends_at_a_cut(photograph: FloatArray, portrait: FloatArray) -> None:
    """What is found on either side of a cut is to the digit what is found when the other side is not there."""
    flicker = slow_flicker()
    first, second = (flickering(panned(picture), flicker)[:30] for picture in (photograph, portrait))
    together = deviations(first + second)
    assert np.array_equal(together[:30], deviations(first))
    assert np.array_equal(together[30:], deviations(second))
    assert np.abs(together[30:]).max() > 0.003


@pytest.mark.parametrize("colour", [(1.0, 1.0, 1.0), (1.0, 0.7, 0.4)], ids=["neutral", "warm"])
def test_a_fade_in_is_not_flattened(photograph: FloatArray, colour: tuple[float, ...]) -> None:
    """From a hundredth of the light to all of it within a second, then steady."""
    dark = np.append(np.linspace(2.0, 0.0, 24), np.zeros(COUNT - 24))
    found = deviations(flickering(panned(photograph), dark[:, None] * colour))
    assert np.abs(found).max() < 0.004  # of a fade of 2.0; at its knee frames still differ little from their neighbours
    assert np.abs(found[28:]).max() < 0.002


def test_lightning_stays_and_does_not_darken_its_neighbours(photograph: FloatArray) -> None:
    light = np.zeros((COUNT, 3))
    light[30:32] = (-0.15, -0.18, -0.25)
    frames = panned(photograph)
    assert np.abs(deviations(flickering(frames, light)) - deviations(frames)).max() < 0.0005


def test_a_lamp_that_is_switched_on_stays_on(photograph: FloatArray) -> None:
    light = np.zeros((COUNT, 3))
    light[30:] = (-0.10, -0.06, 0.02)
    frames = panned(photograph)
    assert np.abs(deviations(flickering(frames, light)) - deviations(frames)).max() < 0.0015  # it halves the window


def test_a_slow_change_of_light_keeps_its_slope(photograph: FloatArray) -> None:
    """Also where the shot begins and ends, where all neighbours lie on one side; with grain."""
    evening = np.linspace(0.0, 0.06, COUNT)[:, None] * (0.2, 1.0, 1.6)
    found = deviations(grainy(flickering(panned(photograph), evening)))
    assert np.abs(found).max() < 0.0025 and np.abs(found[WINDOW : COUNT - WINDOW]).max() < 0.0015


def test_gaps_and_ends_and_single_frames(photograph: FloatArray) -> None:
    flicker = slow_flicker()
    frames = flickering(panned(photograph), flicker)
    there = [number for number in range(COUNT) if number % 7 != 3]
    steadiness = Steadiness(there, lambda frame: frames[frame], "display")
    found = np.array([steadiness.deviation(frame) for frame in there])
    assert ((flicker[there] - found).std(axis=0) < 0.5 * flicker.std(axis=0)).all()
    assert Steadiness([7], lambda frame: frames[frame], "display").deviation(7) == (0.0, 0.0, 0.0)
    assert Steadiness([7, 8], lambda _: None, "display").deviation(7) == (0.0, 0.0, 0.0)


def test_black_and_differently_sized_frames_tell_nothing(photograph: FloatArray) -> None:
    frames = panned(photograph, 12)
    black = [np.zeros_like(frame) for frame in frames]
    assert not deviations(black).any()
    assert not deviations([frames[0], frames[1][:-16]]).any()


def test_each_frame_is_read_once_and_chunks_see_the_same(photograph: FloatArray) -> None:
    frames, taken = flickering(panned(photograph), slow_flicker()), []

    def read(frame: int) -> FloatArray:
        taken.append(frame)
        return frames[frame]

    whole = Steadiness(list(range(COUNT)), read, "display")
    found = [whole.deviation(frame) for frame in range(COUNT)]
    assert sorted(taken) == list(range(COUNT))
    taken.clear()
    part = Steadiness(list(range(COUNT)), read, "display")
    assert [part.deviation(frame) for frame in range(30, 36)] == found[30:36]
    assert sorted(taken) == list(range(30 - WINDOW, COUNT))


def test_chunks_equal_the_whole_range_and_luma_is_kept(model: Path, photograph: FloatArray, tmp_path: Path) -> None:
    frames = flickering(panned(photograph, 30), slow_flicker(30))
    frames[3][0, 0], frames[3][0, 1] = (2.5, -0.02, 0.5), (-0.3, 0.0, 4.0)
    numbered = {1001 + index: frame for index, frame in enumerate(frames) if index != 11}
    sequence, kinds = open_sequence(written(tmp_path / "in", numbered)), {"pixel_type": "float"}
    asked = [1001, 1004, 1011, 1013, 1030]
    apply_model(model, sequence, tmp_path / "one" / "r.####.exr", asked, **kinds)
    for chunk in ([1030, 1004], [1013], [1001, 1011]):
        apply_model(model, sequence, tmp_path / "many" / "r.####.exr", chunk, **kinds)
    assert files(tmp_path / "one") == files(tmp_path / "many")
    card = load_model(model).card
    for frame in asked:
        result = read_frame(tmp_path / "one" / f"r.{frame}.exr")
        assert any(float(word) for word in result.metadata["film_recovery/steadied"].split())
        assert kept_change(numbered[frame], result.rgb, card) <= 1e-6


@pytest.mark.parametrize("encoding", ["display", "log", "none"])
def test_what_is_steadied_is_the_light_before_it_flickered(photograph: FloatArray, encoding: str) -> None:
    """Also below 0 and above 1."""
    deviation, light = (0.03, -0.02, 0.05), np.asarray(photograph[:70, :90] * 1.5 - 0.1, np.float32)
    flickered = light * 10.0 ** -np.array(deviation)
    working = np.asarray(encode(flickered, "display") if encoding == "none" else flickered, np.float32)
    found = steadied(working, deviation, encoding)
    assert np.allclose(decode(found, "display") if encoding == "none" else found, light, rtol=1e-5, atol=1e-6)


def test_flicker_is_not_in_the_colour_that_is_written(model: Path, photograph: FloatArray, tmp_path: Path) -> None:
    """Less than half of it over the whole shot, at whose ends the window is half."""
    steady = panned(photograph)
    clips = {"clean": (steady, False), "off": (flickering(steady, slow_flicker()), False)}
    clips["on"] = (clips["off"][0], True)
    levels = {}
    for name, (frames, wanted) in clips.items():
        source = open_sequence(written(tmp_path / f"in_{name}", dict(enumerate(frames, start=1001))))
        apply_model(model, source, tmp_path / name / "r.####.exr", pixel_type="float", steady=wanted)
        results = [read_frame(tmp_path / name / f"r.{frame}.exr").rgb for frame in source.frames]
        levels[name] = np.array([rgb_to_ycbcr(encode(rgb, "display"), "709")[..., 1:].mean(axis=(0, 1)) for rgb in results])
    off, on = ((levels[name] - levels["clean"]).std(axis=0) for name in ("off", "on"))
    assert (off > 0.001).all() and (on < 0.5 * off).all()


def test_steadied_frames_are_other_frames_than_plain_ones(model: Path, photograph: FloatArray, tmp_path: Path) -> None:
    frames = flickering(panned(photograph, 12), slow_flicker(12))
    source = written(tmp_path / "in", dict(enumerate(frames, start=1001)))
    output = str(tmp_path / "out" / "r.####.exr")
    words = ["apply", str(model), "--input", str(source), "--output", output, "--frames", "1001-1002", "--skip-existing"]
    for option, done in (("--no-steady", 2), ("--no-steady", 0), ("--steady", 2), (None, 0)):
        result = CliRunner().invoke(cli, [*words, *([option] if option else [])])
        assert result.exit_code == 0, result.output
        assert f"{done} frames written" in result.output
    assert "film_recovery/steadied" in read_frame(tmp_path / "out" / "r.1001.exr").metadata


def test_a_movie_is_steadied_without_losing_its_place(photograph: FloatArray, tmp_path: Path) -> None:
    flicker = slow_flicker(40)
    coded = [encode(frame, "display") for frame in flickering(panned(photograph, 40), flicker)]
    write_movie(tmp_path / "shot.mp4", [np.asarray(np.clip(one, 0, 1) * 255 + 0.5, np.uint8) for one in coded], 24.0)
    sequence = open_sequence(tmp_path / "shot.mp4")
    card = ModelCard("t", "chroma", "luma", "none", "709", None, "small", 0, 16, 1)
    read, found = source_reader(sequence, card, lambda number, frame: None), []
    steadiness = Steadiness(sequence.frames, read, card.encoding)
    for frame in sequence.frames:
        assert sequence.read(frame).source.endswith(f"#{frame}")
        found.append(steadiness.deviation(frame))
    assert ((flicker - found).std(axis=0) < 0.5 * flicker.std(axis=0)).all()


def test_reading_goes_on_ahead_after_frames_that_were_passed_over(photograph: FloatArray, tmp_path: Path) -> None:
    """As between two ranges of frames: what was read ahead of the first one's end is never asked for."""
    sequence = open_sequence(written(tmp_path / "in", dict(enumerate(panned(photograph, 30), start=1001))))
    asked: list[int] = []

    class Listed(Sequence):
        def read(self, frame: int) -> Frame:
            asked.append(frame)
            return sequence.read(frame)

    read = source_reader(Listed(sequence.name, sequence.files), ModelCard(
        "t", "chroma", "luma", "display", "709", None, "small", 0, 16, 1
    ), lambda number, frame: None)  # fmt: skip
    for frame in (1001, 1002, 1020):
        read(frame)
    end = time.monotonic() + 30.0
    while 1021 not in asked:
        assert time.monotonic() < end, "nothing is read ahead any more"
        time.sleep(0.01)
    assert asked == [1001, 1002, 1003, 1020, 1021]


def test_a_model_that_keeps_nothing_cannot_be_steadied() -> None:
    card = ModelCard("t", "as-is", "nothing", "display", "709", None, "small", 0, 16, 1)
    with pytest.raises(UsageError, match="keeps nothing"):
        may_steady(card, True, "recovered")
    assert not may_steady(card, None, "recovered")
