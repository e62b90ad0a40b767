"""The behaviour behind each gizmo, one module each."""
