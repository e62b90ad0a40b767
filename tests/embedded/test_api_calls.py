"""What the calls of scripts and pipelines return: each line of a table is one call on the graph of ``graph``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Callable

import pytest

import embedded_nuke

SCRIPT = """
Constant {
 inputs 0
 channels rgb
 name C
}
set N1 [stack 0]
Blur {
 size {{curve x1 0 x5 2 x9 4}}
 name B
}
push $N1
Merge2 {
 inputs 2
 hide_input true
 name M
}
Group {
 name G
 addUserKnob {20 own l Own}
 addUserKnob {4 mode l Mode M {one two}}
 addUserKnob {41 link l Link T In.Transform1.center}
 addUserKnob {22 go l Go T "nuke.thisNode()['mode'].setValue('two')"}
}
 Input {
  inputs 0
  name In
 }
 Transform {
  translate {3 4}
  name T
 }
 Write {
  file "/made/\\[value root.frame].%04d.exr"
  name W
 }
 Output {
  name Out
 }
end_group
Crop {
 box {1 2 11 8}
 name K
}
"""


@pytest.fixture
def graph(nuke: Any) -> Any:
    """C feeds B and M, M feeds G, G feeds K; the module ``nuke``."""
    nuke.scriptReadText(SCRIPT)
    return nuke


def names(nodes: Any) -> list[str]:
    return [node.name() for node in nodes]


def on(name: str, call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda nuke: call(nuke.toNode(name))


NODES: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "dependencies": (on("K", lambda n: names(n.dependencies())), ["G"]),
    "dependencies drawn": (on("K", lambda n: names(n.dependencies(0x1))), ["G"]),
    "dependencies hidden": (on("M", lambda n: (names(n.dependencies(0x2)), n.dependencies(0x1))), (["C", "B"], [])),
    "dependent": (on("C", lambda n: (names(n.dependent(0x1)), names(n.dependent(0x2)))), (["B"], ["M"])),
    "connectInput": (on("M", lambda n: (n.connectInput(0, n.input(0)), n.inputs())), (True, 3)),
    "connectInput full": (on("K", lambda n: n.connectInput(0, n.input(0))), False),
    "optionalInput": (lambda nuke: [nuke.toNode(name).optionalInput() for name in "BMK"], [1, 2, 1]),
    "minInputs": (lambda nuke: [nuke.toNode(name).minInputs() for name in "CBMGK"], [0, 2, 3, 1, 1]),
    "maximumInputs": (lambda nuke: [nuke.toNode(name).maximumInputs() for name in "CBGK"], [0, 2, 1, 1]),
    "allKnobs": (on("B", lambda n: [knob.name() for knob in n.allKnobs()] == list(n.knobs())), True),
    "numKnobs": (on("B", lambda n: n.numKnobs() == len(n.knobs())), True),
    "removeKnob": (on("G", lambda n: (n.removeKnob(n["mode"]), n.knob("mode"))), (None, None)),
    "readKnobs": (on("K", lambda n: (n.readKnobs("box {0 0 5 5}\nsoftness 2"), n["box"].value(), n["softness"].value())[1:]),
                  ([0, 0, 5, 5], 2)),
    "panel": (on("B", lambda n: [n.shown(), n.showControlPanel(), n.shown(), n.hideControlPanel(), n.shown()]),
              [False, None, True, None, False]),
    "hasError": (on("K", lambda n: (n.hasError(), n.treeHasError(), n.error())), (False, False, False)),
    "forceValidate": (on("K", lambda n: n.forceValidate()), None),
    "pixelAspect": (on("K", lambda n: n.pixelAspect()), 1.0),
    "frameRange": (on("K", lambda n: str(n.frameRange())), "1"),
    "numNodes": (on("G", lambda n: n.numNodes()), 4),
}  # fmt: skip

KNOBS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "setLabel": (on("B", lambda n: (n["size"].setLabel("Radius"), n["size"].label())[1]), "Radius"),
    "notDefault": (on("B", lambda n: (n["size"].notDefault(), n["mix"].notDefault())), (True, False)),
    "getText": (on("G.W", lambda n: n["file"].getText()), "/made/[value root.frame].%04d.exr"),
    "enumName": (on("G", lambda n: (n["mode"].numValues(), n["mode"].enumName(1))), (2, "two")),
    "setValues": (on("G", lambda n: (n["mode"].setValues(["x", "y"]), n["mode"].values(), n["mode"].value())),
                  (None, ["x", "y"], "x")),
    "setValues kept": (on("G", lambda n: (n["mode"].setValue("two"), n["mode"].setValues(["y", "two"]), n["mode"].getValue())),
                       (True, None, 1)),
    "setCommand": (on("G", lambda n: (n["go"].setCommand("pass"), n["go"].command())[1]), "pass"),
    "execute": (on("G", lambda n: (n["go"].execute(), n["mode"].value())[1]), "two"),
    "makeLink": (on("G", lambda n: (n["link"].getLink(), n["link"].makeLink("T", "translate"), n["link"].getLink(),
                                    n["link"].value())), ("In.Transform1.center", None, "T.translate", [3, 4])),
    "isKey": (lambda nuke: [(nuke.frame(at), nuke.toNode("B")["size"].isKey())[1] for at in (1, 2, 5)], [True, False, True]),
    "getNumKeys": (on("B", lambda n: (n["size"].getNumKeys(), n["mix"].getNumKeys())), (3, 0)),
    "valueAt": (on("B", lambda n: n["size"].valueAt(5)), 2),
    "singleValue": (on("G.T", lambda n: (n["rotate"].singleValue(), n["translate"].singleValue())), (True, False)),
    "XY": (on("G.T", lambda n: (n["translate"].x(), n["translate"].y())), (3, 4)),
    "BBox": (on("K", lambda n: (n["box"].x(), n["box"].y(), n["box"].r(), n["box"].t())), (1, 2, 11, 8)),
    "actualValue": (lambda nuke: nuke.root()["format"].actualValue().name(), "small"),
    "getObject": (lambda nuke: nuke.PyCustom_Knob("p", "P", "None").getObject(), None),
}  # fmt: skip

MODULE: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "exists": (lambda nuke: [nuke.exists(name) for name in ("B", "G.T", "B.size", "G.T.rotate", "root.frame", "root")],
               [True] * 6),
    "exists not": (lambda nuke: [nuke.exists(name) for name in ("X", "B.x", "X.y", "T")], [False] * 4),
    "exists dotted": (lambda nuke: (nuke.nodes.Retime(), nuke.exists("Retime1.input.first"))[1], True),
    "filename": (lambda nuke: [nuke.filename(nuke.toNode(name)) for name in ("G.W", "G", "B")],
                 ["/made/1.%04d.exr", "/made/1.%04d.exr", None]),
    "tcl": (lambda nuke: (nuke.tcl("value", "B.mix"), nuke.tcl("value K.box.t")), ("1", "8")),
    "tcl inside": (on("G", lambda n: n.run(lambda: sys.modules["nuke"].tcl("value T.translate.y"))), "4"),
    "expression": (lambda nuke: (nuke.expression("K.box.r + B.size(9)"), nuke.expression("G.T.translate.y")), (15, 4)),
    "thisGroup": (lambda nuke: (nuke.thisGroup().Class(), nuke.toNode("G").run(nuke.thisGroup).name()), ("Root", "G")),
    "formats": (lambda nuke: "HD_1080" in [one.name() for one in nuke.formats()], True),
    "thisView": (lambda nuke: (nuke.thisView(), nuke.views()), ("main", ["main"])),
    "toolbar": (lambda nuke: nuke.toolbar("Nodes") is nuke.menu("Nodes"), True),
    "getRange": (lambda nuke: str(nuke.FrameRanges("1-3 7-9").getRange(1)), "7-9"),
    "nodeDelete": (lambda nuke: (nuke.nodeDelete(), nuke.toNode("K").setSelected(True), nuke.nodeDelete(), nuke.exists("K")),
                   (False, None, True, False)),
    "proxy": (lambda nuke: (nuke.root().proxy(), nuke.root().setProxy(True), nuke.root().proxy()), (False, None, True)),
    "scriptClose": (lambda nuke: (nuke.scriptClose(), nuke.allNodes())[1], []),
}  # fmt: skip


@pytest.mark.parametrize(
    ("call", "expected"),
    [pytest.param(*line, id=f"{kind}-{name}") for kind, table in
     (("node", NODES), ("knob", KNOBS), ("nuke", MODULE)) for name, line in table.items()],
)  # fmt: skip
def test_calls_return(graph: Any, call: Callable[[Any], Any], expected: Any) -> None:
    assert call(graph) == expected


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (on("B", lambda n: n.removeKnob(n["size"])), ValueError, "no knob that could be removed"),
        (on("B", lambda n: n.readKnobs("siz 3")), NameError, "no knob 'siz'"),
        (on("B", lambda n: n.dependencies(0x4)), ValueError, "follows connections only"),
        (on("B", lambda n: n.dependent(0x8)), ValueError, "follows connections only"),
        (lambda nuke: nuke.tcl("value", "X.size"), RuntimeError, "X.size"),
        (lambda nuke: nuke.scriptName(), RuntimeError, "never saved"),
        (lambda nuke: nuke.thisParent(), ValueError, "no node in this context"),
        (lambda nuke: nuke.toNode("G")["mode"].enumName(2), ValueError, "no value number 2"),
    ],
)
def test_calls_that_are_refused(graph: Any, call: Callable[[Any], Any], error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        call(graph)


def test_a_callback_knows_the_group_around_its_node(graph: Any) -> None:
    seen: list[str] = []
    graph.addKnobChanged(lambda: seen.append(f"{graph.thisGroup().name()} {graph.thisParent().name()}"), nodeClass="Transform")
    graph.toNode("G.T")["rotate"].setValue(5)
    assert seen == ["G G"]


def test_saving_and_changing_a_script(graph: Any, tmp_path: Path) -> None:
    path = (tmp_path / "a.nk").as_posix()
    assert graph.modified() and graph.root().modified()
    graph.scriptSaveAs(path)
    assert (graph.scriptName(), graph.modified()) == (path, False)
    graph.frame(7)
    graph.selectAll()
    assert not graph.modified()
    changes: tuple[Callable[[], Any], ...] = (
        lambda: graph.toNode("B")["size"].setValue(1), lambda: graph.toNode("B").setInput(0, None), graph.nodes.Dot,
        lambda: graph.delete(graph.toNode("Dot1")), lambda: graph.toNode("B").addKnob(graph.Int_Knob("n")),
        lambda: graph.toNode("B").readKnobs("n 3"), lambda: graph.scriptSource(path), lambda: graph.root().setModified(True),
        lambda: graph.modified(True),
    )  # fmt: skip
    for change in changes:
        graph.modified(False)
        change()
        assert graph.modified()
    graph.scriptOpen(path)
    assert not graph.modified()


def test_undo_steps_are_accepted(graph: Any) -> None:
    with graph.Undo("step"):
        graph.Undo.name("other")
    for call in (graph.Undo.begin, graph.Undo.end, graph.Undo.cancel, graph.Undo.disable, graph.Undo.enable):
        assert call() is None


def test_questions_are_answered_by_the_session(graph: Any) -> None:
    embedded_nuke.session().answers += [True, False]
    assert [graph.ask("a?"), graph.ask("b?"), graph.ask("c?")] == [True, False, False]
    graph.alert("d")
    graph.critical("e")
    assert embedded_nuke.session().messages[-5:] == ["a?", "b?", "c?", "d", "e"]


def test_a_menu_item_can_be_taken_away(graph: Any) -> None:
    menu = graph.menu("Nuke")
    menu.addCommand("Go", "pass")
    menu.removeItem("Go")
    assert menu.findItem("Go") is None


def test_panels_of_knobs(graph: Any) -> None:
    import nukescripts
    from nukescripts import panels

    class Own(nukescripts.PythonPanel):
        def __init__(self) -> None:
            super().__init__("Own", "org.own")
            self.amount = graph.Double_Knob("amount", "Amount")
            self.addKnob(self.amount)

    embedded_nuke.session().answers += [True]
    panel = Own()
    panel.setMinimumSize(10, 10)
    assert (panel.title, panel.id, list(panel.knobs())) == ("Own", "org.own", ["amount"])
    assert (panel.showModalDialog(), panel.showModalDialog(), panel.show()) == (True, False, None)
    panel.removeKnob(panel.amount)
    assert panel.knobs() == {}
    panels.registerPanel("org.own", Own)
    assert isinstance(panels.restorePanel("org.own").addToPane(), Own)
    made = panels.registerWidgetAsPanel("Widget", "Title", "org.widget", True)
    assert (made.title, made.id, made.knobs()["Title"].value()) == ("Title", "org.widget", "Widget")
    assert panels.registerWidgetAsPanel("Widget", "Title", "org.widget") is None
    assert panels.restorePanel("org.widget").title == "Title"
    graph.menu("Pane").findItem("Title").invoke()
    with pytest.raises(ValueError, match=r"no panel 'org\.none'"):
        panels.restorePanel("org.none")


def test_what_is_changed_of_a_loaded_knob_is_saved(graph: Any, tmp_path: Path) -> None:
    """The line that a knob of a script was made from is written again only while it still describes the knob."""
    group = graph.toNode("G")
    group["own"].setLabel("Mine")
    group["mode"].setValues(["two", "three"])
    group["link"].makeLink("T", "rotate")
    graph.scriptSaveAs((tmp_path / "a.nk").as_posix())
    graph.scriptOpen((tmp_path / "a.nk").as_posix())
    group = graph.toNode("G")
    assert (group["own"].label(), group["mode"].values(), group["mode"].value()) == ("Mine", ["two", "three"], "two")
    assert (group["link"].getLink(), group["go"].label()) == ("T.rotate", "Go")


def test_a_knob_added_to_a_clone_is_its_originals(graph: Any) -> None:
    twin = graph.clone(graph.toNode("B"))
    twin.addKnob(graph.Int_Knob("n"))
    assert graph.toNode("B").knob("n") is twin.knob("n")
    twin.removeKnob(twin["n"])
    assert graph.toNode("B").knob("n") is None
