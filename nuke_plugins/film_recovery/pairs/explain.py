"""Colours in words, and what a pair adds in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from film_recovery.images.colour import ycbcr_to_rgb
from film_recovery.pairs.coverage import Coverage
from film_recovery.pairs.looks import Looks

_GREY, _MUTED, _VIVID = 0.07, 0.16, 0.45  # largest minus smallest of coded R, G, B
_GREYS = ((0.10, "blacks"), (0.28, "dark greys"), (0.60, "greys"), (0.85, "light greys"), (9.0, "whites"))
_HUES = (
    (15, "reds"), (45, "oranges"), (68, "yellows"), (165, "greens"), (200, "cyans"), (255, "blues"), (295, "violets"),
    (345, "pinks"), (361, "reds"),
)  # fmt: skip
_DARK, _BRIGHT = 0.25, 0.62  # coded luma
_WORTH_SAYING = 0.008  # of the scope's picture
_MOST_WORDS = 3
FloatArray = npt.NDArray[np.float64]


def name_colour(ycbcr: Sequence[float] | npt.NDArray[np.float32]) -> str:
    """A coded Y, Cb, Cr (BT.709) in words, such as ``dark muted greens``."""
    red, green, blue = (float(value) for value in ycbcr_to_rgb(np.asarray([ycbcr], np.float32), "709")[0])
    luma, chroma = float(ycbcr[0]), max(red, green, blue) - min(red, green, blue)
    if chroma < _GREY:
        return next(name for limit, name in _GREYS if luma < limit)
    hue = _hue(red, green, blue)
    name = next(name for limit, name in _HUES if hue < limit)
    if name in ("oranges", "yellows") and luma < 0.45:
        name = "browns"
    elif name in ("oranges", "reds") and luma >= 0.45 and chroma < 0.4:
        return "skin tones" if luma < _BRIGHT else "bright skin tones"
    strength = "muted" if chroma < _MUTED else "vivid" if chroma > _VIVID else ""
    tone = "dark" if luma < _DARK else "bright" if luma > _BRIGHT else ""
    return " ".join(word for word in (tone, strength, name) if word)


def _hue(red: float, green: float, blue: float) -> float:
    """Degrees on the six-sided colour circle, 0 red, 120 green."""
    highest, lowest = max(red, green, blue), min(red, green, blue)
    size = highest - lowest
    if highest == red:
        return 60.0 * ((green - blue) / size) % 360.0
    if highest == green:
        return 60.0 * ((blue - red) / size + 2.0)
    return 60.0 * ((red - green) / size + 4.0)


class Words:
    """Says what pairs of a scope hold, in words."""

    def __init__(self, looks: Looks, coverage: Coverage, frames: Sequence[int]) -> None:
        self._looks, self._coverage, self._frames = looks, coverage, frames
        names = [name_colour(looks.shown[look]) for look in coverage.present]
        self._names = sorted(set(names))
        member = [[name == one for one in names] for name in self._names]  # of a scope of which nothing can be read, nothing
        self._member = np.array(member, bool).reshape(len(self._names), len(names))

    def adds(self, row: int, before: Sequence[int]) -> list[str]:
        """What the row brings that the rows before it lacked: at most three colours, then what is extreme about it."""
        gain = self._coverage.held([*before, row]) - self._coverage.held(before)
        brought = self._member @ (self._coverage.mass * gain)
        order = [int(index) for index in np.argsort(-brought, kind="stable")[:_MOST_WORDS]]
        worth = [index for index in order if brought[index] >= _WORTH_SAYING]
        said = [f"{self._names[index]} ({brought[index]:.0%} of the scope)" for index in worth]
        said += self._extremes(row, before)
        if not said:
            has = self._member @ self._looks.shares[row][self._coverage.present]
            said = ["more of " + " and ".join(self._names[int(index)] for index in np.argsort(-has, kind="stable")[:2])]
        return said

    def most(self, row: int, weights: FloatArray) -> str:
        """The colour of which a row has most, its looks weighted (L,)."""
        amount = self._member @ (self._looks.shares[row][self._coverage.present] * weights)
        return self._names[int(np.argmax(amount))]

    def _extremes(self, row: int, before: Sequence[int]) -> list[str]:
        if not before:
            return []
        found = []
        luma, spread = self._looks.shown[:, 0], np.hypot(self._looks.shown[:, 1], self._looks.shown[:, 2])
        for values, sign, margin, words in (
            (luma, 1.0, 0.04, "brightest so far"), (luma, -1.0, 0.03, "darkest so far"),
            (spread, 1.0, 0.03, "most saturated so far"),
        ):  # fmt: skip
            here, there = (self._extreme(row, values, sign), [self._extreme(one, values, sign) for one in before])
            if sign * here > max(sign * one for one in there) + margin:
                found.append(words)
        if self._looks.textures[row] > 1.15 * max(float(self._looks.textures[one]) for one in before):
            found.append("finest texture so far")
        return found

    def _extreme(self, row: int, values: npt.NDArray[np.float32], sign: float) -> float:
        """The highest (or lowest) value that at least half a percent of the frame reaches."""
        shares = self._looks.shares[row]
        order = np.argsort(-sign * values, kind="stable")
        reached = np.cumsum(shares[order]) >= 0.005
        return float(values[order[int(np.argmax(reached))]])

    def uncovered(self, chosen: Sequence[int], scope: Sequence[int]) -> list[str]:
        """Colours of the scope that no chosen row holds, most first, with the frame that has most of them."""
        held = self._coverage.held(chosen)
        lacking = self._coverage.mass * (1.0 - held)
        missing = self._member @ lacking
        said = []
        for index in (int(index) for index in np.argsort(-missing, kind="stable")[:_MOST_WORDS]):
            if missing[index] < _WORTH_SAYING:
                break
            looks = self._coverage.present[self._member[index]]
            weight = (1.0 - held)[self._member[index]]
            best = max(scope, key=lambda row: float(self._looks.shares[row][looks] @ weight))
            said.append(f"{self._names[index]} ({missing[index]:.1%} of the picture, most in frame {self._frames[best]})")
        return said
