"""What a report may hold. Everything but the title is optional: a demo, a single run and a project fill in what they have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from film_recovery.review.verdict import MethodScore

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.float32]


@dataclass(frozen=True)
class Picture:
    """A display-coded picture, (H, W, 3), uint8 or float 0..1. ``lossless`` keeps enlarged pixels free of JPEG."""

    pixels: Pixels
    caption: str
    lossless: bool = False


@dataclass(frozen=True)
class Chart:
    """A matplotlib figure and the sentence that explains it."""

    figure: Figure
    caption: str


@dataclass(frozen=True)
class BeforeAfter:
    """Two display-coded pictures of one size under a slider; in print they stand side by side."""

    before: Pixels
    after: Pixels
    before_label: str
    after_label: str
    caption: str


@dataclass(frozen=True)
class ElementFigures:
    """One element: its name (``35 mm internegative``), its role (``source of the chroma pass``), figures as (name, value)."""

    name: str
    role: str
    figures: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class PairLine:
    """One training pair: frame, ``training`` or ``held out``, why it was chosen, alignment residual in pixels if known."""

    frame: int
    use: str
    reason: str = ""
    residual_px: float | None = None


@dataclass(frozen=True)
class ScoreTable:
    """Methods measured on the same frames; with a ``result`` among them the report adds the verdict.

    ``against`` is the word for what they were measured against, ``where`` says which frames and which domain.
    """

    title: str
    scores: Sequence[MethodScore]
    where: str
    against: str = "the truth"


@dataclass(frozen=True)
class FindingLine:
    """What a training found out about itself: a short name, what was found, what to do, whether it is a ``warning`` or a
    ``note``, and the picture that shows it."""

    name: str
    sentence: str
    advice: str
    severity: str = "warning"
    picture: Picture | None = None


@dataclass
class ReportData:
    """The report, section by section, in the order in which it is printed; empty sections are left out.

    Attributes:
        title, subtitle: the film and what was recovered, such as ``Big Buck Bunny, combined recovery``.
        summary: one or two sentences: what was recovered from what.
        facts: a few short (name, value) for the head: frames, size, duration.
        hero: the N-way comparison that opens the report.
        source: the faded source; source_note: what is wrong with it, in words.
        elements, element_charts: analysis.
        pairs, contact_sheet: the training set.
        training_facts, training_charts, warnings, findings: how training went.
        before_after: one or more sliders.
        comparisons: N-way stills, enlarged detail, differences.
        tables: one per part of the film that is judged by itself.
        shot_charts: figures over the shot.
        not_judged: what could not be judged and why, one sentence each.
        provenance: (name, value) lines.
        made_with: versions, one line.
    """

    title: str
    subtitle: str = ""
    summary: str = ""
    facts: Sequence[tuple[str, str]] = ()
    hero: Picture | None = None
    source: Picture | None = None
    source_note: str = ""
    elements: Sequence[ElementFigures] = ()
    element_charts: Sequence[Chart] = ()
    pairs: Sequence[PairLine] = ()
    contact_sheet: Picture | None = None
    training_facts: Sequence[tuple[str, str]] = ()
    training_charts: Sequence[Chart] = ()
    warnings: Sequence[str] = ()
    findings: Sequence[FindingLine] = ()
    before_after: Sequence[BeforeAfter] = ()
    comparisons: Sequence[Picture] = ()
    tables: Sequence[ScoreTable] = ()
    shot_charts: Sequence[Chart] = ()
    not_judged: Sequence[str] = ()
    provenance: Sequence[tuple[str, str]] = ()
    made_with: str = ""
