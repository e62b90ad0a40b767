"""The command that measures what an element has kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from film_recovery.cli.console import frames_option


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
