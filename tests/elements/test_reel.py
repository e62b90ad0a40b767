"""Whole elements, shot by shot, on files, against what was done to them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from film_elements.clip import moving_still
from film_elements.elements import ElementSimulator
from film_elements.parameters import Dust, Element, Fading, Steadiness, internegative_35mm, print_16mm
from film_recovery.contract.errors import InputError, StoppedError
from film_recovery.contract.progress import SilentReporter
from film_recovery.elements.analysis import analyse_element
from film_recovery.elements.dyes import dye_quantiles, dyes_kept
from film_recovery.elements.faults import unsteadiness
from film_recovery.elements.reel import ReelAnalysis, analyse_reel
from film_recovery.elements.reel_advice import (
    ShotAdvice,
    advise_shots,
    different_roles,
    fading_sentence,
    length_hint,
    usual_shares,
)
from film_recovery.images.encodings import density_to_linear
from film_recovery.images.frame import Frame
from film_recovery.images.io import read_frame, write_frame
from film_recovery.images.sequence import open_sequence
from film_recovery.review.analysis_page import write_analysis_page

FloatArray = npt.NDArray[np.float32]
SIZE = (384, 216)
SHOT = 20


@pytest.fixture(scope="module")
def truth(photograph: FloatArray, portrait: FloatArray) -> list[FloatArray]:
    """Two shots of twenty frames."""
    return [
        picture for still in (photograph, portrait[60:348]) for picture in moving_still(still, SIZE, SHOT, zoom=0.9, cut=False)
    ]


def written(folder: Path, name: str, element: Element, truth: list[FloatArray]) -> Path:
    simulator = ElementSimulator(element, SIZE, seed=4)
    for index, picture in enumerate(truth):
        write_frame(
            folder / f"{name}.{1001 + index}.exr", Frame.from_rgb(simulator.simulate(picture, 1001 + index).scan), "half"
        )
    return folder / f"{name}.####.exr"


@pytest.fixture(scope="module")
def reels(truth: list[FloatArray], tmp_path_factory: pytest.TempPathFactory) -> tuple[ReelAnalysis, ReelAnalysis]:
    folder = tmp_path_factory.mktemp("elements")
    found = []
    for name, element in (("neg", internegative_35mm()), ("print", print_16mm())):
        found.append(analyse_reel(open_sequence(written(folder, name, element, truth)), folder / f"cache_{name}"))
    return found[0], found[1]


def test_roles_are_told_whatever_the_files_are_called() -> None:
    advice = "/films/Film (1962)/{0} has kept more detail and the rest is alike (detail 0.2 in a against 0.1 in b, colour 1)."
    shots = [ShotAdvice(number, number, advice.format(name), None, None) for number, name in enumerate(["a", "a", "b"])]
    assert different_roles(shots) == [2]


def test_black_frames_tell_nothing_of_the_film(
    reels: tuple[ReelAnalysis, ReelAnalysis], truth: list[FloatArray], tmp_path: Path
) -> None:
    """As between shots, and at the ends of a reel."""
    pattern, black = written(tmp_path, "neg", internegative_35mm(), truth), np.full((SIZE[1], SIZE[0], 3), 0.001, np.float32)
    for frame in (*range(1017, 1021), *range(1036, 1041), *range(1041, 1046)):
        write_frame(tmp_path / f"neg.{frame}.exr", Frame.from_rgb(black), "half")
    found, usual = analyse_reel(open_sequence(pattern), tmp_path / "cache"), reels[0]
    assert [(shot.start, shot.last) for shot in found.shots] == [(0, 1020), (20, 1045)]
    for shot, other in zip(found.shots, usual.shots, strict=True):
        assert shot.figures["contrast_kept"] == pytest.approx(other.figures["contrast_kept"], abs=0.08)
        assert max(shot.figures["flicker"]) < 1.5 * max(other.figures["flicker"])
        assert shot.flags == other.flags and not set(shot.looked_at) & {*range(1017, 1021), *range(1036, 1046)}
    quick = analyse_element(open_sequence(pattern), [1001, 1010, 1030, 1045], "auto")
    assert quick.frames == [1001, 1010, 1030]
    assert quick.contrast_kept == analyse_element(open_sequence(pattern), [1001, 1010, 1030], "auto").contrast_kept
    assert quick.flicker is not None and max(quick.flicker) < 0.05
    nothing = analyse_element(open_sequence(pattern), [1044, 1045], "auto")
    assert nothing.frames == [1044, 1045]


def test_a_first_frame_that_cannot_be_read_loses_nothing(truth: list[FloatArray], tmp_path: Path) -> None:
    pattern = written(tmp_path, "neg", internegative_35mm(), truth[:8])
    path = tmp_path / "neg.1001.exr"
    path.write_bytes(path.read_bytes()[:-900])
    found = analyse_reel(open_sequence(pattern), tmp_path / "cache")
    assert list(found.survey.broken) == [1001] and found.shots[0].first == 1002
    assert found.fps is None


def test_pixels_that_are_no_numbers_do_not_end_the_analysis(truth: list[FloatArray], tmp_path: Path) -> None:
    import OpenEXR

    pattern = written(tmp_path, "neg", internegative_35mm(), truth[:8])
    for frame in range(1001, 1009):
        picture = read_frame(tmp_path / f"neg.{frame}.exr").rgb
        picture[50, 60, 1] = np.nan
        OpenEXR.File({"type": OpenEXR.scanlineimage}, {"RGB": picture}).write(str(tmp_path / f"neg.{frame}.exr"))
    found = analyse_reel(open_sequence(pattern), tmp_path / "cache")
    assert json.dumps(found.to_dict(), allow_nan=False)
    quick = analyse_element(open_sequence(pattern), [1001, 1005], "auto")
    assert json.dumps(quick.to_dict(), allow_nan=False)


def test_a_frame_of_another_size_is_named(truth: list[FloatArray], tmp_path: Path) -> None:
    pattern = written(tmp_path, "neg", internegative_35mm(), truth[:8])
    write_frame(tmp_path / "neg.1005.exr", Frame.from_rgb(read_frame(tmp_path / "neg.1005.exr").rgb[:200]))
    with pytest.raises(InputError, match=r"neg\.1005\.exr is 384x200, other frames 384x216"):
        analyse_reel(open_sequence(pattern), tmp_path / "cache")
    with pytest.raises(InputError, match=r"neg\.1005\.exr is 384x200, other frames 384x216"):
        analyse_element(open_sequence(pattern), [1001, 1005], "auto")


def test_every_shot_has_its_figures(reels: tuple[ReelAnalysis, ReelAnalysis]) -> None:
    for reel in reels:
        assert [(shot.first, shot.last) for shot in reel.shots] == [(1001, 1020), (1021, 1040)]
        assert all(shot.movement.combed == 0.0 and not shot.repeats for shot in reel.shots)
        assert np.isfinite(reel.densities).all()
        again = json.loads(json.dumps(reel.to_dict(), allow_nan=False))
        assert again["shots"][1]["movement"]["frames"][0] > 1021
    assert all(shot.element().sentence() for shot in reels[0].shots)


def test_shots_find_their_partners_and_the_dyes_that_were_lost(reels: tuple[ReelAnalysis, ReelAnalysis]) -> None:
    pairs = advise_shots(*reels)
    assert [pair.second for pair in pairs] == [0, 1]
    kept = np.array(internegative_35mm().fading.kept)
    for pair in pairs:
        assert pair.kept_first == pytest.approx(kept / kept.max(), abs=0.1)
        assert pair.kept_second is None
        assert pair.advice is not None
        assert f"a chroma pass use {reels[0].name} as the source and {reels[1].name} as the reference" in pair.advice
    words = fading_sentence("neg", usual_shares([pair.kept_first for pair in pairs]))
    assert words is not None
    assert "of the cyan" in words
    assert length_hint(*reels) is None  # forty frames say nothing


@pytest.mark.parametrize("kept", [(0.3, 1.0, 0.8), (1.0, 0.6, 0.5), (0.7, 0.7, 1.0)])
def test_dyes_kept_follow_the_density_model(photograph: FloatArray, kept: tuple[float, float, float]) -> None:
    whole = dataclasses.replace(print_16mm(), fading=Fading())
    simulator = ElementSimulator(dataclasses.replace(whole, fading=Fading(kept=kept)), SIZE, seed=1)
    density = -np.log10(np.clip(photograph, 0.01, 1.0))
    faded = np.asarray(simulator.faded_density(density), np.float32)
    first, second = dye_quantiles([faded]), dye_quantiles([density.astype(np.float32)])
    assert dyes_kept(first, second) == pytest.approx(np.array(kept) / max(kept), abs=0.05)
    assert density_to_linear(faded).min() > 0.0
    assert dyes_kept(np.zeros((19, 3))) is None


def test_jump_and_dust_of_a_simulated_element_are_found(truth: list[FloatArray], tmp_path: Path) -> None:
    calm = dataclasses.replace(internegative_35mm(), steadiness=Steadiness(), dust=Dust())
    shaken = dataclasses.replace(
        calm, steadiness=Steadiness(jump_px=(2.0, 4.0)), dust=Dust(specks_per_frame=8.0, speck_radius_px=(4.0, 6.0))
    )
    still, moved = (
        analyse_reel(open_sequence(written(tmp_path, name, element, truth[:SHOT])), tmp_path / f"c{name}").shots[0].movement
        for name, element in (("calm", calm), ("shaken", shaken))
    )
    assert still.unsteadiness is not None and moved.unsteadiness is not None
    assert max(still.unsteadiness) < 0.2
    simulator = ElementSimulator(shaken, SIZE, seed=4)
    path = np.array([simulator.geometry(frame).matrix[:2, 2] for frame in moved.frames])
    assert moved.unsteadiness == pytest.approx(unsteadiness([(x, y) for x, y in np.diff(path, axis=0)]), rel=0.15, abs=0.1)
    assert still.dark_specks is not None and moved.dark_specks is not None
    assert still.dark_specks < 0.5
    assert 3.0 < moved.dark_specks < 12.0


def test_a_stopped_analysis_goes_on_and_measures_nothing_twice(truth: list[FloatArray], tmp_path: Path) -> None:
    class Impatient(SilentReporter):
        def __init__(self) -> None:
            self.shots = 0

        def progress(self, done: int, total: int, unit: str, figures: dict[str, float] | None = None) -> None:
            self.shots += unit == "shot"

        def should_stop(self) -> bool:
            return self.shots > 0

    sequence = open_sequence(written(tmp_path, "neg", internegative_35mm(), truth))
    with pytest.raises(StoppedError, match="1 of 2 shots"):
        analyse_reel(sequence, tmp_path / "cache", Impatient())
    stored = json.loads((tmp_path / "cache" / "shots.json").read_text(encoding="utf-8"))
    assert len(stored["shots"]) == 1
    whole = analyse_reel(sequence, tmp_path / "cache")
    assert whole.shots == analyse_reel(sequence, tmp_path / "cache").shots
    assert whole.shots == analyse_reel(sequence, tmp_path / "fresh").shots
    only = analyse_reel(sequence, tmp_path / "cache", only=[1030])
    assert [(shot.first, shot.looked_at) for shot in only.shots] == [(1021, [1030])]
    with pytest.raises(InputError, match="1001-1040"):
        analyse_reel(sequence, tmp_path / "cache", only=[7])


def test_unreadable_and_missing_frames_are_said(truth: list[FloatArray], tmp_path: Path) -> None:
    pattern = written(tmp_path, "neg", internegative_35mm(), truth[:SHOT])
    (tmp_path / "neg.1005.exr").write_bytes(b"no picture")
    (tmp_path / "neg.1009.exr").unlink()
    reel = analyse_reel(open_sequence(pattern), tmp_path / "cache")
    assert list(reel.survey.broken) == [1005]
    assert reel.missing == "1009"
    assert len(reel.shots) == 1
    assert not {1005, 1009} & set(reel.shots[0].movement.frames)
    for missing, told in (("1009", "files of 1009;"), ("1,3,5-7,9,11,13,15", "files of 1, 3, 5-7, 9, 11 and 2 more gaps;")):
        page = write_analysis_page(tmp_path / "page", [dataclasses.replace(reel, missing=missing)], ["A reel."], None)
        assert told in page.read_text(encoding="utf-8")
