"""The .cat route for NukeX: TorchScript of a trained model, and snippets with CatFileCreator and Inference to paste.

A .cat is evaluated by Nuke itself, live and on the farm, without a bake, but only NukeX can make one. So this module works in
every edition: it lets the worker write the TorchScript file and writes the text of the nodes beside it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from film_recovery.contract.atomic import write_text
from film_recovery.contract.run_folder import RunFolder
from film_recovery_nuke import worker
from film_recovery_nuke.errors import HostError, show, shown
from film_recovery_nuke.nodes import inference, train
from film_recovery_nuke.nodes.tasks import task

CHANNELS = "rgba.red,rgba.green,rgba.blue"
_BARE = re.compile(r"^[A-Za-z0-9_./:,+-]+\Z")
_ESCAPED = re.compile(r'(["\\\[\]{}$])')
_HEADER = "set cut_paste_input [stack 0]\nversion 14.0 v1\n"


@dataclass(frozen=True)
class Recipe:
    """What was written: the TorchScript file, where the .cat will be, and the two snippets."""

    torchscript: Path
    cat: Path
    making: Path
    using: Path


def word(text: str) -> str:
    """A knob's value as a script spells it: bare where that is possible, else quoted, with Tcl's own signs escaped."""
    return text if _BARE.match(text) else '"' + _ESCAPED.sub(r"\\\1", text).replace("\n", "\\n") + '"'


def making_snippet(torchscript: str, cat: str, name: str) -> str:
    """A CatFileCreator that makes the .cat, and an Inference that uses it, as text to paste.

    Args:
        torchscript: the .pt file, absolute, forward slashes.
        cat: the .cat that is to be made.
        name: what the model is called.
    """
    return (
        f"{_HEADER}CatFileCreator {{\n inputs 0\n torchScriptFile {word(torchscript)}\n catFile {word(cat)}\n"
        f" channelsIn {CHANNELS}\n channelsOut {CHANNELS}\n modelId {word(name)}\n name RecoveryCatFile1\n"
        ' label "1. Press Create .cat file\\n2. Use the Inference"\n selected true\n xpos 0\n ypos 0\n}\n'
        f"push $cut_paste_input\n{_inference(cat)}"
    )


def using_snippet(cat: str) -> str:
    """An Inference that finds the .cat on the plugin path by its name alone, for scripts that travel."""
    return f"{_HEADER}push $cut_paste_input\n{_inference(f'[lsearch -inline [plugins -all {cat}] *.cat]')}"


def _inference(model: str) -> str:
    # Half precision stays off: what the model keeps is then as exact as in the ONNX file.
    return (
        f"Inference {{\n modelFile {word(model)}\n halfPrecision false\n name RecoveryCat1\n selected true\n"
        " xpos 140\n ypos 0\n}\n"
    )


def run_of(node: Any) -> Path:
    """The run's folder behind a RecoveryTrain or a RecoveryInference.

    Raises:
        HostError: there is none, or the model was copied away from its run: TorchScript is made from the run's checkpoint.
    """
    if node is None or node.Class() not in (train.CLASS, inference.CLASS):
        raise HostError(f"Select a {train.CLASS} or a {inference.CLASS} first.")
    if node.Class() == train.CLASS:
        folder = train.run_folder(node)
        if folder is None:
            raise HostError(f"{node.name()} has not been trained yet; press Start.")
    else:
        folder = inference.model_path(node).parent.parent
    if not RunFolder(folder).best_checkpoint.is_file():
        raise HostError(
            f"{node.name()}: {folder} is not the folder of the run that trained the model; a .cat is made from the run's "
            "checkpoint. Name the model in its run's folder export."
        )
    return folder


@shown
def write_recipe(node: Any) -> Recipe:
    """Write the TorchScript file and the snippets into the run's folder export, and tell how to go on.

    Raises:
        HostError: no run, or the worker fails; nothing half-written is left.
        StorageError: the folder cannot be written.
    """
    folder = run_of(node)
    worker.check(worker.find_python())
    with task("Film Recovery: writing TorchScript") as (cancelled, _):
        code, said, tail = worker.call(["export", str(folder), "--torchscript"], cancelled)
    if code or said is None:
        raise worker.failed(f"{node.name()}: the model of {folder} could not be written as TorchScript", code, tail)
    torchscript = Path(str(said["torchscript"]))
    recipe = Recipe(
        torchscript, torchscript.with_suffix(".cat"), torchscript.with_name(f"{torchscript.stem}_cat.nk"),
        torchscript.with_name(f"{torchscript.stem}_inference.nk"),
    )  # fmt: skip
    write_text(recipe.making, making_snippet(torchscript.as_posix(), recipe.cat.as_posix(), str(said["name"])))
    write_text(recipe.using, using_snippet(recipe.cat.name))
    show(
        f"Written:\n{recipe.torchscript}\n{recipe.making}\n{recipe.using}\n\n"
        f"In NukeX: paste {recipe.making.name} (File, Insert Comp Nodes), press Create .cat file on the CatFileCreator. The "
        f"Inference beside it then runs the model live. With {recipe.cat.name} on the plugin path {recipe.using.name} serves "
        "every script."
    )
    return recipe
