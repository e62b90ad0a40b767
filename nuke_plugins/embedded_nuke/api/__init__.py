"""The surface of Nuke's Python modules ``nuke`` and ``nukescripts``."""
