"""``nuke.addOnCreate`` and the others: functions called for nodes of a class, ``*`` for all.

Kinds that nothing here would ever call (drawing the node graph, autosaves, background renders, the Render button) are not
offered: a program that relies on them is told so, by an AttributeError, rather than left waiting.
Signatures, and that only knobChanged can be bound to one node, after Foundry's callbacks module and page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from embedded_nuke import sessions

# Name in ``nuke.add…`` and ``nuke.remove…``: kind of event, class for which it is meant when none is given.
_KINDS = {
    "OnUserCreate": ("onUserCreate", "*"), "OnCreate": ("onCreate", "*"), "OnDestroy": ("onDestroy", "*"),
    "OnScriptLoad": ("onScriptLoad", "Root"), "OnScriptSave": ("onScriptSave", "Root"),
    "OnScriptClose": ("onScriptClose", "Root"), "UpdateUI": ("updateUI", "*"),
    "BeforeRender": ("beforeRender", "Write"), "BeforeFrameRender": ("beforeFrameRender", "Write"),
    "AfterFrameRender": ("afterFrameRender", "Write"), "AfterRender": ("afterRender", "Write"),
    "RenderProgress": ("renderProgress", "Write"), "FilenameFilter": ("filenameFilter", "*"),
}  # fmt: skip


def _entry(call: Any, args: Any, kwargs: Any, node_class: str, node: Any) -> sessions.Callback:
    """One callback. Raises :class:`ValueError` for what cannot be called, as Nuke does; a lone argument needs no tuple."""
    if not callable(call):
        raise ValueError("call must be a callable")
    if kwargs is not None and not isinstance(kwargs, dict):
        raise ValueError("kwargs must be a dictionary")
    return call, args if isinstance(args, tuple) else (args,), dict(kwargs or {}), node_class, node


def _add(kind: str, entry: sessions.Callback) -> None:
    entries = sessions.current().callbacks.setdefault(kind, [])
    if entry in entries:  # stored once per call, arguments, class and node
        entries.remove(entry)
    entries.append(entry)


def _remove(kind: str, entry: sessions.Callback) -> None:
    entries = sessions.current().callbacks.get(kind, [])
    if entry in entries:
        entries.remove(entry)


def _adder(kind: str, default: str) -> Callable[..., None]:
    def add(call: Any, args: Any = (), kwargs: dict[str, Any] | None = None, nodeClass: str = default) -> None:
        _add(kind, _entry(call, args, kwargs, nodeClass, None))

    return add


def _remover(kind: str, default: str) -> Callable[..., None]:
    def remove(call: Any, args: Any = (), kwargs: dict[str, Any] | None = None, nodeClass: str = default) -> None:
        _remove(kind, _entry(call, args, kwargs, nodeClass, None))

    return remove


def addKnobChanged(
    call: Any, args: Any = (), kwargs: dict[str, Any] | None = None, nodeClass: str = "*", node: Any = None
) -> None:
    """Call something when a knob changes, of every node of a class or of one node."""
    _add("knobChanged", _entry(call, args, kwargs, nodeClass, node))


def removeKnobChanged(
    call: Any, args: Any = (), kwargs: dict[str, Any] | None = None, nodeClass: str = "*", node: Any = None
) -> None:
    """Remove what was added with the same arguments."""
    _remove("knobChanged", _entry(call, args, kwargs, nodeClass, node))


def functions() -> dict[str, Callable[..., None]]:
    """All of them by name."""
    made: dict[str, Callable[..., None]] = {"addKnobChanged": addKnobChanged, "removeKnobChanged": removeKnobChanged}
    for name, (kind, default) in _KINDS.items():
        made[f"add{name}"] = _adder(kind, default)
        made[f"remove{name}"] = _remover(kind, default)
    return made
