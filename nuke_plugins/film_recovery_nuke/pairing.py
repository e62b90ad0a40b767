"""From frames of one branch to those of another that shows the same files: pairs count project frames of the Reads that they
were chosen on, the worker counts files, and a training may hang on branches that were moved in time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from film_recovery_nuke import graph, needs
from film_recovery_nuke.errors import HostError
from film_recovery_nuke.graph import Pair

_ALIGN = "RecoveryAlign"


class Shown:
    """At which project frames a branch shows which file."""

    def __init__(self, branch: Any) -> None:
        self._branch = branch
        self._frames: dict[int, list[int]] = {}

    def file(self, frame: int) -> int:
        """The number of the file at a project frame; the frame itself where that cannot be told."""
        found = needs.shown_frame(self._branch, frame)
        return frame if found is None else found

    def frame(self, file: int, near: int) -> int:
        """The project frame that shows a file; of several the one nearest to ``near``. Raises :class:`HostError` for none."""
        if needs.shown_frame(self._branch, near) == file:
            return near
        if not self._frames:
            for frame in range(self._branch.firstFrame(), self._branch.lastFrame() + 1):
                shown = needs.shown_frame(self._branch, frame)
                if shown is not None:
                    self._frames.setdefault(shown, []).append(frame)
        if file not in self._frames:
            raise HostError(
                f"{self._branch.name()} shows the file {file} at none of its frames, {self._branch.firstFrame()} to "
                f"{self._branch.lastFrame()}; connect the element that the pairs were chosen on, or widen its range."
            )
        return min(self._frames[file], key=lambda frame: abs(frame - near))


def to_files(pairs: Iterable[Pair], source: Any, reference: Any) -> list[Pair]:
    """Pairs in project frames of two nodes as numbers of the files that these show there."""
    ours, theirs = Shown(source), Shown(reference)
    return [dataclasses.replace(pair, source=ours.file(pair.source), reference=theirs.file(pair.reference)) for pair in pairs]


def to_project(pairs: Iterable[Pair], source: Any, reference: Any) -> list[Pair]:
    """Pairs in numbers of files as project frames of two nodes. Raises :class:`HostError` where a node does not show a file."""
    ours, theirs = Shown(source), Shown(reference)
    return [
        dataclasses.replace(
            pair, source=ours.frame(pair.source, pair.source), reference=theirs.frame(pair.reference, pair.reference)
        )
        for pair in pairs
    ]


def onto(pairs: Iterable[Pair], nodes: tuple[Any, Any], branches: tuple[Any, Any]) -> list[Pair]:
    """Pairs in project frames of two nodes as project frames of two branches that show the same files.

    A RecoveryAlign that retimes shows the partner at the source's frame.

    Raises:
        HostError: a branch does not show a file of a pair.
    """
    chosen = list(pairs)
    (ours, _), (theirs, in_step) = (_under(branch) for branch in branches)
    moved = [_name(branch) != _name(node) for branch, node in zip((ours, theirs), nodes)]
    shown = Shown(ours), Shown(theirs)
    found = []
    for pair, file in zip(chosen, to_files(chosen, *nodes)):
        source = shown[0].frame(file.source, pair.source) if moved[0] else pair.source
        reference = shown[1].frame(file.reference, source) if moved[1] and not in_step else pair.reference
        found.append(dataclasses.replace(pair, source=source, reference=source if in_step else reference))
    return found


def element_of(branch: Any) -> Any:
    """The element whose picture a branch shows, beneath the RecoveryAligns that lay it.

    Raises:
        HostError: a RecoveryAlign lacks the input that it shows.
    """
    node = branch
    while node.Class() == _ALIGN:
        side = "source" if node["output"].value() == "source" else "reference"
        below = node.input(0 if side == "source" else 1)
        if below is None:
            raise HostError(f"{node.fullName()} shows its {side}, but nothing is connected there; connect it.")
        node = below
    return node


def is_of_same_files(branch: Any, element: Any) -> bool:
    """Whether a branch shows what an element shows: both begin at one Read, at Reads of one file, or at one node."""
    return bool(_beginnings(element_of(branch)) & _beginnings(element))


def _beginnings(node: Any) -> set[str]:
    """Where the branches that lead to a node begin: files of Reads, names of nodes that have no input."""
    found, seen, todo = set(), set(), [node]
    while todo:
        one = todo.pop()
        if one.fullName() in seen:
            continue
        seen.add(one.fullName())
        above = [below for below in (one.input(index) for index in range(one.inputs())) if below is not None]
        text = graph.files_of(one) if one.Class() == "Read" else ""
        if not above:
            found.add(text or _name(one))
        todo += [element_of(one)] if one.Class() == _ALIGN else above
    return found


def _name(node: Any) -> str:
    return str(node.fullName()) if node is not None else ""


def timed_by(branch: Any) -> Any:
    """The node whose range is that of a branch: a RecoveryAlign that retimes has the frames of its source."""
    return _under(branch)[0] or branch


def _under(branch: Any) -> tuple[Any, bool]:
    """What a branch shows, in time, beneath RecoveryAligns: their source, or the reference where they do not retime."""
    in_step = False
    while branch is not None and branch.Class() == _ALIGN:
        in_step = bool(branch["retime"].value())
        as_source = in_step or branch["output"].value() == "source"
        branch = branch.input(0 if as_source else 1)
    return branch, in_step
