"""Opening, saving, pasting; making and finding nodes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from embedded_nuke import sessions
from embedded_nuke.graph.group import Group, everything
from embedded_nuke.graph.load import Loader, apply_lines, lines_of, load_file, make_clone, make_node
from embedded_nuke.graph.node import Node
from embedded_nuke.graph.root import Root
from embedded_nuke.graph.save import commands_of, script_commands
from embedded_nuke.script.check import read_text, write_text
from embedded_nuke.script.commands import Command, format_script, parse_script


def current_group() -> Group:
    """The group in which nodes are made."""
    return sessions.current().groups[-1]


def new_root() -> Root:
    """A fresh root for the running session."""
    session = sessions.current()
    session.root = Root()
    session.groups = [session.root]
    return session.root


def scriptClear() -> None:
    """Close the script."""
    session = sessions.current()
    session.check_main_thread("nuke.scriptClear")
    session.run_callbacks("onScriptClose", session.root)
    new_root()


scriptClose = scriptClear


def scriptOpen(file: str) -> bool:
    """Open a script. Raises :class:`RuntimeError` when it cannot be read or makes no graph."""
    session = sessions.current()
    session.check_main_thread("nuke.scriptOpen")
    path = str(file).replace("\\", "/")
    if not os.path.isfile(path):
        raise RuntimeError(f"{path}: there is no such script.")
    session.run_callbacks("onScriptClose", session.root)
    root = new_root()
    root.set_file_name(os.path.abspath(path).replace("\\", "/"))
    before, root._loading = root._loading, True
    try:
        _guarded(lambda: load_file(Path(path), root, root))
    finally:
        root._loading = before
    root.set_file_name(os.path.abspath(path).replace("\\", "/"))
    root.is_modified = False
    session.run_callbacks("onScriptLoad", root)
    return True


def scriptSave(filename: str | None = None) -> bool:
    """Save the script under its name."""
    root = sessions.current().root
    return scriptSaveAs(filename or root.file_name, 1)


def scriptSaveAs(filename: str | None = None, overwrite: int = -1) -> bool:
    """Save the script under a name. Raises :class:`RuntimeError` without a name, or when the file cannot be written."""
    session = sessions.current()
    session.check_main_thread("nuke.scriptSaveAs")
    if not filename:
        raise RuntimeError("The script has no name yet; give one.")
    if overwrite == 0 and os.path.exists(filename):
        raise RuntimeError(f"{filename} exists already.")
    root = session.root
    root.set_file_name(os.path.abspath(filename))
    session.run_callbacks("onScriptSave", root)
    try:
        write_text(Path(filename), format_script(script_commands(root, session.version)))
    except OSError as error:
        raise RuntimeError(f"{filename} cannot be written: {error.strerror or error}.") from error
    root.is_modified = False
    return True


def scriptName() -> str:
    """The script's file. Raises :class:`RuntimeError` when it was never saved, as Nuke does."""
    name = sessions.current().root.file_name
    if not name:
        raise RuntimeError("no such script: it was never saved")
    return name


def script_directory() -> str:
    """The script's folder; empty when it was never saved."""
    return sessions.current().root.script_directory()


def scriptReadFile(file: str) -> None:
    """Read a script's nodes into the current group."""
    sessions.current().check_main_thread("nuke.scriptReadFile")
    _guarded(lambda: load_file(Path(file), current_group()))


def scriptReadText(text: str) -> None:
    """Read nodes from text into the current group."""
    sessions.current().check_main_thread("nuke.scriptReadText")
    _guarded(lambda: Loader(current_group(), "<text>", trusted=True).load(parse_script(text)))


scriptSource = scriptReadFile


def nodePaste(file: str) -> Node | None:
    """Read a snippet, hang it on the selected node, select what it made; returns the last node.

    ``%clipboard%`` is what was copied.
    """
    text = _clipboard["text"] if file == "%clipboard%" else read_text(Path(file))
    group, trusted = current_group(), sessions.current().trusted
    loader = Loader(group, file, trusted=trusted, below=group.selectedNodes()[:1])
    made = _guarded(lambda: loader.load(parse_script(text, file)))
    for node in current_group().node_list:
        node.setSelected(node in made)
    return made[-1] if made else None


def nodeCopy(file: str | None = None) -> bool:
    """Write the selected nodes of the current group as a snippet; False when none is selected."""
    nodes = current_group().selectedNodes()
    if not nodes:
        return False
    head = [Command("set", ("cut_paste_input", "[stack 0]")), Command("version", tuple(_version_words()))]
    text = format_script([*head, Command("push", ("$cut_paste_input",)), *commands_of(nodes)])
    if file in (None, "%clipboard%"):
        _clipboard["text"] = text
    else:
        write_text(Path(str(file)), text)
    return True


def nodeDelete(popupOnError: bool = False) -> bool:
    """Delete the selected nodes of the current group; False when none is selected."""
    nodes = current_group().selectedNodes()
    for node in nodes:
        delete(node)
    return bool(nodes)


def delete(node: Node) -> None:
    """Delete a node."""
    session = sessions.current()
    session.check_main_thread("nuke.delete")
    if node.group is None:
        raise ValueError("The root cannot be deleted.")
    session.run_callbacks("onDestroy", node)
    node.run_hook("onDestroy")
    node.group.remove(node)
    session.was_changed()


def createNode(node: str, knobs: str = "", inpanel: bool = True) -> Node:
    """Make a node as a person does: after the selected one, and selected itself. ``knobs`` is ``size 3 mix 0.5``."""
    session = sessions.current()
    session.check_main_thread("nuke.createNode")
    group = current_group()
    chosen = group.selectedNodes()
    made = _made(node, knobs)
    if chosen and made.maxInputs() > 0:
        for index, other in enumerate(reversed(chosen[-made.maxInputs() :])):
            made.setInput(index, other)
        made.setXYpos(chosen[-1].xpos(), chosen[-1].ypos() + 80)
    for other in group.node_list:
        other.setSelected(other is made)
    session.run_callbacks("onUserCreate", made)
    if inpanel and session.gui:
        made.showControlPanel()
    return made


class Nodes:
    """``nuke.nodes.Blur(size=3)`` makes a bare node; with ``inputs=[a, b]`` it is connected."""

    def __getattr__(self, name: str) -> Callable[..., Node]:
        if name.startswith("__"):
            raise AttributeError(name)

        def make(**knobs: Any) -> Node:
            made = make_node(name, current_group())
            for index, other in enumerate(knobs.pop("inputs", ())):
                if not made.setInput(index, other):
                    raise ValueError(f"{made.fullName()} ({name}) has no input {index} that {other!r} could be connected to.")
            for knob, value in knobs.items():
                if knob == "name":
                    made.setName(value)
                elif isinstance(value, str):
                    apply_or_set(made, knob, value)
                else:
                    made[knob].setValue(value)
            return made

        return make


def apply_or_set(node: Node, knob: str, value: str) -> None:
    """Set a knob from a text: as a value where it takes one, else in a script's spelling."""
    found = node[knob]
    try:
        found.setValue(value)
    except TypeError:
        found.fromScript(value)


def _made(kind: str, knobs: str) -> Node:
    words = knobs.strip()
    if not words:
        return make_node(kind, current_group())
    from embedded_nuke.script.words import split_words

    raw = split_words(words.strip("{}") if words.startswith("{") else words)
    lines = "\n".join(" ".join(raw[at : at + 2]) for at in range(0, len(raw), 2))
    made = make_node(kind, current_group(), quiet=True)
    apply_lines(made, lines_of(lines), strict=True)
    sessions.current().run_callbacks("onCreate", made)
    made.run_hook("onCreate")
    return made


def toNode(name: str) -> Node | None:
    """A node by name, seen from the current group, ``root`` and ``A.B`` too; None if there is none."""
    session = sessions.current()
    session.check_main_thread("nuke.toNode")
    if name in ("root", "Root"):
        return session.root
    path = name[5:] if name.startswith("root.") else name
    return current_group().node(path) or session.root.node(path)


def exists(name: str) -> bool:
    """Whether there is a node, or a knob, of that name."""
    if toNode(name) is not None:
        return True
    words = name.split(".")
    for length in range(len(words) - 1, 0, -1):  # names such as 'input.first' hold a dot themselves
        found = toNode(".".join(words[:length]))
        if found is not None:
            return found.knob(".".join(words[length:])) is not None
    return False


def allNodes(filter: str | None = None, group: Group | None = None, recurseGroups: bool = False) -> list[Node]:
    """The nodes of a class, or all, of a group."""
    sessions.current().check_main_thread("nuke.allNodes")
    home = group or current_group()
    nodes = everything(home) if recurseGroups else home.nodes()
    return [node for node in nodes if filter is None or node.Class() == filter]


def selectedNodes(filter: str | None = None) -> list[Node]:
    """The selected nodes of the current group, the last selected first."""
    return [node for node in reversed(current_group().nodes()) if node.isSelected() and filter in (None, node.Class())]


def selectedNode() -> Node:
    """The selected node. Raises :class:`ValueError` when none is selected."""
    found = selectedNodes()
    if not found:
        raise ValueError("no node selected")
    return found[0]


def selectAll() -> None:
    """Select every node of the current group."""
    for node in current_group().nodes():
        node.setSelected(True)


def clone(node: Node, *arguments: Any) -> Node:
    """A clone of a node: another place, the same knobs."""
    sessions.current().check_main_thread("nuke.clone")
    return make_clone(node, current_group())


_clipboard = {"text": ""}


def _version_words() -> list[str]:
    number, _, release = sessions.current().version.partition("v")
    return [number, f"v{release}"]


def _guarded(load: Callable[[], Any]) -> Any:
    try:
        return load()
    except (OSError, ValueError) as error:
        raise RuntimeError(str(error)) from error
