"""The example scripts: what their maker makes, whole, movable, with the frames that the records beside them tell."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "nuke"
NAMES = ("chroma.nk", "spatial.nk", "combined.nk")
ELEMENTS = (("internegative_35mm", "internegative", 1, 43), ("print_16mm", "print", 501, 562))


def _maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_scripts", EXAMPLES / "make_scripts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_scripts"] = module  # its dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", NAMES)
def test_the_script_is_what_its_maker_makes(nuke: Any, name: str) -> None:
    maker = _maker()
    made = maker.SCRIPTS[name](maker.read_curation(EXAMPLES / "curation"))
    assert made == (EXAMPLES / name).read_text(encoding="utf-8"), "run python examples/nuke/make_scripts.py"


@pytest.mark.parametrize("name", NAMES)
def test_the_script_names_no_place_on_a_machine(name: str) -> None:
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    assert " file /" not in text
    assert str(ROOT) not in text


@pytest.mark.parametrize("name", NAMES)
def test_every_training_shows_the_frames_that_the_records_name(nuke: Any, name: str) -> None:
    """Whatever the project's numbers are: followed to the files, they are the pairs of pairs.json, matched as in match.json."""
    from film_recovery.contract.curation import load_match, load_selection
    from film_recovery_nuke import needs
    from film_recovery_nuke.frames import parse_frames

    selection = load_selection(EXAMPLES / "curation" / "select" / "pairs.json")
    partners = load_match(EXAMPLES / "curation" / "match" / "match.json").partners()
    nuke.scriptOpen(str(EXAMPLES / name))
    trainers = nuke.allNodes("RecoveryTrain")
    assert trainers
    for node in trainers:
        for knob, pairs in (("frames", selection.training), ("heldOut", selection.held_out)):
            frames = parse_frames(node[knob].value())
            found = {frame: [needs.shown_frame(node.input(side).input(0), frame) for side in (0, 1)] for frame in frames}
            sides = [tuple(found[frame]) for frame in frames]
            if node["task"].value() == "spatial":
                sides = [(theirs, ours) for ours, theirs in sides]
            assert sides == sorted((pair.source, pair.reference) for pair in pairs)
            assert all(partners[ours] == theirs for ours, theirs in sides)


@pytest.mark.parametrize("name", NAMES)
def test_everything_is_connected_and_stands_inside_a_stage(nuke: Any, name: str) -> None:
    nuke.scriptOpen(str(EXAMPLES / name))
    stages = nuke.allNodes("BackdropNode")
    boxes = [(node.xpos(), node.ypos(), node["bdwidth"].value(), node["bdheight"].value()) for node in stages]
    for node in nuke.allNodes():
        if node.Class() in ("BackdropNode", "Dot"):
            continue
        held = [x <= node.xpos() and node.xpos() + 80 <= x + w and y <= node.ypos() <= y + h for x, y, w, h in boxes]
        assert any(held), f"{node.name()} stands outside of every backdrop"
        if node.Class() not in ("Read", "StickyNote"):
            assert node.inputs() >= 1, node.name()
            assert all(node.input(index) is not None for index in range(min(node.inputs(), 2))), node.name()
    writes = [node for node in nuke.allNodes("Write") if not node["disable"].value()]
    assert [node.name() for node in writes] == ["Recovered"]


@pytest.mark.parametrize("name", NAMES)
def test_every_inference_follows_a_training_and_is_needed_for_the_master(nuke: Any, name: str) -> None:
    from film_recovery_nuke import needs
    from film_recovery_nuke.nodes import inference

    nuke.scriptOpen(str(EXAMPLES / name))
    root = nuke.root()
    found = needs.needed([nuke.toNode("Recovered")], range(root.firstFrame(), root.lastFrame() + 1))
    assert not found.warnings
    assert {node.name() for node in found.order} == {node.name() for node in nuke.allNodes("RecoveryInference")}
    assert all(inference.linked_train(node) is not None for node in found.order)
    if name == "combined.nk":
        lacking = [1001, 1002, 1003, 1025, 1026, *range(1049, 1065)]
        assert found.of(nuke.toNode("Recover_detail")) == lacking
        assert found.of(nuke.toNode("Recover_colour")) == sorted({*range(1001, 1065)} - {*lacking})


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The scripts beside small elements, and a LUT that changes nothing."""
    import OpenImageIO as oiio

    for folder, stem, first, last in ELEMENTS:
        (tmp_path / "elements" / folder).mkdir(parents=True)
        for frame in range(first, last + 1):
            picture = np.full((36, 64, 3), (frame - first + 1) / 100, np.float32)
            picture[..., 1] *= 0.5 if stem == "internegative" else 1.0
            output = oiio.ImageOutput.create("x.exr")
            output.open(str(tmp_path / "elements" / folder / f"{stem}.{frame:04d}.exr"), oiio.ImageSpec(64, 36, 3, oiio.FLOAT))
            output.write_image(picture)
            output.close()
    (tmp_path / "proof").mkdir()
    corners = "\n".join(f"{number & 1} {number >> 1 & 1} {number >> 2}" for number in range(8))
    (tmp_path / "proof" / "lut_kept_luma.cube").write_text(f"LUT_3D_SIZE 2\n{corners}\n", encoding="ascii")
    for name in NAMES:
        (tmp_path / name).write_bytes((EXAMPLES / name).read_bytes())
    return tmp_path


def test_the_stack_shows_the_pairs_one_after_the_other(nuke: Any, rendered: Any, place: Path) -> None:
    """Whatever the folder: the elements are found beside the script."""
    nuke.scriptOpen(str(place / "chroma.nk"))
    clips = {node["label"].value().split()[0]: node for node in nuke.allNodes("AppendClip")}
    shown = [round(float(rendered(clips["reference"], frame)[4, 8, 0]), 4) for frame in range(1, 9)]
    from film_recovery.contract.curation import load_selection

    pairs = load_selection(EXAMPLES / "curation" / "select" / "pairs.json").pairs
    assert shown == [round((frame - 500) / 100, 4) for frame in sorted(pair.reference for pair in pairs)]
    sheet = rendered(nuke.toNode("Pairs_chroma"), 1)
    assert sheet.shape[1] >= 8 * 64


def test_target_baseline_and_difference_render(nuke: Any, rendered: Any, place: Path) -> None:
    nuke.scriptOpen(str(place / "chroma.nk"))
    frame = 1020
    source = rendered(nuke.toNode("Internegative"), frame)
    assert np.allclose(rendered(nuke.toNode("MatchGrade_like"), frame), source, atol=1e-5)
    assert rendered(nuke.toNode("Target_chroma"), 3).shape == source.shape
    assert np.isfinite(rendered(nuke.toNode("Balanced_original"), frame)).all()
    assert rendered(nuke.toNode("Difference_chroma"), 3)[..., 1].max() > 0


def test_a_frame_that_was_not_baked_fails_headless(nuke: Any, place: Path) -> None:
    nuke.scriptOpen(str(place / "combined.nk"))
    with pytest.raises(RuntimeError):
        nuke.execute(nuke.toNode("Recovered"), 1001, 1001, 1)
