"""The project file: elements, shots and passes of a combined recovery, in TOML.

A pass recovers one element with what another has kept; its source or reference may be another pass's result, so chroma and
spatial recovery chain in either order, each with its own model.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Literal

import msgspec

from film_recovery.contract.errors import ProjectError
from film_recovery.images.ranges import parse_frames

_NAME = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_-]*$")
WHOLE = "all"  # the unit of a pass whose scope is the sequence


class Element(msgspec.Struct, forbid_unknown_fields=True):
    """One film element: ``files`` is a pattern, a folder or a movie, relative to the project file."""

    files: str
    label: str = ""
    kind: str = ""
    gauge: str = ""


class Shot(msgspec.Struct, forbid_unknown_fields=True):
    """A range of frames (source numbering), and the scene that it belongs to."""

    frames: str
    scene: str = ""


class Pass(msgspec.Struct, forbid_unknown_fields=True):
    """One recovery. ``source`` and ``reference`` name elements or other passes.

    ``scope``: one model for the whole sequence, one a scene, or one a shot. ``frames`` and ``held_out`` name pairs; without
    them ``pairs`` and ``held_out_pairs`` are spread over the overlap. ``apply`` is ``all``, a frame range, or
    ``missing-from:NAME``: the source's frames that the named element lacks. ``merge`` takes only the learned part into the
    original: ``color`` keeps the original's luma, ``luminosity`` its colour.
    """

    task: Literal["chroma", "spatial"]
    source: str
    reference: str
    scope: Literal["sequence", "scene", "shot"] = "sequence"
    frames: str = ""
    held_out: str = ""
    pairs: int = 6
    held_out_pairs: int = 2
    minutes: float | None = None
    steps: int | None = None
    size: Literal["small", "medium", "large"] = "medium"
    patch: int = 128
    batch: int = 8
    seed: int = 0
    balance: str | list[float] = "auto"
    initial_weights: str = ""
    apply: str = "all"
    merge: Literal["none", "color", "luminosity"] = "none"


class Sequence(msgspec.Struct, forbid_unknown_fields=True):
    """The finished sequence: every frame from the first pass in ``order`` that has it."""

    order: list[str]
    name: str = "recovered"


class Provenance(msgspec.Struct, forbid_unknown_fields=True):
    """What travels with the frames besides what the program knows itself."""

    film: str = ""
    restorer: str = ""
    institution: str = ""
    notes: str = ""
    digital_source_type: str = "compositeWithTrainedAlgorithmicMedia"


class Project(msgspec.Struct, forbid_unknown_fields=True):
    """A whole project file. ``output`` is the folder for everything made, relative to the file."""

    name: str
    elements: dict[str, Element]
    passes: dict[str, Pass]
    sequence: Sequence
    output: str = "recovery"
    encoding: Literal["auto", "display", "log", "none"] = "auto"
    matrix: Literal["601", "709", "2020"] = "709"
    shots: dict[str, Shot] = {}
    provenance: Provenance = msgspec.field(default_factory=Provenance)

    def order(self) -> list[str]:
        """The passes, each after those that it builds on."""
        done: list[str] = []
        while len(done) < len(self.passes):
            done.extend(
                name for name in self.passes if name not in done and all(up in done for up in self.upstream(name))
            )
        return done

    def upstream(self, name: str) -> list[str]:
        """The passes that a pass builds on directly."""
        step = self.passes[name]
        return [up for up in (step.source, step.reference) if up in self.passes]

    def units(self, name: str) -> dict[str, list[int] | None]:
        """The frames of each model of a pass, by the unit's name; None means every frame there is."""
        step = self.passes[name]
        if step.scope == "sequence" or not self.shots:
            frames = {frame for shot in self.shots.values() for frame in parse_frames(shot.frames)}
            return {WHOLE: sorted(frames) or None}
        groups: dict[str, set[int]] = {}
        for shot_name, shot in self.shots.items():
            group = shot_name if step.scope == "shot" else shot.scene or shot_name
            groups.setdefault(group, set()).update(parse_frames(shot.frames))
        return {group: sorted(frames) for group, frames in groups.items()}


def load_project(path: Path) -> Project:
    """Read and check a project file.

    Raises:
        ProjectError: it is absent, not TOML, misspelled, or contradicts itself; the message names the place.
    """
    path = Path(path)
    if not path.is_file():
        raise ProjectError(f"{path} does not exist; name a project file (.toml).")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(f"{path} is not valid TOML: {error}.") from error
    try:
        project = msgspec.convert(values, Project)
    except msgspec.ValidationError as error:
        raise ProjectError(f"{path}: {_explain(str(error))}") from error
    _check(project, path)
    return project


def _explain(message: str) -> str:
    """msgspec's words, with the nearest right name for a misspelled key."""
    unknown = re.search(r"unknown field `([^`]+)`", message)
    known = {name for kind in (Project, Element, Shot, Pass, Sequence, Provenance) for name in kind.__struct_fields__}
    near = difflib.get_close_matches(unknown.group(1), known, 1) if unknown else []
    return f"{message}; did you mean '{near[0]}'?" if near else f"{message}."


def _check(project: Project, path: Path) -> None:
    names = [*project.elements, *project.passes]
    for name in (*names, *project.shots):
        if not _NAME.match(name):
            raise ProjectError(f"{path}: the name '{name}' may hold letters, digits, - and _ only.")
    double = sorted(set(project.elements) & set(project.passes))
    if double:
        raise ProjectError(f"{path}: '{double[0]}' names both an element and a pass; rename one.")
    for name, step in project.passes.items():
        where = f"{path}: passes.{name}"
        for key, used in (("source", step.source), ("reference", step.reference)):
            _require(used, names, f"{where}.{key}")
        if step.apply.startswith("missing-from:"):
            _require(step.apply.partition(":")[2], names, f"{where}.apply")
        if step.source == step.reference:
            raise ProjectError(f"{where} has '{step.source}' as source and reference; they must differ.")
        if (step.minutes is None) == (step.steps is None):
            raise ProjectError(f"{where} needs either minutes or steps.")
        if step.scope != "sequence" and not project.shots:
            raise ProjectError(f"{where} has the scope '{step.scope}', but the project names no shots.")
    for name in project.sequence.order:
        _require(name, list(project.passes), f"{path}: sequence.order")
    _refuse_circles(project, path)


def _require(name: str, known: list[str], where: str) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}."
        raise ProjectError(f"{where} names '{name}', which is not there; {hint}")


def _refuse_circles(project: Project, path: Path) -> None:
    def visit(name: str, way: list[str]) -> None:
        if name in way:
            circle = " → ".join([*way[way.index(name) :], name])
            raise ProjectError(f"{path}: the passes go in a circle ({circle}); one of them must start from an element.")
        for up in project.upstream(name):
            visit(up, [*way, name])

    for name in project.passes:
        visit(name, [])
