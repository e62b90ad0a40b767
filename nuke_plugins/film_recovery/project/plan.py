"""What a project still has to do, and why, in words."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from film_recovery.contract.errors import FilmRecoveryError, ProjectError
from film_recovery.contract.job import KEPT
from film_recovery.contract.steady import REACH
from film_recovery.images.ranges import format_frames, parse_frames
from film_recovery.images.sequence import output_path
from film_recovery.project.schema import Project, load_project
from film_recovery.project.state import Hashes, Places, UnitState, load_state, training_settings

State = Literal["up to date", "train", "resume", "render", "waits"]


@dataclass(frozen=True)
class Step:
    """One model of one pass: what has to be done, why, and for which frames (none when a pass that has yet to run decides)."""

    name: str
    unit: str
    state: State
    reason: str
    frames: list[int]


def plan_project(path: Path, only: list[str] | None = None) -> list[Step]:
    """The steps of a project in order, without doing anything; of ``only`` these passes and what they build on, None for all.
    Raises :class:`ProjectError`."""
    project = load_project(path)
    wanted = wanted_passes(project, only)
    places = Places(path, project)
    hashes = Hashes(places.root / "hashes.json")
    steps: list[Step] = []
    for name in (one for one in project.order() if one in wanted):
        waiting = [step.name for step in steps if step.name in project.upstream(name) and step.state != "up to date"]
        for unit in project.units(name):
            steps.append(plan_unit(project, places, hashes, name, unit, waiting))
    return steps


def wanted_passes(project: Project, only: list[str] | None) -> set[str]:
    """The passes named, with what they build on; None names all. Raises :class:`ProjectError` for a name that is none."""
    if only is None:
        return set(project.passes)
    wanted: set[str] = set()
    todo = list(only)
    while todo:
        name = todo.pop()
        if name not in project.passes:
            raise ProjectError(f"The project has no pass '{name}'; it has {', '.join(project.passes)}.")
        if name not in wanted:
            wanted.add(name)
            todo.extend(project.upstream(name))
    return wanted


def plan_unit(
    project: Project, places: Places, hashes: Hashes, name: str, unit: str, waiting: list[str] | None = None
) -> Step:
    """What one model of a pass needs now. ``waiting`` names passes upstream that will change first."""
    if waiting:
        return Step(name, unit, "waits", f"its input, the pass '{waiting[0]}', is not up to date", [])
    step, state, run = project.passes[name], load_state(places.state(name, unit)), places.run(name, unit)
    frames = frames_to_apply(project, places, name, unit)
    if not frames:
        return Step(name, unit, "up to date", "no frame asks for it", [])
    model = run.model(step.task)
    if state.settings != training_settings(places, hashes, name, unit):
        return Step(name, unit, "train", "its settings changed" if state.settings else "it has no model yet", frames)
    changed = _changed_pair(places, hashes, name, project, state)
    if changed:
        return Step(name, unit, "train", f"the picture {changed}, which it was trained on, changed", frames)
    if not state.model:
        interrupted = run.job.exists()
        return Step(name, unit, "resume" if interrupted else "train", "its training was interrupted", frames)
    if hashes.file(model) != state.model:
        return Step(name, unit, "train", "its model file is absent or not the one that was trained", frames)
    stale = stale_frames(places, hashes, name, state, frames, project)
    if stale:
        words = ("frame", "is") if len(stale) == 1 else ("frames", "are")
        return Step(name, unit, "render", f"{words[0]} {format_frames(stale)} {words[1]} missing or stale", stale)
    return Step(name, unit, "up to date", "nothing changed", [])


def stray_frames(project: Project, places: Places, name: str) -> list[Path]:
    """Rendered files of a pass that no model of it has to render any more: the scope, ``apply`` or the source changed."""
    wanted = {
        output_path(places.frames(name), frame).name
        for unit in project.units(name)
        for frame in frames_to_apply(project, places, name, unit)
    }
    pattern = places.frames(name)
    return sorted(file for file in pattern.parent.glob(pattern.name.replace("####", "*")) if file.name not in wanted)


def frames_to_apply(project: Project, places: Places, name: str, unit: str) -> list[int]:
    """The source frames that a model of a pass renders."""
    step = project.passes[name]
    scope = project.units(name)[unit]
    frames = set(places.there(step.source))
    if scope is not None:
        frames &= set(scope)
    if step.missing_from:
        frames -= set(places.there(step.missing_from))
    elif step.apply != "all":
        frames &= set(parse_frames(step.apply))
    return sorted(frames)


def stale_frames(
    places: Places, hashes: Hashes, name: str, state: UnitState, frames: list[int], project: Project
) -> list[int]:
    """Frames whose file is not the one that this model made of this source and of the frames beside it."""
    found = frame_records(places, hashes, name, frames, project)
    return [frame for frame in frames if state.frames.get(str(frame)) != found[frame]]


def frame_records(places: Places, hashes: Hashes, name: str, frames: list[int], project: Project) -> dict[int, list[str]]:
    """What is remembered of rendered frames: hashes of the source, of the frames around it and of the file, and how it was
    merged."""
    step, source = project.passes[name], places.open(project.passes[name].source)
    reach = REACH[KEPT[step.task]]
    near = {frame + away for frame in frames for away in range(-reach, reach + 1)}
    sources = {frame: hashes.frame(source, frame) for frame in near.intersection(source.frames)}
    records = {}
    for frame in frames:
        beside = [sources.get(frame + away, "") for away in range(-reach, reach + 1)]
        surroundings = hashlib.sha256(" ".join(beside).encode()).hexdigest()
        written = hashes.file(output_path(places.frames(name), frame))
        records[frame] = [sources.get(frame, ""), surroundings, written, step.merge]
    return records


def _changed_pair(places: Places, hashes: Hashes, name: str, project: Project, state: UnitState) -> str | None:
    step = project.passes[name]
    for key, known in state.pairs.items():
        side, _, frame = key.partition("/")
        element = step.source if side == "source" else step.reference
        try:
            found = hashes.frame(places.open(element), int(frame))
        except FilmRecoveryError:
            found = ""
        if found != known:
            return f"{element} {frame}"
    return None
