"""Animation curves as scripts spell them: ``curve x1 0 x10 1``.

A key is ``x<frame> value``; a bare value after another takes the next frame. A letter before keys sets how the span after
them is interpolated: ``K`` constant, ``L`` linear, ``C`` Catmull-Rom, ``S`` (and no letter) smooth. Assumption: the letters'
meaning, that smooth tangents never overshoot and point at the neighbour at both ends, and that values stay constant
outside the keys; Nuke documents the form of the text and not these. Slopes (``s``, ``t`` and a number) are kept as text and
set the tangent of the key before them.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass

from embedded_nuke.script.words import split_words

_LETTERS = "KLCSTRHN"


class CurveError(ValueError):
    """The text is not an animation curve."""


@dataclass(frozen=True)
class Key:
    """A key: frame, value, the interpolation letter of the span that follows, and tangents (None: by the letter)."""

    frame: float
    value: float
    mode: str = "S"
    slope_in: float | None = None
    slope_out: float | None = None


class Curve:
    """Keys in ascending frames. :meth:`text` gives back the spelling it was read from, or a plain one after a change."""

    def __init__(self, keys: list[Key], text: str | None = None) -> None:
        self.keys = sorted(keys, key=lambda key: key.frame)
        self._text = text

    def value(self, frame: float) -> float:
        """The value at a frame, also between whole ones; 0 without any key."""
        if not self.keys:
            return 0.0
        frames = [key.frame for key in self.keys]
        at = bisect.bisect_right(frames, frame)
        if at == 0:
            return self.keys[0].value
        if at == len(frames) or self.keys[at - 1].mode == "K":
            return self.keys[at - 1].value
        left, right = self.keys[at - 1], self.keys[at]
        span = right.frame - left.frame
        t = (frame - left.frame) / span
        if left.mode == "L" and left.slope_out is None:
            return left.value + t * (right.value - left.value)
        m0, m1 = self._slope(at - 1, outgoing=True) * span, self._slope(at, outgoing=False) * span
        # Cubic Hermite interpolation (de Boor, A Practical Guide to Splines, ch. IV).
        return (
            (2 * t**3 - 3 * t**2 + 1) * left.value
            + (t**3 - 2 * t**2 + t) * m0
            + (3 * t**2 - 2 * t**3) * right.value
            + (t**3 - t**2) * m1
        )

    def text(self) -> str:
        """The braced words' content, beginning with ``curve``."""
        if self._text is not None:
            return self._text
        words, mode = ["curve"], "S"
        for key in self.keys:
            if key.mode != mode:
                words.append(key.mode)
                mode = key.mode
            words += [f"x{number_text(key.frame)}", number_text(key.value)]
        return " ".join(words)

    def with_key(self, frame: float, value: float) -> Curve:
        """The same curve with a key set."""
        others = [key for key in self.keys if key.frame != frame]
        mode = next((key.mode for key in self.keys if key.frame == frame), self.keys[-1].mode if self.keys else "S")
        return Curve([*others, Key(frame, value, mode)])

    def _slope(self, index: int, outgoing: bool) -> float:
        key = self.keys[index]
        given = key.slope_out if outgoing else key.slope_in
        if given is not None:
            return given
        before = self.keys[index - 1] if index else None
        after = self.keys[index + 1] if index + 1 < len(self.keys) else None
        rise_in = (key.value - before.value) / (key.frame - before.frame) if before else None
        rise_out = (after.value - key.value) / (after.frame - key.frame) if after else None
        if rise_in is None or rise_out is None:
            return rise_out if rise_in is None and rise_out is not None else rise_in or 0.0
        if key.mode == "C" and before and after:
            return (after.value - before.value) / (after.frame - before.frame)
        if rise_in * rise_out <= 0.0:
            return 0.0
        return 2.0 * rise_in * rise_out / (rise_in + rise_out)  # harmonic mean: no overshoot (Fritsch and Butland 1984)


def parse_curve(text: str) -> Curve:
    """Read ``curve …``. Raises :class:`CurveError`."""
    words = split_words(text)
    if not words or words[0] != "curve":
        raise CurveError(f"'{text[:40]}' is no curve")
    keys: list[Key] = []
    mode, frame = "S", 1.0
    for word in words[1:]:
        if word in _LETTERS or word == "i":
            mode = mode if word == "i" else word
            if keys and word != "i":
                keys[-1] = Key(keys[-1].frame, keys[-1].value, keys[-1].mode, keys[-1].slope_in, keys[-1].slope_out)
        elif word[0] == "x":
            frame = _number(word[1:], text)
        elif word[0] in "st" and len(word) > 1 and keys:
            slope, last = _number(word[1:], text), keys[-1]
            keys[-1] = Key(last.frame, last.value, last.mode, slope if word[0] == "s" else last.slope_in, slope)
        elif word[0] in "uv" and len(word) > 1:
            continue  # the length of a handle: it shapes nothing here
        else:
            keys.append(Key(frame, _number(word, text), mode))
            frame += 1.0
    if len({key.frame for key in keys}) != len(keys):
        raise CurveError(f"'{text[:40]}' has two keys at one frame")
    return Curve(keys, text)


def number_text(value: float) -> str:
    """A number as scripts spell it: no trailing ``.0``, enough digits to come back the same."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def _number(word: str, text: str) -> float:
    try:
        number = float(word)
    except ValueError as error:
        raise CurveError(f"'{word}' in '{text[:40]}' is no number") from error
    if number != number or abs(number) == float("inf"):
        raise CurveError(f"'{word}' in '{text[:40]}' is not finite")
    return number
