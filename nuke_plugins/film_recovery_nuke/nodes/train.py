"""RecoveryTrain: verify, gather, start, stop, resume, and the inference node that follows."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import nuke
from film_recovery.contract.atomic import make_folder, storage_errors, write_json
from film_recovery.contract.run_folder import RunFolder
from film_recovery_nuke import frames as frame_tools
from film_recovery_nuke import graph, pair_list, pairing, preferences, worker
from film_recovery_nuke.cache import picture_hash
from film_recovery_nuke.errors import CancelledError, HostError, show, shown
from film_recovery_nuke.graph import Pair
from film_recovery_nuke.nodes import inference
from film_recovery_nuke.nodes.tasks import task
from film_recovery_nuke.run_state import GATHERED, RunState, read_run, runs_of

CLASS = "RecoveryTrain"
_LABELS = {"source": "Source", "reference": "Reference", "preview": "Preview"}
_PATTERN = "{side}.%04d.exr"
REQUEST, PAIRS = "request.json", "pairs.json"
_PATIENCE = 120.0  # seconds that a training has to come to a checkpoint: a held-out evaluation of large frames may lie before
_PARTNERS = re.compile(r"^(-?\d+):(-?\d+)$")


@dataclass(frozen=True)
class Plan:
    """What a node asks for: options of the worker's command, the pairs by source frame, and the frame to watch."""

    task: str
    pairs: list[Pair]
    preview: int | None
    options: list[str]

    @property
    def wanted(self) -> dict[str, list[int]]:
        """The frames that are rendered of each input, ascending."""
        return {
            "source": [pair.source for pair in self.pairs],
            "reference": sorted({pair.reference for pair in self.pairs}),
            "preview": [] if self.preview is None else [self.preview],
        }


def plan_of(node: Any) -> Plan:
    """Read a node's knobs.

    Raises:
        HostError: no frames, a frame on both sides of the held-out line, an input that is not connected or has not such a
            frame, a preview from within the set, a number that is none.
    """
    kind = str(node["task"].value())
    chosen = frame_tools.parse_frames(node["frames"].value())
    held_out = frame_tools.parse_frames(node["heldOut"].value())
    if not chosen:
        raise HostError(f"{node.name()}: name the frames to train on, for instance 1001,1017,1030.")
    both = sorted(set(chosen) & set(held_out))
    if both:
        raise HostError(f"{node.name()}: frame {both[0]} is to be trained on and held out; take it out of one of the two.")
    preview = None
    if node["previewOn"].value():
        preview = int(node["previewFrame"].value())
        if node.input(2) is None:
            raise HostError(f"{node.name()}: connect the input Preview, or switch the preview off.")
        if preview in {*chosen, *held_out}:
            raise HostError(f"{node.name()}: the preview's frame {preview} is in the set; choose one that is not.")
    plan = Plan(kind, pairs_of(node), preview, _options(node, kind, preview))
    for branch, wanted in zip((*branches_of(node), node.input(2)), plan.wanted.values()):
        frame_tools.check_range(node, pairing.timed_by(branch), wanted)
    return plan


def branches_of(node: Any) -> tuple[Any, Any]:
    """What hangs on the inputs Source and Reference. Raises :class:`HostError` where nothing does."""
    source, reference = node.input(0), node.input(1)
    for branch, side in ((source, "source"), (reference, "reference")):
        if branch is None:
            raise HostError(f"{node.name()}: connect the input {_LABELS[side]}.")
    return source, reference


def pairs_of(node: Any) -> list[Pair]:
    """The pairs that a node's knobs name, by frames of its inputs. Raises :class:`HostError` for a knob that means nothing."""
    held_out, partners, reasons = frame_tools.parse_frames(node["heldOut"].value()), _partners(node), _reasons(node)
    frames = sorted({*frame_tools.parse_frames(node["frames"].value()), *held_out})
    return [
        Pair(frame, partners.get(frame, frame), frame in held_out, reasons.get(str(frame), ""), by_hand=True)
        for frame in frames
    ]


def partners_text(partners: dict[int, int]) -> str:
    """The spelling of the knob ``referenceFrames``: ``1001:1003, 1017:1018``; what has the same number is left out."""
    return ", ".join(f"{source}:{other}" for source, other in sorted(partners.items()) if source != other)


def _partners(node: Any) -> dict[int, int]:
    """The reference's frame for the source frames that the knob ``referenceFrames`` names."""
    found: dict[int, int] = {}
    for word in re.split(r"[\s,]+", str(node["referenceFrames"].value()).strip()):
        if word:
            match = _PARTNERS.match(word)
            if match is None:
                raise HostError(f"{node.name()}: '{word}' is no pair of frames; write source:reference, as 1001:1003.")
            found[int(match.group(1))] = int(match.group(2))
    return found


def _options(node: Any, kind: str, preview: int | None) -> list[str]:
    words = ["--task", kind]
    minutes = node["trainFor"].value() == "minutes"
    words += ["--minutes", f"{node['minutes'].value():g}"] if minutes else ["--steps", str(int(node["steps"].value()))]
    balance = str(node["balance"].value())
    if balance == "numbers":
        numbers = re.split(r"[\s,]+", node["balanceNumbers"].value().strip())
        if len(numbers) != 12:
            raise HostError(f"{node.name()}: the balance has {len(numbers)} numbers; it needs 12, or choose fit or none.")
        balance = ",".join(numbers)
    words += [
        "--size", str(node["modelSize"].value()).lower(), "--patch", str(node["cropSize"].value()),
        "--batch", str(int(node["batchSize"].value())), "--seed", str(int(node["seed"].value())),
        "--encoding", str(node["encoding"].value()), "--matrix", str(node["matrix"].value()), "--balance", balance,
        "--align", str(node["align"].value()), "--checkpoint-interval", str(int(node["checkpointInterval"].value())),
        "--sheet-interval", str(int(node["imageInterval"].value())),
        "--device", preferences.get("device") if node["useGPUIfAvailable"].value() else "cpu",
    ]  # fmt: skip
    if node["stopWhenLevel"].value():
        words.append("--stop-when-level")
    weights = node["initialWeights"].evaluate() or ""
    if weights:
        words += ["--initial-weights", weights if weights == "none" else str(graph.resolved(weights))]
    if preview is not None:
        words += ["--preview", str(preview)]
    return words


def data_directory(node: Any) -> Path:
    """Where the node's runs lie.

    Raises:
        HostError: a relative folder in a script that was never saved, or a name that changes with the frame.
    """
    strange = sorted({"#", "%"} & set(graph.TCL.sub("", str(node["dataDirectory"].value()))))
    if strange:
        raise HostError(f"{node.name()}: '{strange[0]}' in the data directory means a frame number; choose another name.")
    text = node["dataDirectory"].evaluate() or ""
    return graph.folder_from(text, preferences.get("data_folder"), "data directory")


def run_folder(node: Any) -> Path | None:
    """The folder of the node's newest run, or None before the first one."""
    name = str(node["run"].value())
    return data_directory(node) / name if name else None


def state(node: Any) -> RunState:
    """Where the node's newest run is."""
    folder = run_folder(node)
    return read_run(folder) if folder is not None else RunState(Path())


def gather(
    node: Any,
    folder: Path,
    plan: Plan,
    cancelled: Callable[[], bool] | None = None,
    progress: frame_tools.Progress | None = None,
) -> None:
    """Render the node's frames into ``folder/gathered``: EXR, 32-bit float, raw, at full scale, numbered as in the project; and
    write the pairs, with the reasons that the panel noted, as ``pairs.json``.

    Raises:
        HostError: a frame cannot be rendered, or the folder's name holds what Nuke would read as a pattern or as Tcl.
        StorageError: the folder cannot be written.
        CancelledError: ``cancelled`` said so; what was written is left for the caller to remove.
    """
    place = folder / GATHERED
    graph.check_plain(str(folder), "data directory")
    with storage_errors(place):
        place.mkdir(parents=True, exist_ok=True)
    count = sum(len(numbers) for numbers in plan.wanted.values())
    before = 0
    for side, wanted in plan.wanted.items():
        if not wanted:
            continue

        def told(index: int, _: int, what: str, done: int = before, label: str = _LABELS[side]) -> None:
            if progress is not None:
                progress(done + index, count, f"{label}, {what}")

        write = graph.inside(node, f"Gather{_LABELS[side]}")
        frame_tools.render_frames(write, _pattern(folder, side), wanted, cancelled, told)
        before += len(wanted)
    pair_list.to_record(plan.pairs, None, _pattern(folder, "source"), _pattern(folder, "reference")).save(folder / PAIRS)


def _pattern(folder: Path, side: str) -> str:
    """The files of a side. The preview is one more source frame, of whatever branch the artist chose to watch."""
    return (folder / GATHERED / _PATTERN.format(side="source" if side == "preview" else side)).as_posix()


def request_of(
    folder: Path, plan: Plan, cancelled: Callable[[], bool] | None = None, progress: frame_tools.Progress | None = None
) -> dict[str, Any]:
    """What a run was asked: the options, the pairs and the pictures. Two equal requests give the same model.

    Raises:
        CancelledError: ``cancelled`` said so.
    """
    files = sorted((folder / GATHERED).glob("*.exr"))
    pictures: dict[str, str] = {}
    for number, file in enumerate(files):
        if cancelled is not None and cancelled():
            raise CancelledError("Cancelled while the frames were noted.")
        pictures[file.name] = picture_hash(file)
        if progress is not None:
            progress(number + 1, len(files), f"noting {file.name}")
    pairs = [[pair.source, pair.reference, pair.held_out] for pair in plan.pairs]
    return {"options": plan.options, "pairs": pairs, "pictures": pictures}


def train_arguments(folder: Path, plan: Plan) -> list[str]:
    """The worker's command that trains from the gathered frames of a folder, in that folder."""
    return ["train", *plan.options, *worker_inputs(folder, plan), "--out", str(folder)]


def ensure_trained(node: Any, say: Callable[[str], None]) -> Path:
    """Headless: see that the node has a finished model for just this request, and wait for it; returns the model.

    A finished run of an equal request serves as it is, a stopped or killed one goes on, otherwise a new one is trained.

    Raises:
        HostError: the node's settings or inputs do not allow a training, or the worker fails (with the worker's exit code).
    """
    plan = plan_of(node)
    worker.check(worker.find_python())
    folder = _new_run(node)
    with _whole_or_gone(folder):
        gather(node, folder, plan)
        request = request_of(folder, plan)
        write_json(folder / REQUEST, request)
    earlier = _equal_run(node, folder, request)
    if earlier is not None:
        _remove(folder)
        folder = earlier
    found = read_run(folder)
    if found.state != "finished" or found.model is None:
        say(f"{node.fullName()}: {'goes on with' if earlier else 'trains'} {folder.name}")
        words = ["resume", str(folder)] if RunFolder(folder).job.is_file() else train_arguments(folder, plan)
        code, _, tail = worker.call(words, None, say, patience=_PATIENCE)
        if code:
            raise worker.failed(f"{node.fullName()} could not be trained", code, tail)
        found = read_run(folder)
    else:
        say(f"{node.fullName()}: {folder.name} is trained already")
    if found.model is None:
        raise HostError(f"{node.fullName()}: {folder} is finished and has no model; remove the folder and train again.")
    node["run"].setValue(folder.name)
    _take_model(node, found.model)
    inference.follow_model(node)  # a run that went on has another model in the same place
    return found.model


def _take_model(node: Any, model: Path) -> None:
    """Name a model, and let the inference nodes that are linked to this one show it."""
    text = graph.shortened(model)
    if node["model"].value() != text:
        node["model"].setValue(text)
        inference.follow_model(node)


def _equal_run(node: Any, own: Path, request: dict[str, Any]) -> Path | None:
    """The newest other run of the node with an equal request."""
    home, named = data_directory(node), str(node["run"].value())  # under its former name where the node was renamed
    for name in dict.fromkeys([*runs_of(home, node.name()), *([named] if named else [])]):
        folder = home / name
        if folder == own or not (folder / REQUEST).is_file():
            continue
        try:
            known = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # damaged: then it is not equal
        if known == request and RunFolder(folder).job.is_file():
            return folder
    return None


def worker_inputs(folder: Path, plan: Plan) -> list[str]:
    """The options that name the gathered files."""
    second = "--target" if plan.task == "as-is" else "--reference"
    source, reference = (_pattern(folder, side).replace("%04d", "####") for side in ("source", "reference"))
    return ["--source", source, second, reference, "--pairs", str(folder / PAIRS)]


@shown
def verify(node: Any) -> list[dict[str, Any]]:
    """Gather the frames, let the worker look them over, and tell the artist; returns the findings."""
    plan = plan_of(node)
    python = worker.find_python()
    folder = data_directory(node) / f".verify_{node.name()}"
    try:
        with task("Film Recovery: verifying") as (cancelled, progress):
            worker.check(python, cancelled=cancelled)
            gather(node, folder, plan, cancelled, progress)
            code, said, tail = worker.call(["verify", *plan.options, *worker_inputs(folder, plan)], cancelled)
    finally:
        _remove(folder)
    if said is None or "findings" not in said:
        raise worker.failed(f"{node.name()}: the frames could not be looked over", code, tail)
    findings: list[dict[str, Any]] = said["findings"]
    text = "\n".join(f"{finding['severity']}: {finding['message']}" for finding in findings)
    many = sum(pair.held_out for pair in plan.pairs)
    held = f", {many} held out" if many else ""
    show(f"{len(plan.pairs) - many} pairs to train on{held}.\n" + (text or "Nothing stands against training."))
    return findings


@shown
def start(node: Any) -> Path | None:
    """Gather the frames and start a training that goes on when Nuke is closed; returns the run's folder."""
    if _is_own_run(node) and state(node).state in ("running", "starting"):
        raise HostError(f"{node.name()} is training already; stop it first, or make another node.")
    plan = plan_of(node)
    python = worker.find_python()
    with task("Film Recovery: gathering frames") as (cancelled, progress):
        worker.check(python, cancelled=cancelled)
        folder = _new_run(node)
        with _whole_or_gone(folder):
            gather(node, folder, plan, cancelled, progress)
            write_json(folder / REQUEST, request_of(folder, plan, cancelled, progress))
            worker.start_detached(train_arguments(folder, plan), folder)
    node["run"].setValue(folder.name)
    _refreshed(node)
    return folder


@shown
def stop(node: Any) -> None:
    """Ask the run to write a checkpoint and end."""
    folder = run_folder(node)
    if folder is None or state(node).state not in ("running", "starting"):
        raise HostError(f"{node.name()} is not training.")
    if not _is_own_run(node):
        raise HostError(f"{node.name()} is a copy that names the run {folder.name} of another node; stop it there.")
    request = RunFolder(folder).stop_request
    with storage_errors(request):
        request.touch()
    _refreshed(node)


@shown
def resume(node: Any) -> None:
    """Go on with a run that was stopped or killed, exactly where it was."""
    folder = run_folder(node)
    found = state(node)
    if folder is None or found.state not in ("stopped", "interrupted", "failed"):
        raise HostError(f"{node.name()} has nothing to resume: {found.sentence()}")
    if not RunFolder(folder).job.is_file():
        raise HostError(f"{node.name()}: the run never came to its first step ({found.sentence()}) Press Start.")
    python = worker.find_python()
    with task("Film Recovery: resuming") as (cancelled, _):
        worker.check(python, cancelled=cancelled)
    worker.start_detached(["resume", str(folder)], folder)
    _refreshed(node)


@shown
def create_inference(node: Any) -> Any:
    """Make a RecoveryInference with the newest model, beside the node and on its source; returns it."""
    model = state(node).model
    if model is None:
        raise HostError(f"{node.name()} has no model yet: {state(node).sentence()}")
    with graph.beside(node), graph.undo("Film Recovery: create inference"):
        made = nuke.nodes.RecoveryInference()  # createNode would wire it into what is selected
        made.setInput(0, node.input(0))
        made.setXYpos(node.xpos() + 120, node.ypos())
        made["modelFile"].setValue(graph.shortened(model))
    return made


@shown
def train_from_selected(node: Any, selected: Sequence[int]) -> Path | None:
    """Set the node's frames to the selected ones, hold out one in four if there are enough, and start."""
    chosen = sorted(set(selected))
    if len(chosen) < 2:
        raise HostError("Select the FrameHolds of at least two frames of the source; four to nine serve a shot.")
    held_out = chosen[2::4] if len(chosen) >= 4 else []
    node["frames"].setValue(frame_tools.format_frames(frame for frame in chosen if frame not in held_out))
    node["heldOut"].setValue(frame_tools.format_frames(held_out))
    found: Path | None = start(node)
    return found


@shown
def refresh(node: Any) -> RunState:
    """Bring the node's status line up to date; returns the state."""
    return _refreshed(node)


def _refreshed(node: Any) -> RunState:
    """The same for callers that show or suppress errors themselves."""
    found = state(node)
    text = found.sentence()
    if found.model is not None and nuke.GUI:  # headless the slices of a job must all have the model that the script names
        _take_model(node, found.model)
    if found.warnings:
        text += "\n" + found.warning
    if node["status"].value() != text:
        node["status"].setValue(text)
    return found


def on_create(node: Any) -> None:
    """When a node is made or a script is opened: tell how its run stands. Never raises."""
    nuke.addOnScriptLoad(show_runs)  # kept once; while a script is being opened it may still have the name of where it was
    with contextlib.suppress(HostError, RuntimeError, OSError):
        if nuke.GUI and _others_of_run(node):  # a copy; headless nobody copies nodes
            for knob in ("run", "model"):
                node[knob].setValue("")
        _refreshed(node)


def show_runs() -> None:
    """When a script is open, and its name is known: tell of every node how its run stands."""
    for node in nuke.allNodes(CLASS, nuke.root(), recurseGroups=True):
        with contextlib.suppress(HostError, RuntimeError, OSError):
            _refreshed(node)


def _others_of_run(node: Any) -> list[Any]:
    """The other nodes of the script that name the same run in the same folder: a copied node names its original's."""
    own = run_folder(node)
    if own is None:
        return []
    found = []
    for other in nuke.allNodes(CLASS, nuke.root(), recurseGroups=True):
        with contextlib.suppress(HostError):  # of a data directory that cannot be
            if other.fullName() != node.fullName() and run_folder(other) == own:
                found.append(other)
    return found


def _is_own_run(node: Any) -> bool:
    """Whether a node's run is its own, also after it was renamed; of nodes that share one it is that whose name it bears."""
    return str(node["run"].value()).startswith(f"{node.name()}_v") or not _others_of_run(node)


def knob_changed(node: Any, knob: Any) -> None:
    """Grey out what has no effect."""
    name = knob.name()
    if name in ("trainFor", "showPanel"):
        minutes = node["trainFor"].value() == "minutes"
        node["minutes"].setEnabled(minutes)
        node["steps"].setEnabled(not minutes)
    if name in ("balance", "showPanel"):
        node["balanceNumbers"].setEnabled(node["balance"].value() == "numbers")
    if name in ("task", "showPanel"):
        node["balance"].setEnabled(node["task"].value() == "chroma")
    if name == "showPanel":
        with contextlib.suppress(HostError, RuntimeError):
            _refreshed(node)


def _reasons(node: Any) -> dict[str, str]:
    """Why each frame was chosen, as the panel noted it."""
    try:
        value = json.loads(node["pairReasons"].value() or "{}")
    except json.JSONDecodeError as error:
        raise HostError(f"{node.name()}: the notes on its pairs are damaged; clear the knob pairReasons.") from error
    return {str(key): str(text) for key, text in value.items()} if isinstance(value, dict) else {}


def _new_run(node: Any) -> Path:
    """A new folder ``<node>_v###``; versions are never used twice."""
    home = data_directory(node)
    try:
        with storage_errors(home):
            make_folder(home)
    except OSError as error:
        raise HostError(f"The data directory {home} cannot be made: {error.strerror or error}; choose another.") from error
    with storage_errors(home):
        while True:
            newest = next(iter(runs_of(home, node.name())), "_v0")
            folder = home / f"{node.name()}_v{int(newest.rpartition('_v')[2]) + 1:03d}"
            try:
                folder.mkdir()
            except FileExistsError:
                continue  # another Nuke was faster
            return folder


@contextlib.contextmanager
def _whole_or_gone(folder: Path) -> Iterator[None]:
    """Gather into a folder and begin its run; what does not come to its end, also for a farm's stop, leaves nothing behind."""
    done = False
    try:
        yield
        done = True
    finally:
        if not done:
            _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a folder with gathered frames, and nothing else: no folder with a run in it."""
    if folder.is_dir() and not RunFolder(folder).job.exists():
        for place in (folder / GATHERED, folder):
            if place.is_dir():
                for file in [entry for entry in place.iterdir() if entry.is_file()]:
                    file.unlink()
                with contextlib.suppress(OSError):
                    place.rmdir()
