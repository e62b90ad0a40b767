"""Animation curves as scripts spell them: ``curve x1 0 x10 1``.

The form is Foundry's (NDK developer guide, *Curve serialisation format*): after the expression, mostly the word ``curve``,
and an optional ``i`` or ``I`` come keys, each ``[letter] [letter] [x<frame>] value [s<slope>] [t<slope>] [u<length>]
[v<length>]``. A key without a frame goes on by the step of the last two; the first is then at 0, the second one later. The
letters are ``K`` constant, ``L`` linear, ``S`` smooth, ``R`` Catmull-Rom, ``C`` cubic, and for what lies outside of the keys
``k`` constant and ``l`` linear. ``s`` and ``t`` are the slopes left and right of a key (``s`` alone is both), ``u`` and
``v`` the lengths of its handles, 1 being a third of the span.

Slopes follow Foundry's Python reference, ``nuke.AnimationKey``: linear points at the next key, Catmull-Rom from the key
before to the key after, smooth does so and is held back until no part of the curve leaves the range of the keys beside it,
cubic makes the second derivative continuous; at the first and last key the second derivative is zero.

Assumptions, where these pages leave a choice: a letter holds until the next one; without letters a curve is smooth, and
constant outside; the left slope of a linear key points at the key before, that of a constant key is 0; neighbouring cubic
keys are one natural spline, a single cubic key is as Catmull-Rom; smooth slopes are held back as if handles had length 1.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass, replace

from embedded_nuke.script.words import ScriptSyntaxError, split_words, value_of, word_of

_MODES = ("K", "L", "S", "R", "C")
_OUTSIDE = ("k", "l")
_LONGEST_HANDLE = 3.0  # longer ones would bend the curve back in time


class CurveError(ValueError):
    """The text is not an animation curve."""


@dataclass(frozen=True)
class Key:
    """A key.

    Attributes:
        frame: where it is.
        value: the curve's value there.
        mode: the interpolation letter, see the module.
        slope_in: slope to the left, value per frame; None: by the letter.
        slope_out: slope to the right; None: by the letter.
        outside: ``k`` or ``l``: constant or linear beyond the key, if it is the first or the last.
        reach_in: length of the left handle in thirds of the span, 0 to 3.
        reach_out: length of the right handle.
    """

    frame: float
    value: float
    mode: str = "S"
    slope_in: float | None = None
    slope_out: float | None = None
    outside: str = "k"
    reach_in: float = 1.0
    reach_out: float = 1.0


class Curve:
    """Keys in ascending frames. :meth:`text` gives back the spelling it was read from, or a plain one after a change.

    Attributes:
        keys: the keys.
        expression: the text before them; ``curve`` means that the value is the curve's own. Whoever evaluates a knob
            evaluates another expression, in which ``curve`` is this curve's value.
    """

    def __init__(self, keys: list[Key], text: str | None = None, expression: str = "curve") -> None:
        self.keys = sorted(keys, key=lambda key: key.frame)
        self.expression = expression
        self._text = text
        self._slopes: list[tuple[float, float]] | None = None

    def value(self, frame: float) -> float:
        """The value at a frame, also between whole ones; 0 without any key."""
        if not self.keys:
            return 0.0
        frames = [key.frame for key in self.keys]
        at = bisect.bisect_right(frames, frame)
        if at in (0, len(frames)):
            return self._beyond(frame, at)
        left, right = self.keys[at - 1], self.keys[at]
        if frame == left.frame or (left.mode == "K" and left.slope_out is None):
            return left.value
        span = right.frame - left.frame
        slopes = self._all_slopes()
        t = (frame - left.frame) / span
        if left.reach_out != 1.0 or right.reach_in != 1.0:
            t = _bezier_parameter(t, left.reach_out, right.reach_in)
        handle_out = left.value + slopes[at - 1][1] * span * left.reach_out / 3.0
        handle_in = right.value - slopes[at][0] * span * right.reach_in / 3.0
        u = 1.0 - t
        # Bernstein's form of the cubic; with handles of length 1 it is Hermite's (Farin, Curves and Surfaces for CAGD, ch. 5).
        return u * u * u * left.value + 3.0 * u * u * t * handle_out + 3.0 * u * t * t * handle_in + t * t * t * right.value

    def text(self) -> str:
        """The braced words' content, beginning with the expression."""
        if self._text is not None:
            return self._text
        words, mode, outside = [word_of(self.expression)], "S", "k"
        for key in self.keys:
            if key.mode != mode:
                words.append(key.mode)
                mode = key.mode
            if key.outside != outside:
                words.append(key.outside)
                outside = key.outside
            words += [f"x{number_text(key.frame)}", number_text(key.value)]
            words += _handle_words(key)
        return " ".join(words)

    def with_key(self, frame: float, value: float) -> Curve:
        """The same curve with a key set; a new key is like the one before it, its slopes by the letter."""
        same = next((key for key in self.keys if key.frame == frame), None)
        if same is not None:
            new = replace(same, value=value)
        else:
            before = [key for key in self.keys if key.frame < frame] or self.keys[:1]
            new = Key(frame, value, before[-1].mode, outside=before[-1].outside) if before else Key(frame, value)
        return Curve([*(key for key in self.keys if key.frame != frame), new], None, self.expression)

    def _beyond(self, frame: float, at: int) -> float:
        first = at == 0
        key = self.keys[0 if first else -1]
        if key.outside != "l" or len(self.keys) == 1:
            return key.value
        slope = self._all_slopes()[0][1] if first else self._all_slopes()[-1][0]
        return key.value + slope * (frame - key.frame)

    def _all_slopes(self) -> list[tuple[float, float]]:
        if self._slopes is None:
            self._slopes = _slopes(self.keys)
        return self._slopes


def parse_curve(text: str) -> Curve:
    """Read ``curve …``, or an expression and keys. Raises :class:`CurveError`."""
    try:
        words = split_words(text)
    except ScriptSyntaxError as error:
        raise CurveError(f"'{text[:40]}' is no curve: {error}") from error
    expression = value_of(words[0]) if words else ""
    rest = words[2:] if words[1:2] in (["i"], ["I"]) else words[1:]
    if expression != "curve" and not any(word[:1] == "x" and _is_number(word[1:]) for word in rest):
        raise CurveError(f"'{text[:40]}' is no curve")
    keys = _keys(rest, text)
    if len({key.frame for key in keys}) != len(keys):
        raise CurveError(f"'{text[:40]}' has two keys at one frame")
    return Curve(keys, text, expression)


def number_text(value: float) -> str:
    """A number as scripts spell it: no trailing ``.0``, enough digits to come back the same."""
    return str(int(value)) if abs(value) < 1e15 and value == int(value) else repr(float(value))


def _keys(words: list[str], text: str) -> list[Key]:
    keys: list[Key] = []
    mode, outside, frame, step = "S", "k", 0.0, 1.0
    for word in words:
        if word in _MODES:
            mode = word
        elif word in _OUTSIDE:
            outside = word
        elif word[0] == "x":
            frame = _number(word[1:], text)
        elif word[0] in "stuv":
            if not keys:
                raise CurveError(f"'{word}' in '{text[:40]}' stands before any key")
            keys[-1] = _with_handle(keys[-1], word[0], _number(word[1:], text))
        else:
            if keys:
                step = frame - keys[-1].frame
            keys.append(Key(frame, _number(word, text), mode, outside=outside))
            frame += step
    return keys


def _with_handle(key: Key, letter: str, number: float) -> Key:
    if letter == "s":
        return replace(key, slope_in=number, slope_out=number)
    if letter == "t":
        return replace(key, slope_out=number)
    reach = min(max(number, 0.0), _LONGEST_HANDLE)
    return replace(key, reach_in=reach) if letter == "u" else replace(key, reach_out=reach)


def _handle_words(key: Key) -> list[str]:
    slope_out = None if key.slope_out == key.slope_in else key.slope_out  # s alone is both
    reach_in, reach_out = (None if reach == 1.0 else reach for reach in (key.reach_in, key.reach_out))
    handles = (("s", key.slope_in), ("t", slope_out), ("u", reach_in), ("v", reach_out))
    return [letter + number_text(number) for letter, number in handles if number is not None]


def _slopes(keys: list[Key]) -> list[tuple[float, float]]:
    """Left and right slope of every key."""
    secants = [(b.value - a.value) / (b.frame - a.frame) for a, b in zip(keys, keys[1:])]
    if not secants:
        return [(0.0, 0.0)] * len(keys)
    cubic = _cubic_slopes(keys, secants)
    inner: list[tuple[float, float] | None] = [None] * len(keys)
    for at in range(len(keys)):
        if at in cubic:
            inner[at] = (cubic[at], cubic[at])
        elif 0 < at < len(secants) or keys[at].mode in "KL":
            inner[at] = _slope_by_mode(keys, secants, at)
        inner[at] = _with_own(keys[at], inner[at])
    last = len(keys) - 1
    first_slope, last_slope = inner[0], inner[last]
    if first_slope is None:
        inner[0] = _end_slope(keys[0], secants[0], inner[1][0] if inner[1] else secants[0])
    if last_slope is None:
        before = inner[last - 1]
        inner[last] = _end_slope(keys[last], secants[-1], before[1] if before else secants[-1])
    return [slope or (0.0, 0.0) for slope in inner]


def _with_own(key: Key, computed: tuple[float, float] | None) -> tuple[float, float] | None:
    """The slopes given by hand, where there are any."""
    if key.slope_in is None and key.slope_out is None:
        return computed
    left, right = computed or (key.slope_in or key.slope_out or 0.0,) * 2
    return left if key.slope_in is None else key.slope_in, right if key.slope_out is None else key.slope_out


def _end_slope(key: Key, secant: float, facing: float) -> tuple[float, float]:
    """Slope at the first or last key with a second derivative of 0 there: (3d - m) / 2, from p'' of the cubic at its end."""
    slope = (3.0 * secant - facing) / 2.0
    slope = _held_back(slope, secant, secant) if key.mode == "S" else slope
    return slope, slope


def _slope_by_mode(keys: list[Key], secants: list[float], at: int) -> tuple[float, float]:
    mode = keys[at].mode
    before, after = secants[max(at - 1, 0)], secants[min(at, len(secants) - 1)]
    if mode == "L":
        return before, after
    if mode == "K":
        return 0.0, 0.0
    a, b = keys[at - 1], keys[at + 1]
    slope = (b.value - a.value) / (b.frame - a.frame)
    slope = _held_back(slope, before, after) if mode == "S" else slope
    return slope, slope


def _held_back(slope: float, before: float, after: float) -> float:
    """The slope nearest to ``slope`` whose handles stay between the values of the keys: 0 to 3 times either secant."""
    if before * after <= 0.0:
        return 0.0
    steepest = 3.0 * min(abs(before), abs(after))
    return math.copysign(min(abs(slope), steepest), before) if slope * before > 0.0 else 0.0


def _cubic_slopes(keys: list[Key], secants: list[float]) -> dict[int, float]:
    """Slopes of runs of cubic keys: natural splines (de Boor, A Practical Guide to Splines, ch. IV; Thomas's algorithm)."""
    slopes: dict[int, float] = {}
    start = 0
    while start < len(keys):
        end = start
        while end < len(keys) and keys[end].mode == "C":
            end += 1
        if end - start >= 2:
            widths = [keys[i + 1].frame - keys[i].frame for i in range(start, end - 1)]
            for offset, slope in enumerate(_natural(widths, secants[start : end - 1])):
                slopes[start + offset] = slope
        start = max(end, start + 1)
    return slopes


def _natural(widths: list[float], secants: list[float]) -> list[float]:
    count = len(secants) + 1
    upper, right = [0.5], [1.5 * secants[0]]
    for i in range(1, count):
        if i < count - 1:
            low, diagonal, high = widths[i], 2.0 * (widths[i - 1] + widths[i]), widths[i - 1]
            wanted = 3.0 * (widths[i] * secants[i - 1] + widths[i - 1] * secants[i])
        else:
            low, diagonal, high, wanted = 1.0, 2.0, 0.0, 3.0 * secants[-1]
        pivot = diagonal - low * upper[-1]
        upper.append(high / pivot)
        right.append((wanted - low * right[-1]) / pivot)
    slopes = [right[-1]]
    for i in range(count - 2, -1, -1):
        slopes.append(right[i] - upper[i] * slopes[-1])
    return slopes[::-1]


def _bezier_parameter(t: float, out: float, into: float) -> float:
    """Where a Bézier curve with these handle lengths is at the fraction ``t`` of its span: bisection, x grows with it."""
    a, b = out / 3.0, 1.0 - into / 3.0
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2.0
        u = 1.0 - middle
        x = 3.0 * u * u * middle * a + 3.0 * u * middle * middle * b + middle**3
        low, high = (middle, high) if x < t else (low, middle)
    return (low + high) / 2.0


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


def _number(word: str, text: str) -> float:
    if not _is_number(word) or "_" in word:
        raise CurveError(f"'{word}' in '{text[:40]}' is no finite number")
    return float(word)
