"""Records that cannot be read are a person's mistake, told in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from film_recovery.contract.curation import ChosenPair, ScopeRecord, SelectionRecord, load_match, load_selection
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
