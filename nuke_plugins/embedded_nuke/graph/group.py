"""Groups and gizmos: nodes that hold nodes."""

from __future__ import annotations

import re
from typing import Any, Callable

from embedded_nuke.graph.node import Node

_NUMBERED = re.compile(r"^(.*?)(\d*)$")


class Group(Node):
    """A node that holds nodes. ``node_list`` are its children in the order in which they were made."""

    def __init__(self, class_name: str = "Group", group: Group | None = None, name: str = "") -> None:
        self.node_list: list[Node] = []
        super().__init__(class_name, group, name)

    def nodes(self) -> list[Node]:
        """The children."""
        self._check("Group.nodes")
        return list(self.node_list)

    def child(self, name: str) -> Node | None:
        """The child of that name, or None."""
        return next((node for node in self.node_list if str(node._knobs["name"]._text) == name), None)  # type: ignore[attr-defined]

    def node(self, name: str) -> Node | None:
        """A node by name, ``A.B`` for one inside ``A``; None if there is none."""
        self._check("Group.node")
        found: Any = self
        for word in name.split("."):
            found = found.child(word) if isinstance(found, Group) else None
        return found if isinstance(found, Node) else None

    def add(self, node: Node) -> None:
        """Take a new node in; the constructor of nodes does so."""
        self.node_list.append(node)
        self.session.was_changed()

    def remove(self, node: Node) -> None:
        """Take a node out, with all its connections."""
        node.disconnect_all()
        self.node_list.remove(node)

    def free_name(self, name: str, numbered: bool, node: Node | None = None) -> str:
        """``name`` if it is free, else with the next free number; ``numbered`` asks for one in any case, as in Blur1.

        The name that ``node`` has now counts as free: a copy that is called Blur2 stays so when it is to be called Blur1.
        """
        others = [other for other in self.node_list if other is not node and "name" in other._knobs]
        taken = {str(other._knobs["name"]._text) for other in others}  # type: ignore[attr-defined]
        if not numbered and name not in taken:
            return name
        match = _NUMBERED.match(name)
        stem, number = (name, 1) if numbered or match is None else (match.group(1), int(match.group(2) or 0) + 1)
        while f"{stem}{number}" in taken:
            number += 1
        return f"{stem}{number}"

    def input_nodes(self) -> list[Node]:
        """The Input nodes in the order of the group's inputs: by their ``number``, then as they were made."""
        found = [node for node in self.node_list if node.Class() == "Input"]
        return sorted(found, key=lambda node: node["number"].number_at(0.0))

    def output_node(self) -> Node | None:
        """The Output node, or None."""
        return next((node for node in self.node_list if node.Class() == "Output"), None)

    output = output_node

    def maxInputs(self) -> int:
        """As many as it has Input nodes."""
        return len(self.input_nodes())

    def minInputs(self) -> int:
        """As many as it has Input nodes."""
        return self.maxInputs()

    def begin(self) -> Group:
        """Make nodes inside from here on."""
        self._check("Group.begin")
        self.session.groups.append(self)
        return self

    def end(self) -> None:
        """Make nodes where they were made before :meth:`begin`."""
        if len(self.session.groups) > 1:
            self.session.groups.pop()

    def __enter__(self) -> Group:
        return self.begin()

    def __exit__(self, *error: Any) -> None:
        self.end()

    def run(self, call: Callable[[], Any]) -> Any:
        """Call something with this group as the one that nodes are made in."""
        with self:
            return call()

    def numNodes(self) -> int:
        """How many children it has."""
        return len(self.node_list)

    def selectedNodes(self) -> list[Node]:
        """The selected children."""
        return [node for node in self.node_list if node.isSelected()]


class Gizmo(Group):
    """A group whose content comes from a .gizmo file; a script holds only what was changed on it."""

    def __init__(self, class_name: str, group: Group | None, name: str = "", file_name: str = "") -> None:
        self.file_name = file_name
        self._gizmo_name = class_name
        super().__init__("Gizmo", group, name or "")
        if not name and group is not None:
            self._knobs["name"].read_words((group.free_name(class_name, numbered=True),))

    def Class(self) -> str:
        """The file's name without its suffix."""
        return self._gizmo_name

    def filename(self) -> str:
        """The file."""
        return self.file_name

    def command(self) -> str:
        """The class name."""
        return self._gizmo_name


def everything(group: Group) -> list[Node]:
    """All nodes inside a group and its groups, outer ones first."""
    found: list[Node] = []
    for node in group.node_list:
        found.append(node)
        if isinstance(node, Group):
            found += everything(node)
    return found
