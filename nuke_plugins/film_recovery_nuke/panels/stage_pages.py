"""The stages before and after training: elements, pairs, target, inference, comparison."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import nuke
from film_recovery.contract.job import ENCODINGS, MATRICES, TASKS
from film_recovery_nuke import curation, graph, needs, pair_list, worker
from film_recovery_nuke import frames as frame_tools
from film_recovery_nuke.errors import HostError, shown
from film_recovery_nuke.graph import Pair
from film_recovery_nuke.nodes import balance, train
from film_recovery_nuke.pair_list import PairList
from film_recovery_nuke.pairing import Shown, element_of, is_of_same_files, onto, to_files, to_project
from film_recovery_nuke.panels.background import Background
from film_recovery_nuke.panels.pair_table import PairTable
from film_recovery_nuke.panels.qt import QtWidgets
from film_recovery_nuke.panels.state import PanelState, selected_node

_FILES = "Pairs (*.csv *.json)"


def paragraph(text: str) -> Any:
    """A line of help that wraps."""
    label = QtWidgets.QLabel(text)
    label.setWordWrap(True)
    return label


def button_row(*buttons: tuple[str, str, Any]) -> tuple[Any, list[Any]]:
    """A row of buttons: label, tooltip, what it does."""
    row = QtWidgets.QHBoxLayout()
    made = []
    for label, tip, slot in buttons:
        button = QtWidgets.QPushButton(label)
        button.setToolTip(tip)
        button.clicked.connect(lambda *clicked, slot=slot: slot())
        row.addWidget(button)
        made.append(button)
    row.addStretch(1)
    return row, made


class ElementsPage(QtWidgets.QWidget):
    """Which element is recovered, which has kept what it lost; and what each has kept, measured."""

    def __init__(self, state: PanelState) -> None:
        super().__init__()
        self._state = state
        self._advice = QtWidgets.QPlainTextEdit()
        self._work = Background(self)
        self._work.done.connect(self._analysed)
        self._work.failed.connect(lambda text: self._advice.setPlainText(text))
        self._work.cancelled.connect(lambda: self._advice.setPlainText("Cancelled."))
        self._labels = {side: paragraph("") for side in ("source", "reference")}
        layout = QtWidgets.QVBoxLayout(self)
        layout.addWidget(paragraph(
            "The source is the element to recover, the reference the one that has kept what the source lost. Both RGB, in one "
            "colour transform, values on one scale; sizes and frame numbers may differ."
        ))  # fmt: skip
        form = QtWidgets.QFormLayout()
        form.addRow("Source", self._labels["source"])
        form.addRow("Reference", self._labels["reference"])
        layout.addLayout(form)
        row, _ = button_row(
            ("Set source", "Take the selected node as the source.", lambda: self.set_side("source")),
            ("Set reference", "Take the selected node as the reference.", lambda: self.set_side("reference")),
            ("Analyse", "Measure what both have kept. Works for Read nodes, in the background.", self.analyse),
            ("Cancel", "Stop the analysis.", self._work.cancel),
        )
        layout.addLayout(row)
        self._advice.setReadOnly(True)
        self._advice.setPlaceholderText("Analyse says which element should lead in which pass.")
        layout.addWidget(self._advice, 1)
        self.refresh()

    @shown
    def set_side(self, side: str) -> None:
        """Take the selected node."""
        self._state.set(side, selected_node())
        self.refresh()

    @shown
    def analyse(self) -> None:
        """Let the worker measure both elements."""
        files = [curation.files_of(self._state.node(side), side) for side in ("source", "reference")]
        self._advice.setPlainText("Measuring …")

        def measure(cancelled: Any, say: Any) -> Any:
            code, said, tail = worker.call(["analyse", files[0], "--against", files[1]], cancelled, say)
            if code or said is None:
                raise worker.failed("The analysis failed", code, tail)
            return said

        self._work.start(measure)

    def refresh(self) -> None:
        """Show what is set."""
        for side, label in self._labels.items():
            node = self._state.known(side)
            if node is None:
                label.setText("not set: select its node and press the button")
            else:
                label.setText(f"{node.name()} ({node.Class()}), frames {node.firstFrame()}-{node.lastFrame()}")

    def stop(self) -> None:
        """End what runs."""
        self._work.cancel()
        self._work.wait()

    def _analysed(self, said: dict[str, Any]) -> None:
        sentences = [str(element.get("sentence", "")) for element in said.get("elements", [])]
        self._advice.setPlainText("\n\n".join([*sentences, str(said.get("advice", ""))]))


class PairsPage(QtWidgets.QWidget):
    """The pairs, as a table and in the graph."""

    def __init__(self, state: PanelState) -> None:
        super().__init__()
        self._state = state
        self._folder = tempfile.TemporaryDirectory(prefix="film_recovery_thumbnails_")
        self.table = PairTable()
        self.table.changed.connect(self._take)
        self.table.jump.connect(self._jump)
        layout = QtWidgets.QVBoxLayout(self)
        first, _ = button_row(
            ("Add frame", "Add the current frame of both elements.", self.add_current),
            ("Add selected", "Add the frames of the selected FrameHolds, or the pairs of a RecoveryTrain.", self.add_selected),
            ("Remove", "Remove the selected pairs.", self.table.remove_selected),
            ("Hold out", "Keep the selected pairs from training, or take them back.", self.table.toggle_held_out),
            ("Jump", "Go to the frame of the selected pair; a double click does it too.", self.table.jump_to_selected),
        )
        second, _ = button_row(
            ("Thumbnails", "Render the missing thumbnails.", self.thumbnails),
            ("Build stacks", "Build FrameHolds and AppendClips for all pairs, with labels and backdrops.", self.build),
            ("Import …", "Read pairs from a CSV or JSON file.", self.import_pairs),
            ("Export …", "Write the pairs as CSV or JSON.", self.export_pairs),
        )
        layout.addLayout(first)
        layout.addWidget(self.table, 1)
        layout.addLayout(second)

    @shown
    def add_current(self) -> None:
        """Add the current frame."""
        self.table.add(self._pair_at(int(nuke.frame())))

    @shown
    def add_selected(self) -> None:
        """Add the frames of the selected FrameHolds, and the pairs of selected RecoveryTrains."""
        chosen = nuke.selectedNodes()
        holds = [node for node in chosen if node.Class() == "FrameHold" and not self._is_of_reference(node)]
        trainings = [node for node in chosen if node.Class() == train.CLASS]
        if not holds and not trainings:
            raise HostError("Select FrameHolds of the source or a RecoveryTrain first; their frames are added.")
        found = [pair for node in trainings for pair in self._pairs_of(node)]
        for node in holds:
            frame, built = int(graph.held_frame_knob(node).value()), graph.pair_of_label(str(node["label"].value()))
            if built is not None and built.source == frame:  # by Build stacks
                found.append(built)
                continue
            found.append(self._pair_at(frame, str(node["label"].value()).replace("\n", " ").strip()))
        for pair in found:
            if pair.source not in [known.source for known in self.table.pairs()]:
                self.table.add(pair)

    @shown
    def thumbnails(self) -> None:
        """Render the missing thumbnails."""
        self.table.render_thumbnails(self._state.node("source"), self._state.node("reference"), Path(self._folder.name))

    @shown
    def build(self) -> Any:
        """Build the stacks in the graph."""
        return graph.build_pair_stacks(self.table.pairs(), self._state.node("source"), self._state.node("reference"))

    def import_pairs(self) -> None:
        """Ask for a file and read it."""
        name, _ = QtWidgets.QFileDialog.getOpenFileName(self, "Import pairs", "", _FILES)
        if name:
            self.read_file(Path(name))

    def export_pairs(self) -> None:
        """Ask for a file and write it."""
        name, _ = QtWidgets.QFileDialog.getSaveFileName(self, "Export pairs", "pairs.csv", _FILES)
        if name:
            self.write_file(Path(name))

    @shown
    def read_file(self, path: Path) -> None:
        """Replace the pairs by those of a file, which counts files."""
        found, sides = pair_list.load(path), self._sides()
        self.table.take(PairList(to_project(found.pairs, *sides), found.record) if sides else found)

    @shown
    def write_file(self, path: Path) -> None:
        """Write the pairs."""
        found, sides = self.table.found(), self._sides()
        names = [graph.files_of(node) if node.Class() == "Read" else node.name() for node in sides]
        pair_list.save(PairList(to_files(found.pairs, *sides), found.record) if sides else found, path, *names)

    def stop(self) -> None:
        """Remove the thumbnails."""
        self._folder.cleanup()

    def _take(self) -> None:
        self._state.pairs = self.table.pairs()

    def _sides(self) -> list[Any]:
        """Both elements, or nothing while one is not set."""
        sides = [self._state.known(side) for side in ("source", "reference")]
        return sides if all(sides) else []

    def _is_of_reference(self, hold: Any) -> bool:
        """Whether a FrameHold holds the reference, as those of *Build stacks*: its frame is none of the source's."""
        held, reference = hold.input(0), self._state.known("reference")
        return held is not None and reference is not None and bool(held.fullName() == reference.fullName())

    def _pairs_of(self, node: Any) -> list[Pair]:
        """A training's pairs, by frames of the elements; what it trains on becomes an element where none is set.

        Raises:
            HostError: an element is set that the training does not train on.
        """
        branches = train.branches_of(node)
        sides = dict(zip(("source", "reference"), branches))
        for side, branch in sides.items():
            known = self._state.known(side)
            if known is not None and not is_of_same_files(branch, known):
                raise HostError(
                    f"{node.name()} trains on the {side} {element_of(branch).name()}, but the page Elements has "
                    f"{known.name()}; set the {side} of this training there, and add its pairs again."
                )
        for side, branch in sides.items():
            if self._state.known(side) is None:
                self._state.set(side, element_of(branch))
        return onto(train.pairs_of(node), branches, (self._state.node("source"), self._state.node("reference")))

    def _pair_at(self, frame: int, reason: str = "") -> Pair:
        """A person's own pair: what both branches show at a project frame."""
        pair, sides = Pair(frame, frame, False, reason, by_hand=True), self._sides()
        if not sides or not self._state.placed:
            return pair
        return onto([pair], (self._state.timed("source"), self._state.timed("reference")), (sides[0], sides[1]))[0]

    @shown
    def _jump(self, frame: int) -> None:
        if self._sides() and "source" in self._state.placed:
            file = Shown(self._state.node("source")).file(frame)
            frame = Shown(self._state.timed("source")).frame(file, frame)
        nuke.frame(frame)


class TargetPage(QtWidgets.QWidget):
    """What is learned: task, coding, matrix; and the nodes that show it."""

    def __init__(self, state: PanelState) -> None:
        super().__init__()
        self._state = state
        layout = QtWidgets.QVBoxLayout(self)
        form = QtWidgets.QFormLayout()
        for name, values in (("task", TASKS), ("encoding", ENCODINGS), ("matrix", MATRICES)):
            box = QtWidgets.QComboBox()
            box.addItems(list(values))
            box.currentTextChanged.connect(lambda text, name=name: self._set(name, text))
            form.addRow(name.capitalize(), box)
        self._meaning = paragraph("")
        layout.addLayout(form)
        layout.addWidget(self._meaning)
        row, _ = button_row(
            ("Create RecoveryBalance", "A density balance on the source, to be fitted from the pairs.", self.create_balance),
            (
                "Create RecoveryTarget",
                "A node that shows the target, the difference and the kept-component check.",
                self.create_target,
            ),
        )
        layout.addLayout(row)
        layout.addStretch(1)
        self._set("task", state.task)

    @shown
    def create_balance(self) -> Any:
        """Make the balance on both elements, with the pairs' frames."""
        return self._make("RecoveryBalance", {"encoding": self._state.encoding})

    @shown
    def create_target(self) -> Any:
        """Make the target on both elements."""
        return self._make(
            "RecoveryTarget", {"task": self._state.task, "encoding": self._state.encoding, "matrix": self._state.matrix}
        )

    def _make(self, kind: str, values: dict[str, str]) -> Any:
        source, reference = self._state.branch("source"), self._state.branch("reference")
        frames = self._frames(source, reference) if kind == balance.CLASS else ""
        with graph.beside(source, reference), graph.undo(f"Film Recovery: {kind}"):
            made = getattr(nuke.nodes, kind)(inputs=[source, reference])
            for name, value in values.items():
                made[name].setValue(value)
            if frames:
                made["frames"].setValue(frames)
            made.setXYpos(source.xpos(), source.ypos() + 160)
        return made

    def _frames(self, source: Any, reference: Any) -> str:
        """The frames of the pairs to train on, which both branches have to show at one number.

        Raises:
            HostError: they do not.
        """
        nodes = self._state.node("source"), self._state.node("reference")
        pairs = onto([pair for pair in self._state.pairs if not pair.held_out], nodes, (source, reference))
        apart = next((pair for pair in pairs if pair.source != pair.reference), None)
        if apart is not None:
            raise HostError(
                f"The pair of frame {apart.source} has the reference's frame {apart.reference}, but a balance is fitted from "
                "one number on both sides; press Use this match on the page Curate first, which moves the reference."
            )
        return frame_tools.format_frames(pair.source for pair in pairs)

    def _set(self, name: str, text: str) -> None:
        setattr(self._state, name, text)
        meanings = {
            "chroma": "Chroma recovery: luma and grain stay the source's, colour comes from the reference.",
            "spatial": "Spatial recovery: colour stays the source's, detail comes from the reference. Never degrain it.",
            "as-is": "As it is: the reference itself is the target; nothing of the source is kept by promise.",
        }
        self._meaning.setText(meanings[self._state.task])


class InferPage(QtWidgets.QWidget):
    """The inference nodes of the script, and what is baked."""

    def __init__(self, state: PanelState) -> None:
        super().__init__()
        self._state = state
        self._table = QtWidgets.QTableWidget(0, 3)
        self._table.setHorizontalHeaderLabels(["node", "model", "status"])
        self._table.verticalHeader().hide()
        self._table.horizontalHeader().setStretchLastSection(True)
        self._table.setSelectionBehavior(QtWidgets.QAbstractItemView.SelectRows)
        self._table.setEditTriggers(QtWidgets.QAbstractItemView.NoEditTriggers)
        self._hint = paragraph(
            "No RecoveryInference in this script yet: press Create Inference on the page Train, when it has a model."
        )
        layout = QtWidgets.QVBoxLayout(self)
        layout.addWidget(self._hint)
        layout.addWidget(self._table, 1)
        row, _ = button_row(
            ("Bake frame", "Bake the current frame of the chosen node.", lambda: self._run("bake_frame")),
            ("Bake range", "Bake the node's frames; what is fresh is left alone.", lambda: self._run("bake_range")),
            ("Check", "Compare what is baked with the input and the model.", lambda: self._run("check_cache")),
            ("Clear", "Remove what is baked, of earlier models too.", lambda: self._run("clear_cache")),
            ("Refresh", "Look at all nodes again.", self.refresh),
        )
        layout.addLayout(row)
        layout.addStretch(0)

    def refresh(self) -> None:
        """List the nodes."""
        from film_recovery_nuke.nodes import inference

        nodes = nuke.allNodes(inference.CLASS, nuke.root(), recurseGroups=True)
        self._hint.setVisible(not nodes)
        self._table.setVisible(bool(nodes))
        self._table.setRowCount(len(nodes))
        for row, node in enumerate(nodes):
            texts = (node.fullName(), Path(str(node["modelFile"].value())).name, inference.refresh(node))
            for column, text in enumerate(texts):
                self._table.setItem(row, column, QtWidgets.QTableWidgetItem(text))
        self._table.resizeColumnsToContents()
        if nodes and self._table.currentRow() < 0:
            self._table.selectRow(0)

    @shown
    def _run(self, what: str) -> None:
        from film_recovery_nuke.nodes import inference

        row = self._table.currentRow()
        if row < 0:
            raise HostError("Choose a node in the table first.")
        node = nuke.toNode(self._table.item(row, 0).text())
        if node is None:
            raise HostError("That node is gone; press Refresh.")
        getattr(inference, what)(node)
        self.refresh()


class ComparePage(QtWidgets.QWidget):
    """The nodes to judge with."""

    def __init__(self, state: PanelState) -> None:
        super().__init__()
        self._state = state
        layout = QtWidgets.QVBoxLayout(self)
        layout.addWidget(paragraph(
            "Select the recovered branch, then make what you need. Accept a chroma recovery when luma matches, there are no "
            "artefacts, colour is steady through the scene and it is clearly better than one LUT; a spatial one when it is "
            "sharper "
            "without halos or flicker and its colour has not moved."
        ))  # fmt: skip
        row, _ = button_row(
            ("Compare", "Source, reference and the selected node side by side, with labels.", self.create_compare),
            ("Merge into original", "Only what was learned, merged into the source.", self.create_merge),
            ("Baseline", "The best that one colour LUT can do; name a .cube on it.", self.create_baseline),
        )
        layout.addLayout(row)
        layout.addStretch(1)

    @shown
    def create_compare(self) -> Any:
        """Side by side."""
        shown = [self._state.branch("source"), self._state.branch("reference"), selected_node()]
        with graph.beside(*shown):
            made = nuke.nodes.RecoveryCompare(inputs=shown)
        result = shown[2]
        made.setXYpos(result.xpos() + 160, result.ypos() + 80)
        return made

    @shown
    def create_merge(self) -> Any:
        """Into the original."""
        source, result = self._state.branch("source"), selected_node()
        with graph.beside(source, result):
            made = nuke.nodes.RecoveryMerge(inputs=[source, result])
        for name, value in self._coding().items():
            made[name].setValue(value)
        made["mode"].setValue("luminosity" if self._state.task == "spatial" else "color")
        made.setXYpos(result.xpos(), result.ypos() + 80)
        return made

    @shown
    def create_baseline(self) -> Any:
        """One LUT."""
        source = self._state.branch("source")
        with graph.beside(source):
            made = nuke.nodes.RecoveryBaseline(inputs=[source])
        made["encoding"].setValue(self._coding()["encoding"])
        made.setXYpos(source.xpos() + 160, source.ypos() + 80)
        return made

    def _coding(self) -> dict[str, str]:
        """Encoding and matrix of the recovery: of the selected node's model where it is an inference node, else the panel's."""
        chosen = nuke.selectedNodes()
        if len(chosen) == 1 and chosen[0].Class() == needs.INFERENCE:
            return {name: str(chosen[0][f"card{name.capitalize()}"].value()) for name in ("encoding", "matrix")}
        return {"encoding": self._state.encoding, "matrix": self._state.matrix}
