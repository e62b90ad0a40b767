"""The command that measures what elements have kept, quickly on a few frames or shot by shot with a page to judge by."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from film_recovery.cli.console import PATH, frames_option, stoppable
from film_recovery.contract.errors import UsageError

if TYPE_CHECKING:
    from film_recovery.contract.analysis import ElementFigures
    from film_recovery.elements.analysis import ElementAnalysis
    from film_recovery.elements.reel import ReelAnalysis
    from film_recovery.images.sequence import Sequence

_LOOKS, _MOST_LOOKS = 5, 24  # frames, which are held in memory together


@click.command()
@click.argument("files")
@click.option("--against", metavar="FILES", help="Another element of the same film, to say which should lead in which pass.")
@click.option(
    "--frames", metavar="RANGE", help="Frames to look at, 24 at most; default five, and with --out the whole element."
)
@click.option(
    "--out", metavar="DIR", type=PATH,
    help="Look at every shot, and write analysis.json, index.html and its curves into this folder.",
)  # fmt: skip
def analyse(files: str, against: str | None, frames: str | None, out: Path | None) -> dict[str, Any]:
    """Measure sharpness, grain, colour left, flicker and clipping of an element, in figures and a sentence.

    \b
    film-recovery analyse "neg.####.exr" --against "print.####.exr" --out analysis

    With --out every frame is read once, shots are found, and unsteadiness, dust, repeated frames, fields and fading are
    measured too. What was measured is kept in DIR; stopped, it goes on there.
    """
    wanted = frames_option(frames)
    if out is not None and (out.is_file() or out.suffix.lower() == ".json"):
        raise UsageError(f"{out} is a file; --out names a folder, for analysis.json and the page.")
    from film_recovery.images.sequence import open_sequence

    sequences = [open_sequence(name) for name in (files, against) if name]
    if out is not None:
        return _thorough(sequences, wanted, out)
    found = [_quick(sequence, wanted) for sequence in sequences]
    return _said(found)


def _said(found: list[ElementAnalysis]) -> dict[str, Any]:
    """The result in figures; its sentences are also told on the way."""
    from film_recovery.elements.analysis import compare_elements

    for element in found:
        click.echo(element.sentence(), err=True)
    result: dict[str, Any] = {"elements": [element.to_dict() for element in found]}
    if len(found) == 2:
        result["advice"] = compare_elements(found[0], found[1])
        click.echo(result["advice"], err=True)
    return result


def _quick(sequence: Sequence, wanted: list[int] | None) -> ElementAnalysis:
    from film_recovery.elements.analysis import analyse_element
    from film_recovery.elements.picture_area import picture_area
    from film_recovery.elements.selection import spread_frames
    from film_recovery.images.encodings import encode

    chosen = wanted or spread_frames(sequence.frames, _LOOKS)
    if len(chosen) > _MOST_LOOKS:
        click.echo(f"{_MOST_LOOKS} of the {len(chosen)} frames are looked at; --out looks at every one.", err=True)
        chosen = spread_frames(chosen, _MOST_LOOKS)
    seen = [sequence.read(frame) for frame in chosen[:2]]
    area = picture_area([encode(frame.finite_rgb(), "none" if frame.is_coded else "display") for frame in seen])
    return analyse_element(sequence, chosen, "auto", area)


def _thorough(sequences: list[Sequence], wanted: list[int] | None, out: Path) -> dict[str, Any]:
    """Shot by shot, with the record and the page."""
    from film_recovery.contract.analysis import AnalysisRecord, ShotPair
    from film_recovery.contract.run_folder import RunFolder
    from film_recovery.elements.reel import analyse_reel
    from film_recovery.elements.reel_advice import advise_shots, different_roles, fading_sentence, length_hint, usual_shares
    from film_recovery.review.analysis_page import write_analysis_page

    with RunFolder(out).locked(), stoppable() as reporter:
        reels = [
            analyse_reel(sequence, out / "cache" / str(number), reporter, wanted)
            for number, sequence in enumerate(sequences, start=1)
        ]
        found = [reel.element() for reel in reels]
        result = _said(found)
        notes, pairs = [], []
        if len(reels) == 2:
            pairs = advise_shots(reels[0], reels[1])
            odd = different_roles(pairs)
            hints = [
                f"In shot {', '.join(str(number + 1) for number in odd)} the roles differ; see the table." if odd else None,
                fading_sentence(found[0].name, usual_shares([pair.kept_first for pair in pairs])),
                fading_sentence(found[1].name, usual_shares([pair.kept_second for pair in pairs])),
                length_hint(reels[0], reels[1]),
            ]
            notes = [hint for hint in hints if hint]
        record = AnalysisRecord(
            [_figures(element, reel) for element, reel in zip(found, reels, strict=True)],
            result.get("advice"), notes, [ShotPair(**asdict(pair)) for pair in pairs],
        )  # fmt: skip
        page = write_analysis_page(out, reels, [element.sentence() for element in found], result.get("advice"), pairs, notes)
        record.save(out / "analysis.json")
    for note in notes:
        click.echo(note, err=True)
    shots = [[[shot.first, shot.last, shot.flags] for shot in reel.shots] for reel in reels]
    return {**result, "analysis": str(out / "analysis.json"), "page": str(page), "notes": notes, "shots": shots}


def _figures(element: ElementAnalysis, reel: ReelAnalysis) -> ElementFigures:
    """An element as the contract has it."""
    from film_recovery.contract.analysis import ElementFigures, ShotFigures

    shots = [ShotFigures(**asdict(shot)) for shot in reel.shots]
    return ElementFigures(**{**element.to_dict(), **reel.to_dict(), "shots": shots, "looked_at": element.frames})
