"""What the report of a run tells of its training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from film_recovery.contract.run_folder import RunFolder
from film_recovery.review.run_report import training_time

TRAINED = [("started", 100), ("progress", 130), ("progress", 160)]


@pytest.mark.parametrize(
    ("events", "told"),
    [
        (TRAINED, ("time", "60 s")),
        ([*TRAINED, ("resumed", 900), ("exported", 903), ("finished", 903)], ("time", "60 s")),
        ([*TRAINED, ("resumed", 900), ("progress", 910), ("finished", 913)], ("time since it was resumed", "10 s")),
        ([("resumed", 50), *TRAINED], ("time", "60 s")),  # it was killed before its first step
    ],
)
def test_a_resume_that_only_exports_is_not_the_training(
    events: list[tuple[str, int]], told: tuple[str, str], tmp_path: Path
) -> None:
    run = RunFolder(tmp_path)
    run.events.write_text("".join(json.dumps({"event": name, "time": time}) + "\n" for name, time in events))
    assert training_time(run) == told
