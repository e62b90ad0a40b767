"""What is said of the pairs that are held out, on small pictures."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from film_recovery.elements.survey import Survey
from film_recovery.images.sequence import Sequence
from film_recovery.pairs import select
from film_recovery.pairs.looks import find_looks
from film_recovery.pairs.material import Material
from film_recovery.pairs.select import SelectionRequest, select_pairs
from film_recovery.pairs.soundness import Partner, Soundness

FRAMES = 24


class _Sound:
    """Registers nothing."""

    def __init__(self, _: Material) -> None:
        pass

    def problem(self, _: int) -> str:
        return ""


def _material(photograph: npt.NDArray[np.float32], step: int) -> Material:
    """A photograph under a moving camera; one element has lost some red. With grain, which a likeness must not depend on."""
    coded = np.clip(photograph, 0.0, 1.0) ** 0.45
    small = [
        cv2.resize(coded[:216, left : left + 384], (96, 54), interpolation=cv2.INTER_AREA)
        for left in range(0, FRAMES * step or 1, step or 1)
    ]
    moving = np.stack(small if step else small * FRAMES)
    grain = np.random.default_rng(3).normal(0.0, 0.03, moving.shape)
    kept = np.rint(40.0 + 175.0 * np.clip(moving + grain, 0.0, 1.0)).astype(np.uint8)
    faded = np.rint(kept * np.array([0.8, 1.0, 1.0])).astype(np.uint8)
    surveys = [
        Survey("film", np.arange(first, first + FRAMES), pictures, np.zeros((FRAMES, 108, 192), np.int8), {}, (320, 180))
        for first, pictures in ((1001, faded), (2001, kept))
    ]
    rows = list(range(FRAMES))
    partners: list[Partner | None] = [Partner(row, 2001 + row) for row in rows]
    looks = find_looks(faded, kept, rows, [True] * FRAMES)
    nothing, sound = Sequence("film", {}), Soundness({}, np.ones(FRAMES))
    return Material(nothing, nothing, surveys[0], surveys[1], False, partners, [(0, FRAMES)], sound, looks)


@pytest.mark.parametrize(("step", "words"), [(0, "; no frame was left that differs clearly from"), (8, ", apart from")])
def test_a_held_out_pair_is_said_to_stand_apart_only_where_it_does(
    step: int, words: str, photograph: npt.NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(select, "PairCheck", _Sound)
    record = select_pairs(_material(photograph, step), SelectionRequest(count=3, held_out=2)).record
    assert [pair.reason for pair in record.held_out] == [f"held out: stands for the scope{words} the training frames"] * 2
