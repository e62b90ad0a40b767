"""``nuke.execute`` and its kin: which frames of which Writes are rendered in which order, with the callbacks around them.

Order of callbacks after Foundry's DiskCache page: beforeRender once, beforeFrameRender and afterFrameRender around every frame,
afterRender at the end; an exception in any of them ends the render, and the "after" ones are not called when the
render itself fails. renderProgress is called when the bar moves, which it does here after every frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from embedded_nuke import sessions
from embedded_nuke.api.frame_ranges import FrameRange, FrameRanges
from embedded_nuke.api.progress import ProgressTask
from embedded_nuke.graph.group import Gizmo, Group, everything
from embedded_nuke.graph.node import Node
from embedded_nuke.graph.pictures import engine

_EXECUTABLE = frozenset({"Write"})


class CancelledError(RuntimeError):
    """The render was cancelled; Nuke's text is ``Cancelled``."""


def execute(
    nameOrNode: Any,
    start: Any = None,
    end: int | None = None,
    incr: int | None = None,
    views: Any = None,
    continueOnError: bool = False,
) -> None:
    """Render a Write, or the enabled Writes inside a group, over frames; the project's range if none is given.

    Raises:
        RuntimeError: there is nothing to execute, something cannot be rendered, it was cancelled, or a render runs already.
    """
    node = _node(nameOrNode)
    executeMultiple([node], [FrameRange(frame) for frame in _frames(start, end, incr)], views, continueOnError, named=True)


def executeMultiple(
    nodes: Sequence[Any] = (),
    ranges: Sequence[Any] = (),
    views: Any = None,
    continueOnError: bool = False,
    *,
    named: bool = False,
) -> None:
    """Render several nodes, sorted by ``render_order``; without nodes every enabled Write of the current group.

    Raises:
        RuntimeError: as for :func:`execute`.
    """
    session = sessions.current()
    session.check_main_thread("nuke.executeMultiple")
    frames = sorted({frame for entry in ranges for frame in _as_frames(entry)}) if ranges else _frames(None, None, None)
    chosen = [_node(node) for node in nodes] if nodes else list(session.groups[-1].node_list)
    writes = _writes(chosen, must_exist=bool(nodes) or named)
    if session.executing:
        # Assumption: the text; that a render inside a render is refused is reported, its exact wording is not documented.
        raise RuntimeError("I'm already executing something else")
    session.executing = True
    try:
        _run(writes, frames, continueOnError)
    finally:
        session.executing = False


def executing(f: float | None = None) -> bool:
    """Whether a render runs."""
    return sessions.current().executing


def _run(writes: Sequence[Node], frames: Sequence[int], keep_going: bool) -> None:
    session = sessions.current()
    task = ProgressTask("Rendering")
    before = session.root.frame()
    failed: list[str] = []
    try:
        for node in writes:
            _hooks("beforeRender", node)
        for number, frame in enumerate(frames):
            session.root._knobs["frame"].read_words((str(frame),))
            for node in writes:
                if task.isCancelled():
                    raise CancelledError("Cancelled")
                _hooks("beforeFrameRender", node)
                try:
                    path = engine().write_frame(node, frame)
                except RuntimeError as error:
                    if not keep_going:
                        raise
                    failed.append(str(error))
                    continue
                if not session.gui:
                    print(f"Writing {path} frame {frame} ({number + 1} of {len(frames)})", flush=True)
                _hooks("afterFrameRender", node)
            task.setProgress(int(100 * (number + 1) / len(frames)))
            for node in writes:
                _hooks("renderProgress", node)
        if failed:
            raise RuntimeError(f"{len(failed)} frames could not be rendered; the first: {failed[0]}")
        for node in writes:
            _hooks("afterRender", node)
    finally:
        session.root._knobs["frame"].read_words((str(before),))


def _hooks(kind: str, node: Node) -> None:
    node.session.run_callbacks(kind, node)
    node.run_hook(kind)


def _writes(nodes: Iterable[Node], must_exist: bool) -> list[Node]:
    found: list[Node] = []
    for node in nodes:
        if node.Class() in _EXECUTABLE:
            if _enabled(node) and node not in found:
                found.append(node)
        elif isinstance(node, Group):
            inside = [child for child in everything(node) if child.Class() in _EXECUTABLE and _enabled(child)]
            found += [child for child in inside if child not in found]
            if not inside and must_exist and not isinstance(node, Gizmo):
                continue
        elif must_exist:
            raise RuntimeError(
                f"{node.fullName()} ({node.Class()}) cannot be executed; name a Write or a group that holds one."
            )
    if not found and must_exist:
        raise RuntimeError("There is no enabled Write to execute.")
    return sorted(found, key=lambda node: node["render_order"].number_at(0.0))


def _enabled(node: Node) -> bool:
    one: Any = node
    while one is not None:
        disable = one.own_knob("disable")
        if disable is not None and one.group is not None and disable.bool_at(one.session.root.frame()):
            return False
        one = one.group
    return True


def _node(given: Any) -> Node:
    node = sessions.current().root.node(given) if isinstance(given, str) else given
    if not isinstance(node, Node):
        raise ValueError(f"'{given}' is no node.")
    return node


def _frames(start: Any, end: Any, incr: Any) -> list[int]:
    if start is None:
        root = sessions.current().root
        return list(range(root.firstFrame(), root.lastFrame() + 1))
    if isinstance(start, (FrameRange, FrameRanges)):
        return _as_frames(start)
    last = int(start) if end is None else int(end)
    return list(FrameRange(int(start), last, 1 if incr is None else int(incr)))


def _as_frames(entry: Any) -> list[int]:
    if isinstance(entry, FrameRanges):
        return entry.toFrameList()
    return list(entry) if isinstance(entry, FrameRange) else list(FrameRange(*entry))
