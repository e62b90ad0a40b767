"""From commands to nodes: the stack machine that a script is written for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from embedded_nuke import sessions
from embedded_nuke.graph.group import Gizmo, Group
from embedded_nuke.graph.knob_types import user_knob
from embedded_nuke.graph.node import Node
from embedded_nuke.script.check import read_text
from embedded_nuke.script.commands import Command, KnobLine, parse_script
from embedded_nuke.script.words import value_of
from embedded_nuke.table.table import known_classes

_IGNORED = frozenset({"#", "version", "define_window_layout_xml", "load", "unload"})
_DEEPEST = 60


class ScriptLoadError(RuntimeError):
    """A script's commands make no graph; the message names file and line."""


class Loader:
    """Reads commands into a group.

    Args:
        group: where the nodes go.
        name: the file, for messages.
        trusted: whether the file is ours (a gizmo of the plugin path); otherwise Python in it does not run by itself.
        below: what lies on the stack before the first command: for a pasted snippet the node that it hangs on.
    """

    def __init__(self, group: Group, name: str, *, trusted: bool, below: Sequence[Node] = ()) -> None:
        self._name = name
        self._trusted = trusted
        self._groups: list[Group] = [group]
        self._stacks: list[list[Node | None]] = [list(below)]
        self._variables: dict[str, Node | None] = {}
        self.made: list[Node] = []

    def load(self, commands: Sequence[Command], root: Group | None = None) -> list[Node]:
        """Make the nodes; ``Root`` lines go to ``root`` or, without one, nowhere. Returns the outermost new nodes.

        Raises:
            ScriptLoadError: an unknown class, a value that does not fit, a stack that does not hold what a command needs.
        """
        for command in commands:
            try:
                self._run(command, root)
            except ScriptLoadError:
                raise
            except (RuntimeError, ValueError, TypeError, NameError) as error:
                raise ScriptLoadError(f"{self._name}, line {command.line}: {error}") from error
        if len(self._groups) > 1:
            raise ScriptLoadError(f"{self._name}: {self._groups[-1].fullName()} is not closed by end_group")
        for node in self.made:
            _finish(node)
        return self.made

    def _run(self, command: Command, root: Group | None) -> None:
        kind = command.kind
        if kind in _IGNORED:
            return
        if kind == "add_layer":
            layers = sessions.current().root.layers
            if command.args not in layers:
                layers.append(command.args)
        elif kind == "set":
            self._set(command)
        elif kind == "push":
            self._push(command)
        elif kind == "clone":
            self._clone(command)
        elif kind == "end_group":
            if len(self._groups) == 1:
                raise ScriptLoadError(f"{self._name}, line {command.line}: end_group without a group")
            self._groups.pop()
            self._stacks.pop()
        elif kind == "Root":
            if root is not None:
                apply_lines(root, command.knobs(), strict=False)
        else:
            self._node(command)

    def _set(self, command: Command) -> None:
        if len(command.args) != 2 or command.args[1] != "[stack 0]":
            raise ScriptLoadError(f"{self._name}, line {command.line}: set needs a name and [stack 0]")
        self._variables[command.args[0]] = self._stacks[-1][-1] if self._stacks[-1] else None

    def _push(self, command: Command) -> None:
        word = " ".join(command.args)
        if word != "0" and not (word[:1] == "$" and (word[1:] in self._variables or word == "$cut_paste_input")):
            raise ScriptLoadError(f"{self._name}, line {command.line}: 'push {word}': push needs 0 or a variable that was set")
        self._stacks[-1].append(self._variables.get(word[1:]))

    def _clone(self, command: Command) -> None:
        first = command.args[0] if command.args else ""
        if first.startswith("$"):
            original = self._variables.get(first[1:])
            if original is None:
                raise ScriptLoadError(f"{self._name}, line {command.line}: {first} names no node")
            clone = make_clone(original, self._groups[-1])
            if len(self._groups) == 1:
                self.made.append(clone)
            self._wire(clone, command.knobs())
        else:  # the form that names the class as well: the first of them is the original
            known = self._variables.get(first)
            made = self._node(Command(command.args[-1], (), command.body, command.line))
            if known is None:
                self._variables[first] = made
            else:
                made.clone_of = known

    def _node(self, command: Command) -> Node:
        node = make_node(command.kind, self._groups[-1], quiet=True)
        node.is_trusted = self._trusted or sessions.current().trusted
        if len(self._groups) == 1:
            self.made.append(node)
        self._wire(node, command.knobs())
        if isinstance(node, Group) and not isinstance(node, Gizmo):
            if len(self._groups) > _DEEPEST:
                raise ScriptLoadError(f"{self._name}, line {command.line}: groups are nested too deeply")
            self._groups.append(node)
            self._stacks.append([])
        return node

    def _wire(self, node: Node, lines: Sequence[KnobLine]) -> None:
        count = _inputs_of(lines)
        is_said = any(line.name == "inputs" for line in lines)
        if is_said and count > node.maxInputs() and not isinstance(node, Group):  # a group's Input nodes are still to come
            raise ValueError(f"'inputs {count}': {node.Class()} has {node.maxInputs()} at most")
        stack = self._stacks[-1]
        for index in range(count):
            other = stack.pop() if stack else None
            if other is not None:
                node.connect(index, other)
        if node.clone_of is None:
            apply_lines(node, lines, strict=False, from_script=not self._trusted)
        else:
            for line in lines:
                if line.name in ("xpos", "ypos", "selected"):
                    node._knobs[line.name].read_words(line.words)
        stack.append(node)


def _inputs_of(lines: Sequence[KnobLine]) -> int:
    """``inputs 2+1`` pops three; absent means one. Raises :class:`ValueError` for what is no number of inputs."""
    for line in lines:
        if line.name == "inputs":
            parts = " ".join(value_of(word) for word in line.words).split("+")
            if not all(part.isdigit() for part in parts):
                raise ValueError(f"'inputs {'+'.join(parts)}' is no number of inputs; write each knob in a line of its own")
            return sum(int(part) for part in parts)
    return 1


def lines_of(text: str) -> tuple[KnobLine, ...]:
    """The knob lines of a text such as ``size 3 mix 0.5``, one a line."""
    return parse_script("NoOp {\n" + text + "\n}")[0].knobs()


def apply_lines(node: Node, lines: Sequence[KnobLine], *, strict: bool, from_script: bool = False) -> None:
    """Give a node its knobs' values.

    A knob that the class does not have is kept for saving and told in the terminal, as Nuke does; with ``strict`` it raises.

    Raises:
        NameError: an unknown knob, with ``strict``.
        ValueError: a value that does not fit.
    """
    before, node._loading = node._loading, True
    try:
        for line in sorted(lines, key=lambda entry: node.Class() == "Write" and entry.name != "file_type"):
            if line.name == "inputs":
                continue
            if line.name == "addUserKnob":
                _add_user_knob(node, line)
                continue
            if line.name == "name" and line.words and node.group is not None:
                node.setName(value_of(line.words[0]))
                continue
            knob = node.own_knob(line.name)
            if knob is None:
                if strict:
                    raise NameError(f"{node.fullName()} ({node.Class()}) has no knob '{line.name}'")
                node.unknown.append(line)
                if "." not in line.name:
                    node.session.say(f"{node.fullName()}: no knob '{line.name}' on {node.Class()}; it is kept as it is.")
                continue
            knob.read_words(line.words)
            knob.from_script = from_script
            if line.name == "file_type" and node._spec.file_type_knobs:
                node._show_file_type(knob._text)  # type: ignore[attr-defined]
    finally:
        node._loading = before


def _add_user_knob(node: Node, line: KnobLine) -> None:
    made = user_knob(line.words[0] if line.words else "{}")
    made.definition = line.words[0] if line.words else ""
    name = made.name()
    while name in node._knobs:  # tabs and dividers are often nameless
        if made.kind not in ("Tab_Knob", "Text_Knob"):
            raise ValueError(f"{node.fullName()} has two knobs '{name}'")
        name += "_"
    made._node = node
    node._knobs[name] = made


def make_node(class_name: str, group: Group, name: str = "", *, quiet: bool = False) -> Node:
    """A new node of a class: a gizmo of the plugin path, a group or an ordinary node. ``onCreate`` runs unless ``quiet``.

    Raises:
        UnknownClassError: there is no such class.
        RuntimeError: the class needs another edition.
    """
    session = sessions.current()
    node: Node
    file_name = None if class_name in known_classes() else session.find_plugin(f"{class_name}.gizmo")
    if file_name is not None:
        node = Gizmo(class_name, group, name, file_name)
        _fill_gizmo(node, file_name)
    elif class_name in ("Group", "Gizmo", "LiveGroup"):
        node = Group("Group", group, name)
    else:
        node = Node(class_name, group, name)
    if not quiet:
        _finish(node)
    return node


def make_clone(original: Node, group: Group) -> Node:
    """A clone: another place, the same knobs. That of a group holds clones of what the group holds at this moment."""
    clone = make_node(original.Class(), group, quiet=True)
    clone.clone_of, clone.is_trusted = original.clone_of or original, original.is_trusted
    if isinstance(original, Group) and isinstance(clone, Group):
        clone.node_list.clear()  # a gizmo's are those of its file
        twins = {id(child): make_clone(child, clone) for child in original.node_list}
        for child in original.node_list:
            twin = twins[id(child)]
            for key in ("name", "xpos", "ypos"):
                if key in twin._knobs:
                    twin._knobs[key].read_words(child._knobs[key].words())
            for index, other in enumerate(child._inputs):
                twin.connect(index, None if other is None else twins[id(other)])
    return clone


def _fill_gizmo(gizmo: Gizmo, file_name: str) -> None:
    commands = parse_script(read_text(Path(file_name)), file_name)
    outer = next((at for at, command in enumerate(commands) if command.kind in ("Gizmo", "Group")), None)
    if outer is None:
        raise ScriptLoadError(f"{file_name} holds no Gizmo")
    lines = [line for line in commands[outer].knobs() if line.name != "name"]
    apply_lines(gizmo, lines, strict=False)
    inner = [command for command in commands[outer + 1 :] if command.kind not in {*_IGNORED, "add_layer"}]
    if not inner or inner[-1].kind != "end_group":
        raise ScriptLoadError(f"{file_name}: the gizmo is not closed by end_group")
    Loader(gizmo, file_name, trusted=True).load(inner[:-1])
    for knob in gizmo._knobs.values():
        knob.default_words = knob.words()


def _finish(node: Node) -> None:
    """Run what follows the making of a node, once all its knobs have their values."""
    node.session.run_callbacks("onCreate", node)
    try:
        node.run_hook("onCreate")
    except RuntimeError as error:
        node.session.say(str(error))


def load_file(path: Path, group: Group, root: Group | None = None) -> list[Node]:
    """Read a script file into a group.

    Raises:
        OSError: it cannot be read.
        ScriptSyntaxError, ScriptLoadError: it is no script, or makes no graph.
    """
    return Loader(group, str(path), trusted=sessions.current().trusted).load(parse_script(read_text(path), str(path)), root)
