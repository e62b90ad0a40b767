"""Records that cannot be read are a person's mistake, told in a sentence."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from film_recovery.contract.curation import (
    AlignmentRecord,
    ChosenPair,
    FrameAlignment,
    MatchRecord,
    ScopeRecord,
    Segment,
    SelectionRecord,
    load_alignment,
    load_match,
    load_selection,
)
from film_recovery.contract.errors import InputError


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "no record but a file of another kind"),
        (b'{"schema": ', "is damaged"),
        (b'{"schema": "another"}', "not a record of the kind"),
    ],
    ids=["a picture", "cut off", "another record"],
)
def test_a_file_that_is_no_record_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "match.json").write_bytes(content)
    with pytest.raises(InputError, match=rf"match\.json.* {words}|match\.json {words}"):
        load_match(tmp_path / "match.json")


def test_a_value_of_another_type_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pairs.json"
    pairs = [ChosenPair(frame, frame, False, "first", adds=["red"]) for frame in (1, 2)]
    scopes = [ScopeRecord("sequence", 1, 2, 1, [])]
    SelectionRecord("a", "b", "sequence", pairs, scopes).save(path)
    whole = path.read_text()
    assert load_selection(path).pairs == pairs, "a whole number is a share too"
    for right, wrong, words in (
        ('"reference": 2', '"reference": "2"', "a pair's reference is \"2\", not int"),
        ('"held_out": false', '"held_out": 0', "a pair's held_out is 0, not bool"),
        ('"first": 1', '"first": true', "a scope's first is true, not int"),
        ('"red"', "5", r"a pair's adds is \[5\], not list\[str\]"),
        ('"advice": []', '"advice": null', r"advice is null, not list\[str\]"),
    ):
        assert right in whole
        path.write_text(whole.replace(right, wrong))
        with pytest.raises(InputError, match=rf"pairs\.json is damaged \({words}\)"):
            load_selection(path)


_IDENTITY = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    "matrix",
    [
        [[1, 0, 0]],
        [[1, 0], [0, 1]],
        [[0, 0, 0]] * 3,
        [[1, 0, 0], [0, 1, 0], [0, 0, float("nan")]],
        [[1, 0, 0], [0, 1, 0], [0, 0, "a"]],
    ],
    ids=["one row", "2x2", "all 0", "not a number", "a word"],
)
def test_a_matrix_without_an_inverse_is_damage(tmp_path: Path, matrix: list[list[Any]]) -> None:
    match, align = tmp_path / "match.json", tmp_path / "align.json"
    for framing in (_IDENTITY, matrix):
        record = MatchRecord("a", "b", False, framing, [Segment(1, 1, 1, 1.0, [0])], [], [])
        content = {"schema": "film-recovery/match", "version": 1, **dataclasses.asdict(record)}
        match.write_text(json.dumps(content))
        entry = FrameAlignment(7, 7, framing, None, 0.1, 0.2, 0.9, "aligned")
        aligned = AlignmentRecord("a", "b", [64, 48], [64, 48], False, [0, 0, 64, 48], [], [entry])
        align.write_text(json.dumps({"schema": "film-recovery/align", "version": 1, **dataclasses.asdict(aligned)}))
        if framing is _IDENTITY:
            assert load_match(match) == record and load_alignment(align) == aligned
    with pytest.raises(InputError, match=r"match\.json is damaged \((its )?framing is"):
        load_match(match)
    with pytest.raises(InputError, match=r"align\.json is damaged \((a frame's|the) matrix (of frame 7 )?is"):
        load_alignment(align)


@pytest.mark.parametrize("mask", [[1, 2, 3], [1, 2, -3, 4], [1, 2, 3, 4.5]])
def test_a_mask_that_is_no_rectangle_is_damage(tmp_path: Path, mask: list[Any]) -> None:
    path = tmp_path / "align.json"
    AlignmentRecord("a", "b", [64, 48], [64, 48], False, [0, 0, 64, 48], [[-4, 2, 9, 9], mask], []).save(path)
    with pytest.raises(InputError, match=r"align\.json is damaged \((a mask|masks) is"):
        load_alignment(path)
