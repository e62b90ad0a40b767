"""The few Tcl commands that stand in knob values, as ``[value root.name]``. Nothing else of Tcl is ever run.

``[python …]`` is run only for a trusted script: whoever sends a script must not be able to run code with it.
"""

from __future__ import annotations

import os
import re
from typing import Callable, Protocol

from embedded_nuke.script.expression import Expression, ExpressionError, Scope
from embedded_nuke.script.words import ScriptSyntaxError, split_words, value_of

_DEEPEST = 20
_LONGEST = 1_000_000  # letters: commands inside commands could otherwise fill the memory


class TclError(ValueError):
    """A bracketed command cannot be read or is not among the known ones."""


class TclRefusedError(TclError):
    """A bracketed command would run code from an untrusted script."""


class TclScope(Scope, Protocol):
    """Where commands find knobs, and who runs Python."""

    frame: float
    trusted: bool

    def value(self, path: str) -> str:
        """The text of a knob or of a node's value. Raises :class:`TclError`."""

    def python(self, code: str) -> str:
        """The text that Python code gives; called for trusted scripts only."""

    def plugins(self, name: str) -> list[str]:
        """Files of the plugin path whose name fits ``name``, with whole paths."""


def substitute(text: str, scope: TclScope, depth: int = 0) -> str:
    """Replace every ``[command]`` in a text by what it gives; a backslash keeps a bracket.

    Raises:
        TclError: a bracket is not closed, or a command is not known.
        TclRefusedError: Python in an untrusted script.
    """
    if "[" not in text and "\\" not in text:
        return text
    if depth > _DEEPEST:
        raise TclError(f"'{text[:40]}' is nested too deeply.")
    out: list[str] = []
    at = 0
    while at < len(text):
        letter = text[at]
        if letter == "\\" and at + 1 < len(text) and text[at + 1] in "[]\\":
            out.append(text[at + 1])
            at += 2
        elif letter == "[":
            end = _closing(text, at)
            out.append(_run(text[at + 1 : end], scope, depth + 1))
            at = end + 1
        else:
            out.append(letter)
            at += 1
    return _bounded("".join(out))


def _bounded(text: str) -> str:
    if len(text) > _LONGEST:
        raise TclError(f"'{text[:40]}' grows to more than {_LONGEST} letters.")
    return text


def _closing(text: str, start: int) -> int:
    depth, at = 0, start
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == "[":
            depth += 1
        elif text[at] == "]":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    raise TclError(f"'{text[start : start + 40]}' opens a bracket and never closes it.")


def _run(command: str, scope: TclScope, depth: int) -> str:
    words = _raw_words(command)
    if not words:
        return ""
    name = value_of(words[0])
    if name == "python":
        if not scope.trusted:
            raise TclRefusedError(f"'[{command[:60]}]' would run Python from a script that is not trusted; start with --trust.")
        return scope.python(" ".join(_words(words[1:], scope, depth)))
    if name not in _COMMANDS:
        raise TclError(f"'[{command[:60]}]': the command {name} is not among those that the stand-in knows.")
    return _COMMANDS[name](_words(words[1:], scope, depth), scope)


def _words(raw: list[str], scope: TclScope, depth: int) -> list[str]:
    """Values of raw words; only braces keep brackets from being replaced."""
    return [value_of(word) if word.startswith("{") else substitute(value_of(word), scope, depth) for word in raw]


def _need(arguments: list[str], count: int, name: str) -> None:
    if len(arguments) < count:
        raise TclError(f"[{name}] needs {count} words after it and has {len(arguments)}.")


def _value(arguments: list[str], scope: TclScope) -> str:
    _need(arguments, 1, "value")
    return scope.value(arguments[0])


def _expr(arguments: list[str], scope: TclScope) -> str:
    try:
        number = float(Expression(" ".join(arguments)).evaluate(scope))
    except ExpressionError as error:
        raise TclError(str(error)) from error
    return str(int(number)) if number == number and abs(number) < 1e15 and number == int(number) else repr(number)


def _frame(arguments: list[str], scope: TclScope) -> str:
    return str(int(scope.frame)) if scope.frame == int(scope.frame) else repr(scope.frame)


def _file(arguments: list[str], scope: TclScope) -> str:
    _need(arguments, 2, "file")
    action, path = arguments[0], arguments[1]
    if action == "dirname":
        return path.rpartition("/")[0] or ("/" if path.startswith("/") else ".")
    if action == "tail":
        return path.rpartition("/")[2]
    if action == "rootname":
        root, dot, tail = path.rpartition(".")
        return root if dot and "/" not in tail else path
    if action == "extension":
        _, dot, tail = path.rpartition(".")
        return dot + tail if dot and "/" not in tail else ""
    if action == "exists":
        return str(int(os.path.exists(path)))
    if action == "join":
        joined = ""
        for part in arguments[1:]:
            joined = part if part.startswith("/") or not joined else f"{joined.rstrip('/')}/{part}"
        return joined
    raise TclError(f"[file {action}] is not among the commands that the stand-in knows.")


def _string(arguments: list[str], scope: TclScope) -> str:
    _need(arguments, 2, "string")
    action, text = arguments[0], arguments[1]
    simple: dict[str, Callable[[str], str]] = {
        "tolower": str.lower, "toupper": str.upper, "trim": str.strip, "length": lambda t: str(len(t)),
    }  # fmt: skip
    if action in simple:
        return simple[action](text)
    if action == "equal":
        _need(arguments, 3, "string equal")
        return str(int(text == arguments[2]))
    if action == "range":
        _need(arguments, 4, "string range")
        first, last = (_index(word, len(text)) for word in arguments[2:4])
        return text[max(first, 0) : last + 1]
    if action == "map":
        _need(arguments, 3, "string map")
        pairs = _list(text)
        return _mapped(arguments[2], list(zip(pairs[::2], pairs[1::2])))
    raise TclError(f"[string {action}] is not among the commands that the stand-in knows.")


def _mapped(text: str, pairs: list[tuple[str, str]]) -> str:
    """``string map``: one pass from the left, at each place the first pair that fits; what is put in is not gone over again."""
    used = [(old, new) for old, new in pairs if old]
    out: list[str] = []
    at = size = 0
    while at < len(text):
        old, new = next((pair for pair in used if text.startswith(pair[0], at)), (text[at], text[at]))
        out.append(new)
        size += len(new)
        if size > _LONGEST:
            raise TclError(f"[string map] of '{text[:40]}' grows to more than {_LONGEST} letters.")
        at += len(old)
    return "".join(out)


def _index(word: str, length: int) -> int:
    found = re.fullmatch(r"(end)?([+-]?\d{1,9})?", word)
    if found is None or not word:
        raise TclError(f"'{word[:40]}' is no index; write a whole number, end, or end-1.")
    offset = int(found[2] or 0)
    return length - 1 + offset if found[1] else offset


def _list(text: str) -> list[str]:
    return [value_of(word) for word in _raw_words(text)]


def _raw_words(text: str) -> list[str]:
    try:
        return split_words(text, f"'{text[:40]}'")
    except ScriptSyntaxError as error:
        raise TclError(str(error)) from error


def _lindex(arguments: list[str], scope: TclScope) -> str:
    _need(arguments, 2, "lindex")
    items = _list(arguments[0])
    at = _index(arguments[1], len(items))
    return items[at] if 0 <= at < len(items) else ""


def _lsearch(arguments: list[str], scope: TclScope) -> str:
    """``lsearch ?-inline? list pattern``, with Tcl's glob patterns."""
    inline = "-inline" in arguments
    rest = [word for word in arguments if word not in ("-inline", "-glob")]
    _need(rest, 2, "lsearch")
    for number, item in enumerate(_list(rest[0])):
        if _fits(item, rest[1]):
            return item if inline else str(number)
    return "" if inline else "-1"


def _fits(text: str, pattern: str) -> bool:
    """Tcl's ``string match`` with ``*``, ``?`` and ``\\``; only the last star is ever tried again, so it cannot run away."""
    parts: list[tuple[bool, str]] = []  # whether it stands for any letters, else one letter: itself, or any if empty
    at = 0
    while at < len(pattern):
        letter = pattern[at]
        if letter == "\\" and at + 1 < len(pattern):
            at += 1
            parts.append((False, pattern[at]))
        else:
            parts.append((letter == "*", "" if letter in "*?" else letter))
        at += 1
    place = part = 0
    star, resume = -1, 0
    while place < len(text):
        if part < len(parts) and parts[part][0]:
            star, resume = part, place
            part += 1
        elif part < len(parts) and parts[part][1] in ("", text[place]):
            part += 1
            place += 1
        elif star >= 0:
            resume += 1
            part, place = star + 1, resume
        else:
            return False
    return all(is_star for is_star, _ in parts[part:])


def _plugins(arguments: list[str], scope: TclScope) -> str:
    names = [word for word in arguments if word not in ("-all", "-nodir")]
    _need(names, 1, "plugins")
    return " ".join("{" + path + "}" for path in scope.plugins(names[0]))


def _getenv(arguments: list[str], scope: TclScope) -> str:
    _need(arguments, 1, "getenv")
    return os.environ.get(arguments[0], arguments[1] if len(arguments) > 1 else "")


def _join(arguments: list[str], scope: TclScope) -> str:
    _need(arguments, 1, "join")
    return (arguments[1] if len(arguments) > 1 else " ").join(_list(arguments[0]))


def _split(arguments: list[str], scope: TclScope) -> str:
    _need(arguments, 1, "split")
    letters = arguments[1] if len(arguments) > 1 else " "
    parts = re.split("[" + re.escape(letters) + "]", arguments[0]) if letters else list(arguments[0])
    return " ".join("{" + part + "}" for part in parts)


_COMMANDS: dict[str, Callable[[list[str], TclScope], str]] = {
    "value": _value,
    "knob": _value,
    "expr": _expr,
    "expression": _expr,
    "frame": _frame,
    "file": _file,
    "string": _string,
    "lindex": _lindex,
    "lsearch": _lsearch,
    "plugins": _plugins,
    "getenv": _getenv,
    "join": _join,
    "split": _split,
}
