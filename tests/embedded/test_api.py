"""The module ``nuke`` against the published type stubs, and what executing promises."""

from __future__ import annotations

import ast
import inspect
import sysconfig
from pathlib import Path
from typing import Any

import pytest

import embedded_nuke

STUBS = Path(sysconfig.get_paths()["purelib"]) / "nuke-stubs"


def _stubbed() -> dict[str, ast.FunctionDef]:
    """The functions of the stubs of the module itself, and of its callbacks."""
    found: dict[str, ast.FunctionDef] = {}
    for name in ("_nuke.pyi", "callbacks.pyi", "executeInMain.pyi"):
        for node in ast.parse((STUBS / name).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                found.setdefault(node.name, node)
    return found


@pytest.mark.skipif(not STUBS.is_dir(), reason="types-nuke is installed with Python 3.11's environment only")
def test_what_is_offered_takes_what_the_stubs_say(nuke: Any) -> None:
    stubbed = _stubbed()
    compared = []
    for name, offered in vars(nuke).items():
        if name not in stubbed or not inspect.isfunction(offered) or not stubbed[name].args.args:
            continue  # of some functions the stubs know the name only
        arguments = stubbed[name].args
        wanted = [entry.arg for entry in arguments.args]
        signature = inspect.signature(offered)
        try:
            signature.bind(*wanted)
        except TypeError as error:
            raise AssertionError(f"nuke.{name}{signature} does not take {wanted}: {error}") from error
        compared.append(name)
    assert {"execute", "executeInMainThread", "addBeforeRender", "scriptSaveAs"} <= set(compared), compared


def _write(nuke: Any, folder: Path) -> Any:
    """A Write of a small picture, a file a frame."""
    picture = nuke.nodes.Constant(channels="rgb")
    return nuke.nodes.Write(inputs=[picture], file=(folder / "%04d.exr").as_posix(), file_type="exr")


def test_callbacks_run_in_the_documented_order(nuke: Any, tmp_path: Path) -> None:
    said: list[str] = []
    for name in ("BeforeRender", "BeforeFrameRender", "AfterFrameRender", "AfterRender"):
        getattr(nuke, f"add{name}")(lambda name=name: said.append(f"{name} {nuke.thisNode().name()} {nuke.frame()}"))
    write = _write(nuke, tmp_path)
    nuke.frame(7)
    nuke.execute(write, 1, 2)
    assert [line.split()[0] for line in said] == [
        "BeforeRender", "BeforeFrameRender", "AfterFrameRender", "BeforeFrameRender", "AfterFrameRender", "AfterRender",
    ]  # fmt: skip
    assert said[3] == "BeforeFrameRender Write1 2"
    assert nuke.frame() == 7


def test_an_exception_in_a_callback_ends_the_render(nuke: Any, tmp_path: Path) -> None:
    write = _write(nuke, tmp_path)
    nuke.addBeforeFrameRender(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        nuke.execute(write, 1, 2)
    assert not list(tmp_path.iterdir())


def test_a_render_inside_a_render_is_refused(nuke: Any, tmp_path: Path) -> None:
    write = _write(nuke, tmp_path)
    nuke.addBeforeFrameRender(lambda: nuke.execute(write, 5, 5))
    with pytest.raises(RuntimeError, match="already executing"):
        nuke.execute(write, 1, 1)
    nuke.removeBeforeFrameRender(next(entry[0] for entry in embedded_nuke.session().callbacks["beforeFrameRender"]))
    nuke.execute(write, 1, 1)


def test_writes_are_rendered_by_their_order_and_groups_render_their_own(nuke: Any, tmp_path: Path) -> None:
    source = nuke.nodes.Constant(channels="rgb")
    group = nuke.nodes.Group(inputs=[source])
    with group:
        entry = nuke.nodes.Input()
        for order, name in ((2, "late"), (1, "early")):
            nuke.nodes.Write(inputs=[entry], file=(tmp_path / name / "%04d.exr").as_posix(), file_type="exr", name=name,
                             render_order=order, create_directories=True)  # fmt: skip
        nuke.nodes.Write(inputs=[entry], file=(tmp_path / "off.exr").as_posix(), file_type="exr", disable=True)
    said: list[str] = []
    nuke.addBeforeRender(lambda: said.append(nuke.thisNode().name()))
    group.setInput(0, source)
    nuke.execute(group, 1, 1)
    assert said == ["early", "late"]
    assert not (tmp_path / "off.exr").exists()
    with pytest.raises(RuntimeError, match="cannot be executed"):
        nuke.execute(source, 1, 1)


def test_a_person_can_cancel_a_render(nuke: Any, tmp_path: Path) -> None:
    from embedded_nuke.api.progress import watch_tasks

    write = _write(nuke, tmp_path)
    watch_tasks(lambda task: task.cancel() if task.percent >= 20 else None)
    with pytest.raises(RuntimeError, match=r"^Cancelled$"):
        nuke.execute(write, 1, 10)
    watch_tasks(None)
    assert len(list(tmp_path.iterdir())) == 2


def test_creating_a_node_follows_the_selection(nuke: Any) -> None:
    first = nuke.createNode("Constant")
    second = nuke.createNode("Blur", "size 3 mix 0.5")
    assert second.input(0) is first
    assert (second["size"].value(), second["mix"].value(), nuke.selectedNode()) == (3.0, 0.5, second)
    with pytest.raises(NameError, match="no knob 'siz'"):
        nuke.createNode("Blur", "siz 3")


def test_copy_and_paste(nuke: Any, tmp_path: Path) -> None:
    nuke.createNode("Constant")
    nuke.createNode("Blur", "size 9")
    nuke.selectAll()
    assert nuke.nodeCopy(str(tmp_path / "snippet.nk"))
    assert (tmp_path / "snippet.nk").read_text().startswith("set cut_paste_input [stack 0]\n")
    nuke.scriptClear()
    assert nuke.nodePaste(str(tmp_path / "snippet.nk"))["size"].value() == 9.0
    assert [node.Class() for node in nuke.allNodes()] == ["Constant", "Blur"]


def test_frame_ranges(nuke: Any) -> None:
    assert list(nuke.FrameRange("1-10x4")) == [1, 5, 9]
    assert nuke.FrameRanges("1-3 7, 9").toFrameList() == [1, 2, 3, 7, 9]
    assert str(nuke.FrameRange(1, 9, 2)) == "1-9x2"
    with pytest.raises(ValueError, match="no frame range"):
        nuke.FrameRange("1--")


def test_menus_keep_what_is_registered(nuke: Any) -> None:
    said: list[int] = []
    nuke.menu("Nuke").addCommand("Tools/Deep/Go", lambda: said.append(1), "ctrl+g")
    nuke.menu("Nuke").findItem("Tools/Deep/Go").invoke()
    assert said == [1]
    with pytest.raises(RuntimeError, match="no menu 'File'"):
        nuke.menu("File")
