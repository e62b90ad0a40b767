"""Film Recovery inside Nuke.

``init.py`` puts it on the path in every mode, ``menu.py`` calls :func:`add_menus` with a GUI only.

Standard library, ``nuke`` and Qt, nothing else; of the worker only its contract is known here.
"""

from __future__ import annotations

import importlib
import traceback
from typing import Any

_BEHAVIOURS = {"train", "inference", "balance", "target", "compare", "align"}
_CALLBACKS = {"on_create", "knob_changed"}


def add_menus() -> None:
    """Add the menus and the pane."""
    from film_recovery_nuke.menus import add_menus as add

    add()


def call(module: str, function: str) -> Any:
    """What the buttons and callbacks of the gizmos run: a function of ``nodes.<module>``, with the node it belongs to.

    A callback never raises, or a script could not be opened; a button tells its error itself.
    """
    import nuke

    if module not in _BEHAVIOURS:
        raise ValueError(f"There is no behaviour '{module}'.")
    run = getattr(importlib.import_module(f"film_recovery_nuke.nodes.{module}"), function)
    if function not in _CALLBACKS:
        return run(nuke.thisNode())
    try:
        return run(nuke.thisNode(), nuke.thisKnob()) if function == "knob_changed" else run(nuke.thisNode())
    except Exception:  # noqa: BLE001 - a callback: the script has to open whatever is wrong with us
        traceback.print_exc()
        return None


def progress_knob() -> Any:
    """The object behind the Progress tab of RecoveryTrain; a line of text where there is no Qt."""
    from film_recovery_nuke.panels.knob import ProgressKnob

    return ProgressKnob()
