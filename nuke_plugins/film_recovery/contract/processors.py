"""How many processors this process may use."""

from __future__ import annotations

import os


def processors() -> int:
    """Those of its affinity, where the system tells it; else all of the machine's, at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
