"""Lettering on one side of an aligned pair is boxed, wherever it stands; what both have, and grain, is not."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from film_recovery.pairs.overlays import one_sided, persistent

Picture = npt.NDArray[np.float32]
SIZE = (960, 540)


@pytest.fixture(scope="module")
def pair(photograph: Picture) -> tuple[Picture, Picture]:
    """A sharp grainy picture and a soft one in other colours, coded."""
    coded = np.asarray(cv2.resize(np.clip(photograph, 0, 1)[20:358] ** 0.45, SIZE, interpolation=cv2.INTER_CUBIC), np.float32)
    random = np.random.default_rng(5)
    sharp = coded * 0.8 + 0.1 + random.normal(0.0, 0.012, coded.shape)
    soft = cv2.GaussianBlur(coded, (0, 0), 1.2) * np.array([0.9, 1.0, 0.8]) + random.normal(0.0, 0.006, coded.shape)
    return np.asarray(sharp, np.float32), np.asarray(soft, np.float32)


def lettered(picture: Picture, at: tuple[int, int]) -> tuple[Picture, npt.NDArray[np.bool_]]:
    """With words, and where they stand."""
    found = picture.copy()
    for level, weight in ((0.02, 8), (0.97, 3)):
        letters = np.zeros(picture.shape[:2], np.uint8)
        cv2.putText(letters, "Wohin gehst du?", at, cv2.FONT_HERSHEY_SIMPLEX, 1.4, 255, weight, cv2.LINE_AA)
        found += (level - found) * (letters[..., None] / np.float32(255.0))
    return found, np.abs(found - picture).max(axis=-1) > 0.1


@pytest.mark.parametrize("side", [0, 1], ids=["source", "reference"])
@pytest.mark.parametrize("at", [(280, 490), (60, 100)], ids=["subtitle", "corner"])
def test_words_of_one_side_are_boxed(pair: tuple[Picture, Picture], side: int, at: tuple[int, int]) -> None:
    both = list(pair)
    both[side], words = lettered(both[side], at)
    boxes = persistent({1: one_sided(both[0], both[1], np.ones(words.shape, np.uint8))}, SIZE)
    masked = np.zeros_like(words)
    for x, y, width, height in boxes:
        masked[y : y + height, x : x + width] = True
    assert words[masked].sum() > 0.9 * words.sum()
    assert masked.mean() < 0.15


def test_words_of_both_and_grain_are_none(pair: tuple[Picture, Picture]) -> None:
    mask = np.ones(pair[0].shape[:2], np.uint8)
    assert one_sided(*pair, mask) == []
    assert one_sided(lettered(pair[0], (280, 490))[0], lettered(pair[1], (280, 490))[0], mask) == []


def test_nothing_is_said_of_what_is_masked(pair: tuple[Picture, Picture]) -> None:
    mask = np.ones(pair[0].shape[:2], np.uint8)
    mask[400:] = 0
    assert one_sided(pair[0], lettered(pair[1], (280, 490))[0], mask) == []


BOXES = st.tuples(st.integers(0, 700), st.integers(0, 500), st.integers(50, 200), st.integers(10, 40))
SIGHTS = st.lists(BOXES, min_size=1, max_size=4).flatmap(  # few enough to be no more than an overlay masks
    lambda boxes: st.dictionaries(st.integers(1, 9), st.lists(st.sampled_from(boxes), max_size=3), max_size=8)
)


def holds(outer: tuple[int, int, int, int], inner: tuple[int, int, int, int]) -> bool:
    (x, y, width, height), (left, top, across, down) = outer, inner
    return x <= left and y <= top and left + across <= x + width and top + down <= y + height


@given(SIGHTS)
def test_boxes_lie_inside_largest_first_and_hold_what_was_seen_often_enough(
    sights: dict[int, list[tuple[int, int, int, int]]],
) -> None:
    found = persistent(sights, SIZE)
    sizes = [width * height for _, _, width, height in found]
    assert sizes == sorted(sizes, reverse=True)
    seen = {box: sum(box in boxes for boxes in sights.values()) for box in itertools.chain(*sights.values())}
    for box in found:
        assert holds((0, 0, *SIZE), box) and any(holds(box, one) for one in seen)
    for box, times in seen.items():
        if times >= (1 if len(sights) <= 3 else 2):
            assert any(holds(one, box) for one in found)


def test_one_sight_is_enough_only_where_there_are_few() -> None:
    box = (300, 450, 200, 40)
    assert len(persistent({1: [box]}, SIZE)) == 1
    assert persistent({1: [box], **{frame: [] for frame in range(2, 6)}}, SIZE) == []
    assert len(persistent({1: [box], 2: [box], **{frame: [] for frame in range(3, 6)}}, SIZE)) == 1
