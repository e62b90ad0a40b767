"""RecoveryInference nodes that are linked to a RecoveryTrain: they follow its model, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest

from embedded_nuke.render import engine
from film_recovery.contract.events import EventLog


@pytest.fixture
def pair(
    nuke: Any, reads: Callable[..., Any], copying_worker: Path, model_file: Callable[..., Path], tmp_path: Path
) -> tuple[Any, Any]:
    """A RecoveryTrain with two finished runs, the first chosen, and a RecoveryInference that is linked to it; saved."""
    source, reference = reads(nuke)
    nuke.scriptSaveAs(str(tmp_path / "s.nk"), 1)
    for name in ("Colour_v001", "Colour_v002"):
        model_file(tmp_path / "recovery" / name / "export" / "chroma.onnx", name.encode())
        log = EventLog(tmp_path / "recovery" / name / "events.jsonl")
        log.append("started", task="chroma", steps=3)
        log.append("finished", step=3)
    trainer = nuke.nodes.RecoveryTrain(inputs=[source, reference], name="Colour")
    trainer["run"].setValue("Colour_v001")
    trainer["refreshStatus"].execute()
    node = nuke.nodes.RecoveryInference(inputs=[source], name="Recovered")
    node["useGPUIfAvailable"].setValue(False)
    node["modelFile"].setValue("[value Colour.model]")
    return trainer, node


def test_a_new_model_of_the_training_replaces_the_frames_of_the_former_one(nuke: Any, pair: Any) -> None:
    from film_recovery_nuke.nodes import inference

    trainer, node = pair
    inference.bake(node, [1001])
    node["bakeFrames"].setValue("1001")
    assert node["status"].value() == "1 fresh of 1 frames."
    trainer["run"].setValue("Colour_v002")
    trainer["refreshStatus"].execute()
    assert trainer["model"].value() == "recovery/Colour_v002/export/chroma.onnx"
    assert node["status"].value() == "1 missing of 1 frames."
    with pytest.raises(RuntimeError, match=r"recovered\.1001\.exr does not exist"):
        engine.render_node(node, 1001)
    trainer["run"].setValue("Colour_v001")
    trainer["refreshStatus"].execute()
    assert node["status"].value() == "1 fresh of 1 frames."
    engine.render_node(node, 1001)


def test_a_job_on_the_farm_keeps_the_model_that_the_script_names(
    nuke: Any, pair: Any, start_nuke: Callable[..., Any], tmp_path: Path
) -> None:
    trainer, _ = pair
    trainer["run"].setValue("Colour_v002")
    nuke.scriptSave("")
    farm = start_nuke(gui=False)
    farm.scriptOpen(str(tmp_path / "s.nk"))
    opened = farm.toNode("Colour")
    opened["refreshStatus"].execute()
    assert opened["model"].value() == "recovery/Colour_v001/export/chroma.onnx"
    assert opened["status"].value().startswith("Finished")
    later = start_nuke()
    later.scriptOpen(str(tmp_path / "s.nk"))
    assert later.toNode("Colour")["model"].value() == "recovery/Colour_v002/export/chroma.onnx"


def test_a_link_inside_a_group_means_the_training_beside_it(nuke: Any, pair: Any) -> None:
    from film_recovery_nuke.nodes import inference

    _, node = pair
    assert inference.linked_train(node).fullName() == "Colour"
    group = nuke.nodes.Group(name="Shot")
    with group:
        inner = nuke.nodes.RecoveryInference(modelFile="[value Colour.model]")
        assert inference.linked_train(inner) is None
        nuke.nodes.RecoveryTrain(name="Colour")
    assert inference.linked_train(inner).fullName() == "Shot.Colour"


def test_the_inference_node_is_made_beside_what_is_selected(nuke: Any, pair: Any) -> None:
    from film_recovery_nuke.nodes import train

    trainer, _ = pair
    source = trainer.input(0)
    for node in nuke.allNodes():
        node.setSelected(node is source)
    made = train.create_inference(trainer)
    assert (made.Class(), made.input(0).name()) == ("RecoveryInference", source.name())
    assert trainer.input(0).name() == source.name()
    assert [node.name() for node in nuke.selectedNodes()] == [source.name()]
