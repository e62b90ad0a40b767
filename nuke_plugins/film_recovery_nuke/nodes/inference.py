"""RecoveryInference: baking frames through the worker, and telling which of them are fresh."""

from __future__ import annotations

import contextlib
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, List, Optional, Sequence

import nuke

from film_recovery.contract.card import ModelCard, load_card
from film_recovery.contract.errors import FilmRecoveryError, InputError
from film_recovery_nuke import frames as frame_tools
from film_recovery_nuke import graph, preferences, worker
from film_recovery_nuke.cache import INPUT, RECOVERED, FrameCache, Record, file_hash, picture_hash
from film_recovery_nuke.errors import CancelledError, HostError, show, shown
from film_recovery_nuke.nodes.tasks import task

CLASS = "RecoveryInference"
_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
_COLOURS = {"fresh": 0x4F7A52FF, "stale": 0x9A8A3AFF, "missing": 0x9A6A3AFF}
_MOST_TOLD = 500  # frames of which a status is looked up at once


@dataclass
class BakeReport:
    """What a bake did, frames each."""

    baked: List[int] = field(default_factory=list)
    kept: List[int] = field(default_factory=list)


def model_path(node: Any) -> Path:
    """The model file. Raises :class:`HostError` when none is chosen or it does not exist."""
    text = node["modelFile"].evaluate() or ""
    if not text:
        raise HostError(f"{node.fullName()}: choose a model file first, the .onnx in the folder export of a run.")
    path = graph.resolved(text)
    if not path.is_file():
        raise HostError(f"{node.fullName()}: the model {path} does not exist; choose another, or restore it.")
    return path


def card_of(path: Path) -> ModelCard:
    """The card beside a model. Raises :class:`HostError` when it is missing or damaged."""
    beside = path.with_name(path.name.replace(".fp16.onnx", ".onnx")).with_suffix(".json")
    try:
        return load_card(beside)
    except InputError as error:
        raise HostError(f"The model's card {beside} cannot be used: {error}") from error


def cache_of(node: Any, make_key: bool = False) -> Optional[FrameCache]:
    """The node's cache; None before the first bake, unless ``make_key``.

    Raises:
        HostError: a relative folder in a script that was never saved.
    """
    key = str(node["cacheKey"].value())
    if not key:
        if not make_key:
            return None
        key = uuid.uuid4().hex[:8]
        node["cacheKey"].setValue(key)
    text = node["cacheFolder"].evaluate() or ""
    home = graph.folder_from(text, preferences.get("cache_folder"), "cache folder")
    return FrameCache(home / f"{node.fullName().replace('.', '_')}_{key}")


def settings_of(node: Any) -> str:
    """What of the node's settings changes pixels, as text."""
    return f"precision {node['precision'].value()}"


def bake(
    node: Any,
    frames: Sequence[int],
    cancelled: Optional[frame_tools.Cancelled] = None,
    progress: Optional[frame_tools.Progress] = None,
) -> BakeReport:
    """Render the node's input at these frames, recover what is not there already, and let the inner Read show it.

    What is there is not believed: the input is rendered and compared, the recovered file read to its last byte.

    Raises:
        HostError: no model, no input, a frame that cannot be rendered, or the worker fails.
        CancelledError: ``cancelled`` said so; whole frames are kept.
        StorageError: the disk is full or read-only.
    """
    model = model_path(node)
    apply_card(node, card_of(model))
    if node.input(0) is None:
        raise HostError(f"{node.fullName()} has no input; connect the picture to recover.")
    worker.check(worker.find_python())
    cache = cache_of(node, make_key=True)
    assert cache is not None
    hashes, settings, wanted = file_hash(model), settings_of(node), sorted(set(frames))
    report = BakeReport()
    _point_read(node, cache)
    try:
        write = graph.inside(node, "BakeWrite")
        frame_tools.render_frames(write, cache.pattern(INPUT), wanted, cancelled, progress)
        inputs = {frame: picture_hash(cache.input(frame)) for frame in wanted}
        for frame in wanted:
            there = cache.holds(frame, hashes, settings, inputs[frame])
            (report.kept if there else report.baked).append(frame)
        if report.baked:
            _recover(node, model, cache, report.baked, cancelled)
        for frame in wanted:
            files = cache.recovered(frame)
            record = Record(hashes, settings, input_hash(node, frame), inputs[frame], file_hash(files))
            cache.write_record(frame, record)
    finally:
        cache.remove_inputs(wanted)
    _reload(node)
    return report


def _recover(node: Any, model: Path, cache: FrameCache, frames: Sequence[int],
             cancelled: Optional[frame_tools.Cancelled]) -> None:  # fmt: skip
    for frame in frames:  # a record must never stand beside a file that it does not describe
        with contextlib.suppress(FileNotFoundError):
            cache.recovered(frame).with_suffix(".json").unlink()
    words = [
        "apply", str(model), "--input", cache.pattern(INPUT).replace("%04d", "####"),
        "--output", cache.pattern(RECOVERED).replace("%04d", "####"), "--frames", frame_tools.format_frames(frames),
        "--precision", str(node["precision"].value()),
        "--device", preferences.get("device") if node["useGPUIfAvailable"].value() else "cpu",
    ]  # fmt: skip
    tile = str(node["tileSize"].value())
    if tile != "Auto":
        words += ["--tile", tile]
    code, said, tail = worker.call(words, None, cancelled)
    if code or said is None:
        last = (tail.strip().splitlines() or ["no message"])[-1]
        raise HostError(f"{node.fullName()}: frames {frame_tools.format_frames(frames)} could not be recovered: {last}")


def input_hash(node: Any, frame: int) -> str:
    """Nuke's hash of what feeds the node at a frame; empty where Nuke gives none."""
    source = node.input(0)
    if source is None:
        return ""
    return str(source.metadata("nuke/node_hash", frame) or "")


def states(node: Any, frames: Sequence[int]) -> List[str]:
    """``fresh``, ``stale`` or ``missing`` for each frame, without rendering files."""
    cache = cache_of(node)
    if cache is None:
        return ["missing"] * len(frames)
    hashes, settings = file_hash(model_path(node)), settings_of(node)
    found = []
    for frame in frames:
        record = cache.record(frame)
        known = "" if record is None else input_hash(node, frame)
        found.append(cache.state(frame, hashes, settings, known))
    return found


def frames_of(node: Any) -> List[int]:
    """The frames of Bake range: the knob's, or the project's range."""
    text = str(node["bakeFrames"].value())
    root = nuke.root()
    return frame_tools.parse_frames(text) if text.strip() else list(range(root.firstFrame(), root.lastFrame() + 1))


def refresh(node: Any) -> str:
    """Bring status and tile colour up to date; returns the status."""
    try:
        if not node["modelFile"].value():
            text, worst = "No model.", "missing"
        else:
            wanted = frames_of(node)
            found = states(node, wanted[:_MOST_TOLD])
            text, worst = _sentence(wanted, found), _worst(found)
    except FilmRecoveryError as error:
        text, worst = str(error), "missing"
    if node["status"].value() != text:
        node["status"].setValue(text)
    node["tile_color"].setValue(_COLOURS[worst])
    return text


def _worst(found: Sequence[str]) -> str:
    return next((state for state in ("missing", "stale") if state in found), "fresh")


def _sentence(wanted: Sequence[int], found: Sequence[str]) -> str:
    counts = Counter(found)
    parts = [f"{counts[state]} {state}" for state in ("fresh", "stale", "missing") if counts[state]]
    missing = [frame for frame, state in zip(wanted, found) if state != "fresh"]
    text = ", ".join(parts) + f" of {len(found)} frames"
    if missing and len(missing) < len(found):
        text += f" (to bake: {frame_tools.format_frames(missing)})"
    if len(wanted) > len(found):
        text += f"; the first {len(found)} of {len(wanted)} were looked at"
    return text + "."


@shown
def bake_frame(node: Any) -> Optional[BakeReport]:
    """Bake the current frame."""
    return _bake_shown(node, [int(nuke.frame())])


@shown
def bake_range(node: Any) -> Optional[BakeReport]:
    """Bake the frames of the knob; what is fresh is left alone."""
    return _bake_shown(node, frames_of(node))


def _bake_shown(node: Any, frames: Sequence[int]) -> BakeReport:
    try:
        with task(f"Film Recovery: baking {node.name()}") as (cancelled, progress):
            report = bake(node, frames, cancelled, progress)
    finally:
        with contextlib.suppress(CancelledError):
            refresh(node)
    return report


@shown
def check_cache(node: Any) -> None:
    """Tell which frames are fresh, stale or missing."""
    show(refresh(node))


@shown
def clear_cache(node: Any) -> int:
    """Remove the node's baked frames; returns how many there were."""
    cache = cache_of(node)
    count = cache.clear() if cache is not None else 0
    _reload(node)
    refresh(node)
    return count


def apply_card(node: Any, card: ModelCard) -> None:
    """Give the kept-component check the model's own numbers."""
    numbers = list(card.balance or _IDENTITY)
    node["cardTask"].setValue(card.task)
    node["cardEncoding"].setValue(card.encoding)
    node["cardMatrix"].setValue(card.matrix)
    for row in range(3):
        node[f"row{row}"].setValue(numbers[3 * row : 3 * row + 3])
    node["offset"].setValue(numbers[9:])


def on_create(node: Any) -> None:
    """When a node is made or a script is opened: let the inner Read find the cache again, wherever the script lies now."""
    with contextlib.suppress(FilmRecoveryError):
        cache = cache_of(node)
        if cache is not None:
            _point_read(node, cache)


def knob_changed(node: Any, knob: Any) -> None:
    """Follow the model and the cache folder."""
    name = knob.name()
    if name == "modelFile" and node["modelFile"].value():
        with contextlib.suppress(FilmRecoveryError):  # the status tells what is wrong
            apply_card(node, card_of(model_path(node)))
        refresh(node)
    elif name in ("cacheFolder", "cacheKey"):
        on_create(node)
    elif name == "showPanel":
        refresh(node)


def _point_read(node: Any, cache: FrameCache) -> None:
    read = graph.inside(node, "Recovered")
    pattern = cache.pattern(RECOVERED)
    if read["file"].value() != pattern:
        read["file"].setValue(pattern)


def _reload(node: Any) -> None:
    """Files changed on disk are not noticed by Nuke before its Read is told."""
    graph.inside(node, "Recovered")["reload"].execute()
