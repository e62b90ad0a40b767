"""Expressions in the knobs ``frame`` of Read, Write and TimeClip, such as ``frame - 1000``."""

from __future__ import annotations

from typing import Any

from embedded_nuke.render.operation import Operation, fail
from embedded_nuke.script.expression import Expression, ExpressionError


class NodeScope:
    """Names in an expression on a node: the frame, and whatever the graph makes of knobs and nodes."""

    def __init__(self, o: Operation) -> None:
        self._operation = o

    def lookup(self, path: str, at: float | None) -> Any:
        """See :class:`embedded_nuke.script.expression.Scope`."""
        if path in ("frame", "t"):
            return self._operation.frame
        return look_up(self._operation, path, at)


def look_up(o: Operation, path: str, at: float | None) -> float:
    """A dotted name as the graph resolves it. Raises :class:`ExpressionError`."""
    return float(o.node.scope(o.frame, None).lookup(path, at))


def frame_by_expression(o: Operation, text: str) -> float:
    """The value of the expression at the node's frame. Raises :class:`RenderError` for an unknown name."""
    try:
        return float(Expression(text).evaluate(NodeScope(o)))
    except ExpressionError as error:
        raise fail(o, f"the knob 'frame' cannot be evaluated: {error}") from error
