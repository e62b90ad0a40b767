"""Frames that must not become pairs: faults put into simulated elements, on one side and on both."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from film_elements.clip import moving_still
from film_elements.reel import two_reels
from film_recovery.elements.survey import Survey, small_pictures
from film_recovery.images.frame import Frame
from film_recovery.pairs.soundness import BESIDE_CUT, Partner, Soundness, judge_frames

SIZE, LENGTH, SPOILT = (384, 216), 16, 9
Picture = npt.NDArray[np.float32]
Spoil = Callable[[Picture], Picture]


@pytest.fixture(scope="module")
def scans(photograph: Picture) -> tuple[list[Picture], list[Picture]]:
    truth = list(moving_still(photograph, SIZE, LENGTH, zoom=0.6, cut=False))
    reels = two_reels(LENGTH, SIZE, 4, lost=0.0)
    ours, theirs = ([reel.scan(truth[shown], place).scan for place, shown in enumerate(reel.shown)] for reel in reels)
    return ours, theirs


def survey(pictures: list[Picture]) -> Survey:
    small = [small_pictures(Frame.from_rgb(one)) for one in pictures]
    thumbnails, details = (np.array([one[part] for one in small]) for part in (0, 1))
    return Survey("film", np.arange(1001, 1001 + len(small)), thumbnails, details, {}, SIZE)


def judge(
    scans: tuple[list[Picture], list[Picture]], spoil: Spoil, sides: tuple[int, ...], starts: tuple[int, ...] = (0,)
) -> Soundness:
    both = [list(side) for side in scans]
    for side in sides:
        both[side][SPOILT] = np.asarray(spoil(both[side][SPOILT]), np.float32)
    partners = [Partner(row, 1001 + row) for row in range(LENGTH)]
    return judge_frames(survey(both[0]), survey(both[1]), partners, starts)


def subtitle(picture: Picture) -> Picture:
    spoilt = picture.copy()
    for level, weight in ((0.0, 5), (1.0, 2)):
        letters = np.zeros(picture.shape[:2], np.uint8)
        cv2.putText(letters, "Wohin gehst du heute?", (60, 195), cv2.FONT_HERSHEY_SIMPLEX, 0.72, 255, weight, cv2.LINE_AA)
        spoilt += (level - spoilt) * (letters[..., None] / np.float32(255.0))
    return spoilt


def torn(picture: Picture) -> Picture:
    return np.ascontiguousarray(np.vstack([picture[120:, ::-1], picture[:120]]))


FAULTS: dict[str, tuple[Spoil, str]] = {
    "flash": (lambda picture: picture * 2.0 + 0.05, "a flash in the"),
    "lost light": (lambda picture: picture * 0.4, "a flash in the"),
    "black": (np.zeros_like, "shows nothing"),
    "splice": (torn, "torn, spliced"),
    "subtitle": (subtitle, "lettering in the"),
    "blur": (lambda picture: cv2.GaussianBlur(picture, (0, 0), 9.0), "blurred"),
}


def test_nothing_is_wrong_with_sound_elements(scans: tuple[list[Picture], list[Picture]]) -> None:
    found = judge(scans, lambda picture: picture, ())
    assert found.faults == {} and (found.trust > 0.5).all()


@pytest.mark.parametrize("side", [0, 1], ids=["source", "reference"])
@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_fault_of_one_element_is_seen_and_named(scans: tuple[list[Picture], list[Picture]], fault: str, side: int) -> None:
    spoil, words = FAULTS[fault]
    found = judge(scans, spoil, (side,)).faults
    assert list(found) == [SPOILT], found
    assert words in found[SPOILT]
    if fault != "blur":
        assert ("source", "reference")[side] in found[SPOILT] and ("source", "reference")[1 - side] not in found[SPOILT]


@pytest.mark.parametrize("fault", ["flash", "subtitle"])
def test_what_was_filmed_is_no_fault(scans: tuple[list[Picture], list[Picture]], fault: str) -> None:
    assert judge(scans, FAULTS[fault][0], (0, 1)).faults == {}


def test_frames_beside_a_cut_and_doubtful_partners(scans: tuple[list[Picture], list[Picture]], portrait: Picture) -> None:
    other = list(moving_still(portrait, SIZE, LENGTH, zoom=0.6, cut=False))
    film = [[*side[:8], *other[8:]] for side in scans]
    partners: list[Partner | None] = [Partner(row, 1001 + row) for row in range(LENGTH)]
    partners[3], partners[5], partners[12] = None, Partner(5, 1006, 0.3), Partner(12, 1013, 0.9, plus_minus=2)
    found = judge_frames(survey(film[0]), survey(film[1]), partners, [0, 8])
    assert {row: why for row, why in found.faults.items() if why == BESIDE_CUT} == {7: BESIDE_CUT, 8: BESIDE_CUT}
    assert 3 not in found.faults and "not sure (30%)" in found.faults[5] and "1006" in found.faults[5]
    assert found.trust[12] < 0.7 <= found.trust[11]


def test_a_frame_that_cannot_be_read_is_named(scans: tuple[list[Picture], list[Picture]]) -> None:
    ours, theirs = (survey(side) for side in scans)
    broken = dataclasses.replace(theirs, broken={1004: "cut short"})
    found = judge_frames(ours, broken, [Partner(row, 1001 + row) for row in range(LENGTH)], [0]).faults
    assert found == {3: "frame 1004 of the reference cannot be read"}
