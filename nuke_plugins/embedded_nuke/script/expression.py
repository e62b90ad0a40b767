"""Nuke's expression language, the part that recovery scripts use.

Operators, functions and constants after Foundry's user guide, *Adding mathematical functions to expressions*, and the Tcl
reference, *Expressions*: C's operators, ``^`` and ``**`` for powers, ``? :``, ``min``, ``clamp``, ``lerp``, ``inrange`` …
A name with dots is a knob or a value of a node and is asked of the scope, and so is ``name(frame)``. What is not known is
refused, never guessed, with the reason for the functions of the guide that are missing (:data:`REFUSED`).

The arithmetic is a table of functions, so the same expression runs on numbers and, with another table, on whole images.
Numbers behave as C's doubles: no error for 1/0 or log(0), but infinities and NaN.
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
_CONSTANTS = {"pi": math.pi, "PI": math.pi, "true": 1.0, "false": 0.0}
_BINARY: tuple[tuple[str, ...], ...] = (("||",), ("&&",), ("==", "!="), ("<", ">", "<=", ">="), ("+", "-"), ("*", "/", "%"))


class ExpressionError(ValueError):
    """An expression cannot be read or evaluated; the message quotes it."""


class Scope(Protocol):
    """Where an expression finds what it names."""

    def lookup(self, path: str, at: float | None) -> Any:
        """The number behind a dotted name, at a frame (None: the current one). Raises :class:`ExpressionError`."""


def _divide(a: float, b: float) -> float:
    if b == 0:
        return math.nan if a == 0 or a != a else math.copysign(math.inf, a)
    return a / b


def _power(a: float, b: float) -> float:
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0 and math.fmod(b, 2.0) else math.inf
    except ValueError:
        return math.inf if a == 0 else math.nan  # 0 to a negative power, or a root of a negative number


def _remainder(a: float, b: float) -> float:
    return math.nan if b == 0 or math.isinf(a) else math.fmod(a, b)


def _c(function: Callable[[float], float], overflow: float = math.inf) -> Callable[[float], float]:
    """A function of Python's that raises where C's gives NaN or an infinity."""

    def guarded(x: float) -> float:
        try:
            return function(x)
        except OverflowError:
            return overflow
        except ValueError:
            return math.nan

    return guarded


def _logarithm(function: Callable[[float], float]) -> Callable[[float], float]:
    return lambda x: -math.inf if x == 0 else _c(function)(x)


def _whole(function: Callable[[float], float]) -> Callable[[float], float]:
    """A rounding function; infinities and NaN stay what they are, and the result is a float of any size."""
    return lambda x: float(function(x)) if math.isfinite(x) else x


def _rounded(x: float) -> float:
    return math.floor(x + 0.5)


SCALAR: dict[str, Callable[..., Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divide,
    "%": _remainder,
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
    "floor": _whole(math.floor),
    "ceil": _whole(math.ceil),
    "int": _whole(math.trunc),
    "trunc": _whole(math.trunc),
    "round": _whole(_rounded),
    "rint": _whole(_rounded),
    "sqrt": _c(math.sqrt),
    "exp": _c(math.exp),
    "log": _logarithm(math.log),
    "log10": _logarithm(math.log10),
    "sin": _c(math.sin),
    "cos": _c(math.cos),
    "tan": _c(math.tan),
    "asin": _c(math.asin),
    "acos": _c(math.acos),
    "atan": math.atan,
    "atan2": math.atan2,
    "sinh": lambda x: _c(math.sinh, math.copysign(math.inf, x))(x),
    "cosh": _c(math.cosh),
    "tanh": math.tanh,
    "hypot": math.hypot,
    "degrees": math.degrees,
    "radians": math.radians,
    "pow": _power,
    "fmod": _remainder,
    "min": min,
    "max": max,
    "sign": lambda a: float((a > 0) - (a < 0)),
    "isnan": lambda a: float(a != a),
    "isinf": lambda a: float(abs(a) == math.inf),
    "isfinite": lambda a: float(a == a and abs(a) != math.inf),
}
_ARITY = {"min": (1, 99), "max": (1, 99), "clamp": (1, 3), "pow": (2, 2), "fmod": (2, 2), "atan2": (2, 2), "hypot": (2, 2),
          "lerp": (3, 3), "mix": (3, 3), "step": (2, 2), "smoothstep": (3, 3), "pow2": (1, 1), "ldexp": (2, 2),
          "equal": (2, 99), "inrange": (3, 99)}  # fmt: skip
_DERIVED = frozenset({"clamp", "lerp", "mix", "step", "smoothstep", "pow2", "ldexp", "equal", "inrange"})
FUNCTIONS = frozenset(name for name in SCALAR if name.isalnum() and name != "neg") | _DERIVED
_SEQUENCE = "its sequence is not documented"
_LUT = "it depends on the script's lookup tables"
_EXPONENT = "which of C's conventions it follows is not documented"
#: Functions of the guide that are refused, and why.
REFUSED = {"noise": _SEQUENCE, "random": _SEQUENCE, "fBm": _SEQUENCE, "turbulence": _SEQUENCE, "from_byte": _LUT,
           "from_sRGB": _LUT, "from_rec709f": _LUT, "to_byte": _LUT, "to_sRGB": _LUT, "to_rec709f": _LUT, "exponent": _EXPONENT,
           "mantissa": _EXPONENT, "logb": _EXPONENT, "integral": "it needs the animation of the knob",
           "normalize": "it works on vectors", "invert": "it works on vectors"}  # fmt: skip
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
        try:
            return self._evaluate(scope, SCALAR if operators is None else operators)
        except RecursionError as error:
            raise self._error("too many links follow each other") from error

    def _split(self, text: str) -> list[tuple[str, str]]:
        tokens: list[tuple[str, str]] = []
        at = 0
        text = text.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise self._error(f"'{text[at : at + 40].strip()[:12]}' cannot be read")
            if len(tokens) == _LONGEST:
                raise self._error(f"it has more than {_LONGEST} words")
            tokens.append((str(match.lastgroup), match.group(str(match.lastgroup))))
            at = match.end()
        if not tokens:
            raise ExpressionError("The expression is empty.")
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
        first = self._binary(level + 1, depth)
        rest: list[tuple[str, Evaluator]] = []
        while self._peek() in _BINARY[level]:
            operator = self._peek()
            self._at += 1
            rest.append((operator, self._binary(level + 1, depth)))
        return _chain(first, rest) if rest else first

    def _unary(self, depth: int) -> Evaluator:
        signs = []
        while self._peek() in ("-", "+", "!") and self._peek():
            signs.append(self._peek())
            self._at += 1
        value = self._power(depth)
        names = ["neg" if sign == "-" else "!" for sign in reversed(signs) if sign != "+"]
        return _signed(names, value) if names else value

    def _power(self, depth: int) -> Evaluator:
        base = self._atom(depth)
        if self._peek() not in ("^", "**"):
            return base
        self._at += 1
        if depth > _DEEPEST:
            raise self._error("it is nested too deeply")
        return _applied("^", [base, self._unary(depth + 1)])

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
            if name == "inrange" and len(arguments) % 2 == 0:
                raise self._error("inrange() needs pairs of first and last after its first argument")
            return _derived(name, arguments) if name in _DERIVED else _applied(name, arguments)
        if name in REFUSED:
            raise self._error(f"{name}() is not known to the stand-in: {REFUSED[name]}")
        if not arguments and name in _CONSTANTS:
            constant = _CONSTANTS[name]
            return lambda s, o: constant
        if not arguments:  # frame(), curve()
            self.names.append(name)
            return lambda s, o: s.lookup(name, None)
        if len(arguments) != 1:
            raise self._error(f"there is no function {name}()")
        at = arguments[0]
        self.names.append(name)
        return lambda s, o: s.lookup(name, float(at(s, o)))


def _chain(first: Evaluator, rest: list[tuple[str, Evaluator]]) -> Evaluator:
    """Operators of one rank from left to right; a loop, so that a long sum is no deep one."""

    def run(s: Scope, o: dict[str, Callable[..., Any]]) -> Any:
        value = first(s, o)
        for operator, operand in rest:
            value = o[operator](value, operand(s, o))
        return value

    return run


def _signed(names: list[str], operand: Evaluator) -> Evaluator:
    def run(s: Scope, o: dict[str, Callable[..., Any]]) -> Any:
        value = operand(s, o)
        for name in names:
            value = o[name](value)
        return value

    return run


def _applied(name: str, arguments: list[Evaluator]) -> Evaluator:
    if name in ("min", "max"):
        return _chain(arguments[0], [(name, argument) for argument in arguments[1:]])
    return lambda s, o: o[name](*[argument(s, o) for argument in arguments])


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
        if name == "ldexp":
            return o["*"](a[0], o["^"](2.0, a[1]))
        if name == "equal":
            return _any(o, [o["=="](a[0], other) for other in a[1:]])
        if name == "inrange":  # pairs of first and last, both inside
            return _any(o, [o["&&"](o[">="](a[0], a[i]), o["<="](a[0], a[i + 1])) for i in range(1, len(a), 2)])
        t = o["min"](o["max"](o["/"](o["-"](a[2], a[0]), o["-"](a[1], a[0])), 0.0), 1.0)
        return o["*"](o["*"](t, t), o["-"](3.0, o["*"](2.0, t)))

    return run


def _any(o: dict[str, Callable[..., Any]], values: list[Any]) -> Any:
    found = values[0]
    for value in values[1:]:
        found = o["||"](found, value)
    return found
