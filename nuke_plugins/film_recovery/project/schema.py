"""The project file: elements, shots and passes of a combined recovery, in TOML.

A pass recovers one element with what another has kept; its source or reference may be another pass's result, so chroma and
spatial recovery chain in either order, each with its own model.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import msgspec

from film_recovery.contract.errors import FrameRangeError, ProjectError, UsageError
from film_recovery.contract.job import TrainingJob
from film_recovery.images.ranges import parse_frames

_NAME = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_-]*$")
_MISSING_FROM = "missing-from:"
WHOLE = "all"  # the unit of a pass whose scope is the sequence


class Element(msgspec.Struct, forbid_unknown_fields=True):
    """One film element: ``files`` is a pattern, a folder or a movie, relative to the project file."""

    files: str
    label: str = ""
    kind: str = ""
    gauge: str = ""


class Conform(msgspec.Struct, forbid_unknown_fields=True):
    """Two elements whose numbers tell nothing of each other, put on one time line.

    ``match`` is the match.json of the elements ``a`` and ``b``, relative to the project file. The time line has every picture
    of either, numbered from ``first``; all frames of the project (shots, pairs, ``apply``, results) are then frames of it.
    """

    match: str
    a: str
    b: str
    first: int = 1001


class Shot(msgspec.Struct, forbid_unknown_fields=True):
    """A range of frames (source numbering), and the scene that it belongs to."""

    frames: str
    scene: str = ""


class Pass(msgspec.Struct, forbid_unknown_fields=True):
    """One recovery. ``source`` and ``reference`` name elements or other passes.

    ``scope``: one model for the whole sequence, one a scene, or one a shot. ``frames`` and ``held_out`` name pairs; without
    them ``pairs`` and ``held_out_pairs`` are spread over the overlap. ``apply`` is ``all``, a frame range, or
    ``missing-from:NAME``: the source's frames that the named element or pass lacks. ``initial_weights`` names a pass, or a run
    or checkpoint on disk; ``auto`` and ``none`` as for a job. ``merge`` takes only the learned part into the original:
    ``color`` keeps the original's luma, ``luminosity`` its colour.
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
    initial_weights: str = "auto"
    apply: str = "all"
    merge: Literal["none", "color", "luminosity"] = "none"

    @property
    def missing_from(self) -> str:
        """The element or pass whose missing frames are rendered; empty when ``apply`` says something else."""
        return self.apply.removeprefix(_MISSING_FROM) if self.apply.startswith(_MISSING_FROM) else ""


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
    conform: Conform | None = None
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
        used = (step.source, step.reference, step.initial_weights, step.missing_from)
        return [up for up in dict.fromkeys(used) if up in self.passes]

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
        ProjectError: it is absent or a folder, not TOML, misspelled, or contradicts itself; the message names the place.
    """
    path = Path(path)
    if path.is_dir():
        raise ProjectError(f"{path} is a folder; name the project file in it (.toml).")
    if not path.is_file():
        raise ProjectError(f"{path} does not exist; name a project file (.toml).")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(f"{path} is not valid TOML: {error}.") from error
    try:
        project = msgspec.convert(values, Project)
    except msgspec.ValidationError as error:
        raise ProjectError(f"{path}: {_explain(values, error)}") from error
    _check(project, path)
    return project


_TABLES: dict[str, type[msgspec.Struct]] = {"elements": Element, "shots": Shot, "passes": Pass}


def _explain(values: dict[str, Any], error: msgspec.ValidationError) -> str:
    """Where the first mistake is and what was probably meant: msgspec does not say in which named table it lies."""
    for table, kind in _TABLES.items():
        entries = values.get(table)
        for name, entry in entries.items() if isinstance(entries, dict) else ():
            try:
                msgspec.convert(entry, kind)
            except msgspec.ValidationError as inner:
                return _in_words(str(inner), kind, f"{table}.{name}")
    for table, kind in (("sequence", Sequence), ("provenance", Provenance), ("conform", Conform)):
        if table in values:
            try:
                msgspec.convert(values[table], kind)
            except msgspec.ValidationError as inner:
                return _in_words(str(inner), kind, table)
    return _in_words(str(error), Project, "")


def _in_words(message: str, kind: type[msgspec.Struct], where: str) -> str:
    text, _, inside = message.partition(" - at `$")
    key = inside.rstrip("`").lstrip(".")
    unknown = re.search(r"unknown field `([^`]+)`", text)
    if unknown:
        hint = _nearest(unknown.group(1), kind.__struct_fields__)
        return f"{where or 'the file'} has the unknown key '{unknown.group(1)}'; {hint}"
    absent = re.search(r"missing required field `([^`]+)`", text)
    if absent:
        return f"{where or 'the file'} lacks the key '{absent.group(1)}'; add it."
    place = ".".join(part for part in (where, key) if part) or "the file"
    wrong = re.search(r"Invalid enum value '([^']*)'", text)
    allowed = [value for value in get_args(get_type_hints(kind).get(key)) if isinstance(value, str)]
    if wrong and allowed:
        return f"{place} is '{wrong.group(1)}'; {_nearest(wrong.group(1), allowed)}"
    return f"{place}: {text[0].lower()}{text[1:]}."


def _nearest(name: str, known: Iterable[str]) -> str:
    known = list(known)
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}."


def _check(project: Project, path: Path) -> None:
    names = [*project.elements, *project.passes]
    for name in (*names, *project.shots):
        if not _NAME.match(name):
            raise ProjectError(f"{path}: the name '{name}' may hold letters, digits, - and _ only.")
    double = sorted(set(project.elements) & set(project.passes))
    if double:
        raise ProjectError(f"{path}: '{double[0]}' names both an element and a pass; rename one.")
    for shot_name, shot in project.shots.items():
        _check_range(shot.frames, f"{path}: shots.{shot_name}.frames")
    if project.conform is not None:
        for key, element in (("a", project.conform.a), ("b", project.conform.b)):
            _require(element, list(project.elements), f"{path}: conform.{key}")
        if project.conform.a == project.conform.b:
            raise ProjectError(f"{path}: conform has '{project.conform.a}' as a and b; they must differ.")
    for name in project.passes:
        _check_pass(project, name, names, f"{path}: passes.{name}")
    if not project.sequence.order:
        raise ProjectError(f"{path}: sequence.order names no pass; list the passes whose frames make the finished sequence.")
    for name in project.sequence.order:
        _require(name, list(project.passes), f"{path}: sequence.order")
    _refuse_circles(project, path)
    for name in project.passes:
        _check_units(project, name, f"{path}: passes.{name}")


def _check_pass(project: Project, name: str, names: list[str], where: str) -> None:
    step = project.passes[name]
    for key, used in (("source", step.source), ("reference", step.reference)):
        _require(used, names, f"{where}.{key}")
    if step.missing_from or step.apply == _MISSING_FROM:
        _require(step.missing_from, names, f"{where}.apply")
    elif step.apply != "all":
        _check_range(step.apply, f"{where}.apply")
    for key, text in (("frames", step.frames), ("held_out", step.held_out)):
        if text:
            _check_range(text, f"{where}.{key}")
    if step.source == step.reference:
        raise ProjectError(f"{where} has '{step.source}' as source and reference; they must differ.")
    if step.scope != "sequence" and not project.shots:
        raise ProjectError(f"{where} has the scope '{step.scope}', but the project names no shots.")
    if step.pairs < 1 or step.held_out_pairs < 0:
        raise ProjectError(f"{where} needs at least one pair, and no fewer than 0 held-out pairs.")
    try:
        TrainingJob(
            step.task, step.source, step.reference, size=step.size, patch=step.patch, batch=step.batch, steps=step.steps,
            minutes=step.minutes, seed=step.seed, balance=step.balance,
            frames=parse_frames(step.frames) if step.frames else [],
            held_out=parse_frames(step.held_out) if step.held_out else [],
        ).check()  # fmt: skip
    except UsageError as error:
        raise ProjectError(f"{where}: {error}") from error


def _check_units(project: Project, name: str, where: str) -> None:
    """Two models of one pass must not render the same frame, and initial weights must be one model a model."""
    taken: dict[int, str] = {}
    for unit, frames in project.units(name).items():
        for frame in frames or ():
            if taken.setdefault(frame, unit) != unit:
                raise ProjectError(f"{where} has frame {frame} in both '{taken[frame]}' and '{unit}'; they must not overlap.")
    weights = project.passes[name].initial_weights
    if weights in project.passes:
        given = project.units(weights)
        lacking = [unit for unit in project.units(name) if unit not in given]
        if lacking and len(given) > 1:
            raise ProjectError(f"{where}.initial_weights: '{weights}' has no model for '{lacking[0]}'; give both one scope.")


def _check_range(text: str, where: str) -> None:
    try:
        parse_frames(text)
    except FrameRangeError as error:
        raise ProjectError(f"{where}: {error}") from error


def _require(name: str, known: list[str], where: str) -> None:
    if name not in known:
        raise ProjectError(f"{where} names '{name}', which is not there; {_nearest(name, known)}")


def _refuse_circles(project: Project, path: Path) -> None:
    def visit(name: str, way: list[str]) -> None:
        if name in way:
            circle = " → ".join([*way[way.index(name) :], name])
            raise ProjectError(f"{path}: the passes go in a circle ({circle}); one of them must start from an element.")
        for up in project.upstream(name):
            visit(up, [*way, name])

    for name in project.passes:
        visit(name, [])
