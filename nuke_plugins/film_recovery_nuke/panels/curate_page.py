"""The stage before the pairs: analyse, match, select and align, a tab each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nuke
from film_recovery.contract.curation import load_alignment, load_match, load_selection
from film_recovery.contract.errors import FilmRecoveryError
from film_recovery_nuke import curation, worker
from film_recovery_nuke.errors import HostError, shown
from film_recovery_nuke.graph import Pair
from film_recovery_nuke.nodes import align
from film_recovery_nuke.panels.qt import Qt, QtCore, QtGui, QtWidgets
from film_recovery_nuke.panels.stage_pages import button_row, paragraph
from film_recovery_nuke.panels.state import PanelState, selected_node

_EVERY = 1000  # milliseconds between two looks at a running command
_PICTURE_WIDTH = 520


class CommandTab(QtWidgets.QWidget):
    """One command: its settings, how it stands, what it found, and the pictures that it wrote."""

    command = ""
    intro = ""
    headers: tuple[str, ...] = ()

    def __init__(self, state: PanelState) -> None:
        super().__init__()
        self._state = state
        self._known = ("", 0.0)
        layout = QtWidgets.QVBoxLayout(self)
        layout.addWidget(paragraph(self.intro))
        self.form = QtWidgets.QFormLayout()
        layout.addLayout(self.form)
        row, (self.start_button, self.cancel_button, *_) = button_row(
            ("Start", "Start it outside Nuke; it goes on when Nuke is closed.", self.start),
            ("Cancel", "Ask it to end; what it has read is kept.", self.cancel),
            ("Open page", "Open the page that it wrote in the browser.", self.open_page),
            ("Open folder", "Open the folder with everything that it wrote.", self.open_folder),
        )
        layout.addLayout(row)
        self.status = paragraph("")
        layout.addWidget(self.status)
        self.table = QtWidgets.QTableWidget(0, len(self.headers))
        self.table.setHorizontalHeaderLabels(list(self.headers))
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 8)
        self.table.setTextElideMode(Qt.ElideMiddle)
        self.table.horizontalHeader().setStretchLastSection(True)
        self.table.setSelectionBehavior(QtWidgets.QAbstractItemView.SelectRows)
        self.table.setEditTriggers(QtWidgets.QAbstractItemView.NoEditTriggers)
        self.table.itemDoubleClicked.connect(lambda item: self._jump(item.row()))
        self.notes = paragraph("")
        self.picture = QtWidgets.QLabel()
        self.shown_picture = QtWidgets.QComboBox()
        self.shown_picture.setToolTip("The pictures that it wrote.")
        self.shown_picture.currentIndexChanged.connect(self._show_picture)
        layout.addWidget(self.table, 2)
        layout.addWidget(self.notes)
        self.actions = QtWidgets.QVBoxLayout()
        layout.addLayout(self.actions)
        layout.addWidget(self.shown_picture)
        layout.addWidget(self.picture)
        layout.addStretch(0)
        self._timer = QtCore.QTimer(self)
        self._timer.setInterval(_EVERY)
        self._timer.timeout.connect(self.refresh)

    def options(self) -> list[str]:
        """The words of this tab's settings."""
        return []

    def fill(self, folder: Path) -> None:
        """Show what the command wrote. Raises :class:`FilmRecoveryError` for a damaged record."""

    def folder(self) -> Path:
        """The command's folder for the two elements."""
        return curation.folder_of(self.command, self._state.node("source"), self._state.node("reference"))

    @shown
    def start(self) -> None:
        """Start the command."""
        sides = {side: self._state.node(side) for side in ("source", "reference")}
        folder = self.folder()
        files = [curation.files_of(node, side) for side, node in sides.items()]
        curation.start(curation.arguments(self.command, files[0], files[1], folder, self.options()), folder)
        self._known = ("", 0.0)
        self._timer.start()
        self.refresh()

    @shown
    def cancel(self) -> None:
        """Ask the command to end."""
        if not curation.cancel(self.folder()):
            raise HostError(f"{self.command} does not run.")
        self.refresh()

    @shown
    def open_page(self) -> None:
        """Open the page in the browser."""
        found = curation.page(self.folder())
        if found is None:
            raise HostError(f"{self.command} has written no page; open its folder instead.")
        QtGui.QDesktopServices.openUrl(QtCore.QUrl.fromLocalFile(str(found)))

    @shown
    def open_folder(self) -> None:
        """Open the folder."""
        QtGui.QDesktopServices.openUrl(QtCore.QUrl.fromLocalFile(str(self.folder())))

    def refresh(self) -> None:
        """Look at the folder; reads what was written only when it is new."""
        try:
            folder = self.folder()
            found = curation.standing(folder)
            self._tell(found)
            record = folder / curation.RECORDS.get(self.command, worker.LOG)
            known = (str(record), record.stat().st_mtime if record.is_file() else 0.0)
            if known != self._known and (self.command in curation.RECORDS or found.state != "running"):
                self._known = known
                self.table.setRowCount(0)
                self.notes.setText("")
                if known[1]:
                    self.fill(folder)
                self._list_pictures(folder)
        except FilmRecoveryError as error:
            self._timer.stop()
            self.status.setText(str(error))
            self._buttons(False)
        self.table.setVisible(self.table.rowCount() > 0)

    def stop(self) -> None:
        """Stop looking; the command goes on."""
        self._timer.stop()

    def put_row(self, texts: tuple[Any, ...], frame: int | None = None) -> None:
        """Add a row to the table; a double click on it goes to ``frame`` of the source."""
        row = self.table.rowCount()
        self.table.insertRow(row)
        for column, text in enumerate(texts):
            item = QtWidgets.QTableWidgetItem(str(text))
            item.setToolTip(str(text))
            item.setData(Qt.UserRole, frame)
            self.table.setItem(row, column, item)

    def add_actions(self, *buttons: tuple[str, str, Any]) -> None:
        """Add buttons that bring results into the graph."""
        self.actions.addLayout(button_row(*buttons)[0])

    def record(self) -> Path:
        """The command's record. Raises :class:`HostError` when there is none."""
        path = self.folder() / curation.RECORDS[self.command]
        if not path.is_file():
            raise HostError(f"There is no {path.name} yet; press Start.")
        return path

    def _tell(self, found: curation.Standing) -> None:
        self.status.setText(found.sentence())
        running = found.state == "running"
        self._buttons(running)
        if running != self._timer.isActive():
            self._timer.start() if running else self._timer.stop()

    def _buttons(self, running: bool) -> None:
        self.start_button.setEnabled(not running)
        self.cancel_button.setEnabled(running)

    def _jump(self, row: int) -> None:
        frame = self.table.item(row, 0).data(Qt.UserRole)
        if frame is not None:
            nuke.frame(int(frame))

    def _list_pictures(self, folder: Path) -> None:
        self.shown_picture.blockSignals(True)
        self.shown_picture.clear()
        for path in curation.pictures(folder):
            self.shown_picture.addItem(path.name, str(path))
        self.shown_picture.blockSignals(False)
        self._show_picture()

    def _show_picture(self, *index: Any) -> None:
        name = self.shown_picture.currentData()
        picture = QtGui.QPixmap(name) if name else QtGui.QPixmap()
        self.shown_picture.setVisible(bool(name))
        self.picture.setVisible(not picture.isNull())
        if not picture.isNull():
            ratio = self.devicePixelRatioF()
            wide = picture.scaledToWidth(int(min(_PICTURE_WIDTH, picture.width()) * ratio), Qt.SmoothTransformation)
            wide.setDevicePixelRatio(ratio)
            self.picture.setPixmap(wide)


class AnalyseTab(CommandTab):
    """What each element has kept."""

    command = "analyse"
    intro = "Measures what each element has kept, and says which should lead in which pass. Works on Read nodes."
    headers = ("element", "what it has kept")

    def fill(self, folder: Path) -> None:
        """Sentences about the elements, and the advice."""
        said = curation.last_object(folder) or {}
        for element in said.get("elements", []):
            name = Path(str(element.get("name") or element.get("path") or element.get("element") or "")).name
            self.put_row((name, element.get("sentence", "")))
        self.table.setColumnWidth(0, 30 * self.fontMetrics().averageCharWidth())
        self.table.resizeRowsToContents()
        self.notes.setText(str(said.get("advice", "")))


class MatchTab(CommandTab):
    """Which frames show the same picture."""

    command = "match"
    intro = "Finds which frames of both elements show the same picture. A double click goes to the first frame of a stretch."
    headers = ("source", "reference", "frames", "offset", "confidence", "uncertain frames")

    def __init__(self, state: PanelState) -> None:
        super().__init__(state)
        self.add_actions(
            ("Put into the graph", "Make the TimeOffsets that show the reference at the source's frames.", self.build)
        )

    def fill(self, folder: Path) -> None:
        """The segments."""
        found = load_match(folder / "match.json")
        for part in found.segments:
            last = part.length - 1
            self.put_row((
                f"{part.first_a}-{part.first_a + last}", f"{part.first_b}-{part.first_b + last}", part.length,
                f"{part.first_a - part.first_b:+d}", f"{part.confidence:.2f}", sum(many > 0 for many in part.plus_minus),
            ), part.first_a)  # fmt: skip
        self.table.resizeColumnsToContents()
        self.notes.setText("\n".join(found.notes))

    @shown
    def build(self) -> Any:
        """Make the nodes, and take them as the reference."""
        return curation.offsets_graph(load_match(self.record()), self._state.node("reference"))


class SelectTab(CommandTab):
    """Which pairs to train on."""

    command = "select"
    intro = "Proposes pairs to train on and to hold out, with reasons. Name frames to keep or to avoid, and start again."
    headers = ("source", "reference", "held out", "why this pair", "scope")

    def __init__(self, state: PanelState, pairs: Any) -> None:
        super().__init__(state)
        self._pairs = pairs
        self.count, self.keep, self.avoid = (QtWidgets.QLineEdit(text) for text in ("auto", "", ""))
        self.scope = QtWidgets.QComboBox()
        self.scope.addItems(["shot", "scene", "sequence"])
        self.scope.setCurrentText("sequence")
        self.keep.setPlaceholderText("1001,1040-1042")
        for label, box, tip in (
            ("Pairs", self.count, "How many pairs for each scope; auto leaves it to the looks of the film."),
            ("Scope", self.scope, "What one model is for."), ("Keep", self.keep, "Source frames that must be among the pairs."),
            ("Avoid", self.avoid, "Source frames that must not."),
        ):  # fmt: skip
            box.setToolTip(tip)
            self.form.addRow(label, box)
        self.add_actions(
            ("Keep my pairs", "Hand the frames of the page Pairs on as frames to keep.", self.keep_mine),
            ("To the page Pairs", "Fill the table of pairs, where everything can be changed.", self.take),
        )

    def options(self) -> list[str]:
        """Pairs, scope, and a person's own picks."""
        words = ["--pairs", self.count.text().strip() or "auto", "--scope", self.scope.currentText()]
        for option, box in (("--keep", self.keep), ("--avoid", self.avoid)):
            if box.text().strip():
                words += [option, box.text().strip()]
        return words

    def fill(self, folder: Path) -> None:
        """The pairs."""
        found = load_selection(folder / "pairs.json")
        for pair in found.pairs:
            why = "; ".join([pair.reason, *pair.adds]) if pair.reason else "; ".join(pair.adds)
            row = (pair.source, pair.reference, "yes" if pair.held_out else "", why, pair.scope)
            self.put_row(row, pair.source)
        for entry in found.rejected:
            self.put_row((entry.get("source", ""), "", "passed over", entry.get("reason", ""), ""), entry.get("source"))
        self.table.resizeColumnsToContents()
        uncovered = [f"{scope.name}: {', '.join(scope.uncovered)} not covered." for scope in found.scopes if scope.uncovered]
        self.notes.setText("\n".join([*found.advice, *uncovered]))

    @shown
    def keep_mine(self) -> None:
        """Take the frames of the table as frames to keep."""
        from film_recovery_nuke.frames import format_frames

        self.keep.setText(format_frames(pair.source for pair in self._pairs.pairs()))

    @shown
    def take(self) -> None:
        """Fill the table of pairs."""
        chosen = load_selection(self.record()).pairs
        self._pairs.set_pairs([Pair(one.source, one.reference, one.held_out, one.reason) for one in chosen])


class AlignTab(CommandTab):
    """How the reference lies on the source."""

    command = "align"
    intro = (
        "Lays the reference onto the source, frame by frame. Rejected frames are listed with the reason; correct them by hand."
    )
    headers = ("source", "reference", "verdict", "left, px", "why")

    def __init__(self, state: PanelState) -> None:
        super().__init__(state)
        self.frames = QtWidgets.QLineEdit()
        self.frames.setPlaceholderText("all that were matched")
        self.frames.setToolTip("Source frames to align, as 1001-1055 or 1001,1017.")
        self.form.addRow("Frames", self.frames)
        self.add_actions(
            ("Frames of the pairs", "Align the frames of the page Pairs only.", self.use_pairs),
            ("Create RecoveryAlign", "Make a node on both elements with this alignment.", self.create),
            ("Update selected", "Load this alignment into the selected RecoveryAlign.", self.update_selected),
        )

    def options(self) -> list[str]:
        """The frames."""
        return ["--frames", self.frames.text().strip()] if self.frames.text().strip() else []

    def fill(self, folder: Path) -> None:
        """What was not aligned first, then the rest."""
        found = load_alignment(folder / "align.json")
        order = {"rejected": 0, "doubtful": 1, "aligned": 2}
        for one in sorted(found.frames, key=lambda frame: (order[frame.verdict], frame.source)):
            left = "" if one.residual_px is None else f"{one.residual_px:.2f}"
            self.put_row((one.source, one.reference, one.verdict, left, one.reason), one.source)
        self.table.resizeColumnsToContents()
        self.notes.setText(align.summary(found))

    def use_pairs(self) -> None:
        """Take the frames of the pairs."""
        from film_recovery_nuke.frames import format_frames

        self.frames.setText(format_frames(pair.source for pair in self._state.pairs))

    @shown
    def create(self) -> Any:
        """Make the node."""
        source, reference, path = self._state.node("source"), self._state.node("reference"), self.record()
        record = load_alignment(path)
        node = nuke.nodes.RecoveryAlign(inputs=[source, reference])
        node.setXYpos(reference.xpos(), reference.ypos() + 160)
        try:
            align.apply(node, record, path)
        except FilmRecoveryError:
            nuke.delete(node)
            raise
        return node

    @shown
    def update_selected(self) -> Any:
        """Load into the selected node."""
        path, node = self.record(), selected_node(align.CLASS)
        align.apply(node, load_alignment(path), path)
        return node


class CuratePage(QtWidgets.QWidget):
    """The four tabs, in the order of the work."""

    def __init__(self, state: PanelState, pairs: Any) -> None:
        super().__init__()
        self.tabs = (AnalyseTab(state), MatchTab(state), SelectTab(state, pairs), AlignTab(state))
        self._book = QtWidgets.QTabWidget()
        for tab, name in zip(self.tabs, ("Analyse", "Match", "Select", "Align")):
            self._book.addTab(tab, name)
        self._book.currentChanged.connect(lambda number: self.tabs[number].refresh())
        layout = QtWidgets.QVBoxLayout(self)
        layout.addWidget(self._book)

    def go(self, number: int) -> None:
        """Show a tab."""
        self._book.setCurrentIndex(number)

    def refresh(self) -> None:
        """Look at the folder of the shown tab."""
        self.tabs[self._book.currentIndex()].refresh()

    def stop(self) -> None:
        """Stop looking; the commands go on."""
        for tab in self.tabs:
            tab.stop()
