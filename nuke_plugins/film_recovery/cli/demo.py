"""The demonstration: two simulated elements in, a recovered sequence out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from film_recovery.cli.console import PATH, stoppable


@click.command()
@click.option("--out", type=PATH, default=Path("demo"), show_default=True, help="Folder for everything.")
@click.option("--minutes", type=float, default=1.5, show_default=True, help="Training time of each of the two passes.")
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True,
              help="Of the simulated elements and of the training.")
def demo(out: Path, minutes: float, seed: int) -> dict[str, Any]:
    """Recover a short sequence from two simulated film elements, and show how well.

    \b
    film-recovery demo
    film-recovery demo --out /tmp/demo --minutes 1 --json

    Makes a faded 35 mm internegative and a soft 16 mm print from a clip of Big Buck Bunny (CC BY 3.0, Blender Foundation),
    each lacking frames of its own; matches them, chooses pairs, aligns them, recovers the whole sequence in two passes,
    compares with the truth, and writes OUT/report.html.
    """
    from film_recovery.project.demo import run_demo

    with stoppable() as reporter:
        return run_demo(out, minutes, seed, reporter)
