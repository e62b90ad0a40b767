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
    percent = [0]

    def cancelled() -> bool:
        bars[0].setProgress(percent[0])  # the bar is served whenever it is told something, also while the worker is waited for
        return bool(bars[0].isCancelled())

    def progress(done: int, count: int, what: str) -> None:
        bars[0].setMessage(what)
        percent[0] = int(100 * done / max(count, 1))
        bars[0].setProgress(percent[0])

    try:
        yield cancelled, progress
    finally:
        bars.clear()  # Nuke closes the bar with its object
