"""A picture from a file, as large as there is room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from film_recovery_nuke.panels.qt import Qt, QtCore, QtGui, QtWidgets


class PictureLabel(QtWidgets.QLabel):
    """A picture from a file, scaled to the space there is; a sentence while there is none."""

    def __init__(self, empty: str, parent: Any = None) -> None:
        super().__init__(empty, parent)
        self._empty = empty
        self._pixmap: Any = None
        self._path: Path | None = None
        self._changed = 0.0
        self.setAlignment(Qt.AlignCenter)
        self.setWordWrap(True)
        self.setMinimumSize(160, 90)
        self.setSizePolicy(QtWidgets.QSizePolicy.Ignored, QtWidgets.QSizePolicy.Expanding)

    def show_file(self, path: Path | None, empty: str = "") -> None:
        """Show a file; nothing is read while it has not changed. Without one a sentence, ``empty`` or the usual one."""
        if path is None or not path.is_file():
            self._pixmap, self._path = None, None
            self.setText(empty or self._empty)
            return
        changed = path.stat().st_mtime
        if path == self._path and changed == self._changed:
            return
        self._path, self._changed = path, changed
        self._pixmap = QtGui.QPixmap(str(path))
        self._fit()

    def resizeEvent(self, event: Any) -> None:
        """Scale anew."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        if self._pixmap is not None and not self._pixmap.isNull():
            ratio = self.devicePixelRatioF()
            size = QtCore.QSize(int(self.width() * ratio), int(self.height() * ratio))
            scaled = self._pixmap.scaled(size, Qt.KeepAspectRatio, Qt.SmoothTransformation)
            scaled.setDevicePixelRatio(ratio)
            self.setPixmap(scaled)
