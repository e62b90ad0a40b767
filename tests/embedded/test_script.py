"""The script language: what real files hold comes back as the same commands, and nothing crashes the reader."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedded_nuke.script.check import check_text, main
from embedded_nuke.script.commands import Command, KnobLine, format_script, parse_script
from embedded_nuke.script.curve import CurveError, parse_curve
from embedded_nuke.script.expression import Expression, ExpressionError
from embedded_nuke.script.tcl import TclError, TclRefusedError, substitute
from embedded_nuke.script.words import ScriptSyntaxError, split_words, value_of, word_of

CONSTRUCTS = {
    "header": "#! /usr/local/Nuke16.0v1/libnuke.so -nx\nversion 16.0 v1\n",
    "window layout": 'define_window_layout_xml {<?xml version="1.0"?>\n<layout a="{1}">\n</layout>\n}\n',
    "layer": "add_layer {forward forward.u forward.v}\n",
    "stack": "Read {\n inputs 0\n}\nset N1 [stack 0]\npush $N1\npush 0\nMerge2 {\n inputs 2+1\n}\n",
    "snippet": "set cut_paste_input [stack 0]\nversion 15.1 v5\npush $cut_paste_input\nBlur {\n size {{curve x1 0 x10 1}}\n}\n",
    "group": "Group {\n addUserKnob {20 User}\n}\n Input {\n  inputs 0\n }\n Output {\n }\nend_group\n",
    "clone": "Grade {\n}\nset C1 [stack 0]\nclone $C1 {\n xpos 3\n}\n",
    "named clone": "clone node7f|Grade|13140 Grade {\n white 4\n}\n",
    "matrix": "ColorMatrix {\n matrix {\n     {1 0 0}\n     {0 1 0}\n     {0 0 1}\n   }\n}\n",
    "metadata": 'ModifyMetaData {\n metadata {\n  {set a "\\[value root.name]"}\n  {remove b ""}\n }\n}\n',
    "python": 'NoOp {\n addUserKnob {22 go l Go T "print(\\"x\\")\\nnuke.message(\'\\{\\}\')"}\n}\n',
    "links": 'Shuffle {\n in {{{parent.A.in}}}\n which {{"a==1 ? 0 : 1" i}}\n}\n',
    "unknown knob": 'Blur {\n no.such-knob {a {b c} "d"}\n}\n',
    "escapes": 'StickyNote {\n label "a \\[b] \\$c \\\\ \\"d\\" \\{e\\}\\nf"\n}\n',
    "brackets": "Read {\n file [value root.name]/a.exr\n label a[b\n size 3\n}\n",
    "windows line ends": "Blur {\r\n size 3\r\n}\r\n",
    "no last line end": "Blur {\n size 3\n}",
    "empty": "",
}


@pytest.mark.parametrize("name", CONSTRUCTS)
def test_every_construct_comes_back_as_the_same_commands(name: str) -> None:
    assert check_text(CONSTRUCTS[name], name) == ""


def test_the_reader_takes_a_script_apart() -> None:
    commands = parse_script(CONSTRUCTS["stack"])
    assert [command.kind for command in commands] == ["Read", "set", "push", "push", "Merge2"]
    assert commands[1].args == ("N1", "[stack 0]")
    assert commands[4].knobs() == (KnobLine("inputs", ("2+1",)),)
    assert commands[4].line == 7


def test_bytes_that_are_no_utf8_survive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "old.nk"
    file.write_bytes(b'\xef\xbb\xbfStickyNote {\n label "caf\xe9"\n}\n')
    assert main([str(file)]) == 0
    assert "same command stream, 1 commands" in capsys.readouterr().out


def test_check_names_what_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.nk"
    broken.write_text("Blur {\n size {1\n")
    assert main([str(broken), str(tmp_path / "absent.nk")]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert "line 1: a brace is opened and never closed" in first
    assert "absent.nk: cannot be read" in second


@pytest.mark.parametrize("text", ['Blur {\n a "b"c\n}', "Blur {}x", 'Blur {\n a "b\n}', '"'])
def test_what_is_no_script_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(ScriptSyntaxError, match=r"line [12]"):
        parse_script(text)


@given(st.text(alphabet=st.sampled_from('ab {}"\\[]$;#\n\r\t01'), max_size=80))
def test_no_text_crashes_the_reader_and_what_is_read_comes_back(text: str) -> None:
    try:
        commands = parse_script(text)
    except ScriptSyntaxError:
        return
    assert isinstance(commands, list)


@given(st.text(max_size=60))
def test_every_value_comes_back_from_its_word(value: str) -> None:
    word = word_of(value)
    assert split_words(word) == [word]
    assert value_of(word) == value


_NAMES = st.text(alphabet="abcXYZ_09", min_size=1, max_size=8)
_LINES = st.lists(st.builds(lambda n, v: KnobLine(n, (word_of(v),)), _NAMES, st.text(max_size=20)), max_size=5)


@given(st.lists(st.builds(lambda kind, lines: Command("N" + kind, (), tuple(lines)), _NAMES, _LINES), max_size=5))
def test_commands_come_back_from_their_text(commands: list[Command]) -> None:
    assert parse_script(format_script(commands)) == commands


def test_deep_nesting_is_read_without_recursion() -> None:
    depth = 20_000
    assert len(parse_script("Blur {\n a " + "{" * depth + "}" * depth + "\n}")) == 1


class _Scope:
    frame = 12.0
    trusted = False

    def lookup(self, path: str, at: float | None) -> float:
        known = {"frame": 12.0, "parent.amount": 3.0, "Blur1.size.w": 5.0}
        if path not in known:
            raise ExpressionError(path)
        return known[path] if at is None else at

    def value(self, path: str) -> str:
        return {"root.name": "/shots/010/comp.nk"}[path]

    def python(self, code: str) -> str:
        return f"ran {code}"

    def plugins(self, name: str) -> list[str]:
        return [f"/plugins/{name}"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1+2*3", 7), ("-2**2", -4), ("2^3^2", 512), ("frame>10 ? 1 : 0", 1), ("clamp(frame/100)", 0.12),
        ("lerp(0, 10, .25)", 2.5),
        ("smoothstep(0,1,.5)", 0.5), ("parent.amount(7)", 7), ("Blur1.size.w - 1", 4), ("!frame || 1 && 0", 0),
        ("min(3,1,2)", 1),
        ("int(-2.7)", -2), ("7 % 4", 3), ("abs(-1e-3)", 0.001),
    ],
)  # fmt: skip
def test_expressions(text: str, value: float) -> None:
    assert Expression(text).evaluate(_Scope()) == pytest.approx(value)


@pytest.mark.parametrize(
    "text", ["", "1+", "(1", "nosuch", "foo(1,2)", "random(1)", "1 2", "a.b.", "(" * 500, "1+" * 5000 + "1"]
)
def test_expressions_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        Expression(text).evaluate(_Scope())


@given(st.text(alphabet=st.sampled_from("0123.+-*/%^()<>=!?:&|, frameabs"), max_size=60))
def test_no_expression_crashes_or_hangs(text: str) -> None:
    try:
        Expression(text).evaluate(_Scope())
    except (ExpressionError, OverflowError):
        return


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[file dirname [value root.name]]/elements", "/shots/010/elements"),
        ("[file rootname [file tail [value root.name]]]", "comp"),
        ("v[expr {1+2}]", "v3"),
        ("[lindex {a b c} 1]", "b"),
        ("[lsearch -inline [plugins -all Name.cat] *.cat]", "/plugins/Name.cat"),
        ("[string toupper [join {a b} -]]", "A-B"),
        ("frame [frame]", "frame 12"),
        (r"\[not run\]", "[not run]"),
    ],
)
def test_the_tcl_of_recovery_scripts(text: str, value: str) -> None:
    assert substitute(text, _Scope()) == value


def test_python_in_a_script_is_run_only_when_trusted() -> None:
    with pytest.raises(TclRefusedError, match="not trusted"):
        substitute("[python {open('/etc/passwd')}]", _Scope())
    trusted = _Scope()
    trusted.trusted = True
    assert substitute("[python {1+1}]", trusted) == "ran 1+1"


@pytest.mark.parametrize("text", ["[exec rm -rf /]", "[source x]", "[value", "[[[[", "[file delete x]"])
def test_other_tcl_is_refused(text: str) -> None:
    with pytest.raises((TclError, ScriptSyntaxError)):
        substitute(text, _Scope())


def test_curves() -> None:
    curve = parse_curve("curve x1 0 x11 10")
    assert [curve.value(frame) for frame in (-5, 1, 6, 11, 99)] == pytest.approx([0, 0, 5, 10, 10])
    assert parse_curve("curve K x1 2 x5 8").value(4.9) == 2
    assert parse_curve("curve L x1 0 x3 4").value(2.0) == pytest.approx(2.0)
    assert [key.frame for key in parse_curve("curve x10 1 2 3").keys] == [10, 11, 12]
    assert curve.text() == "curve x1 0 x11 10"
    assert curve.with_key(20, 5.0).text() == "curve x1 0 x11 10 x20 5"


@pytest.mark.parametrize("text", ["", "curve xq 1", "curve x1 nan", "curve x1 1 x1 2", "line 1"])
def test_curves_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(CurveError):
        parse_curve(text)


@given(st.lists(st.tuples(st.integers(-100, 100), st.floats(-1e3, 1e3)), min_size=2, max_size=8, unique_by=lambda key: key[0]))
def test_a_smooth_curve_never_overshoots_its_keys(keys: list[tuple[int, float]]) -> None:
    curve = parse_curve("curve " + " ".join(f"x{frame} {value!r}" for frame, value in keys))
    low, high = min(value for _, value in keys), max(value for _, value in keys)
    values = [curve.value(frame / 4.0) for frame in range(-420, 421, 7)]
    assert low - 1e-6 <= min(values) <= max(values) <= high + 1e-6
