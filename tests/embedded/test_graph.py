"""Nodes and knobs: as strict as promised, and the same after saving and loading."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import embedded_nuke
from embedded_nuke.graph.save import script_commands
from embedded_nuke.script.commands import format_script, parse_script
from embedded_nuke.table.table import known_classes


def _text(nuke: Any) -> str:
    return format_script(script_commands(nuke.root(), "16.0v1"))


def _again(nuke: Any, tmp_path: Any) -> str:
    nuke.scriptSaveAs(str(tmp_path / "a.nk"), 1)
    first = (tmp_path / "a.nk").read_text()
    nuke.scriptOpen(str(tmp_path / "a.nk"))
    nuke.scriptSaveAs(str(tmp_path / "a.nk"), 1)
    assert (tmp_path / "a.nk").read_text() == first
    return first


def test_unknown_classes_knobs_and_values_raise(nuke: Any) -> None:
    with pytest.raises(RuntimeError, match="does not exist"):
        nuke.createNode("Blurr")
    with pytest.raises(RuntimeError, match="by name only"):
        nuke.createNode("Kronos")
    blur = nuke.nodes.Blur()
    with pytest.raises(NameError, match="sizee"):
        blur["sizee"]
    with pytest.raises(ValueError, match="choose one of box"):
        blur["filter"].setValue("gauss")
    with pytest.raises(TypeError, match="numbers"):
        blur["size"].setValue("big")
    with pytest.raises(AttributeError, match="does not know 'makeCoffee'"):
        nuke.makeCoffee()


def test_a_nukex_node_needs_nukex() -> None:
    plain = embedded_nuke.install()
    with pytest.raises(RuntimeError, match="needs NukeX"):
        plain.createNode("CopyCat")
    assert embedded_nuke.install(flavour="nukex").createNode("CopyCat").Class() == "CopyCat"
    embedded_nuke.uninstall()


def test_the_graph_is_for_the_main_thread_only(nuke: Any) -> None:
    blur = nuke.nodes.Blur()
    found: list[str] = []
    calls = (
        lambda: blur["size"], lambda: nuke.toNode("Blur1"), lambda: nuke.createNode("Blur"), blur.name, blur.inputs,
        blur.dependent, blur.error, nuke.frame, lambda: nuke.expression("1+1"), lambda: nuke.scriptReadText("Blur {\n}\n"),
    )  # fmt: skip

    def touch() -> None:
        for call in calls:
            try:
                call()
            except RuntimeError as error:
                found.append(str(error))

    thread = threading.Thread(target=touch)
    thread.start()
    thread.join()
    assert len(found) == len(calls)
    assert all("off the main thread" in text for text in found)


def test_other_threads_reach_the_graph_through_the_main_thread(nuke: Any) -> None:
    results: list[Any] = []

    def ask() -> None:
        results.append(nuke.executeInMainThreadWithResult(lambda: nuke.createNode("Blur").name()))
        results.append(nuke.executeInMainThreadWithResult(lambda: 1 / 0))

    thread = threading.Thread(target=ask)
    thread.start()
    while thread.is_alive():
        embedded_nuke.session().process_events()
    assert results == ["Blur1", None]
    with pytest.raises(RuntimeError, match="real Nuke hangs"):
        nuke.executeInMainThread(print)


def test_names_are_unique_and_numbered_as_in_nuke(nuke: Any) -> None:
    names = [nuke.nodes.Blur().name() for _ in range(3)]
    assert names == ["Blur1", "Blur2", "Blur3"]
    other = nuke.nodes.Grade()
    other.setName("Blur1")
    assert other.name() == "Blur4"
    with pytest.raises(ValueError, match="cannot name a node"):
        other.setName("1 Blur")


def test_connections(nuke: Any) -> None:
    a, b = nuke.nodes.Constant(), nuke.nodes.CheckerBoard2()
    merge = nuke.nodes.Merge2(inputs=[a, b])
    assert (merge.input(0), merge.input(1), merge.inputs()) == (a, b, 2)
    assert a.dependent() == [merge]
    assert not a.setInput(0, merge)  # a generator has no input
    blur = nuke.nodes.Blur(inputs=[merge])
    assert not merge.setInput(0, blur)  # it would feed itself
    nuke.delete(a)
    assert merge.input(0) is None


def test_values_expressions_and_links(nuke: Any) -> None:
    blur, grade = nuke.nodes.Blur(size=3), nuke.nodes.Grade()
    assert blur["size"].value() == 3.0
    blur["size"].setValue([1, 2])
    assert blur["size"].value() == [1.0, 2.0]
    grade["mix"].setExpression("Blur1.size.h / 4 + (frame - 1) / 10")
    assert grade["mix"].value() == pytest.approx(0.5)
    assert grade["mix"].getValueAt(3) == pytest.approx(0.7)
    grade["mix"].clearAnimated()
    grade["mix"].setAnimated()
    grade["mix"].setValueAt(0.0, 1)
    grade["mix"].setValueAt(1.0, 11)
    assert grade["mix"].getValueAt(6) == pytest.approx(0.5)
    grade["mix"].setExpression("Grade1.mix")
    with pytest.raises(ValueError, match="circle"):
        grade["mix"].value()


def test_knobs_of_ones_own(nuke: Any, tmp_path: Any) -> None:
    node = nuke.nodes.NoOp()
    node.addKnob(nuke.Tab_Knob("own", "Own"))
    node.addKnob(nuke.Double_Knob("amount", "Amount"))
    node.addKnob(nuke.Enumeration_Knob("mode", "Mode", ["one", "two words"]))
    node.addKnob(nuke.PyScript_Knob("go", "Go", "nuke.thisNode()['amount'].setValue(7)"))
    node["mode"].setValue("two words")
    node["go"].execute()
    assert node["amount"].value() == 7.0
    with pytest.raises(ValueError, match="already"):
        node.addKnob(nuke.Int_Knob("amount"))
    text = _again(nuke, tmp_path)
    assert 'M {one "two words"}' in text
    loaded = nuke.toNode("NoOp1")
    assert (loaded["mode"].value(), loaded["mode"].getValue(), loaded["amount"].value()) == ("two words", 1.0, 7.0)


def test_python_of_a_loaded_script_runs_only_when_trusted(nuke: Any, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    evil = 'NoOp {\n addUserKnob {22 go l Go T "import sys; sys.evil = 1"}\n onCreate "import sys; sys.evil = 2"\n name N\n}\n'
    (tmp_path / "evil.nk").write_text(evil)
    nuke.scriptOpen(str(tmp_path / "evil.nk"))
    import sys

    assert not hasattr(sys, "evil")
    assert "--trust" in capsys.readouterr().out
    trusted = embedded_nuke.install(trusted=True)
    trusted.scriptOpen(str(tmp_path / "evil.nk"))
    assert sys.evil == 2  # type: ignore[attr-defined]
    del sys.evil  # type: ignore[attr-defined]


def test_unknown_knobs_of_a_script_are_kept(nuke: Any, tmp_path: Any) -> None:
    (tmp_path / "a.nk").write_text('Blur {\n size 3\n future_knob {a {b "c"}}\n name B\n}\n')
    nuke.scriptOpen(str(tmp_path / "a.nk"))
    assert ' future_knob {a {b "c"}}\n' in _text(nuke)
    assert any("future_knob" in message for message in embedded_nuke.session().messages)


def test_the_exr_knobs_of_a_write_come_with_its_file_type(nuke: Any, tmp_path: Any) -> None:
    write = nuke.nodes.Write()
    assert write.knob("datatype") is None
    write["file_type"].setValue("exr")
    write["datatype"].setValue("32 bit float")
    _again(nuke, tmp_path)
    assert nuke.toNode("Write1")["datatype"].value() == "32 bit float"


def test_an_old_name_of_a_knob_still_loads(nuke: Any) -> None:
    nuke.scriptReadText("FrameHold {\n first_frame 1017\n}\n")
    assert nuke.toNode("FrameHold1")["firstFrame"].value() == 1017


def test_groups_clones_and_stacks_come_back(nuke: Any, tmp_path: Any) -> None:
    text = (
        "Constant {\n inputs 0\n name C\n}\nset N1 [stack 0]\nGrade {\n multiply 2\n name G\n}\nset C1 [stack 0]\n"
        "push 0\npush $N1\n"
        "clone $C1 {\n inputs 1\n xpos 5\n}\nGroup {\n inputs 2\n name Gr\n addUserKnob {7 amount R 0 10}\n amount 3\n}\n"
        " Input {\n  inputs 0\n  name In\n }\n Blur {\n  size {{parent.amount}}\n  name B\n }\n"
        " Output {\n  name Out\n }\nend_group\n"
    )
    (tmp_path / "a.nk").write_text(text)
    nuke.scriptOpen(str(tmp_path / "a.nk"))
    group = nuke.toNode("Gr")
    assert nuke.toNode("Gr.B")["size"].value() == 3.0
    assert group.input(0).isClone()
    assert group.input(0)["multiply"].value() == 2.0
    nuke.toNode("G")["multiply"].setValue(5)
    assert group.input(0)["multiply"].value() == 5.0
    _again(nuke, tmp_path)
    assert nuke.toNode("Gr").input(0).isClone()


@pytest.mark.parametrize(
    "text",
    ["push $N1\n", "push Blur1\n", "set N1 5\n", "Group {\n}\n", "end_group\n", "Blurr {\n}\n", "Blur {\n size {}\n}\n",
     "Blur {", "Blur { inputs 0 name B }\n", "Crop {\n box {0 0 9}\n}\n", "Crop {\n box {0 0 9 9 9}\n}\n",
     "ColorMatrix {\n matrix {\n {1 0}\n {0 1}\n }\n}\n", "Blur {\n channels {{parent.A.channels}}\n}\n",
     "push 0\nConstant {\n inputs 1\n}\n", "push 0\npush 0\npush 0\nBlur {\n inputs 2+1\n}\n"],
)  # fmt: skip
def test_scripts_that_make_no_graph_are_refused_with_their_line(nuke: Any, tmp_path: Any, text: str) -> None:
    (tmp_path / "bad.nk").write_text(text)
    with pytest.raises(RuntimeError, match=r"bad\.nk"):
        nuke.scriptOpen(str(tmp_path / "bad.nk"))


def test_inner_nodes_keep_their_connections_and_so_do_those_after_a_group(nuke: Any, tmp_path: Any) -> None:
    """A script's variables hold for all of it, so that those of a group must not be called as those around it."""
    outer = nuke.nodes.Constant(name="Outer")
    group = nuke.nodes.Group(name="Inside")
    with group:
        first = nuke.nodes.Input()
        nuke.nodes.Output(inputs=[nuke.nodes.Merge2(name="Sum", inputs=[first, nuke.nodes.Multiply(inputs=[first])])])
    nuke.nodes.Merge2(name="After", inputs=[group, outer])
    _again(nuke, tmp_path)
    after = nuke.toNode("After")
    assert [after.input(index).fullName() for index in (0, 1)] == ["Inside", "Outer"]
    assert [nuke.toNode("Inside.Sum").input(index).name() for index in (0, 1)] == ["Input1", "Multiply1"]


def test_text_knobs_are_linked_with_three_braces(nuke: Any, tmp_path: Any) -> None:
    nuke.scriptReadText("Blur {\n channels rgb\n name A\n}\nBlur {\n channels {{{parent.A.channels}}}\n name B\n}\n")
    _again(nuke, tmp_path)
    assert " channels {{{parent.A.channels}}}\n" in _text(nuke)
    assert nuke.toNode("B")["channels"].value() == "rgb"
    nuke.toNode("A")["channels"].setValue("alpha")
    assert nuke.toNode("B")["channels"].value() == "alpha"


def test_a_component_that_a_knob_lacks_is_refused(nuke: Any) -> None:
    nuke.scriptReadText("Transform {\n translate {3 4}\n name A\n}\nBlur {\n size {{parent.A.translate.z}}\n name B\n}\n")
    with pytest.raises(ValueError, match="no component 'z'"):
        nuke.toNode("B")["size"].value()


def test_what_cannot_be_connected_is_refused(nuke: Any) -> None:
    with pytest.raises(ValueError, match=r"Blur1 \(Blur\) has no input 2"):
        nuke.nodes.Blur(inputs=[nuke.nodes.Constant(), None, nuke.nodes.Constant()])


def test_every_class_can_be_made_and_saved(tmp_path: Any) -> None:
    nuke = embedded_nuke.install(flavour="nukex")
    kinds = sorted(known_classes() - {"Root", "Gizmo", "Group"})
    for kind in kinds:
        nuke.createNode(kind)
    _again(nuke, tmp_path)
    assert sorted(node.Class() for node in nuke.allNodes()) == kinds
    embedded_nuke.uninstall()


def test_spellings_of_real_scripts_are_read_and_kept(nuke: Any, tmp_path: Any) -> None:
    nuke.scriptReadText(
        'add_layer {matte matte.red}\nReformat {\n inputs 0\n filter Impulse\n tile_color 0xff8000ff\n name R\n}\n'
        'Viewer {\n monitorOutOutputTransform "rec709 (default)"\n}\n'
    )  # fmt: skip
    text = _again(nuke, tmp_path)
    assert nuke.toNode("R")["filter"].value() == "impulse"
    assert nuke.toNode("R")["tile_color"].value() == 0xFF8000FF
    assert "\n tile_color 0xff8000ff\n" in text
    assert "\nadd_layer {matte matte.red}\n" in text


def test_a_clone_without_its_original_keeps_the_values(nuke: Any, tmp_path: Any) -> None:
    original = nuke.nodes.Multiply(value=2)
    twin = nuke.clone(original)
    original["value"].setValue(3)
    assert twin.knobs()["value"].value() == 3.0
    twin.setSelected(True)
    nuke.nodeCopy(str(tmp_path / "copied.nk"))
    nuke.delete(original)
    nuke.delete(twin)
    assert nuke.nodePaste(str(tmp_path / "copied.nk"))["value"].value() == 3.0


def test_a_pasted_clone_is_selected_too(nuke: Any, tmp_path: Any) -> None:
    nuke.clone(nuke.nodes.Multiply())
    nuke.selectAll()
    nuke.nodeCopy(str(tmp_path / "copied.nk"))
    nuke.scriptClear()
    assert nuke.nodePaste(str(tmp_path / "copied.nk")).isClone()
    assert [node.isClone() for node in nuke.selectedNodes()] == [True, False]


def test_more_inputs_than_the_class_has_are_told_with_both_numbers(nuke: Any) -> None:
    with pytest.raises(RuntimeError, match=r"line 2: 'inputs 3': Blur has 2 at most"):
        nuke.scriptReadText("push 0\nBlur {\n inputs 3\n}\n")
    nuke.scriptReadText("push 0\npush 0\nBlur {\n inputs 1+1\n}\nConstant {\n color 1\n}\n")


def _twins(nuke: Any) -> tuple[Any, Any]:
    """A group that adds its ``amount`` to one input and multiplies the other, with a group inside, and its clone."""
    group = nuke.nodes.Group(name="G")
    group.addKnob(nuke.Double_Knob("amount"))
    group["amount"].setValue(2)
    with group:
        ends = [nuke.nodes.Input(number=number) for number in (1, 0)]
        inner = nuke.nodes.Group(name="Inner")
        with inner:
            nuke.nodes.Output(inputs=[nuke.nodes.Add(name="Plus", inputs=[nuke.nodes.Input()], value=0.25)])
        inner.setInput(0, ends[1])
        scaled = nuke.nodes.Multiply(name="Times", inputs=[ends[0]])
        scaled["value"].setExpression("parent.amount")
        nuke.nodes.Output(inputs=[nuke.nodes.Merge2(inputs=[inner, scaled], operation="plus")])
    return group, nuke.clone(group)


def _red(nuke: Any, group: Any, first: float, second: float) -> float:
    for index, value in enumerate((first, second)):
        group.setInput(index, nuke.nodes.Constant(channels="rgb", color=value))
    return float(group.sample("red", 1, 1))


@pytest.mark.parametrize("saved", [False, True])
def test_a_clone_of_a_group_has_what_the_group_has(nuke: Any, tmp_path: Any, saved: bool) -> None:
    pytest.importorskip("OpenImageIO")
    _twins(nuke)
    if saved:
        _again(nuke, tmp_path)
    group, twin = nuke.toNode("G"), nuke.toNode("Group1")
    assert (twin.isClone(), twin.maxInputs(), group.clones()) == (True, 2, 1)
    assert [node.name() for node in twin.nodes()] == [node.name() for node in group.nodes()]
    assert all(node.isClone() for node in twin.nodes())
    assert (_red(nuke, group, 1, 10), _red(nuke, twin, 2, 20)) == (21.25, 42.25)
    group["amount"].setValue(3)
    nuke.toNode("G.Inner.Plus")["value"].setValue(0.5)
    assert (_red(nuke, group, 1, 10), _red(nuke, twin, 2, 20)) == (31.5, 62.5)


def test_a_clone_of_a_group_that_is_copied_alone_keeps_its_nodes(nuke: Any, tmp_path: Any) -> None:
    pytest.importorskip("OpenImageIO")
    twin = _twins(nuke)[1]
    twin.setSelected(True)
    nuke.nodeCopy(str(tmp_path / "copied.nk"))
    nuke.scriptClear()
    pasted = nuke.nodePaste(str(tmp_path / "copied.nk"))
    assert not pasted.isClone()
    assert _red(nuke, pasted, 1, 10) == 21.25


@given(
    st.lists(
        st.tuples(st.sampled_from(["Blur", "Merge2", "Dot", "Grade", "Switch"]), st.lists(st.integers(0, 9), max_size=3)),
        max_size=9,
    )
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_graph_is_the_same_after_saving_and_loading(plan: list[tuple[str, list[int]]]) -> None:
    nuke = embedded_nuke.install()
    made: list[Any] = [nuke.nodes.Constant()]
    for kind, inputs in plan:
        node = getattr(nuke.nodes, kind)()
        for index, other in enumerate(inputs[: 1 if kind in ("Blur", "Dot", "Grade") else 3]):
            if other < len(made):
                node.setInput(index, made[other])
        made.append(node)
    wanted = {node.name(): [one.name() if one else None for one in node._inputs[: node.inputs()]] for node in made}
    text = _text(nuke)
    fresh = embedded_nuke.install()
    fresh.scriptReadText("".join(format_script([c]) for c in parse_script(text) if c.kind != "Root"))
    found = {node.name(): [one.name() if one else None for one in node._inputs[: node.inputs()]] for node in fresh.allNodes()}
    embedded_nuke.uninstall()
    assert found == wanted
