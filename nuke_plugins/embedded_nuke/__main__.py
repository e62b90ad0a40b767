"""``python -m embedded_nuke``: Nuke's command line, as far as headless work needs it.

-x script.nk            render every enabled Write
-X Write1,Write2 script.nk   render these nodes
-F 1-10x2               frames; may be repeated
-t script.py args       run Python; a last argument that looks like a frame range is taken out of sys.argv
--remap "from,to,..."   read and write files whose names begin with "from" under "to" instead
--check FILE...         do scripts come back the same when they are written and read again?
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import embedded_nuke
from embedded_nuke.api import python_code, render, startup
from embedded_nuke.api.frame_ranges import FrameRange, FrameRanges, looks_like_range
from embedded_nuke.script import check

_FLAVOURS = {"--nukex": "nukex", "--studio": "studio", "--indie": "indie", "--nc": "nc", "--nukeassist": "assist"}
_IGNORED = {"--gpu": 0, "--multigpu": 0, "-i": 0, "-q": 0, "-V": 1, "-m": 1, "-c": 1, "--view": 1, "-P": 0, "-f": 0}


class CommandLineError(Exception):
    """The command line cannot be understood."""


class _Options:
    """What the command line says."""

    def __init__(self, words: Sequence[str]) -> None:
        self.mode = ""
        self.nodes: list[str] = []
        self.ranges: list[FrameRange] = []
        self.flavour = "nuke"
        self.keep_going = False
        self.trusted = False
        self.remaps: list[tuple[str, str]] = []
        self.rest: list[str] = []
        left = list(words)
        while left:
            self._take(left)

    def _take(self, left: list[str]) -> None:
        word = left.pop(0)
        if word == "-x":
            self.mode = "render"
        elif word == "-X":
            self.mode = "render"
            self.nodes += _value(left, word).split(",")
        elif word == "-F":
            self._add_range(_value(left, word))
        elif word in ("-t", "--trust"):
            self.trusted = self.trusted or word == "--trust"
            if word == "-t":
                self.mode = "terminal"
                self.rest, left[:] = list(left), []
        elif word in _FLAVOURS:
            self.flavour = _FLAVOURS[word]
        elif word == "--cont":
            self.keep_going = True
        elif word == "--remap":
            self._add_remaps(_value(left, word))
        elif word in _IGNORED:
            for _ in range(_IGNORED[word]):
                _value(left, word)
        elif word.startswith("-") and not looks_like_range(word):
            raise CommandLineError(f"'{word}' is not known here.")
        else:
            self.rest.append(word)

    def _add_range(self, text: str) -> None:
        try:
            self.ranges += list(FrameRanges(text))
        except ValueError as error:
            raise CommandLineError(str(error)) from error

    def _add_remaps(self, text: str) -> None:
        """``from,to,from,to``. Nothing at all is a warning in Nuke, what does not pair up an error."""
        parts = text.split(",") if text else []
        if not parts:
            print("embedded_nuke: --remap names no path.", file=sys.stderr)
        if len(parts) % 2 or not all(parts[::2]):
            raise CommandLineError(f"--remap {text}: every path needs another that stands in its place.")
        self.remaps += list(zip(parts[::2], parts[1::2]))


def _value(left: list[str], option: str) -> str:
    if not left:
        raise CommandLineError(f"{option} needs a word after it.")
    return left.pop(0)


def main(words: Sequence[str]) -> int:
    """Run a command line without the program's name; returns 0, 1 for a failure, 2 for words that make no sense."""
    if words and words[0] == "--check":
        return check.main(words[1:])
    try:
        options = _Options(words)
        if not options.mode:
            raise CommandLineError("Give -x or -X with a script, -t with a Python file, or --check with files.")
        if options.mode == "render" and not options.rest:
            raise CommandLineError("Name the script to render.")
    except CommandLineError as error:
        print(f"embedded_nuke: {error}\n{__doc__}", file=sys.stderr)
        return 2
    nuke = embedded_nuke.install(flavour=options.flavour, trusted=options.trusted, args=["embedded_nuke", *words])
    try:
        embedded_nuke.session().remaps += options.remaps
        startup.start(os.environ.get("NUKE_PATH", "").split(os.pathsep))
        return _terminal(options) if options.mode == "terminal" else _render(nuke, options)
    except SystemExit as stop:
        return _exit_code(stop)
    except RuntimeError as error:
        print(f"embedded_nuke: {error}", file=sys.stderr)
        return 1


def _terminal(options: _Options) -> int:
    if not options.rest:
        raise RuntimeError("-t without a Python file would be an interpreter; give a file.")
    path, arguments = options.rest[0], options.rest[1:]
    if not os.path.isfile(path):
        raise RuntimeError(f"{path}: there is no such Python file.")
    if arguments and looks_like_range(arguments[-1]):
        arguments = arguments[:-1]
    sys.argv = [path, *arguments]
    try:
        python_code.run_file(path)
    except Exception:  # noqa: BLE001 - whatever the script raised is shown whole, as Nuke does, and makes the exit code 1
        traceback.print_exc()
        return 1
    return 0


def _render(nuke: Any, options: _Options) -> int:
    script, *more = options.rest
    for word in more:
        options._add_range(word) if looks_like_range(word) else None
    nuke.scriptOpen(script)
    frames = options.ranges or [FrameRange(nuke.root().firstFrame(), nuke.root().lastFrame(), 1)]
    nodes = []
    for name in options.nodes:
        node = nuke.toNode(name)
        if node is None:
            raise RuntimeError(f"{script} has no node '{name}'.")
        nodes.append(node)
    if not nodes and not nuke.allNodes("Write", recurseGroups=True):
        raise RuntimeError(f"{script} holds no Write.")
    render.executeMultiple(nodes, frames, None, options.keep_going)
    return 0


def _exit_code(stop: SystemExit) -> int:
    if isinstance(stop.code, str):
        print(stop.code, file=sys.stderr)
        return 1
    return int(stop.code or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
