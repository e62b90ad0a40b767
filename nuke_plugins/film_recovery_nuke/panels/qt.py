"""Qt, whichever binding this Nuke brings: PySide6 from Nuke 16 on, PySide2 before."""

from __future__ import annotations

from typing import Any

try:
    from PySide6 import QtCore, QtGui, QtWidgets

    BINDING = "PySide6"
    QAction: Any = QtGui.QAction
except ImportError:  # before Nuke 16
    from PySide2 import QtCore, QtGui, QtWidgets  # type: ignore[import-not-found,no-redef]

    BINDING = "PySide2"
    QAction = QtWidgets.QAction

Signal: Any = QtCore.Signal
Qt: Any = QtCore.Qt

__all__ = ["BINDING", "QAction", "Qt", "QtCore", "QtGui", "QtWidgets", "Signal", "run_dialog"]


def run_dialog(dialog: Any) -> int:
    """Show a dialog and wait: ``exec`` in PySide6, ``exec_`` in PySide2."""
    return int(dialog.exec() if hasattr(dialog, "exec") else dialog.exec_())
