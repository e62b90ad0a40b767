"""What a thorough analysis leaves behind: ``analysis.json``, read by both programs. Frames are the numbers of the files."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from film_recovery.contract.records import load_entries, load_record, save_record

ANALYSIS_SCHEMA = "film-recovery/analysis"
VERSION = 2


@dataclass(frozen=True)
class ShotFigures:
    """One shot of an element: ``start`` and ``stop`` count its frames from 0, ``first`` and ``last`` are frame numbers.

    ``looked_at`` are the frames whose full pictures ``figures`` rest on; ``figures`` has the fields of
    :class:`ElementFigures` from ``resolution`` to ``clipped_high``, and the same units. ``dyes`` are quantiles of the density
    of three dyes. ``movement`` is what a run of consecutive pictures tells: ``frames``, ``unsteadiness`` (x, y in pixels),
    ``path`` (frame, x, y), ``dark_specks`` and ``bright_specks`` a frame, ``combed`` (share of the pictures), None where
    unknown. ``repeats`` are frames that show the one before, ``period`` and ``cadence`` the rhythm in which they come.
    ``flags`` say in words what a person should look at.
    """

    start: int
    stop: int
    first: int
    last: int
    looked_at: list[int]
    figures: dict[str, Any]
    dyes: list[list[float]]
    movement: dict[str, Any]
    repeats: list[int]
    period: int | None
    cadence: str | None
    flags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ElementFigures:
    """One element: medians over its shots.

    ``frames`` are the first and the last, ``count`` how many there are, ``missing`` those between that no file has, as a frame
    range, ``broken`` those that cannot be read, with the reason. ``size`` is [width, height], ``area`` the picture in it (x, y,
    width, height). ``resolution`` is in cycles per pixel (0 to 0.5), ``lines`` the same in lines per picture height;
    ``detail``, ``colour_spread`` and ``colour`` are coded; ``grain``, ``density_range``, ``cast`` and ``flicker`` are
    densities of red, green, blue; ``contrast_kept`` shares of the widest layer's; ``clipped_low`` and ``clipped_high`` shares
    of the pixels.
    ``sentence`` says it in words and begins with ``name``.
    """

    name: str
    sentence: str
    frames: list[int]
    count: int
    size: list[int]
    area: dict[str, int]
    fps: float | None
    missing: str
    broken: dict[str, str]
    looked_at: list[int]
    resolution: float
    lines: float
    detail: float
    spectrum: dict[str, list[float]]
    grain: list[float]
    density_range: list[list[float]]
    contrast_kept: list[float]
    colour_spread: float
    colour: float
    cast: dict[str, list[float]]
    flicker: list[float] | None
    clipped_low: float
    clipped_high: float
    shots: list[ShotFigures]


@dataclass(frozen=True)
class ShotPair:
    """Shot ``first`` (from 0) of the first element and the shot of the second that shows the same, or None; which should lead
    in which pass; and what each kept of its cyan, magenta and yellow dye against the other, shares, None where unknown."""

    first: int
    second: int | None
    advice: str | None
    kept_first: list[float] | None
    kept_second: list[float] | None


@dataclass(frozen=True)
class AnalysisRecord:
    """``analysis.json``: one element or two; with two the ``advice`` which should lead in which pass, the same for every shot
    of the first in ``shots``, and further ``notes``, sentences for a person."""

    elements: list[ElementFigures]
    advice: str | None = None
    notes: list[str] = field(default_factory=list)
    shots: list[ShotPair] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write the record, whole or not at all."""
        save_record(path, self, ANALYSIS_SCHEMA, VERSION)


def load_analysis(path: Path) -> AnalysisRecord:
    """Read ``analysis.json``. Raises :class:`InputError` when it is absent, damaged or of another version."""
    record = load_record(path, AnalysisRecord, ANALYSIS_SCHEMA, VERSION)
    elements = [
        dataclasses.replace(element, shots=load_entries(ShotFigures, element.shots, path, "shot"))
        for element in load_entries(ElementFigures, record.elements, path, "element")
    ]
    return dataclasses.replace(record, elements=elements, shots=load_entries(ShotPair, record.shots, path, "pair of shots"))
