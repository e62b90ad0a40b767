"""``nuke.addOnCreate`` and the others: functions called for nodes of a class, ``*`` for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from embedded_nuke import sessions

# Name in ``nuke.add…`` and ``nuke.remove…``: kind of event, class for which it is meant when none is given.
_KINDS = {
    "OnUserCreate": ("onUserCreate", "*"), "OnCreate": ("onCreate", "*"), "OnDestroy": ("onDestroy", "*"),
    "OnScriptLoad": ("onScriptLoad", "Root"), "OnScriptSave": ("onScriptSave", "Root"),
    "OnScriptClose": ("onScriptClose", "Root"),
    "KnobChanged": ("knobChanged", "*"), "UpdateUI": ("updateUI", "*"), "Autolabel": ("autolabel", "*"),
    "BeforeRender": ("beforeRender", "Write"), "BeforeFrameRender": ("beforeFrameRender", "Write"),
    "AfterFrameRender": ("afterFrameRender", "Write"), "AfterRender": ("afterRender", "Write"),
    "RenderProgress": ("renderProgress", "Write"), "FilenameFilter": ("filenameFilter", "*"),
    "ValidateFilename": ("validateFilename", "*"), "AutoSaveFilter": ("autoSaveFilter", "*"),
    "BeforeBackgroundRender": ("beforeBackgroundRender", "*"), "AfterBackgroundRender": ("afterBackgroundRender", "*"),
}  # fmt: skip


def _adder(kind: str, default: str) -> Callable[..., None]:
    def add(
        call: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        nodeClass: str = default,
        node: Any = None,
    ) -> None:
        entry = (call, tuple(args), dict(kwargs or {}), nodeClass, node)
        entries = sessions.current().callbacks.setdefault(kind, [])
        if entry in entries:  # stored once per call, arguments and class
            entries.remove(entry)
        entries.append(entry)

    return add


def _remover(kind: str, default: str) -> Callable[..., None]:
    def remove(
        call: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        nodeClass: str = default,
        node: Any = None,
    ) -> None:
        entries = sessions.current().callbacks.get(kind, [])
        entries[:] = [entry for entry in entries if entry != (call, tuple(args), dict(kwargs or {}), nodeClass, node)]

    return remove


def functions() -> dict[str, Callable[..., None]]:
    """All of them by name."""
    made: dict[str, Callable[..., None]] = {}
    for name, (kind, default) in _KINDS.items():
        made[f"add{name}"] = _adder(kind, default)
        made[f"remove{name}"] = _remover(kind, default)
    return made
