"""Nuke loads this file in every mode, GUI or not. It adds paths, and never keeps Nuke from starting."""

import os
import traceback

try:
    import nuke

    _ROOT = os.path.dirname(os.path.abspath(__file__)).replace("\\", "/")
    for _folder in ("gizmos", "nuke_plugins"):
        nuke.pluginAddPath(_ROOT + "/" + _folder)
except Exception:  # whatever is wrong here, the artist's Nuke has to start
    print("Film Recovery could not be set up:")
    traceback.print_exc()
