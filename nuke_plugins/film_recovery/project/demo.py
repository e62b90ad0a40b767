"""The demonstration: two simulated film elements in, a recovered sequence, comparisons and a report out."""

from __future__ import annotations

import json
import math
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from film_recovery.contract.atomic import make_folder, write_json, write_text
from film_recovery.contract.errors import InputError, UsageError
from film_recovery.contract.progress import Reporter, SilentReporter
from film_recovery.inference.sequence import peak_memory_mb
from film_recovery.project.demo_curate import curate
from film_recovery.project.demo_graph import run_graph
from film_recovery.project.demo_measure import measure_demo
from film_recovery.project.demo_places import DemoPlaces
from film_recovery.project.demo_report import write_demo_report

FRAMES, SIZE = 64, (960, 540)
# Frames of the film, from 0, that each element lost besides the internegative's last quarter, and the number of its first file.
_NEGATIVE, _PRINT = ((0, 1, 2, 24, 25), 1), ((40, 41), 501)
_PROJECT = """\
# The demonstration's recovery as a project file: `film-recovery recover project.toml` does from the command line what the
# script combined.nk does through the node graph, but takes pairs that are spread evenly and registers them itself.
# The internegative gets the print's colour; where it is missing, the print gets its detail.
name = "Big Buck Bunny"
output = "recovery_by_command_line"

[elements.internegative]
files = "elements/internegative_35mm/internegative.####.exr"
label = "35 mm internegative"
kind = "internegative"
gauge = "35 mm"

[elements.print]
files = "elements/print_16mm/print.####.exr"
label = "16 mm print"
kind = "positive print"
gauge = "16 mm"

[conform]
match = "curation/match/match.json"
a = "internegative"
b = "print"

[passes.colour]
task = "chroma"
source = "internegative"
reference = "print"
pairs = 6
held_out_pairs = 2
minutes = {minutes}
seed = {seed}

[passes.detail]
task = "spatial"
source = "print"
reference = "colour"
pairs = 6
held_out_pairs = 2
minutes = {minutes}
seed = {seed}
apply = "missing-from:internegative"

[sequence]
name = "recovered"
order = ["colour", "detail"]

[provenance]
film = "Big Buck Bunny, (c) Blender Foundation, CC-BY 3.0; film elements simulated"
"""


def run_demo(out: Path, minutes: float, seed: int, reporter: Reporter | None = None) -> dict[str, Any]:
    """Simulate, match, choose pairs, align, recover, measure, report; run again, it goes on and does nothing twice.

    Args:
        out: folder for everything.
        minutes: training time of each of the two passes.
        seed: of the simulated elements and of the training.

    Returns:
        The figures that the last lines print, as plain values (see ``docs/files.md``).

    Raises:
        InputError: ``out`` is a file, the clip cannot be fetched, or the examples are not beside the program.
        StoppedError: stopped on request.
    """
    if not 0.0 < minutes < math.inf:
        raise UsageError("The demonstration needs some minutes to train; give --minutes above 0.")
    reporter = reporter or SilentReporter()
    begin = time.monotonic()
    places = DemoPlaces(Path(out))
    make_folder(places.out)
    _make_elements(places, seed, reporter)
    curate(places, reporter)
    text = _PROJECT.format(minutes=minutes, seed=seed)
    if not places.project.is_file() or places.project.read_text(encoding="utf-8") != text:
        write_text(places.project, text)
    done = run_graph(places, minutes, seed, reporter)
    reporter.stage("Measuring against the truth")
    measured = measure_demo(places, reporter)
    reporter.stage("Writing comparisons and the report")
    write_demo_report(places, measured)
    figures: dict[str, Any] = {
        **measured.figures(),
        "passes": done["passes"],
        "report": str(places.report),
        "sequence": str(places.sequence),
        "seconds": round(time.monotonic() - begin, 1),
        "peak_memory_mb": round(peak_memory_mb(children=True)),  # the recovery runs in others, down to the worker that trains
    }
    write_json(places.out / "figures.json", figures)
    for line in _last_lines(figures):
        reporter.note(line)
    return figures


def _make_elements(places: DemoPlaces, seed: int, reporter: Reporter) -> None:
    examples = Path(__file__).resolve().parents[3] / "examples"
    if examples.is_dir() and str(examples) not in sys.path:
        sys.path.append(str(examples))
    try:
        from film_elements.clip import find_clip, iter_clip
        from film_elements.parameters import default_pair
        from film_elements.write import Cut, write_elements
    except ImportError as error:
        raise InputError("The demonstration needs the examples folder; run it from a clone of the project.") from error
    pair = default_pair()
    if _are_there(places.record, seed, {"sharp": asdict(pair.sharp), "colourful": asdict(pair.colourful)}):
        return
    places.record.unlink(missing_ok=True)  # a simulation that is interrupted must not pass for the one before
    clip = find_clip(places.out / "clip")
    cuts = Cut(frozenset(_NEGATIVE[0]), _NEGATIVE[1]), Cut(frozenset(_PRINT[0]), _PRINT[1])
    write_elements(
        iter_clip(clip, SIZE, FRAMES, 2), places.elements, seed=seed, count=FRAMES, cuts=cuts, reporter=reporter
    )


def _are_there(record: Path, seed: int, parameters: dict[str, Any]) -> bool:
    """Whether the elements of a record were made with this seed and these parameters; another release's may differ."""
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
        known = {role: element["parameters"] for role, element in found["elements"].items() if element["shows"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return bool(found.get("seed") == seed and known == json.loads(json.dumps(parameters)))


def _last_lines(figures: dict[str, Any]) -> list[str]:
    both, alone = figures["where_both"], figures["where_print_only"]
    baselines = ", ".join(f"{name} {value:.2f}" for name, value in both["baselines"].items())
    return [
        "",
        f"Where the internegative exists ({both['frames']} frames not trained on), mean ΔE2000 to the truth:",
        f"  internegative {both['source']:.2f}, print {both['reference']:.2f}, baselines: {baselines}",
        f"  recovered {both['result']:.2f}: {100 * both['of_better_element']:.0f} % of the better element's, "
        f"{100 * both['below_best_baseline']:.0f} % below the best baseline; "
        f"detail {100 * both['detail_of_sharp']:.0f} % of the internegative's; luma kept to {both['luma_identity']:.1e}",
        f"Where it is missing ({alone['frames']} frames, trained on none of them), print → recovered:",
        f"  PSNR {alone['print']['psnr']:.2f} → {alone['result']['psnr']:.2f} dB, "
        f"ΔE2000 {alone['print']['delta_e']:.2f} → {alone['result']['delta_e']:.2f}, "
        f"detail {100 * alone['print']['detail']:.0f} → {100 * alone['result']['detail']:.0f} % of the truth's",
        f"{figures['seconds']:.0f} s, {figures['peak_memory_mb']} MB at most.",
        f"Recovered sequence: {figures['sequence']}",
        f"Report: {figures['report']}",
    ]
