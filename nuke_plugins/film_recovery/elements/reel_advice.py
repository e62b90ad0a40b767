"""What two elements mean for each other: which shot is which, which element leads where, what lengths and fading say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from film_recovery.elements.analysis import compare_elements
from film_recovery.elements.dyes import DYES, FloatArray, dyes_kept
from film_recovery.elements.reel import ReelAnalysis, ShotAnalysis
from film_recovery.elements.shots import levelled, likeness

_SAME_SHOT = 0.74  # likeness of thumbnails above which two shots show the same
_SEARCHED = 4  # shots of the other element looked at closely
_SPED_UP = 25.0 / 24.0
_TOLERANCE = 0.004


@dataclass(frozen=True)
class ShotAdvice:
    """For shot ``first`` (from 0) of the first element: the shot of the second that shows the same, or None; the advice; the
    shares of cyan, magenta, yellow that the more faded element kept of its best kept dye, measured against the other one (None
    for that other one, or where unknown)."""

    first: int
    second: int | None
    advice: str | None
    kept_first: list[float] | None
    kept_second: list[float] | None


def advise_shots(first: ReelAnalysis, second: ReelAnalysis) -> list[ShotAdvice]:
    """Partners and advice for every shot of the first element. Shots that are mirrored or framed very differently find no
    partner here; the command ``match`` finds them."""
    found, looks = [], [_looks(second, shot) for shot in second.shots]
    for number, shot in enumerate(first.shots):
        partner = _partner(_looks(first, shot), looks)
        if partner is None:
            found.append(ShotAdvice(number, None, None, None, None))
            continue
        other = second.shots[partner]
        a, b = np.asarray(shot.dyes), np.asarray(other.dyes)
        advice = compare_elements(shot.element(), other.element())
        # Two elements tell only how their dyes compare; the one whose own dyes are further apart is taken to have faded.
        first_faded = _weakest(a) <= _weakest(b)
        found.append(
            ShotAdvice(
                number, partner, advice, dyes_kept(a, b) if first_faded else None, None if first_faded else dyes_kept(b, a)
            )
        )
    return found


def different_roles(advice: list[ShotAdvice]) -> list[int]:
    """Shots (from 0) whose advice gives other roles than most shots' does; figures left out of the comparison."""
    roles = {entry.first: _roles(entry.advice) for entry in advice if entry.advice is not None}
    if not roles:
        return []
    kinds = list(roles.values())
    usual = max(set(kinds), key=kinds.count)
    return [number for number, kind in roles.items() if kind != usual]


def length_hint(first: ReelAnalysis, second: ReelAnalysis) -> str | None:
    """A sentence where lengths and rates look as if one element ran at another speed; None where they say nothing.

    It is a hint: a lost or added stretch of 4 % looks the same.
    """
    counts = [len(reel.survey.frames) for reel in (first, second)]
    if min(counts) < 200:
        return None
    for a, b, i, j in ((first, second, 0, 1), (second, first, 1, 0)):
        if a.fps and b.fps and abs(b.fps / a.fps - _SPED_UP) < _TOLERANCE and abs(counts[i] / counts[j] - 1.0) < _TOLERANCE:
            return f"{b.name} has as many frames as {a.name} but {b.fps:g} a second, not {a.fps:g}: it runs 4 % faster."
        if abs(counts[j] / counts[i] - _SPED_UP) < _TOLERANCE:
            return (
                f"{b.name} has 25 frames where {a.name} has 24. Either every 24th frame was repeated, or 4 % are missing in "
                f"{a.name}; the command match tells."
            )
    return None


def fading_sentence(name: str, kept: list[float] | None) -> str | None:
    """What an element kept of its dyes against the other one, in words; None where it is unknown or hardly anything is lost."""
    if kept is None or min(kept) > 0.85:
        return None
    best = DYES[int(np.argmax(kept))]
    lost = [f"{100 * share:.0f} % of the {dye}" for dye, share in zip(DYES, kept, strict=True) if share < 0.85]
    return f"Measured against the other element, {name} has kept {' and '.join(lost)} dye, if all of the {best}."


def usual_shares(shares: list[list[float] | None]) -> list[float] | None:
    """The median over shots, brought to a largest share of 1 again; None when no shot knows."""
    known = [entry for entry in shares if entry is not None]
    if not known:
        return None
    middle = np.median(np.asarray(known), axis=0)
    return [float(value) for value in middle / max(float(middle.max()), 1e-6)]


def _weakest(quantiles: FloatArray) -> float:
    kept = dyes_kept(quantiles)
    return min(kept) if kept else 1.0


def _roles(advice: str | None) -> str:
    return "" if advice is None else advice.split(" (detail ")[0]


def _looks(reel: ReelAnalysis, shot: ShotAnalysis) -> FloatArray:
    """Three frames of a shot, (3, 54, 96), see :func:`levelled`."""
    return np.stack([levelled(reel.survey.thumbnails[index], reel.inside) for index in _three(shot)])


def _partner(here: FloatArray, looks: list[FloatArray]) -> int | None:
    """The shot, of which ``looks`` are, that shows what is seen ``here``."""
    scores = [float((here.reshape(3, -1) @ there.reshape(3, -1).T).max()) for there in looks]
    close = []
    for number in sorted(range(len(looks)), key=lambda number: -scores[number])[:_SEARCHED]:
        close.append((max(likeness(a, b) for a in here for b in looks[number]), number))
    best, number = max(close)
    return number if best >= _SAME_SHOT else None


def _three(shot: ShotAnalysis) -> list[int]:
    length = shot.stop - shot.start
    return [shot.start + length // 6, shot.start + length // 2, shot.stop - 1 - length // 6]
