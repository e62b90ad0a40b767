"""What nodes tell of their pictures; the renderer is loaded when it is first asked."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

from embedded_nuke.graph.formats import Format

if TYPE_CHECKING:
    from embedded_nuke.graph.node import Node


class Bounds(NamedTuple):
    """A data window as ``Node.bbox`` gives it: lower left corner and size in pixels, y upwards."""

    left: int
    bottom: int
    width: int
    height: int

    def x(self) -> int:
        """Left edge."""
        return self.left

    def y(self) -> int:
        """Lower edge."""
        return self.bottom

    def w(self) -> int:
        """Width."""
        return self.width

    def h(self) -> int:
        """Height."""
        return self.height


def engine() -> Any:
    """The renderer. Raises :class:`RuntimeError` when its packages are not installed."""
    try:
        return importlib.import_module("embedded_nuke.render.engine")
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("embedded_nuke"):
            raise
        raise RuntimeError(f"Rendering needs the package {error.name}; install numpy, OpenImageIO and opencolorio.") from error


def fails(node: Node) -> bool:
    """Whether the node's picture cannot be had at the current frame."""
    try:
        engine().bbox(node, node._now())
    except RuntimeError:
        return True
    return False


def image_value(node: Node, what: str, frame: float) -> float:
    """``width``, ``height``, ``pixel_aspect``, ``first_frame``, ``last_frame``, ``bbox.x`` and the like."""
    if what in ("first_frame", "last_frame"):
        return float(engine().frame_range(node)[what == "last_frame"])
    if what.startswith("bbox."):
        box = engine().bbox(node, frame)
        values = {"x": box.x, "y": box.y, "r": box.r, "t": box.t, "w": box.r - box.x, "h": box.t - box.y}
        return float(values[what[5:]])
    found = format_of(node, frame)
    size = {"width": found.width(), "height": found.height(), "pixel_aspect": found.pixelAspect()}
    edges = {"x": found.x(), "y": found.y(), "r": found.r(), "t": found.t(), "w": found.width(), "h": found.height()}
    return float({**size, **{f"format.{name}": value for name, value in {**size, **edges}.items()}}[what])


def format_of(node: Node, frame: float) -> Format:
    """The node's format."""
    found = engine().format_of(node, frame)
    made = Format(found.width, found.height, pixelAspect=found.pixel_aspect)
    made.setName(found.name)
    return made


def bbox_of(node: Node, frame: float) -> Bounds:
    """The node's data window."""
    box = engine().bbox(node, frame)
    return Bounds(box.x, box.y, box.r - box.x, box.t - box.y)


def channels_of(node: Node, frame: float) -> list[str]:
    """The node's channels."""
    return list(engine().channels(node, frame))


def metadata_of(node: Node, frame: float) -> dict[str, Any]:
    """The node's metadata, with ``nuke/node_hash``."""
    return dict(engine().metadata(node, frame))


def sample(node: Node, channel: str, place: tuple[float, float, float, float], frame: float) -> float:
    """The mean of a channel over a box around a point."""
    return float(engine().sample(node, channel, place, frame))
