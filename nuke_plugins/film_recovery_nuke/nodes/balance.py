"""RecoveryBalance: fitting its 12 numbers from pairs, and setting them back."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from film_recovery_nuke import frames as frame_tools
from film_recovery_nuke import graph, pairing, worker
from film_recovery_nuke.errors import HostError, shown
from film_recovery_nuke.nodes.tasks import task

CLASS = "RecoveryBalance"
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)


def numbers(node: Any) -> list[float]:
    """The 12 numbers of a node: the matrix by rows, then the offset."""
    found: list[float] = []
    for knob in ("row0", "row1", "row2", "offset"):
        found += [float(value) for value in node[knob].value()]
    return found


def set_numbers(node: Any, values: Sequence[float]) -> None:
    """Set the 12 numbers. Raises :class:`HostError` when there are not 12."""
    if len(values) != 12:
        raise HostError(f"{node.name()}: a balance is 12 numbers, not {len(values)}.")
    for index, knob in enumerate(("row0", "row1", "row2", "offset")):
        node[knob].setValue([float(value) for value in values[3 * index : 3 * index + 3]])


@shown
def fit(node: Any) -> list[float]:
    """Render the frames of both inputs, let the worker fit, and set the numbers; returns them."""
    wanted = frame_tools.parse_frames(node["frames"].value())
    if not wanted:
        raise HostError(f"{node.name()}: name the frames of the pairs to fit from, for instance 1001,1017,1030.")
    for index, side in ((0, "Source"), (1, "Reference")):
        if node.input(index) is None:
            raise HostError(f"{node.name()}: connect the input {side}.")
        frame_tools.check_range(node, pairing.timed_by(node.input(index)), wanted)
    worker.check(worker.find_python())
    with (
        tempfile.TemporaryDirectory(prefix="film_recovery_") as folder,
        task("Film Recovery: fitting") as (cancelled, progress),
    ):
        words = ["balance", "--frames", frame_tools.format_frames(wanted), "--encoding", str(node["encoding"].value()),
                 "--align", str(node["align"].value())]  # fmt: skip
        for side, option in (("Source", "--source"), ("Reference", "--reference")):
            pattern = (Path(folder) / f"{side.lower()}.%04d.exr").as_posix()
            frame_tools.render_frames(graph.inside(node, f"Gather{side}"), pattern, wanted, cancelled, progress)
            words += [option, pattern.replace("%04d", "####")]
        code, said, tail = worker.call(words, cancelled)
    if code or said is None:
        raise worker.failed(f"{node.name()}: the balance could not be fitted", code, tail)
    found = [float(value) for value in said["balance"]]
    set_numbers(node, found)
    node["status"].setValue(f"Fitted from {len(wanted)} pairs: {frame_tools.format_frames(wanted)}.")
    return found


@shown
def reset(node: Any) -> None:
    """Back to the balance that changes nothing."""
    set_numbers(node, IDENTITY)
    node["status"].setValue("Not fitted.")
