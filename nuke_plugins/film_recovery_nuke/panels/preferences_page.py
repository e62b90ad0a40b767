"""The page with the settings: every value, and the layer that set it."""

from __future__ import annotations

from typing import Any

from film_recovery_nuke import preferences
from film_recovery_nuke.errors import shown
from film_recovery_nuke.panels.qt import QtWidgets

_TITLES = {
    "worker_python": "Worker's Python", "data_folder": "Data directory", "cache_folder": "Cache folder", "device": "Device",
}  # fmt: skip


class PreferencesPage(QtWidgets.QWidget):
    """Edits the user's layer; what the studio or the package set is shown as it is."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._fields: dict[str, Any] = {}
        self._layers: dict[str, Any] = {}
        grid = QtWidgets.QGridLayout()
        grid.setColumnStretch(1, 1)
        for row, (key, (_, meaning)) in enumerate(preferences.KEYS.items()):
            field = QtWidgets.QLineEdit()
            field.setToolTip(meaning)
            layer = QtWidgets.QLabel("")
            layer.setWordWrap(True)
            grid.addWidget(QtWidgets.QLabel(_TITLES[key]), 2 * row, 0)
            grid.addWidget(field, 2 * row, 1)
            note = QtWidgets.QLabel(meaning)
            note.setWordWrap(True)
            grid.addWidget(note, 2 * row + 1, 1)
            grid.addWidget(layer, 2 * row, 2)
            self._fields[key], self._layers[key] = field, layer
        self._warnings = QtWidgets.QLabel("")
        self._warnings.setWordWrap(True)
        save = QtWidgets.QPushButton("Save")
        save.setToolTip(f"Write {preferences.user_file()}.")
        save.clicked.connect(self.save)
        again = QtWidgets.QPushButton("Read again")
        again.clicked.connect(self.load)
        row_of_buttons = QtWidgets.QHBoxLayout()
        row_of_buttons.addWidget(save)
        row_of_buttons.addWidget(again)
        row_of_buttons.addStretch(1)
        layout = QtWidgets.QVBoxLayout(self)
        intro = QtWidgets.QLabel(
            f"Package < studio ({preferences.VARIABLE}) < yours (~/.nuke/{preferences.user_file().name}) < the node's knobs. "
            "Empty a field and save to give a value of yours back."
        )
        intro.setWordWrap(True)
        layout.addWidget(intro)
        layout.addLayout(grid)
        layout.addLayout(row_of_buttons)
        layout.addWidget(self._warnings)
        layout.addStretch(1)
        self.load()

    @shown
    def load(self, *clicked: Any) -> None:
        """Read all layers."""
        settings, warnings = preferences.load()
        for key, setting in settings.items():
            self._fields[key].setText(setting.value)
            self._layers[key].setText("yours" if setting.layer == str(preferences.user_file()) else setting.layer)
        self._warnings.setText("\n".join(warnings))

    @shown
    def save(self, *clicked: Any) -> None:
        """Write what differs from the lower layers into the user's file."""
        settings, _ = preferences.load()
        changed = {key: field.text() for key, field in self._fields.items() if field.text() != settings[key].value}
        if changed:
            preferences.save_user(changed)
        self.load()
