"""Writes the example scripts: ``python examples/nuke/make_scripts.py``. A test keeps the scripts and this file equal.

The graphs are built by the calls that Film Recovery makes in Nuke, in the stand-in, so they hold only what Nuke's nodes have.
Which frames belong together and which are trained on comes from records of ``match``, ``select`` and ``align``: those of the
demonstration's elements in ``curation`` beside this file, or others by ``--curation``. Every script finds its elements beside
itself, in ``elements``, as the demonstration lays them out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "nuke_plugins"))

import embedded_nuke  # noqa: E402
from embedded_nuke.graph.save import script_commands  # noqa: E402
from embedded_nuke.script.check import write_text  # noqa: E402
from embedded_nuke.script.commands import format_script  # noqa: E402
from film_recovery.contract.curation import MatchRecord, Moment, SelectionRecord, load_match, load_selection  # noqa: E402

HERE = "[file dirname [value root.name]]"  # the script's own folder: script and elements can be moved together
FIRST = 1001  # of the time line that both elements share
MINUTES, SEED = 2.0, 7
# What `film-recovery balance` gives for the demonstration's elements: the matrix by rows, then the offset.
BALANCE = (2.6685, -0.0874, -0.0003, 0.1828, 1.0987, 0.0528, -0.0229, -0.059, 1.6411, 0.0606, 0.0298, 0.0573)

GREY, VIOLET, GREEN, RED, BLUE, SAND, TEAL, PLUM = (
    0x6E6E6EFF, 0x6B3A7BFF, 0x4A7050FF, 0x7A2F2AFF, 0x4A5580FF, 0x857F3CFF, 0x2F6F6AFF, 0x4A2F73FF,
)  # fmt: skip
_TITLE, _PASS, _STAGE, _NOTE = 64, 42, 28, 14  # font sizes
_STACK = 990  # from the source's pairs to the reference's, which the panel builds
_ALIGNMENT = 440  # from a pass's left edge to its curation
_HALF_NODE = 34  # from a node's left edge to that of a Dot under its middle


@dataclass(frozen=True)
class Curation:
    """What is known of the two elements before any training. The source of ``match`` and ``selection`` is the internegative.

    ``alignments`` holds by task the align.json that is loaded into the RecoveryAlign, where there is one.
    """

    match: MatchRecord
    selection: SelectionRecord
    alignments: dict[str, Path]
    minutes: float = MINUTES
    seed: int = SEED

    def files(self, side: str) -> tuple[int, int]:
        """First and last file of ``a`` (the internegative) or ``b`` (the print)."""
        found = [number for moment in self.match.timeline() if (number := getattr(moment, side)) is not None]
        return min(found), max(found)


def read_curation(folder: Path, minutes: float = MINUTES, seed: int = SEED) -> Curation:
    """The records of a folder: match/match.json, select/pairs.json, and where they are align_TASK/align.json."""
    alignments = {task: folder / f"align_{task}" / "align.json" for task in ("chroma", "spatial")}
    found = {task: path for task, path in alignments.items() if path.is_file()}
    match, pairs = folder / "match" / "match.json", folder / "select" / "pairs.json"
    return Curation(load_match(match), load_selection(pairs), found, minutes, seed)


@dataclass(frozen=True)
class Branches:
    """Source and reference of a recovery, at the project's frames; ``places`` has that of each frame of the internegative."""

    source: Any
    reference: Any
    places: dict[int, int]

    def at(self, curation: Curation, held_out: bool) -> list[int]:
        """The project's frames of the pairs to train on, or of those held out, ascending."""
        pairs = curation.selection.held_out if held_out else curation.selection.training
        return sorted(self.places[pair.source] for pair in pairs)

    def named(self, curation: Curation) -> str:
        """The frames to train on, as a knob takes them."""
        return ",".join(map(str, self.at(curation, False)))


class Script:
    """A script under construction: nodes at places, rows of dots, backdrops around stages."""

    def __init__(self, line: Sequence[Moment], saved: Path | None) -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == "film_recovery_nuke"]:
            del sys.modules[name]  # they hold the module of the session before
        self.nuke: Any = embedded_nuke.install(plugin_path=[str(ROOT / "gizmos")])
        root = self.nuke.root()
        if saved is not None:  # paths beneath it are written relative to it
            root["name"].setValue(saved.as_posix())
        first, last = line[0].frame, line[-1].frame
        for knob, value in (("first_frame", first), ("last_frame", last), ("frame", first), ("fps", 25), ("lock_range", True),
                            ("format", "960 540 0 0 960 540 1 demonstration")):  # fmt: skip
            root[knob].setValue(value)

    def node(self, kind: str, name: str, at: tuple[int, int], inputs: Sequence[Any] = (), **knobs: Any) -> Any:
        """A node; its inputs may hold None for a gap."""
        made = getattr(self.nuke.nodes, kind)(**knobs)
        if name:
            made.setName(name)
        for index, other in enumerate(inputs):
            made.setInput(index, other)
        made.setXYpos(*at)
        return made

    def row(self, node: Any, columns: Sequence[int], height: int) -> list[Any]:
        """Dots that lead a picture down and along a row, to nodes that stand below at these columns; one a column."""
        before, made = node, []
        if node.Class() != "Dot" or node.ypos() != height:
            before = self.node("Dot", "", (node.xpos() + (0 if node.Class() == "Dot" else _HALF_NODE), height), [node])
        for column in columns:
            before = self.node("Dot", "", (column + _HALF_NODE, height), [before])
            made.append(before)
        return made

    def stage(self, label: str, colour: int, box: tuple[int, int, int, int], order: int = -1, size: int = _STAGE) -> None:
        """A backdrop: left, top, right, bottom."""
        made = self.node("BackdropNode", "", box[:2], bdwidth=box[2] - box[0], bdheight=box[3] - box[1], label=label,
                         note_font_size=size)  # fmt: skip
        made["tile_color"].setValue(colour)
        made["z_order"].setValue(order)

    def note(self, text: str, at: tuple[int, int]) -> None:
        """A sticky note."""
        self.node("StickyNote", "", at, label=text, note_font_size=_NOTE)

    def text(self) -> str:
        """The script, which may be saved anywhere."""
        self.nuke.root()["name"].setValue("")
        for node in self.nuke.allNodes():
            node["selected"].setValue(False)
        return format_script(script_commands(self.nuke.root(), "14.0v1"))


def _elements(script: Script, curation: Curation) -> tuple[Any, Any]:
    """The two Reads: light as it is in the files, at the files' own numbers."""
    script.stage("1 ELEMENTS", TEAL, (-700, -380, -220, 230))
    made = []
    for name, folder, side, left, label in (
        ("Internegative", "internegative_35mm/internegative", "a", -600, "35 mm internegative"),
        ("Print", "print_16mm/print", "b", -400, "16 mm print"),
    ):
        first, last = curation.files(side)
        made.append(
            script.node("Read", name, (left, -290), file=f"{HERE}/elements/{folder}.####.exr", file_type="exr", first=first,
                        last=last, origfirst=first, origlast=last, origset=True, raw=True, label=label)
        )  # fmt: skip
    text = "The internegative is sharp, faded,\nand lacks frames and its end.\nThe print is soft and kept its colour.\n" \
           "Their numbers tell nothing of each\nother: the TimeWarps follow match.json."  # fmt: skip
    script.note(text, (-660, 80))
    return made[0], made[1]


def _named(node: Any, name: str) -> Any:
    node.setName(name)
    return node


def _balance(script: Script, name: str, at: tuple[int, int], inputs: Sequence[Any], frames: str) -> Any:
    """The balance of the internegative, and the frames from which Fit would take new numbers."""
    made = script.node("RecoveryBalance", name, at, inputs, frames=frames)
    for index, knob in enumerate(("row0", "row1", "row2", "offset")):
        made[knob].setValue(list(BALANCE[3 * index : 3 * index + 3]))
    return made


def _alignment(script: Script, left: int, key: str, task: str, tops: tuple[Any, Any], curation: Curation) -> tuple[Any, Any]:
    """The reference laid onto the source, and the source with the same crop; returns source and reference."""
    from film_recovery.contract.curation import load_alignment
    from film_recovery_nuke.nodes import align

    script.stage("2 ALIGNMENT", RED, (left - 120, -280, left + 300, 270), -2)
    laid = script.node("RecoveryAlign", f"Align_{key}", (left + 190, -60), tops)
    path = curation.alignments.get(task)
    if path is not None:
        align.apply(laid, load_alignment(path), path)
    else:
        laid["alignment"].setValue(f"curation/align_{task}/align.json")
    ours = _named(align.create_source(laid), f"Cropped_{key}")
    ours.setXYpos(left - 30, -60)
    text = "Load reads align.json: the reference's\nframe, corners and warp as keys, and\none crop for both. By hand here\n" \
           "corrects a frame; difference shows it."  # fmt: skip
    script.note(text, (left - 90, 110))
    return ours, laid


def _curation(script: Script, left: int, branches: Branches, tops: tuple[Any, Any], curation: Curation) -> tuple[Any, Any]:
    """The pairs: a FrameHold each on both branches, stacked, by what the panel uses."""
    from film_recovery_nuke import graph

    script.stage("3 DATASET CURATION", GREEN, (left - 120, -280, left + 2020, 270), -2)
    held = branches.at(curation, True)
    why = "kept to judge by"
    frames = sorted([*branches.at(curation, False), *held])
    pairs = [graph.Pair(frame, frame, frame in held, why if frame in held else "") for frame in frames]
    dots = [script.node("Dot", "", (left + _HALF_NODE + _STACK * side, -200), [node]) for side, node in enumerate(tops)]
    source, reference = graph.build_pair_stacks(pairs, *dots)
    return source, reference


def _target(script: Script, left: int, stacks: tuple[Any, Any], task: str, pairs: int) -> None:
    """The pairs, to be looked at: how they lie, their target, all of them as a contact sheet."""
    script.stage("4 TARGET", PLUM, (left - 120, 390, left + 1160, 790))
    source, aligned = stacks
    script.node("Merge2", f"Difference_{task}", (left + 750, 590), [source, aligned], operation="difference",
                label="black where aligned")  # fmt: skip
    ours = source
    if task == "chroma":
        ours = _balance(script, "Balance_pairs", (left, 490), [source, aligned], f"1-{pairs}")
    target = script.node("RecoveryTarget", f"Target_{task}", (left + 450, 590), [ours, aligned], task=task)
    script.node("RecoveryCompare", f"Pairs_{task}", (left + 450, 690), [source, aligned, target], mode="contact sheet",
                label0="source", label1="reference", label2="target", inputCount=3, firstFrame=1, frameColumns=pairs, gap=24,
                label="a column a pair")  # fmt: skip
    script.note("What is trained towards,\na column a pair.", (left - 90, 700))


def _pass(
    script: Script, left: int, names: tuple[str, str], branches: Branches, baked: Sequence[int], curation: Curation,
    tops: tuple[Any, Any] | None = None,
) -> tuple[Any, Any]:
    """Alignment, curation, target, training and inference of one recovery.

    Args:
        left: where the stages begin.
        names: of the nodes, and the task.
        branches: source and reference.
        baked: the frames that are recovered.
        tops: source and reference, from where they are led to the alignment; None: from the branches themselves.

    Returns:
        The inference node, and the last dot of the reference's row.
    """
    from film_recovery_nuke.frames import format_frames

    key, task = names
    where = tops or (branches.source, branches.reference)
    dots = [script.node("Dot", "", (left + x, -200), [where[side]]) for side, x in enumerate((-90, 190 + _HALF_NODE))]
    pair = _alignment(script, left, key, task, (dots[0], dots[1]), curation)
    left += _ALIGNMENT
    stacks = _curation(script, left, branches, pair, curation)
    pairs = len(curation.selection.pairs)
    _target(script, left, stacks, task, pairs)
    script.stage("5 TRAINING", BLUE, (left + 1220, 390, left + 1580, 790))
    script.stage("6 INFERENCE", SAND, (left + 1640, 390, left + 2020, 790))
    ours = script.row(pair[0], (left + 1320,), 310)
    theirs = script.row(pair[1], (left + 1420,), 340)
    whole = script.row(dots[0], (left + 1790,), 370)
    trained, held = (format_frames(branches.at(curation, is_held)) for is_held in (False, True))
    trainer = script.node(
        "RecoveryTrain", f"Train_{key}", (left + 1370, 500), [ours[0], theirs[0]], task=task, minutes=curation.minutes,
        seed=curation.seed, frames=trained, heldOut=held, align="none",
    )  # fmt: skip
    script.note("Takes the pairs' frames as they are\nlaid, trains outside Nuke.\nVerify, then Start.", (left + 1260, 640))
    recovered = script.node("RecoveryInference", f"Recover_{key}", (left + 1790, 500), [whole[0]],
                            modelFile=f"[value {trainer.name()}.model]", bakeFrames=format_frames(baked),
                            steady=True)  # fmt: skip
    recovered["status"].setValue("No model.")
    recovered["tile_color"].setValue(0x9A6A3AFF)  # as the gizmo has it: nothing is baked yet
    script.note("Follows the training's newest model.\nBake here, or headless.", (left + 1680, 640))
    return recovered, theirs[0]


def _write(script: Script, name: str, picture: Any, at: tuple[int, int]) -> None:
    """The master, with its record in the header."""
    noted = script.node("ModifyMetaData", "Provenance", at, [picture])
    noted["metadata"].fromScript(
        '{set exr/film "Big Buck Bunny, (c) Blender Foundation, CC-BY 3.0"}\n'
        '{set exr/recovery "reference based, trained on frames of this film"}\n'
        "{set exr/digitalSourceType compositeWithTrainedAlgorithmicMedia}"
    )
    script.node("Write", "Recovered", (at[0], at[1] + 110), [noted], file=f"{HERE}/recovery/{name}.####.exr", file_type="exr",
                channels="rgb", raw=True, create_directories=True, metadata="all metadata")  # fmt: skip


def _baseline(script: Script, source: Any, at: tuple[int, int]) -> Any:
    """The best that one colour LUT can do."""
    script.note("The best that one colour LUT can do;\nthe report writes proof/*.cube.", (at[0] - 110, at[1] + 120))
    return script.node("RecoveryBaseline", "MatchGrade_like", at, [source], lutFile=f"{HERE}/proof/lut_kept_luma.cube")


def _compare(script: Script, inputs: Sequence[Any], labels: Sequence[str], at: tuple[int, int]) -> None:
    """The comparison, and the Viewer on it."""
    named = {f"label{index}": label for index, label in enumerate(labels)}
    made = script.node("RecoveryCompare", "Compare", at, inputs, inputCount=len(inputs), columns=2, firstFrame=FIRST, **named)
    script.node("Viewer", "Viewer1", (at[0], at[1] + 110), [made])


def chroma(curation: Curation, saved: Path | None = None) -> str:
    """The internegative, at its own numbers, gets the print's colour."""
    line = curation.match.own_line()
    script = Script(line, saved)
    from film_recovery_nuke import conform  # finds its nuke in the session that Script has begun

    script.stage("CHROMA RECOVERY", SAND, (-700, -560, 2460, -420), size=_TITLE)
    negative, prints = _elements(script, curation)
    followed = _named(conform.follow(curation.match, prints), "Matched_print")
    branches = Branches(negative, followed, {moment.frame: moment.frame for moment in line})
    recovered, _ = _pass(script, 0, ("chroma", "chroma"), branches, [moment.frame for moment in line], curation)
    script.stage("7 MATCHGRADE BASELINE", PLUM, (1180, 940, 1600, 1340))
    script.stage("8 VALIDATION", VIOLET, (1660, 940, 2020, 1340))
    script.stage("9 MASTER", TEAL, (2080, 940, 2460, 1340))
    ours = script.row(negative, (1350, 1710), 860)
    theirs = script.row(branches.reference, (1810,), 890)
    baseline = _baseline(script, ours[0], (1350, 1050))
    balanced = _balance(script, "Balanced_original", (1710, 1020), [ours[1], theirs[0]], branches.named(curation))
    merged = script.node("RecoveryMerge", "Into_original", (1890, 1080), [balanced, recovered], mode="color",
                         label="colour into the balanced original")  # fmt: skip
    labels = ("16 mm print", "35 mm internegative", "chroma recovery", "one LUT, MatchGrade-like")
    _compare(script, [theirs[0], ours[1], merged, baseline], labels, (1810, 1180))
    _write(script, "chroma/chroma", recovered, (2230, 1050))
    return script.text()


def spatial(curation: Curation, saved: Path | None = None) -> str:
    """The print, at its own numbers, gets the internegative's detail, balanced first: fading moves luma too."""
    match = curation.match.reversed()
    line = match.own_line()
    script = Script(line, saved)
    from film_recovery_nuke import conform  # finds its nuke in the session that Script has begun

    script.stage("SPATIAL RECOVERY", SAND, (-700, -560, 2460, -420), size=_TITLE)
    negative, prints = _elements(script, curation)
    followed = _named(conform.follow(match, negative), "Matched_internegative")
    places = {moment.b: moment.frame for moment in line if moment.b is not None}
    frames = Branches(prints, followed, places).named(curation)
    balanced = _balance(script, "Balanced_reference", (-600, -20), [followed, prints], frames)
    branches = Branches(prints, balanced, places)
    recovered, _ = _pass(script, 0, ("spatial", "spatial"), branches, [moment.frame for moment in line], curation)
    script.stage("7 VALIDATION", VIOLET, (1660, 940, 2020, 1340))
    script.stage("8 MASTER", TEAL, (2080, 940, 2460, 1340))
    theirs = script.row(balanced, (1710,), 860)
    ours = script.row(prints, (1810,), 890)
    merged = script.node("RecoveryMerge", "Into_original", (1890, 1080), [ours[0], recovered], mode="luminosity",
                         label="luma into the original")  # fmt: skip
    labels = ("16 mm print", "35 mm internegative", "spatial recovery")
    _compare(script, [ours[0], theirs[0], merged], labels, (1810, 1180))
    _write(script, "spatial/spatial", recovered, (2230, 1050))
    return script.text()


def combined(curation: Curation, saved: Path | None = None) -> str:
    """Both elements on one time line: colour for the internegative, detail for the print where the internegative is missing."""
    line = curation.match.timeline(FIRST)
    script = Script(line, saved)
    from film_recovery_nuke import conform  # finds its nuke in the session that Script has begun

    script.stage("COMBINED CHROMA AND SPATIAL RECOVERY", SAND, (-700, -560, 5220, -420), size=_TITLE)
    ends = conform.conform(curation.match, *_elements(script, curation), FIRST)
    negative, prints = _named(ends[0], "Conform_internegative"), _named(ends[1], "Conform_print")
    places = {moment.a: moment.frame for moment in line if moment.a is not None}
    script.stage("CHROMA PASS", GREY, (-160, -380, 2500, 830), -3, _PASS)
    colour, _ = _pass(script, 0, ("colour", "chroma"), Branches(negative, prints, places), sorted(places.values()), curation)
    script.stage("SPATIAL PASS", GREY, (2560, -380, 5220, 830), -3, _PASS)
    up = script.node("Dot", "", (2530, 520), [colour])
    rendered = script.node("Dot", "", (2530, -240), [up])
    along = script.row(prints, (2520 - _HALF_NODE,), 292)[0]
    over = script.node("Dot", "", (2520, -200), [along])
    rest = [moment.frame for moment in line if moment.a is None]
    branches = Branches(over, rendered, places)
    detail, _ = _pass(script, 2720, ("detail", "spatial"), branches, rest, curation)
    script.stage("7 MATCHGRADE BASELINE", PLUM, (740, 940, 1160, 1400))
    script.stage("8 VALIDATION", VIOLET, (1220, 940, 1640, 1400))
    script.stage("9 MASTER", TEAL, (2120, 940, 2640, 1400))
    ours, theirs = script.row(negative, (910, 1460), 860), script.row(prints, (1360,), 890)
    baseline = _baseline(script, ours[0], (910, 1060))
    first = script.row(colour, (2290,), 890)
    second = script.row(detail, (2390,), 890)
    chosen = script.node("Switch", "Where_negative_lacks", (2340, 1020), [first[0], second[0]],
                         label="colour where there is\nan internegative")  # fmt: skip
    conform.switch_where_missing(chosen, line)
    _write(script, "sequence/recovered", chosen, (2340, 1150))
    labels = ("16 mm print", "35 mm internegative", "recovered", "one LUT, MatchGrade-like")
    _compare(script, [theirs[0], ours[1], chosen, baseline], labels, (1410, 1180))
    return script.text()


SCRIPTS = {"chroma.nk": chroma, "spatial.nk": spatial, "combined.nk": combined}


def main() -> int:
    """Write all of them."""
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description="Write the example scripts from the records of match, select and align.")
    parser.add_argument("--curation", type=Path, default=here / "curation", help="folder of the records")
    parser.add_argument("--out", type=Path, default=here, help="folder for the scripts, beside which the elements lie")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of each training")
    parser.add_argument("--seed", type=int, default=SEED, help="of each training")
    asked = parser.parse_args()
    curation = read_curation(asked.curation, asked.minutes, asked.seed)
    for name, make in SCRIPTS.items():
        path = asked.out.resolve() / name
        text = make(curation, path if curation.alignments else None)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
