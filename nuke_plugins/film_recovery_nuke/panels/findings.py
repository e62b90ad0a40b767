"""What a training found out about itself: sentence, what to do, and the picture that shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from film_recovery.contract.findings import Finding
from film_recovery_nuke.panels.picture import PictureLabel
from film_recovery_nuke.panels.qt import Qt, QtCore, QtGui, QtWidgets

_NOTHING = "Nothing was found. A training is judged when its last step is done."
_PICTURELESS = "There is no picture of this finding."


class FindingsView(QtWidgets.QWidget):
    """A list of findings; the chosen one's picture under it, which a button opens in the viewer of the system."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._folder = Path()
        self._findings: list[Finding] = []
        self._list = QtWidgets.QListWidget()
        self._list.setWordWrap(True)
        self._list.currentRowChanged.connect(self._choose)
        self._picture = PictureLabel(_NOTHING)
        self._open = QtWidgets.QPushButton("Open picture")
        self._open.clicked.connect(self._show_outside)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        beside = QtWidgets.QHBoxLayout()  # the picture is wide, and a monitor has little height to give
        beside.addWidget(self._list, 2)
        beside.addWidget(self._picture, 3)
        layout.addLayout(beside, 1)
        layout.addWidget(self._open, 0, Qt.AlignRight)
        self._choose(-1)

    def show_findings(self, folder: Path, findings: list[Finding]) -> None:
        """Show the findings of the run in ``folder``; the choice stays while they are the same."""
        if folder == self._folder and findings == self._findings:
            return
        self._folder, self._findings = folder, list(findings)
        self._list.blockSignals(True)
        self._list.clear()
        for finding in findings:
            self._list.addItem(f"{finding.severity.capitalize()}: {finding.text}")
        self._list.blockSignals(False)
        self._list.setCurrentRow(0 if findings else -1)
        self._choose(self._list.currentRow())

    def picture(self) -> Path | None:
        """The picture of the chosen finding; None when there is none."""
        row = self._list.currentRow()
        if not 0 <= row < len(self._findings) or not self._findings[row].picture:
            return None
        path = self._folder / self._findings[row].picture
        return path if path.is_file() else None

    def _choose(self, _row: int) -> None:
        path = self.picture()
        self._picture.show_file(path, _PICTURELESS if self._findings else _NOTHING)
        self._open.setEnabled(path is not None)

    def _show_outside(self) -> None:
        path = self.picture()
        if path is not None:
            QtGui.QDesktopServices.openUrl(QtCore.QUrl.fromLocalFile(str(path)))
