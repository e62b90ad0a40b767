"""The demonstration's curation: nobody names a frame. The commands are those that a user types, each as a process."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from film_recovery.contract.curation import load_selection
from film_recovery.contract.environment import clean_variables
from film_recovery.contract.progress import Reporter
from film_recovery.images.ranges import format_frames
from film_recovery.project.demo_places import DemoPlaces
from film_recovery.project.processes import run_process

PAIRS, HELD_OUT = 6, 2


def curate(places: DemoPlaces, reporter: Reporter) -> None:
    """Match the elements, choose pairs, and align them in both directions; what is newer than the elements is left alone.

    Raises:
        FilmRecoveryError: a command failed; its last sentence, with its exit code.
        StoppedError: stopped on request.
    """
    negative, prints = (str(places.pattern(name)) for name in ("internegative_35mm", "print_16mm"))
    pair = ["--source", negative, "--reference", prints, "--match", str(places.match)]
    _command(["match", "--a", negative, "--b", prints], places.match, places, reporter)
    _command(["select", *pair, "--pairs", str(PAIRS), "--held-out", str(HELD_OUT)], places.pairs, places, reporter)
    _command(["align", *pair], places.alignment("chroma"), places, reporter)
    # For the detail the print is the source, and only its pairs are needed: elsewhere the internegative is missing.
    chosen = format_frames(sorted(one.reference for one in load_selection(places.pairs).pairs))
    turned = ["--source", prints, "--reference", negative, "--match", str(places.match), "--frames", chosen]
    _command(["align", *turned], places.alignment("spatial"), places, reporter)


def _command(words: Sequence[str], record: Path, places: DemoPlaces, reporter: Reporter) -> None:
    if record.is_file() and record.stat().st_mtime >= places.record.stat().st_mtime:
        return
    reporter.stage(f"film-recovery {words[0]}")
    line = [sys.executable, "-m", "film_recovery.cli.main", *words, "--out", str(record.parent)]
    run_process(line, {**clean_variables(), "PYTHONUNBUFFERED": "1"}, reporter)
