"""The one table of exit codes. Farms and scripts act on them, so a number never changes its meaning."""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """What a process returns; ``meaning`` is the sentence that documentation and ``--help`` print."""

    OK = 0
    CRASH = 1
    USAGE = 2
    BAD_INPUT = 3
    NO_DEVICE = 4
    DIVERGED = 5
    STOPPED = 6
    BUSY = 7
    STORAGE = 8

    @property
    def meaning(self) -> str:
        """One sentence, for people."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.OK: "everything that was asked for is done",
    ExitCode.CRASH: "a defect in the program; the traceback is printed",
    ExitCode.USAGE: "the command line cannot be understood",
    ExitCode.BAD_INPUT: "an input is missing, unreadable or does not fit; what was written before is whole",
    ExitCode.NO_DEVICE: "the requested device is absent or out of memory",
    ExitCode.DIVERGED: "training or inference produced values that are not finite",
    ExitCode.STOPPED: "stopped on request; what was done is kept and can be resumed",
    ExitCode.BUSY: "another process is working in the same folder",
    ExitCode.STORAGE: "the disk is full, read-only or unreachable",
}
