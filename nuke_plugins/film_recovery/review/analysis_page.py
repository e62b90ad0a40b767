"""The page of an analysis: one HTML file with everything inside, and its curves as PNG beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from film_recovery.contract.atomic import write_text
from film_recovery.elements.reel import ReelAnalysis, ShotAnalysis
from film_recovery.elements.reel_advice import ShotAdvice, different_roles
from film_recovery.images.ranges import counted
from film_recovery.review.analysis_plots import layers_plot, spectra_plot, time_plot
from film_recovery.review.page import file_url, jpeg_url, template
from film_recovery.review.plots import save_chart

_GAPS = 5  # between frame numbers that are told one by one
_SHOWN = 300  # shots whose pictures are on the page; a longer list would be slow to open


def write_analysis_page(
    folder: Path,
    reels: Sequence[ReelAnalysis],
    sentences: Sequence[str],
    advice: str | None,
    pairs: Sequence[ShotAdvice] = (),
    notes: Sequence[str] = (),
) -> Path:
    """Write ``index.html`` and ``spectra.png``, ``layers.png``, ``time_1.png`` (and ``time_2.png``) into ``folder``.

    Args:
        reels: one element or two; sentences: one for each.
        advice: which element should lead in which pass; pairs: the same shot by shot.

    Raises StorageError when the folder cannot be written.
    """
    labels = _labels(reels)
    plots = {
        "spectra": save_chart(folder / "spectra.png", spectra_plot(reels, labels)),
        "layers": save_chart(folder / "layers.png", layers_plot(reels, labels)),
    }
    elements = []
    for number, (label, reel, sentence) in enumerate(zip(labels, reels, sentences, strict=True), start=1):
        plot = save_chart(folder / f"time_{number}.png", time_plot(reel, label))
        shots = [_row(reel, place, shot) for place, shot in enumerate(reel.shots, start=1)]
        width, height = reel.survey.size
        elements.append({"label": label, "facts": _facts(reel), "sentence": sentence, "plot": file_url(plot), "shots": shots,
                         "aspect": f"{width} / {height}"})  # fmt: skip
    text = template("analysis.html.j2").render(
        labels=labels, advice=advice, notes=list(notes), elements=elements,
        plots={name: file_url(path) for name, path in plots.items()}, pairs=_pairs(pairs),
    )  # fmt: skip
    write_text(folder / "index.html", text)
    return folder / "index.html"


def _labels(reels: Sequence[ReelAnalysis]) -> list[str]:
    """The file names, or the whole names where those are equal."""
    short = [Path(reel.name).name for reel in reels]
    return short if len(set(short)) == len(short) else [reel.name for reel in reels]


def _facts(reel: ReelAnalysis) -> str:
    width, height = reel.survey.size
    frames = reel.survey.frames
    parts = [
        f"{counted(len(frames), 'frame')}, {frames[0]}–{frames[-1]}, {counted(len(reel.shots), 'shot')}",
        f"{width}×{height}",
        f"picture area {reel.area.width}×{reel.area.height} at {reel.area.x}, {reel.area.y}",
    ]
    if reel.missing:
        gaps = reel.missing.split(",")
        more = f" and {counted(len(gaps) - _GAPS, 'more gap')}" if len(gaps) > _GAPS else ""
        parts.append(f"no files of {', '.join(gaps[:_GAPS])}{more}")
    if reel.survey.broken:
        parts.append(f"{counted(len(reel.survey.broken), 'file')} that cannot be read")
    return "; ".join(parts) + "."


def _row(reel: ReelAnalysis, number: int, shot: ShotAnalysis) -> dict[str, Any]:
    figures, movement = shot.figures, shot.movement
    ends = sorted({shot.start, (shot.start + shot.stop) // 2, shot.stop - 1})
    specks = None if movement.dark_specks is None else [movement.dark_specks, movement.bright_specks]
    return {
        "number": number, "first": shot.first, "last": shot.last,
        "pictures": [jpeg_url(reel.survey.thumbnails[index], 88) for index in ends] if number <= _SHOWN else [],
        "resolution": f"{figures['resolution']:.2f}", "detail": f"{figures['detail']:.3f}",
        "grain": _numbers(figures["grain"], 3), "contrast": _numbers(figures["contrast_kept"], 2),
        "colour": f"{figures['colour']:.3f}", "flicker": _numbers(figures["flicker"], 3),
        "jump": _numbers(movement.unsteadiness, 2), "specks": _numbers(specks, 1),
        "clipped": _numbers([100 * figures["clipped_low"], 100 * figures["clipped_high"]], 1), "flags": "; ".join(shot.flags),
    }  # fmt: skip


def _pairs(pairs: Sequence[ShotAdvice]) -> list[dict[str, Any]]:
    odd = set(different_roles(list(pairs)))
    return [
        {
            "first": pair.first + 1, "second": "–" if pair.second is None else pair.second + 1,
            "kept_first": _numbers(pair.kept_first, 2), "kept_second": _numbers(pair.kept_second, 2),
            "advice": pair.advice or "no shot of the other element shows the same", "differs": pair.first in odd,
        }
        for pair in pairs
    ]  # fmt: skip


def _numbers(values: Sequence[float | None] | None, digits: int) -> str:
    if values is None:
        return "–"
    return " ".join("–" if value is None else f"{value:.{digits}f}" for value in values)
