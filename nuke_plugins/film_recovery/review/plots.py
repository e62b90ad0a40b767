"""Curves for reports and screens: light ground, few colours, vector graphics that stay sharp in print."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from film_recovery.contract.atomic import atomic_path

RESULT, SOURCE, REFERENCE, TRUTH = "#c0392b", "#8a8a90", "#1f7a8c", "#1c1c1e"
_OTHERS = ("#b08a3c", "#6a5d9e", "#4f8a5b", "#a65f86")
WIDTH, _HEIGHT = 7.2, 2.9  # inches, the text width of an A4 page
_DOTS_PER_INCH = 160
STYLE: Any = {
    "font.family": "DejaVu Sans", "font.size": 8.5, "axes.titlesize": 9.5, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "#8a8a90",
    "axes.labelcolor": "#3a3a3e", "axes.linewidth": 0.8, "xtick.color": "#5a5a60", "ytick.color": "#5a5a60",
    "axes.grid": True, "grid.color": "#e4e2de", "grid.linewidth": 0.7, "legend.frameon": False, "legend.fontsize": 8,
    "figure.facecolor": "white", "axes.facecolor": "white", "svg.fonttype": "path", "svg.hashsalt": "film-recovery",
    "lines.linewidth": 1.6, "axes.axisbelow": True,
}  # fmt: skip


@dataclass(frozen=True)
class Curve:
    """One line: ``x`` and ``y`` of equal length; ``role`` picks the colour (result, source, reference, truth or other)."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    role: str = "other"


def training_curves(
    losses: Sequence[tuple[int, float]],
    held_out: Sequence[tuple[int, float]],
    start: float | None = None,
    levels: Mapping[str, float] | None = None,
) -> Figure:
    """Loss over steps (logarithmic) above, held-out PSNR below.

    Args:
        losses: (step, loss); held_out: (step, dB).
        start: the closed-form start's held-out dB, drawn as a line that training has to leave behind.
        levels: further horizontal lines, label to dB, such as baselines.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.7), layout="constrained")
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1.0, 1.15))
        if losses:
            top.semilogy(*zip(*losses, strict=True), color=SOURCE, linewidth=1.1)
        top.set(title="Loss on the training pairs", ylabel="loss")
        if held_out:
            steps, values = zip(*held_out, strict=True)
            bottom.plot(steps, values, color=RESULT, marker="o", markersize=2.6, label="held-out pairs")
            best = int(np.argmax(values))
            bottom.plot(steps[best], values[best], "o", color=RESULT, markersize=7, fillstyle="none")
            bottom.annotate(f"best {values[best]:.2f} dB", (steps[best], values[best]), xytext=(-4, 7), ha="right",
                            textcoords="offset points", color=RESULT, fontsize=8)  # fmt: skip
            bottom.margins(y=0.18)
        fixed = {**({} if start is None else {"closed-form start": start}), **(levels or {})}
        for number, (label, level) in enumerate(fixed.items()):
            bottom.axhline(level, color=_OTHERS[number % len(_OTHERS)], linestyle="--", linewidth=1.1, label=label)
        bottom.set(title="Held-out pairs, never trained on (higher is better)", xlabel="step", ylabel="PSNR, dB")
        _legend_below(figure, bottom)
    return figure


def power_curves(curves: Sequence[Curve]) -> Figure:
    """Radial power spectra of elements that have no truth beside them: frequency in cycles per pixel, power."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, _HEIGHT), layout="constrained")
        axes = figure.subplots()
        for number, curve in enumerate(curves):
            axes.semilogy(curve.x, curve.y, color=_colour(curve.role, number), label=curve.label)
        axes.set(title="Power of luma over spatial frequency", xlabel="cycles per pixel", ylabel="power", xlim=(0, 0.5))
        _legend(axes)
    return figure


def per_frame(curves: Sequence[Curve], title: str, ylabel: str, trained: Sequence[int] = ()) -> Figure:
    """A figure such as ΔE2000 over frame numbers; the frames trained on are ticked at the bottom."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, _HEIGHT), layout="constrained")
        axes = figure.subplots()
        for number, curve in enumerate(curves):
            axes.plot(curve.x, curve.y, color=_colour(curve.role, number), label=curve.label,
                      linewidth=2.0 if curve.role == "result" else 1.2)  # fmt: skip
        axes.set(title=title, xlabel="frame", ylabel=ylabel)
        axes.set_ylim(bottom=0.0)
        if trained:
            axes.plot(trained, np.zeros(len(trained)), "|", color=TRUTH, markersize=11, label="trained on", clip_on=False)
        _legend_below(figure, axes)
    return figure


def to_svg(figure: Figure) -> str:
    """The figure as an SVG element without XML header; text is drawn as outlines, so no font is needed."""
    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE):
        _settle(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def save_chart(path: Path, figure: Figure) -> Path:
    """Write the figure as PNG, whole or not at all."""
    with matplotlib.rc_context(STYLE), atomic_path(path) as temporary:
        _settle(figure)
        FigureCanvasAgg(figure).print_figure(temporary, format="png", dpi=_DOTS_PER_INCH)
    return path


def _settle(figure: Figure) -> None:
    """Lay the figure out once and for all: laid out again at every drawing, it would move by rounding errors."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


def _colour(role: str, number: int) -> str:
    fixed = {"result": RESULT, "source": SOURCE, "reference": REFERENCE, "truth": TRUTH}
    return fixed.get(role, _OTHERS[number % len(_OTHERS)])


def _legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best")


def _legend_below(figure: Figure, axes: Axes) -> None:
    """Under the panels, where it cannot cover a curve."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
