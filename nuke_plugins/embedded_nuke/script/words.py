"""Tcl words, as Nuke's script files use them (Tcl 8 manual page ``Tcl``, rules 1 to 12; nothing is evaluated here).

A word is kept *raw*, spelled as in the file, so that what is not understood goes back as it came.
"""

from __future__ import annotations

from collections.abc import Iterator

_SPACE = " \t\r\f\v"
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_BACK = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\f": "\\f", "\v": "\\v", "\a": "\\a", "\b": "\\b"}
_QUOTED_SPECIAL = '"\\[]{}$'
_BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-+/:%@*,=<>?!&|^~'()#")


class ScriptSyntaxError(ValueError):
    """A script's text is not a run of Tcl commands. ``line`` counts from 1; the message names the file."""

    def __init__(self, name: str, line: int, message: str) -> None:
        super().__init__(f"{name}, line {line}: {message}")
        self.name = name
        self.line = line


class WordReader:
    """Splits text into commands of raw words.

    Args:
        text: what to read.
        name: the file's name, for messages.
        line: the number of the first line.
        semicolons: whether ``;`` ends a command, as it does in a script; in a node's body it is a letter.
        comments: whether ``#`` at the start of a command begins a comment.
    """

    def __init__(self, text: str, name: str = "<text>", line: int = 1, *, semicolons: bool, comments: bool) -> None:
        self._text = text
        self._name = name
        self._at = 0
        self._line = line
        self._semicolons = semicolons
        self._comments = comments
        self._brackets: dict[int, int] = {}
        self._brackets_until = 0

    def commands(self) -> Iterator[tuple[int, list[str]]]:
        """Yield line number and raw words of every command; a comment is one word that begins with ``#``.

        Raises:
            ScriptSyntaxError: a brace, a quote or a bracket is not closed, or something follows a closing one.
        """
        words: list[str] = []
        first = self._line
        while self._at < len(self._text):
            letter = self._text[self._at]
            if letter == "\n" or (letter == ";" and self._semicolons):
                if words:
                    yield first, words
                    words = []
                self._line += letter == "\n"
                self._at += 1
            elif letter in _SPACE:
                self._at += 1
            elif self._continues(self._at):
                self._at = self._text.index("\n", self._at) + 1
                self._line += 1
            else:
                first = first if words else self._line
                if letter == "#" and self._comments and not words:
                    yield first, [self._comment()]
                else:
                    words.append(self._word())
        if words:
            yield first, words

    def _comment(self) -> str:
        end = self._text.find("\n", self._at)
        end = len(self._text) if end < 0 else end
        start, self._at = self._at, end
        return self._text[start:end].rstrip("\r")

    def _word(self) -> str:
        start, letter = self._at, self._text[self._at]
        if letter == "{":
            self._skip_braces()
        elif letter == '"':
            self._skip_quotes()
        else:
            self._skip_bare()
        word = self._text[start : self._at]
        self._line += word.count("\n")
        if letter not in '{"':
            return _whatever_follows(word)
        if self._at < len(self._text) and not self._ends_word(self._text[self._at]):
            kind = "brace" if letter == "{" else "quote"
            raise self._error(f"there is '{self._text[self._at]}' right after a closing {kind}", self._line)
        return word

    def _ends_word(self, letter: str) -> bool:
        return letter in _SPACE or letter == "\n" or (letter == ";" and self._semicolons)

    def _skip_braces(self) -> None:
        depth, at, text = 0, self._at, self._text
        while at < len(text):
            letter = text[at]
            if letter == "\\":
                at += 1
            elif letter == "{":
                depth += 1
            elif letter == "}":
                depth -= 1
                if depth == 0:
                    self._at = at + 1
                    return
            at += 1
        raise self._error("a brace is opened and never closed", self._line)

    def _skip_quotes(self) -> None:
        at, text = self._at + 1, self._text
        while at < len(text):
            if text[at] == "\\":
                at += 1
            elif text[at] == '"':
                self._at = at + 1
                return
            at += 1
        raise self._error("a quote is opened and never closed", self._line)

    def _skip_bare(self) -> None:
        """To the end of a bare word; a bracketed command in it may hold blanks.

        A bracket that is not closed in its line is a letter like others, as in a label that nobody evaluates.
        """
        at, text = self._at, self._text
        while at < len(text):
            letter = text[at]
            if letter == "\\":
                if self._continues(at):
                    break
                at += 1
            elif letter == "[":
                at = self._partner(at)
            elif self._ends_word(letter):
                break
            at += 1
        self._at = min(at, len(text))

    def _continues(self, at: int) -> bool:
        """Whether the backslash here joins this line to the next, which ends a word (rule 9 of the manual page)."""
        return self._text.startswith("\\\n", at) or self._text.startswith("\\\r\n", at)

    def _partner(self, start: int) -> int:
        """Where the bracket opened at ``start`` is closed, or ``start`` if it is not in this line.

        A line is gone through once, however many brackets it opens.
        """
        if start >= self._brackets_until:
            self._brackets = {}
            opened: list[int] = []
            at, text = start, self._text
            while at < len(text) and text[at] != "\n":
                letter = text[at]
                if letter == "\\":
                    at += 1
                elif letter == "[":
                    opened.append(at)
                elif letter == "]" and opened:
                    self._brackets[opened.pop()] = at
                at += 1
            self._brackets_until = at
        return self._brackets.get(start, start)

    def _error(self, message: str, line: int) -> ScriptSyntaxError:
        return ScriptSyntaxError(self._name, line, message)


def _whatever_follows(word: str) -> str:
    """A bare word in a spelling of the same value that no line end after it changes: ``\\`` and ``\\r`` may end a text."""
    if word.endswith("\r"):  # only an escaped one is part of a bare word
        return word[:-1] + "r"
    return word + "\\" if (len(word) - len(word.rstrip("\\"))) % 2 else word


def split_words(text: str, name: str = "<text>") -> list[str]:
    """The raw words of a Tcl list; line ends are spaces. Raises :class:`ScriptSyntaxError`."""
    return [word for _, words in WordReader(text, name, semicolons=False, comments=False).commands() for word in words]


def value_of(word: str) -> str:
    """The value of one raw word: braces are taken off and nothing else happens inside, quotes and bare words are unescaped."""
    if len(word) >= 2 and word[0] == "{" and word[-1] == "}":
        return word[1:-1]
    if len(word) >= 2 and word[0] == '"' and word[-1] == '"':
        word = word[1:-1]
    return _unescaped(word) if "\\" in word else word


def word_of(value: str) -> str:
    """A raw word whose value is ``value``, in the spelling that Nuke uses: bare if possible, else quoted."""
    if value and value[0] != "#" and all(letter in _BARE or ord(letter) > 127 for letter in value):
        return value
    letters = [f"\\{c}" if c in _QUOTED_SPECIAL else _BACK.get(c, c) for c in value]
    return '"' + "".join(letters) + '"'


def braced(words: list[str]) -> str:
    """A braced list of raw words."""
    return "{" + " ".join(words) + "}"


def _unescaped(text: str) -> str:
    out: list[str] = []
    at = 0
    while at < len(text):
        letter = text[at]
        if letter != "\\" or at + 1 == len(text):
            out.append(letter)
            at += 1
            continue
        after = text[at + 1]
        digits = _hex_digits(text, at + 2, {"x": 2, "u": 4, "U": 8}.get(after, 0))
        if digits and int(digits, 16) <= 0x10FFFF:
            out.append(chr(int(digits, 16)))
        elif after == "\n":  # with the blanks that follow, one blank
            end = at + 2
            while end < len(text) and text[end] in " \t":
                end += 1
            out.append(" ")
            at = end
            continue
        else:
            digits = ""
            out.append(_ESCAPES.get(after, after))
        at += 2 + len(digits)
    return "".join(out)


def _hex_digits(text: str, start: int, most: int) -> str:
    end = start
    while end < min(start + most, len(text)) and text[end] in "0123456789abcdefABCDEF":
        end += 1
    return text[start:end]
