"""The base of all knobs, and those that hold text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from embedded_nuke import sessions
from embedded_nuke.graph.values import Formula, KnobValueError, read_components
from embedded_nuke.script.tcl import substitute
from embedded_nuke.script.words import split_words, value_of, word_of

if TYPE_CHECKING:
    from embedded_nuke.graph.node import Node

_INVISIBLE, _STARTLINE = 0x400, 0x1000
# What older scripts call filters (the values of GridWarp3.filter name both).
_OLD_FILTERS = {"Impulse": "impulse", "Nearest": "impulse", "Bilinear": "linear", "Cubic": "cubic", "Bicubic": "cubic"}
_FRAME_TOKEN = re.compile(r"#+|%0?(\d*)d|@+")


class Knob:
    """A knob. ``words`` is what a script holds for it; subclasses give it meaning. ``nuke_name`` is its class in Nuke."""

    nuke_name = "Knob"

    def __init__(self, name: str, label: str | None = None) -> None:
        self._name = name
        self._label = label
        self._tooltip = ""
        self._visible = True
        self._enabled = True
        self._flags = _STARTLINE
        self._node: Node | None = None
        self._words: tuple[str, ...] = ()
        self.default_words: tuple[str, ...] = ()
        self.is_user = False
        self.definition = ""  # what stood after ``addUserKnob``, as long as it still describes the knob
        self.kind = self.nuke_name
        self.from_script = False

    # What a file holds.

    def read_words(self, words: Sequence[str]) -> None:
        """Take the raw words of a script. Raises :class:`KnobValueError`."""
        self._words = tuple(words)

    def words(self) -> tuple[str, ...]:
        """The raw words that a script holds for the value."""
        return self._words

    def is_default(self) -> bool:
        """Whether a script would leave it out."""
        return self.words() == self.default_words

    def toScript(self, quote: bool = True, context: Any = None) -> str:
        """The value as scripts spell it."""
        self._check("toScript")
        return " ".join(self.words()) if quote else " ".join(value_of(word) for word in self.words())

    def fromScript(self, text: str) -> bool:
        """Set the value from a script's spelling."""
        self._check("fromScript")
        is_word = text[:1] in ("{", '"') and len(split_words(text)) == 1
        self._assign(lambda: self.read_words((text if is_word else word_of(text),)))
        return True

    # What a program sees.

    def name(self) -> str:
        """Its name."""
        return self._name

    def label(self) -> str:
        """What the panel shows; the name if nothing else was set."""
        return self._name if self._label is None else self._label

    def setLabel(self, label: str) -> None:
        """Change what the panel shows."""
        self._label = label
        self.definition = ""

    def tooltip(self) -> str:
        """The help that hovering shows."""
        return self._tooltip

    def setTooltip(self, text: str) -> None:
        """Set the help that hovering shows."""
        self._tooltip = text

    def Class(self) -> str:
        """The name of its class."""
        return self.kind

    def node(self) -> Node | None:
        """The node it belongs to."""
        return self._node

    def visible(self) -> bool:
        """Whether the panel shows it."""
        return self._visible and not self._flags & _INVISIBLE

    def setVisible(self, visible: bool) -> None:
        """Show or hide it."""
        self._visible = bool(visible)

    def enabled(self) -> bool:
        """Whether the panel lets it be changed."""
        return self._enabled

    def setEnabled(self, enabled: bool) -> None:
        """Let the panel change it, or grey it out."""
        self._enabled = bool(enabled)

    def setFlag(self, flag: int) -> None:
        """Set a flag, such as ``nuke.STARTLINE``."""
        self._flags |= int(flag)

    def clearFlag(self, flag: int) -> None:
        """Clear a flag."""
        self._flags &= ~int(flag)

    def getFlag(self, flag: int) -> bool:
        """Whether a flag is set."""
        return bool(self._flags & int(flag))

    def fullyQualifiedName(self) -> str:
        """``group.node.knob``."""
        return f"{self._node.fullName()}.{self._name}" if self._node else self._name

    def value(self) -> Any:
        """The value, by kind."""
        self._check("value")
        return self.toScript(quote=False)

    def getValue(self) -> Any:
        """The value; kinds that are numbers inside give the number."""
        return self.value()

    def setValue(self, value: Any) -> bool:
        """Set the value. Raises :class:`TypeError` or :class:`ValueError` for what does not fit."""
        self._check("setValue")
        self._assign(lambda: self.read_words((word_of(str(value)),)))
        return True

    def isAnimated(self, *index: int) -> bool:
        """Whether it holds a curve or an expression."""
        return False

    def hasExpression(self, *index: int) -> bool:
        """Whether it holds an expression."""
        return False

    def text_at(self, frame: float) -> str:
        """The value as text at a frame, expressions and Tcl resolved."""
        return str(self.value())

    def number_at(self, frame: float, index: int = 0) -> float:
        """A component as a number at a frame. Raises :class:`KnobValueError` if it is none."""
        try:
            return float(self.text_at(frame))
        except ValueError as error:
            raise KnobValueError(f"{self.fullyQualifiedName()} is no number") from error

    def numbers_at(self, frame: float) -> list[float]:
        """All components as numbers at a frame."""
        return [self.number_at(frame)]

    def bool_at(self, frame: float) -> bool:
        """Whether it is on at a frame."""
        return self.number_at(frame) != 0.0

    def _check(self, what: str) -> None:
        sessions.current().check_main_thread(f"Knob.{what} of {self._name}")

    def _assign(self, change: Any) -> None:
        """Change the value and tell the node, if there is a difference."""
        before = self.words()
        change()
        self.from_script = False
        if self._node is not None and self.words() != before:
            self._node.knob_was_changed(self)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.fullyQualifiedName()}>"


class TextKnob(Knob):
    """A knob whose value is one text, which may also be linked to another knob: ``{{{parent.A.channels}}}``."""

    evaluates = False

    def __init__(self, name: str, label: str | None = None, value: str | None = None) -> None:
        super().__init__(name, label)
        self._text = value or ""
        self._link: str | None = None

    def read_words(self, words: Sequence[str]) -> None:
        """Several words are joined by blanks, as Nuke does."""
        self._link = None
        if len(words) == 1 and _is_formula(words[0]):
            inner = value_of(words[0])
            self._link = value_of(value_of(inner)).strip() if inner.startswith("{{") and inner.endswith("}}") else None
        self._text = " ".join(value_of(word) for word in words)

    def words(self) -> tuple[str, ...]:
        """One word."""
        return ("{{{" + self._link + "}}}",) if self._link is not None else (word_of(self._text),)

    def value(self) -> str:
        """The text as it stands; a link is followed."""
        self._check("value")
        return self.text_at(sessions.current().root.frame()) if self._link is not None else self._text

    def getText(self) -> str:
        """The text as it stands."""
        return self.value()

    def setValue(self, value: Any, *view: Any) -> bool:
        """Set the text; takes text only, as Nuke does."""
        self._check("setValue")
        if not isinstance(value, str):
            raise TypeError(f"{self.fullyQualifiedName()}: setValue() needs a str, not {type(value).__name__}")

        def change() -> None:
            self._text, self._link = value, None

        self._assign(change)
        return True

    def setText(self, value: str) -> bool:
        """Set the text."""
        return self.setValue(value)

    def evaluate(self, frame: float | None = None) -> str:
        """The text with Tcl and links resolved, and ``####`` or ``%04d`` of a file's name replaced by the frame's number."""
        self._check("evaluate")
        at = sessions.current().root.frame() if frame is None else frame
        text = self.text_at(at)
        return frame_name(text, round(at)) if isinstance(self, FileKnob) else text

    def getEvaluatedValue(self, *arguments: Any) -> str:
        """The text with Tcl and links resolved."""
        return self.text_at(sessions.current().root.frame())

    def text_at(self, frame: float) -> str:
        """The text at a frame. Raises :class:`ExpressionError` or :class:`TclError`."""
        if self._link is not None and self._node is not None:
            return self._node.scope(frame, self).value(self._link)
        if self.evaluates and self._node is not None and ("[" in self._text or "\\" in self._text):
            return substitute(self._text, self._node.scope(frame, self))
        return self._text


class StringKnob(TextKnob):
    """Plain text."""

    evaluates = True


class EvalStringKnob(TextKnob):
    """Text in which Tcl is evaluated."""

    evaluates = True


class MultilineKnob(EvalStringKnob):
    """Text of several lines."""


class FileKnob(EvalStringKnob):
    """The name of a file or of a sequence."""


class PythonKnob(TextKnob):
    """Python code that Nuke runs at some moment."""


class ChannelKnob(TextKnob):
    """Channels: a layer's name, or a list of channels in which a leading minus marks those that are left out."""

    def read_words(self, words: Sequence[str]) -> None:
        """See :class:`TextKnob`. Raises :class:`KnobValueError` for an expression, which gives a number."""
        super().read_words(words)
        if self._link is None and len(words) == 1 and _is_formula(words[0]):
            raise KnobValueError(f"{self.fullyQualifiedName()}: {words[0]} is an expression; a link has three braces.")

    def words(self) -> tuple[str, ...]:
        """A list is braced."""
        if self._link is None and " " in self._text:
            return ("{" + self._text + "}",)
        return super().words()


class ListKnob(TextKnob):
    """A list of lists, as ``{set key "value"}`` of ModifyMetaData: written one item a line in one braced word."""

    def words(self) -> tuple[str, ...]:
        """One braced word; nothing for an empty list."""
        items = split_words(self._text)
        return ("{\n  " + "\n  ".join(items) + "\n }",) if items else ("{}",)


class EnumerationKnob(TextKnob):
    """One of several values, by name or by number."""

    def __init__(self, name: str, label: str | None = None, values: Sequence[str] = ()) -> None:
        super().__init__(name, label)
        self._values = [str(value) for value in values]
        self._text = self._values[0] if self._values else ""
        self._formula: Formula | None = None
        self.is_open = not self._values  # values that depend on a colour configuration are not all known

    def read_words(self, words: Sequence[str]) -> None:
        """A name, a number, or an expression that gives the number."""
        self._formula = None
        super().read_words(words)
        if self._link is None and len(words) == 1 and _is_formula(words[0]):
            found = read_components(words)
            self._formula = found[0] if isinstance(found[0], Formula) else None
            if self._formula is None and isinstance(found[0], float):
                self._text = self._named(int(found[0]))
            return
        if self._link is None and self._values and self._text not in self._values:
            self._text = _OLD_FILTERS.get(self._text, self._text)
            self._text = self._named(int(self._text)) if self._text.lstrip("-").isdigit() else self._text
        self._check_value(self._text)

    def words(self) -> tuple[str, ...]:
        """One word."""
        if self._formula is not None:
            return ("{{" + word_of(self._formula.text) + "}}",)
        return super().words()

    def values(self) -> list[str]:
        """All names."""
        return list(self._values)

    def setValues(self, values: Sequence[str]) -> None:
        """Change the names; the value stays if it is still among them, else it is the first."""
        self._check("setValues")

        def change() -> None:
            self._values = [str(value) for value in values]
            if self._link is None and self._formula is None and self._text not in self._values:
                self._text = self._values[0] if self._values else ""

        self.definition = ""
        self._assign(change)

    def numValues(self) -> int:
        """How many names there are."""
        return len(self._values)

    def enumName(self, number: int) -> str:
        """The name of a number."""
        return self._named(number)

    def getValue(self) -> float:
        """The number of the value."""
        return self.number_at(sessions.current().root.frame())

    def setValue(self, value: Any, *view: Any) -> bool:
        """Set by name or number. Raises :class:`ValueError` for a value that is not there."""
        text = self._named(int(value)) if isinstance(value, (int, float)) else value
        if isinstance(text, str):
            self._check_value(text)
        self._formula = None
        return super().setValue(text)

    def isAnimated(self, *index: int) -> bool:
        """Whether it holds an expression."""
        return self._formula is not None

    hasExpression = isAnimated

    def setExpression(self, text: str, *channel: int) -> bool:
        """Let an expression give the number."""

        def change() -> None:
            self._formula, self._link = Formula(text), None

        self._assign(change)
        return True

    def value(self) -> str:
        """The name."""
        return self.text_at(sessions.current().root.frame()) if self._formula is not None else super().value()

    def text_at(self, frame: float) -> str:
        """The name at a frame."""
        if self._formula is not None and self._node is not None:
            return self._named(int(self._formula.evaluate(self._node.scope(frame, self))))
        return super().text_at(frame)

    def number_at(self, frame: float, index: int = 0) -> float:
        """The number of the value at a frame."""
        text = self.text_at(frame)
        return float(self._values.index(text)) if text in self._values else 0.0

    def _named(self, number: int) -> str:
        if not 0 <= number < len(self._values):
            raise KnobValueError(f"{self.fullyQualifiedName()} has no value number {number}; it has {len(self._values)}.")
        return self._values[number]

    def _check_value(self, text: str) -> None:
        if not self.is_open and text not in self._values and self._link is None:
            raise KnobValueError(f"{self.fullyQualifiedName()} cannot be '{text}'; choose one of {', '.join(self._values)}.")


class ButtonKnob(TextKnob):
    """A button; its text is the code that it runs."""

    def __init__(self, name: str, label: str | None = None, value: str | None = None) -> None:
        super().__init__(name, label, value)
        self.action: Any = None

    def command(self) -> str:
        """The code."""
        return self._text

    def setCommand(self, code: str) -> None:
        """Change the code."""
        self.setValue(code)

    def execute(self) -> None:
        """Press it. Raises :class:`RuntimeError` when the code came with a script that is not trusted."""
        self._check("execute")
        if self.action is not None:
            self.action()
            return
        if self._node is None or not self._text:
            return
        self._node.run_code(self._text, self, self.from_script)


class TextLineKnob(TextKnob):
    """A line of text or a divider in the panel."""


class TabKnob(TextKnob):
    """A tab, or with a flag the begin or end of a group of knobs."""

    def __init__(self, name: str, label: str | None = None, flag: int = 0) -> None:
        super().__init__(name, label)
        self.tab_flag = int(flag)


class CustomKnob(TextKnob):
    """A knob drawn by Python: its text is an expression whose value has ``makeUI()``. Only a panel evaluates it."""

    def getObject(self) -> Any:
        """The object, once a panel has made it; here nothing makes one by itself."""
        return None


def _is_formula(word: str) -> bool:
    """Whether a raw word is ``{{expression}}``: one braced word in braces, unlike ``{{0} B}``."""
    inner = split_words(value_of(word)) if word.startswith("{{") else []
    return len(inner) == 1 and inner[0].startswith("{")


def frame_name(text: str, frame: int) -> str:
    """A file's name with ``####``, ``%04d`` or ``@@@@`` replaced by a frame number, as C's printf fills it in."""

    def number(match: re.Match[str]) -> str:
        digits = len(match.group()) if match.group()[0] in "#@" else int(match.group(1) or 1)
        return f"{frame:0{digits}d}" if digits > 1 else str(frame)

    return _FRAME_TOKEN.sub(number, text)
