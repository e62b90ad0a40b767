"""Commands that show results: labelled comparisons of sequences, and the report of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from film_recovery.cli.console import PATH, frames_option, single_output
from film_recovery.contract.errors import UsageError


@click.command()
@click.option("--input", "inputs", multiple=True, required=True, metavar="LABEL=FILES", help="A labelled sequence; 2 to 6.")
@click.option("--frames", metavar="RANGE", help="Frames to compare; default three for stills, all common ones for the movie.")
@click.option("--movie", is_flag=True, help="Also write OUT/comparison.mp4.")
@click.option("--out", required=True, type=PATH, help="Folder for the stills.")
def compare(inputs: tuple[str, ...], frames: str | None, movie: bool, out: Path) -> dict[str, Any]:
    """Write labelled side-by-side stills of sequences, and a movie if asked.

    \b
    film-recovery compare --input "16 mm print=print.####.exr" --input "recovered=out.####.exr" --movie --out proof
    """
    wanted = frames_option(frames)
    from film_recovery.review.compare import compare_sequences

    labelled = [entry.partition("=") for entry in inputs]
    if any(not separator for _, separator, _ in labelled) or not 2 <= len(labelled) <= 6:
        raise UsageError("Give two to six inputs as LABEL=FILES, for instance --input recovered=out.####.exr.")
    written = compare_sequences([(label, files) for label, _, files in labelled], wanted, out, movie=movie)
    for path in written:
        click.echo(str(path), err=True)
    return {"written": [str(path) for path in written]}


@click.command()
@click.argument("run", type=PATH)
@click.option("--out", type=PATH, help="The report; default RUN/report.html.")
def report(run: Path, out: Path | None) -> dict[str, Any]:
    """Write the report of a training run: pairs, curves, contact sheet, and how it does against the baselines.

    \b
    film-recovery report runs/shot010
    """
    from film_recovery.review.run_report import write_run_report

    path, scores = write_run_report(run, single_output(out, run / "report.html"))
    click.echo(str(path), err=True)
    return {"report": str(path), "scores": scores}
