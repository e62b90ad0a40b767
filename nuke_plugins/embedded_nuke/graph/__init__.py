"""Nodes, knobs, groups and scripts: what a script is once it is loaded."""
