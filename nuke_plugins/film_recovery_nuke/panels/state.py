"""What the stages of the panel share: the two elements, by their nodes' names, and the pairs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import nuke
from film_recovery_nuke.errors import HostError
from film_recovery_nuke.graph import Pair


@dataclass
class PanelState:
    """Names, not nodes: a node that was deleted is looked for anew every time.

    ``names`` are the elements themselves; ``placed`` the ends of branches that move them in time, ``laid`` those that also lay
    one on the other, as the page Curate made them. ``pairs`` count the frames of the elements themselves.
    """

    names: dict[str, str] = field(default_factory=lambda: {"source": "", "reference": ""})
    placed: dict[str, str] = field(default_factory=dict)
    laid: dict[str, str] = field(default_factory=dict)
    pairs: list[Pair] = field(default_factory=list)
    task: str = "chroma"
    encoding: str = "display"
    matrix: str = "709"

    def node(self, side: str) -> Any:
        """The node of an element. Raises :class:`HostError` when none is set, or it is gone."""
        name = self.names[side]
        found = nuke.toNode(name) if name else None
        if found is None:
            gone = f" ('{name}' is gone)" if name else ""
            raise HostError(f"Set the {side} on the page Elements first{gone}: select its node and press Set {side}.")
        return found

    def set(self, side: str, node: Any) -> None:
        """Take a node as an element; what was made of the one before is no longer used."""
        self.names[side] = node.fullName()
        self.placed.clear()
        self.laid.clear()

    def place(self, **branches: Any) -> None:
        """Take branches that show the elements at other frames."""
        self.placed = {side: branch.fullName() for side, branch in branches.items()}
        self.laid.clear()

    def lay(self, **branches: Any) -> None:
        """Take branches that lay the elements on each other."""
        self.laid = {side: branch.fullName() for side, branch in branches.items()}

    def timed(self, side: str) -> Any:
        """The branch that shows an element in time with the other. Raises :class:`HostError` as :meth:`node` does."""
        name = self.placed.get(side)
        return (nuke.toNode(name) if name else None) or self.node(side)

    def branch(self, side: str) -> Any:
        """The branch to train on and to compare with. Raises :class:`HostError` as :meth:`node` does."""
        whole = all(nuke.toNode(name) for name in self.laid.values())
        return nuke.toNode(self.laid[side]) if self.laid and whole else self.timed(side)

    def known(self, side: str) -> Any:
        """The node of an element, or None."""
        return nuke.toNode(self.names[side]) if self.names[side] else None


def selected_node(*classes: str) -> Any:
    """The selected node, of one of these classes if any are named. Raises :class:`HostError`."""
    chosen = [node for node in nuke.selectedNodes() if not classes or node.Class() in classes]
    if len(chosen) != 1:
        what = f"one node of the kind {' or '.join(classes)}" if classes else "one node"
        raise HostError(f"Select exactly {what} in the node graph first; {len(chosen)} are selected.")
    return chosen[0]
