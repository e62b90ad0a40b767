"""Each thing that can be wrong with a training is named on pairs spoiled that way, and sound pairs are left in peace."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from film_recovery.contract.events import read_events
from film_recovery.contract.findings import Finding, finding_of, load_findings
from film_recovery.contract.job import TrainingJob
from film_recovery.contract.run_folder import RunFolder
from film_recovery.images.colour import rgb_to_ycbcr
from film_recovery.images.drawing import font
from film_recovery.images.encodings import encode
from film_recovery.pairs.confidence import pair_trust
from film_recovery.pairs.dataset import Dataset, Pair
from film_recovery.pairs.manifest import Manifest
from film_recovery.pairs.targets import make_target
from film_recovery.training.guidance.alignment import lie_of
from film_recovery.training.guidance.curve import Curve, judge_curve
from film_recovery.training.guidance.hues import judge_hues
from film_recovery.training.guidance.judge import judge_pairs, without_symptoms, write_findings
from film_recovery.training.guidance.picture import WORST, error_map, heat, with_scale
from film_recovery.training.guidance.views import cells_in_view, means, view_of, views_of
from film_recovery.training.loop import train_dataset

FloatArray = npt.NDArray[np.float32]
Sides = list[tuple[FloatArray, FloatArray]]
Masks = Sequence[list[int]]
HELD_OUT = (2,)
WIDTH, HEIGHT = 320, 192


@pytest.fixture(scope="module")
def sides(photograph: FloatArray) -> Sides:
    """A faded, grainy source and a soft, coloured reference of six parts of a photograph."""
    random, found = np.random.default_rng(1), []
    for x, y in ((0, 0), (140, 60), (60, 120), (280, 0), (200, 200), (20, 208)):
        picture = photograph[y : y + HEIGHT, x : x + WIDTH]
        faded = picture ** np.float32([0.5, 0.9, 0.8]) * 0.8 * random.normal(1.0, 0.03, picture.shape)
        soft = cv2.GaussianBlur(picture, (0, 0), 1.0) * random.normal(1.0, 0.03, picture.shape)
        found.append((np.asarray(faded, np.float32), np.asarray(soft, np.float32)))
    return found


def dataset(sides: Sides, held_out: tuple[int, ...] = HELD_OUT, masks: Masks = ()) -> Dataset:
    pairs = []
    for place, (source, reference) in enumerate(sides):
        target = make_target("chroma", source, reference, "display", "709")
        trust = pair_trust(source, reference, "display", masks)
        pairs.append(Pair(101 + place, place in held_out, source, reference, target, trust))
    manifest = Manifest("chroma", "display", "709", "luma", None, [0, 0, WIDTH, HEIGHT], "", "", 0, {}, [], [], list(masks))
    return Dataset(manifest, pairs)


def named(sides: Sides, held_out: tuple[int, ...] = HELD_OUT, masks: Masks = ()) -> list[Finding]:
    return without_symptoms(judge_pairs(views_of(dataset(sides, held_out, masks)), "chroma"))


def moved(picture: FloatArray, x: float, y: float) -> FloatArray:
    matrix = np.array([[1.0, 0.0, x], [0.0, 1.0, y]])
    return np.asarray(cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT), np.float32)


def titled(picture: FloatArray) -> FloatArray:
    mask = Image.new("L", (WIDTH, HEIGHT))
    ImageDraw.Draw(mask).text((160, 172), "Ten years later", font=font(20, bold=True), fill=255, anchor="mm")
    cover = (np.asarray(mask, np.float32) / 255.0)[..., None]
    return np.asarray(picture * (1.0 - cover) + cover, np.float32)


def at(place: int, change: Callable[[FloatArray], FloatArray]) -> Callable[[Sides], Sides]:
    """Change the reference of one pair."""
    return lambda sides: [(s, change(r)) if number == place else (s, r) for number, (s, r) in enumerate(sides)]


SPOILED: dict[str, tuple[Callable[[Sides], Sides], str, list[int]]] = {
    "one off": (at(1, lambda picture: moved(picture, 4.0, -3.0)), "misaligned", [102]),
    "far off": (at(4, lambda picture: moved(picture, 14.0, 6.0)), "misaligned", [105]),
    "titles": (lambda sides: [(s, titled(r)) for s, r in sides], "burnt-in-text", [101, 102, 103, 104, 105, 106]),
    "another picture": (lambda sides: [*sides[:5], (sides[5][0], sides[1][1])], "wrong-reference", [106]),
    "another grade": (at(3, lambda picture: picture[..., [2, 0, 1]].copy()), "other-colour", [104]),
    "repeated": (lambda sides: [*sides[:2], sides[3], *sides[3:]], "held-out-leak", [103]),
}


def test_sound_pairs_are_left_in_peace(sides: Sides) -> None:
    assert named(sides) == []


@pytest.mark.parametrize("case", SPOILED)
def test_a_spoiled_set_is_named_with_its_frames(sides: Sides, case: str) -> None:
    spoil, name, frames = SPOILED[case]
    found = named(spoil(sides))
    assert [finding.name for finding in found] == [name]
    assert set(found[0].frames) <= set(frames) and found[0].frames
    assert str(found[0].frames[0]) in found[0].sentence


@settings(max_examples=30)
@given(st.integers(1, 2600), st.integers(1, 400))
@example(1920, 1080)
@example(2048, 1556)
@example(1828, 1332)
def test_what_a_model_gives_has_the_cells_of_the_view(width: int, height: int) -> None:
    picture = np.random.default_rng(0).random((height, width, 3), np.float32)
    whole = dataset([])
    pair = Pair(1, True, picture, picture, picture)
    np.testing.assert_array_equal(cells_in_view(picture, whole), view_of(pair, whole).wanted)


@pytest.mark.parametrize("side", ["source", "reference"])
def test_cut_highlights_are_named_with_their_side(sides: Sides, side: str) -> None:
    def cut(picture: FloatArray) -> FloatArray:
        return np.minimum(picture, np.float32(np.quantile(picture, 0.85)))

    found = named([(cut(s), r) if side == "source" else (s, cut(r)) for s, r in sides])
    assert "clipped" in [finding.name for finding in found]
    assert f"the {side}'s highlights" in next(finding.sentence for finding in found if finding.name == "clipped")


def carded(picture: FloatArray) -> FloatArray:
    """A white card in the upper left corner."""
    copy = picture.copy()
    copy[:80, :100] = 1.0
    return copy


def mostly_off(picture: FloatArray) -> FloatArray:
    """The lower two thirds lie off."""
    copy = moved(picture, 4.0, -3.0)
    copy[:64] = picture[:64]
    return copy


@pytest.mark.parametrize(
    ("spoil", "name", "mask"),
    [
        (titled, "burnt-in-text", [0, 152, WIDTH, 40]),
        (carded, "clipped", [-8, -8, 116, 96]),
        (mostly_off, "misaligned", [0, 62, WIDTH, 200]),
    ],
)
def test_what_the_alignment_has_masked_is_not_judged(
    sides: Sides, spoil: Callable[[FloatArray], FloatArray], name: str, mask: list[int]
) -> None:
    spoiled = [(source, spoil(reference)) for source, reference in sides]
    assert name in [finding.name for finding in named(spoiled)]
    assert named(spoiled, masks=[mask]) == []


def test_a_shot_that_stands_still_is_noted_and_nothing_else_of_it_is_kept_back(sides: Sides) -> None:
    random = np.random.default_rng(3)

    def again(pair: tuple[FloatArray, FloatArray]) -> tuple[FloatArray, FloatArray]:
        first, second = (np.asarray(part * random.normal(1.0, 0.01, part.shape), np.float32) for part in pair)
        return first, second

    still = [again(sides[0]) for _ in range(5)]
    assert [(finding.name, finding.severity) for finding in named(still)] == [("still-shot", "note")]
    hue = Finding("wrong-hue", "", "", [103])
    assert hue in without_symptoms([*judge_pairs(views_of(dataset(still)), "chroma"), hue])
    assert {finding.name for finding in named(still[:2], (1,))} == {"too-few-pairs", "held-out-leak"}


def test_one_pair_and_copies_of_it_are_too_few(sides: Sides) -> None:
    random = np.random.default_rng(2)
    copy = tuple(np.asarray(part * random.normal(1.0, 0.01, part.shape), np.float32) for part in sides[0])
    assert "too-few-pairs" in [finding.name for finding in named([sides[0], sides[1]], (1,))]
    assert "too-few-pairs" in [finding.name for finding in named([sides[0], sides[1], (copy[0], copy[1])], (1,))]


def test_colours_that_no_training_pair_has_are_named(sides: Sides) -> None:
    def grey(pair: tuple[FloatArray, FloatArray]) -> tuple[FloatArray, FloatArray]:
        first, second = (part[..., 1:2].repeat(3, axis=2) for part in pair)
        return first, second

    found = named([pair if place == 2 else grey(pair) for place, pair in enumerate(sides)])
    assert [(finding.name, finding.frames) for finding in found] == [("unfamiliar-colours", [103])]


def test_without_held_out_pairs_there_is_a_note_only(sides: Sides) -> None:
    assert [(finding.name, finding.severity) for finding in named(sides, ())] == [("no-held-out", "note")]


@settings(max_examples=10)
@given(st.floats(-3.0, 3.0), st.floats(-3.0, 3.0))
@example(1.5, 0.5)  # the worst of a grid of half pixels: 0.50 too much
@example(0.5, 0.5)  # 0.43
def test_how_far_a_reference_lies_off_is_measured(sides: Sides, x: float, y: float) -> None:
    whole = dataset([(sides[1][0], moved(sides[1][1], x, y))], ())
    off = lie_of(view_of(whole.pairs[0], whole)).off
    assert off is not None and abs(off - np.hypot(x, y)) < 0.6


RISING = [(step, 30.0 + step / 100.0) for step in range(10, 101, 10)]
FALLING = [(step, 2.0 - step / 100.0) for step in range(10, 101, 10)]
LEAPING = [(10, 1.0), (20, 4.0), (30, 5.0), *((step, 3.0) for step in range(40, 101, 10))]
LEVEL = [(step, 31.0) for step in range(10, 101, 10)]
AFTER_BEST = [(10, 30.5), (20, 31.5), (30, 31.2), (40, 31.0), (50, 30.9)]


@pytest.mark.parametrize(
    ("curve", "names"),
    [
        (Curve(30.0, LEVEL, FALLING, 31.0, 100, 5.0), []),
        (Curve(30.0, RISING, FALLING, 31.0, 100, 5.0), ["underfit"]),
        (Curve(30.0, LEVEL, FALLING, 31.0, 100, 0.3), ["underfit"]),
        (Curve(30.0, AFTER_BEST, FALLING, 31.5, 50, 5.0), ["overfit"]),
        (Curve(30.0, AFTER_BEST, FALLING[::-1], 31.5, 50, 5.0), ["unstable"]),
        (Curve(30.0, AFTER_BEST, LEAPING, 31.5, 50, 5.0, coarse=20), ["unstable"]),
        (Curve(30.0, AFTER_BEST, FALLING, 32.5, 50, 5.0), ["overfit"]),
        (Curve(30.0, [*AFTER_BEST[:2], (30, 31.45), *AFTER_BEST[3:]], FALLING, 31.5, 50, 5.0), ["overfit"]),
        (Curve(30.0, [*LEVEL[:-1], (100, 30.5)], FALLING, 31.0, 100, 5.0), []),
        (Curve(30.0, LEVEL, FALLING, 32.0, 100, 5.0), []),
        (Curve(30.0, AFTER_BEST[1:4], FALLING, 31.5, 40, 5.0), ["overfit"]),
        (Curve(30.0, [(10, 30.0), (20, 31.0)], FALLING, 31.0, 20, 5.0), []),
        (Curve(30.0, [*RISING[:6], *[(step, 30.6) for step in (70, 80, 90)]], FALLING, 30.6, 90, 5.0), []),
        (Curve(31.0, RISING, FALLING, 31.0, 100, 5.0), ["start-is-best"]),
        (Curve(31.0, LEVEL, FALLING, 31.0, 100, 5.0), ["start-is-best"]),
        (Curve(None, [], FALLING, None, 100, 5.0), []),
    ],
    ids=["sound", "still rising", "hardly shown", "memorised", "astray", "halfway back", "memorised, and a part is best",
         "memorised late", "one dip", "a part is best", "three figures", "two figures", "level in the end", "caught up",
         "start", "nothing held out"],
)
def test_a_curve_is_judged(curve: Curve, names: list[str]) -> None:
    assert [finding.name for finding in judge_curve(curve)] == names


def test_the_fall_that_is_told_is_that_of_the_curve() -> None:
    (found,) = judge_curve(Curve(30.0, AFTER_BEST, FALLING, 32.5, 50, 5.0))
    assert "fell from 31.50 to 30.90 dB" in found.sentence


@given(st.integers(1, 5000), st.floats(1e-3, 0.999))
def test_what_was_hardly_shown_is_shown_by_the_steps_that_are_advised(steps: int, seen: float) -> None:
    (found,) = judge_curve(Curve(30.0, LEVEL, FALLING, 31.0, steps, seen))
    advised = int(found.advice.removeprefix("Train longer: ").split()[0])
    assert advised >= 500 and seen * (advised + 1) / steps >= 0.999


def test_two_findings_of_a_name_and_a_frame_have_a_picture_each(sides: Sides, tmp_path: Path) -> None:
    found = [Finding("clipped", f"In frame 101 {end} are cut off.", "", [101]) for end in ("highlights", "shadows")]
    folder = RunFolder(tmp_path)
    done = write_findings(folder, dataset(sides), found, lambda source: source, 10)
    pictures = [(tmp_path / one.picture).read_bytes() for one in done]
    assert pictures[0] != pictures[1]
    assert load_findings(folder.findings) == done


PATCHES = np.full((HEIGHT, WIDTH, 3), 0.3, np.float32)
PATCHES[:, :96] = [0.5, 0.06, 0.05]  # reds, 13 of 45 cells
PATCHES[:, 96:160] = [0.05, 0.1, 0.5]  # blues
PATCHES[:8, 300:] = [0.05, 0.4, 0.08]  # greens, too little to matter


def _hues(change: Callable[[FloatArray], None], held_out: bool = True, trust: FloatArray | None = None) -> list[Finding]:
    """What is said of coloured patches that come out with a ``change``, which gets coded YCbCr by reference."""
    pair = Pair(107, held_out, PATCHES, PATCHES, PATCHES, trust)
    views = [view_of(pair, dataset([], ()))]
    given = views[0].wanted.copy()
    change(given)
    return judge_hues(views, {107: given})


def test_a_colour_that_comes_out_with_another_hue_is_named_with_its_share() -> None:
    reds, blues = (slice(None), slice(2, 11)), (slice(None), slice(15, 21))

    def turned(cells: FloatArray, where: tuple[slice, slice], by: float) -> None:
        matrix = np.float32([[np.cos(by), -np.sin(by)], [np.sin(by), np.cos(by)]])
        cells[where][..., 1:] = cells[where][..., 1:] @ matrix.T

    (found,) = _hues(lambda cells: turned(cells, reds, 0.9))
    assert (found.name, found.frames) == ("wrong-hue", [107])
    assert "In held-out frame 107 vivid reds (29% of the picture) come out as vivid browns" in found.sentence
    chroma = float(np.hypot(*rgb_to_ycbcr(encode(PATCHES[:1, :1], "display"), "709")[0, 0, 1:]))
    off = float(found.sentence.rsplit(", ", 1)[1].split()[0]) / 255.0
    assert off == pytest.approx(9 / 13 * 2.0 * chroma * np.sin(0.45), rel=0.15), "the chord of the turn, on most cells"
    (worse,) = _hues(lambda cells: [turned(cells, reds, 0.3), turned(cells, blues, 2.0)])
    assert "blues" in worse.sentence
    assert _hues(lambda cells: turned(cells, reds, 0.9), held_out=False) == []
    assert _hues(lambda cells: turned(cells, reds, 0.9), trust=np.zeros((HEIGHT, WIDTH), np.float32)) == []
    assert _hues(lambda cells: turned(cells, reds, 0.05)) == []


def test_paler_colours_greys_and_specks_are_no_other_hue() -> None:
    def paler(cells: FloatArray) -> None:
        cells[..., 1:] *= 0.5

    def shifted_grey(cells: FloatArray) -> None:
        cells[:, 23:, 1:] += 0.08

    def speck(cells: FloatArray) -> None:
        cells[0, 42:, 1:] *= -1.0

    assert [_hues(change) for change in (paler, shifted_grey, speck)] == [[], [], []]


def test_a_finding_does_not_stand_beside_what_explains_it() -> None:
    def one(name: str, *frames: int) -> Finding:
        return Finding(name, "", "", list(frames), severity="note" if name == "start-is-best" else "warning")

    few, hue, off, colour, start = (
        one("too-few-pairs"), one("wrong-hue", 7), one("misaligned", 7), one("other-colour", 8), one("start-is-best")
    )  # fmt: skip
    assert without_symptoms([few, hue, start]) == [few]
    assert without_symptoms([off, hue, colour]) == [off, colour]
    two_hues = one("wrong-hue", 7, 9)  # and nothing explains the second
    assert without_symptoms([off, two_hues]) == [off, two_hues]
    assert without_symptoms([hue, one("wrong-hue", 9)]) == [hue]
    assert without_symptoms([start]) == [start]


@settings(max_examples=40)
@given(st.integers(40, 400), st.integers(40, 400))
def test_cells_keep_the_mean_and_need_no_whole_number_of_pixels(width: int, height: int) -> None:
    picture = np.linspace(0.0, 1.0, width * height * 3, dtype=np.float32).reshape(height, width, 3)
    cells = means(picture)
    assert max(cells.shape[:2]) < 66  # one and a half times 44: a cell of one pixel does until then
    assert np.allclose(cells.mean(axis=(0, 1)), picture.mean(axis=(0, 1)), atol=5e-3)


def test_the_map_shows_where_and_how_much() -> None:
    picture = np.full((60, 80, 3), 0.3, np.float32)
    other = picture.copy()
    other[20:40, 30:60] *= np.float32([1.6, 1.0, 0.6])
    errors = error_map(other, picture, "display")
    assert float(errors[30, 45]) > 10.0 and float(errors[5, 5]) < 0.1
    shades = heat(np.array([[0.0, WORST / 2.0, WORST, 5.0 * WORST]], np.float32)).astype(int).sum(axis=2)[0]
    assert shades[0] < shades[1] < shades[2] == shades[3]
    assert with_scale(heat(errors)).shape[0] > 60


@pytest.fixture(scope="module")
def run(sides: Sides, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A short training on pairs of which one is of another grade."""
    folder = RunFolder(tmp_path_factory.mktemp("run") / "run")
    job = TrainingJob("chroma", "", "", steps=40, size="small", patch=64, batch=4, device="cpu", precision="fp32")
    train_dataset(job, folder.path, dataset(SPOILED["another grade"][0](sides)))
    return folder


def test_a_training_leaves_its_findings_with_a_picture(run: RunFolder) -> None:
    findings = load_findings(run.findings)
    found = next(finding for finding in findings if finding.name == "other-colour")
    assert found.frames == [104]
    with Image.open(run.path / found.picture) as picture:
        assert picture.width > 1000
    assert [finding_of(event) for event in read_events(run.events, "warning")] == findings
    assert read_events(run.events)[-1]["event"] == "finished"


def test_findings_point_into_the_folder_wherever_it_is_moved(run: RunFolder, tmp_path: Path) -> None:
    moved_to = RunFolder(tmp_path / "moved")
    moved_to.path.symlink_to(run.path)
    assert all((moved_to.path / finding.picture).is_file() for finding in load_findings(moved_to.findings) if finding.picture)
    assert all(not Path(finding.picture).is_absolute() for finding in load_findings(run.findings))


def test_a_matte_as_target_is_nothing_wrong(sides: Sides) -> None:
    mattes = [(source, np.where(source[..., :1] > 0.3, 1.0, 0.0).repeat(3, axis=2).astype(np.float32)) for source, _ in sides]
    assert judge_pairs(views_of(dataset(mattes)), "as-is") == []


def test_spatial_recovery_is_not_judged_by_colour(sides: Sides) -> None:
    whole = dataset(SPOILED["another grade"][0](sides))
    spatial = dataclasses.replace(whole, manifest=dataclasses.replace(whole.manifest, task="spatial"))
    assert not {"other-colour", "wrong-hue", "level-jump"} & {one.name for one in judge_pairs(views_of(spatial), "spatial")}
