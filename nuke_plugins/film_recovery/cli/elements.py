"""The command that fits the balance that takes one element to another."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from film_recovery.cli.console import frames_option, stoppable
from film_recovery.contract.job import ENCODINGS, TrainingJob


@click.command()
@click.option("--source", required=True, metavar="FILES", help="The faded element.")
@click.option("--reference", required=True, metavar="FILES", help="The element that kept its colour.")
@click.option("--frames", metavar="RANGE", help="Source frames to fit from; default six, spread.")
@click.option("--offset", type=int, default=0, show_default=True, help="Reference frame minus source frame.")
@click.option(
    "--encoding",
    type=click.Choice(["auto", *ENCODINGS]),
    default="auto",
    show_default=True,
    help="What the files hold: display and log are linear light, none is coded.",
)
@click.option(
    "--align",
    type=click.Choice(["affine", "none"]),
    default="affine",
    show_default=True,
    help="Register each reference frame to its source frame.",
)
def balance(source: str, reference: str, frames: str | None, offset: int, encoding: str, align: str) -> dict[str, Any]:
    """Fit the neutral density balance: 12 numbers that undo the fading of the source, the matrix by rows, then the offset.

    \b
    film-recovery balance --source "neg.####.exr" --reference "print.####.exr" --frames 1001,1030
    """
    wanted = frames_option(frames) or []
    from film_recovery.pairs.dataset import fit_job_balance

    job = TrainingJob("chroma", source, reference, wanted, reference_offset=offset, encoding=encoding, align=align, steps=1)
    with stoppable() as reporter:
        fitted, findings = fit_job_balance(job, reporter)
    for row in fitted.matrix.tolist():
        click.echo("  ".join(f"{value:9.5f}" for value in row), err=True)
    click.echo("  ".join(f"{value:9.5f}" for value in fitted.offset.tolist()) + "  offset", err=True)
    return {"balance": fitted.numbers, "findings": [asdict(finding) for finding in findings]}
