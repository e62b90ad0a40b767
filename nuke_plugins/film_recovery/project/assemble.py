"""The finished sequence: each frame from the first pass that has it, copied bit for bit, with a record of its origin."""

from __future__ import annotations

import datetime
import shutil
from typing import Any

import msgspec

import film_recovery
from film_recovery.contract.atomic import atomic_path, write_json, write_text
from film_recovery.contract.card import load_card
from film_recovery.contract.errors import FilmRecoveryError, StoppedError
from film_recovery.contract.progress import Reporter
from film_recovery.images.ranges import format_frames
from film_recovery.images.sequence import output_path
from film_recovery.project.schema import Project
from film_recovery.project.state import Hashes, Places


def assemble(project: Project, places: Places, hashes: Hashes, reporter: Reporter) -> dict[int, str]:
    """Copy the frames of the passes into one sequence; returns the pass of every frame.

    Beside the frames stand ``origin.csv`` (frame, pass, SHA-256) and ``provenance.json``.
    """
    origin: dict[int, str] = {}
    for name in project.sequence.order:
        for frame in places.there(name):
            origin.setdefault(frame, name)
    lines = ["frame,pass,sha256"]
    for count, frame in enumerate(sorted(origin), start=1):
        if reporter.should_stop():
            raise StoppedError("Stopped while assembling the sequence; run again to go on.")
        source = output_path(places.frames(origin[frame]), frame)
        target = output_path(places.sequence(), frame)
        digest = hashes.file(source)
        if not target.is_file() or hashes.file(target) != digest:
            with atomic_path(target) as temporary:
                shutil.copyfile(source, temporary)
        lines.append(f"{frame},{origin[frame]},{digest}")
        reporter.progress(count, len(origin), "frame")
    folder, names = places.sequence().parent, {output_path(places.sequence(), frame).name for frame in origin}
    for stray in folder.glob(places.sequence().name.replace("####", "*")):
        if stray.name not in names:
            stray.unlink()  # a frame that no pass gives any more
    write_text(folder / "origin.csv", "\n".join(lines) + "\n")
    write_json(folder / "provenance.json", provenance(project, places, origin))
    return origin


def provenance(project: Project, places: Places, origin: dict[int, str]) -> dict[str, Any]:
    """The record that travels with the frames: film, elements, passes with their models, dates, people."""
    passes: dict[str, Any] = {}
    for name, step in project.passes.items():
        models = []
        for unit in project.units(name):
            path = places.run(name, unit).model(step.task)
            try:
                card = load_card(path.with_suffix(".json"))
            except FilmRecoveryError:
                continue
            models.append(
                {
                    "unit": unit,
                    "model": path.name,
                    "sha256": card.files.get(path.name),
                    "created": card.created,
                    "training": card.training,
                    "held_out": card.held_out,
                    "versions": card.versions,
                }
            )
        passes[name] = {
            "recovery": step.task,
            "source": step.source,
            "reference": step.reference,
            "reference_based": True,
            "settings": msgspec.to_builtins(step),
            "frames": format_frames(frame for frame, used in origin.items() if used == name),
            "models": models,
        }
    about = project.provenance
    return {
        "film": about.film or project.name,
        "restorer": about.restorer,
        "institution": about.institution,
        "notes": about.notes,
        "digital_source_type": f"http://cv.iptc.org/newscodes/digitalsourcetype/{about.digital_source_type}",
        "elements": {
            name: {"label": element.label, "kind": element.kind, "gauge": element.gauge, "files": element.files}
            for name, element in project.elements.items()
        },
        "passes": passes,
        "software": f"film-recovery {film_recovery.__version__}",
        "date": datetime.date.today().isoformat(),
    }
