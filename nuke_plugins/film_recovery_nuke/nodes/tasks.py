"""A progress bar with Cancel around work on the main thread."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator, Tuple

import nuke


@contextlib.contextmanager
def task(label: str) -> Iterator[Tuple[Any, Any]]:
    """In a GUI session ``(cancelled, progress)`` of a ``nuke.ProgressTask``; headless two times None."""
    if not nuke.GUI:
        yield None, None
        return
    bar = nuke.ProgressTask(label)

    def progress(done: int, count: int, what: str) -> None:
        bar.setMessage(what)
        bar.setProgress(int(100 * done / max(count, 1)))

    try:
        yield bar.isCancelled, progress
    finally:
        del bar  # Nuke closes the bar with its object
