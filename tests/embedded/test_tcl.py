"""The Tcl of knob values: what is known gives Tcl's answers, nothing runs away, nothing else runs at all."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedded_nuke.script.expression import ExpressionError
from embedded_nuke.script.tcl import TclError, TclRefusedError, substitute


class _Scope:
    frame = 12.5
    trusted = False

    def lookup(self, path: str, at: float | None) -> float:
        if path != "frame":
            raise ExpressionError(f"there is no '{path}'")
        return 12.5 if at is None else at

    def value(self, path: str) -> str:
        if path != "root.name":
            raise TclError(f"there is no '{path}'")
        return "/shots/010/comp.v01.nk"

    def python(self, code: str) -> str:
        raise AssertionError("Python was run from a script that nobody trusts")

    def plugins(self, name: str) -> list[str]:
        return ["/a b/x.cat", "/c/y.txt"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[file extension [value root.name]]", ".nk"), ("[file tail /a/b/]", ""), ("[file dirname name]", "."),
        ("[file dirname /x]", "/"),
        ("[file rootname a.b/c]", "a.b/c"), ("[file join a b /c d]", "/c/d"), ("[frame]", "12.5"), ("[expr {frame * 2}]", "25"),
        ("[string range abcdef 1 end-1]", "bcde"), ("[string range abc 5 9]", ""), ("[string length {a b}]", "3"),
        ("[string map {a b b a} aabb]", "bbaa"), ("[string equal a a]", "1"), ("[string tolower ABC]", "abc"),
        ("[lindex {a {b c} d} 1]", "b c"), ("[lindex {a b} end]", "b"), ("[lindex {a b} 7]", ""), ("[lindex {a b} end+1]", ""),
        ("[lsearch {ab cd} c*]", "1"), ("[lsearch {ab cd} z*]", "-1"),
        ("[lsearch -inline [plugins -all x] *.cat]", "/a b/x.cat"),
        ("[lsearch {a* ab} {a\\*}]", "0"), ("[join [split a/b/c /] -]", "a-b-c"), ("[getenv FR_NOT_SET other]", "other"),
        ("a\\[b\\]", "a[b]"), ("x]y", "x]y"), ("[]", ""), ("50% {as it is} $x", "50% {as it is} $x"),
    ],
)  # fmt: skip
def test_what_is_known_gives_tcls_answer(text: str, value: str) -> None:
    assert substitute(text, _Scope()) == value


@pytest.mark.parametrize(
    "text",
    [
        "[exec ls]", "[open /etc/passwd]", "[eval {value root.name}]", "[set a 1]", "[nosuch]", "[value]", "[value no.such]",
        "[expr {1+}]", "[string range abc x y]", "[lindex {a} " + "9" * 5000 + "]", "[lindex {a \"b} 0]", "[file delete x]",
        "[" * 50, "[value " * 40 + "]" * 40,
    ],
)  # fmt: skip
def test_everything_else_is_an_error_with_a_reason(text: str) -> None:
    with pytest.raises(TclError, match=r"\w"):
        substitute(text, _Scope())


@pytest.mark.parametrize("text", ["[python {1}]", "[file tail [python -execlocal x=1]]", "[expr [python 1]]", "a[python b]c"])
def test_python_is_refused_wherever_it_stands(text: str) -> None:
    with pytest.raises(TclRefusedError):
        substitute(text, _Scope())


def test_no_command_fills_the_memory_or_tries_for_ever() -> None:
    text = "a"
    for _ in range(15):
        text = f"[string map {{a {'a' * 50}}} {text}]"
    with pytest.raises(TclError, match="grows to more"):
        substitute(text, _Scope())
    assert substitute(f"[lsearch {'a' * 4000} {'*a' * 40}b]", _Scope()) == "-1"


@given(
    st.text(alphabet=st.sampled_from('ab []{}"\\$;\n*?'), max_size=40),
    st.sampled_from(["", "[lindex {%s} 0]", "[lsearch {a b} {%s}]", "[expr %s]"]),
)
def test_no_text_crashes(text: str, frame: str) -> None:
    with contextlib.suppress(TclError):
        substitute(frame % text if frame else text, _Scope())
