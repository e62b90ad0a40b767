"""Signals that ask a training to end, which it obeys between two steps."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def collected_signals() -> Iterator[list[int]]:
    """Collect SIGTERM and SIGINT instead of dying by them; outside the main thread there are none to collect."""
    asked: list[int] = []
    previous: dict[int, object] = {}
    try:
        for number in (int(signal.SIGTERM), int(signal.SIGINT)):
            previous[number] = signal.signal(number, lambda received, _frame: asked.append(received))
    except ValueError:
        previous.clear()
    try:
        yield asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
