"""A person's own pairs in a selection: what the choice is asked, and what the record says afterwards."""

from __future__ import annotations

from film_recovery.cli.picks import Picks
from film_recovery.contract.curation import ChosenPair, ScopeRecord, SelectionRecord
from film_recovery.pairs.select import SelectionRequest

_KEPT = ChosenPair(1006, 5004, False, "her hat", by_hand=True)
_MOVED = ChosenPair(1015, 5016, False, "", by_hand=True)
_HELD = ChosenPair(1020, 5020, True, "night", by_hand=True)
_MINE = Picks({1006: _KEPT}, {1015: _MOVED, 1020: _HELD}, {1006: 5004, 1015: 5015, 1020: 5020, 1021: 5021})


def _record(*pairs: ChosenPair) -> SelectionRecord:
    scopes = [ScopeRecord("shot 1", 1001, 1012, 0.9, []), ScopeRecord("shot 2", 1013, 1030, 0.9, [])]
    return SelectionRecord("a", "b", "shot", list(pairs), scopes)


def test_others_are_chosen_around_them() -> None:
    asked = _MINE.asked(SelectionRequest(held_out=3))
    assert asked.keep == {1006}
    assert asked.avoid == {1015, *range(1018, 1023)}  # and what looks the same as the held-out one
    assert asked.held_out == 2


def test_they_come_back_as_they_were() -> None:
    record = _record(ChosenPair(1003, 5001, False, "first", "shot 1"), ChosenPair(1006, 5004, False, "kept", "shot 1", ["red"]))
    _MINE.put(record, SelectionRequest())
    assert record.pairs == [
        ChosenPair(1003, 5001, False, "first", "shot 1"),
        ChosenPair(1006, 5004, False, "her hat", "shot 1", ["red"], True),
        ChosenPair(1015, 5016, False, "kept by hand", "shot 2", [], True),
        ChosenPair(1020, 5020, True, "night", "shot 2", [], True),
    ]
    assert record.advice == ["Frame 1015 is paired with 5016 by hand; its known partner is 5015."]


def test_frames_named_on_the_command_line_have_the_last_word() -> None:
    request = SelectionRequest(keep=frozenset({1015, 1020, 1021}), avoid=frozenset({1006}))
    asked = _MINE.asked(request)
    assert (asked.keep, asked.avoid) == ({1015, 1020, 1021}, {1006})
    record = _record()
    _MINE.put(record, request)
    assert record.pairs == []
