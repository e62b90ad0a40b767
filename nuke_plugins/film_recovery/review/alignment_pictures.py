"""Pictures to judge an alignment by: differences before and after, a checkerboard, what is left, and an overview."""

from __future__ import annotations

from pathlib import Path

import cv2
import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from film_recovery.contract.curation import AlignmentRecord, FrameAlignment
from film_recovery.contract.progress import Reporter, SilentReporter
from film_recovery.elements.selection import spread_frames
from film_recovery.images.drawing import Bytes, Cell, draw_grid, save_png, to_uint8
from film_recovery.images.ranges import counted
from film_recovery.pairs.align_elements import Alignment
from film_recovery.pairs.alignment import Aligned, laid
from film_recovery.pairs.deformation import NO_WARP
from film_recovery.pairs.residual import Blocks, band_pass, canonical_planes, find_blocks
from film_recovery.review.plots import STYLE, WIDTH, save_chart

FloatArray = npt.NDArray[np.float32]

_ODD, _USUAL = 6, 6  # frames that are drawn: doubtful and rejected ones, and aligned ones
_TILES = 8  # of the checkerboard across
_ARROWS = 20  # times: how much longer arrows are than what is left
_GOOD, _BAD = 0.3, 1.0  # pixels of a picture 960 wide
_COLOURS = {"aligned": "#4f8a5b", "doubtful": "#d08a1d", "rejected": "#c0392b"}
_CROP_INK, _MASK_INK = (90, 220, 120), (235, 90, 70)


def write_pictures(alignment: Alignment, folder: Path, reporter: Reporter = SilentReporter()) -> dict[str, str]:
    """Draw ``overview.png``, ``residuals.png`` and ``frames/<source frame>.png``; returns the paths of the first two.

    Raises:
        StorageError: the folder cannot be written.
    """
    folder = Path(folder)
    chosen = judged_frames(alignment.record)
    reporter.stage(f"Drawing {counted(len(chosen), 'pair')}")
    for old in (folder / "frames").glob("*.png"):
        old.unlink()  # of an earlier alignment, whose verdicts it shows
    rows: list[list[Cell]] = []
    for done, frame in enumerate(chosen, start=1):
        cells = pair_cells(alignment, frame)
        title = f"{frame.source} = {frame.reference}: {frame.verdict}"
        save_png(
            folder / "frames" / f"{frame.source}.png", draw_grid([cells[:2], cells[2:4], cells[4:]], title, 960, frame.reason)
        )
        rows.append([(title if index == 0 else label, picture) for index, (label, picture) in enumerate(cells)])
        reporter.progress(done, len(chosen), "pair")
    record = alignment.record
    counts = {name: sum(frame.verdict == name for frame in record.frames) for name in _COLOURS}
    said = ", ".join(f"{count} {name}" for name, count in counts.items())
    notes = " ".join([f"{counted(len(record.frames), 'pair')}: {said}. Green: the shared crop; red: masks.", *record.notes])
    title = f"{Path(record.reference).name} on {Path(record.source).name}"
    save_png(folder / "overview.png", draw_grid(rows, title, 320, notes))
    save_chart(folder / "residuals.png", residual_chart(record))
    return {"overview": str(folder / "overview.png"), "residuals": str(folder / "residuals.png")}


def judged_frames(record: AlignmentRecord) -> list[FrameAlignment]:
    """The frames that are drawn: some of the odd ones, some of the others, spread."""
    by_number = {frame.source: frame for frame in record.frames}
    odd = [frame.source for frame in record.frames if frame.verdict != "aligned"]
    usual = [frame.source for frame in record.frames if frame.verdict == "aligned"]
    return [by_number[number] for number in sorted({*spread_frames(odd, _ODD), *spread_frames(usual, _USUAL)})]


def pair_cells(alignment: Alignment, frame: FrameAlignment) -> list[Cell]:
    """Source with crop and masks, reference as it lies, difference before and after, checkerboard, what is left."""
    elements, aligned = alignment.elements, alignment.aligned[frame.source]
    ours, theirs = elements.read(frame.source, frame.reference)
    ratio = ours.shape[1] / theirs.shape[1], ours.shape[0] / theirs.shape[0]
    lying = np.array([[ratio[0], 0.0, 0.5 * ratio[0] - 0.5], [0.0, ratio[1], 0.5 * ratio[1] - 0.5], [0.0, 0.0, 1.0]])
    still = Aligned(frame.source, frame.reference, lying, np.array(NO_WARP), True)
    before, outside = laid(ours, theirs, still, elements.areas)
    moved, inside = laid(ours, theirs, aligned, elements.areas, alignment.masks)
    blocks = find_blocks(ours, moved, inside, beside=True)
    left = (
        "not measured" if frame.residual_px is None else f"median {frame.residual_px:.2f} px, 95 % {frame.residual_p95:.2f} px"
    )
    return [
        ("source, crop and masks", _framed(ours, alignment)),
        ("reference as it lies now", to_uint8(moved)),
        ("difference before", difference(ours, before, outside)),
        ("difference after", difference(ours, moved, inside)),
        ("checkerboard of both", checkerboard(ours, moved)),
        (f"left, x {_ARROWS}: {left}", residual_map(ours, blocks)),
    ]


def difference(source: FloatArray, moved: FloatArray, mask: npt.NDArray[np.uint8]) -> Bytes:
    """What differs, blind to colour and fading: grey where both agree; edges stand out doubled where they do not meet."""
    unit = max(source.shape[1] / 960.0, 0.5)
    bands = [band_pass(part, 1.4 * unit, 12.0 * unit, mask) for part in (source, moved)]
    weights = canonical_planes(bands[0], bands[1], mask)
    if weights is None:
        return np.full((*mask.shape, 3), 118, np.uint8)
    one, two = (np.asarray(part @ weight, np.float32) for part, weight in zip(bands, weights, strict=True))
    inside = mask > 0
    level = [max(float(plane[inside].std()), 1e-6) for plane in (one, two)]
    value = np.clip(118.0 + 45.0 * (one / level[0] - two / level[1]), 0.0, 255.0)
    grey = np.where(inside, value, 60.0).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def checkerboard(source: FloatArray, moved: FloatArray) -> Bytes:
    """Tiles of both by turns, the reference brought to the source's mean and contrast; lines run on where it lies well."""
    middle, spread = ([part.mean(axis=(0, 1)) for part in (source, moved)], [part.std(axis=(0, 1)) for part in (source, moved)])
    matched = (moved - middle[1]) * (spread[0] / np.maximum(spread[1], 1e-4)) + middle[0]
    side = max(source.shape[1] // _TILES, 8)
    y, x = np.indices(source.shape[:2])
    return to_uint8(np.where((((x // side) + (y // side)) % 2 == 0)[..., None], source, matched))


def residual_map(source: FloatArray, blocks: Blocks) -> Bytes:
    """An arrow a block over the darkened source: where the reference still lies, much enlarged; green, amber or red."""
    ground = 0.35 * np.asarray(to_uint8(source), np.float32).mean(axis=-1, keepdims=True)
    canvas = np.ascontiguousarray(np.repeat(ground.astype(np.uint8), 3, axis=2))
    unit = source.shape[1] / 960.0
    thick = max(round(2 * unit), 1)
    for (x, y), (dx, dy) in zip(blocks.points, blocks.shifts, strict=True):
        length = float(np.hypot(dx, dy)) / unit
        ink = (80, 210, 110) if length <= _GOOD else (235, 170, 40) if length <= _BAD else (235, 70, 60)
        start = (round(float(x)), round(float(y)))
        end = (round(float(x + _ARROWS * dx)), round(float(y + _ARROWS * dy)))
        cv2.circle(canvas, start, thick, ink, -1, cv2.LINE_AA)
        cv2.arrowedLine(canvas, start, end, ink, thick, cv2.LINE_AA, tipLength=0.25)
    return np.asarray(canvas, np.uint8)


def residual_chart(record: AlignmentRecord) -> Figure:
    """What is left of every frame, and where its reference lies, over the frames."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
        top, bottom = figure.subplots(2, 1, sharex=True)
        for name, colour in _COLOURS.items():
            part = [frame for frame in record.frames if frame.verdict == name]
            measured = [frame for frame in part if frame.residual_px is not None and name != "rejected"]
            top.plot(
                [f.source for f in measured],
                [f.residual_px or 0.0 for f in measured],
                "o",
                color=colour,
                markersize=3,
                label=name,
            )
            top.plot([f.source for f in measured], [f.residual_p95 or 0.0 for f in measured], "_", color=colour, markersize=5)
            for frame in part:
                if frame.verdict == "rejected" or frame.residual_px is None:
                    top.axvline(frame.source, color=colour, linewidth=0.8, alpha=0.5)
        top.set_ylim(bottom=0.0)
        top.set_ylabel("px")
        top.set_title("What is left: median (dot), 95 % (dash); lines: rejected (red) or not to be measured")
        kept = [frame for frame in record.frames if frame.verdict != "rejected"]
        for axis, label, colour in ((0, "x", "#1f7a8c"), (1, "y", "#b08a3c")):
            places = np.array([_middle(frame, record)[axis] for frame in kept])
            if len(places):
                bottom.plot(
                    [f.source for f in kept], places - np.median(places), ".-", color=colour, linewidth=1.0, label=label
                )
        bottom.set_title("Where the reference lies against the middle of all frames: weave, jumps")
        bottom.set_ylabel("px")
        bottom.set_xlabel("source frame")
        if kept:
            bottom.legend()
    return figure


def _middle(frame: FrameAlignment, record: AlignmentRecord) -> npt.NDArray[np.float64]:
    width, height = record.reference_size
    moved = np.array(frame.matrix) @ [(width - 1) / 2.0, (height - 1) / 2.0, 1.0]
    return np.asarray(moved[:2] / moved[2])


def _framed(source: FloatArray, alignment: Alignment) -> Bytes:
    canvas = np.ascontiguousarray(to_uint8(source))
    ratio = alignment.elements.ratios[0]
    thick = max(round(2 * source.shape[1] / 960.0), 1)
    x, y, width, height = (round(value * ratio) for value in alignment.record.crop)
    cv2.rectangle(canvas, (x, y), (x + width - 1, y + height - 1), _CROP_INK, thick)
    for left, top, across, down in alignment.masks:
        cv2.rectangle(canvas, (left, top), (left + across - 1, top + down - 1), _MASK_INK, thick)
    return np.asarray(canvas, np.uint8)
