"""``--check`` finds what it should, its one line a file tells it, and no text makes the reader crash, hang or lose anything."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedded_nuke.script.check import check_text, main, read_text, write_text
from embedded_nuke.script.commands import Command, KnobLine, format_script, parse_script
from embedded_nuke.script.words import ScriptSyntaxError

PLUGINS = Path(__file__).parents[2] / "nuke_plugins"
SCRIPT = """#! /opt/Nuke16.0v1/libnuke-16.0.1.so -nx
version 16.0 v1
define_window_layout_xml {<?xml version="1.0" encoding="UTF-8"?>
<layout version="1.0">
    <dock title="" activePageId="Properties.1"/>
</layout>
}
Root {
 inputs 0
 name /shots/010.nk
 format "2048 1556 0 0 2048 1556 1 2K_Super_35(full-ap)"
}
add_layer {forward forward.u forward.v}
Read {
 inputs 0
 file "\\[file dirname \\[value root.name]]/a.%04d.exr"
}
set N7f [stack 0]
Gizmo {
 inputs 1+1
 knobChanged "n = nuke.thisNode()\\nif n\\[\\"a\\"].value():\\n  print('\\{\\}')"
 addUserKnob {20 User l "A b"}
 addUserKnob {41 size T Blur1.size}
 addUserKnob {7 amount t "tip ; with a semicolon # and a hash" R 0 10}
}
 Input {
  inputs 0
 }
 Blur {
  size {{parent.amount} {{curve K x1 0 L x10 1 s0 t1}}}
  channels {{{parent.Read1.channels}}}
 }
 Output {
 }
end_group
push 0
push $N7f
Merge2 {
 inputs 2+1
 matrix {
     {1 0 0}
     {0 1 0}
   }
}
set C1 [stack 0]
clone $C1 {
 xpos 3
}
clone node7f|Grade|13140 Grade {
 white {1 2 3 4}
}
"""


def test_a_whole_script_is_taken_apart() -> None:
    commands = parse_script(SCRIPT)
    assert [command.kind for command in commands] == [
        "#", "version", "define_window_layout_xml", "Root", "add_layer", "Read", "set", "Gizmo", "Input", "Blur", "Output",
        "end_group", "push", "push", "Merge2", "set", "clone", "clone",
    ]  # fmt: skip
    gizmo = commands[7]
    assert [knob.name for knob in gizmo.knobs()] == ["inputs", "knobChanged", "addUserKnob", "addUserKnob", "addUserKnob"]
    assert commands[17].args == ("node7f|Grade|13140", "Grade")
    assert commands[14].line == SCRIPT[: SCRIPT.index("Merge2")].count("\n") + 1
    assert commands[14].knobs()[1].words[0].count("\n") == 3


def test_the_text_is_built_anew() -> None:
    ragged = "Blur   {\n\n\tsize     3;x\n      name\tA   }\n\n\n;Grade {white 2}"
    assert format_script(parse_script(ragged)) == "Blur {\n size 3;x\n name A\n}\nGrade {\n white 2\n}\n"
    assert check_text(ragged, "x") == ""
    assert format_script(parse_script(SCRIPT)) == SCRIPT


@pytest.mark.parametrize(
    "text",
    [SCRIPT.replace("\n", "\r\n"), SCRIPT.rstrip(), "\ufeff" + SCRIPT, SCRIPT.replace(" ", "  ")],
    ids=["crlf", "end", "bom", "blanks"],
)
def test_line_ends_marks_and_blanks_change_nothing(text: str) -> None:
    assert check_text(text, "x") == ""
    assert [command.kind for command in parse_script(text)] == [command.kind for command in parse_script(SCRIPT)]


def test_a_writer_that_loses_something_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def losing(commands: list[Command]) -> str:
        return format_script(commands).replace(" inputs 2+1\n", "")

    monkeypatch.setattr("embedded_nuke.script.check.format_script", losing)
    assert check_text(SCRIPT, "x") == "line 38: knob inputs of Merge2 became matrix {\n     {1 0 0}\n     {0 1 0}\n   }"
    monkeypatch.setattr("embedded_nuke.script.check.format_script", lambda commands: format_script(commands[:-1]))
    assert check_text(SCRIPT, "x") == "18 commands became 17"
    monkeypatch.setattr("embedded_nuke.script.check.format_script", lambda commands: format_script(commands) + "}\n{")
    assert "never closed" in check_text(SCRIPT, "x")


def test_the_command_line_names_every_file_once(tmp_path: Path) -> None:
    good, bad, old = tmp_path / "good.nk", tmp_path / "bad.gizmo", tmp_path / "old.nk"
    good.write_text(SCRIPT)
    bad.write_bytes(b'Blur {\n name "a"\xe9\n}\n')  # the byte stands in the message, on any terminal
    old.write_bytes(b'StickyNote {\n label "caf\xe9 \xff"\n}\n')
    files = [good, bad, old, tmp_path, tmp_path / "absent.nk"]
    ran = subprocess.run(
        [sys.executable, "-m", "embedded_nuke", "--check", *map(str, files)],
        env={"PYTHONPATH": str(PLUGINS), "PYTHONIOENCODING": "ascii", "PATH": ""},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    lines = ran.stdout.splitlines()
    assert ran.returncode == 1, ran.stderr
    assert [line.split(": ", 1)[0] for line in lines] == [str(file) for file in files]
    assert lines[0].endswith("same command stream, 18 commands")
    assert "line 2" in lines[1] and "\\udce9" in lines[1]
    assert lines[2].endswith("same command stream, 1 commands")
    assert "cannot be read" in lines[3] and "cannot be read" in lines[4]


def test_all_good_is_exit_code_0(tmp_path: Path) -> None:
    file = tmp_path / "a.nk"
    file.write_text(SCRIPT)
    assert main([str(file)]) == 0
    assert main([]) == 0


@given(st.binary(max_size=40))
def test_bytes_of_any_kind_are_written_back(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.nk"
        path.write_bytes(raw)
        write_text(path, read_text(path))
        assert path.read_bytes() == raw


@settings(max_examples=400)
@given(st.text(alphabet=st.sampled_from('ab {}"\\[]$;#\n\r\t\f01\ufeff\x85é'), max_size=60))
def test_whatever_is_read_comes_back(text: str) -> None:
    for whole in (text, "Blur {\n" + text + "\n}\n"):
        with contextlib.suppress(ScriptSyntaxError):
            assert check_text(whole, "x") == ""


@pytest.mark.parametrize(
    "text",
    [
        "[ " * 20_000, "[" * 20_000 + " ]" * 20_000, "{" * 20_000, "a [b\n" * 10_000, "a \\\n" * 10_000, "A {a " * 2_000,
        '"' * 9_999, "#\n" * 20_000, "A {a " + "[x {" * 5_000 + "\n}", "Group {}\n" * 3_000,
    ],
    ids=["blanks", "brackets", "braces", "lines", "joined", "nodes", "quotes", "comments", "mixed", "groups"],
)  # fmt: skip
def test_large_and_deep_texts_end(text: str) -> None:
    for whole in (text, "Blur {\n a " + text + "\n}\n"):
        with contextlib.suppress(ScriptSyntaxError):
            assert check_text(whole, "x") == ""


def test_a_backslash_at_a_line_end_joins_lines() -> None:
    (command,) = parse_script("Blur {\n size \\\n  3\n name a\\\nb c\n}")
    assert command.knobs() == (KnobLine("size", ("3",)), KnobLine("name", ("a", "b", "c")))
    (comment,) = parse_script("# only this line \\")
    assert comment.args == ("# only this line \\",)
