"""The module ``nuke``: put together for a session. A name that it lacks raises with a sentence, so that nothing is guessed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from embedded_nuke import sessions
from embedded_nuke.api import callbacks, menus, render, scripts, startup, threads, viewer
from embedded_nuke.api.frame_ranges import FrameRange, FrameRanges
from embedded_nuke.api.progress import ProgressTask
from embedded_nuke.graph import knob as knobs
from embedded_nuke.graph import knob_types, number_knobs
from embedded_nuke.graph.formats import Format, parse_format
from embedded_nuke.graph.group import Gizmo, Group
from embedded_nuke.graph.node import Node
from embedded_nuke.graph.root import Root
from embedded_nuke.graph.scope import NodeScope
from embedded_nuke.script.expression import Expression, ExpressionError
from embedded_nuke.script.tcl import TclError, substitute

_FLAGS = {
    "INVISIBLE": 0x400, "STARTLINE": 0x1000, "ENDLINE": 0x2000, "DISABLED": 0x80, "NO_ANIMATION": 0x100, "DO_NOT_WRITE": 0x200,
    "NO_UNDO": 0x80000, "ALWAYS_SAVE": 0x100000, "READ_ONLY": 0x10000000,
    "TABBEGINGROUP": 1, "TABBEGINCLOSEDGROUP": 2, "TABENDGROUP": -1, "TABKNOB": 0,
    "INPUTS": 0x1, "HIDDEN_INPUTS": 0x2, "EXPRESSIONS": 0x4, "LINKINPUTS": 0x8,
    "WRITE_ALL": 1, "TO_SCRIPT": 2, "TO_VALUE": 4, "WRITE_USER_KNOB_DEFS": 8, "WRITE_NON_DEFAULT_ONLY": 16,
}  # fmt: skip


class _NukeModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"module 'nuke': the stand-in does not know '{name}'; it offers only what is certain of Nuke.")


class Undo:
    """``with nuke.Undo("name"):``; nothing is undone here, the calls are accepted."""

    def __init__(self, name: str = "") -> None:
        self._name = name

    def __enter__(self) -> Undo:
        return self

    def __exit__(self, *error: Any) -> None:
        return None

    @staticmethod
    def begin(name: str = "") -> None:
        """Begin a step."""

    @staticmethod
    def name(name: str) -> None:
        """Name the step."""

    @staticmethod
    def end() -> None:
        """End the step."""

    @staticmethod
    def cancel() -> None:
        """Give the step up."""

    @staticmethod
    def disable() -> None:
        """Record nothing."""

    @staticmethod
    def enable() -> None:
        """Record again."""


def message(text: str) -> None:
    """Show a box with text. In a terminal it is printed, and in both cases remembered in the session."""
    session = sessions.current()
    session.messages.append(text)
    print(text, file=sys.stderr, flush=True)


def _ask(text: str) -> bool:
    session = sessions.current()
    session.messages.append(text)
    return session.answers.pop(0) if session.answers else False


def tprint(*words: Any) -> None:
    """Print in the terminal."""
    print(*words, flush=True)


def _expression(text: str) -> float:
    session = sessions.current()
    session.check_main_thread("nuke.expression")
    return float(Expression(text).evaluate(NodeScope(session.groups[-1], None, session.root.frame(), inside=True)))


def _tcl(*words: Any) -> str:
    text = " ".join(str(word) for word in words)
    session = sessions.current()
    session.check_main_thread("nuke.tcl")
    try:
        return substitute(f"[{text}]", NodeScope(session.groups[-1], None, session.root.frame(), inside=True))
    except (TclError, ExpressionError) as error:
        raise RuntimeError(str(error)) from error


def _add_format(text: str) -> Format:
    made = parse_format(text)
    sessions.current().formats[made.name()] = made
    return made


def _context(position: int) -> Callable[[], Any]:
    def get() -> Any:
        context = sessions.current().context
        if not context or context[-1][position] is None:
            raise ValueError("There is no node in this context.")
        return context[-1][position]

    return get


def _this_group() -> Group:
    session = sessions.current()
    if session.context and session.context[-1][0] is not None:
        node = session.context[-1][0]
        return node if isinstance(node, Group) else node.group or session.root
    return session.groups[-1]


def _this_parent() -> Any:
    return _context(0)().group


def _filename(node: Node, mode: int = 0) -> str | None:
    """The file that a node reads or writes, Tcl resolved and the frame's number left open; None without one."""
    found = node.knob("file")
    if isinstance(node, Group) and found is None:
        inside = [child for child in node.nodes() if child.knob("file") is not None]
        found = inside[0]["file"] if inside else None
    return (found.text_at(sessions.current().root.frame()) or None) if found is not None else None


def _env(session: sessions.Session) -> dict[str, Any]:
    number, _, release = session.version.partition("v")
    major, _, minor = number.partition(".")
    return {
        "NukeVersionMajor": int(major), "NukeVersionMinor": int(minor), "NukeVersionRelease": int(release),
        "NukeVersionString": session.version, "NukeVersionPhase": "", "NukeVersionPhaseNumber": 0, "NukeVersionDate": "",
        "ExecutablePath": sys.executable, "NukeLibraryPath": "", "ExternalPython": False, "64bit": True,
        "LINUX": sys.platform.startswith("linux"), "MACOS": sys.platform == "darwin", "WIN32": os.name == "nt",
        "nukex": session.has_nukex, "studio": session.flavour == "studio", "indie": session.flavour == "indie",
        "nc": session.flavour == "nc", "assist": session.flavour == "assist", "hiero": False, "threads": 1, "gui": session.gui,
    }  # fmt: skip


def build(session: sessions.Session) -> ModuleType:
    """The module for a session."""
    module = _NukeModule("nuke")
    session.menus = menus.Menus()
    offered: dict[str, Any] = {
        "GUI": session.gui, "NUKE_VERSION_MAJOR": int(session.version.partition(".")[0]),
        "NUKE_VERSION_STRING": session.version,
        "EXE_PATH": sys.executable, "env": _env(session), "rawArgs": list(session.args), **_FLAGS, **callbacks.functions(),
        **startup.functions(),
        "Node": Node, "Group": Group, "Gizmo": Gizmo, "Root": Root, "Knob": knobs.Knob, "Array_Knob": number_knobs.ArrayKnob,
        "Format": Format, "FrameRange": FrameRange, "FrameRanges": FrameRanges, "ProgressTask": ProgressTask, "Undo": Undo,
        "Menu": menus.Menu, "MenuItem": menus.MenuItem, "nodes": scripts.Nodes(), "CancelledError": render.CancelledError,
        "execute": render.execute, "executeMultiple": render.executeMultiple, "render": render.execute,
        "executing": render.executing, "activeViewer": viewer.activeViewer, "ViewerWindow": viewer.ViewerWindow,
        "executeInMainThread": threads.executeInMainThread,
        "executeInMainThreadWithResult": threads.executeInMainThreadWithResult,
        "message": message, "alert": message, "critical": message, "error": message, "warning": tprint, "debug": tprint,
        "tprint": tprint, "ask": _ask, "expression": _expression, "tcl": _tcl, "addFormat": _add_format,
        "formats": lambda: list(session.formats.values()), "thisNode": _context(0), "thisKnob": _context(1),
        "thisGroup": _this_group, "thisParent": _this_parent, "root": lambda: session.root, "filename": _filename,
        "frame": lambda *frame: session.root.setFrame(frame[0]) if frame else session.root.frame(),
        "menu": session.menus.menu, "toolbar": lambda name, create=True: session.menus.menu(name), "views": lambda: ["main"],
        "modified": lambda *state: session.root.setModified(state[0]) if state else session.root.modified(),
        "thisView": lambda: "main",
    }  # fmt: skip
    for name, kind in knob_types.knob_classes():
        offered.setdefault(name, kind)
    offered.update({"Int_Knob": number_knobs.IntKnob, "Link_Knob": knob_types.LinkKnob, "PyCustom_Knob": knobs.CustomKnob,
                    "Multiline_Eval_String_Knob": knobs.MultilineKnob, "Unsigned_Knob": number_knobs.IntKnob})  # fmt: skip
    for function in (
        scripts.scriptClear, scripts.scriptOpen, scripts.scriptSave, scripts.scriptSaveAs, scripts.scriptName,
        scripts.script_directory, scripts.scriptReadFile, scripts.scriptReadText, scripts.nodePaste, scripts.nodeCopy,
        scripts.nodeDelete, scripts.delete, scripts.createNode, scripts.toNode, scripts.exists, scripts.allNodes,
        scripts.selectedNodes, scripts.selectedNode, scripts.selectAll, scripts.clone,
    ):  # fmt: skip
        offered[function.__name__] = function
    offered.update({"scriptClose": scripts.scriptClear, "scriptSource": scripts.scriptReadFile})
    module.__dict__.update(offered)
    return module
