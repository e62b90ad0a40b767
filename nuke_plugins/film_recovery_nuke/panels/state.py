"""What the stages of the panel share: the two elements, by their nodes' names, and the pairs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import nuke
from film_recovery_nuke.errors import HostError
from film_recovery_nuke.graph import Pair


@dataclass
class PanelState:
    """Names, not nodes: a node that was deleted is looked for anew every time."""

    names: dict[str, str] = field(default_factory=lambda: {"source": "", "reference": ""})
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
