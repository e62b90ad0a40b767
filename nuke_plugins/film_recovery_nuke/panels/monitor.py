"""The training monitor: reads a run's folder, so it finds a training again after Nuke was closed."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from film_recovery_nuke.panels.findings import FindingsView
from film_recovery_nuke.panels.loss_graph import LossGraph
from film_recovery_nuke.panels.picture import PictureLabel
from film_recovery_nuke.panels.qt import Qt, QtCore, QtWidgets
from film_recovery_nuke.run_state import RunReader, RunState, runs_of

_EVERY_MS = 1000
_RUNNING = ("running", "starting")
_NO_TRAINING = "No training yet. Choose pairs, then press Start."


class TrainingMonitor(QtWidgets.QWidget):
    """Runs of a data directory in a table, and the chosen run's curves, pictures and warnings."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._home: Path | None = None
        self._prefix = self._current = ""
        self._readers: dict[str, RunReader] = {}  # by the name of the run
        self._build()
        self._timer = QtCore.QTimer(self)
        self._timer.setInterval(_EVERY_MS)
        self._timer.timeout.connect(self.refresh)

    def watch(self, home: Path | None, prefix: str = "", current: str = "") -> None:
        """Follow the runs ``<prefix>_v###`` of a folder, and ``current``, which is chosen: a node that was renamed has it under
        its former name. Without one the newest is."""
        self._home, self._prefix, self._current, self._readers = home, prefix, current, {}
        self._fill_table(current)
        self.refresh()
        self._timer.start()

    def set_view(self, log_scale: bool, smoothness: float) -> None:
        """How the loss is drawn."""
        self._log.setChecked(log_scale)
        self._smooth.setValue(int(100 * smoothness))

    def refresh(self) -> RunState | None:
        """Read what was added to the chosen run, and to those that were running; returns its state, None without a run."""
        if self._home is not None and self._names() != self._listed:
            self._fill_table(self._chosen())
        name = self._chosen()
        if not name or self._home is None:
            self._show(RunState(Path()))
            self._status.setText(_NO_TRAINING)
            return None
        for row, other in enumerate(self._listed):
            if other != name and self._table.item(row, 1).text() in _RUNNING:
                self._fill_row(row, other, self._read(other))
        state = self._read(name)
        self._fill_row(self._table.currentRow(), name, state)
        self._show(state)
        return state

    def _read(self, name: str) -> RunState:
        assert self._home is not None
        if name not in self._readers:
            self._readers[name] = RunReader(self._home / name)
        return self._readers[name].read()

    def stop(self) -> None:
        """Stop looking; the training goes on."""
        self._timer.stop()

    def hideEvent(self, event: Any) -> None:
        """Nobody looks: rest."""
        self._timer.stop()
        super().hideEvent(event)

    def showEvent(self, event: Any) -> None:
        """Somebody looks again."""
        super().showEvent(event)
        if self._home is not None:
            self._timer.start()

    def _build(self) -> None:
        self._listed: list[str] = []
        self._table = QtWidgets.QTableWidget(0, 4, self)
        self._table.setHorizontalHeaderLabels(["run", "state", "step", "held-out dB"])
        self._table.horizontalHeader().setSectionResizeMode(QtWidgets.QHeaderView.Stretch)
        self._table.verticalHeader().hide()
        self._table.setSelectionBehavior(QtWidgets.QAbstractItemView.SelectRows)
        self._table.setSelectionMode(QtWidgets.QAbstractItemView.SingleSelection)
        self._table.setEditTriggers(QtWidgets.QAbstractItemView.NoEditTriggers)
        self._table.setMinimumHeight(90)
        self._table.setMaximumHeight(120)
        self._table.itemSelectionChanged.connect(self._choose)
        self._status = QtWidgets.QLabel(_NO_TRAINING)
        self._status.setWordWrap(True)
        self._bar = QtWidgets.QProgressBar()
        self._graph = LossGraph()
        self._log = QtWidgets.QCheckBox("log scale")
        self._log.setChecked(True)
        self._log.toggled.connect(self._restyle)
        self._smooth = QtWidgets.QSlider(Qt.Horizontal)
        self._smooth.setRange(0, 99)
        self._smooth.setValue(60)
        self._smooth.setMaximumWidth(160)
        self._smooth.valueChanged.connect(self._restyle)
        tools = QtWidgets.QHBoxLayout()
        tools.addWidget(self._log)
        tools.addSpacing(12)
        tools.addWidget(QtWidgets.QLabel("smoothness"))
        tools.addWidget(self._smooth)
        tools.addStretch(1)
        self._sheet = PictureLabel("The contact sheet comes with the first interval: input, target, output.")
        self._preview = PictureLabel("No preview. Connect Preview and switch it on to watch an unseen frame.")
        self._findings = FindingsView()
        pictures = QtWidgets.QTabWidget()
        pictures.addTab(self._sheet, "Contact sheet")
        pictures.addTab(self._preview, "Preview")
        pictures.addTab(self._findings, "Findings")
        self._warnings = QtWidgets.QPlainTextEdit()
        self._warnings.setReadOnly(True)
        self._warnings.setPlaceholderText("Warnings appear here in words.")
        self._warnings.setMaximumHeight(80)
        split = QtWidgets.QSplitter(Qt.Vertical)
        split.addWidget(self._graph)
        split.addWidget(pictures)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 4)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self._table, self._status, self._bar):
            layout.addWidget(part)
        layout.addLayout(tools)
        layout.addWidget(split, 1)
        layout.addWidget(self._warnings)

    def _names(self) -> list[str]:
        if self._home is None:
            return []
        found: list[str] = []
        with contextlib.suppress(OSError):  # not there yet, or not to be looked into
            found = runs_of(self._home, self._prefix)
        return found if self._current in ("", *found) else [self._current, *found]

    def _fill_table(self, current: str) -> None:
        names = self._names()
        self._listed = names
        self._table.blockSignals(True)
        self._table.setRowCount(len(names))
        for row, name in enumerate(names):
            self._fill_row(row, name, self._read(name))
        chosen = names.index(current) if current in names else 0
        if names:
            self._table.selectRow(chosen)
        self._table.blockSignals(False)

    def _fill_row(self, row: int, name: str, state: RunState) -> None:
        best = f"{state.figure:.2f}" if state.figure is not None else ""
        step = f"{state.step} of {state.steps}" if state.steps else ""
        for column, text in enumerate((name, state.state, step, best)):
            item = self._table.item(row, column)
            if item is None:
                item = QtWidgets.QTableWidgetItem()
                self._table.setItem(row, column, item)
            item.setText(text)

    def _chosen(self) -> str:
        row = self._table.currentRow()
        item = self._table.item(row, 0) if row >= 0 else None
        return item.text() if item is not None else ""

    def _choose(self) -> None:
        self.refresh()

    def _restyle(self) -> None:
        self._graph.log_scale = self._log.isChecked()
        self._graph.smoothness = self._smooth.value() / 100.0
        self._graph.update()

    def _show(self, state: RunState) -> None:
        self._status.setText(state.sentence())
        self._bar.setRange(0, state.steps if state.steps else (0 if state.state in _RUNNING else 1))
        self._bar.setValue(state.step)
        self._graph.show_state(state)
        self._sheet.show_file(state.sheet)
        self._preview.show_file(state.preview)
        self._findings.show_findings(state.folder, state.findings)
        text = "\n".join(state.warnings)
        if text != self._warnings.toPlainText():
            self._warnings.setPlainText(text)
