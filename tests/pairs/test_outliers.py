"""Which frames of a render stray, and which pairs are proposed: small pictures, known faults, a slow count of stretches."""

from __future__ import annotations

import itertools
from collections.abc import Sequence as Rows

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from film_recovery.elements.survey import Survey
from film_recovery.images.sequence import Sequence
from film_recovery.pairs import outliers
from film_recovery.pairs.looks import find_looks
from film_recovery.pairs.material import Material
from film_recovery.pairs.outliers import Proposal, find_outliers
from film_recovery.pairs.soundness import Partner, Soundness

LENGTH = 60
LEAST = 5.0 / 255.0
SHOT = 8  # frames of each of two shots in which nothing moves; the source's are 1001 to 1016, the reference's 2001 to 2016
Pictures = npt.NDArray[np.uint8]


def survey(first: int, pictures: Pictures) -> Survey:
    numbers = np.arange(first, first + len(pictures))
    return Survey("film", numbers, pictures, np.zeros((len(pictures), 108, 192), np.int8), {}, (96, 54))


@pytest.fixture(scope="module")
def material(photograph: npt.NDArray[np.float32], portrait: npt.NDArray[np.float32]) -> Material:
    """A photograph and a portrait, levels 40 to 215, of which the source has lost some red."""
    stills = [cv2.resize(one[:288, :512] ** 0.45, (96, 54), interpolation=cv2.INTER_AREA) for one in (photograph, portrait)]
    kept = np.repeat(np.rint(40.0 + 175.0 * np.clip(stills, 0.0, 1.0)).astype(np.uint8), SHOT, axis=0)
    faded = np.rint(kept * np.array([0.8, 1.0, 1.0])).astype(np.uint8)
    rows = list(range(2 * SHOT))
    partners: list[Partner | None] = [Partner(row, 2001 + row) for row in rows]
    looks = find_looks(faded, kept, rows, [True] * len(rows))
    shots = [(0, SHOT), (SHOT, 2 * SHOT)]
    sound = Soundness({}, np.ones(len(rows)))
    nothing = Sequence("film", {})
    return Material(nothing, nothing, survey(1001, faded), survey(2001, kept), False, partners, shots, sound, looks)


def proposals(material: Material, bluer: dict[int, int], training: Rows[int] = (1, SHOT + 1)) -> list[Proposal]:
    """Of a render that is the reference but for rows of which blue lies so many levels higher."""
    pictures = material.survey_b.thumbnails.copy()
    for row, levels in bluer.items():
        pictures[row, ..., 2] += np.uint8(levels)
    return find_outliers(material, survey(1001, pictures), training)


@pytest.mark.parametrize(
    ("row", "bluer", "least"), [(SHOT, 20, 5.0), (SHOT, 8, 5.0), (SHOT + 4, 20, 3.0), (SHOT + 4, 8, 3.0), (SHOT + 4, 5, 3.0)]
)
def test_a_frame_strays_as_far_as_its_chroma_exceeds_what_counts(
    material: Material, row: int, bluer: int, least: float
) -> None:
    """5 of 255 against the reference, 3 against both neighbours; the first frame of a shot has but one."""
    apart = bluer * ((1.0 - 0.0722) / 1.8556 + 0.0722 / 1.5748)  # of Cb and Cr together, BT.709
    found = proposals(material, {row: bluer})
    if apart < least:
        assert found == []
    else:
        assert [(one.source, one.first, one.last) for one in found] == [(1001 + row,) * 3]
        assert found[0].strength == pytest.approx(apart / least, abs=0.02)
        assert ("both neighbours" in found[0].reason) == (least == 3.0)


@pytest.mark.parametrize(("bluer", "strays"), [(18, False), (22, True)])
def test_among_frames_that_are_off_by_turns_one_strays_by_four_deviations(material: Material, bluer: int, strays: bool) -> None:
    """Of 4 and 8 levels the median is 8 with the one, the deviation 1.4826 times 2: the limit is 20."""
    usual = {row: 4 + 4 * (row % 2) for row in range(2 * SHOT)}
    found = proposals(material, {**usual, SHOT: bluer})
    assert [one.source for one in found] == [1001 + SHOT] * strays


def test_frames_that_stray_together_are_one_proposal_the_worst_first_with_a_pair_to_add(material: Material) -> None:
    found = proposals(material, {2: 30, 3: 34, SHOT + 4: 14}, training=(1, SHOT + 4))
    assert [(one.source, one.first, one.last) for one in found] == [(1004, 1003, 1004), (1013, 1013, 1013)]
    assert (found[0].pair_source, found[0].pair_reference) == (1004, 2004)
    assert found[1].pair_source != 1013, "it is a pair of the training already"
    assert found[1].pair_source in range(1009, 1017) and found[1].pair_reference == found[1].pair_source + 1000


def test_a_shot_whose_colours_no_training_pair_holds_strays_however_good_its_render(material: Material) -> None:
    (found,) = proposals(material, {}, training=(1,))
    assert (found.first, found.last) == (1009, 1016)
    assert "no training pair holds" in found.reason


@given(st.sets(st.integers(0, LENGTH - 1)), st.sets(st.integers(1, LENGTH - 1), max_size=5))
def test_stretches_hold_every_row_once_and_never_cross_a_cut(rows: set[int], cuts: set[int]) -> None:
    starts = [0, *sorted(cuts)]
    shots = list(zip(starts, [*starts[1:], LENGTH], strict=True))
    found = outliers._stretches(sorted(rows), shots)
    assert [row for stretch in found for row in stretch] == sorted(rows)
    shot = {row: index for index, (first, last) in enumerate(shots) for row in range(first, last)}
    for stretch in found:
        assert len({shot[row] for row in stretch}) == 1 and all(np.diff(stretch) <= 3)
    for before, after in itertools.pairwise(found):
        assert after[0] - before[-1] > 3 or shot[after[0]] != shot[before[-1]]


@given(st.integers(0, 39), st.integers(0, 19), st.floats(0.03, 0.3))
def test_a_frame_that_is_usual_in_another_shot_strays_in_its_own(seed: int, place: int, more: float) -> None:
    """The first shot is twice as far off as the second's stray frame; a limit of the whole film would hide it."""
    random = np.random.default_rng(seed)
    values = {row: 0.30 + random.uniform(-0.002, 0.002) for row in range(20)}
    values |= {row: 0.02 + random.uniform(-0.002, 0.002) for row in range(20, 40)}
    stray = 20 + place
    values[stray] += more
    judged = outliers._judged(values, LEAST, [(0, 20), (20, 40)])
    assert [row for row, (strength, _) in judged.items() if strength >= 1.0] == [stray]


def test_motion_and_lightning_are_no_jump_but_a_changed_hue_is(photograph: npt.NDArray[np.float32]) -> None:
    coded = np.clip(photograph**0.45 * 255.0, 0, 255).astype(np.uint8)
    film = [
        cv2.resize(coded[20:290, 40 + 12 * step : 520 + 12 * step], (96, 54), interpolation=cv2.INTER_AREA) for step in range(3)
    ]
    assert outliers._jump(film, film) == 0.0
    flash = [film[0], np.clip(film[1].astype(float) * 1.5, 0, 255).astype(np.uint8), film[2]]
    assert outliers._jump(flash, flash) == 0.0
    warm = [film[0], np.clip(film[1] * np.array([1.3, 1.0, 0.8]), 0, 255).astype(np.uint8), film[2]]
    assert outliers._jump(warm, film) > 10.0 / 255.0
    assert outliers._jump([film[0], film[1], warm[1]], film) < 3.0 / 255.0  # beside a stray frame
