"""Callbacks: who is called when and in which order, after Foundry's callbacks module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

import embedded_nuke


@pytest.fixture
def gui() -> Iterator[Any]:
    """A fresh session with a GUI."""
    yield embedded_nuke.install(gui=True)
    embedded_nuke.uninstall()


def test_those_of_the_class_are_called_before_those_of_every_class(nuke: Any) -> None:
    said: list[str] = []
    nuke.addOnCreate(said.append, "all")
    nuke.addOnCreate(said.append, ("first",), nodeClass="Blur")
    nuke.addOnCreate(said.append, "second", nodeClass="Blur")
    nuke.addOnCreate(said.append, "grade", nodeClass="Grade")
    nuke.createNode("Blur")
    assert said == ["first", "second", "all"]


def test_the_same_callback_counts_once_and_at_its_last_place(nuke: Any) -> None:
    said: list[str] = []
    for word in ("a", "b", "a"):
        nuke.addOnCreate(said.append, (word,))
    nuke.createNode("Blur")
    assert said == ["b", "a"]
    nuke.removeOnCreate(said.append, ("b",))
    nuke.removeOnCreate(said.append, ("absent",))
    nuke.createNode("Blur")
    assert said == ["b", "a", "a"]


def test_what_cannot_be_called_is_refused_at_once(nuke: Any) -> None:
    with pytest.raises(ValueError, match="callable"):
        nuke.addOnCreate("print(1)")
    with pytest.raises(ValueError, match="dictionary"):
        nuke.addOnCreate(print, (), [])


def test_only_knob_changed_can_be_bound_to_a_node(nuke: Any) -> None:
    said: list[str] = []
    one, other = nuke.nodes.Blur(), nuke.nodes.Blur()

    def changed() -> None:
        said.append(f"{nuke.thisNode().name()}.{nuke.thisKnob().name()}")

    nuke.addKnobChanged(changed, node=one)
    one["size"].setValue(3)
    other["size"].setValue(3)
    assert said == ["Blur1.size"]
    nuke.removeKnobChanged(changed, node=one)
    one["size"].setValue(4)
    assert said == ["Blur1.size"]
    with pytest.raises(TypeError, match="node"):
        nuke.addOnCreate(changed, node=one)


def test_what_would_never_be_called_is_not_offered(nuke: Any) -> None:
    for name in ("addAutolabel", "addAutoSaveFilter", "addBeforeBackgroundRender", "addValidateFilename"):
        with pytest.raises(AttributeError, match=name):
            getattr(nuke, name)


def test_update_ui_runs_when_idle_and_only_after_a_change(gui: Any) -> None:
    said: list[str] = []
    blur = gui.nodes.Blur()
    with gui.nodes.Group():
        gui.nodes.Grade()
    blur["updateUI"].setValue("nuke.thisNode()['label'].setValue('seen')")
    gui.addUpdateUI(lambda: said.append(gui.thisNode().name()))
    assert said == []
    embedded_nuke.session().process_events()
    assert said == ["Blur1", "Group1", "Grade1"]
    assert blur["label"].value() == "seen"
    embedded_nuke.session().process_events()  # its own change does not call it again
    assert len(said) == 3
    blur["size"].setValue(9)
    embedded_nuke.session().process_events()
    assert len(said) == 6


def test_update_ui_is_for_a_gui(nuke: Any) -> None:
    nuke.addUpdateUI(lambda: 1 / 0)
    nuke.nodes.Blur()
    embedded_nuke.session().process_events()


def test_update_ui_of_a_script_is_told_and_not_run(gui: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "s.nk"
    script.write_text("Blur {\n inputs 0\n updateUI \"nuke.thisNode().setName('Evil')\"\n name Blur1\n}\n")
    gui.scriptOpen(str(script))
    embedded_nuke.session().process_events()
    assert [node.name() for node in gui.allNodes()] == ["Blur1"]
    assert "Blur1" in capsys.readouterr().out


def _rendered(nuke: Any, folder: Path, **knobs: Any) -> Any:
    source = nuke.nodes.Constant(channels="rgb")
    return nuke.nodes.Write(inputs=[source], file=(folder / "%04d.exr").as_posix(), file_type="exr", **knobs)


def test_progress_is_told_during_a_render_and_the_session_knows_that_one_runs(nuke: Any, tmp_path: Path) -> None:
    pytest.importorskip("OpenImageIO")
    said: list[Any] = []
    write = _rendered(nuke, tmp_path)
    write["renderProgress"].setValue("nuke.tprint('knob')")
    nuke.addRenderProgress(lambda: said.append((nuke.thisNode().name(), nuke.frame(), nuke.executing())))
    assert not nuke.executing()
    nuke.execute(write, 1, 2)
    assert said == [("Write1", 1, True), ("Write1", 2, True)]
    assert not nuke.executing()
    nuke.addAfterFrameRender(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        nuke.execute(write, 1, 1)
    assert not nuke.executing()


def test_a_new_session_is_not_executing(nuke: Any, tmp_path: Path) -> None:
    pytest.importorskip("OpenImageIO")
    found: list[bool] = []
    nuke.addBeforeFrameRender(lambda: found.append(embedded_nuke.install().executing()))
    nuke.execute(_rendered(nuke, tmp_path), 1, 1)
    assert found == [False]


def test_filename_filters_run_backwards_those_of_the_class_first(nuke: Any, tmp_path: Path) -> None:
    pytest.importorskip("OpenImageIO")
    asked: list[str] = []

    def add(name: str, mark: str) -> str:
        asked.append(nuke.thisNode().name())
        return name.replace(".exr", f"_{mark}.exr")

    for mark, kind in (("all1", "*"), ("all2", "*"), ("write1", "Write"), ("write2", "Write"), ("read", "Read")):
        nuke.addFilenameFilter(add, (mark,), nodeClass=kind)
    nuke.addFilenameFilter(lambda name: None)  # leaves it as it is
    write = _rendered(nuke, tmp_path)
    nuke.execute(write, 3, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["0003_write2_write1_all2_all1.exr"]
    assert set(asked) == {"Write1"}
    assert write["file"].value() == (tmp_path / "%04d.exr").as_posix()


def test_a_filename_filter_counts_for_pictures_that_were_read_before(
    nuke: Any, tmp_path: Path, write_file: Callable[..., Path]
) -> None:
    np = pytest.importorskip("numpy")
    for value in (1, 2):
        write_file(tmp_path / f"{value}.exr", np.full((12, 16, 3), value, np.float32))
    read = nuke.nodes.Read(file=(tmp_path / "1.exr").as_posix(), raw=True)
    assert read.sample("red", 8, 6) == 1

    def other(name: str) -> str:
        return name.replace("/1.exr", "/2.exr")

    nuke.addFilenameFilter(other, nodeClass="Read")
    assert read.sample("red", 8, 6) == 2
    nuke.removeFilenameFilter(other, nodeClass="Read")
    assert read.sample("red", 8, 6) == 1
