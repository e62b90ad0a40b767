"""The command that chooses the pairs to train on and to hold out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from film_recovery.cli.console import frames_option, stoppable
from film_recovery.contract.curation import SCOPES
from film_recovery.contract.errors import UsageError

if TYPE_CHECKING:
    from film_recovery.contract.progress import Reporter
    from film_recovery.pairs.material import Material
    from film_recovery.pairs.outliers import Proposal
    from film_recovery.pairs.select import SelectionRequest

_MOST_NEW = 4  # pairs that one look at a render adds


@click.command()
@click.option("--source", required=True, metavar="FILES", help="The element to recover.")
@click.option("--reference", required=True, metavar="FILES", help="The element that kept what the source lost.")
@click.option("--pairs", default="auto", show_default=True, metavar="K|auto", help="Pairs to train on, in every scope.")
@click.option("--scope", type=click.Choice(SCOPES), default="sequence", show_default=True, help="What one model is for.")
@click.option("--held-out", type=int, metavar="N", help="Pairs to hold out; default a third of the pairs, at least two.")
@click.option("--match", "match_file", metavar="FILE", type=click.Path(path_type=Path), help="match.json of match.")
@click.option("--offset", type=int, help="Reference frame minus source frame, without --match; default 0.")
@click.option("--keep", metavar="RANGE", help="Source frames that must be among the pairs.")
@click.option("--avoid", metavar="RANGE", help="Source frames that must not.")
@click.option("--after", metavar="FILES", help="A render of the source: frames that stray become pairs. Needs --run.")
@click.option("--run", metavar="RUN", type=click.Path(path_type=Path), help="The run whose model made the render.")
@click.option(
    "--out", required=True, metavar="DIR", type=click.Path(path_type=Path), help="Folder for pairs.json and pictures."
)
def select(
    source: str,
    reference: str,
    pairs: str,
    scope: str,
    held_out: int | None,
    match_file: Path | None,
    offset: int | None,
    keep: str | None,
    avoid: str | None,
    after: str | None,
    run: Path | None,
    out: Path,
) -> dict[str, Any]:
    """Choose few pairs that cover the colours, light and textures of a scope, and pairs to hold out.

    \b
    film-recovery select --source "neg.####.exr" --reference "print.####.exr" --match curation/match/match.json \\
        --pairs auto --out curation/select
    film-recovery train --task chroma --source "neg.####.exr" --reference "print.####.exr" \\
        --pairs curation/select/pairs.json --out runs/shot010

    DIR gets pairs.json, index.html, pairs.png and a picture of the coverage. Every frame is read once and remembered there.
    """
    if match_file is not None and offset is not None:
        raise UsageError("Give either --match or --offset; match.json names every partner by itself.")
    if (after is None) != (run is None):
        raise UsageError("--after and --run go together: the render, and the run whose model made it.")
    count = _count(pairs)
    kept, avoided = (frozenset(frames_option(text) or ()) for text in (keep, avoid))
    from film_recovery.contract.curation import load_match
    from film_recovery.contract.run_folder import RunFolder
    from film_recovery.images.sequence import open_sequence
    from film_recovery.pairs.material import gather_material
    from film_recovery.pairs.select import SelectionRequest, select_pairs
    from film_recovery.review.selection_page import write_selection_page

    match = load_match(match_file).between(source, reference) if match_file is not None else None
    elements = open_sequence(source), open_sequence(reference)
    request = SelectionRequest(count, scope, held_out, kept, avoided)
    proposals: list[Proposal] = []
    with RunFolder(out).locked(), stoppable() as reporter:
        material = gather_material(*elements, out, match, offset or 0, reporter)
        if after is not None and run is not None:
            proposals, request = _after(material, after, run, out, request, reporter)
        selected = select_pairs(material, request, reporter)
        selected.record.advice[:0] = [_sentence(proposal) for proposal in proposals]
        page = write_selection_page(out, selected, proposals, reporter)
        selected.record.save(out / "pairs.json")
    record = selected.record
    for line in record.advice:
        click.echo(line, err=True)
    return {
        "pairs": str(out / "pairs.json"),
        "page": str(page),
        "training": [pair.source for pair in record.training],
        "held_out": [pair.source for pair in record.held_out],
        "scopes": [asdict(one) for one in record.scopes],
        "rejected": record.rejected,
        "advice": record.advice,
        "proposals": [asdict(proposal) for proposal in proposals],
    }


def _count(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--pairs takes a whole number from 1 on, or auto; '{text}' is neither.")
    return int(text)


def _after(
    material: Material, after: str, run: Path, out: Path, request: SelectionRequest, reporter: Reporter
) -> tuple[list[Proposal], SelectionRequest]:
    """What strays in the render, and the request that keeps the run's pairs and adds the worst of these.

    Raises :class:`InputError` for a run without a dataset.
    """
    import dataclasses

    from film_recovery.elements.survey import survey_element
    from film_recovery.images.sequence import open_sequence
    from film_recovery.pairs.manifest import load_manifest
    from film_recovery.pairs.material import PairCheck
    from film_recovery.pairs.outliers import find_outliers

    manifest = load_manifest(run / "dataset")
    trained = {pair.frame for pair in manifest.pairs if not pair.held_out}
    held = {pair.frame for pair in manifest.pairs if pair.held_out}
    rendered = open_sequence(after)
    reporter.stage(f"Reading {len(rendered.frames)} frames of {rendered.name}")
    survey = survey_element(rendered, out / "survey_render", reporter)
    row_of = {frame: row for row, frame in enumerate(material.frames)}
    rows = [row_of[frame] for frame in sorted(trained) if frame in row_of]
    proposals = find_outliers(material, survey, rows)
    check = PairCheck(material)
    new: dict[int, str] = {}
    for proposal in proposals:
        frame = proposal.pair_source
        if frame is None or frame in trained | held | request.avoid or len(new) == _MOST_NEW:
            continue
        if not check.problem(row_of[frame]):
            stray = "" if frame == proposal.source else f"like frame {proposal.source}, where "
            new[frame] = f"new: {stray}{proposal.reason}"
    keep = (trained - request.avoid) | set(new) | request.keep
    reasons = {**dict.fromkeys(trained, "trained on before"), **dict.fromkeys(held, "held out before"), **new}
    return proposals, dataclasses.replace(
        request,
        count=max(request.count or 0, len(keep)),
        keep=frozenset(keep),
        hold=frozenset(held - request.keep - request.avoid),
        reasons={frame: text for frame, text in reasons.items() if frame not in request.keep},
    )


def _sentence(proposal: Proposal) -> str:
    if proposal.pair_source is None:
        return f"Frame {proposal.source} strays: {proposal.reason}; no pair with a sound partner is like it."
    if proposal.pair_source == proposal.source:
        return f"Frame {proposal.source} strays: {proposal.reason}; it makes a pair itself."
    return f"Frame {proposal.source} strays: {proposal.reason}; the pair {proposal.pair_source} is most like it."
