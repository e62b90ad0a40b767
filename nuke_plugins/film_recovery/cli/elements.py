"""Commands that measure elements: what one has kept, and the balance that takes one to another."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from film_recovery.cli.console import frames_option, stoppable


@click.command()
@click.argument("files")
@click.option("--against", metavar="FILES", help="Another element of the same film, to say which should lead in which pass.")
@click.option("--frames", metavar="RANGE", help="Frames to look at; default five, spread over the element.")
@click.option("--out", type=click.Path(path_type=Path), help="Also write the figures as JSON into this file.")
def analyse(files: str, against: str | None, frames: str | None, out: Path | None) -> dict[str, Any]:
    """Measure sharpness, grain, colour left, flicker and clipping of an element, in figures and a sentence.

    \b
    film-recovery analyse "neg.####.exr" --against "print.####.exr"
    """
    wanted = frames_option(frames)
    from film_recovery.contract.atomic import write_json
    from film_recovery.elements.analysis import analyse_element, compare_elements
    from film_recovery.elements.picture_area import picture_area
    from film_recovery.elements.selection import spread_frames
    from film_recovery.images.sequence import open_sequence

    found = []
    for name in filter(None, (files, against)):
        sequence = open_sequence(name)
        chosen = wanted or spread_frames(sequence.frames, 5)
        area = picture_area([sequence.read(frame).rgb for frame in chosen[:2]])
        found.append(analyse_element(sequence, chosen, "auto", area))
        click.echo(f"{name}: {found[-1].sentence()}", err=True)
    result: dict[str, Any] = {"elements": [element.to_dict() for element in found]}
    if len(found) == 2:
        result["advice"] = compare_elements(found[0], found[1])
        click.echo(result["advice"], err=True)
    if out:
        write_json(out, result)
    return result


@click.command()
@click.option("--source", required=True, metavar="FILES", help="The faded element.")
@click.option("--reference", required=True, metavar="FILES", help="The element that kept its colour.")
@click.option("--frames", metavar="RANGE", help="Source frames to fit from; default six, spread.")
@click.option("--offset", type=int, default=0, show_default=True, help="Reference frame minus source frame.")
@click.option("--encoding", type=click.Choice(["auto", "display", "log", "none"]), default="auto", show_default=True,
              help="What the files hold: display and log are linear light, none is coded.")
@click.option("--align", type=click.Choice(["affine", "none"]), default="affine", show_default=True,
              help="Register each reference frame to its source frame.")
def balance(
    source: str, reference: str, frames: str | None, offset: int, encoding: str, align: str
) -> dict[str, Any]:
    """Fit the neutral density balance: 12 numbers that undo the fading of the source, the matrix by rows, then the offset.

    \b
    film-recovery balance --source "neg.####.exr" --reference "print.####.exr" --frames 1001,1030
    """
    wanted = frames_option(frames) or []
    from film_recovery.contract.job import TrainingJob
    from film_recovery.pairs.dataset import fit_job_balance

    job = TrainingJob("chroma", source, reference, wanted, reference_offset=offset, encoding=encoding, align=align, steps=1)
    with stoppable() as reporter:
        fitted, findings = fit_job_balance(job, reporter)
    for row in fitted.matrix.tolist():
        click.echo("  ".join(f"{value:9.5f}" for value in row), err=True)
    click.echo("  ".join(f"{value:9.5f}" for value in fitted.offset.tolist()) + "  offset", err=True)
    return {"balance": fitted.numbers, "findings": [asdict(finding) for finding in findings]}
