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
from embedded_nuke.script.expression import Expression

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
    """``nuke.Undo.begin("name")`` and the others; nothing is undone here, the calls are accepted."""

    @staticmethod
    def begin(name: str = "") -> None:
        """Begin a step."""

    @staticmethod
    def end() -> None:
        """End the step."""

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


def tprint(*words: Any) -> None:
    """Print in the terminal."""
    print(*words, flush=True)


def _expression(text: str) -> float:
    session = sessions.current()
    session.check_main_thread("nuke.expression")
    group = session.groups[-1]
    return float(Expression(text).evaluate(group.scope(session.root.frame(), None)))


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
        "message": message, "error": message, "warning": tprint, "tprint": tprint, "expression": _expression,
        "addFormat": _add_format, "thisNode": _context(0), "thisKnob": _context(1), "root": lambda: session.root,
        "frame": lambda *frame: session.root.setFrame(frame[0]) if frame else session.root.frame(),
        "menu": session.menus.menu, "views": lambda: ["main"],
    }  # fmt: skip
    for name, kind in knob_types.knob_classes():
        offered.setdefault(name, kind)
    offered.update({"Int_Knob": number_knobs.IntKnob, "Link_Knob": knob_types.LinkKnob, "PyCustom_Knob": knobs.CustomKnob,
                    "Multiline_Eval_String_Knob": knobs.MultilineKnob, "Unsigned_Knob": number_knobs.IntKnob})  # fmt: skip
    for function in (
        scripts.scriptClear, scripts.scriptOpen, scripts.scriptSave, scripts.scriptSaveAs,
        scripts.script_directory, scripts.scriptReadFile, scripts.scriptReadText, scripts.nodePaste, scripts.nodeCopy,
        scripts.delete, scripts.createNode, scripts.toNode, scripts.allNodes,
        scripts.selectedNodes, scripts.selectedNode, scripts.selectAll, scripts.clone,
    ):  # fmt: skip
        offered[function.__name__] = function
    module.__dict__.update(offered)
    return module
