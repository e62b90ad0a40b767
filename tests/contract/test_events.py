"""The diary of a run."""

from __future__ import annotations

from pathlib import Path

from film_recovery.contract.events import EventLog, read_events


def test_an_event_after_a_torn_line_is_not_lost(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    log.append("started", task="chroma")
    log.path.write_bytes(log.path.read_bytes() + b'{"event": "progr')
    log.append("resumed")
    log.append("failed", text="Kein Platz für Bilder.")
    assert [event["event"] for event in read_events(log.path)] == ["started", "resumed", "failed"]
    assert log.path.read_bytes().count(b"\n") == 4
