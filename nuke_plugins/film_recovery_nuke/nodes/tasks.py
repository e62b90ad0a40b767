"""A progress bar with Cancel around work on the main thread."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import nuke


@contextlib.contextmanager
def task(label: str) -> Iterator[tuple[Any, Any]]:
    """In a GUI session ``(cancelled, progress)`` of a ``nuke.ProgressTask``; headless two times None."""
    if not nuke.GUI:
        yield None, None
        return
    bars = [nuke.ProgressTask(label)]

    def progress(done: int, count: int, what: str) -> None:
        bars[0].setMessage(what)
        bars[0].setProgress(int(100 * done / max(count, 1)))

    try:
        yield bars[0].isCancelled, progress
    finally:
        bars.clear()  # Nuke closes the bar with its object
