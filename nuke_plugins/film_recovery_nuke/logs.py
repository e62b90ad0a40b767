"""A log file for support: rotating, in the user's Nuke folder, or in the temporary one where that cannot be written."""

from __future__ import annotations

import logging
import logging.handlers
import os
import tempfile
from pathlib import Path

_BYTES, _FILES = 1_000_000, 3
_log = logging.getLogger("film_recovery_nuke")
_where: Path | None = None
_opened = False  # handlers of others do not count: studios hang their own on every logger


def path() -> Path | None:
    """The file that is written to; None before the first line, or where nothing can be written."""
    return _where


def write(text: str) -> None:
    """Write a line. Never raises: a full disk must not keep Nuke from going on."""
    if not _opened:
        _open()
    _log.info("%s", text)


def _open() -> None:
    global _opened, _where
    _opened = True
    _log.setLevel(logging.INFO)
    _log.propagate = False
    for folder in (Path.home() / ".nuke" / "film_recovery", Path(tempfile.gettempdir()) / "film_recovery"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / "film_recovery.log"
            handler = logging.handlers.RotatingFileHandler(file, maxBytes=_BYTES, backupCount=_FILES, encoding="utf-8")
        except OSError:
            continue
        handler.setFormatter(logging.Formatter(f"%(asctime)s {os.getpid()} %(message)s"))
        _log.addHandler(handler)
        _where = file
        return
    _log.addHandler(logging.NullHandler())
