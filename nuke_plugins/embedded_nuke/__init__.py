"""A strict stand-in for Nuke, for machines without one.

It reads and writes real .nk and .gizmo text, offers the part of the module ``nuke`` that is certain, and renders with
OpenImageIO. Unknown classes, knobs, values and calls off the main thread raise. It never pretends to be more than it is.

    nuke = embedded_nuke.install(gui=True, plugin_path=["/path/to/gizmos"])
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType

from embedded_nuke import sessions as _sessions
from embedded_nuke.sessions import FLAVOURS, Session

__all__ = ["FLAVOURS", "Session", "install", "session", "uninstall"]
_MODULES = ("nuke", "nukescripts", "nukescripts.panels")


def install(
    *,
    gui: bool = False,
    flavour: str = "nuke",
    plugin_path: Sequence[str] = (),
    version: str = "16.0v1",
    trusted: bool = False,
    args: Sequence[str] = (),
) -> ModuleType:
    """Begin a fresh session and put ``nuke`` and ``nukescripts`` into ``sys.modules``; return ``nuke``.

    The thread that calls is the main thread. Raises :class:`ValueError` for an unknown flavour.
    """
    from embedded_nuke.api import nuke_module, nukescripts_module, python_code
    from embedded_nuke.api.scripts import new_root

    if flavour not in FLAVOURS:
        raise ValueError(f"There is no flavour '{flavour}'; choose one of {', '.join(FLAVOURS)}.")
    uninstall()
    running = Session(gui=gui, flavour=flavour, version=version, trusted=trusted, args=tuple(args))
    running.plugin_path = [str(folder).replace("\\", "/") for folder in plugin_path]
    _sessions.set_current(running)
    python_code.attach(running)
    new_root()
    module = nuke_module.build(running)
    sys.modules["nuke"] = module
    sys.modules.update(nukescripts_module.build())
    return module


def uninstall() -> None:
    """End the session and take its modules away. What imported them holds the old ones until it is imported anew."""
    _sessions.set_current(None)
    for name in _MODULES:
        sys.modules.pop(name, None)


def session() -> Session:
    """The running session. Raises :class:`RuntimeError` when there is none."""
    return _sessions.current()
