"""Writes the example scripts: ``python examples/nuke/make_scripts.py``. A test keeps the scripts and this file equal.

The graphs are built by the calls that Film Recovery makes in Nuke, in the stand-in, so they hold only what Nuke's nodes have.
Every script finds its elements beside itself, in ``elements``, as the demonstration lays them out.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "nuke_plugins"))

import embedded_nuke  # noqa: E402
from embedded_nuke.graph.save import script_commands  # noqa: E402
from embedded_nuke.script.check import write_text  # noqa: E402
from embedded_nuke.script.commands import format_script  # noqa: E402

HERE = "[file dirname [value root.name]]"  # the script's own folder: script and elements can be moved together
# The demonstration's elements: the internegative lacks the last quarter. The pairs are those that the command line takes.
FIRST, LAST, LAST_NEGATIVE = 1001, 1064, 1048
FRAMES, HELD_OUT = (1001, 1010, 1020, 1029, 1039, 1048), (1015, 1034)
MINUTES, SEED = 2, 7
PAIRS = len(FRAMES) + len(HELD_OUT)
# What `film-recovery balance` gives for these elements and frames: the matrix by rows, then the offset.
BALANCE = (2.6685, -0.0874, -0.0003, 0.1828, 1.0987, 0.0528, -0.0229, -0.059, 1.6411, 0.0606, 0.0298, 0.0573)

GREY, VIOLET, GREEN, RED, BLUE, SAND, TEAL, PLUM = (
    0x6E6E6EFF, 0x6B3A7BFF, 0x4A7050FF, 0x7A2F2AFF, 0x4A5580FF, 0x857F3CFF, 0x2F6F6AFF, 0x4A2F73FF,
)  # fmt: skip
_TITLE, _PASS, _STAGE, _NOTE = 64, 42, 28, 14  # font sizes
_STACK = 990  # from the source's pairs to the reference's, which the panel builds
_HALF_NODE = 34  # from a node's left edge to that of a Dot under its middle


class Script:
    """A script under construction: nodes at places, rows of dots, backdrops around stages."""

    def __init__(self, last: int) -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == "film_recovery_nuke"]:
            del sys.modules[name]  # they hold the module of the session before
        self.nuke: Any = embedded_nuke.install(plugin_path=[str(ROOT / "gizmos")])
        root = self.nuke.root()
        for knob, value in (("first_frame", FIRST), ("last_frame", last), ("frame", FIRST), ("fps", 25), ("lock_range", True),
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
        """The script."""
        for node in self.nuke.allNodes():
            node["selected"].setValue(False)
        return format_script(script_commands(self.nuke.root(), "14.0v1"))


def _elements(script: Script) -> tuple[Any, Any]:
    """The two Reads: light as it is in the files."""
    script.stage("1 ELEMENTS", TEAL, (-700, -380, -220, 130))
    made = []
    for name, folder, last, left, label in (
        ("Internegative", "internegative_35mm/internegative", LAST_NEGATIVE, -600, "35 mm internegative"),
        ("Print", "print_16mm/print", LAST, -400, "16 mm print"),
    ):
        made.append(
            script.node("Read", name, (left, -290), file=f"{HERE}/elements/{folder}.####.exr", file_type="exr", first=FIRST,
                        last=last, origfirst=FIRST, origlast=last, origset=True, raw=True, label=label)
        )  # fmt: skip
    text = "The internegative is sharp, faded,\nand lacks its last quarter.\nThe print is soft, whole,\nand kept its colour."
    script.note(text, (-660, 10))
    return made[0], made[1]


def _balance(script: Script, name: str, at: tuple[int, int], inputs: Sequence[Any], frames: str) -> Any:
    """The balance of the internegative, and the frames from which Fit would take new numbers."""
    made = script.node("RecoveryBalance", name, at, inputs, frames=frames)
    for index, knob in enumerate(("row0", "row1", "row2", "offset")):
        made[knob].setValue(list(BALANCE[3 * index : 3 * index + 3]))
    return made


def _curation(script: Script, left: int, branches: tuple[Any, Any]) -> tuple[Any, Any]:
    """The pairs: a FrameHold each on both branches, stacked, by what the panel uses."""
    from film_recovery_nuke import graph

    script.stage("2 DATASET CURATION", GREEN, (left - 120, -280, left + 2020, 270), -2)
    pairs = [
        graph.Pair(frame, frame, frame in HELD_OUT, "between two pairs" if frame in HELD_OUT else "")
        for frame in sorted((*FRAMES, *HELD_OUT))
    ]
    dots = [script.node("Dot", "", (left + _HALF_NODE + _STACK * side, -200), [node]) for side, node in enumerate(branches)]
    source, reference = graph.build_pair_stacks(pairs, *dots)
    return source, reference


def _target(script: Script, left: int, stacks: tuple[Any, Any], task: str) -> None:
    """The pairs, to be looked at: how they lie, their target, all of them as a contact sheet."""
    script.stage("3 ALIGNMENT AND TARGET", RED, (left - 120, 390, left + 1160, 790))
    source, reference = stacks
    aligned = script.node("Transform", f"Align_{task}", (left + _STACK, 490), [reference], label="by hand, where edges remain")
    script.node("Merge2", f"Difference_{task}", (left + 750, 590), [source, aligned], operation="difference",
                label="black where aligned")  # fmt: skip
    ours = source
    if task == "chroma":
        ours = _balance(script, "Balance_pairs", (left, 490), [source, aligned], f"1-{PAIRS}")
    target = script.node("RecoveryTarget", f"Target_{task}", (left + 450, 590), [ours, aligned], task=task)
    script.node("RecoveryCompare", f"Pairs_{task}", (left + 450, 690), [source, aligned, target], mode="contact sheet",
                label0="source", label1="reference", label2="target", inputCount=3, firstFrame=1, frameColumns=PAIRS, gap=24,
                label="a column a pair")  # fmt: skip
    script.note("Training aligns every pair by itself;\nhere one sees how they lie.", (left - 90, 700))


def _pass(
    script: Script, left: int, names: tuple[str, str], elements: tuple[Any, Any], rows: tuple[int, int],
    baked: tuple[int, int], above: tuple[Any, Any] | None = None,
) -> tuple[Any, Any]:
    """Curation, target, training and inference of one recovery.

    Args:
        left: where the stages begin.
        names: of the nodes, and the task.
        elements: source and reference.
        rows: the heights at which they run.
        baked: first and last frame that is recovered.
        above: the same, from where they are led to the curation; None: from the elements themselves.

    Returns:
        The inference node, and the last dot of the reference's row.
    """
    key, task = names
    stacks = _curation(script, left, above or elements)
    _target(script, left, stacks, task)
    script.stage("4 TRAINING", BLUE, (left + 1220, 390, left + 1580, 790))
    script.stage("5 INFERENCE", SAND, (left + 1640, 390, left + 2020, 790))
    ours = script.row(elements[0], (left + 1320, left + 1790), rows[0])
    theirs = script.row(elements[1], (left + 1420,), rows[1])
    trainer = script.node(
        "RecoveryTrain", f"Train_{key}", (left + 1370, 500), [ours[0], theirs[0]], task=task, minutes=MINUTES, seed=SEED,
        frames=",".join(map(str, FRAMES)), heldOut=",".join(map(str, HELD_OUT)),
    )  # fmt: skip
    script.note("Takes its frames from the elements,\nregisters them, trains outside Nuke.\nVerify, then Start.",
                (left + 1260, 640))  # fmt: skip
    recovered = script.node("RecoveryInference", f"Recover_{key}", (left + 1790, 500), [ours[1]],
                            modelFile=f"[value {trainer.name()}.model]", bakeFrames=f"{baked[0]}-{baked[1]}")  # fmt: skip
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


def chroma() -> str:
    """The internegative gets the print's colour."""
    script = Script(LAST_NEGATIVE)
    script.stage("CHROMA RECOVERY", SAND, (-700, -560, 2020, -420), size=_TITLE)
    negative, prints = _elements(script)
    recovered, _ = _pass(script, 0, ("chroma", "chroma"), (negative, prints), (310, 340), (FIRST, LAST_NEGATIVE))
    script.stage("6 MATCHGRADE BASELINE", PLUM, (740, 940, 1160, 1340))
    script.stage("7 VALIDATION", VIOLET, (1220, 940, 1580, 1340))
    script.stage("8 MASTER", TEAL, (1640, 940, 2020, 1340))
    ours = script.row(negative, (910, 1270), 860)
    theirs = script.row(prints, (1370,), 890)
    baseline = _baseline(script, ours[0], (910, 1050))
    balanced = _balance(script, "Balanced_original", (1270, 1020), [ours[1], theirs[0]], ",".join(map(str, FRAMES)))
    merged = script.node("RecoveryMerge", "Into_original", (1450, 1080), [balanced, recovered], mode="color",
                         label="colour into the balanced original")  # fmt: skip
    labels = ("16 mm print", "35 mm internegative", "chroma recovery", "one LUT, MatchGrade-like")
    _compare(script, [theirs[0], ours[1], merged, baseline], labels, (1370, 1180))
    _write(script, "chroma/chroma", recovered, (1790, 1050))
    return script.text()


def spatial() -> str:
    """The print gets the internegative's detail; the internegative is balanced first, since fading moves luma too."""
    script = Script(LAST)
    script.stage("SPATIAL RECOVERY", SAND, (-700, -560, 2020, -420), size=_TITLE)
    negative, prints = _elements(script)
    balanced = _balance(script, "Balanced_reference", (-600, -60), [negative, prints], ",".join(map(str, FRAMES)))
    recovered, _ = _pass(script, 0, ("spatial", "spatial"), (prints, balanced), (340, 310), (FIRST, LAST))
    script.stage("6 VALIDATION", VIOLET, (1220, 940, 1580, 1340))
    script.stage("7 MASTER", TEAL, (1640, 940, 2020, 1340))
    theirs = script.row(balanced, (1270,), 860)
    ours = script.row(prints, (1370,), 890)
    merged = script.node("RecoveryMerge", "Into_original", (1450, 1080), [ours[0], recovered], mode="luminosity",
                         label="luma into the original")  # fmt: skip
    labels = ("16 mm print", "35 mm internegative", "spatial recovery")
    _compare(script, [ours[0], theirs[0], merged], labels, (1370, 1180))
    _write(script, "spatial/spatial", recovered, (1790, 1050))
    return script.text()


def combined() -> str:
    """Two passes: the internegative gets the print's colour; where it is missing, the print gets its detail."""
    script = Script(LAST)
    script.stage("COMBINED CHROMA AND SPATIAL RECOVERY", SAND, (-700, -560, 4340, -420), size=_TITLE)
    negative, prints = _elements(script)
    script.stage("CHROMA PASS", GREY, (-160, -380, 2060, 830), -3, _PASS)
    both, rest = (FIRST, LAST_NEGATIVE), (LAST_NEGATIVE + 1, LAST)
    colour, along = _pass(script, 0, ("colour", "chroma"), (negative, prints), (310, 340), both)
    script.stage("SPATIAL PASS", GREY, (2120, -380, 4340, 830), -3, _PASS)
    up = script.node("Dot", "", (2080, 520), [colour])
    rendered = script.node("Dot", "", (2080, -240), [up])
    corner = script.node("Dot", "", (2050, 340), [along])
    over = script.node("Dot", "", (2050, -200), [corner])
    detail, _ = _pass(script, 2280, ("detail", "spatial"), (corner, up), (340, 310), rest, (over, rendered))
    script.stage("6 MATCHGRADE BASELINE", PLUM, (740, 940, 1160, 1400))
    script.stage("7 VALIDATION", VIOLET, (1220, 940, 1640, 1400))
    script.stage("8 MASTER", TEAL, (2120, 940, 2640, 1400))
    ours, theirs = script.row(negative, (910, 1460), 860), script.row(prints, (1360,), 890)
    baseline = _baseline(script, ours[0], (910, 1060))
    first = script.row(colour, (2290,), 890)
    second = script.row(detail, (2390,), 890)
    chosen = script.node("Switch", "Where_negative_ends", (2340, 1020), [first[0], second[0]],
                         label="colour while there is\nan internegative")  # fmt: skip
    chosen["which"].setExpression(f"frame > {LAST_NEGATIVE}")
    _write(script, "sequence/recovered", chosen, (2340, 1150))
    labels = ("16 mm print", "35 mm internegative", "recovered", "one LUT, MatchGrade-like")
    _compare(script, [theirs[0], ours[1], chosen, baseline], labels, (1410, 1180))
    return script.text()


SCRIPTS = {"chroma.nk": chroma, "spatial.nk": spatial, "combined.nk": combined}


def main() -> int:
    """Write all of them beside this file."""
    for name, make in SCRIPTS.items():
        write_text(Path(__file__).parent / name, make())
    return 0


if __name__ == "__main__":
    sys.exit(main())
