"""Knobs that hold numbers: one or several components, each of them a number, a curve or an expression."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from embedded_nuke import sessions
from embedded_nuke.graph.formats import Format, parse_format
from embedded_nuke.graph.knob import Knob
from embedded_nuke.graph.values import (
    Component,
    Formula,
    KnobValueError,
    component_at,
    components_text,
    read_components,
)
from embedded_nuke.script.curve import Curve, Key
from embedded_nuke.script.words import split_words, value_of, word_of


class ArrayKnob(Knob):
    """Numbers. ``size`` components; a single one read from a script stands for all."""

    size = 1

    def __init__(self, name: str, label: str | None = None, *values: float) -> None:
        super().__init__(name, label)
        self._components: list[Component] = [float(value) for value in values] or [0.0] * self.size
        self._low, self._high = 0.0, 1.0

    def read_words(self, words: Sequence[str]) -> None:
        """Numbers, curves and expressions. Raises :class:`KnobValueError`."""
        try:
            found = read_components(words)
        except KnobValueError as error:
            raise KnobValueError(f"{self.fullyQualifiedName()}: {error}") from error
        if len(found) not in (1, self.size) and type(self) is not ArrayKnob:  # a plain array is as long as its value
            raise KnobValueError(f"{self.fullyQualifiedName()} has {self.size} components, not {len(found)}.")
        self._components = found

    def words(self) -> tuple[str, ...]:
        """One word."""
        return (components_text(self._components),)

    def arraySize(self) -> int:
        """How many components it has."""
        return max(self.size, len(self._components))

    def width(self) -> int:
        """How many components a row has."""
        return self.arraySize()

    def height(self) -> int:
        """How many rows it has."""
        return 1

    def notDefault(self) -> bool:
        """Whether the value is not the default."""
        return not self.is_default()

    def singleValue(self, *view: Any) -> bool:
        """Whether one number stands for all components."""
        return len(self._components) == 1

    def value(self, index: int | None = None, view: Any = None) -> Any:
        """The number, or a list of all components; one component if ``index`` is given."""
        self._check("value")
        return self._at(sessions.current().root.frame(), index)

    getValue = value

    def getValueAt(self, frame: float, index: int | None = None, view: Any = None) -> Any:
        """The same at another frame."""
        self._check("getValueAt")
        return self._at(frame, index)

    valueAt = getValueAt

    def setValue(self, value: Any, index: int = -1, time: float | None = None, view: Any = None) -> bool:
        """Set all components (a number or a list), or the one with ``index``. Raises :class:`TypeError`."""
        self._check("setValue")
        given = list(value) if isinstance(value, (list, tuple)) else [value]
        if not given or not all(isinstance(number, (int, float)) for number in given) or not self._takes(given):
            raise TypeError(f"{self.fullyQualifiedName()}: setValue() needs numbers, not {value!r}")
        numbers = [float(number) for number in given]
        if len(numbers) > max(self.size, len(self._components)):
            raise ValueError(f"{self.fullyQualifiedName()} has {self.arraySize()} components, not {len(numbers)}.")
        self._assign(lambda: self._set(numbers, index, time))
        return True

    def _takes(self, values: Sequence[Any]) -> bool:
        return all(math.isfinite(value) for value in values)

    def _set(self, numbers: list[float], index: int, time: float | None) -> None:
        if index < 0 and len(numbers) == 1 and time is None:
            self._components = [numbers[0]] * self.size if self.size > 1 else [numbers[0]]
            return
        changed = self._spread()
        targets = range(len(numbers)) if index < 0 else [index]
        for position, target in enumerate(targets):
            number = numbers[min(position, len(numbers) - 1)]
            old = changed[target]
            if isinstance(old, Curve) and time is not None:
                changed[target] = old.with_key(time, number)
            else:
                changed[target] = number
        self._components = changed

    def _spread(self) -> list[Component]:
        if len(self._components) < self.size:
            return [self._components[min(i, len(self._components) - 1)] for i in range(self.size)]
        return list(self._components)

    def _parts(self, where: tuple[int, ...]) -> list[Component]:
        """The component with this index, or all."""
        return [self._spread()[where[0]]] if where and where[0] >= 0 else self._spread()

    def setValueAt(self, value: float, time: float, index: int = 0, view: Any = None) -> bool:
        """Set a key, or the value if it is not animated."""
        return self.setValue(value, index, time)

    def setAnimated(self, index: int = -1, view: Any = None) -> bool:
        """Let keys be set."""
        self._check("setAnimated")

        def change() -> None:
            parts = self._spread()
            for at in range(len(parts)) if index < 0 else [index]:
                part = parts[at]
                if not isinstance(part, Curve):
                    now = sessions.current().root.frame()
                    parts[at] = Curve([Key(now, part if isinstance(part, float) else self.number_at(now, at))])
            self._components = parts

        self._assign(change)
        return True

    def clearAnimated(self, index: int = -1, view: Any = None) -> bool:
        """Replace curves and expressions by their value now."""
        self._check("clearAnimated")
        now = sessions.current().root.frame()
        self._assign(lambda: self._set([self.number_at(now, i) for i in range(self.arraySize())], -1, now + 0.5))
        return True

    def setExpression(self, text: str, channel: int = -1, view: Any = None) -> bool:
        """Let an expression give one component, or all."""
        self._check("setExpression")

        def change() -> None:
            if channel < 0:
                self._components = [Formula(text)] * self.size
            else:
                parts = self._spread()
                parts[channel] = Formula(text)
                self._components = parts

        self._assign(change)
        return True

    def isAnimated(self, *where: int) -> bool:
        """Whether a component holds a curve or an expression."""
        return any(not isinstance(part, float) for part in self._parts(where))

    def hasExpression(self, *where: int) -> bool:
        """Whether a component holds an expression."""
        return any(isinstance(part, Formula) for part in self._parts(where))

    def isKey(self, index: int = -1, view: Any = None) -> bool:
        """Whether there is a key at the current frame."""
        now = sessions.current().root.frame()
        return any(isinstance(part, Curve) and any(key.frame == now for key in part.keys) for part in self._parts((index,)))

    def getNumKeys(self, index: int = 0) -> int:
        """How many keys a component has."""
        part = self._spread()[max(index, 0)]
        return len(part.keys) if isinstance(part, Curve) else 0

    def setRange(self, low: float, high: float) -> None:
        """The slider's range."""
        self._low, self._high = float(low), float(high)

    def min(self) -> float:
        """The slider's lower end."""
        return self._low

    def max(self) -> float:
        """The slider's upper end."""
        return self._high

    def number_at(self, frame: float, index: int = 0) -> float:
        """One component at a frame. Raises :class:`ExpressionError`."""
        part = self._components[min(index, len(self._components) - 1)]
        if isinstance(part, Formula) or (isinstance(part, Curve) and part.expression != "curve"):
            if self._node is None:
                raise KnobValueError(f"{self._name} holds an expression and belongs to no node")
            return component_at(part, frame, self._node.scope(frame, self, index))
        return part.value(frame) if isinstance(part, Curve) else part

    def numbers_at(self, frame: float) -> list[float]:
        """All components at a frame."""
        return [self.number_at(frame, index) for index in range(self.arraySize())]

    def text_at(self, frame: float) -> str:
        """The components at a frame, with blanks between them."""
        return " ".join(str(int(number)) if number.is_integer() else repr(number) for number in self.numbers_at(frame))

    def bool_at(self, frame: float) -> bool:
        """Whether the first component is not 0."""
        return self.number_at(frame) != 0.0

    def _at(self, frame: float, index: int | None) -> Any:
        if index is not None and index >= 0:
            return self.number_at(frame, index)
        numbers = self.numbers_at(frame)
        return numbers[0] if len(numbers) == 1 else numbers


class DoubleKnob(ArrayKnob):
    """A number with a slider."""


class IntKnob(ArrayKnob):
    """A whole number."""

    def _at(self, frame: float, index: int | None) -> int:
        return int(self.number_at(frame))


class BooleanKnob(ArrayKnob):
    """A check box."""

    def __init__(self, name: str, label: str | None = None, value: bool = False) -> None:
        super().__init__(name, label, float(value))

    def words(self) -> tuple[str, ...]:
        """``true`` or ``false``, or an expression."""
        part = self._components[0]
        return ("true" if part else "false",) if isinstance(part, float) else super().words()

    def _at(self, frame: float, index: int | None) -> bool:
        return self.number_at(frame) != 0.0

    def getValue(self, *arguments: Any) -> float:
        """0.0 or 1.0."""
        return float(self.value())


class XYKnob(ArrayKnob):
    """A position."""

    size = 2

    def x(self) -> float:
        """The first component."""
        return float(self.value(0))

    def y(self) -> float:
        """The second component."""
        return float(self.value(1))


class WHKnob(ArrayKnob):
    """A size; one number if both are the same."""

    size = 2

    def _at(self, frame: float, index: int | None) -> Any:
        found = super()._at(frame, index)
        return found[0] if isinstance(found, list) and len(set(found)) == 1 else found


class XYZKnob(ArrayKnob):
    """A position in space."""

    size = 3


class ColorKnob(ArrayKnob):
    """Red, green and blue; one number if all are the same."""

    size = 3

    def _at(self, frame: float, index: int | None) -> Any:
        found = super()._at(frame, index)
        return found[0] if isinstance(found, list) and len(set(found)) == 1 else found


class AColorKnob(ColorKnob):
    """Red, green, blue and alpha; one number if all are the same."""

    size = 4


class BBoxKnob(ArrayKnob):
    """A box: x, y, r, t."""

    size = 4

    def x(self) -> float:
        """Left edge."""
        return float(self.value(0))

    def y(self) -> float:
        """Lower edge."""
        return float(self.value(1))

    def r(self) -> float:
        """Right edge."""
        return float(self.value(2))

    def t(self) -> float:
        """Upper edge."""
        return float(self.value(3))


class MatrixKnob(ArrayKnob):
    """Rows of numbers: 3x3 or 4x4."""

    size = 9

    def read_words(self, words: Sequence[str]) -> None:
        """Braced rows. Raises :class:`KnobValueError`."""
        rows = split_words(value_of(words[0])) if len(words) == 1 else list(words)
        parts: list[Component] = []
        for row in rows:
            parts += read_components([row])
        side = math.isqrt(len(parts)) if parts else 0
        if side * side != len(parts) or side != len(rows):
            raise KnobValueError(f"{self.fullyQualifiedName()}: a matrix has as many rows as columns")
        if self.default_words and len(parts) != self.size:
            raise KnobValueError(f"{self.fullyQualifiedName()} has {self.size} components, not {len(parts)}.")
        self.size = len(parts)
        self._components = parts

    def words(self) -> tuple[str, ...]:
        """A row a line, as Nuke writes it."""
        side = math.isqrt(len(self._components))
        rows = []
        for start in range(0, len(self._components), side):
            text = components_text(self._components[start : start + side])
            rows.append(text if text.startswith("{") else "{" + " ".join([text] * side) + "}")
        return ("{\n     " + "\n     ".join(rows) + "\n   }",)

    def width(self) -> int:
        """How many columns it has."""
        return math.isqrt(len(self._components))

    def height(self) -> int:
        """How many rows it has."""
        return self.width()


class FormatKnob(Knob):
    """An image format; empty stands for the root's."""

    def __init__(self, name: str, label: str | None = None) -> None:
        super().__init__(name, label)
        self._format: Format | None = None

    def read_words(self, words: Sequence[str]) -> None:
        """A name or all numbers. Raises :class:`KnobValueError`."""
        self._format = self._found(" ".join(value_of(word) for word in words))

    def words(self) -> tuple[str, ...]:
        """One quoted word; nothing for the root's format."""
        return () if self._format is None else (word_of(self._format.text()),)

    def value(self) -> Format:
        """The format."""
        self._check("value")
        return self._format or sessions.current().root.format()

    def actualValue(self) -> Format:
        """The format."""
        return self.value()

    def name(self) -> str:
        """The knob's name."""
        return self._name

    def setValue(self, value: Any) -> bool:
        """Set by format or by name. Raises :class:`KnobValueError` for a name that is not there."""
        self._check("setValue")
        found = value if isinstance(value, Format) else self._found(str(value))

        def change() -> None:
            self._format = found

        self._assign(change)
        return True

    def text_at(self, frame: float) -> str:
        """``W H x y r t aspect name``."""
        return self.value().text()

    def _found(self, text: str) -> Format | None:
        if not text:
            return None
        known = sessions.current().formats
        if text in known:
            return known[text]
        made = parse_format(text)
        if made.name():
            known.setdefault(made.name(), made)
        return made
