"""Records that cannot be read are a person's mistake, told in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from film_recovery.contract.curation import load_match
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
