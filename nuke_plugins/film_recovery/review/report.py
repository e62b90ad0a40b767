"""The report: one HTML file with everything inside, for the screen and for A4 paper.

Pictures are embedded as JPEG without chroma subsampling (colour is what is judged) or as PNG, curves as SVG; there is no
outside link, no font and no library to fetch, so the file still opens in an archive.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import markupsafe

from film_recovery.contract.atomic import write_text
from film_recovery.images.drawing import fit_width, to_uint8
from film_recovery.review.page import data_url, jpeg_url, png_url, template
from film_recovery.review.plots import to_svg
from film_recovery.review.report_data import Chart, Picture, Pixels, ReportData, ScoreTable
from film_recovery.review.verdict import MethodScore, Verdict, verdict

_WIDEST = 1800  # pixels of an embedded picture: A4 text width at 250 dpi


@dataclass(frozen=True)
class _Column:
    """A column of the table of methods: which figure, how it is written, and whether more is better (None: no contest)."""

    name: str
    head: str
    write: Callable[[float], str]
    more_is_better: bool | None


_COLUMNS = (
    _Column("delta_e_mean", "ΔE2000 mean", lambda value: f"{value:.2f}", False),
    _Column("delta_e_p95", "ΔE2000 95 %", lambda value: f"{value:.2f}", False),
    _Column("psnr", "PSNR dB", lambda value: f"{value:.2f}", True),
    _Column("ssim", "SSIM", lambda value: f"{value:.3f}", True),
    _Column("detail", "detail", lambda value: f"{100 * value:.0f} %", None),
    _Column("hallucinated", "not in truth", lambda value: f"{100 * value:.0f} %", None),
    _Column("chroma_flicker", "flicker ×1000", lambda value: f"{1000 * value:.2f}", False),
    _Column("luma_identity", "ΔY", lambda value: f"{value:.0e}", None),
    _Column("chroma_identity", "ΔC", lambda value: f"{value:.0e}", None),
)
_EXPLAINED = {
    "delta_e_mean": "CIEDE2000 (CIE 2000 colour difference, CIELAB D65 from linear light clipped to 0..1), mean over all "
    "pixels. About 1 is just visible side by side.",
    "delta_e_p95": "The difference that 95 % of the pixels stay below: how bad the worst twentieth is.",
    "psnr": "Peak signal-to-noise ratio of coded RGB; 6 dB more is half the error. Grain counts as error.",
    "ssim": "Structural similarity (Wang 2004) of coded RGB, 1 for equal pictures. Grain counts as error.",
    "detail": "Share of the truth's detail between 0.10 and 0.35 cycles per pixel that is shown, in phase with it; grain does "
    "not count. 100 % is all of it, more is over-sharpened.",
    "hallucinated": "Share of the picture's own energy in that band that no linear filter of the truth explains: grain, "
    "invented texture, misregistration.",
    "chroma_flicker": "Deviation over time of Cb and Cr on 16-pixel patches that stand still, in thousandths of the coded "
    "range; one step of 8-bit video is 3.9.",
    "luma_identity": "Largest luma difference to the balanced source whose luma is kept, any pixel, any frame.",
    "chroma_identity": "Largest chroma difference to the source whose chroma is kept, any pixel, any frame.",
}


def build_report(data: ReportData, path: Path) -> Path:
    """Write the report as one HTML file, whole or not at all. Raises :class:`StorageError` on a full disk."""
    write_text(Path(path), render_report(data))
    return Path(path)


def render_report(data: ReportData) -> str:
    """The report as HTML text."""
    tables = [_table(table) for table in data.tables]
    used = {column["name"] for table in tables for column in table["columns"]}
    # Inside a style sheet HTML escapes mean nothing, so what could end the string or the sheet is taken out instead.
    footer = markupsafe.Markup(re.sub(r'[\\"<>\r\n]', " ", data.title))
    return template("report.html.j2", embed=_embed, chart=_chart, pixels=_pixels).render(
        report=data,
        footer=footer,
        tables=tables,
        explained=[(column.head, _EXPLAINED[column.name]) for column in _COLUMNS if column.name in used],
        lead=next((table["verdict"] for table in tables if table["verdict"]), None),
    )


def _table(table: ScoreTable) -> dict[str, Any]:
    """A table as the template wants it: columns that hold anything, rows of cells, the best of each column marked."""
    shown = [column for column in _COLUMNS if any(getattr(score, column.name) is not None for score in table.scores)]
    longest = max((score.delta_e_mean for score in table.scores), default=0.0)
    rows = [
        {
            "label": score.label,
            "kind": score.kind,
            "bar": 100.0 * score.delta_e_mean / longest if longest > 0.0 else 0.0,
            "cells": [_cell(score, column, table.scores) for column in shown],
        }
        for score in table.scores
    ]
    judged: Verdict | None = None
    if any(score.kind == "result" for score in table.scores):
        judged = verdict(table.scores, table.against)
    columns = [{"name": column.name, "head": column.head} for column in shown]
    return {"title": table.title, "where": table.where, "columns": columns, "rows": rows, "verdict": judged}


def _cell(score: MethodScore, column: _Column, scores: Sequence[MethodScore]) -> dict[str, Any]:
    value = getattr(score, column.name)
    if value is None:
        return {"text": "–", "best": False}
    text = column.write(value)
    if column.more_is_better is None:
        return {"text": text, "best": False}
    values = [getattr(other, column.name) for other in scores if getattr(other, column.name) is not None]
    best = max(values) if column.more_is_better else min(values)
    # Equal as written is equal: a bold 2.10 above a plain 2.10 would claim a difference that nobody can read.
    return {"text": text, "best": len(values) > 1 and text == column.write(best)}


def _embed(picture: Picture) -> str:
    return _pixels(picture.pixels, picture.lossless)


def _pixels(pixels: Pixels, lossless: bool = False) -> str:
    """A picture as a data URL, at most ``_WIDEST`` pixels wide."""
    shown = to_uint8(pixels)
    if shown.shape[1] > _WIDEST:
        shown = fit_width(shown, _WIDEST)
    return png_url(shown) if lossless else jpeg_url(shown)


def _chart(chart: Chart) -> str:
    """A figure as a data URL; apart from the page, so that the names inside two SVGs cannot collide."""
    return data_url("image/svg+xml", to_svg(chart.figure).encode("utf-8"))
