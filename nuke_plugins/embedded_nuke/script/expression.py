"""Nuke's expression language, the part that recovery scripts use.

Operators, functions and constants after Foundry's user guide, *Expressions*: C's operators, ``^`` and ``**`` for powers,
``? :``, ``min``, ``max``, ``clamp``, ``lerp``, ``step``, ``smoothstep`` … A name with dots is a knob or a value of a node and
is asked of the scope. What is not known is refused, never guessed; ``noise`` and ``random`` are refused, since their
sequence is documented nowhere.

The arithmetic is a table of functions, so the same expression runs on numbers and, with another table, on whole images.
"""

from __future__ import annotations

import math
import re
from typing import Any, Callable, Protocol

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[$A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*)"
    r"|(?P<operator>\*\*|&&|\|\||==|!=|<=|>=|[-+*/%^<>!?:,()=]))"
)
_DEEPEST, _LONGEST = 40, 500
_CONSTANTS = {"pi": math.pi, "e": math.e, "true": 1.0, "false": 0.0}
_BINARY: tuple[tuple[str, ...], ...] = (("||",), ("&&",), ("==", "!="), ("<", ">", "<=", ">="), ("+", "-"), ("*", "/", "%"))


class ExpressionError(ValueError):
    """An expression cannot be read or evaluated; the message quotes it."""


class Scope(Protocol):
    """Where an expression finds what it names."""

    def lookup(self, path: str, at: float | None) -> Any:
        """The number behind a dotted name, at a frame (None: the current one). Raises :class:`ExpressionError`."""


def _divide(a: float, b: float) -> float:
    if b == 0:
        return math.nan if a == 0 else math.copysign(math.inf, a)
    return a / b


def _power(a: float, b: float) -> float:
    try:
        return math.pow(a, b)
    except (ValueError, OverflowError):
        return math.nan


def _safe(function: Callable[[float], float]) -> Callable[[float], float]:
    def guarded(x: float) -> float:
        try:
            return function(x)
        except (ValueError, OverflowError):
            return math.nan

    return guarded


def _rounded(x: float) -> float:
    return math.floor(x + 0.5)


SCALAR: dict[str, Callable[..., Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divide,
    "%": lambda a, b: math.fmod(a, b) if b else math.nan,
    "^": _power,
    "==": lambda a, b: float(a == b),
    "!=": lambda a, b: float(a != b),
    "<": lambda a, b: float(a < b),
    ">": lambda a, b: float(a > b),
    "<=": lambda a, b: float(a <= b),
    ">=": lambda a, b: float(a >= b),
    "&&": lambda a, b: float(bool(a) and bool(b)),
    "||": lambda a, b: float(bool(a) or bool(b)),
    "neg": lambda a: -a,
    "!": lambda a: float(not a),
    "?": lambda c, a, b: a if c else b,
    "abs": abs,
    "fabs": abs,
    "floor": _safe(math.floor),
    "ceil": _safe(math.ceil),
    "int": _safe(math.trunc),
    "trunc": _safe(math.trunc),
    "round": _safe(_rounded),
    "rint": _safe(_rounded),
    "sqrt": _safe(math.sqrt),
    "exp": _safe(math.exp),
    "log": _safe(math.log),
    "log10": _safe(math.log10),
    "sin": _safe(math.sin),
    "cos": _safe(math.cos),
    "tan": _safe(math.tan),
    "asin": _safe(math.asin),
    "acos": _safe(math.acos),
    "atan": math.atan,
    "atan2": math.atan2,
    "sinh": _safe(math.sinh),
    "cosh": _safe(math.cosh),
    "tanh": math.tanh,
    "hypot": math.hypot,
    "degrees": math.degrees,
    "radians": math.radians,
    "pow": _power,
    "fmod": lambda a, b: math.fmod(a, b) if b else math.nan,
    "min": min,
    "max": max,
    "sign": lambda a: float((a > 0) - (a < 0)),
    "isnan": lambda a: float(a != a),
    "isinf": lambda a: float(abs(a) == math.inf),
    "isfinite": lambda a: float(a == a and abs(a) != math.inf),
}
_ARITY = {"min": (1, 99), "max": (1, 99), "clamp": (1, 3), "pow": (2, 2), "fmod": (2, 2), "atan2": (2, 2), "hypot": (2, 2),
          "lerp": (3, 3), "mix": (3, 3), "step": (2, 2), "smoothstep": (3, 3), "pow2": (1, 1)}  # fmt: skip
_DERIVED = frozenset({"clamp", "lerp", "mix", "step", "smoothstep", "pow2"})
FUNCTIONS = frozenset(name for name in SCALAR if name.isalnum() and name != "neg") | _DERIVED
Evaluator = Callable[[Scope, dict[str, Callable[..., Any]]], Any]


class Expression:
    """A parsed expression.

    Raises:
        ExpressionError: the text is no expression.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.names: list[str] = []
        self._tokens = self._split(text)
        self._at = 0
        self._evaluate = self._choice(0)
        if self._at != len(self._tokens):
            raise self._error(f"'{self._tokens[self._at][1]}' is not expected")

    def evaluate(self, scope: Scope, operators: dict[str, Callable[..., Any]] | None = None) -> Any:
        """The value: a number with the default table of operators, whatever another table returns otherwise.

        Raises:
            ExpressionError: the scope does not know a name.
        """
        return self._evaluate(scope, SCALAR if operators is None else operators)

    def _split(self, text: str) -> list[tuple[str, str]]:
        tokens, at = [], 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                raise self._error(f"'{text[at:].strip()[:12]}' cannot be read")
            tokens.append((str(match.lastgroup), match.group(str(match.lastgroup))))
            at = match.end()
        if not tokens:
            raise ExpressionError("The expression is empty.")
        if len(tokens) > _LONGEST:
            raise self._error(f"it has more than {_LONGEST} words")
        return tokens

    def _error(self, message: str) -> ExpressionError:
        return ExpressionError(f"In the expression '{self.text[:80]}': {message}.")

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _take(self, wanted: str) -> None:
        if self._peek() != wanted:
            raise self._error(f"'{wanted}' is missing")
        self._at += 1

    def _choice(self, depth: int) -> Evaluator:
        if depth > _DEEPEST:
            raise self._error("it is nested too deeply")
        condition = self._binary(0, depth)
        if self._peek() != "?":
            return condition
        self._at += 1
        first = self._choice(depth + 1)
        self._take(":")
        second = self._choice(depth + 1)
        return lambda s, o: o["?"](condition(s, o), first(s, o), second(s, o))

    def _binary(self, level: int, depth: int) -> Evaluator:
        if level == len(_BINARY):
            return self._unary(depth)
        left = self._binary(level + 1, depth)
        while self._peek() in _BINARY[level]:
            operator = self._peek()
            self._at += 1
            left = _joined(operator, left, self._binary(level + 1, depth))
        return left

    def _unary(self, depth: int) -> Evaluator:
        signs = []
        while self._peek() in ("-", "+", "!") and self._peek():
            signs.append(self._peek())
            self._at += 1
        value = self._power(depth)
        for sign in reversed(signs):
            if sign != "+":
                value = _applied("neg" if sign == "-" else "!", [value])
        return value

    def _power(self, depth: int) -> Evaluator:
        base = self._atom(depth)
        if self._peek() not in ("^", "**"):
            return base
        self._at += 1
        if depth > _DEEPEST:
            raise self._error("it is nested too deeply")
        return _joined("^", base, self._unary(depth + 1))

    def _atom(self, depth: int) -> Evaluator:
        if self._at == len(self._tokens):
            raise self._error("it ends too early")
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "number":
            number = float(text)
            return lambda s, o: number
        if text == "(":
            inner = self._choice(depth + 1)
            self._take(")")
            return inner
        if kind != "name":
            raise self._error(f"'{text}' is not expected")
        if self._peek() == "(":
            return self._call(text, depth)
        if text in _CONSTANTS:
            constant = _CONSTANTS[text]
            return lambda s, o: constant
        self.names.append(text)
        return lambda s, o: s.lookup(text, None)

    def _call(self, name: str, depth: int) -> Evaluator:
        self._take("(")
        arguments: list[Evaluator] = []
        while self._peek() != ")":
            arguments.append(self._choice(depth + 1))
            if self._peek() != ")":
                self._take(",")
        self._take(")")
        if name in FUNCTIONS:
            low, high = _ARITY.get(name, (1, 1))
            if not low <= len(arguments) <= high:
                raise self._error(f"{name}() got {len(arguments)} arguments")
            return _derived(name, arguments) if name in _DERIVED else _applied(name, arguments)
        if "." not in name and name in ("noise", "random", "fBm", "turbulence"):
            raise self._error(f"{name}() is not known to the stand-in: its sequence is not documented")
        if len(arguments) != 1:
            raise self._error(f"there is no function {name}()")
        at = arguments[0]
        self.names.append(name)
        return lambda s, o: s.lookup(name, float(at(s, o)))


def _joined(operator: str, left: Evaluator, right: Evaluator) -> Evaluator:
    return lambda s, o: o[operator](left(s, o), right(s, o))


def _applied(name: str, arguments: list[Evaluator]) -> Evaluator:
    if name in ("min", "max") and len(arguments) > 2:
        return _applied(name, [_applied(name, arguments[:-1]), arguments[-1]])
    if name in ("min", "max") and len(arguments) == 1:
        return arguments[0]
    return lambda s, o: o[name](*(argument(s, o) for argument in arguments))


def _derived(name: str, arguments: list[Evaluator]) -> Evaluator:
    """Functions that are written with the others, by their definition in the user guide."""

    def run(s: Scope, o: dict[str, Callable[..., Any]]) -> Any:
        a = [argument(s, o) for argument in arguments]
        if name == "clamp":
            low, high = (a[1], a[2]) if len(a) == 3 else (0.0, 1.0)
            return o["min"](o["max"](a[0], low), high)
        if name in ("lerp", "mix"):
            return o["+"](a[0], o["*"](o["-"](a[1], a[0]), a[2]))
        if name == "step":
            return o[">="](a[1], a[0])
        if name == "pow2":
            return o["*"](a[0], a[0])
        t = o["min"](o["max"](o["/"](o["-"](a[2], a[0]), o["-"](a[1], a[0])), 0.0), 1.0)
        return o["*"](o["*"](t, t), o["-"](3.0, o["*"](2.0, t)))

    return run
