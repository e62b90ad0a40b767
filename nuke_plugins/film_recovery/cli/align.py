"""The command that lays a reference onto its source, frame by frame."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from film_recovery.cli.console import PATH, frames_option, stoppable
from film_recovery.contract.errors import InputError, UsageError

if TYPE_CHECKING:
    from film_recovery.contract.curation import MatchRecord
    from film_recovery.images.sequence import Sequence


@click.command()
@click.option("--source", required=True, metavar="FILES", help="The element that is kept where it is.")
@click.option("--reference", required=True, metavar="FILES", help="The element that is laid onto it.")
@click.option("--frames", metavar="RANGE", help="Source frames to align; default all that have a partner.")
@click.option("--match", "match_file", metavar="FILE", type=PATH, help="match.json: who stands beside whom.")
@click.option("--offset", type=int, help="Reference frame minus source frame, instead of --match; default 0.")
@click.option(
    "--mask", "masks", metavar="X,Y,W,H", multiple=True, help="Source pixels to leave out; may be given several times."
)
@click.option("--out", required=True, metavar="DIR", type=PATH, help="Folder for align.json and pictures.")
def align(
    source: str,
    reference: str,
    frames: str | None,
    match_file: Path | None,
    offset: int | None,
    masks: tuple[str, ...],
    out: Path,
) -> dict[str, Any]:
    """Lay a reference onto its source, frame by frame: shift, scale and rotation, perspective where it is there, a smooth warp.

    \b
    film-recovery align --source "neg.####.exr" --reference "print.####.exr" --match match/match.json --out align

    DIR gets align.json (for train and RecoveryAlign), STMaps of the warps, an overview, a chart and a picture of every frame to
    judge. What was measured is kept in DIR; stopped, it goes on there.
    """
    if match_file is not None and offset is not None:
        raise UsageError("Give either --match or --offset; match.json names every partner by itself.")
    wanted, rectangles = frames_option(frames), [_rectangle(text) for text in masks]
    from film_recovery.contract.curation import load_match
    from film_recovery.contract.run_folder import RunFolder
    from film_recovery.images.sequence import open_sequence
    from film_recovery.pairs.align_elements import AlignRequest, align_elements
    from film_recovery.review.alignment_pictures import write_pictures

    match = load_match(match_file).between(source, reference) if match_file is not None else None
    elements = open_sequence(source), open_sequence(reference)
    partners = _partners(elements, match, offset or 0, wanted)
    request = AlignRequest(partners, rectangles, match.mirrored if match else None)
    with RunFolder(out).locked(), stoppable() as reporter:
        found = align_elements(*elements, request, out, reporter)
        pictures = write_pictures(found, out, reporter)
        found.record.save(out / "align.json")
    record = found.record
    for note in record.notes:
        click.echo(note, err=True)
    odd = [frame for frame in record.frames if frame.verdict != "aligned"]
    return {
        "align": str(out / "align.json"),
        **pictures,
        **{name: sum(frame.verdict == name for frame in record.frames) for name in ("aligned", "doubtful", "rejected")},
        "odd": [[frame.source, frame.reference, frame.verdict, frame.reason] for frame in odd],
        "crop": record.crop,
        "masks": record.masks,
        "mirrored": record.mirrored,
        "notes": record.notes,
    }


def _partners(
    elements: tuple[Sequence, Sequence], match: MatchRecord | None, offset: int, wanted: list[int] | None
) -> dict[int, int]:
    """Reference frame by source frame. Raises :class:`InputError` for frames without a partner."""
    from film_recovery.images.ranges import format_frames

    ours, theirs = set(elements[0].frames), set(elements[1].frames)
    everything = match.partners() if match else {frame: frame + offset for frame in ours}
    known = {frame: partner for frame, partner in sorted(everything.items()) if frame in ours and partner in theirs}
    how = "the match" if match else f"the offset {offset}"
    if wanted is None:
        if not known:
            raise InputError(
                f"By {how} no frame of {elements[0].name} ({format_frames(sorted(ours))}) has a partner in {elements[1].name} "
                f"({format_frames(sorted(theirs))}); correct it, or match the elements first."
            )
        return known
    alone = [frame for frame in wanted if frame not in known]
    if alone:
        raise InputError(
            f"By {how} source frames {format_frames(alone)} have no partner that exists; leave them out of --frames."
        )
    return {frame: known[frame] for frame in sorted(set(wanted))}


def _rectangle(text: str) -> list[int]:
    parts = text.split(",")
    try:
        values = [int(part) for part in parts]
    except ValueError:
        values = []
    if len(values) != 4 or min(values) < 0 or min(values[2:]) < 1:
        raise UsageError(f"--mask takes X,Y,W,H in whole pixels, width and height above 0; '{text}' is not that.")
    return values
