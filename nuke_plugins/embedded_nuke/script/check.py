"""``python -m embedded_nuke --check FILE…``: does a script come back as the same commands when it is written and read again?

No node class has to be known for it. The text is taken apart into commands, knobs and words and put together again, so a
construct that the reader misunderstands shows.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from embedded_nuke.script.commands import Command, format_script, parse_script
from embedded_nuke.script.words import ScriptSyntaxError


def read_text(path: Path) -> str:
    """The text of a script file. Bytes that are not UTF-8 are kept (as lone surrogates), so that they can be written back.

    Raises:
        OSError: the file cannot be read.
    """
    return path.read_bytes().decode("utf-8", "surrogateescape")


def write_text(path: Path, text: str) -> None:
    """Write a script's text, with the bytes that :func:`read_text` kept. Raises :class:`OSError`."""
    path.write_bytes(text.encode("utf-8", "surrogateescape"))


def check_text(text: str, name: str) -> str:
    """An empty text when ``text`` comes back as the same commands, else the first difference in words.

    Raises:
        ScriptSyntaxError: the text is no script.
    """
    before = parse_script(text, name)
    try:
        after = parse_script(format_script(before), f"{name}, written again")
    except ScriptSyntaxError as error:
        return str(error)
    for first, second in zip(before, after):
        if first != second:
            return f"line {first.line}: {_difference(first, second)}"
    if len(before) != len(after):
        return f"{len(before)} commands became {len(after)}"
    return ""


def main(files: Sequence[str]) -> int:
    """Check files, one line each; returns 1 if any differs or cannot be read."""
    failed = 0
    for file in files:
        try:
            text = read_text(Path(file))
            found = check_text(text, file)
            count = len(parse_script(text, file))
        except OSError as error:
            found, count = f"cannot be read: {error.strerror or error}", 0
        except ScriptSyntaxError as error:
            found, count = f"cannot be read: {error}", 0
        failed += bool(found)
        line = f"{file}: {found or f'same command stream, {count} commands'}\n"
        coding = sys.stdout.encoding or "utf-8"  # names and quoted text may hold what the terminal cannot show
        sys.stdout.write(line.encode(coding, "backslashreplace").decode(coding))
    return 1 if failed else 0


def _difference(first: Command, second: Command) -> str:
    if (first.kind, first.args) != (second.kind, second.args):
        return f"'{_short(first)}' became '{_short(second)}'"
    for one, other in zip(first.knobs(), second.knobs()):
        if one != other:
            return f"knob {one.name} of {first.kind} became {other.name} {' '.join(other.words)[:60]}"
    return f"{first.kind} has {len(first.knobs())} knob lines and came back with {len(second.knobs())}"


def _short(command: Command) -> str:
    return " ".join((command.kind, *command.args))[:60]
