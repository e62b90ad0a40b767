"""From nodes to commands."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from embedded_nuke.graph.group import Gizmo, Group
from embedded_nuke.graph.knob_types import definition_of
from embedded_nuke.graph.node import Node
from embedded_nuke.graph.root import Root
from embedded_nuke.script.commands import Command, KnobLine

_LAST = ("name", "label", "selected", "xpos", "ypos")
_NOT_SAVED = frozenset({"indicators"})
_FIRST = 0x1000  # number in the name of a script's first variable


def knob_lines(node: Node) -> list[KnobLine]:
    """The lines of a node's body: added knobs with their values, knobs that are not default, what was not understood."""
    lines: list[KnobLine] = []
    from_gizmo = isinstance(node, Gizmo)
    knobs = node.knobs()
    for key, knob in knobs.items():
        if key in _LAST or key in _NOT_SAVED:
            continue
        if knob.is_user and not from_gizmo:
            word = knob.definition or definition_of(knob)
            lines.append(KnobLine("addUserKnob", (word,)))
        if not knob.is_default() and knob.kind not in ("Tab_Knob",):
            lines.append(KnobLine(key, knob.words()))
    lines += (node.clone_of or node).unknown
    for key in _LAST:
        known = knobs.get(key)
        is_unsaved = key == "name" and node.group is None and not node.session.root.file_name
        if known is not None and not is_unsaved and (key == "name" or not known.is_default()):
            lines.append(KnobLine(key, known.words()))
    return lines


def commands_of(nodes: Sequence[Node]) -> list[Command]:
    """The commands that make these nodes (of one group) and the connections among them."""
    return _numbered(nodes, itertools.count(_FIRST, 16))


def _numbered(nodes: Sequence[Node], numbers: Iterator[int]) -> list[Command]:
    """The same; a script's variables hold for all of it, so that no two nodes may get one name, whatever group they are in."""
    order = _inputs_first(nodes)
    names: dict[int, str] = {id(node): f"N{next(numbers):x}" for node in order}
    written: list[Command] = []
    on_top: Node | None = None
    for node in order:
        inputs = _inputs_among(node, order)
        wanted = [inputs[0]] if len(inputs) == 1 else []
        if not (wanted and wanted[0] is on_top and on_top is not None):
            for other in reversed(inputs):
                written.append(Command("push", ("0" if other is None else f"${names[id(other)]}",)))
        written += _node_commands(node, len(inputs), names, numbers)
        if any(node in _inputs_among(other, order) for other in order):
            written.append(Command("set", (names[id(node)], "[stack 0]")))
        on_top = node
    return written


def script_commands(root: Root, version: str) -> list[Command]:
    """A whole script."""
    number, _, release = version.partition("v")
    head = [Command("version", (number, f"v{release}")), Command("Root", (), (KnobLine("inputs", ("0",)), *knob_lines(root)))]
    return [*head, *(Command("add_layer", layer) for layer in root.layers), *commands_of(root.node_list)]


def _node_commands(node: Node, count: int, names: dict[int, str], numbers: Iterator[int]) -> list[Command]:
    inputs = [] if count == 1 else [KnobLine("inputs", (str(count),))]
    if node.clone_of is not None and id(node.clone_of) in names:
        place = [KnobLine(key, node._knobs[key].words()) for key in ("xpos", "ypos")]
        return [Command("clone", (f"${'C' + names[id(node.clone_of)][1:]}",), (*inputs, *place))]
    body = (*inputs, *knob_lines(node))
    kind = node.Class() if isinstance(node, Gizmo) or not isinstance(node, Group) else "Group"
    made = [Command(kind, (), body)]
    if isinstance(node, Group) and not isinstance(node, Gizmo):
        made += [*_numbered(node.node_list, numbers), Command("end_group")]
    if node.clones():
        made.append(Command("set", ("C" + names[id(node)][1:], "[stack 0]")))
    return made


def _inputs_among(node: Node, nodes: Sequence[Node]) -> list[Node | None]:
    found = [other if other in nodes else None for other in node._inputs[: node.inputs()]]
    while found and found[-1] is None:
        found.pop()
    return found


def _inputs_first(nodes: Sequence[Node]) -> list[Node]:
    """The nodes in an order in which inputs and originals of clones come first, otherwise as they are."""
    order: list[Node] = []
    for node in nodes:
        todo = [(node, False)]
        while todo:
            one, ready = todo.pop()
            if one in order or one not in nodes:
                continue
            if ready:
                order.append(one)
                continue
            todo.append((one, True))
            before = [other for other in (*one._inputs, one.clone_of) if other is not None]
            todo += [(other, False) for other in reversed(before)]
    return order
