"""Findings come back as they were written, and nothing else is taken for one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from film_recovery.contract.errors import InputError
from film_recovery.contract.findings import NAMES, SEVERITIES, Finding, finding_of, load_findings, save_findings

FINDINGS = st.builds(
    Finding,
    st.sampled_from(NAMES),
    st.text(),
    st.text(),
    st.lists(st.integers(-10_000, 10**7)),
    st.sampled_from(["", "sheets/finding_misaligned_1001.png"]),
    st.sampled_from(SEVERITIES),
)


@given(FINDINGS)
def test_an_event_gives_the_finding_back(finding: Finding) -> None:
    event = json.loads(json.dumps({"event": "warning", "time": 1.0, "step": 3, **finding.to_event()}))
    assert finding_of(event) == finding
    assert event["text"] == finding.text


def test_a_file_gives_them_back_and_an_absent_one_none(tmp_path: Path) -> None:
    findings = [Finding("overfit", "It fell.", "Add pairs."), Finding("clipped", "A", "B", [3, 1], "sheets/a.png", "note")]
    assert load_findings(tmp_path / "findings.json") == []
    save_findings(tmp_path / "findings.json", findings, 100)
    assert load_findings(tmp_path / "findings.json") == findings


@pytest.mark.parametrize(
    "change",
    [{"name": "made-up"}, {"severity": "fatal"}, {"picture": "../secret.png"}, {"picture": "/etc/passwd"}, {"frames": ["7"]},
     {"picture": "C:\\x.png"}, {"sentence": None}, {"frames": 7}, {"extra": 1}],
    ids=str,
)  # fmt: skip
def test_what_is_no_finding_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "findings.json"
    save_findings(path, [Finding("overfit", "It fell.", "Add pairs.")], 100)
    record = json.loads(path.read_text())
    record["findings"][0].update(change)
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match="damaged"):
        load_findings(path)
    if "extra" not in change:
        assert finding_of({"event": "warning", "text": "", **record["findings"][0]}) is None


def test_an_older_warning_is_words_only() -> None:
    assert finding_of({"event": "warning", "time": 1.0, "text": "Something."}) is None
