"""What the simulated elements are made of: every number with its unit in its name or beside it, and two presets.

Densities are base-10 (``D``), of the positive picture as it is seen unless a line says "on the film". Three numbers in a
row are red, green, blue, or the dyes that hold them: cyan, magenta, yellow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Triple = tuple[float, float, float]
Matrix = tuple[Triple, Triple, Triple]

# Absorption of cyan, magenta, yellow (columns) in red, green, blue light (rows). Rows sum to 1, so that equal dyes are
# neutral. The off-diagonal numbers are the unwanted absorptions, of the size usual for chromogenic stocks.
UNWANTED_ABSORPTIONS: Matrix = ((0.90, 0.08, 0.02), (0.12, 0.80, 0.08), (0.06, 0.16, 0.78))


@dataclass(frozen=True)
class Fading:
    """Dark fading: each dye loses a share of what is there, so the contrast of its layer falls (Wallace 1989).

    Attributes:
        kept: share of the cyan, magenta, yellow dye that is left (0..1].
        stain: density on the film that ageing added in red, green, blue light.
        unevenness: how much the fading time varies over the frame, as a share of the whole (peak). A share ``f`` kept
            becomes ``f ** (1 + unevenness * field)``.
    """

    kept: Triple = (1.0, 1.0, 1.0)
    stain: Triple = (0.0, 0.0, 0.0)
    unevenness: float = 0.0


@dataclass(frozen=True)
class Tone:
    """How the element's own laboratory work changed the picture before any ageing, in positive density.

    Attributes:
        contrast: slope of density against the truth's density in red, green, blue, about ``pivot``.
        pivot: density at which the contrast change does nothing.
        printer_light: density added in red, green, blue.
    """

    contrast: Triple = (1.0, 1.0, 1.0)
    pivot: float = 0.75
    printer_light: Triple = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Grain:
    """Independent grain in each dye layer.

    Attributes:
        rms_granularity: 1000 times the standard deviation of the density on the film through a 48 um circle, at density 1.
            Includes the grain printed through from earlier generations. The deviation grows like sqrt(density).
        size_um: standard deviation of the grain's Gaussian correlation kernel, micrometres on the film.
        scanner_noise: standard deviation per pixel of the scanner's own white noise, density on the film.
    """

    rms_granularity: float
    size_um: float = 8.0
    scanner_noise: float = 0.001


@dataclass(frozen=True)
class Flicker:
    """Slow brightness change of whole frames.

    Attributes:
        amplitude: standard deviation over time in red, green, blue, positive density.
        lowest_hz, highest_hz: band of the change.
    """

    amplitude: Triple = (0.0, 0.0, 0.0)
    lowest_hz: float = 0.3
    highest_hz: float = 1.0


@dataclass(frozen=True)
class Steadiness:
    """Where the picture lies in the scan. Pixels are those of a scan 960 wide; other widths scale them.

    Attributes:
        jump_px: standard deviation, x and y, of the position's change from frame to frame (white).
        weave_px: standard deviation, x and y, of the slow position change between ``lowest_hz`` and ``highest_hz``.
        rotation_degrees: largest rotation, reached slowly.
        shrinkage: share by which the film is shorter and narrower than when new.
        warp_px: largest length, in each axis, of a smooth warp that stays the same over the shot.
    """

    jump_px: tuple[float, float] = (0.0, 0.0)
    weave_px: tuple[float, float] = (0.0, 0.0)
    lowest_hz: float = 0.3
    highest_hz: float = 2.0
    rotation_degrees: float = 0.0
    shrinkage: float = 0.0
    warp_px: float = 0.0


@dataclass(frozen=True)
class Dust:
    """Dirt on a positive: it holds the scanner's light back, so it is dark. Lengths are pixels of a scan 960 wide.

    Attributes:
        specks_per_frame, hairs_per_frame: mean counts; each frame draws its own (Poisson).
        speck_radius_px: smallest and largest radius.
        hair_length_px: shortest and longest hair.
        density: density of a speck or hair at its middle.
    """

    specks_per_frame: float = 0.0
    hairs_per_frame: float = 0.0
    speck_radius_px: tuple[float, float] = (0.5, 1.8)
    hair_length_px: tuple[float, float] = (12.0, 45.0)
    density: float = 1.4


@dataclass(frozen=True)
class Scan:
    """How the scanner showed the element.

    Attributes:
        border: share of the scan's width, and of its height, left dark on each side of the picture.
        edge_softness_px: width of the picture's soft edge, pixels of a scan 960 wide.
        corner_radius_px: radius of the picture's round corners, pixels of a scan 960 wide.
        timing: share of the colour cast at ``timed_grey`` that a constant density per channel took away again (0..1).
        timed_grey: the linear grey the scan was timed to; above 1 it was timed to the brightest highlights.
    """

    border: float = 0.015
    edge_softness_px: float = 1.5
    corner_radius_px: float = 9.0
    timing: float = 0.0
    timed_grey: float = 0.18


@dataclass(frozen=True)
class Element:
    """One film element, from the picture on it to its scan.

    Attributes:
        name: file name part, such as ``print``.
        gauge: width of the film, such as ``16mm``; the folder is ``name_gauge``.
        polarity: ``negative`` elements are delivered as an inverted, positive scan.
        picture_width_mm: width of the picture on the film.
        gradient: on a negative, film density per unit of the positive's density.
        toe_density: on a negative, positive density whose exposure leaves no dye; on any element the darkest density.
        stages_lp_mm: frequency, line pairs per mm on this element, at which each stage of the chain passes half of the
            contrast. The stages are taken as Gaussian, so their product is Gaussian too.
        absorptions: density in red, green, blue light (rows) of one unit of cyan, magenta, yellow dye (columns).
    """

    name: str
    gauge: str
    polarity: Literal["positive", "negative"]
    picture_width_mm: float
    stages_lp_mm: tuple[float, ...]
    grain: Grain
    gradient: float = 1.0
    toe_density: float = 3.0
    absorptions: Matrix = UNWANTED_ABSORPTIONS
    tone: Tone = field(default_factory=Tone)
    fading: Fading = field(default_factory=Fading)
    flicker: Flicker = field(default_factory=Flicker)
    steadiness: Steadiness = field(default_factory=Steadiness)
    dust: Dust = field(default_factory=Dust)
    scan: Scan = field(default_factory=Scan)


@dataclass(frozen=True)
class ElementPair:
    """The two elements of one shot.

    Attributes:
        sharp: keeps the detail, lost its colour.
        colourful: keeps the colour, lost its detail.
        missing_share: share of the frames, at the end, that the sharp element lacks.
    """

    sharp: Element
    colourful: Element
    missing_share: float = 0.25


def internegative_35mm(kept: Triple = (0.35, 0.90, 0.60)) -> Element:
    """A faded 35 mm internegative; ``kept`` is the share of each dye left. Scan-limited in detail, fine grain.

    The picture is 20.96 mm wide. Grain: intermediate stocks add little to a camera negative of granularity about 4.
    """
    return Element(
        name="internegative",
        gauge="35mm",
        polarity="negative",
        picture_width_mm=20.96,
        stages_lp_mm=(45.0, 60.0, 60.0, 60.0),
        grain=Grain(rms_granularity=4.0, size_um=6.0, scanner_noise=0.0015),
        gradient=0.38,
        fading=Fading(kept=kept, stain=(0.02, 0.03, 0.06), unevenness=0.03),
        flicker=Flicker(amplitude=(0.005, 0.001, 0.0015)),
        steadiness=Steadiness(jump_px=(0.3, 0.4), weave_px=(0.3, 0.15), rotation_degrees=0.01, shrinkage=0.002, warp_px=0.05),
        scan=Scan(border=0.012, timing=0.98, timed_grey=1.2),
    )


def print_16mm() -> Element:
    """A 16 mm print that kept its colour: soft, grainy, unsteady, a little dirty, printed a little differently.

    The picture is 9.65 mm wide. Grain: a print stock of about 5, and a negative of about 6.5 printed through at a
    gradient of 2.6, and one more duplicate between them, together about 30. Lights and contrast are near the truth's.
    """
    return Element(
        name="print",
        gauge="16mm",
        polarity="positive",
        picture_width_mm=9.65,
        stages_lp_mm=(30.0, 24.0, 30.0, 40.0),
        grain=Grain(rms_granularity=30.0, size_um=9.0, scanner_noise=0.002),
        tone=Tone(contrast=(1.03, 1.02, 1.01), printer_light=(-0.005, 0.005, 0.010)),
        fading=Fading(kept=(0.98, 0.99, 0.985), stain=(0.003, 0.005, 0.008), unevenness=0.0),
        flicker=Flicker(amplitude=(0.003, 0.003, 0.003)),
        steadiness=Steadiness(jump_px=(0.5, 0.8), weave_px=(1.4, 0.6), rotation_degrees=0.05, shrinkage=0.008, warp_px=0.15),
        dust=Dust(specks_per_frame=3.0, hairs_per_frame=0.35),
        scan=Scan(border=0.016),
    )


def default_pair() -> ElementPair:
    """The pair of the demonstration: a faded 35 mm internegative without its last quarter, and a whole 16 mm print."""
    return ElementPair(internegative_35mm(), print_16mm())
