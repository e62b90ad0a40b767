"""Curves of an analysis: sharpness against grain, contrast of the layers, what changes from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from film_recovery.elements.reel import ReelAnalysis
from film_recovery.review.plots import REFERENCE, SOURCE, STYLE, WIDTH

_COLOURS = ("#c0392b", "#3f8f4f", "#2f5fa8")
_WIDEST = 8.0  # pixels; a position lost in fast motion would hide all others
_ELEMENTS = ("#c0392b", REFERENCE)


def spectra_plot(reels: Sequence[ReelAnalysis], labels: Sequence[str]) -> Figure:
    """Power of luma of every shot (thin) and their mean; dashed the floor of grain; dots where the detail sinks into it.

    Over cycles per picture height, so that scans of different sizes can be compared.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
        axes = figure.subplots()
        for colour, label, reel in zip(_ELEMENTS, labels, reels, strict=False):
            grid = np.linspace(0.0, 0.5, 65)[1:]  # cycles per pixel
            lines, power, floor = reel.area.height, [], []
            for shot in reel.shots:
                spectrum = shot.figures["spectrum"]
                frequency = np.asarray(spectrum["frequency"])
                power.append(np.interp(grid, frequency, np.log10(np.maximum(spectrum["power"], 1e-12))))
                floor.append(np.interp(grid, frequency, np.log10(np.maximum(spectrum["floor"], 1e-12))))
                axes.semilogy(lines * grid, 10.0 ** power[-1], color=colour, linewidth=0.6, alpha=0.3)
            mean, grain = np.mean(power, axis=0), np.mean(floor, axis=0)
            axes.semilogy(lines * grid, 10.0**mean, color=colour, label=label)
            axes.semilogy(lines * grid, 10.0**grain, color=colour, linestyle="--", linewidth=1.1, label=f"{label}, grain")
            limit = float(np.median([shot.figures["resolution"] for shot in reel.shots]))
            axes.plot(lines * limit, 10.0 ** np.interp(limit, grid, mean), "o", color=colour, markersize=6)
        axes.set(title="Detail of luma over spatial frequency; the dot is where it sinks into the grain",
                 xlabel="cycles per picture height", ylabel="power", xlim=(0, None))  # fmt: skip
        axes.legend(loc="upper right")
    return figure


def layers_plot(reels: Sequence[ReelAnalysis], labels: Sequence[str]) -> Figure:
    """Density range (1st to 99th percentile) of red, green and blue of every shot, one panel an element."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
        panels = figure.subplots(1, len(reels), sharey=True, squeeze=False)[0]
        for axes, label, reel in zip(panels, labels, reels, strict=True):
            for channel, colour in enumerate(_COLOURS):
                ranges = np.array([shot.figures["density_range"][channel] for shot in reel.shots])
                places = np.arange(len(ranges)) + 1 + 0.22 * (channel - 1)
                axes.bar(places, ranges[:, 1] - ranges[:, 0], bottom=ranges[:, 0], width=0.18, color=colour)
            axes.set(title=label, xlabel="shot", xlim=(0.4, len(reel.shots) + 0.6))
            axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True, min_n_ticks=1))
        panels[0].set_ylabel("density, 1 % to 99 %")
    return figure


def time_plot(reel: ReelAnalysis, label: str) -> Figure:
    """Over the frames of one element: density and cuts, position in the runs looked at, specks."""
    frames = reel.survey.frames
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
        top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=(1.2, 1.0, 0.8))
        for channel, colour in enumerate(_COLOURS):
            top.plot(frames, reel.densities[:, channel], color=colour, linewidth=1.0)
        for shot in reel.shots:
            for axes in (top, middle, bottom):
                axes.axvline(shot.first, color=SOURCE, linewidth=0.8, linestyle=":")
            path = np.asarray(shot.movement.path)
            if len(path) > 4:
                for column, colour in ((1, "#6a5d9e"), (2, "#b08a3c")):
                    smooth = np.polyval(np.polyfit(path[:, 0] - path[0, 0], path[:, column], 3), path[:, 0] - path[0, 0])
                    middle.plot(path[:, 0], path[:, column] - smooth, color=colour, linewidth=1.0)
            specks = (shot.movement.dark_specks or 0.0, shot.movement.bright_specks or 0.0)
            if shot.movement.dark_specks is not None:
                width = max(shot.last - shot.first, 1)
                bottom.bar(
                    [shot.first + 0.3 * width, shot.first + 0.7 * width],
                    specks,
                    width=0.3 * width,
                    color=["#3a3a3e", "#d9b25f"],
                )
        top.set(title=f"{label}: mean density of red, green and blue; dotted lines are cuts", ylabel="density")
        middle.set(title="Position against the camera's path, where measured: across violet, down ochre",
                   ylabel="pixels")  # fmt: skip
        lowest, highest = middle.get_ylim()
        middle.set_ylim(max(lowest, -_WIDEST), min(highest, _WIDEST))
        bottom.set(title="Specks in a frame, per shot: dark and bright", ylabel="count", xlabel="frame")
        if len(frames) > 1:
            top.set_xlim(float(frames[0]), float(frames[-1]))
    return figure
