"""Pictures to judge a selection by: a sheet of the pairs, and what each scope holds against what they cover."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from film_recovery.contract.curation import ChosenPair, SelectionRecord
from film_recovery.images.colour import ycbcr_to_rgb
from film_recovery.images.drawing import Bytes, Cell, draw_grid, to_uint8
from film_recovery.images.encodings import encode
from film_recovery.images.frame import Frame
from film_recovery.images.ranges import counted
from film_recovery.pairs.material import Material
from film_recovery.pairs.select import ScopeResult
from film_recovery.review.plots import STYLE, WIDTH

_SIDE = 320  # pixels, width of each picture of a pair
_COLUMNS = 2
_HELD, _LACKING = 0.5, "#c0392b"


def pair_picture(material: Material, pair: ChosenPair) -> Bytes:
    """Source and reference of a pair side by side, uint8, each 320 wide; the reference in the source's framing."""
    ours, theirs = (sequence.read(frame) for sequence, frame in (
        (material.source, pair.source), (material.reference, pair.reference)))  # fmt: skip
    height = round(_SIDE * ours.rgb.shape[0] / ours.rgb.shape[1])
    both = [_small(one, (_SIDE, height)) for one in (ours, theirs)]
    if material.mirrored:
        both[1] = np.ascontiguousarray(both[1][:, ::-1])
    return np.asarray(np.hstack(both), np.uint8)


def _small(frame: Frame, size: tuple[int, int]) -> Bytes:
    linear = cv2.resize(np.nan_to_num(frame.rgb), size, interpolation=cv2.INTER_AREA)
    return to_uint8(encode(linear, "none" if frame.is_coded else "display"))


def pairs_sheet(record: SelectionRecord, pictures: Sequence[Bytes]) -> Bytes:
    """Every pair, source beside reference, with its numbers and what it adds; ``pictures`` are of :func:`pair_picture`."""
    cells: list[Cell] = [(caption(pair), picture) for pair, picture in zip(record.pairs, pictures, strict=True)]
    rows = [cells[start : start + _COLUMNS] for start in range(0, len(cells), _COLUMNS)]
    title = f"{counted(len(record.training), 'pair')} to train on, {len(record.held_out)} held out"
    return draw_grid(rows, title, 2 * _SIDE, "source on the left, reference on the right")


def caption(pair: ChosenPair) -> str:
    """A pair in a line or two."""
    head = f"{pair.source}" + ("" if pair.reference == pair.source else f" = {pair.reference}")
    scope = "" if pair.scope == "sequence" else f" · {pair.scope}"
    words = pair.reason.removeprefix("held out: ") if pair.held_out or not pair.adds else "; ".join(pair.adds)
    return f"{'HELD OUT ' if pair.held_out else ''}{head}{scope}\n{words}"


def coverage_plot(result: ScopeResult, shown: npt.NDArray[np.float32]) -> Figure:
    """What a scope holds: every look a dot in its colour, as large as its share; crossed in red where no pair holds it.

    Args:
        result: of the scope.
        shown: (M, 3), the film's looks as the reference shows them: coded Y, Cb, Cr.
    """
    looks = shown[result.coverage.present]
    held = result.coverage.held(result.training)
    covered = result.coverage.expect(result.training).covered
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.5), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.0, 1.15))
        _dots(left, looks[:, 1], looks[:, 2], looks, result.coverage.mass, held)
        left.set(
            xlabel="Cb (yellow to blue)", ylabel="Cr (green to red)", title="Colours", aspect="equal", adjustable="datalim"
        )
        _dots(right, looks[:, 0], np.hypot(looks[:, 1], looks[:, 2]), looks, result.coverage.mass, held)
        right.set(xlabel="luma (dark to bright)", ylabel="chroma", title="Light and saturation", xlim=(-0.03, 1.03))
        holds = "1 pair holds" if len(result.training) == 1 else f"{len(result.training)} pairs hold"
        title = f"{result.scope.name}: {holds} {covered:.0%} of the picture; crosses are what is lacking"
        figure.suptitle(title, fontsize=9.5)
    return figure


def _dots(
    axes: Axes,
    x: npt.NDArray[np.float32],
    y: npt.NDArray[np.float32],
    looks: npt.NDArray[np.float32],
    mass: npt.NDArray[np.float64],
    held: npt.NDArray[np.float64],
) -> None:
    colours = np.clip(ycbcr_to_rgb(looks, "709"), 0.0, 1.0)
    sizes = 12.0 + 1800.0 * mass
    axes.scatter(x, y, s=sizes, c=colours, edgecolors="#5a5a60", linewidths=0.4, alpha=0.9)
    lacking = held < _HELD
    axes.scatter(x[lacking], y[lacking], s=np.clip(sizes[lacking], 16.0, 70.0), c=_LACKING, marker="x", linewidths=1.1)
