"""Pictures to judge a match by: a map of who stands beside whom, and a sheet of partners."""

from __future__ import annotations

import cv2
import matplotlib
import numpy as np
from matplotlib.figure import Figure

from film_recovery.contract.curation import MatchRecord
from film_recovery.elements.overlap import Overlap
from film_recovery.images.drawing import Bytes, Cell, draw_grid
from film_recovery.images.ranges import counted
from film_recovery.review.plots import STYLE, WIDTH

_ROWS, _COLUMNS = 12, 3  # segments on the sheet, and frames of each
_WIDTH = 288


def match_map(record: MatchRecord) -> Figure:
    """Frames of b against frames of a: a line where they match, red where that is uncertain, bands where one is alone."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
        axes = figure.subplots()
        for part in record.segments:
            x, y = np.arange(part.first_a, part.first_a + part.length), np.arange(part.first_b, part.first_b + part.length)
            axes.plot(x, y, color="#1f7a8c", linewidth=1.6, marker="o" if part.length == 1 else None, markersize=1.6)
            still = np.array(part.plus_minus) > 0
            axes.errorbar(
                x[still],
                y[still],
                yerr=np.array(part.plus_minus)[still],
                fmt="none",
                ecolor="#c0392b",
                elinewidth=0.8,
                alpha=0.6,
            )
        for first, last in record.only_a:
            axes.axvspan(first - 0.5, last + 0.5, color="#8a8a90", alpha=0.22, linewidth=0)
        for first, last in record.only_b:
            axes.axhspan(first - 0.5, last + 0.5, color="#b08a3c", alpha=0.20, linewidth=0)
        axes.set_xlabel("frame of a (grey: without a partner)")
        axes.set_ylabel("frame of b (yellow: without a partner)")
        axes.set_title("Who stands beside whom; red: the picture is still, the partner may be that far off")
    return figure


def match_sheet(overlap: Overlap) -> Bytes:
    """First, middle and last frame of up to twelve segments, the longest ones, each beside its partner."""
    record = overlap.record
    chosen = sorted(sorted(record.segments, key=lambda part: -part.length)[:_ROWS], key=lambda part: part.first_a)
    rows: list[list[Cell]] = []
    row_of_a = {int(frame): index for index, frame in enumerate(overlap.a.frames)}
    row_of_b = {int(frame): index for index, frame in enumerate(overlap.b.frames)}
    for part in chosen:
        cells: list[Cell] = []
        for k in np.unique(np.linspace(0, part.length - 1, _COLUMNS).astype(int)):
            ours = overlap.a.thumbnails[row_of_a[part.first_a + k]]
            theirs = overlap.b.thumbnails[row_of_b[part.first_b + k]]
            off = f" ±{part.plus_minus[k]}" if part.plus_minus[k] else ""
            shape = (_WIDTH, round(_WIDTH * overlap.a.size[1] / overlap.a.size[0]))
            both = [cv2.resize(np.asarray(picture), shape, interpolation=cv2.INTER_CUBIC) for picture in (ours, theirs)]
            cells.append((f"a {part.first_a + k} = b {part.first_b + k}{off}", np.asarray(np.hstack(both), np.uint8)))
        rows.append(cells)
    longest = f"the {len(chosen)} longest of " if len(chosen) < len(record.segments) else ""
    return draw_grid(rows, f"{longest}{counted(len(record.segments), 'segment')}", 2 * _WIDTH, "a on the left, b on the right")
