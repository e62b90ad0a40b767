"""What names mean inside a knob: ``frame``, ``parent.amount``, ``input.width``, ``root.name``, ``Blur1.size.w`` …"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedded_nuke.graph.knob import Knob
from embedded_nuke.script.curve import number_text
from embedded_nuke.script.expression import ExpressionError
from embedded_nuke.script.tcl import TclError

if TYPE_CHECKING:
    from embedded_nuke.graph.node import Node

_COMPONENTS = {"x": 0, "y": 1, "z": 2, "w": 0, "h": 1, "r": 0, "g": 1, "b": 2, "a": 3, "u": 0, "v": 1, "left": 0, "right": 2}
_BOX_COMPONENTS = {"x": 0, "y": 1, "r": 2, "t": 3}
_NODE_VALUES = ("width", "height", "pixel_aspect", "first_frame", "last_frame")
_DEEPEST = 50


class NodeScope:
    """The scope of one component of one knob at a frame.

    A chain of links that leads back to itself is refused: ``depth`` counts how many scopes led here. ``inside`` looks for names
    among the children of ``node``, a group, as ``nuke.tcl`` and ``nuke.expression`` do, instead of beside it.
    """

    def __init__(
        self, node: Node, knob: Knob | None, frame: float, index: int = 0, depth: int = 0, inside: bool = False
    ) -> None:
        self.node = node
        self.knob = knob
        self.frame = frame
        self.index = index
        self.depth = depth
        self.inside = inside
        self.trusted = node.session.trusted or node.is_trusted

    def lookup(self, path: str, at: float | None) -> float:
        """The number behind a name. Raises :class:`ExpressionError`."""
        frame = self.frame if at is None else at
        simple = {"frame": frame, "t": frame, "$gui": float(self.node.session.gui)}
        if path in simple:
            return float(simple[path])
        found, rest = self._resolve(path)
        if isinstance(found, Knob):
            return self._component(found, rest, frame, path)
        if len(rest) == 1 and rest[0] in _NODE_VALUES:
            return float(found.image_value(rest[0], frame))
        if len(rest) == 2 and rest[0] in ("bbox", "format"):
            return float(found.image_value(".".join(rest), frame))
        raise ExpressionError(f"{self._where()}: there is no '{path}'.")

    def value(self, path: str) -> str:
        """The text behind a name. Raises :class:`TclError`."""
        try:
            found, rest = self._resolve(path)
            if isinstance(found, Knob):
                if rest:
                    return _plain(self._component(found, rest, self.frame, path))
                return str(self._guarded(found, lambda: found.text_at(self.frame)))
            return _plain(self.lookup(path, None))
        except ExpressionError as error:
            raise TclError(str(error)) from error

    def python(self, code: str) -> str:
        """What Python code gives, as text; only asked of a trusted script."""
        words = code.split(None, 1)
        source = words[1] if words and words[0] == "-execlocal" and len(words) > 1 else code
        return str(self.node.run_code(source, self.knob, False, expression=True))

    def plugins(self, name: str) -> list[str]:
        """Whole paths of files of the plugin path."""
        found = self.node.session.find_plugin(name)
        return [found] if found else []

    def _where(self) -> str:
        return f"{self.node.fullName()}.{self.knob.name()}" if self.knob is not None else self.node.fullName()

    def _resolve(self, path: str) -> tuple[Any, list[str]]:
        """The knob or node that a path leads to, and the words left over."""
        words = path.split(".")
        node: Any = self.node
        if len(words) == 1:
            found = node.own_knob(words[0])
            if found is not None:
                return found, []
            if words[0] in ("first_frame", "last_frame"):
                return node.session.root.own_knob(words[0]), []
            if words[0] in _NODE_VALUES:
                return node, words
            raise ExpressionError(f"{self._where()}: there is no '{path}'.")
        at = 0
        while at < len(words):
            step = self._step(node, words[at], first=at == 0)
            if step is None:
                break
            node = step
            at += 1
        rest = words[at:]
        if rest and (at or node.own_knob(rest[0]) is not None):
            for length in range(len(rest), 0, -1):  # names such as 'input.first' hold a dot themselves
                found = node.own_knob(".".join(rest[:length]))
                if found is not None:
                    return found, rest[length:]
            if at:
                return node, rest
        raise ExpressionError(f"{self._where()}: there is no '{path}'.")

    def _step(self, node: Node, word: str, first: bool) -> Node | None:
        if word == "root":
            return node.session.root
        if word == "this":
            return node
        if word == "parent":
            return node.group
        if word == "input" or (word.startswith("input") and word[5:].isdigit()):
            found = node.input(int(word[5:] or 0))
            if found is None:
                raise ExpressionError(f"{self._where()}: '{word}' is not connected.")
            return found
        home: Node | None = node if self.inside or not first else node.group
        while home is not None:
            child = home.child(word) if hasattr(home, "child") else None
            if child is not None or not first:
                return child
            home = home.group
        return None

    def _component(self, knob: Knob, rest: list[str], frame: float, path: str) -> float:
        if len(rest) > 1:
            raise ExpressionError(f"{self._where()}: there is no '{path}'.")
        index = self.index
        if rest:
            size = int(knob.arraySize()) if hasattr(knob, "arraySize") else 1
            table = _BOX_COMPONENTS if size == 4 and knob.kind == "BBox_Knob" else _COMPONENTS
            if rest[0].isdigit():
                index = int(rest[0])
            elif rest[0] in table:
                index = table[rest[0]]
            else:
                index = size
            if index >= size:
                raise ExpressionError(f"{self._where()}: '{knob.name()}' has no component '{rest[0]}'.")
        return float(self._guarded(knob, lambda: knob.number_at(frame, index)))

    def _guarded(self, knob: Knob, read: Any) -> Any:
        """Read another knob, and notice a circle of links."""
        active = self.node.session.reading
        key = (id(knob), self.frame)
        if key in active or len(active) > _DEEPEST:
            raise ExpressionError(f"{self._where()}: the links go round in a circle at {knob.fullyQualifiedName()}.")
        active.append(key)
        try:
            return read()
        finally:
            active.pop()


def _plain(number: float) -> str:
    return number_text(number)
