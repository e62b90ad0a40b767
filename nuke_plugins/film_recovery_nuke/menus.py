"""The menus: Film Recovery in the nodes toolbar, in the menu bar and among the panes."""

from __future__ import annotations

from typing import Any

import nuke
from film_recovery_nuke import graph
from film_recovery_nuke.errors import HostError, shown

NODES = (
    "RecoveryAlign", "RecoveryBalance", "RecoveryTarget", "RecoveryTrain", "RecoveryInference", "RecoveryMerge",
    "RecoveryCompare", "RecoveryBaseline", "RecoveryCurve",
)  # fmt: skip


def add_menus() -> None:
    """Add them. Called once, with a GUI."""
    toolbar = nuke.menu("Nodes").addMenu("Film Recovery", icon="RecoveryTrain.png")
    for name in NODES:
        toolbar.addCommand(name, f"nuke.createNode('{name}')", icon=f"{name}.png")
    menu = nuke.menu("Nuke").addMenu("Film Recovery")
    menu.addCommand("Open panel", _open_panel)
    menu.addSeparator()
    menu.addCommand("Train from selected frames", train_from_selected)
    menu.addCommand("Bake what the selected node needs", bake_selected)
    menu.addCommand("Write a .cat recipe for the selected node", write_cat_recipe)
    from film_recovery_nuke import panels

    panels.register()


@shown
def train_from_selected() -> Any:
    """Start a training from the selected FrameHolds of the source, on the selected RecoveryTrain."""
    from film_recovery_nuke.nodes import train
    from film_recovery_nuke.pairing import is_of_same_files

    selected = nuke.selectedNodes()
    nodes = [node for node in selected if node.Class() == train.CLASS]
    if len(nodes) != 1:
        raise HostError("Select one RecoveryTrain with its inputs connected, and the FrameHolds of the frames to train on.")
    source, reference = train.branches_of(nodes[0])
    holds = [node for node in selected if node.Class() == "FrameHold"]
    # Those that hold the reference, as in Build stacks, hold none of the source's frames.
    ours = [node for node in holds if is_of_same_files(source, node) or not is_of_same_files(reference, node)]
    return train.train_from_selected(nodes[0], [int(graph.held_frame_knob(node).value()) for node in ours])


@shown
def bake_selected() -> int:
    """Bake what the selected Write or inference node needs over the project's range."""
    from film_recovery_nuke import bake, needs
    from film_recovery_nuke.nodes.tasks import task

    ends = [node for node in nuke.selectedNodes() if node.Class() in ("Write", "RecoveryInference")]
    if not ends:
        raise HostError("Select a Write or a RecoveryInference first.")
    root = nuke.root()
    frames = range(root.firstFrame(), root.lastFrame() + 1)
    if not needs.needed(ends, frames).order:
        names = ", ".join(node.fullName() for node in ends)
        raise HostError(f"{names}: nothing asks an enabled RecoveryInference for a frame of the project's range.")
    with task("Film Recovery: baking") as (cancelled, progress):
        return bake.bake_for(ends, frames, nuke.tprint, cancelled=cancelled, progress=progress)


@shown
def write_cat_recipe() -> Any:
    """Write TorchScript and the nodes that make a .cat of it, for the selected RecoveryTrain or RecoveryInference."""
    from film_recovery_nuke import cat_file

    selected = nuke.selectedNodes()
    return cat_file.write_recipe(selected[0] if selected else None)


def _open_panel() -> None:
    from film_recovery_nuke import panels

    panels.open_panel()
