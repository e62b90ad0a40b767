"""The language of .nk and .gizmo files: Tcl words, commands, knob values, curves, expressions. Knows no node class."""
