"""The demonstration's stills, movie and report."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

import film_recovery
from film_recovery.elements.analysis import ElementAnalysis, analyse_element, compare_elements
from film_recovery.elements.picture_area import picture_area
from film_recovery.elements.selection import spread_frames
from film_recovery.images.drawing import display, save_png
from film_recovery.images.encodings import encode
from film_recovery.images.ranges import counted
from film_recovery.images.sequence import Sequence, open_sequence
from film_recovery.project.demo_measure import REFERENCE, RESULT, SOURCE, TRUTH, DemoFigures
from film_recovery.project.demo_places import DemoPlaces
from film_recovery.review.plots import Curve, per_frame, power_curves
from film_recovery.review.report import build_report
from film_recovery.review.report_data import BeforeAfter, Chart, ElementFigures, Picture, ReportData, ScoreTable
from film_recovery.review.run_report import newest_sheet, pair_lines, training_chart, training_facts
from film_recovery.review.stills import busiest, comparison, detail_crops
from film_recovery.review.video import write_comparison_movie

FloatArray = npt.NDArray[np.float32]
_PROVENANCE = (
    ("film", "Big Buck Bunny, (c) Blender Foundation, CC-BY 3.0"),
    ("elements", "simulated; every parameter is in elements/elements.json"),
    ("curation", "nobody named a frame: curation/match, curation/select/index.html, curation/align_chroma"),
    ("passes", "colour (chroma), detail (spatial)"),
    ("record", "graph.json, and the header of every frame"),
)


def write_demo_report(places: DemoPlaces, measured: DemoFigures) -> None:
    """Write ``proof/*.png``, ``proof/comparison.mp4`` and ``report.html``."""
    encoding = measured.dataset.manifest.encoding
    internegative, prints = (places.open(name) for name in ("internegative_35mm", "print_16mm"))
    truth, print_truth = (places.open(name) for name in ("truth_35mm", "truth_16mm"))
    finished = open_sequence(places.sequence)
    middle = measured.both.frames[len(measured.both.frames) // 2]
    late = measured.alone.frames[len(measured.alone.frames) // 2]
    fitted = [baseline for baseline in measured.baselines if baseline.name != "nothing"]
    best = min(fitted, key=lambda baseline: measured.both.figures[baseline.label].delta_e_mean)
    source = internegative.read(middle).rgb
    cells = [
        (REFERENCE, display(prints.read(middle).rgb, encoding)),
        (SOURCE, display(source, encoding)),
        (f"MatchGrade: {best.label}", display(best.apply(source), encoding)),
        (RESULT, display(finished.read(middle).rgb, encoding)),
        (TRUTH, display(truth.read(middle).rgb, encoding)),
    ]
    three = comparison([cells[0], cells[1], cells[3]], f"frame {middle}")
    many = comparison(cells, f"frame {middle}, not trained on")
    missing = [
        (REFERENCE, display(prints.read(late).rgb, encoding)),
        (RESULT, display(finished.read(late).rgb, encoding)),
        (TRUTH, display(print_truth.read(late).rgb, encoding)),
    ]
    close = detail_crops(cells, busiest(cells[-1][1]), title=f"frame {middle}")
    close_missing = detail_crops(missing, busiest(missing[-1][1]), title=f"frame {late}, the internegative is missing")
    for name, picture in (("three_way", three), ("comparison", many), ("detail", close), ("missing", comparison(missing)),
                          ("missing_detail", close_missing)):  # fmt: skip
        save_png(places.proof / f"{name}.png", picture)
    _write_movie(places, internegative, prints, finished, encoding)
    analyses = [_analyse(SOURCE, internegative, encoding), _analyse(REFERENCE, prints, encoding)]
    runs = [places.run(name) for name in ("colour", "detail")]
    data = ReportData(
        title="Big Buck Bunny, combined recovery",
        subtitle="Simulated elements: a sharp, faded 35 mm internegative that lacks its head, a splice and its last quarter, "
        "and a soft 16 mm print with a splice of its own; their numbers tell nothing of each other",
        summary="The internegative got the print's colour and kept its own luma; where it is missing, the print got its detail "
        "and kept its own colour.",
        facts=_facts(places, measured, finished),
        hero=Picture(three, f"Frame {middle}, not trained on."),
        source=Picture(cells[1][1], f"The internegative as scanned, frame {middle}."),
        source_note=analyses[0].sentence(),
        elements=[
            _element(SOURCE, "source of the chroma pass", analyses[0]),
            _element(REFERENCE, "reference of it", analyses[1]),
        ],
        element_charts=[
            Chart(
                power_curves([Curve(label, a.spectrum["frequency"], a.spectrum["power"], role) for label, a, role in
                              ((SOURCE, analyses[0], "source"), (REFERENCE, analyses[1], "reference"))]),
                compare_elements(*analyses),
            )
        ],
        pairs=pair_lines(measured.dataset),
        contact_sheet=newest_sheet(runs[0]),
        training_facts=[(f"{name} pass, {key}", value) for name, run in zip(("colour", "detail"), runs, strict=True)
                        for key, value in training_facts(run)],
        training_charts=[training_chart(run) for run in runs],
        before_after=[
            BeforeAfter(cells[1][1], cells[3][1], SOURCE, RESULT, f"Frame {middle}: colour from the print, luma its own."),
            BeforeAfter(missing[0][1], missing[1][1], REFERENCE, RESULT, f"Frame {late}: the internegative is missing here."),
        ],
        comparisons=[
            Picture(many, "Both elements, the best baseline, the result and the truth."),
            Picture(close, "Twice enlarged.", lossless=True),
            Picture(close_missing, "Twice enlarged, where the internegative is missing.", lossless=True),
        ],
        tables=[
            ScoreTable("Where both exist", measured.both.scores, f"{len(measured.both.frames)} frames not trained on"),
            ScoreTable("Where only one does", measured.alone.scores, f"{len(measured.alone.frames)} frames, none trained on"),
        ],
        shot_charts=[_shot_chart(measured)],
        not_judged=_not_judged(),
        provenance=_PROVENANCE,
        made_with=f"film-recovery {film_recovery.__version__}",
    )  # fmt: skip
    build_report(data, places.report)


def _not_judged() -> list[str]:
    return [
        "The elements are simulated from one animated shot with a still camera; real film brings damage, warps and cuts.",
        "Colour is judged against the truth; the print's own tone and grain are part of what the model was asked for.",
        "The two parts keep their element's own geometry: where the internegative ends, the picture moves by the difference of "
        "the two scans' framing.",
        "The recovered sequence is steadied by the frames beside each; the baselines are applied frame by frame, so a part of "
        "what lies between them is the steadying.",
    ]


def _facts(places: DemoPlaces, measured: DemoFigures, finished: Sequence) -> list[tuple[str, str]]:
    crop, match = measured.dataset.manifest.crop, places.matched
    matched = sum(part.length for part in match.segments)
    aligned = places.aligned("chroma")
    left = [frame.residual_px for frame in aligned.frames if frame.residual_px is not None]
    verdicts = [frame.verdict for frame in aligned.frames]
    return [
        ("frames", str(len(finished.frames))),
        ("size", f"960 × 540, judged on {crop[2]} × {crop[3]}"),
        ("matched", f"{matched} frames in {counted(len(match.segments), 'segment')}"),
        ("alignment", f"{np.median(left):.2f} px left; {verdicts.count('aligned')} of {len(verdicts)} aligned, "
         f"{verdicts.count('doubtful')} doubtful, {verdicts.count('rejected')} rejected"),
        ("pairs", f"{len(measured.dataset.training)} trained, {len(measured.dataset.held_out)} held out, for each pass"),
    ]


def _element(label: str, role: str, analysis: ElementAnalysis) -> ElementFigures:
    grain = ", ".join(f"{value:.3f}" for value in analysis.grain)
    kept = ", ".join(f"{100 * value:.0f} %" for value in analysis.contrast_kept)
    return ElementFigures(
        label,
        role,
        [
            ("sharp to", f"{analysis.resolution:.2f} cycles per pixel"),
            ("grain, density R G B", grain),
            ("contrast of the layers R G B", kept),
            ("in words", analysis.sentence()),
        ],
    )


def _analyse(label: str, sequence: Sequence, encoding: str) -> ElementAnalysis:
    frames = spread_frames(sequence.frames, 4)
    area = picture_area([encode(sequence.read(frame).rgb, encoding) for frame in frames[:2]])
    return dataclasses.replace(analyse_element(sequence, frames, encoding, area), name=label)


def _shot_chart(measured: DemoFigures) -> Chart:
    curves = []
    for label, role in ((REFERENCE, "reference"), (RESULT, "result")):
        points = [(f.frame, f.delta_e_mean) for part in (measured.both, measured.alone) for f in part.figures[label].per_frame]
        points.sort()
        curves.append(Curve(label, [frame for frame, _ in points], [value for _, value in points], role))
    trained = [pair.frame for pair in measured.dataset.training]
    return Chart(per_frame(curves, "Colour difference over the shot", "mean ΔE2000", trained), "Frames not trained on.")


def _write_movie(places: DemoPlaces, source: Sequence, prints: Sequence, finished: Sequence, encoding: str) -> None:
    def frames() -> Any:
        for frame in finished.frames:
            result = finished.read(frame).rgb
            black = np.zeros_like(result)  # where an element lacks the picture
            yield frame, [*(scan.read(frame).rgb if frame in scan.files else black for scan in (prints, source)), result]

    path = places.proof / "comparison.mp4"
    write_comparison_movie(path, [REFERENCE, SOURCE, RESULT], frames(), encoding, fps=25.0, cell_width=480)
