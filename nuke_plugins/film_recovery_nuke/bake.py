"""Headless work: every inference node that the Writes of a script need is baked, first those that others depend on.

With training asked for, the RecoveryTrain nodes to which these inference nodes are linked are trained first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nuke
from film_recovery.contract.atomic import write_json
from film_recovery.contract.errors import UsageError
from film_recovery_nuke import frames as frame_tools
from film_recovery_nuke import graph, needs
from film_recovery_nuke.cache import RECOVERED, file_hash
from film_recovery_nuke.errors import HostError
from film_recovery_nuke.nodes import cache_key, inference, train

_LINE = "bake_script.py script.nk [node …] [1001-1055] [--bake-only] [--train] [--save] [--record FILE]"


@dataclass
class Order:
    """What the command line asks: a script, nodes (empty: all enabled Writes), frames (empty: the project's range).

    ``save`` keeps in the script which runs and caches its nodes have now, so that they are found when it is opened.
    """

    script: str
    nodes: list[str] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    render: bool = True
    train: bool = False
    save: bool = False
    record: str = ""


def parse_order(words: Sequence[str]) -> Order:
    """``script.nk [node …] [1001-1055] [--bake-only] [--train] [--save] [--record FILE]``.

    Raises:
        UsageError: no script is named, or an option is unknown.
    """
    names, ranges = [], []
    render, training, save, record = True, False, False, ""
    todo = list(words)
    while todo:
        word = todo.pop(0)
        if word == "--bake-only":
            render = False
        elif word == "--train":
            training = True
        elif word == "--save":
            save = True
        elif word == "--record" and todo:
            record = todo.pop(0)
        elif word.startswith("--"):
            raise UsageError(f"'{word}' is not known. The line is: {_LINE}")
        elif _is_range(word):
            ranges.append(word)
        else:
            names.append(word)
    if not names:
        raise UsageError(f"Name the script. The line is: {_LINE}")
    return Order(names[0], names[1:], frame_tools.parse_frames(",".join(ranges)), render, training, save, record)


def run(order: Order, say: Any = print) -> int:
    """Open the script, bake, render; returns how many frames were baked anew.

    Raises:
        HostError: a node or a frame is missing, the worker fails, or somebody else has saved the script that is to be saved.
        StorageError: the disk is full or read-only.
    """
    opened = file_hash(Path(order.script))
    try:
        nuke.scriptOpen(order.script)
    except RuntimeError as error:
        raise HostError(f"{order.script} cannot be opened: {error}") from error
    root = nuke.root()
    frames = order.frames or list(range(root.firstFrame(), root.lastFrame() + 1))
    ends = [_named(name) for name in order.nodes] or _writes()
    count = bake_for(ends, frames, say, order.train)
    writes = [node for node in ends if node.Class() == "Write"]
    if order.render and writes:
        _render(writes, frames, say)
    if order.save:
        if file_hash(Path(order.script)) != opened:  # a training takes hours, in which an artist goes on
            raise HostError(
                f"{order.script} was changed by somebody else meanwhile, so it was not saved; what was trained and baked is "
                "kept, so run the same line again."
            )
        _save(needs.needed(ends, frames), say)
    if order.record:
        write_json(Path(order.record), _record(needs.needed(ends, frames), writes))
    return count


def bake_for(
    ends: Sequence[Any],
    frames: Iterable[int],
    say: Any = print,
    training: bool = False,
    cancelled: frame_tools.Cancelled | None = None,
    progress: frame_tools.Progress | None = None,
) -> int:
    """Bake what rendering ``ends`` at ``frames`` asks for; with ``training`` models are trained first where nodes are linked.

    Returns how many frames were baked anew.

    Raises:
        HostError: a node or a frame is missing, or the worker fails.
        CancelledError: ``cancelled`` said so; whole frames are kept.
        StorageError: the disk is full or read-only.
    """
    return _bake(needs.needed(ends, frames), say, training, cancelled, progress)


def _bake(
    found: needs.Needs,
    say: Any,
    training: bool,
    cancelled: frame_tools.Cancelled | None = None,
    progress: frame_tools.Progress | None = None,
) -> int:
    for warning in found.warnings:
        say(warning)
    baked = 0
    for node in found.order:
        wanted = found.of(node)
        if training:
            _train_for(node, say)
        say(f"{node.fullName()}: baking {frame_tools.format_frames(wanted)}")
        try:
            report = inference.bake(node, wanted, cancelled, progress)
        finally:
            if nuke.GUI:
                inference.refresh(node)
        say(f"{node.fullName()}: {len(report.baked)} baked, {len(report.kept)} were there and are whole")
        baked += len(report.baked)
    return baked


def _train_for(node: Any, say: Any) -> None:
    """Train the model of an inference node, after the inference nodes that its own inputs need."""
    trainer = inference.linked_train(node)
    if trainer is None:
        return
    wanted = train.plan_of(trainer).wanted.values()
    asked = [(trainer.input(index), frames) for index, frames in enumerate(wanted) if frames]
    _bake(needs.needed_at(asked), say, training=True)
    train.ensure_trained(trainer, say)


def _save(found: needs.Needs, say: Any) -> None:
    for node in found.order:
        cache_key.keep_key(node)
        inference.refresh(node)
    try:
        nuke.scriptSave()
    except RuntimeError as error:
        raise HostError(f"The script cannot be saved: {error}") from error
    say(f"{graph.script_path()}: saved with its runs and caches")


def _record(found: needs.Needs, writes: Sequence[Any]) -> dict[str, Any]:
    """Where everything lies, for programs that go on from here."""
    passes = {}
    for node in found.order:
        cache, trainer = inference.cache_of(node), inference.linked_train(node)
        run = train.run_folder(trainer) if trainer is not None else None
        passes[node.fullName()] = {
            "model": str(inference.model_path(node)),
            "run": None if run is None else str(run),
            "frames": frame_tools.format_frames(found.of(node)),
            "files": "" if cache is None else cache.pattern(RECOVERED).replace("%04d", "####"),
        }
    return {"passes": passes, "writes": {write.fullName(): write["file"].getEvaluatedValue() for write in writes}}


def _render(writes: Sequence[Any], frames: Sequence[int], say: Any) -> None:
    for write in sorted(writes, key=lambda node: node["render_order"].value()):
        say(f"{write.fullName()}: rendering {frame_tools.format_frames(frames)}")
        for first, last in frame_tools.runs(frames):
            _render_run(write, first, last)


def _render_run(write: Any, first: int, last: int) -> None:
    """In one go: a movie is one file for one render, and what the Write calls before and after a render is called once."""
    begun = [first]

    def note() -> None:
        begun[0] = int(nuke.frame())

    nuke.addBeforeFrameRender(note)
    try:
        nuke.execute(write, first, last, 1)
    except RuntimeError as error:
        folder = Path(graph.files_of(write)).parent
        raise frame_tools.unrendered(f"Frame {begun[0]} of {write.fullName()}", folder, error) from error
    finally:
        nuke.removeBeforeFrameRender(note)


def _named(name: str) -> Any:
    node: Any | None = nuke.toNode(name)
    if node is None:
        raise HostError(f"The script has no node '{name}'; check the spelling.")
    if node.Class() not in ("Write", needs.INFERENCE):
        raise HostError(f"'{name}' is a {node.Class()}; name Writes or {needs.INFERENCE} nodes.")
    return node


def _writes() -> list[Any]:
    """The enabled Writes, also those in groups: ``nuke -x`` renders them too. The package's own are off."""
    found = [node for node in nuke.allNodes("Write", recurseGroups=True) if _is_enabled(node)]
    if not found:
        raise HostError("The script has no enabled Write; name the nodes to bake.")
    return found


def _is_enabled(node: Any) -> bool:
    one: Any = node
    while one is not None and one.knob("disable") is not None:
        if one["disable"].value():
            return False
        one = one.parent()
    return True


def _is_range(word: str) -> bool:
    try:
        return bool(frame_tools.parse_frames(word))
    except HostError:
        return False
