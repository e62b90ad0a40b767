"""The page of a selection: one HTML file with everything inside, scope by scope."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from film_recovery.contract.atomic import write_text
from film_recovery.contract.progress import Reporter, SilentReporter
from film_recovery.images.drawing import Bytes, save_png
from film_recovery.images.ranges import counted
from film_recovery.pairs.outliers import Proposal
from film_recovery.pairs.select import Selected
from film_recovery.review.page import file_url, jpeg_url, template
from film_recovery.review.plots import save_chart
from film_recovery.review.selection_pictures import coverage_plot, pair_picture, pairs_sheet

_PLOTS = 24  # scopes that get a plot; more would make the page slow to open
_REJECTED = 60  # lines


def write_selection_page(
    folder: Path,
    selected: Selected,
    proposals: Sequence[Proposal] = (),
    reporter: Reporter = SilentReporter(),
    *,
    title: str = "",
) -> Path:
    """Write ``index.html``, ``pairs.png`` and ``coverage_1.png`` and on, one a scope, into ``folder``; ``title`` is what the
    proposals are.

    Raises StorageError when the folder cannot be written, and what reading the pairs raises.
    """
    record = selected.record
    reporter.stage(f"Drawing {counted(len(record.pairs), 'pair')}")
    pictures = []
    for done, pair in enumerate(record.pairs, start=1):
        pictures.append(pair_picture(selected.material, pair))
        reporter.progress(done, len(record.pairs), "pair")
    save_png(folder / "pairs.png", pairs_sheet(record, pictures))
    for old in folder.glob("coverage_*.png"):
        old.unlink()
    scopes = []
    for number, (result, scope) in enumerate(zip(selected.scopes, record.scopes, strict=True), start=1):
        plot = ""
        if number <= _PLOTS:
            chart = save_chart(folder / f"coverage_{number}.png", coverage_plot(result, selected.material.looks.shown))
            plot = file_url(chart)
        rows = [_row(pair, picture) for pair, picture in zip(record.pairs, pictures, strict=True) if pair.scope == scope.name]
        steps = ", ".join(f"{counted(count, 'pair')} {covered:.0%}" for count, covered in sorted(result.steps.items()))
        scopes.append({"name": scope.name, "first": scope.first, "last": scope.last, "covered": f"{scope.covered:.0%}",
                       "uncovered": scope.uncovered, "steps": steps, "plot": plot, "pairs": rows})  # fmt: skip
    text = template("selection.html.j2").render(
        source=record.source, reference=record.reference, training=len(record.training), held_out=len(record.held_out),
        scopes=scopes, advice=record.advice, rejected=record.rejected[:_REJECTED],
        more_rejected=max(len(record.rejected) - _REJECTED, 0), proposals=proposals,
        proposals_title=title,
    )  # fmt: skip
    write_text(folder / "index.html", text)
    return folder / "index.html"


def _row(pair: Any, picture: Bytes) -> dict[str, Any]:
    return {"source": pair.source, "reference": pair.reference, "held_out": pair.held_out, "by_hand": pair.by_hand,
            "reason": pair.reason, "adds": pair.adds, "picture": jpeg_url(picture)}  # fmt: skip
