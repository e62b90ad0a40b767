"""``nuke.ProgressTask``: a bar with a Cancel button. A test, or a panel, presses it through :func:`cancel_tasks`."""

from __future__ import annotations

import weakref
from collections.abc import Callable

_tasks: weakref.WeakSet[ProgressTask] = weakref.WeakSet()
_watchers: list[Callable[[ProgressTask], None]] = []


class ProgressTask:
    """A task with a label, a percentage and a message."""

    def __init__(self, label: str = "") -> None:
        self.label = label
        self.percent = 0
        self.message = ""
        self._cancelled = False
        _tasks.add(self)

    def setProgress(self, percent: int) -> None:
        """Show a percentage, 0 to 100."""
        self.percent = int(percent)
        _tell(self)

    def setMessage(self, message: str) -> None:
        """Show a line of text."""
        self.message = str(message)
        _tell(self)

    def isCancelled(self) -> bool:
        """Whether Cancel was pressed."""
        return self._cancelled

    def cancel(self) -> None:
        """Press Cancel; not part of Nuke's module, where a person does it."""
        self._cancelled = True


def _tell(task: ProgressTask) -> None:
    for watch in list(_watchers):
        watch(task)


def watch_tasks(watcher: Callable[[ProgressTask], None] | None) -> None:
    """Let somebody see every change of every task, for instance to press Cancel at some point; None ends it."""
    _watchers.clear()
    if watcher is not None:
        _watchers.append(watcher)


def cancel_tasks() -> None:
    """Press Cancel on every task there is."""
    for task in list(_tasks):
        task.cancel()
