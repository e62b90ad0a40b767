"""The plugin path, and the ``init.py`` and ``menu.py`` that Nuke runs when it starts.

Start-up files run in the reverse order of the path (Foundry's start-up page); every init.py runs before the first menu.py
(assumption). The user's ``.nuke`` folder is left out on purpose: a render gives the same on every machine. What the functions
promise follows the descriptions in Foundry's own module.
"""

from __future__ import annotations

import fnmatch
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from embedded_nuke import sessions
from embedded_nuke.api import python_code
from embedded_nuke.table.table import known_classes

ALL, NODIR = 0x1, 0x2


class StartupError(RuntimeError):
    """An init.py or menu.py failed; the message names the file and what was raised."""


def pluginAddPath(args: str | Sequence[str], addToSysPath: bool = True) -> None:
    """Put a folder, or several, first on the plugin path, also if it is there already.

    Inside an init.py its own init.py runs at once, and a relative folder is taken from the folder of that init.py.
    """
    for folder in _folders(args):
        session = sessions.current()
        is_new = folder not in session.plugin_path
        if not is_new:
            session.plugin_path.remove(folder)
        session.plugin_path.insert(0, folder)
        _was_added(folder, is_new, 0 if addToSysPath else None)


def pluginAppendPath(args: str | Sequence[str], addToSysPath: bool = True) -> None:
    """Put a folder, or several, last on the plugin path; one that is there already stays where it is."""
    for folder in _folders(args):
        session = sessions.current()
        if folder not in session.plugin_path:
            session.plugin_path.append(folder)
            _was_added(folder, True, len(sys.path) if addToSysPath else None)


def _folders(given: str | Sequence[str]) -> Iterable[str]:
    words = [given] if isinstance(given, str) else list(given)
    base = os.path.dirname(sessions.current().startup_files[-1]) if _is_in_init() else os.getcwd()
    return [os.path.abspath(os.path.join(base, word)).replace("\\", "/") for word in words if word.rstrip("/\\")]


def _is_in_init() -> bool:
    running = sessions.current().startup_files
    return bool(running) and os.path.basename(running[-1]) == "init.py"


def _was_added(folder: str, is_new: bool, place: int | None) -> None:
    if is_new and place is not None and folder not in sys.path:
        sys.path.insert(place, folder)
    if is_new and _is_in_init():
        run_startup_file(folder, "init.py")


def run_startup_file(folder: str, name: str) -> None:
    """Run a folder's ``init.py`` or ``menu.py``, if there is one, in a namespace of its own. Raises :class:`StartupError`."""
    path = os.path.join(folder, name).replace("\\", "/")
    if not os.path.isfile(path):
        return
    running = sessions.current().startup_files
    running.append(path)
    try:
        python_code.run_file(path, name=name.partition(".")[0])
    except StartupError:
        raise
    except Exception as error:  # outermost wall: whatever somebody else's file raises, it has to be named
        raise StartupError(f"{path}: {type(error).__name__}: {error}") from error
    finally:
        running.pop()


def start(folders: Iterable[str]) -> None:
    """Put folders, the first counting first, at the end of the plugin path and run the start-up files, menu.py with a GUI.

    Raises:
        StartupError: one of them failed; Nuke does not start then either (assumption).
    """
    session = sessions.current()
    path = list(dict.fromkeys(os.path.abspath(folder).replace("\\", "/") for folder in folders if folder))
    for folder in path:
        if folder not in session.plugin_path:
            session.plugin_path.append(folder)
        if folder not in sys.path:
            sys.path.append(folder)
    for folder in reversed(path):
        run_startup_file(folder, "init.py")
    if session.gui:
        for folder in reversed(session.plugin_path):
            run_startup_file(folder, "menu.py")


def plugins(switches: int = 0, *pattern: str) -> list[str]:
    """The files of the plugin path whose names match one of the patterns (all, without any), as whole paths.

    ``nuke.NODIR`` gives names without folders. Raises :class:`RuntimeError` without ``nuke.ALL``: what Nuke itself has loaded
    is not known here.
    """
    if not switches & ALL:
        raise RuntimeError("nuke.plugins: which plugins Nuke has loaded is not known here; ask with nuke.ALL.")
    found = []
    for folder in sessions.current().plugin_path:
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            if not pattern or any(fnmatch.fnmatchcase(name, one) for one in pattern):
                found.append(name if switches & NODIR else f"{folder}/{name}")
    return found


def pluginExists(name: str) -> bool:
    """Whether a node class is known, or a gizmo or file of that name lies on the plugin path."""
    session = sessions.current()
    return name in known_classes() or any(session.find_plugin(name + end) is not None for end in ("", ".gizmo", ".py"))


def functions() -> dict[str, Any]:
    """What the module ``nuke`` offers of this."""
    return {
        "ALL": ALL, "NODIR": NODIR, "pluginAddPath": pluginAddPath, "pluginAppendPath": pluginAppendPath, "plugins": plugins,
        "pluginExists": pluginExists, "pluginPath": lambda: list(sessions.current().plugin_path),
    }  # fmt: skip
