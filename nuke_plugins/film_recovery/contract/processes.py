"""Who writes what: the names of machines and the lives of processes, for files that several of them leave beside each other.

Standard library only: both the Nuke side and the worker ask.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re


def this_machine() -> str:
    """This machine's name in letters and digits, so that file names may hold it; no two names become the same."""
    name = platform.node()
    return re.sub("[^A-Za-z0-9]", "", name) + hashlib.sha256(name.encode()).hexdigest()[:6]


def is_living(identifier: int) -> bool:
    """Whether a process of that number lives on this machine; True where there is no harmless way to ask."""
    if os.name != "posix":
        return True
    try:
        os.kill(identifier, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
