"""What a training found out about itself, in words: ``findings.json`` of a run, and the fields of its ``warning`` events.

A finding has a stable short name, so that a panel or a script can tell one from another; the sentence says what was found
and where, the advice what to do. A *warning* means that the model is, or may be, worse for it; a *note* is good to know.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from film_recovery.contract.errors import InputError
from film_recovery.contract.records import load_entries, load_record, save_record

SCHEMA, VERSION = "film-recovery/findings", 1
NAMES = (
    "no-held-out", "held-out-leak", "too-few-pairs", "unfamiliar-colours", "wrong-reference", "misaligned", "burnt-in-text",
    "clipped", "other-colour", "wrong-hue", "overfit", "unstable", "underfit", "start-is-best", "still-shot",
)  # fmt: skip
SEVERITIES = ("warning", "note")


@dataclass(frozen=True)
class Finding:
    """One finding.

    Attributes:
        name: one of :data:`NAMES`.
        sentence: what was found, and in which frames.
        advice: what to do.
        frames: source frames that it is about, the worst first; empty when it concerns all of them.
        picture: of what shows it, relative to the run's folder; empty without one.
        severity: one of :data:`SEVERITIES`.
    """

    name: str
    sentence: str
    advice: str
    frames: list[int] = field(default_factory=list)
    picture: str = ""
    severity: str = "warning"

    @property
    def text(self) -> str:
        """Sentence and advice."""
        return f"{self.sentence} {self.advice}"

    def to_event(self) -> dict[str, Any]:
        """The fields of a ``warning`` event; ``text`` is what older readers show."""
        return {"text": self.text, **dataclasses.asdict(self)}


@dataclass
class _Record:
    step: int
    findings: list[dict[str, Any]]


def save_findings(path: Path, findings: list[Finding], step: int) -> None:
    """Write what was found when the training had done ``step`` steps, whole or not at all."""
    save_record(path, _Record(step, [dataclasses.asdict(finding) for finding in findings]), SCHEMA, VERSION)


def load_findings(path: Path) -> list[Finding]:
    """Read them; none when the file is absent: the run is not at its end, or of an older release.

    Raises:
        InputError: the file is damaged, of a newer version, names something unknown or a picture outside the run's folder.
    """
    if not Path(path).is_file():
        return []
    found = load_entries(Finding, load_record(path, _Record, SCHEMA, VERSION).findings, Path(path), "finding")
    for finding in found:
        if not _is_sound(finding):
            raise InputError(f"{path} is damaged (a finding holds something else than words and frames); train again.")
    return found


def finding_of(event: dict[str, Any]) -> Finding | None:
    """The finding that a ``warning`` event holds; None when it holds none, or one that this release does not know."""
    names = [one.name for one in dataclasses.fields(Finding)]
    if not all(name in event for name in names):
        return None
    found = Finding(**{name: event[name] for name in names})
    return found if _is_sound(found) else None


def _is_sound(finding: Finding) -> bool:
    """Whether everything has the type it should have; the picture must lie inside the folder."""
    words = (finding.name, finding.sentence, finding.advice, finding.picture, finding.severity)
    if not all(isinstance(word, str) for word in words) or not isinstance(finding.frames, list):
        return False
    parts = finding.picture.replace("\\", "/").split("/")
    inside = ".." not in parts and not Path(finding.picture).is_absolute() and ":" not in parts[0]
    numbered = all(isinstance(frame, int) and not isinstance(frame, bool) for frame in finding.frames)
    return finding.name in NAMES and finding.severity in SEVERITIES and numbered and inside
