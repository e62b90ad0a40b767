"""Rendering nodes: the entry of the picture half.

``render_node(node, frame)`` gives the :class:`~embedded_nuke.render.image.Image` of a node, ``write_frame`` what a Write makes
of it, ``frame_range``, ``format_of``, ``bbox``, ``channels``, ``metadata`` and ``node_hash`` what Nuke's node says about
itself. All of them take nodes of :mod:`embedded_nuke.graph` and raise :class:`~embedded_nuke.render.operation.RenderError`
with node and frame.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from embedded_nuke.graph.values import ExpressionError, KnobValueError
from embedded_nuke.render import (  # noqa: F401  (the imports fill the table of operations)
    ops_channels,
    ops_colour,
    ops_contactsheet,
    ops_expression,
    ops_filter,
    ops_generate,
    ops_geometry,
    ops_merge,
    ops_metadata,
    ops_ocio,
    ops_read,
    ops_text,
    ops_time,
    ops_warp,
)
from embedded_nuke.render.cache import ImageCache
from embedded_nuke.render.channels import named
from embedded_nuke.render.hashes import NodeHashes
from embedded_nuke.render.image import Box, Format, Image, black
from embedded_nuke.render.node_operation import NodeOperation, full_name, knob_format, root_format
from embedded_nuke.render.operation import RenderError, find_op, requests_of
from embedded_nuke.render.ranges import current_frame, range_of
from embedded_nuke.render.reader import header_format
from embedded_nuke.render.walk import is_disabled, is_group, passes_through, source_of
from embedded_nuke.render.writer import write_image
from embedded_nuke.script.tcl import TclError

CACHE_BYTES = 1 << 30
# Deep trees recurse through about six calls a node.
_RECURSION = 9000
# Classes whose format is not that of their input 0 at the same frame.
_OWN_FORMAT = frozenset(
    [
        "AppendClip",
        "CheckerBoard2",
        "Constant",
        "ContactSheet",
        "Crop",
        "Dissolve",
        "FrameHold",
        "Reformat",
        "Retime",
        "STMap",
        "Switch",
        "TimeClip",
        "TimeOffset",
        "TimeWarp",
    ]
)


@contextlib.contextmanager
def _knobs_read(node: Any, frame: float) -> Iterator[None]:
    """A knob whose expression cannot be evaluated makes a frame that cannot be rendered, as in Nuke: a RuntimeError."""
    try:
        yield
    except (ExpressionError, KnobValueError, TclError) as error:
        raise RenderError(f"{full_name(node)}, frame {frame:g}: {error}") from error


class Engine:
    """Renders nodes and keeps what it rendered, by hash; a changed knob, input or file changes the hash."""

    def __init__(self, cache_bytes: int = CACHE_BYTES) -> None:
        self.cache = ImageCache(cache_bytes)
        self._hashes: NodeHashes | None = None
        self._active: dict[tuple[int, float], str] = {}

    def render(self, node: Any, frame: float) -> Image:
        """The picture of a node at a frame.

        Raises:
            RenderError: a class without maths here, a value that cannot be rendered, a loop, a missing or damaged file.
        """
        outermost = self._hashes is None
        if outermost:
            sys.setrecursionlimit(max(sys.getrecursionlimit(), _RECURSION))
            # Within one call no knob changes, so every hash is worked out once.
            self._hashes = NodeHashes(self._operation)
        try:
            with _knobs_read(node, frame):
                return self._render(node, float(frame))
        finally:
            if outermost:
                self._hashes = None
                self._active.clear()

    def node_hash(self, node: Any, frame: float) -> str:
        """32 hexadecimal digits: equal for equal pictures, other whenever class, knobs, inputs or files differ."""
        hashes = self._hashes or NodeHashes(self._operation)
        with _knobs_read(node, frame):
            return hashes.of(node, float(frame))

    def _operation(self, node: Any, frame: float) -> NodeOperation:
        return NodeOperation(node, frame, self.render, range_of)

    def _render(self, node: Any, frame: float) -> Image:
        source = source_of(node, frame)
        if source is None:
            return black(root_format(node))
        assert self._hashes is not None
        key = self._hashes.of(source, frame)
        found = self.cache.get(key)
        if found is not None:
            return found
        mark = (id(source), frame)
        if mark in self._active:
            raise RenderError(f"{full_name(source)} depends on itself at frame {frame:g}; open the loop.")
        self._active[mark] = key
        try:
            image = self._compute(source, frame)
        finally:
            self._active.pop(mark, None)
        self.cache.put(key, image)
        return image

    def _compute(self, node: Any, frame: float) -> Image:
        operation = self._operation(node, frame)
        if is_disabled(node, frame):
            # A disabled generator gives black; others were passed over already.
            return black(root_format(node))
        function = find_op(operation.class_name)
        if function is None:
            raise RenderError(
                f"{operation.name}: the class {operation.class_name} cannot be rendered here. "
                "Disable the node, or render it in Nuke and read the files."
            )
        return function(operation)


_engine = Engine()


def reset(cache_bytes: int = CACHE_BYTES) -> None:
    """Forget every picture and set the bound of the cache, in bytes; a new session does this."""
    _engine.cache.clear()
    _engine.cache.resize(cache_bytes)


def render_node(node: Any, frame: float) -> Image:
    """The picture of a node at a frame. Raises :class:`RenderError`."""
    return _engine.render(node, frame)


def node_hash(node: Any, frame: float) -> str:
    """See :meth:`Engine.node_hash`."""
    return _engine.node_hash(node, frame)


def frame_range(node: Any) -> tuple[int, int]:
    """First and last frame of a node, as ``node.firstFrame()`` and ``node.lastFrame()`` give them."""
    with _knobs_read(node, current_frame(node)):
        return range_of(node)


def format_of(node: Any, frame: float) -> Format:
    """The format of a node, read from file headers and knobs where that is enough, else from its picture.

    A Read whose file is missing has the format of its knob, or the root's.
    """
    with _knobs_read(node, frame):
        return _format_of(node, frame)


def _format_of(node: Any, frame: float) -> Format:
    source = source_of(node, frame)
    while source is not None and source.Class() != "Read" and _keeps_format(source, frame):
        source = source_of(source.input(0), frame) if source.input(0) is not None else None
    if source is None:
        return root_format(node)
    if source.Class() == "Read":
        return header_format(_engine._operation(source, frame)) or knob_format(source, "format") or root_format(source)
    if source.Class() in ("Constant", "CheckerBoard2"):
        return knob_format(source, "format") or root_format(source)
    return render_node(source, frame).format


def _keeps_format(node: Any, frame: float) -> bool:
    """Whether the node has the format of its first input at the same frame."""
    if node.Class() == "Crop":
        return node.inputs() > 0 and not node.knob("reformat").bool_at(frame)
    return node.inputs() > 0 and node.Class() not in _OWN_FORMAT


def bbox(node: Any, frame: float) -> Box:
    """The bounding box as Nuke's ``node.bbox()`` counts it: with the border of one pixel where black is outside (NDK, Info)."""
    image = render_node(node, frame)
    return image.bordered()


def channels(node: Any, frame: float) -> tuple[str, ...]:
    """The channels of a node, such as ``rgba.red``."""
    return render_node(node, frame).channels


def metadata(node: Any, frame: float) -> Mapping[str, Any]:
    """The metadata of a node, with ``nuke/node_hash`` for the live node as in Nuke."""
    values = dict(render_node(node, frame).metadata)
    values["nuke/node_hash"] = node_hash(node, frame)
    return values


def sample(node: Any, channel: str, place: Sequence[float], frame: float) -> float:
    """The mean of a channel over a box: centre x, y and width, height in pixels, at least 1; 0 without such a channel."""
    image = render_node(node, frame)
    x, y, width, height = place
    left, bottom = math.floor(x - width / 2), math.floor(y - height / 2)
    if width <= 1 and height <= 1:
        left, bottom = math.floor(x), math.floor(y)
    box = Box(left, bottom, left + max(1, round(width)), bottom + max(1, round(height)))
    names = named(channel, image.channels)
    return float(image.plane(names[0], box).astype(np.float64).mean()) if names else 0.0


def write_frame(write_node: Any, frame: float) -> str:
    """Render one frame of a Write into its file, whole or not at all; gives the path.

    With the root's ``proxy`` on, the frame is shrunk to the proxy scale and goes to the knob ``proxy`` where that is set
    (NUKE: Write saves at the current proxy scale). Assumption: Nuke renders the whole tree small; here the full frame is
    rendered and shrunk.

    Raises:
        RenderError: the frame cannot be rendered; no file name, no folder, a full disk; a file type or value that has no
        writer.
    """
    if write_node.Class() != "Write":
        raise RenderError(f"{full_name(write_node)} is a {write_node.Class()}; only a Write writes frames.")
    operation = _engine._operation(write_node, float(frame))
    with _knobs_read(write_node, frame):
        image = operation.input(0)
        input_hash = node_hash(write_node.input(0), frame) if operation.has_input(0) else ""
        return write_image(operation, image, input_hash)


__all__ = [
    "Engine",
    "RenderError",
    "bbox",
    "channels",
    "format_of",
    "frame_range",
    "is_group",
    "metadata",
    "node_hash",
    "passes_through",
    "render_node",
    "requests_of",
    "reset",
    "sample",
    "write_frame",
]
