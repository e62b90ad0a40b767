"""A script as a list of commands, read and written. The meaning of the commands is the loader's business."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from embedded_nuke.script.words import WordReader

_NO_BODY = frozenset({"#", "set", "push", "version", "define_window_layout_xml", "add_layer", "end_group", "load", "unload"})
_OPENS_GROUP = frozenset({"Group", "Gizmo", "LiveGroup", "Precomp"})


@dataclass(frozen=True)
class KnobLine:
    """One line of a node's body: the knob's name and the raw words after it."""

    name: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        kind: a node class, or ``set``, ``push``, ``clone``, ``version``, ``end_group`` … or ``#`` for a comment.
        args: the raw words after it, without the body.
        body: the lines of a node's braced body; None for a command that has none.
        line: where it stands, from 1.
    """

    kind: str
    args: tuple[str, ...] = ()
    body: tuple[KnobLine, ...] | None = None
    line: int = field(default=0, compare=False)

    def knobs(self) -> tuple[KnobLine, ...]:
        """The lines of the body; empty without one."""
        return self.body or ()


def parse_script(text: str, name: str = "<text>") -> list[Command]:
    """Read a script's text.

    Raises:
        ScriptSyntaxError: the text is not a run of Tcl commands.
    """
    commands = []
    for line, words in WordReader(text.lstrip("\ufeff"), name, semicolons=True, comments=True).commands():
        kind, args = words[0], words[1:]
        if kind.startswith("#"):
            commands.append(Command("#", (kind,), None, line))
        elif args and args[-1].startswith("{") and kind not in _NO_BODY:
            commands.append(Command(kind, tuple(args[:-1]), _body(args[-1], name, line), line))
        else:
            commands.append(Command(kind, tuple(args), None, line))
    return commands


def format_script(commands: Sequence[Command]) -> str:
    """Write commands as Nuke does, a knob a line, children of a group one blank deeper."""
    lines: list[str] = []
    depth = 0
    for command in commands:
        if command.kind == "#":
            lines.append(command.args[0])
            continue
        if command.kind == "end_group":
            depth = max(depth - 1, 0)
        indent = " " * depth
        head = " ".join((command.kind, *command.args))
        if command.body is None:
            lines.append(indent + head)
        else:
            lines.append(f"{indent}{head} {{")
            lines += [f"{indent} {' '.join((knob.name, *knob.words))}" for knob in command.body]
            lines.append(indent + "}")
        if command.kind in _OPENS_GROUP:
            depth += 1
    text = "\n".join(lines) + "\n" if lines else ""
    return "\n" + text if text.startswith("\ufeff") else text  # a name that begins so is no mark of the encoding


def _body(word: str, name: str, line: int) -> tuple[KnobLine, ...]:
    reader = WordReader(word[1:-1], name, line, semicolons=False, comments=False)
    return tuple(KnobLine(words[0], tuple(words[1:])) for _, words in reader.commands())
