"""``nuke.activeViewer``: which input a Viewer shows. There is no window, so nothing more of it can be certain."""

from __future__ import annotations

from embedded_nuke import sessions
from embedded_nuke.graph.node import Node


class ViewerWindow:
    """The window of a Viewer node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def node(self) -> Node:
        """The Viewer node."""
        return self._node

    def activeInput(self, secondary: bool = False) -> int | None:
        """The number of the input that is shown, None when nothing is connected; there is no secondary one here."""
        return None if secondary else active_input(self._node)

    def activateInput(self, input: int, secondary: bool = False) -> None:
        """Show an input. Raises :class:`ValueError` for the secondary one, and for an input without a connection."""
        if secondary or self._node.input(int(input)) is None:
            raise ValueError(f"{self._node.fullName()} cannot show input {input}; connect it, and as the first one.")
        sessions.current().viewer_inputs[self._node] = int(input)

    def view(self) -> str:
        """The view that is shown."""
        return "main"


def active_input(node: Node) -> int | None:
    """The input that a Viewer shows: the one that was chosen, else the first connected one."""
    chosen = sessions.current().viewer_inputs.get(node)
    connected = [index for index in range(node.inputs()) if node.input(index) is not None]
    return chosen if chosen in connected else (connected[0] if connected else None)


def activeViewer() -> ViewerWindow | None:
    """The window of the Viewer that was made last (assumption); None without one, or without a GUI."""
    session = sessions.current()
    viewers = [node for node in session.root.node_list if node.Class() == "Viewer"]
    return ViewerWindow(viewers[-1]) if session.gui and viewers else None
