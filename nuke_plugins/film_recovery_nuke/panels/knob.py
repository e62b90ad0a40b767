"""The widget on the Progress tab of RecoveryTrain."""

from __future__ import annotations

import contextlib
from typing import Any

import nuke
from film_recovery.contract.errors import FilmRecoveryError


class ProgressKnob:
    """What a PyCustom_Knob's expression gives: Nuke asks :meth:`makeUI` for the widget and calls :meth:`updateValue`."""

    def __init__(self) -> None:
        self._node = nuke.thisNode()
        self._widget: Any = None

    def makeUI(self) -> Any:
        """The monitor of this node's runs."""
        from film_recovery_nuke.panels.monitor import TrainingMonitor

        self._widget = TrainingMonitor()
        self._widget.setMinimumHeight(520)
        self.updateValue()
        return self._widget

    def updateValue(self) -> None:
        """Follow the node's run, data directory and view."""
        from film_recovery_nuke.nodes import train

        if self._widget is None:
            return
        home = None
        with contextlib.suppress(FilmRecoveryError):  # an unsaved script has no data directory yet
            home = train.data_directory(self._node)
        self._widget.watch(home, self._node.name(), str(self._node["run"].value()))
        self._widget.set_view(bool(self._node["logScale"].value()), float(self._node["smoothness"].value()))
