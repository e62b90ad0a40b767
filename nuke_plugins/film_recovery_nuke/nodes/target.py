"""RecoveryTarget: greys out what the chosen task does not use."""

from __future__ import annotations

from typing import Any

CLASS = "RecoveryTarget"


def knob_changed(node: Any, knob: Any) -> None:
    """Follow the task. Called by Nuke for every change, and when the panel opens."""
    if knob.name() in ("task", "showPanel"):
        swaps = node["task"].value() != "as-is"
        node["matrix"].setEnabled(swaps)
        node["encoding"].setEnabled(swaps)
