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
_WITH_STUBS = pytest.mark.skipif(not STUBS.is_dir(), reason="types-nuke is installed with Python 3.11's environment only")


def _stubbed() -> dict[str, ast.FunctionDef]:
    """The functions of the stubs of the module itself, and of its callbacks."""
    found: dict[str, ast.FunctionDef] = {}
    for name in ("_nuke.pyi", "callbacks.pyi", "executeInMain.pyi", "overrides.pyi"):
        for node in ast.parse((STUBS / name).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                found.setdefault(node.name, node)
    return found


@_WITH_STUBS
def test_nothing_is_offered_that_the_stubs_do_not_know(nuke: Any) -> None:
    known: set[str] = set()
    for path in STUBS.glob("*.pyi"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                known.add(node.name)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                known.add(node.target.id)
            elif isinstance(node, ast.Assign):
                known.update(target.id for target in node.targets if isinstance(target, ast.Name))
    assert [name for name in vars(nuke) if not name.startswith("__") and name not in known] == []


@_WITH_STUBS
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
    group = nuke.nodes.Group()
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


def test_a_frame_range_can_be_asked_and_changed(nuke: Any) -> None:
    frames = nuke.FrameRange(10, 1, -3)
    assert (list(frames), frames.frames(), frames.getFrame(0), frames.getFrame(3)) == ([10, 7, 4, 1], 4, 10, 1)
    assert (frames.increment(), frames.stepFrame(), frames.minFrame(), frames.maxFrame()) == (-3, 3, 1, 10)
    with pytest.raises(IndexError):
        frames.getFrame(4)
    frames.setFirst(-1)
    frames.setLast(5)
    frames.setIncrement(2)
    assert (list(frames), frames.isInRange(3), frames.isInRange(4)) == ([-1, 1, 3, 5], True, False)
    with pytest.raises(ValueError, match="increment"):
        frames.setIncrement(0)


def test_a_range_of_many_frames_is_counted_without_listing_them(nuke: Any) -> None:
    frames = nuke.FrameRange(1, 10**12, 1)
    assert (frames.frames(), frames.isInRange(10**11), frames.getFrame(10**11)) == (10**12, True, 10**11 + 1)


def test_ranges_are_made_of_frames_texts_and_numbers(nuke: Any) -> None:
    assert nuke.FrameRanges([1, "3-5", (7, 11, 2), nuke.FrameRange(20)]).toFrameList() == [1, 3, 4, 5, 7, 9, 11, 20]


@pytest.mark.parametrize(
    ("given", "compact"),
    [
        ("3 1 2", "1-3"), ("1-5 4-9", "1-9"), ("1-9x2 2-8x2", "1-9"), ("1 3 5 9", "1-5x2 9"), ("1 9", "1 9"), ("5 5", "5"),
        ("1 2", "1-2"),
    ],
)  # fmt: skip
def test_compact_ranges_say_the_same_frames_once(nuke: Any, given: str, compact: str) -> None:
    ranges = nuke.FrameRanges(given)
    frames = ranges.toFrameList()
    ranges.compact()
    assert (str(ranges), ranges.toFrameList()) == (compact, frames)


def test_compacting_nothing_leaves_nothing(nuke: Any) -> None:
    ranges = nuke.FrameRanges("1-4")
    ranges.clear()
    ranges.compact()
    assert (ranges.size(), ranges.toFrameList()) == (0, [])


def test_the_active_viewer_shows_one_connected_input() -> None:
    nuke: Any = embedded_nuke.install(gui=True)
    assert nuke.activeViewer() is None
    viewer = nuke.nodes.Viewer()
    window = nuke.activeViewer()
    assert (window.node(), window.activeInput()) == (viewer, None)
    viewer.setInput(1, nuke.nodes.Constant())
    viewer.setInput(3, nuke.nodes.CheckerBoard2())
    assert window.activeInput() == 1
    window.activateInput(3)
    assert nuke.activeViewer().activeInput() == 3
    with pytest.raises(ValueError, match="cannot show input 0"):
        window.activateInput(0)  # it is not connected
    viewer.setInput(3, None)
    assert window.activeInput() == 1
    embedded_nuke.uninstall()


def test_there_is_no_active_viewer_without_a_gui(nuke: Any) -> None:
    nuke.nodes.Viewer()
    assert nuke.activeViewer() is None


def test_code_of_knobs_sees_the_module_of_its_own_session(nuke: Any) -> None:
    for _ in range(2):
        module: Any = embedded_nuke.install()
        node = module.nodes.NoOp()
        node.addKnob(module.PyScript_Knob("go", "Go", "nuke.message(nuke.thisNode().name())"))
        node["go"].execute()
        assert embedded_nuke.session().messages == ["NoOp1"]


def test_menus_keep_what_is_registered(nuke: Any) -> None:
    said: list[int] = []
    nuke.menu("Nuke").addCommand("Tools/Deep/Go", lambda: said.append(1), "ctrl+g")
    nuke.menu("Nuke").findItem("Tools/Deep/Go").invoke()
    assert said == [1]
    with pytest.raises(RuntimeError, match="no menu 'File'"):
        nuke.menu("File")
