"""The stage of training: a RecoveryTrain node and its monitor."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import nuke
from film_recovery.contract.errors import FilmRecoveryError
from film_recovery.contract.job import SIZES
from film_recovery_nuke import frames as frame_tools
from film_recovery_nuke import graph
from film_recovery_nuke.errors import HostError, shown
from film_recovery_nuke.nodes import train
from film_recovery_nuke.pairing import element_of, is_of_same_files, onto
from film_recovery_nuke.panels.monitor import TrainingMonitor
from film_recovery_nuke.panels.qt import QtWidgets
from film_recovery_nuke.panels.stage_pages import button_row, paragraph
from film_recovery_nuke.panels.state import PanelState

_NEW = "new node"


class TrainPage(QtWidgets.QWidget):
    """Chooses or makes a RecoveryTrain, gives it the pairs, starts it and shows how it goes."""

    def __init__(self, state: PanelState) -> None:
        super().__init__()
        self._state = state
        self._nodes = QtWidgets.QComboBox()
        self._nodes.currentTextChanged.connect(self._follow)
        self._size = QtWidgets.QComboBox()
        self._size.addItems([size.capitalize() for size in SIZES])
        self._size.setCurrentText("Medium")
        self._minutes = QtWidgets.QDoubleSpinBox()
        self._minutes.setRange(0.1, 1440.0)
        self._minutes.setValue(10.0)
        self._minutes.setSuffix(" min")
        form = QtWidgets.QFormLayout()
        form.addRow("Node", self._nodes)
        form.addRow("Model size", self._size)
        form.addRow("Train for", self._minutes)
        self.monitor = TrainingMonitor()
        row, _ = button_row(
            (
                "Use pairs",
                "Write the pairs of the table, task, encoding and matrix of the page Target, and size and minutes of this page "
                "into the node, over what it had; makes the node if there is none.",
                self.use_pairs,
            ),
            ("Verify", "Render the pairs that the node's knobs name, and look them over.", lambda: self._run(train.verify)),
            ("Start", "Render the pairs and train as the node's knobs say, also without Nuke.", lambda: self._run(train.start)),
            ("Stop", "Write a checkpoint and end.", lambda: self._run(train.stop)),
            ("Resume", "Go on where it was stopped.", lambda: self._run(train.resume)),
            ("Create Inference", "Make a RecoveryInference with the newest model.", lambda: self._run(train.create_inference)),
        )
        layout = QtWidgets.QVBoxLayout(self)
        layout.addWidget(paragraph("Training runs outside Nuke and goes on when Nuke is closed; this page finds it again."))
        layout.addLayout(form)
        layout.addLayout(row)
        layout.addWidget(self.monitor, 1)
        self.refresh()

    def refresh(self) -> None:
        """List the nodes and follow the chosen one."""
        chosen = self._nodes.currentText()
        names = [node.fullName() for node in nuke.allNodes(train.CLASS, nuke.root(), recurseGroups=True)]
        self._nodes.blockSignals(True)
        self._nodes.clear()
        self._nodes.addItems([*names, _NEW])
        self._nodes.setCurrentText(chosen if chosen in names else (names[0] if names else _NEW))
        self._nodes.blockSignals(False)
        self._follow()

    @shown
    def use_pairs(self) -> Any:
        """Give the node the pairs and the settings of this page; returns the node."""
        pairs = self._state.pairs
        if not pairs:
            raise HostError("There are no pairs yet; choose some on the page Pairs.")
        self._look_again()
        nodes = self._state.node("source"), self._state.node("reference")
        with graph.beside(*nodes), graph.undo("Film Recovery: pairs"):
            node = self._node()
            self._refuse_another(node)
            branches = (node.input(0) or nodes[0], node.input(1) or nodes[1]) if node is not None else (
                self._state.branch("source"), self._state.branch("reference"))  # fmt: skip
            placed = onto(pairs, nodes, branches)
            node = node or self._make(*branches)
            node["task"].setValue(self._state.task)
            node["encoding"].setValue(self._state.encoding)
            node["matrix"].setValue(self._state.matrix)
            node["frames"].setValue(frame_tools.format_frames(pair.source for pair in placed if not pair.held_out))
            node["heldOut"].setValue(frame_tools.format_frames(pair.source for pair in placed if pair.held_out))
            node["referenceFrames"].setValue(train.partners_text({pair.source: pair.reference for pair in placed}))
            node["pairReasons"].setValue(json.dumps({str(pair.source): pair.reason for pair in placed if pair.reason}))
            node["modelSize"].setValue(self._size.currentText())
            node["trainFor"].setValue("minutes")
            node["minutes"].setValue(self._minutes.value())
        self.refresh()
        return node

    def _look_again(self) -> None:
        """A node may have been made since the page was entered; where some were listed, the artist has chosen."""
        if self._nodes.count() == 1:
            self.refresh()

    def _refuse_another(self, node: Any) -> None:
        """Raise :class:`HostError` for a training of other elements than the pairs are of."""
        for index, side in enumerate(("source", "reference")):
            branch = node.input(index) if node is not None else None
            if branch is not None and not is_of_same_files(branch, self._state.node(side)):
                raise HostError(
                    f"{node.fullName()} trains on the {side} {element_of(branch).name()}, but these are pairs of "
                    f"{self._state.node(side).name()}; choose another RecoveryTrain in the list, or '{_NEW}'."
                )

    def stop(self) -> None:
        """Stop looking; the training goes on."""
        self.monitor.stop()

    @shown
    def _run(self, what: Any) -> None:
        self._look_again()
        node = self._node()
        if node is None:
            raise HostError("There is no RecoveryTrain yet: press Use pairs, it makes one.")
        what(node)
        self._follow()

    def _node(self) -> Any:
        name = self._nodes.currentText()
        return nuke.toNode(name) if name and name != _NEW else None

    def _make(self, source: Any, reference: Any) -> Any:
        made = nuke.nodes.RecoveryTrain(inputs=[source, reference])
        made.setXYpos(source.xpos(), source.ypos() + 240)
        self._nodes.insertItem(0, made.fullName())
        self._nodes.setCurrentText(made.fullName())
        return made

    def _follow(self, *text: Any) -> None:
        node = self._node()
        home = None
        if node is not None:
            with contextlib.suppress(FilmRecoveryError):  # an unsaved script has no data directory yet
                home = train.data_directory(node)
        self.monitor.watch(home, node.name() if node is not None else "", str(node["run"].value()) if node is not None else "")
