"""How well the demonstration recovered what the simulation knows: every figure on frames that were not trained on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from film_recovery.contract.progress import Reporter
from film_recovery.elements.selection import spread_frames
from film_recovery.images.density import apply_balance
from film_recovery.images.encodings import from_linear, to_linear
from film_recovery.images.sequence import Sequence
from film_recovery.inference.session import InferenceOptions, ModelSession
from film_recovery.inference.tiles import recover
from film_recovery.modelfile.check import kept_change
from film_recovery.modelfile.load import load_model
from film_recovery.pairs.dataset import Dataset, load_dataset
from film_recovery.project.demo_places import TASKS, DemoPlaces
from film_recovery.review.baselines import Baseline, fit_baselines, write_cubes
from film_recovery.review.flicker import ChromaFlicker
from film_recovery.review.metrics import FrameMetrics, SequenceMetrics, measure, summarise
from film_recovery.review.verdict import MethodScore

FloatArray = npt.NDArray[np.float32]
_JUDGED = 12  # frames of each part that every figure is taken on
SOURCE, REFERENCE, TRUTH, RESULT = "35 mm internegative", "16 mm print", "truth", "recovered"


@dataclass(frozen=True)
class Part:
    """One part of the film and its methods, measured on the same frames: the frames, a score each, the figures by label."""

    frames: list[int]
    scores: list[MethodScore]
    figures: dict[str, SequenceMetrics]


@dataclass(frozen=True)
class DemoFigures:
    """``both``: where both elements exist; ``alone``: where only the print does. ``luma_identity`` is of the float result."""

    both: Part
    alone: Part
    luma_identity: float
    flicker_of_truth: float | None
    dataset: Dataset
    baselines: list[Baseline]

    def figures(self) -> dict[str, Any]:
        """The figures as plain values, for JSON and the last lines."""
        by_label = {score.label: score for score in self.both.scores}
        result, source, reference = by_label[RESULT], by_label[SOURCE], by_label[REFERENCE]
        baselines = {b.name: by_label[b.label].delta_e_mean for b in self.baselines if b.label in by_label}
        alone = {score.label: score for score in self.alone.scores}
        return {
            "where_both": {
                "frames": len(self.both.frames),
                "source": round(source.delta_e_mean, 3),
                "reference": round(reference.delta_e_mean, 3),
                "baselines": {name: round(value, 3) for name, value in baselines.items()},
                "result": round(result.delta_e_mean, 3),
                "result_p95": round(result.delta_e_p95 or 0.0, 3),
                "of_better_element": round(result.delta_e_mean / min(source.delta_e_mean, reference.delta_e_mean), 3),
                "below_best_baseline": round(1.0 - result.delta_e_mean / min(baselines.values()), 3),
                "detail_of_sharp": round(result.detail_of_sharp or 0.0, 3),
                "luma_identity": float(f"{self.luma_identity:.2e}"),
                "luma_identity_stored_half": result.luma_identity,
                "flicker": result.chroma_flicker,
                "flicker_of_truth": self.flicker_of_truth,
            },
            "where_print_only": {
                "frames": len(self.alone.frames),
                "print": _short(alone[REFERENCE]),
                "result": _short(alone[RESULT]),
            },
        }


def measure_demo(places: DemoPlaces, reporter: Reporter) -> DemoFigures:
    """Measure both parts. Writes the LUT baselines as ``.cube`` files into the proof folder."""
    dataset = load_dataset(places.run("colour").dataset, verify_hashes=False)
    detail_dataset = load_dataset(places.run("detail").dataset, verify_hashes=False)
    baselines = fit_baselines(dataset)
    write_cubes(baselines, places.proof)
    both, flicker_of_truth = _measure_both(places, dataset, baselines, reporter)
    alone = _measure_alone(places, detail_dataset, reporter)
    identity = _float_identity(places, dataset, both.frames[0])
    return DemoFigures(both, alone, identity, flicker_of_truth, dataset, baselines)


def _measure_both(
    places: DemoPlaces, dataset: Dataset, baselines: list[Baseline], reporter: Reporter
) -> tuple[Part, float | None]:
    manifest, crop = dataset.manifest, _crop(places, "colour", dataset)
    encoding, matrix = manifest.encoding, manifest.matrix
    seen = {pair.frame for pair in dataset.pairs}
    internegative, truth = places.open("internegative_35mm"), places.open("truth_35mm")
    prints, print_truth = places.open("print_16mm"), places.open("truth_16mm")
    recovered = places.recovered("colour")
    frames = spread_frames([frame for frame in recovered.frames if frame in prints.files and frame not in seen], _JUDGED)
    taken: dict[str, list[FrameMetrics]] = {}
    for count, frame in enumerate(frames, start=1):
        source, true, result = (_cut(s, frame, crop) for s in (internegative, truth, recovered))
        balanced = _balanced(source, manifest.balance, encoding)
        pictures = {SOURCE: source, **{b.label: b.apply(source) for b in baselines if b.name != "nothing"}, RESULT: result}
        for label, picture in pictures.items():
            taken.setdefault(label, []).append(
                measure(picture, true, encoding, matrix=matrix, frame=frame, sharp=balanced,
                        keep_luma_of=balanced if label == RESULT else None)
            )  # fmt: skip
        # The print is judged in its own geometry, so that no alignment can harm it.
        own, own_truth = (_cut(s, frame, crop) for s in (prints, print_truth))
        taken.setdefault(REFERENCE, []).append(measure(own, own_truth, encoding, matrix=matrix, frame=frame))
        reporter.progress(count, len(frames), "frame")
    flicker = _flickers(recovered.frames, crop, encoding, truth, {RESULT: recovered, TRUTH: truth})
    figures = {label: summarise(of, flicker.get(label)) for label, of in taken.items()}
    kinds = {SOURCE: "element", REFERENCE: "element", RESULT: "result"}
    scores = [MethodScore.of(label, kinds.get(label, "baseline"), of) for label, of in figures.items()]  # type: ignore[arg-type]
    return Part(frames, scores, figures), flicker.get(TRUTH)


def _measure_alone(places: DemoPlaces, dataset: Dataset, reporter: Reporter) -> Part:
    manifest, crop = dataset.manifest, _crop(places, "detail", dataset)
    prints, truth, recovered = places.open("print_16mm"), places.open("truth_16mm"), places.recovered("detail")
    frames = spread_frames(recovered.frames, _JUDGED)
    taken: dict[str, list[FrameMetrics]] = {REFERENCE: [], RESULT: []}
    for count, frame in enumerate(frames, start=1):
        source, true, result = (_cut(s, frame, crop) for s in (prints, truth, recovered))
        for label, picture in ((REFERENCE, source), (RESULT, result)):
            taken[label].append(
                measure(picture, true, manifest.encoding, matrix=manifest.matrix, frame=frame,
                        keep_chroma_of=source if label == RESULT else None)
            )  # fmt: skip
        reporter.progress(count, len(frames), "frame")
    figures = {label: summarise(of) for label, of in taken.items()}
    scores = [MethodScore.of(label, "result" if label == RESULT else "element", of) for label, of in figures.items()]
    return Part(frames, scores, figures)


def _float_identity(places: DemoPlaces, dataset: Dataset, frame: int) -> float:
    """Largest change of the kept luma in what the model returns, before anything is stored as half."""
    session = ModelSession(load_model(places.run("colour").path), InferenceOptions())
    source = _cut(places.open("internegative_35mm"), frame, _crop(places, "colour", dataset))
    card = session.model.card
    return kept_change(source, recover(session.run, source, None, card.receptive_field, card.multiple), card)


def _flickers(
    frames: Iterable[int], crop: list[int], encoding: str, guide: Sequence, sequences: dict[str, Sequence]
) -> dict[str, float | None]:
    meters = {label: ChromaFlicker(encoding) for label in sequences}
    for frame in frames:
        steady = _cut(guide, frame, crop)
        for label, sequence in sequences.items():
            meters[label].add(_cut(sequence, frame, crop), steady)
    return {label: meter.figure() for label, meter in meters.items()}


def _balanced(source: FloatArray, balance: list[float] | None, encoding: str) -> FloatArray:
    if balance is None:
        return source
    return np.asarray(from_linear(apply_balance(to_linear(source, encoding), balance), encoding), np.float32)


def _crop(places: DemoPlaces, name: str, dataset: Dataset) -> list[int]:
    """The part of the source, [x, y, width, height], that a pass was trained on: within the crop of its alignment."""
    x, y, _, _ = places.aligned(TASKS[name]).crop
    left, top, width, height = dataset.manifest.crop
    return [x + left, y + top, width, height]


def _cut(sequence: Sequence, frame: int, crop: list[int]) -> FloatArray:
    x, y, width, height = crop
    return np.ascontiguousarray(sequence.read(frame).rgb[y : y + height, x : x + width])


def _short(score: MethodScore) -> dict[str, float]:
    return {
        "psnr": round(score.psnr or 0.0, 3),
        "delta_e": round(score.delta_e_mean, 3),
        "detail": round(score.detail or 0.0, 3),
        "hallucinated": round(score.hallucinated or 0.0, 3),
    }
