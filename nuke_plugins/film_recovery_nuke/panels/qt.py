"""Qt, whichever binding this Nuke brings: PySide6 from Nuke 16 on, PySide2 before.

The modules are left untyped: the two bindings' type stubs contradict each other.
"""

from __future__ import annotations

import importlib
from typing import Any


def _binding() -> str:
    """The binding that is there. Raises :class:`ImportError` when there is none."""
    try:
        importlib.import_module("PySide6.QtWidgets")
    except ImportError:  # before Nuke 16
        importlib.import_module("PySide2.QtWidgets")
        return "PySide2"
    return "PySide6"


BINDING = _binding()
QtCore: Any = importlib.import_module(f"{BINDING}.QtCore")
QtGui: Any = importlib.import_module(f"{BINDING}.QtGui")
QtWidgets: Any = importlib.import_module(f"{BINDING}.QtWidgets")
Qt: Any = QtCore.Qt
Signal: Any = QtCore.Signal
QAction: Any = getattr(QtGui, "QAction", None) or QtWidgets.QAction  # it moved to QtGui with Qt 6

__all__ = ["BINDING", "QAction", "Qt", "QtCore", "QtGui", "QtWidgets", "Signal"]
