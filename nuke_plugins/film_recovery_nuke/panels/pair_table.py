"""The table of pairs: thumbnails, frame numbers, held-out, whose pick it is, reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nuke
from film_recovery.contract.curation import SelectionRecord
from film_recovery_nuke import graph
from film_recovery_nuke.errors import HostError, shown
from film_recovery_nuke.graph import Pair
from film_recovery_nuke.pair_list import PairList
from film_recovery_nuke.panels.qt import Qt, QtCore, QtGui, QtWidgets, Signal

_THUMBNAIL = (96, 54)
_HEADERS = ("source", "reference", "frame", "ref. frame", "held out", "mine", "why this pair")
_HELD, _MINE, _WHY = 4, 5, 6
_EMPTY = (
    "No pairs yet. Go to a frame that both elements have and press Add frame, or select FrameHolds and press Add selected.\n"
    "Choose few and different ones: warm and cool, light and dark, skin, foliage, sky, neutrals. Hold one in four out."
)


class PairTable(QtWidgets.QWidget):
    """Edits a list of :class:`Pair`. ``changed`` is emitted after every change, ``jump(int)`` asks for a frame."""

    changed = Signal()
    jump = Signal(int)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._filling = False
        self._record: SelectionRecord | None = None
        self._shown = ("", "")  # the elements whose pictures the thumbnails are
        self._table = QtWidgets.QTableWidget(0, len(_HEADERS), self)
        self._table.setHorizontalHeaderLabels(list(_HEADERS))
        self._table.setIconSize(QtCore.QSize(*_THUMBNAIL))
        self._table.verticalHeader().hide()
        self._table.verticalHeader().setDefaultSectionSize(_THUMBNAIL[1] + 8)
        self._table.setSelectionBehavior(QtWidgets.QAbstractItemView.SelectRows)
        header = self._table.horizontalHeader()
        for column in range(len(_HEADERS) - 1):
            header.setSectionResizeMode(column, QtWidgets.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(_WHY, QtWidgets.QHeaderView.Stretch)
        header.setDefaultAlignment(Qt.AlignLeft | Qt.AlignVCenter)
        self._table.itemChanged.connect(self._edited)
        self._table.itemDoubleClicked.connect(lambda item: self._jump(item.row()))
        self._hint = QtWidgets.QLabel(_EMPTY)
        self._hint.setWordWrap(True)
        self._counts = QtWidgets.QLabel("")
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._hint)
        layout.addWidget(self._table, 1)
        layout.addWidget(self._counts)
        self._tell()

    def pairs(self) -> list[Pair]:
        """The pairs in the order of their source frames."""
        return sorted(self._rows(), key=lambda pair: pair.source)

    def found(self) -> PairList:
        """The pairs with the record that they came in."""
        return PairList(self.pairs(), self._record)

    def take(self, found: PairList) -> None:
        """Show other pairs, and keep their record."""
        self._record = found.record
        self.set_pairs(found.pairs)

    def set_pairs(self, pairs: list[Pair]) -> None:
        """Show other pairs; thumbnails that are known stay."""
        icons = {self._key(row): (self._icon(row, 0), self._icon(row, 1)) for row in range(self._table.rowCount())}
        self._filling = True
        self._table.setRowCount(0)
        for pair in sorted(pairs, key=lambda entry: entry.source):
            self._append(pair, icons.get((pair.source, pair.reference)))
        self._filling = False
        self._tell()
        self.changed.emit()

    def add(self, pair: Pair) -> None:
        """Add a pair. Raises :class:`HostError` when its source frame is there already."""
        if any(known.source == pair.source for known in self.pairs()):
            raise HostError(f"Frame {pair.source} is in the table already.")
        self.set_pairs([*self.pairs(), pair])

    def remove_selected(self) -> int:
        """Remove the selected rows; returns how many."""
        rows = self.selected_rows()
        kept = [pair for row, pair in enumerate(self._rows()) if row not in rows]
        self.set_pairs(kept)
        return len(rows)

    def selected_rows(self) -> list[int]:
        """The selected rows, ascending."""
        return sorted({index.row() for index in self._table.selectionModel().selectedRows()})

    def toggle_held_out(self) -> None:
        """Hold the selected pairs out, or take them back."""
        for row in self.selected_rows():
            item = self._table.item(row, _HELD)
            item.setCheckState(Qt.Unchecked if item.checkState() == Qt.Checked else Qt.Checked)

    def jump_to_selected(self) -> None:
        """Go to the selected pair's frame."""
        rows = self.selected_rows()
        if rows:
            self._jump(rows[0])

    @shown
    def render_thumbnails(self, source: Any, reference: Any, folder: Path) -> int:
        """Render the missing thumbnails, with a progress bar that can be cancelled; returns how many were made."""
        made, sides = 0, (source.fullName(), reference.fullName())
        if sides != self._shown:
            self._forget_thumbnails()
            self._shown = sides
        task = nuke.ProgressTask("Film Recovery: thumbnails")
        pairs = self._rows()
        for row, pair in enumerate(pairs):
            for column, (branch, frame) in enumerate(((source, pair.source), (reference, pair.reference))):
                if task.isCancelled():
                    return made
                if not self._icon(row, column).isNull():
                    continue
                path = folder / f"{sides[column]}.{frame}.png"
                graph.write_thumbnail(branch, frame, path, 2 * _THUMBNAIL[0])
                self._filling = True
                self._table.item(row, column).setIcon(QtGui.QIcon(str(path)))
                self._filling = False
                made += 1
            task.setProgress(int(100 * (row + 1) / len(pairs)))
        return made

    def _forget_thumbnails(self) -> None:
        self._filling = True
        for row in range(self._table.rowCount()):
            for column in (0, 1):
                self._table.item(row, column).setIcon(QtGui.QIcon())
        self._filling = False

    def _rows(self) -> list[Pair]:
        """The pairs as the rows stand."""
        found = []
        for row in range(self._table.rowCount()):
            source, reference = self._key(row)
            held_out, mine = (self._table.item(row, column).checkState() == Qt.Checked for column in (_HELD, _MINE))
            why = self._table.item(row, _WHY)
            scope, *adds = why.data(Qt.UserRole)
            found.append(Pair(source, reference, held_out, why.text(), scope, tuple(adds), mine))
        return found

    def _append(self, pair: Pair, icons: Any) -> None:
        row = self._table.rowCount()
        self._table.insertRow(row)
        for column, text in enumerate(("", "", str(pair.source), str(pair.reference), "", "", pair.reason)):
            item = QtWidgets.QTableWidgetItem(text)
            if column in (2, 3):
                item.setData(Qt.UserRole, int(text))
            if column in (0, 1):
                item.setFlags(item.flags() & ~Qt.ItemIsEditable)
                if icons is not None:
                    item.setIcon(icons[column])
            if column in (_HELD, _MINE):
                item.setFlags((item.flags() | Qt.ItemIsUserCheckable) & ~Qt.ItemIsEditable)
                item.setCheckState(Qt.Checked if (pair.held_out if column == _HELD else pair.by_hand) else Qt.Unchecked)
            self._table.setItem(row, column, item)
        self._say_more(row, [pair.scope, *pair.adds])

    def _say_more(self, row: int, words: list[str]) -> None:
        """What a row holds beside its cells: the scope, and what the pair adds."""
        item = self._table.item(row, _WHY)
        item.setData(Qt.UserRole, words)
        item.setToolTip("\n".join([item.text(), *words[1:], *([f"for {words[0]}"] if words[0] else [])]).strip())

    def _key(self, row: int) -> tuple[int, int]:
        source, reference = (self._table.item(row, column).data(Qt.UserRole) for column in (2, 3))
        return int(source), int(reference)

    def _icon(self, row: int, column: int) -> Any:
        return self._table.item(row, column).icon()

    def _edited(self, item: Any) -> None:
        """A number that is none, or stands there already, is put back; the rest is taken, and the pair is the person's own."""
        if self._filling:
            return
        self._filling = True
        try:
            taken = self._number(item) if item.column() in (2, 3) else True
            if taken and item.column() != _MINE:
                self._table.item(item.row(), _MINE).setCheckState(Qt.Checked)
        finally:
            self._filling = False
        self._tell()
        self.changed.emit()

    def _number(self, item: Any) -> bool:
        """Take a frame number, or put the one before back; whether it was taken."""
        text = item.text().strip()
        others = [self._key(row)[0] for row in range(self._table.rowCount()) if row != item.row()]
        if not re.fullmatch(r"-?[0-9]+", text) or (item.column() == 2 and int(text) in others):
            item.setText(str(item.data(Qt.UserRole)))
            return False
        item.setData(Qt.UserRole, int(text))
        self._table.item(item.row(), item.column() - 2).setIcon(QtGui.QIcon())  # it showed another frame
        if item.column() == 2:  # and so the words were of another frame
            self._say_more(item.row(), [""])
        return True

    def _jump(self, row: int) -> None:
        self.jump.emit(self._key(row)[0])

    def _tell(self) -> None:
        pairs = self.pairs()
        held = sum(pair.held_out for pair in pairs)
        self._hint.setVisible(not pairs)
        self._table.setVisible(bool(pairs))
        scope = "a shot" if len(pairs) - held <= 9 else "a scene" if len(pairs) - held <= 24 else "a sequence"
        text = f"{len(pairs) - held} to train on, enough for {scope}; {held} held out." if pairs else ""
        if pairs and not held:
            text += " Hold at least one out: without it nothing tells when the network begins to memorise."
        self._counts.setText(text)
        self._counts.setWordWrap(True)
