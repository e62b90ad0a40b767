"""match, select, align and a training on what they found, on two spliced reels whose frame numbers say nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import OpenImageIO as oiio
import pytest

from film_elements.clip import moving_still
from film_elements.reel import Framing, Reel, two_reels
from film_recovery.contract.curation import SelectionRecord, load_alignment, load_match, load_selection
from film_recovery.images.frame import Frame
from film_recovery.images.io import write_frame
from film_recovery.pairs.deformation import reference_points

Cli = Callable[..., Any]
SIZE = (384, 216)
A, B = 1001, 86400


class Reels:
    """Two reels on disk, and what they show."""

    def __init__(self, folder: Path, truth: list[npt.NDArray[np.float32]]) -> None:
        self.a, self.b = two_reels(len(truth), SIZE, 4, lost=0.1, framing=Framing(1.02, (0.01, -0.008)))
        self.source, self.reference = str(folder / "neg" / "neg.#####.exr"), str(folder / "pos" / "pos.#####.exr")
        for name, reel, first in (("neg", self.a, A), ("pos", self.b, B)):
            for place, shown in enumerate(reel.shown):
                write_frame(
                    folder / name / f"{name}.{first + place:05d}.exr", Frame.from_rgb(reel.scan(truth[shown], place).scan)
                )

    def is_right(self, frame: int, partner: int) -> bool:
        """Whether both show the same truth."""
        return self.a.shown[frame - A] == self.b.shown[partner - B]


@pytest.fixture(scope="module")
def reels(tmp_path_factory: pytest.TempPathFactory, photograph: npt.NDArray[np.float32]) -> Reels:
    first = moving_still(photograph, SIZE, 22, zoom=0.5, cut=False)
    second = moving_still(np.ascontiguousarray(photograph[::-1, ::-1]), SIZE, 22, zoom=0.45, cut=False)
    return Reels(tmp_path_factory.mktemp("reels"), [*first, *list(second)[::-1]])


def true_positions(reels: Reels, frame: int, partner: int, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Where the reference shows what the source shows at ``points``, by the simulators' own geometry (warp left out)."""

    def inverse(reel: Reel, place: int) -> npt.NDArray[np.float64]:
        whole = [
            np.vstack([part, [0.0, 0.0, 1.0]]) for part in (reel.simulator.geometry(place).matrix, reel.framing.matrix(SIZE))
        ]
        return np.asarray(np.linalg.inv(whole[0] @ whole[1]))

    both = np.linalg.inv(inverse(reels.b, partner - B)) @ inverse(reels.a, frame - A)
    return np.asarray((np.column_stack([points, np.ones(len(points))]) @ both.T)[:, :2])


def test_from_two_reels_to_a_training(reels: Reels, run_cli: Cli, tmp_path: Path) -> None:
    both = ("--source", reels.source, "--reference", reels.reference)
    matched = run_cli("match", "--a", reels.source, "--b", reels.reference, "--out", tmp_path / "match", "--json")
    assert matched.code == 0 and matched.json["matched"] > 25
    match = tmp_path / "match" / "match.json"
    assert all(reels.is_right(*pair) for pair in load_match(match).partners().items())
    for name in ("match.csv", "match.otio", "map.png", "partners.png"):
        assert (tmp_path / "match" / name).stat().st_size > 100

    chosen = run_cli(
        "select", *both, "--pairs", "4", "--held-out", "2", "--match", match, "--out", tmp_path / "select", "--json"
    )
    assert chosen.code == 0, chosen.err
    selection = load_selection(tmp_path / "select" / "pairs.json")
    frames = [pair.source for pair in selection.pairs]
    assert (len(selection.training), len(selection.held_out)) == (4, 2) and len(set(frames)) == 6
    assert all(reels.is_right(pair.source, pair.reference) for pair in selection.pairs)
    assert all(pair.reason for pair in selection.pairs)
    assert (tmp_path / "select" / "index.html").is_file() and (tmp_path / "select" / "pairs.png").is_file()

    text = ",".join(map(str, sorted(frames)))
    aligned = run_cli("align", *both, "--match", match, "--frames", text, "--out", tmp_path / "align", "--json")
    assert aligned.code == 0, aligned.err
    record = load_alignment(tmp_path / "align" / "align.json")
    assert [frame.verdict for frame in record.frames] == ["aligned"] * 6
    x, y = np.meshgrid(np.linspace(40, 340, 9), np.linspace(30, 180, 6))
    points = np.stack([x.ravel(), y.ravel()], axis=-1)
    warps = {warp.name: warp.coefficients for warp in record.warps}
    for frame in record.frames:
        warp = warps.get(frame.warp or "", np.zeros((2, 7)))
        there = reference_points(points, frame.matrix, warp, SIZE)
        off = np.hypot(*(there - true_positions(reels, frame.source, frame.reference, points)).T)
        assert np.median(off) < 0.3 and np.percentile(off, 95) < 0.6

    alone = max(load_match(match).partners()) + 100
    asked = ("--match", match, "--frames", f"{frames[0]},{alone}", "--steps", "2", "--out", tmp_path / "none")
    refused = run_cli("train", "--task", "chroma", *both, *asked)
    assert refused.code == 3 and f"no partner of frame {alone}" in refused.sentence
    checked = run_cli("verify", "--task", "chroma", *both, "--match", match, "--frames", text, "--json")
    assert checked.code == 0, checked.err

    turned = json.loads(match.read_text(encoding="utf-8")) | {"mirrored": True}
    (tmp_path / "turned.json").write_text(json.dumps(turned), encoding="utf-8")
    refused = run_cli("verify", "--task", "chroma", *both, "--match", tmp_path / "turned.json", "--frames", text)
    assert refused.code == 3 and "is mirrored left to right" in refused.sentence and "--alignment" in refused.sentence
    refused = run_cli("verify", "--task", "chroma", *both, "--pairs", tmp_path / "select" / "pairs.json", "--offset", "2")
    assert refused.code == 2 and "either --pairs" in refused.sentence

    from film_recovery.cli.train import make_job

    options = dict.fromkeys(("target", "frames", "held_out", "match_file", "alignment", "minutes", "crop")) | {
        "task": "spatial", "source": reels.reference, "reference": reels.source, "offset": 0, "steps": 1, "balance": "none",
        "pairs_file": str(tmp_path / "select" / "pairs.json"),
    }  # fmt: skip
    turned_job = make_job(options)
    assert turned_job.frames == [pair.reference for pair in selection.training]
    assert turned_job.reference_frames == {str(pair.reference): pair.source for pair in selection.pairs}

    run = tmp_path / "run"
    quick = ("--steps", "2", "--size", "small", "--patch", "32", "--batch", "2", "--device", "cpu")
    files = ("--pairs", tmp_path / "select" / "pairs.json", "--alignment", tmp_path / "align" / "align.json")
    trained = run_cli("train", "--task", "chroma", *both, *files, *quick, "--out", run, "--json")
    assert trained.code == 0, trained.err
    manifest = json.loads((run / "dataset" / "manifest.json").read_text(encoding="utf-8"))
    partners = {pair.source: pair.reference for pair in selection.pairs}
    assert {pair["frame"]: pair["reference_frame"] for pair in manifest["pairs"]} == partners
    assert sorted(pair["frame"] for pair in manifest["pairs"] if pair["held_out"]) == sorted(
        p.source for p in selection.held_out
    )
    assert {pair["reason"] for pair in manifest["pairs"]} == {pair.reason for pair in selection.pairs}


def test_the_persons_own_picks_are_obeyed(reels: Reels, run_cli: Cli, tmp_path: Path) -> None:
    frames = [A + place for place, shown in enumerate(reels.a.shown) if shown in reels.b.shown]
    run_cli("match", "--a", reels.source, "--b", reels.reference, "--out", tmp_path / "match")
    match = tmp_path / "match" / "match.json"
    kept = next(frame for frame in load_match(match).partners() if frame > frames[4])
    common = (
        "--source",
        reels.source,
        "--reference",
        reels.reference,
        "--match",
        match,
        "--pairs",
        "3",
        "--out",
        tmp_path / "s",
    )
    done = run_cli("select", *common, "--keep", str(kept), "--avoid", f"{kept + 1}-{kept + 9}", "--json")
    assert done.code == 0, done.err
    selection = load_selection(tmp_path / "s" / "pairs.json")
    assert [pair.by_hand for pair in selection.pairs if pair.source == kept] == [True]
    assert not {pair.source for pair in selection.pairs} & set(range(kept + 1, kept + 10))
    for option, range_, sentence in (
        ("--keep", "99", "Frame 99 is to be kept, but is none of "),
        ("--avoid", f"{A}-{A + len(reels.a.shown)}", "name fewer with --avoid"),
    ):
        refused = run_cli("select", *common, option, range_)
        assert refused.code == 3 and sentence in refused.sentence


def test_a_pair_that_does_not_belong_together_is_rejected(reels: Reels, run_cli: Cli, tmp_path: Path) -> None:
    """Frames of the first shot against frames of the second."""
    offset = B + len(reels.b.shown) - 12 - A
    done = run_cli(
        "align", "--source", reels.source, "--reference", reels.reference, "--offset", str(offset),
        "--frames", f"{A + 1},{A + 6}", "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    found = load_alignment(tmp_path / "out" / "align.json").frames
    assert [(frame.source, frame.verdict) for frame in found] == [(A + 1, "rejected"), (A + 6, "rejected")]
    assert all(frame.reason for frame in found)
    named = rf"Frame {A + 1} of .*neg\.#####\.exr with {A + 1 + offset} of .*pos\.#####\.exr is rejected: \w+"
    assert re.search(named, " ".join(load_alignment(tmp_path / "out" / "align.json").notes))


def test_stmaps_hold_the_warp(tmp_path: Path) -> None:
    from film_recovery.pairs.deformation import position_map, write_stmap

    warp = np.zeros((2, 7))
    warp[0, 0], warp[1, 4] = 3.0, -2.0
    write_stmap(tmp_path / "warp.exr", warp, (64, 36))
    pixels = oiio.ImageBuf(str(tmp_path / "warp.exr")).get_pixels(oiio.FLOAT)
    there = position_map(np.eye(3), warp, (64, 36))
    np.testing.assert_allclose(pixels[..., 0] * 64 - 0.5, there[..., 0], atol=1e-3)
    np.testing.assert_allclose((1.0 - pixels[..., 1]) * 36 - 0.5, there[..., 1], atol=1e-3)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("match", "--a", "{a}", "--b", "nothing.####.exr"), "does not exist|No frame"),
        (("select", "--source", "{a}", "--reference", "{b}", "--pairs", "many"), "many"),
        (("select", "--source", "{a}", "--reference", "{b}", "--match", "absent.json"), "absent.json"),
        (("align", "--source", "{a}", "--reference", "{b}"), "common|partner|frame"),
        (("align", "--source", "{a}", "--reference", "{b}", "--mask", "1,2,3"), "mask|1,2,3"),
        (("train", "--task", "chroma", "--source", "{a}", "--reference", "{b}", "--pairs", "absent.json"), "absent.json"),
        (("train", "--task", "chroma", "--source", "{a}", "--reference", "{b}", "--pairs", "{empty}"), "holds no pairs"),
        (("align", "--source", "{a}", "--reference", "{b}", "--offset", "85399", "--mask", "384,0,9,9"), "covers no pixel"),
    ],
)
def test_mistakes_are_said_in_a_sentence(
    reels: Reels, run_cli: Cli, tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    SelectionRecord(reels.source, reels.reference, "sequence", [], []).save(tmp_path / "empty.json")
    given = [word.format(a=reels.source, b=reels.reference, empty=tmp_path / "empty.json") for word in words]
    done = run_cli(*given, "--out", tmp_path / "out")
    assert done.code in (2, 3)
    assert re.search(sentence, done.err) and "Traceback" not in done.err
    assert not list((tmp_path / "out").glob("*.json")) if (tmp_path / "out").exists() else True
