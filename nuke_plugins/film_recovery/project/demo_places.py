"""Where the demonstration keeps its things, and which files show the same picture of the film."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from film_recovery.contract.curation import AlignmentRecord, MatchRecord, Moment, load_alignment, load_match
from film_recovery.contract.run_folder import RunFolder
from film_recovery.images.ranges import parse_frames
from film_recovery.images.sequence import Sequence, open_sequence

TASKS = {"colour": "chroma", "detail": "spatial"}  # the task of each pass


class DemoPlaces:
    """Where the demonstration keeps its things.

    The frames of sequences are those of the project's time line, on which match.json has put both elements; the simulation's
    record tells which picture of the film a file shows, and so which truth belongs to it.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.elements = out / "elements"
        self.record = self.elements / "elements.json"
        self.curation = out / "curation"
        self.match = self.curation / "match" / "match.json"
        self.pairs = self.curation / "select" / "pairs.json"
        self.project = out / "project.toml"
        self.report = out / "report.html"
        self.proof = out / "proof"

    @property
    def sequence(self) -> Path:
        """The pattern of the finished sequence."""
        return self.out / "recovery" / "sequence" / "recovered.####.exr"

    def alignment(self, task: str) -> Path:
        """The align.json of a task."""
        return self.curation / f"align_{task}" / "align.json"

    def run(self, name: str) -> RunFolder:
        """The training run of a pass, ``colour`` or ``detail``, as the headless run recorded it."""
        return RunFolder(Path(self._pass(name)["run"]))

    def recovered(self, name: str) -> Sequence:
        """The frames that a pass recovered for the sequence."""
        whole = open_sequence(self.sequence)
        return replace(whole, files={frame: whole.files[frame] for frame in parse_frames(self._pass(name)["frames"])})

    def pattern(self, name: str) -> Path:
        """The pattern of an element or of a truth: ``internegative_35mm``, ``print_16mm``, ``truth_35mm``, ``truth_16mm``."""
        return self.elements / name / f"{name.partition('_')[0]}.####.exr"

    def open(self, name: str) -> Sequence:
        """An element or a truth on the time line; a truth has the frames of its element."""
        scan, side, role = open_sequence(self.pattern(name)), "b" if name.endswith("16mm") else "a", name.startswith("truth")
        shows = self._shows["colourful" if side == "b" else "sharp"]
        files: dict[int, Path] = {}
        for moment in self.line:
            number = getattr(moment, side)
            if number is not None:
                files[moment.frame] = scan.files[shows[str(number)] if role else number]
        return replace(scan, files=files)

    @cached_property
    def matched(self) -> MatchRecord:
        """Which frame of the internegative (a) shows what which frame of the print (b) shows."""
        return load_match(self.match)

    @cached_property
    def line(self) -> list[Moment]:
        """The time line."""
        return self.matched.timeline()

    def aligned(self, task: str) -> AlignmentRecord:
        """How the reference of a task lies on its source."""
        return load_alignment(self.alignment(task))

    @cached_property
    def _shows(self) -> dict[str, dict[str, int]]:
        record = json.loads(self.record.read_text(encoding="utf-8"))
        return {role: element["shows"] for role, element in record["elements"].items()}

    def _pass(self, name: str) -> dict[str, Any]:
        record = json.loads((self.out / "graph.json").read_text(encoding="utf-8"))
        found: dict[str, Any] = record["passes"][f"Recover_{name}"]
        return found
