"""The command that hands out a trained model in another form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from film_recovery.cli.console import PATH, single_output
from film_recovery.contract.errors import InputError, UsageError
from film_recovery.contract.hashes import file_sha256
from film_recovery.contract.run_folder import RunFolder


@click.command()
@click.argument("run", type=PATH)
@click.option("--torchscript", is_flag=True, help="As TorchScript, from which NukeX's CatFileCreator makes a .cat.")
@click.option("--out", type=PATH, help="The file; default the model's name with .pt beside it.")
def export(run: Path, torchscript: bool, out: Path | None) -> dict[str, Any]:
    """Write the model of RUN, a run's folder, in another form; it is compared with the .onnx file first.

    \b
    film-recovery export runs/shot010 --torchscript
    """
    if not torchscript:
        raise UsageError("Name the form: --torchscript. The .onnx file is in RUN/export already.")
    if not run.is_dir():
        raise InputError(f"{run} is no run's folder; the checkpoint that TorchScript is made from lies there.")
    from film_recovery.modelfile.load import load_model
    from film_recovery.modelfile.torchscript import write_torchscript
    from film_recovery.training.checkpoint import graph_from_checkpoint
    from film_recovery.training.scripted import scripted

    model = load_model(run)
    path = single_output(out, model.path.with_suffix(".pt"))
    _, graph = graph_from_checkpoint(RunFolder(run).best_checkpoint, "best")
    difference = write_torchscript(scripted(graph.eval()), model, path)
    click.echo(f"{path}; differs from {model.path.name} by at most {difference:.1g}.", err=True)
    return {
        "torchscript": str(path), "sha256": file_sha256(path), "model": str(model.path), "task": model.card.task,
        "name": model.card.name, "difference": difference,
    }  # fmt: skip
