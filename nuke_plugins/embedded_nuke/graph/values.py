"""What a number knob holds: for each component a number, a curve or an expression."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Union

from embedded_nuke.script.curve import Curve, CurveError, number_text, parse_curve
from embedded_nuke.script.expression import Expression, ExpressionError, Scope
from embedded_nuke.script.words import ScriptSyntaxError, split_words, value_of

_HEXADECIMAL = re.compile(r"^0x[0-9a-fA-F]{1,8}$")


class KnobValueError(ValueError):
    """A value does not fit its knob; the message names both."""


@dataclass(frozen=True)
class Formula:
    """An expression as it was typed; parsed when it is first needed, since scripts may hold what the stand-in cannot read."""

    text: str

    def evaluate(self, scope: Scope) -> float:
        """The number it gives. Raises :class:`ExpressionError`."""
        if _HEXADECIMAL.match(self.text):  # colours of nodes; kept as text, so that they are written as they were read
            return float(int(self.text, 16))
        return float(Expression(self.text).evaluate(scope))


Component = Union[float, Curve, Formula]


class _CurveScope:
    """Names in an expression before keys: ``curve`` is the value of the keys, ``curve(frame)`` that at another frame."""

    def __init__(self, curve: Curve, frame: float, scope: Scope) -> None:
        self._curve = curve
        self._frame = frame
        self._scope = scope

    def lookup(self, path: str, at: float | None) -> float:
        """See :class:`embedded_nuke.script.expression.Scope`."""
        if path in ("curve", "value", "y"):
            return self._curve.value(self._frame if at is None else at)
        if path == "x" and at is None:
            return self._frame
        return float(self._scope.lookup(path, at))


def component_at(component: Component, frame: float, scope: Scope) -> float:
    """The number of a component at a frame. Raises :class:`ExpressionError`."""
    if isinstance(component, Curve):
        if component.expression == "curve":
            return component.value(frame)
        return float(Expression(component.expression).evaluate(_CurveScope(component, frame, scope)))
    if isinstance(component, Formula):
        return component.evaluate(scope)
    return component


def read_components(words: Sequence[str]) -> list[Component]:
    """Components from a knob's raw words: one word, or several for the old spelling without braces.

    Raises:
        KnobValueError: a word is neither number, curve nor expression.
    """
    if len(words) == 1 and words[0].startswith("{"):
        words = _split(value_of(words[0]))
    if not words:
        raise KnobValueError("there is no value")
    return [_component(word) for word in words]


def components_text(components: Sequence[Component]) -> str:
    """The raw word that scripts hold for these components."""
    if len(components) == 1 and isinstance(components[0], Formula) and _HEXADECIMAL.match(components[0].text):
        return components[0].text
    words = [_spelled(component) for component in components]
    if all(isinstance(component, float) for component in components) and len(set(words)) == 1:
        return words[0]
    return "{" + " ".join(words) + "}"


def _component(word: str) -> Component:
    number = _number(word)
    if number is not None:
        return number
    text = value_of(word).strip()
    if word.startswith("{"):
        try:
            return parse_curve(text)
        except CurveError as error:
            if text.split(None, 1)[:1] == ["curve"]:
                raise KnobValueError(str(error)) from error
    inner = _split(text) if word.startswith("{") else [word]
    if len(inner) == 2 and inner[1] == "i":  # typed into a linked knob
        inner = inner[:1]
    if len(inner) != 1:
        return Formula(text)
    return Formula(value_of(inner[0]))


def _split(text: str) -> list[str]:
    try:
        return split_words(text)
    except ScriptSyntaxError as error:
        raise KnobValueError(str(error)) from error


def _number(word: str) -> float | None:
    if word in ("true", "false"):
        return 1.0 if word == "true" else 0.0
    try:
        return float(word) if word[:1] in "+-.0123456789" else None
    except ValueError:
        return None


def _spelled(component: Component) -> str:
    if isinstance(component, Curve):
        return "{" + component.text() + "}"
    if isinstance(component, Formula):
        text = component.text
        plain = text and not any(letter in text for letter in ' "{}[]$\\;')
        return "{" + (text if plain else '"' + _escaped(text) + '"') + "}"
    return number_text(component)


def _escaped(text: str) -> str:
    return "".join("\\" + letter if letter in '"\\[]{}$' else letter for letter in text)


__all__ = ["Component", "ExpressionError", "Formula", "KnobValueError", "component_at", "components_text", "read_components"]
