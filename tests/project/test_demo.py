"""What the demonstration promises before it starts: its project is sound, within eight pairs, and wrong times are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from film_recovery.contract.errors import UsageError
from film_recovery.project.demo import run_demo
from film_recovery.project.demo_measure import DemoPlaces
from film_recovery.project.schema import load_project


@pytest.mark.parametrize("minutes", [0.0, -1.0])
def test_a_demonstration_without_time_to_train_is_refused_before_anything_is_written(tmp_path: Path, minutes: float) -> None:
    with pytest.raises(UsageError, match="minutes"):
        run_demo(tmp_path / "demo", minutes, 7)
    assert not (tmp_path / "demo").exists()


def test_the_demonstrations_project_is_sound_and_small(tmp_path: Path) -> None:
    from film_recovery.project import demo

    places = DemoPlaces(tmp_path)
    places.project.write_text(demo._PROJECT.format(minutes=2.5, seed=7), encoding="utf-8")
    project = load_project(places.project)
    assert project.order() == ["colour", "detail"]
    assert all(step.pairs + step.held_out_pairs <= 8 for step in project.passes.values())
    for name in project.elements:  # the measuring and the project must speak of the same files
        pattern = Path(project.elements[name].files)
        assert places.element(pattern.parent.name) == tmp_path / pattern


def test_the_scripts_beside_the_elements_have_the_demonstrations_minutes_and_seed(tmp_path: Path) -> None:
    from film_recovery.project.demo_graph import _place_scripts

    script = _place_scripts(tmp_path, 3.5, 11)
    assert script == tmp_path / "combined.nk"
    for name, trainings in (("combined.nk", 2), ("chroma.nk", 1), ("spatial.nk", 1)):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert text.count("\n minutes 3.5\n") == text.count("\n seed 11\n") == trainings, name


def test_elements_of_another_seed_or_release_are_made_anew(tmp_path: Path) -> None:
    import json

    from film_recovery.project.demo import _are_there

    record = tmp_path / "elements.json"
    parameters = {"sharp": {"name": "internegative", "kept": (0.35, 0.9)}, "colourful": {"name": "print"}}
    assert not _are_there(record, 7, parameters)
    written = {"seed": 7, "elements": {role: {"parameters": entry} for role, entry in parameters.items()}}
    record.write_text(json.dumps(written), encoding="utf-8")
    assert _are_there(record, 7, parameters)
    assert not _are_there(record, 8, parameters)
    assert not _are_there(record, 7, {**parameters, "sharp": {"name": "internegative", "kept": (0.5, 0.9)}})
    record.write_text("{", encoding="utf-8")
    assert not _are_there(record, 7, parameters)
