"""Whose frames a RecoveryInference shows, replaces and clears, when nodes and scripts are renamed and copied."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest


@pytest.fixture
def shot(nuke: Any, reads: Callable[..., Any], copying_worker: Path, model_file: Callable[..., Path], tmp_path: Path) -> Any:
    """A node Chroma with frame 1001 baked, in shot_v001.nk, and its cache in a folder that all scripts share."""
    from film_recovery_nuke.nodes import inference

    source, _ = reads(nuke)
    (tmp_path / "shot").mkdir()
    nuke.scriptSaveAs(str(tmp_path / "shot" / "shot_v001.nk"), overwrite=1)
    node = nuke.nodes.RecoveryInference(inputs=[source], name="Chroma")
    node["useGPUIfAvailable"].setValue(False)
    node["cacheFolder"].setValue((tmp_path / "cache").as_posix())
    node["modelFile"].setValue(model_file(tmp_path / "model" / "chroma.onnx").as_posix())
    inference.bake(node, [1001])
    nuke.scriptSave("")
    return node


@pytest.fixture
def clipboard(nuke: Any, tmp_path: Path) -> tuple[Callable[[Any], None], Callable[[], Any]]:
    """Copy a node, and paste it."""
    path = str(tmp_path / "copied.nk")

    def copy(node: Any) -> None:
        for other in nuke.allNodes():
            other.setSelected(other is node)
        nuke.nodeCopy(path)

    return copy, lambda: nuke.nodePaste(path)


def _read(node: Any) -> str:
    return str(node.node("Recovered")["file"].value())


def test_a_renamed_node_keeps_its_frames_and_its_copy_has_none(nuke: Any, shot: Any, clipboard: Any) -> None:
    from film_recovery_nuke.nodes import inference

    folder = inference.cache_of(shot).folder
    shot.setName("Faces")
    assert inference.states(shot, [1001]) == ["fresh"]
    inference.bake(shot, [1001, 1002])
    assert inference.cache_of(shot).folder == folder
    clipboard[0](shot)
    copy = clipboard[1]()
    assert (copy.name() != "Faces", inference.states(copy, [1001]), _read(copy)) == (
        True, ["missing"], "not_baked/recovered.%04d.exr",
    )  # fmt: skip
    assert inference.states(shot, [1001, 1002]) == ["fresh"] * 2
    assert inference.clear_cache(copy) == 0
    assert inference.clear_cache(shot) == 2
    assert not folder.exists()


def test_a_copy_that_takes_the_name_of_its_renamed_original_does_not_take_its_frames(
    nuke: Any, shot: Any, clipboard: Any
) -> None:
    from film_recovery_nuke.nodes import inference

    clipboard[0](shot)
    shot.setName("Faces")
    copy = clipboard[1]()
    assert (copy.name(), copy["cacheKey"].value()) == ("Chroma", "")
    assert inference.states(copy, [1001]) == ["missing"]
    assert inference.states(shot, [1001]) == ["fresh"]
    copy.setInput(0, shot.input(0))
    inference.bake(copy, [1001])
    assert inference.cache_of(copy).folder != inference.cache_of(shot).folder
    assert inference.clear_cache(copy) == 1
    assert inference.states(shot, [1001]) == ["fresh"]
    nuke.scriptSave("")
    nuke.scriptClear()
    nuke.scriptOpen(nuke_script(shot))
    assert inference.states(nuke.toNode("Faces"), [1001]) == ["fresh"]


def nuke_script(node: Any) -> str:
    """The file of the script that a node was baked in."""
    return str(Path(str(node["cacheFolder"].value())).parent / "shot" / "shot_v001.nk")


@pytest.mark.parametrize("name", ["other.nk", "elsewhere/shot_v001.nk"])
def test_a_node_pasted_into_another_script_leaves_the_frames_of_its_original_alone(
    nuke: Any, shot: Any, clipboard: Any, reads: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    from film_recovery_nuke.cache import FrameCache
    from film_recovery_nuke.nodes import inference

    folder = inference.cache_of(shot).folder
    before = (folder / "recovered.1001.exr").stat().st_mtime_ns
    clipboard[0](shot)
    nuke.scriptClear()
    (tmp_path / "shot" / name).parent.mkdir(exist_ok=True)
    nuke.scriptSaveAs(str(tmp_path / "shot" / name), overwrite=1)
    source, _ = reads(nuke)
    pasted = clipboard[1]()
    assert (pasted.name(), pasted["cacheKey"].value()) == ("Chroma", "")
    assert _read(pasted) == "not_baked/recovered.%04d.exr"
    pasted.setInput(0, nuke.nodes.Multiply(inputs=[source], value=0.5))
    assert inference.states(pasted, [1001]) == ["missing"]
    assert inference.bake(pasted, [1001]).baked == [1001]
    assert inference.cache_of(pasted).folder != folder
    assert inference.clear_cache(pasted) == 1
    assert (folder / "recovered.1001.exr").stat().st_mtime_ns == before
    assert FrameCache(folder).owner().node == "Chroma"


def test_the_next_version_and_a_moved_script_keep_the_frames(
    start_nuke: Callable[..., Any], nuke: Any, shot: Any, tmp_path: Path
) -> None:
    from film_recovery_nuke.nodes import inference

    shot.setName("Faces")
    folder = inference.cache_of(shot).folder
    nuke.scriptSaveAs(str(tmp_path / "shot" / "shot_v002.nk"), overwrite=1)
    assert inference.states(shot, [1001]) == ["fresh"]
    farm = start_nuke(gui=False)
    (tmp_path / "job_17.nk").write_bytes((tmp_path / "shot" / "shot_v002.nk").read_bytes())
    farm.scriptOpen(str(tmp_path / "job_17.nk"))
    from film_recovery_nuke.nodes import inference

    assert inference.states(farm.toNode("Faces"), [1001]) == ["fresh"]
    (tmp_path / "shot").rename(tmp_path / "moved")
    for name in ("shot_v002.nk", "shot_v001.nk"):
        later = start_nuke()
        later.scriptOpen(str(tmp_path / "moved" / name))
        from film_recovery_nuke.nodes import inference

        node = later.toNode("Faces") or later.toNode("Chroma")
        assert (inference.states(node, [1001]), inference.cache_of(node).folder) == (["fresh"], folder), name
        assert inference.bake(node, [1001]).kept == [1001]


@pytest.mark.parametrize("gui", [True, False])
def test_a_renamed_node_is_found_beside_a_moved_script(
    start_nuke: Callable[..., Any], nuke: Any, shot: Any, tmp_path: Path, gui: bool
) -> None:
    from film_recovery_nuke.nodes import inference

    shot["cacheFolder"].setValue("")
    inference.bake(shot, [1001])
    name = inference.cache_of(shot).folder.name
    shot.setName("Faces")
    nuke.scriptSave("")
    (tmp_path / "shot").rename(tmp_path / "moved")
    later = start_nuke(gui=gui)
    later.scriptOpen(str(tmp_path / "moved" / "shot_v001.nk"))
    assert name.startswith("Chroma_")
    assert _read(later.toNode("Faces")) == f"[file dirname [value root.name]]/recovery/{name}/recovered.%04d.exr"


def test_a_script_saved_under_another_name_bakes_frames_of_its_own(nuke: Any, shot: Any, tmp_path: Path) -> None:
    from film_recovery_nuke.nodes import inference

    folder = inference.cache_of(shot).folder
    nuke.scriptSaveAs(str(tmp_path / "shot" / "test.nk"), overwrite=1)
    assert inference.states(shot, [1001]) == ["fresh"]
    shot.setInput(0, nuke.nodes.Multiply(inputs=[shot.input(0)], value=0.5))
    inference.bake(shot, [1001])
    assert inference.cache_of(shot).folder != folder
    assert (folder / "recovered.1001.exr").is_file()
