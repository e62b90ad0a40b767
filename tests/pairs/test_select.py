"""What is said of the pairs that are held out, on small pictures."""

from __future__ import annotations

from dataclasses import replace

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


def _material(photograph: npt.NDArray[np.float32], step: int, frames: int = FRAMES) -> Material:
    """A photograph under a moving camera; one element has lost some red. With grain, which a likeness must not depend on."""
    coded = np.clip(photograph, 0.0, 1.0) ** 0.45
    small = [
        cv2.resize(coded[:216, left : left + 384], (96, 54), interpolation=cv2.INTER_AREA)
        for left in range(0, frames * step or 1, step or 1)
    ]
    moving = np.stack(small if step else small * frames)
    grain = np.random.default_rng(3).normal(0.0, 0.03, moving.shape)
    kept = np.rint(40.0 + 175.0 * np.clip(moving + grain, 0.0, 1.0)).astype(np.uint8)
    faded = np.rint(kept * np.array([0.8, 1.0, 1.0])).astype(np.uint8)
    surveys = [
        Survey("film", np.arange(first, first + frames), pictures, np.zeros((frames, 108, 192), np.int8), {}, (320, 180))
        for first, pictures in ((1001, faded), (2001, kept))
    ]
    rows = list(range(frames))
    partners: list[Partner | None] = [Partner(row, 2001 + row) for row in rows]
    looks = find_looks(faded, kept, rows, [True] * frames)
    nothing, sound = Sequence("film", {}), Soundness({}, np.ones(frames))
    return Material(nothing, nothing, surveys[0], surveys[1], False, partners, [(0, frames)], sound, looks)


@pytest.mark.parametrize(("step", "words"), [(0, "; no frame was left that differs clearly from"), (8, ", apart from")])
def test_a_held_out_pair_is_said_to_stand_apart_only_where_it_does(
    step: int, words: str, photograph: npt.NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(select, "PairCheck", _Sound)
    record = select_pairs(_material(photograph, step), SelectionRequest(count=3, held_out=2)).record
    assert [pair.reason for pair in record.held_out] == [f"held out: stands for the scope{words} the training frames"] * 2


@pytest.mark.parametrize("kept", [3, 7, 9])
def test_the_number_of_pairs_grows_however_many_are_kept(
    kept: int, photograph: npt.NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(select, "PairCheck", _Sound)
    keep = frozenset(range(1001, 1001 + 3 * kept, 3))
    chosen = select_pairs(_material(photograph, 2, 120), SelectionRequest(keep=keep, held_out=0))
    (result,) = chosen.scopes
    assert max(result.steps) > kept
    assert keep <= {pair.source for pair in chosen.record.training}
    assert any("would cover" in line for line in chosen.record.advice)


def test_a_shot_of_which_nothing_can_be_read_has_no_pair_and_the_others_have_theirs(
    photograph: npt.NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(select, "PairCheck", _Sound)
    whole = _material(photograph, 8)
    readable = [row < 12 for row in range(FRAMES)]
    partners = [row if fit else None for row, fit in enumerate(readable)]
    looks = find_looks(whole.survey_a.thumbnails, whole.survey_b.thumbnails, partners, readable)
    broken = Soundness(dict.fromkeys(range(12, FRAMES), "the reference cannot be read"), whole.soundness.trust)
    material = replace(whole, shots=[(0, 12), (12, FRAMES)], looks=looks, soundness=broken)
    record = select_pairs(material, SelectionRequest(scope="shot", count=2, held_out=0)).record
    assert [pair.source < 1013 for pair in record.training] == [True, True]
    assert [scope.covered for scope in record.scopes][1] == 0.0
    assert record.rejected == [
        {"source": 1013, "last": 1024, "reason": "the reference cannot be read (to 1024)"}
    ]  # fmt: skip


def test_what_was_kept_in_spite_of_a_fault_is_not_said_to_be_passed_over(
    photograph: npt.NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(select, "PairCheck", _Sound)
    flash = "a flash in the reference"
    material = replace(_material(photograph, 8), soundness=Soundness(dict.fromkeys((4, 5, 6), flash), np.ones(FRAMES)))
    record = select_pairs(material, SelectionRequest(count=2, held_out=0, keep=frozenset({1006}))).record
    assert any(pair.source == 1006 for pair in record.training)
    assert [entry["source"] for entry in record.rejected] == [1005, 1007]
    assert any("Frame 1006 was kept as asked, but a flash" in line for line in record.advice)
