"""Film Recovery's worker: everything that happens outside Nuke."""

__version__ = "0.1.0"
