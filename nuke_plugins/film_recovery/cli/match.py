"""The command that finds which frames of two elements show the same picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from film_recovery.cli.console import PATH, stoppable

_FPS = 24.0  # of the timeline when the files do not say


@click.command()
@click.option("--a", "a_files", required=True, metavar="FILES", help="One element, usually the source.")
@click.option("--b", "b_files", required=True, metavar="FILES", help="The other element, usually the reference.")
@click.option("--out", required=True, metavar="DIR", type=PATH, help="Folder for match.json and pictures.")
def match(a_files: str, b_files: str, out: Path) -> dict[str, Any]:
    """Find which frames of two elements show the same picture, whatever is missing, trimmed, reframed, mirrored or faded.

    \b
    film-recovery match --a "neg.####.exr" --b "print.####.exr" --out curation/match

    DIR gets match.json (for select and align), match.csv, match.otio (both elements side by side), a map and a sheet of
    partners. Frames that were read once are not read again.
    """
    from film_recovery.contract.run_folder import RunFolder
    from film_recovery.elements.overlap import match_elements, write_table, write_timeline
    from film_recovery.images.drawing import save_png
    from film_recovery.images.sequence import open_sequence
    from film_recovery.review.match_pictures import match_map, match_sheet
    from film_recovery.review.plots import save_chart

    a, b = open_sequence(a_files), open_sequence(b_files)
    with RunFolder(out).locked(), stoppable() as reporter:
        found = match_elements(a, b, out, reporter)
        record = found.record
        write_table(record, out / "match.csv")
        write_timeline(record, out / "match.otio", a.fps or b.fps or _FPS)
        save_chart(out / "map.png", match_map(record))
        (out / "partners.png").unlink(missing_ok=True)  # of an earlier match
        if record.segments:
            save_png(out / "partners.png", match_sheet(found))
        record.save(out / "match.json")
    for note in record.notes:
        click.echo(note, err=True)
    return {
        "match": str(out / "match.json"),
        "matched": sum(part.length for part in record.segments),
        "segments": [[part.first_a, part.first_b, part.length, part.confidence] for part in record.segments],
        "only_a": record.only_a,
        "only_b": record.only_b,
        "mirrored": record.mirrored,
        "notes": record.notes,
    }
