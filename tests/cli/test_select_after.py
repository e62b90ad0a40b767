"""select --after: a render with known faults, looked through after a run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from film_elements.clip import moving_still
from film_elements.reel import two_reels
from film_recovery.contract.curation import load_selection
from film_recovery.images.frame import Frame
from film_recovery.images.io import read_frame, write_frame
from film_recovery.images.sequence import open_sequence

Cli = Callable[..., Any]
SIZE = (256, 144)
FIRST, LENGTH = 1001, 20
SHOTS = {"cup": range(1001, 1021), "portrait": range(1021, 1041), "flower": range(1041, 1061)}


@dataclass(frozen=True)
class Film:
    """Three shots of which a run knows the first two, and a render without fault: the reference's own colour."""

    folder: Path

    @property
    def both(self) -> tuple[str, ...]:
        return "--source", str(self.folder / "neg.####.exr"), "--reference", str(self.folder / "pos.####.exr")

    @property
    def run(self) -> Path:
        return self.folder / "run"


@pytest.fixture(scope="module")
def film(
    tmp_path_factory: pytest.TempPathFactory, photograph: npt.NDArray[np.float32], portrait: npt.NDArray[np.float32]
) -> Film:
    from film_recovery.cli.main import main

    folder = tmp_path_factory.mktemp("film")
    violet = np.ascontiguousarray(photograph[::-1, ::-1, ::-1])  # colours that neither of the others has
    truth = [one for still in (photograph, portrait, violet) for one in moving_still(still, SIZE, LENGTH, zoom=0.6, cut=False)]
    for name, reel in zip(("neg", "pos"), two_reels(len(truth), SIZE, 4, lost=0.0), strict=True):
        for place, shown in enumerate(reel.shown):
            write_frame(folder / f"{name}.{FIRST + place}.exr", Frame.from_rgb(reel.scan(truth[shown], place).scan))
    found = Film(folder)
    quick = ("--steps", "1", "--size", "small", "--patch", "32", "--batch", "1", "--device", "cpu")
    words = ("train", "--task", "chroma", *found.both, "--frames", "1004,1015,1025,1036", "--held-out", "1009,1030")
    assert main([*words, *quick, "--out", str(found.run)]) == 0
    return found


def render(film: Film, folder: Path, spoil: dict[int, Callable[[npt.NDArray[np.float32]], None]]) -> str:
    """The reference as a render, some of its frames spoilt."""
    folder.mkdir()
    for frame in (frame for shot in SHOTS.values() for frame in shot):
        name = f"pos.{frame}.exr"
        if frame in spoil:
            picture = read_frame(film.folder / name).rgb.copy()
            spoil[frame](picture)
            write_frame(folder / name, Frame.from_rgb(picture))
        else:
            shutil.copyfile(film.folder / name, folder / name)
    return str(folder / "pos.####.exr")


def hue(picture: npt.NDArray[np.float32]) -> None:
    picture[..., 0] *= 1.6


def stain(picture: npt.NDArray[np.float32]) -> None:
    picture[30:90, 60:140, 2] *= 3.0


def by_frame(done: Any) -> dict[int, Any]:
    return {one["source"]: one for one in done.json["proposals"]}


def test_what_was_spoilt_is_found_and_nothing_else(film: Film, run_cli: Cli, tmp_path: Path) -> None:
    spoil = {1012: hue, 1033: stain, **dict.fromkeys(range(1018, 1020), hue)}
    after = render(film, tmp_path / "render", spoil)
    done = run_cli("select", *film.both, "--after", after, "--run", film.run, "--out", tmp_path / "s", "--json")
    assert done.code == 0, done.err
    told = [range(one["first"], one["last"] + 1) for one in done.json["proposals"]]
    in_known = [stretch for stretch in told if stretch[0] < 1041]
    assert sorted(frame for stretch in in_known for frame in stretch) == [1012, 1018, 1019, 1033]
    unknown = [one for one in done.json["proposals"] if one["first"] >= 1041]
    assert unknown and all("no training pair holds" in one["reason"] for one in unknown)
    selection = load_selection(tmp_path / "s" / "pairs.json")
    frames = {pair.source: pair for pair in selection.training}
    assert {1004, 1015, 1025, 1036} <= set(frames) and frames[1004].reason == "trained on before"
    assert {1012, 1033} <= set(frames) and frames[1012].reason.startswith("new: its colour")
    assert any(frame in SHOTS["flower"] for frame in frames)
    assert [pair.source for pair in selection.held_out] == [1009, 1030]
    page = (tmp_path / "s" / "index.html").read_text(encoding="utf-8")
    assert page.count("away from the reference&#39;s") >= 2 and "Frames of the render that stray" in page
    assert f"--initial-weights {film.run}" in " ".join(selection.advice)


def test_the_new_pairs_can_be_trained_on(film: Film, run_cli: Cli, tmp_path: Path) -> None:
    after = render(film, tmp_path / "render", {1012: hue})
    run_cli("select", *film.both, "--after", after, "--run", film.run, "--out", tmp_path / "s")
    quick = ("--steps", "1", "--size", "small", "--patch", "32", "--batch", "1", "--device", "cpu")
    pairs = ("--pairs", tmp_path / "s" / "pairs.json", "--initial-weights", film.run)
    done = run_cli("train", "--task", "chroma", *film.both, *pairs, *quick, "--out", tmp_path / "run2", "--json")
    assert done.code == 0, done.err
    manifest = json.loads((tmp_path / "run2" / "dataset" / "manifest.json").read_text(encoding="utf-8"))
    assert 1012 in {pair["frame"] for pair in manifest["pairs"] if not pair["held_out"]}


def test_a_held_out_or_avoided_frame_is_not_taken_and_that_is_said(film: Film, run_cli: Cli, tmp_path: Path) -> None:
    after = render(film, tmp_path / "render", {1009: hue, 1033: hue})
    done = run_cli(
        "select", *film.both, "--after", after, "--run", film.run, "--avoid", "1033", "--out", tmp_path / "s", "--json"
    )
    assert done.code == 0 and {1009, 1033} <= set(by_frame(done))
    assert not {1009, 1033} & set(done.json["training"]) and 1009 in done.json["held_out"]
    said = " ".join(done.json["advice"])
    assert "1009 is held out" in said and "the pair 1033 is to be avoided" in said


@pytest.mark.parametrize("offset", ["1", "-1"])
def test_a_run_with_other_partners_is_refused(film: Film, run_cli: Cli, tmp_path: Path, offset: str) -> None:
    after = str(film.folder / "pos.####.exr")
    done = run_cli("select", *film.both, "--offset", offset, "--after", after, "--run", film.run, "--out", tmp_path / "s")
    assert done.code == 3 and "source frame 1004 with reference frame 1004" in done.sentence
    assert not (tmp_path / "s" / "pairs.json").exists()


def test_a_render_of_other_frames_is_refused(film: Film, run_cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    for frame in (1, 2):
        shutil.copyfile(film.folder / f"pos.{1000 + frame}.exr", tmp_path / "r" / f"r.{frame:04d}.exr")
    after = str(tmp_path / "r" / "r.####.exr")
    assert open_sequence(after).frames[0] == 1
    done = run_cli("select", *film.both, "--after", after, "--run", film.run, "--out", tmp_path / "s")
    assert done.code == 3 and "1-2" in done.sentence and "frame numbers" in done.sentence


def test_without_a_render_frames_join_whose_colours_the_model_has_not_learned(film: Film, run_cli: Cli, tmp_path: Path) -> None:
    done = run_cli("select", *film.both, "--run", film.run, "--out", tmp_path / "s", "--json")
    assert done.code == 0, done.err
    proposals = done.json["proposals"]
    assert proposals and proposals[0]["source"] in SHOTS["flower"]
    assert all("is unlike the pairs, mostly" in one["reason"] for one in proposals)
    assert len({one["source"] for one in proposals}) == len(proposals)
    training = {pair.source: pair.reason for pair in load_selection(tmp_path / "s" / "pairs.json").training}
    assert {1004, 1015, 1025, 1036, proposals[0]["source"]} <= set(training)
    assert training[proposals[0]["source"]].startswith("new: ")
    assert "Frames that are unlike the pairs" in (tmp_path / "s" / "index.html").read_text(encoding="utf-8")
    quick = ("--steps", "1", "--size", "small", "--patch", "32", "--batch", "1", "--device", "cpu")
    pairs = ("--pairs", tmp_path / "s" / "pairs.json", "--initial-weights", film.run)
    assert run_cli("train", "--task", "chroma", *film.both, *pairs, *quick, "--out", tmp_path / "run2").code == 0
    again = run_cli("select", *film.both, "--run", tmp_path / "run2", "--out", tmp_path / "s2", "--json")
    assert again.code == 0 and len(again.json["proposals"]) < len(proposals)
    assert not {one["source"] for one in again.json["proposals"]} & set(training)


def test_what_is_avoided_is_not_proposed_and_another_frame_teaches_the_same(film: Film, run_cli: Cli, tmp_path: Path) -> None:
    first = run_cli("select", *film.both, "--run", film.run, "--out", tmp_path / "s", "--json").json["proposals"][0]["source"]
    done = run_cli("select", *film.both, "--run", film.run, "--avoid", first, "--out", tmp_path / "s", "--json")
    assert done.code == 0 and done.json["proposals"][0]["source"] in set(SHOTS["flower"]) - {first}
