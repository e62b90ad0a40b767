"""What a project still has to do, and why, in words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from film_recovery.contract.errors import FilmRecoveryError
from film_recovery.images.ranges import format_frames, parse_frames
from film_recovery.images.sequence import output_path
from film_recovery.project.schema import Project, load_project
from film_recovery.project.state import Hashes, Places, UnitState, load_state, training_settings

State = Literal["up to date", "train", "resume", "render"]


@dataclass(frozen=True)
class Step:
    """One model of one pass: what has to be done, why, and for which frames (empty when they follow from a pass not yet run)."""

    name: str
    unit: str
    state: State
    reason: str
    frames: list[int]


def plan_project(path: Path) -> list[Step]:
    """The steps of a project in order, without doing anything. Raises :class:`ProjectError`."""
    project = load_project(path)
    places = Places(path, project)
    hashes = Hashes(places.root / "hashes.json")
    steps: list[Step] = []
    for name in project.order():
        waiting = [step.name for step in steps if step.name in project.upstream(name) and step.state != "up to date"]
        for unit in project.units(name):
            steps.append(plan_unit(project, places, hashes, name, unit, waiting))
    return steps


def plan_unit(
    project: Project, places: Places, hashes: Hashes, name: str, unit: str, waiting: list[str] | None = None
) -> Step:
    """What one model of a pass needs now. ``waiting`` names passes upstream that will change first."""
    if waiting:
        return Step(name, unit, "train", f"its input, the pass '{waiting[0]}', is not up to date", [])
    step, state, run = project.passes[name], load_state(places.state(name, unit)), places.run(name, unit)
    frames = frames_to_apply(project, places, name, unit)
    model = run.model(step.task)
    if not model.exists():
        if run.last_checkpoint.exists() and state.settings == training_settings(project, step):
            return Step(name, unit, "resume", "its training was interrupted", frames)
        return Step(name, unit, "train", "it has no model yet", frames)
    if state.settings != training_settings(project, step):
        return Step(name, unit, "train", "its settings changed", frames)
    changed = _changed_pair(places, hashes, name, project, state)
    if changed:
        return Step(name, unit, "train", f"the picture {changed}, which it was trained on, changed", frames)
    if hashes.file(model) != state.model:
        return Step(name, unit, "train", "its model file is not the one that was trained", frames)
    stale = stale_frames(places, hashes, name, state, frames, project)
    if stale:
        return Step(name, unit, "render", f"frames {format_frames(stale)} are missing or stale", stale)
    return Step(name, unit, "up to date", "nothing changed", [])


def frames_to_apply(project: Project, places: Places, name: str, unit: str) -> list[int]:
    """The source frames that a model of a pass renders."""
    step = project.passes[name]
    scope = project.units(name)[unit]
    frames = set(places.open(step.source).frames)
    if scope is not None:
        frames &= set(scope)
    if step.apply.startswith("missing-from:"):
        frames -= set(places.open(step.apply.partition(":")[2]).frames)
    elif step.apply != "all":
        frames &= set(parse_frames(step.apply))
    return sorted(frames)


def stale_frames(
    places: Places, hashes: Hashes, name: str, state: UnitState, frames: list[int], project: Project
) -> list[int]:
    """Frames whose file is not the one that this model made of this source."""
    source = places.open(project.passes[name].source)
    stale = []
    for frame in frames:
        written = output_path(places.frames(name), frame)
        if state.frames.get(str(frame)) != [hashes.frame(source, frame), hashes.file(written)]:
            stale.append(frame)
    return stale


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
