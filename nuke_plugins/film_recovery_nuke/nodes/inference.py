"""RecoveryInference: baking frames through the worker, and telling which of them are fresh."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import film_recovery
import nuke
from film_recovery.contract.card import ModelCard, load_card
from film_recovery.contract.errors import FilmRecoveryError, InputError
from film_recovery.contract.job import ENCODINGS, MATRICES, TASKS
from film_recovery.contract.run_folder import RunFolder
from film_recovery_nuke import frames as frame_tools
from film_recovery_nuke import graph, needs, preferences, worker
from film_recovery_nuke.cache import INPUT, RECOVERED, FrameCache, Owner, Record, file_hash, picture_hash
from film_recovery_nuke.errors import CancelledError, HostError, looked_at, show, shown
from film_recovery_nuke.nodes.cache_key import cache_stem, forget_key_of_others, input_hash, of_another_name
from film_recovery_nuke.nodes.tasks import task

CLASS = "RecoveryInference"
_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
_COLOURS = {"fresh": 0x4F7A52FF, "stale": 0x9A8A3AFF, "missing": 0x9A6A3AFF}
_MOST_TOLD = 500  # frames of which a status is looked up at once
_AT_ONCE = 24  # frames whose inputs lie on disk at once, 100 MB each in 4K; a bake that is killed loses at most so many records
_TOLD = ("bakeFrames", "precision", "steady", "grain", "confidence")  # what changes a node's status
_TRAIN = "RecoveryTrain"
_LINK = re.compile(r"^\[value ([\w.]+)\.model\]$")
_NOT_BAKED = f"not_baked/{RECOVERED}"  # is nowhere, so its frames are missing; what Nuke makes of an empty name is not known
_model_hashes: dict[tuple[str, int, int], str] = {}


@dataclass
class BakeReport:
    """What a bake did, frames each."""

    baked: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)


def model_path(node: Any) -> Path:
    """The model file; of a run's folder the model that it exported.

    Raises:
        HostError: none is chosen, or it does not exist.
    """
    text = node["modelFile"].evaluate() or ""
    if not text:
        raise HostError(f"{node.fullName()}: choose a model file first, the .onnx in the folder export of a run.")
    path = graph.resolved(text)
    with looked_at(path):
        is_file, is_folder = path.is_file(), path.is_dir()
        exported = sorted(RunFolder(path).export.glob("[!.]*.onnx"), key=lambda file: len(file.name)) if is_folder else []
    if is_folder:
        if not exported:
            raise HostError(f"{node.fullName()}: the folder {path} holds no exported model; choose an .onnx file.")
        return exported[0]
    if not is_file:
        raise HostError(f"{node.fullName()}: the model {path} does not exist; choose another, or restore it.")
    return path


def card_of(path: Path) -> ModelCard:
    """The card beside a model.

    Raises:
        HostError: it is missing, damaged, or says what this release does not know.
    """
    beside = path.with_name(path.name.replace(".fp16.onnx", ".onnx")).with_suffix(".json")
    with looked_at(beside):
        is_there = beside.is_file()
    if not is_there:
        raise HostError(f"The model {path} has no card: {beside.name} has to lie beside it; copy both from the run's export.")
    try:
        card = load_card(beside)
    except (InputError, OSError, ValueError) as error:
        raise HostError(f"The model's card {beside} cannot be used: {error}") from error
    for name, value, known in (
        ("task", card.task, TASKS), ("encoding", card.encoding, ENCODINGS), ("matrix", card.matrix, MATRICES),
    ):  # fmt: skip
        if value not in known:
            raise HostError(f"The model's card {beside} says {name} = {value}; this release knows {', '.join(known)}.")
    numbers = card.balance
    if numbers is not None and (len(numbers) != 12 or not all(isinstance(number, (int, float)) for number in numbers)):
        raise HostError(f"The model's card {beside} has a balance that is not 12 numbers; copy it again from its run.")
    return card


def model_hash(path: Path) -> str:
    """SHA-256 of a model file; read once for as long as the file does not change. Raises :class:`HostError`."""
    with looked_at(path):
        status = path.stat()
    key = (str(path), status.st_size, status.st_mtime_ns)
    if key not in _model_hashes:
        found = file_hash(path)
        if not found:
            raise HostError(f"The model {path} cannot be read; check its permissions, or the disk that it is on.")
        _model_hashes[key] = found
    return _model_hashes[key]


def cache_of(node: Any, make_key: bool = False) -> FrameCache | None:
    """The node's cache for the model that it has now; None in a GUI session before the first bake, unless ``make_key``.

    Another model has another folder: frames of the old one can never pass for frames of the new one.

    Raises:
        HostError: there is no model, or a relative folder in a script that was never saved.
    """
    stem = cache_stem(node, make_key)
    if stem is None:
        return None
    model = model_hash(model_path(node))[:8]
    folder = stem.with_name(f"{stem.name}_{model}")
    if not make_key and not folder.is_dir():
        folder = of_another_name(node, stem, model) or folder
    return FrameCache(folder)


def settings_of(node: Any) -> str:
    """What besides input and model changes pixels, as text: the release, and of the node's settings all but the tiles."""
    steady = ", steady" if needs.steadies(node) else ""
    grain = str(node["grain"].value())
    grain = "" if grain == "recovered" or node["cardTask"].value() != "spatial" else f", grain {grain}"
    confidence = ", confidence" if node["confidence"].value() else ""
    return f"release {film_recovery.__version__}, precision {node['precision'].value()}{steady}{grain}{confidence}"


def bake(
    node: Any,
    frames: Sequence[int],
    cancelled: frame_tools.Cancelled | None = None,
    progress: frame_tools.Progress | None = None,
) -> BakeReport:
    """Render the node's input at these frames, recover what is not there already, and let the inner Read show it.

    What is there is not believed: the input is rendered and compared, the recovered file read to its last byte. Stopped or
    killed at any moment, the next bake goes on from the frames that are whole.

    Raises:
        HostError: no model, no input, several views, a cache folder that Nuke would read as a pattern, a frame that cannot be
            rendered, another process that bakes the same node from another picture, or the worker fails.
        CancelledError: ``cancelled`` said so; whole frames are kept.
        StorageError: the disk is full or read-only.
    """
    model = model_path(node)
    apply_card(node, card_of(model))
    if node.input(0) is None:
        raise HostError(f"{node.fullName()} has no input; connect the picture to recover.")
    views = nuke.views()
    if len(views) > 1:
        raise HostError(
            f"{node.fullName()}: the script has the views {', '.join(views)}, but one view is recovered and all would show it; "
            "recover each view in a script that has it alone."
        )
    worker.check(worker.find_python())
    graph.check_plain(graph.TCL.sub("", str(node["cacheFolder"].value())), "cache folder")  # evaluated, # is a number
    forget_key_of_others(node)
    cache = cache_of(node, make_key=True)
    assert cache is not None
    graph.check_plain(str(cache.folder), "cache folder")
    _point_read(node, cache)
    _hand_out_confidence(node)
    report, wanted = BakeReport(), sorted(set(frames))
    try:
        with cache.inputs() as place:
            if nuke.GUI:  # a farm may render a copy of the script under a name of its own
                cache.write_owner(Owner(node.fullName(), graph.script_path()))
            inputs = _Inputs(node, place)
            start = 0
            for part in _parts(node, wanted):

                def told(done: int, _: int, what: str, start: int = start) -> None:
                    if progress is not None:
                        progress(start + done, len(wanted), what)

                start += len(part)
                inputs.render(part, cancelled, told)
                kept = _bake_part(node, model, cache, part, inputs, cancelled, told)
                report.kept += kept
                report.baked += [frame for frame in part if frame not in kept]
    finally:
        _reload(node)
    return report


def _parts(node: Any, wanted: Sequence[int]) -> list[list[int]]:
    """Frames to be made together. Those beyond the input's range are apart: beside others they would steady them."""
    beyond = [frame for frame in wanted if needs.is_beyond(node, frame)]
    within = [frame for frame in wanted if frame not in set(beyond)]
    return [some[start : start + _AT_ONCE] for some in (within, beyond) for start in range(0, len(some), _AT_ONCE)]


class _Inputs:
    """Rendered frames of a node's input, of one part of a bake after the other; neighbours that the next part needs stay."""

    def __init__(self, node: Any, place: Path) -> None:
        self._node, self.pattern = node, (place / INPUT).as_posix()
        self._hashes: dict[int, str] = {}
        self._files: dict[int, Path] = {}

    def render(self, part: Sequence[int], cancelled: frame_tools.Cancelled | None, progress: frame_tools.Progress) -> None:
        """Render what a part and its neighbours lack, and remove what no later part needs. Raises as :func:`bake`."""
        needed = {*part, *(beside for frame in part for beside in needs.neighbours(self._node, frame))}
        for frame in set(self._files) - needed:
            self._files.pop(frame).unlink(missing_ok=True)
        absent = sorted(needed - set(self._files))
        write = graph.inside(self._node, "BakeWrite")

        def told(done: int, _: int, what: str) -> None:
            progress(done * len(part) // len(absent), len(part), what)

        self._files.update(zip(absent, frame_tools.render_frames(write, self.pattern, absent, cancelled, told)))
        self._hashes.update({frame: picture_hash(self._files[frame]) for frame in absent})

    def hash(self, frame: int) -> str:
        """Of a frame's picture, and of those by which it is steadied."""
        beside = needs.neighbours(self._node, frame)
        if not beside:
            return self._hashes[frame]
        words = " ".join(f"{other - frame}:{self._hashes[other]}" for other in [frame, *beside])
        return hashlib.sha256(words.encode()).hexdigest()


def _bake_part(
    node: Any, model: Path, cache: FrameCache, part: Sequence[int], inputs: _Inputs,
    cancelled: frame_tools.Cancelled | None, progress: frame_tools.Progress,
) -> list[int]:  # fmt: skip
    """Bake some frames whose inputs are rendered; returns those that were there."""
    digest, settings = model_hash(model), settings_of(node)
    records = {frame: Record(digest, settings, input_hash(node, frame), inputs.hash(frame), "") for frame in part}
    kept = [frame for frame in part if cache.holds(frame, digest, settings, records[frame].input_file)]
    missing = [frame for frame in part if frame not in kept]
    for frame in missing:
        cache.begin(frame, records[frame])
    if missing:
        _recover(node, model, cache, inputs.pattern, missing, cancelled, lambda line: progress(len(part), 0, line))
    for frame in part:
        made = records[frame]
        found = file_hash(cache.recovered(frame))
        if not found:
            raise HostError(
                f"{node.fullName()}: {cache.recovered(frame)} was made and is gone again; is another process clearing or "
                "baking the same node? Bake again."
            )
        now = cache.record(frame)
        if now is not None and now.made_of != made.made_of:  # asked after the file was read: it may be the other one's
            raise HostError(
                f"{node.fullName()}: another process bakes frame {frame} of the same node from another picture or setting "
                f"into {cache.recovered(frame)}; let it end, or give one of both another cache folder, and bake again."
            )
        cache.write_record(frame, Record(made.model, made.settings, made.input_hash, made.input_file, found))
    return kept


def _recover(
    node: Any, model: Path, cache: FrameCache, pattern: str, frames: Sequence[int],
    cancelled: frame_tools.Cancelled | None, told: Any,
) -> None:  # fmt: skip
    words = [
        "apply", str(model), "--input", pattern.replace("%04d", "####"),
        "--output", cache.pattern(RECOVERED).replace("%04d", "####"), "--frames", frame_tools.format_frames(frames),
        "--skip-existing", "--precision", str(node["precision"].value()),
        "--device", preferences.get("device") if node["useGPUIfAvailable"].value() else "cpu",
    ]  # fmt: skip
    words.append("--steady" if needs.steadies(node) and not needs.is_beyond(node, frames[0]) else "--no-steady")
    if node["cardTask"].value() == "spatial":
        words += ["--grain", str(node["grain"].value())]
    if node["confidence"].value():
        words.append("--confidence")
    if node["cardEncoding"].value() == "none":
        words.append("--coded")  # the rendered input is an EXR, whatever the Read has opened
    tile = str(node["tileSize"].value())
    if tile != "Auto":
        words += ["--tile", tile]
    code, said, tail = worker.call(words, cancelled, told)
    if code or said is None:
        raise worker.failed(f"{node.fullName()}: frames {frame_tools.format_frames(frames)} could not be recovered", code, tail)


def states(node: Any, frames: Sequence[int]) -> list[str]:
    """``fresh``, ``stale`` or ``missing`` for each frame, without rendering files."""
    model = model_path(node)
    cache = cache_of(node)
    if cache is None:
        return ["missing"] * len(frames)
    digest, settings = model_hash(model), settings_of(node)
    found = []
    for frame in frames:
        known = "" if cache.record(frame) is None else input_hash(node, frame)
        found.append(cache.state(frame, digest, settings, known))
    return found


def frames_of(node: Any) -> list[int]:
    """The frames of Bake range: the knob's, or the project's range."""
    text = str(node["bakeFrames"].value())
    root = nuke.root()
    return frame_tools.parse_frames(text) if text.strip() else list(range(root.firstFrame(), root.lastFrame() + 1))


def refresh(node: Any) -> str:
    """Bring status, tile colour and what is shown up to date; returns the status."""
    _show_cache(node)
    try:
        if not node["modelFile"].value():
            text, worst = "No model.", "missing"
        else:
            card_of(model_path(node))
            wanted = frames_of(node)
            found = states(node, wanted[:_MOST_TOLD])
            text, worst = _sentence(wanted, found), _worst(found)
    except FilmRecoveryError as error:
        text, worst = str(error), "missing"
    except RuntimeError as error:  # the input cannot be rendered, so nothing is known of it
        text, worst = f"The input cannot be looked at: {error}", "missing"
    if node["status"].value() != text:
        node["status"].setValue(text)
    if node["tile_color"].value() != _COLOURS[worst]:
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
def bake_frame(node: Any) -> BakeReport | None:
    """Bake the current frame."""
    return _bake_shown(node, [int(nuke.frame())])


@shown
def bake_range(node: Any) -> BakeReport | None:
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
    """Remove the node's baked frames, of earlier models too; returns how many there were."""
    forget_key_of_others(node)
    stem = cache_stem(node)
    count = 0
    if stem is not None:
        for folder in sorted(stem.parent.glob(f"{stem.name}_*")):
            if folder.is_dir():
                count += FrameCache(folder).clear()
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


def warn_if_stale() -> None:
    """Before a frame of a headless render: tell in the terminal what was baked from another picture than the node has now.

    Only told, since Nuke's hashes differ between its versions; a bake renders the input and is sure. Never raises.
    """
    frame = int(nuke.frame())
    with contextlib.suppress(FilmRecoveryError, RuntimeError):
        found = needs.needed([nuke.thisNode()], [frame])
        for node in found.order:
            old = [number for number in found.of(node) if states(node, [number]) == ["stale"]]
            if old:
                nuke.tprint(
                    f"{node.fullName()}: frame {frame_tools.format_frames(old)} seems to be baked from another picture; bake "
                    "it (bake_script.py) before rendering."
                )


def on_create(node: Any) -> None:
    """When a node is made or a script is opened: let the inner Read find the cache again, wherever the script lies now."""
    if not nuke.GUI:
        nuke.addBeforeFrameRender(warn_if_stale)  # kept once, however many nodes there are
    nuke.addOnScriptLoad(show_caches)  # so is this; while a script is being opened it may still have the name of where it was
    with contextlib.suppress(FilmRecoveryError):
        forget_key_of_others(node, is_new=True)
    _show_cache(node)


def knob_changed(node: Any, knob: Any) -> None:
    """Follow the model, the cache folder, and what makes baked frames stale. Renders nothing."""
    name = knob.name()
    if name == "modelFile":
        _take_model(node)
    elif name == "cacheFolder":
        with contextlib.suppress(FilmRecoveryError):
            forget_key_of_others(node)
        _show_cache(node)
    elif name in ("cacheKey", "confidence"):
        _show_cache(node)
    elif name == "showPanel":
        refresh(node)
    if name in _TOLD and node["modelFile"].value():
        refresh(node)


def linked_train(node: Any) -> Any:
    """The RecoveryTrain whose model an inference node is linked to by ``[value NAME.model]``; None if it names a file.

    Looked for where Nuke looks: beside the inference node, in a group too.
    """
    match = _LINK.match(str(node["modelFile"].value()).strip())
    found = (node.parent() or nuke.root()).node(match.group(1)) if match else None
    return found if found is not None and found.Class() == _TRAIN else None


def follow_model(trainer: Any) -> None:
    """Let the nodes that are linked to a RecoveryTrain take its model: Nuke does not tell a node that what it links to has
    changed."""
    for node in nuke.allNodes(CLASS, nuke.root(), recurseGroups=True):
        found = linked_train(node)
        if found is not None and found.fullName() == trainer.fullName():
            _take_model(node)


def _take_model(node: Any) -> None:
    with contextlib.suppress(FilmRecoveryError):  # the status tells what is wrong
        if node["modelFile"].value():
            apply_card(node, card_of(model_path(node)))
    refresh(node)


def show_caches() -> None:
    """When a script is open, and its name is known: let every node show its own cache."""
    nodes = nuke.allNodes(CLASS, nuke.root(), recurseGroups=True)
    for _ in nodes:
        changed = False
        for node in nodes:
            with contextlib.suppress(FilmRecoveryError):  # a node without its inner ones
                changed = _show_cache(node) or changed
        if not changed:  # else the picture of a node may be what another one shows now
            return


def _show_cache(node: Any) -> bool:
    """Let the inner Read show the node's own cache, or nothing: no frame of a former model or of another node.

    Returns whether it has shown something else.
    """
    _hand_out_confidence(node)
    try:
        cache = cache_of(node)
    except (FilmRecoveryError, OSError):  # no model, or no folder; the status tells it
        cache = None
    return _point_read(node, cache)


def _point_read(node: Any, cache: FrameCache | None) -> bool:
    read = graph.inside(node, "Recovered")
    pattern = _NOT_BAKED if cache is None else _for_script(cache.pattern(RECOVERED))
    if read["file"].value() == pattern:
        return False
    read["file"].setValue(pattern)
    return True


def _hand_out_confidence(node: Any) -> None:
    """Let the layer of the baked frames through; without it the node adds no layer to what comes out of it."""
    copied, wanted = graph.inside(node, "Result")["channels"], "confidence" if node["confidence"].value() else "none"
    if copied.value() != wanted:
        copied.setValue(wanted)


def _for_script(pattern: str) -> str:
    """A pattern that also holds where script and cache are moved together: beneath the script's folder it begins there."""
    home = Path(graph.script_path()).parent.as_posix() + "/"
    if graph.script_path() and pattern.startswith(home):
        return "[file dirname [value root.name]]/" + pattern[len(home) :]
    return pattern


def _reload(node: Any) -> None:
    """Files changed on disk are not noticed by Nuke before its Read is told."""
    graph.inside(node, "Recovered")["reload"].execute()
