"""A tab of the page Curate: one command that runs outside Nuke, how it stands, and what it wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nuke
from film_recovery.contract.errors import FilmRecoveryError
from film_recovery_nuke import curation
from film_recovery_nuke.errors import HostError, shown
from film_recovery_nuke.pairing import Shown
from film_recovery_nuke.panels.qt import Qt, QtCore, QtGui, QtWidgets
from film_recovery_nuke.panels.stage_pages import button_row, paragraph
from film_recovery_nuke.panels.state import PanelState

_EVERY = 1000  # milliseconds between two looks at a running command
_PICTURE_WIDTH = 520
_TABLE_HEIGHT = 240  # pixels that a table takes at least, where it has so many rows


class CommandTab(QtWidgets.QWidget):
    """One command: its settings, how it stands, what it found, and the pictures that it wrote."""

    command = ""
    intro = ""
    headers: tuple[str, ...] = ()
    has_page = False
    wraps = False  # whether the last column holds sentences; for tables of few rows

    def __init__(self, state: PanelState) -> None:
        super().__init__()
        self._state = state
        self._known = ("", 0.0)
        layout = QtWidgets.QVBoxLayout(self)
        layout.addWidget(paragraph(self.intro))
        self.form = QtWidgets.QFormLayout()
        layout.addLayout(self.form)
        row, (self.start_button, self.cancel_button, self.page_button, _) = button_row(
            ("Start", "Start it outside Nuke; it goes on when Nuke is closed.", self.start),
            ("Cancel", "Ask it to end; what it has read is kept.", self.cancel),
            ("Open page", "Open the page that it wrote in the browser.", self.open_page),
            ("Open folder", "Open the folder with everything that it wrote.", self.open_folder),
        )
        layout.addLayout(row)
        self.status = paragraph("")
        layout.addWidget(self.status)
        self.bar = QtWidgets.QProgressBar()
        self.bar.hide()
        layout.addWidget(self.bar)
        self.table = QtWidgets.QTableWidget(0, len(self.headers))
        self.table.setHorizontalHeaderLabels(list(self.headers))
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 8)
        self.table.setTextElideMode(Qt.ElideMiddle)
        header = self.table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignLeft | Qt.AlignVCenter)
        header.setSectionResizeMode(len(self.headers) - 1, QtWidgets.QHeaderView.Stretch)
        if self.wraps:
            header.sectionResized.connect(lambda *sizes: self._fit_rows())
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

    def options(self, folder: Path) -> list[str]:
        """The words of this tab's settings; what has to be written for them goes into ``folder``."""
        return []

    def fill(self, folder: Path) -> None:
        """Show what the command wrote. Raises :class:`FilmRecoveryError` for a damaged record."""

    def folder(self) -> Path:
        """The command's folder for the two elements."""
        return curation.folder_of(self.command, self._state.node("source"), self._state.node("reference"))

    def files(self) -> list[str]:
        """The files of both elements."""
        return [curation.files_of(self._state.node(side), side) for side in ("source", "reference")]

    @shown
    def start(self) -> None:
        """Start the command."""
        folder, files = self.folder(), self.files()
        curation.start(curation.arguments(self.command, files[0], files[1], folder, self.options(folder)), folder)
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
            raise HostError(f"{self.command} has written no page yet; press Start.")
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
            self._tell(found, curation.is_of(folder, self.files()))
            record = folder / curation.RECORDS[self.command]
            known = (str(record), record.stat().st_mtime if record.is_file() else 0.0)
            if known != self._known:
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
        self._fit_rows()
        self.notes.setVisible(bool(self.notes.text()))

    def stop(self) -> None:
        """Stop looking; the command goes on."""
        self._timer.stop()

    def put_notes(self, text: str) -> None:
        """Show sentences, the elements' files without their folders."""
        for name in self.files():
            text = text.replace(name, Path(name).name)
        self.notes.setText(text)

    def put_row(self, texts: tuple[Any, ...], frame: int | None = None, tip: str = "") -> None:
        """Add a row to the table; a double click on it goes to where the source shows its file ``frame``.
        Pointed at, it says ``tip``, or else its texts."""
        row = self.table.rowCount()
        self.table.insertRow(row)
        for column, text in enumerate(texts):
            item = QtWidgets.QTableWidgetItem(str(text))
            item.setToolTip(tip or str(text))
            item.setData(Qt.UserRole, frame)
            self.table.setItem(row, column, item)

    def add_actions(self, *buttons: tuple[str, str, Any]) -> None:
        """Add buttons that bring results into the graph."""
        self.actions.addLayout(button_row(*buttons)[0])

    def record(self) -> Path:
        """The command's record. Raises :class:`HostError` when there is none, or it is of other files."""
        path = self.folder() / curation.RECORDS[self.command]
        if not path.is_file():
            raise HostError(f"There is no {path.name} yet; press Start.")
        if not curation.is_of(path.parent, self.files()):
            raise HostError(f"{path} is of other files than the Reads name now; press Start to make it of these.")
        return path

    def _tell(self, found: curation.Standing, ours: bool) -> None:
        other = "" if ours or found.state == "none" else " It was for other files than the Reads name now: press Start."
        self.status.setText(found.sentence() + other)
        running = found.state == "running"
        self.bar.setVisible(running)
        self.bar.setRange(0, found.total)  # 0 to 0 is a bar that only moves
        self.bar.setValue(found.done)
        self._buttons(running)
        if running != self._timer.isActive():
            self._timer.start() if running else self._timer.stop()

    def fit_columns(self) -> None:
        """Each column as wide as its texts, the last one as what is left."""
        for column in range(len(self.headers) - 1):
            self.table.resizeColumnToContents(column)

    def _fit_rows(self) -> None:
        """No empty space below the last row; more rows than there is room for are scrolled."""
        if self.wraps:
            self.table.resizeRowsToContents()
        whole = self.table.horizontalHeader().height() + self.table.verticalHeader().length() + 2 * self.table.frameWidth()
        self.table.setMinimumHeight(min(whole, _TABLE_HEIGHT))
        self.table.setMaximumHeight(whole)

    def _buttons(self, running: bool) -> None:
        self.start_button.setEnabled(not running)
        self.cancel_button.setEnabled(running)
        self.page_button.setVisible(self.has_page)

    @shown
    def _jump(self, row: int) -> None:
        file = self.table.item(row, 0).data(Qt.UserRole)
        if file is not None:
            nuke.frame(Shown(self._state.timed("source")).frame(int(file), int(file)))

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
