"""The command that chooses the pairs to train on and to hold out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from film_recovery.cli.console import PATH, frames_option, stoppable
from film_recovery.contract.curation import SCOPES
from film_recovery.contract.errors import InputError, UsageError

if TYPE_CHECKING:
    from film_recovery.contract.progress import Reporter
    from film_recovery.pairs.material import Material, PairCheck
    from film_recovery.pairs.outliers import Proposal
    from film_recovery.pairs.select import SelectionRequest

_MOST_NEW = 4  # pairs that one look at a render adds


@click.command()
@click.option("--source", required=True, metavar="FILES", help="The element to recover.")
@click.option("--reference", required=True, metavar="FILES", help="The element that kept what the source lost.")
@click.option("--pairs", default="auto", show_default=True, metavar="K|auto", help="Pairs to train on, in every scope.")
@click.option("--scope", type=click.Choice(SCOPES), default="sequence", show_default=True, help="What one model is for.")
@click.option("--held-out", type=int, metavar="N", help="Pairs to hold out; default a third of the pairs, at least two.")
@click.option("--match", "match_file", metavar="FILE", type=PATH, help="match.json of match.")
@click.option("--offset", type=int, help="Reference frame minus source frame, without --match; default 0.")
@click.option("--keep", metavar="RANGE", help="Source frames that must be among the pairs.")
@click.option("--avoid", metavar="RANGE", help="Source frames that must not.")
@click.option("--picks", metavar="FILE", type=PATH, help="pairs.json: its pairs that are marked by_hand are kept.")
@click.option("--after", metavar="FILES", help="A render by the model of --run: frames that stray become pairs.")
@click.option(
    "--run", metavar="RUN", type=PATH,
    help="A finished run: its pairs are kept, and frames whose colours its model has not learned become pairs.",
)
@click.option("--out", required=True, metavar="DIR", type=PATH, help="Folder for pairs.json and pictures.")
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
    picks: Path | None,
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
    if after is not None and run is None:
        raise UsageError("--after needs --run: the run whose model made the render.")
    count = _count(pairs)
    kept, avoided = (frozenset(frames_option(text) or ()) for text in (keep, avoid))
    from film_recovery.cli.picks import load_picks
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
    news: list[str] = []
    with RunFolder(out).locked(), stoppable() as reporter:
        material = gather_material(*elements, out, match, offset or 0, reporter)
        mine, asked = load_picks(picks, material) if picks is not None else None, request
        request = mine.asked(request) if mine is not None else request
        if run is not None:
            proposals, news, request = _further_pairs(material, after, run, out, request, reporter)
        selected = select_pairs(material, request, reporter)
        if mine is not None:
            mine.put(selected.record, asked)
        title = "Frames that are unlike the pairs" if after is None else "Frames of the render that stray"
        selected.record.advice[:0] = news
        page = write_selection_page(out, selected, proposals, reporter, title=title)
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


def _further_pairs(
    material: Material, after: str | None, run: Path, out: Path, request: SelectionRequest, reporter: Reporter
) -> tuple[list[Proposal], list[str], SelectionRequest]:
    """What strays in the render, or without one what the run's model has not learned, that in sentences, and the request that
    keeps the run's pairs and adds the worst of these.

    Raises :class:`InputError` for a run without a dataset or with other partners, and for a render of other frames.
    """
    import dataclasses

    from film_recovery.pairs.manifest import load_manifest
    from film_recovery.pairs.material import PairCheck

    pairs = load_manifest(run / "dataset").pairs
    _check_run(material, {pair.frame: pair.reference_frame for pair in pairs}, run)
    trained = {pair.frame for pair in pairs if not pair.held_out}
    held = {pair.frame for pair in pairs if pair.held_out}
    row_of = {frame: row for row, frame in enumerate(material.frames)}
    check = PairCheck(material)
    if after is None:
        excluded = {row_of[frame] for frame in trained | held | request.avoid if frame in row_of}
        proposals, looked_at = _unlike(material, run, excluded, check), f"{len(row_of)} frames of the source"
    else:
        proposals, looked_at = _straying(material, after, out, [row_of[frame] for frame in sorted(trained)], reporter)
    new: dict[int, str] = {}
    news = []
    for proposal in proposals:
        frame = proposal.pair_source
        problem = "" if frame is None or frame in new else check.problem(row_of[frame])
        if frame is None:
            what = "no frame with a sound partner is like it, name a pair by hand with --keep"
        elif frame in held:
            what = f"{frame} is held out and stays so; --keep {frame} would train on it"
        elif frame in request.avoid:
            what = f"the pair {frame} is to be avoided, and is not added"
        elif problem:
            what = f"the pair {frame} is not added, {problem}"
        elif len(new) == _MOST_NEW and frame not in new:
            what = f"left for the next look, {_MOST_NEW} worse ones are added first"
        else:
            like = "" if frame == proposal.source else f"like frame {proposal.source}, where "
            new.setdefault(frame, f"new: {like}{proposal.reason}")
            what = f"added as a pair{'' if frame == proposal.source else f': {frame}, the most alike with a sound partner'}"
        who = proposal.frames if after is not None else f"Frame {proposal.source}"
        news.append(f"{who}: {proposal.reason}; {what}.")
    news.append(_what_next(new, looked_at, run, out))
    keep = (trained - request.avoid) | set(new) | request.keep
    reasons = {**dict.fromkeys(trained, "trained on before"), **dict.fromkeys(held, "held out before"), **new}
    changed = dataclasses.replace(
        request,
        count=request.count or 1,  # in every scope those that are kept, and one where there are none
        keep=frozenset(keep),
        hold=frozenset(held - request.keep - request.avoid),
        reasons={frame: text for frame, text in reasons.items() if frame not in request.keep},
    )
    return proposals, news, changed


def _straying(
    material: Material, after: str, out: Path, trained: list[int], reporter: Reporter
) -> tuple[list[Proposal], str]:
    """Proposals by a render, and what was looked at."""
    from film_recovery.elements.survey import survey_element
    from film_recovery.images.sequence import open_sequence
    from film_recovery.pairs.outliers import find_outliers

    rendered = open_sequence(after)
    common = set(rendered.frames) & set(material.frames)
    if not common:
        raise InputError(
            f"The render {rendered.name} has frames {rendered.frames[0]}-{rendered.frames[-1]}, and none of them is one of "
            f"{material.source.name}; give the render of this source, under the source's frame numbers."
        )
    reporter.stage(f"Reading {len(rendered.frames)} frames of {rendered.name}")
    survey = survey_element(rendered, out / "survey_render", reporter)
    return find_outliers(material, survey, trained), f"{len(common)} frames of the render"


def _unlike(material: Material, run: Path, excluded: set[int], check: PairCheck) -> list[Proposal]:
    """Proposals by what the run's model has not learned."""
    from film_recovery.modelfile.load import load_model
    from film_recovery.pairs.unlike import find_unlike

    card = load_model(run).card
    if not card.colours:
        raise InputError(
            f"The model of {run} was made before models told which colours they were trained on; export it anew "
            f"(film-recovery resume {run}), or give a render of it with --after."
        )
    return find_unlike(material, card, excluded, check.problem)


def _check_run(material: Material, trained: dict[int, int], run: Path) -> None:
    partners = dict(zip(material.frames, material.partners, strict=True))
    for frame, reference in sorted(trained.items()):
        partner = partners.get(frame)
        if partner is None or partner.frame != reference:
            here = "has no partner" if partner is None else f"belongs to {partner.frame}"
            raise InputError(
                f"The run {run} paired source frame {frame} with reference frame {reference}; here it {here}. Give the "
                f"elements and the --match or --offset that the run was trained with."
            )


def _what_next(new: dict[int, str], looked_at: str, run: Path, out: Path) -> str:
    if not new:
        return f"{looked_at} were looked at, and no pair was added."
    frames = ", ".join(str(frame) for frame in sorted(new))
    many = "s" if len(new) > 1 else ""
    return (
        f"New pair{many}: {frames}. Train on with --pairs {out / 'pairs.json'} --initial-weights {run}, render again and look "
        f"again; a frame that strays although it is trained on wants a smaller scope, not more pairs."
    )
