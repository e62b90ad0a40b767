"""RecoveryCompare: counts what is connected, and greys out what the chosen mode does not use."""

from __future__ import annotations

from typing import Any

CLASS = "RecoveryCompare"
_MOST = 4  # inputs
_USED = {
    "side by side": ("inputCount", "columns", "gap", "label2", "label3"),
    "wipe": ("wipe", "vertical"),
    "difference": ("differenceGain",),
    "contact sheet": ("inputCount", "gap", "firstFrame", "frameColumns", "label2", "label3"),
}


def knob_changed(node: Any, knob: Any) -> None:
    """Follow the mode and the inputs. Called by Nuke for every change, and when the panel opens."""
    name = knob.name()
    if name == "inputChange":
        count_inputs(node)
    if name in ("mode", "showPanel"):
        used = _USED[str(node["mode"].value())]
        for knob_name in sorted({entry for entries in _USED.values() for entry in entries}):
            node[knob_name].setEnabled(knob_name in used)


def count_inputs(node: Any) -> int:
    """Show as many pictures as there are up to the last connected input, two at least; returns that number."""
    connected = [index for index in range(_MOST) if node.input(index) is not None]
    count = max(2, connected[-1] + 1 if connected else 0)
    if int(node["inputCount"].value()) != count:
        node["inputCount"].setValue(count)
    return count
