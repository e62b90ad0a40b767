"""The .cat route: text that NukeX can paste, whatever stands in the paths, and a TorchScript file from the real worker."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedded_nuke.script.commands import parse_script
from embedded_nuke.script.words import value_of

CHANNELS = "rgba.red,rgba.green,rgba.blue"


def knobs(text: str, kind: str) -> dict[str, str]:
    """The knobs of the first node of a class in a script's text."""
    command = next(command for command in parse_script(text) if command.kind == kind)
    return {line.name: value_of(line.words[0]) for line in command.knobs()}


def test_the_snippets_paste_in_nukex_and_hang_on_the_selection(start_nuke: Callable[..., Any], tmp_path: Path) -> None:
    nuke = start_nuke(flavour="nukex")
    from film_recovery_nuke import cat_file

    path = tmp_path / "make.nk"
    path.write_text(cat_file.making_snippet("/runs/a b/chroma.pt", "/runs/a b/chroma.cat", 'reel "3"'), encoding="utf-8")
    plate = nuke.nodes.Constant(name="Plate")
    plate.setSelected(True)
    nuke.nodePaste(path.as_posix())
    creator, = nuke.allNodes("CatFileCreator")
    inference, = nuke.allNodes("Inference")
    assert creator["torchScriptFile"].value() == "/runs/a b/chroma.pt"
    assert creator["catFile"].value() == inference["modelFile"].value() == "/runs/a b/chroma.cat"
    assert creator["channelsIn"].value() == creator["channelsOut"].value() == CHANNELS
    assert creator["modelId"].value() == 'reel "3"'
    assert inference.input(0).name() == "Plate"
    path.write_text(cat_file.using_snippet("chroma.cat"), encoding="utf-8")
    nuke.nodePaste(path.as_posix())
    assert len(nuke.allNodes("Inference")) == 2


def test_a_travelling_script_finds_the_cat_by_its_name(nuke: Any) -> None:
    from film_recovery_nuke import cat_file

    text = cat_file.using_snippet("chroma.cat")
    assert r'modelFile "\[lsearch -inline \[plugins -all chroma.cat\] *.cat\]"' in text
    assert knobs(text, "Inference")["modelFile"] == "[lsearch -inline [plugins -all chroma.cat] *.cat]"


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), min_size=1, max_size=40))
def test_any_path_survives_the_spelling(nuke: Any, path: str) -> None:
    from film_recovery_nuke import cat_file

    text = cat_file.making_snippet(path, path, path)
    found = knobs(text, "CatFileCreator")
    assert (found["torchScriptFile"], found["catFile"], found["modelId"]) == (path, path, path)
    assert knobs(text, "Inference")["modelFile"] == path


def test_the_recipe_of_a_real_run(nuke: Any, tiny_run: Path, tmp_path: Path) -> None:
    import embedded_nuke
    from film_recovery_nuke import cat_file

    run = tmp_path / "my run"
    shutil.copytree(tiny_run, run)
    node = nuke.nodes.RecoveryInference(modelFile=(run / "export" / "chroma.onnx").as_posix())
    recipe = cat_file.write_recipe(node)
    assert recipe.torchscript == run / "export" / "chroma.pt" and recipe.torchscript.stat().st_size > 10_000
    found = knobs(recipe.making.read_text(encoding="utf-8"), "CatFileCreator")
    assert found["torchScriptFile"] == recipe.torchscript.as_posix()
    assert found["catFile"] == (run / "export" / "chroma.cat").as_posix()
    assert "press Create .cat file" in embedded_nuke.session().messages[-1]


def test_a_model_without_its_run_is_refused_with_the_reason(nuke: Any, tiny_model: Path, tmp_path: Path) -> None:
    from film_recovery_nuke import cat_file
    from film_recovery_nuke.errors import HostError

    folder = tmp_path / "models" / "chroma"
    shutil.copytree(tiny_model.parent, folder)
    node = nuke.nodes.RecoveryInference(modelFile=(folder / "chroma.onnx").as_posix())
    with pytest.raises(HostError, match="made from the run's checkpoint"):
        cat_file.run_of(node)
    with pytest.raises(HostError, match="Select a RecoveryTrain or a RecoveryInference"):
        cat_file.run_of(nuke.nodes.Constant())
    with pytest.raises(HostError, match="has not been trained yet"):
        cat_file.run_of(nuke.nodes.RecoveryTrain(dataDirectory=tmp_path.as_posix()))
