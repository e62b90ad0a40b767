"""How long work tells somebody how far it is, without knowing who listens (a terminal, a farm log, a panel)."""

from __future__ import annotations

from typing import Protocol


class Reporter(Protocol):
    """What the rooms call while they work."""

    def stage(self, text: str) -> None:
        """A new stage begins, for instance ``Aligning 8 pairs``."""

    def progress(self, done: int, total: int, unit: str, figures: dict[str, float] | None = None) -> None:
        """``done`` of ``total`` units are through; ``figures`` may hold the loss, a held-out figure and the like."""

    def note(self, text: str) -> None:
        """Something worth a line: a warning in words, a result, where a file is."""

    def should_stop(self) -> bool:
        """True once the user asked to stop."""


class SilentReporter:
    """Listens to nothing and never asks to stop."""

    def stage(self, text: str) -> None:
        """See :class:`Reporter`."""

    def progress(self, done: int, total: int, unit: str, figures: dict[str, float] | None = None) -> None:
        """See :class:`Reporter`."""

    def note(self, text: str) -> None:
        """See :class:`Reporter`."""

    def should_stop(self) -> bool:
        """See :class:`Reporter`."""
        return False
