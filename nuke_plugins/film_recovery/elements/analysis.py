"""What one element has kept: sharpness, grain, contrast of its layers, colour, flicker; and which of two to use for what."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.contract.errors import InputError
from film_recovery.elements.coherence import FREQUENCY, LOWEST_DETAIL, Detail, judge, tile_powers
from film_recovery.elements.condition import (
    block_densities,
    clipped,
    colour_left,
    density_range,
    flicker,
    grain_sigma,
    to_density,
)
from film_recovery.elements.selection import spread_frames
from film_recovery.elements.shots import shows_something
from film_recovery.elements.spectrum import measure_spectrum
from film_recovery.images.colour import rgb_to_ycbcr
from film_recovery.images.encodings import encode, to_linear
from film_recovery.images.frame import Frame, Window
from film_recovery.images.sequence import Sequence as FrameSequence

CHANNELS = ("red", "green", "blue")
_THUMBNAIL = (96, 54)  # width, height
_SERIES_FRAMES = 24  # frames read for the flicker, over the whole element
_ALIKE = 1.1  # ratio below which two elements count as equal
_CONTRAST = 0.01  # density range; with less there is no picture whose layers could be compared
_MATRIX = "709"
_NEUTRAL = 0.03  # density of a cast that nobody sees
FloatArray = npt.NDArray[np.float32]


@dataclass
class ElementAnalysis:
    """Figures of one element. Everything but ``clipped_*`` and ``colour_spread`` (coded) is density or cycles per pixel.

    Attributes:
        resolution: cycles per pixel, 0 to 0.5, at which the picture's detail sinks into the grain.
        lines: the same in lines per picture height (two lines a cycle).
        detail: root-mean-square coded luma of the picture above 0.1 cycles per pixel, grain taken off.
        spectrum: ``frequency`` (cycles per pixel), ``power`` and ``floor`` (the grain's power) of coded luma.
        grain: standard deviation of density per pixel in red, green, blue.
        density_range: 1st and 99th percentile of density in red, green, blue.
        contrast_kept: each channel's range as a share of the widest one's; 1 where no channel has any.
        colour_spread: how far coded Cb, Cr spread among pixels of like luma.
        cast: density of red, green, blue minus their mean, at low, mid and high density.
        flicker: standard deviation over time in red, green, blue; None with too few frames.
        area: the picture area, pixels of the data window.
    """

    name: str
    frames: list[int]
    area: Window
    resolution: float
    lines: float
    detail: float
    spectrum: dict[str, list[float]]
    grain: list[float]
    density_range: list[list[float]]
    contrast_kept: list[float]
    colour_spread: float
    cast: dict[str, list[float]]
    flicker: list[float] | None
    clipped_low: float
    clipped_high: float

    def to_dict(self) -> dict[str, Any]:
        """For JSON and the report."""
        return {**dataclasses.asdict(self), "colour": self.colour, "sentence": self.sentence()}

    def sentence(self) -> str:
        """The figures in plain words."""
        sharp = f"sharp to {self.resolution:.2f} cycles/px ({self.lines:.0f} lines)"
        parts = [f"{sharp}, the limit of the scan" if self.resolution >= 0.499 else sharp, f"grain {np.mean(self.grain):.3f} D"]
        faded = [
            f"the {name} layer has lost {_share(1.0 - kept)} of its contrast against the {self._widest()} one"
            for name, kept in zip(CHANNELS, self.contrast_kept, strict=True)
            if kept < 0.8
        ]
        parts += faded or ["the three layers have like contrast"]
        parts.append(self._cast_words())
        if self.flicker is not None and max(self.flicker) > 0.008:
            worst = int(np.argmax(self.flicker))
            parts.append(f"flickers by {self.flicker[worst]:.3f} D, most in {CHANNELS[worst]}")
        for share, what in ((self.clipped_low, "at or below black"), (self.clipped_high, "at or above white")):
            if share > 0.02:
                parts.append(f"{100 * share:.0f} % of its pixels are {what}")
        return f"{self.name}: {', '.join(parts)}."

    @property
    def colour(self) -> float:
        """One figure for the colour left: the spread, times the contrast that the weakest layer kept. A layer without contrast
        has no colour to give, however vivid the cast looks that it leaves; and without spread there is none either."""
        return self.colour_spread * min(self.contrast_kept)

    def detail_above(self, frequency: float) -> float:
        """Root-mean-square coded luma of the picture above a frequency in cycles per pixel, by the spectrum."""
        places, power, floor = (np.asarray(self.spectrum[key], np.float64) for key in ("frequency", "power", "floor"))
        parts = np.maximum(power - floor, 0.0) * 2.0 * np.pi * places * (0.5 / len(places))
        return float(np.sqrt(parts[places >= frequency].sum()))

    def take_detail(self, detail: Detail) -> None:
        """Put what neighbouring frames tell about sharpness in the place of what a floor of flat parts told."""
        self.lines = 2.0 * detail.resolution * self.area.height
        self.resolution, self.detail = detail.resolution, detail.detail
        power, floor = detail.power.tolist(), detail.floor.tolist()
        self.spectrum = {"frequency": FREQUENCY.tolist(), "power": power, "floor": floor}

    def _widest(self) -> str:
        return CHANNELS[int(np.argmax(self.contrast_kept))]

    def _cast_words(self) -> str:
        light, dark = (hue_of_cast(self.cast[key]) for key in ("low", "high"))
        if light == dark:
            return f"its average colour is {light}"
        return f"its average colour goes from {light} in the light parts to {dark} in the dark ones"


def _shows(picture: FloatArray, encoding: str) -> bool:
    """As :func:`shows_something` of its thumbnail."""
    small = cv2.resize(np.asarray(encode(picture, encoding), np.float32), _THUMBNAIL, interpolation=cv2.INTER_AREA)
    return shows_something(np.rint(small.clip(0.0, 1.0) * 255.0).astype(np.uint8))


def analyse_element(
    sequence: FrameSequence, frames: Iterable[int], encoding: str, area: Window | None = None
) -> ElementAnalysis:
    """Analyse one element.

    Args:
        sequence: the element.
        frames: a few frames to judge sharpness, grain and colour on. Where the next frame exists, the two tell detail from
            grain (:mod:`film_recovery.elements.coherence`); flicker looks at up to 24 frames of the whole.
        encoding: a name of :mod:`film_recovery.images.encodings`, or ``auto``: ``none`` for coded files, else ``display``.
        area: the picture area in pixels of the data window; None takes the whole frame.

    Raises:
        InputError: no frame is named, the picture area is smaller than 32 pixels, or frames are of several sizes.
        MissingFrameError, UnreadableImageError: a frame is absent or damaged.
    """
    chosen = sorted(set(frames))
    if not chosen:
        raise _nothing_named(sequence.name)
    read = {frame: sequence.read(frame) for frame in chosen}
    if encoding == "auto":
        encoding = "none" if any(frame.is_coded for frame in read.values()) else "display"
    size = read[chosen[0]].rgb.shape[:2]
    pictures = {number: picture_of(frame, size) for number, frame in read.items()}

    def picture(frame: int) -> FloatArray:
        return pictures[frame] if frame in pictures else picture_of(sequence.read(frame), size)

    chosen = [frame for frame in chosen if _shows(_cut(pictures[frame], area), encoding)] or chosen  # leader tells nothing
    pictures = {frame: pictures[frame] for frame in chosen}
    series = []
    for frame in spread_frames(sequence.frames, _SERIES_FRAMES):
        part = _cut(picture(frame), area)
        series.append((_shows(part, encoding), block_densities(to_linear(part, encoding))))
    blocks = [block for is_shown, block in series if is_shown] or [block for _, block in series]
    found = analyse_pictures(
        sequence.name, list(pictures.values()), encoding, area, frames=chosen, blocks=blocks
    )
    there, powers = set(sequence.frames), []
    for frame in chosen:
        if frame + 1 in there:
            pair = [picture(frame), picture(frame + 1)]
            powers.append(tile_powers(*(_coded_luma(_cut(one, area), encoding) for one in pair)))
    detail = judge(powers)
    if detail is not None:
        found.take_detail(detail)
    return found


def picture_of(frame: Frame, size: tuple[int, ...]) -> FloatArray:
    """The pixels to measure of a frame of an element whose frames are of this ``size``, height and width; see
    :meth:`Frame.finite_rgb`. Raises :class:`InputError` for a frame of another size."""
    if frame.rgb.shape[:2] != tuple(size):
        sizes = [f"{width}x{height}" for height, width in (frame.rgb.shape[:2], size)]
        raise InputError(f"{frame.source} is {sizes[0]}, other frames {sizes[1]}; analyse each size as an element of its own.")
    return frame.finite_rgb()


def analyse_pictures(
    name: str,
    pictures: Sequence[FloatArray],
    encoding: str,
    area: Window | None = None,
    *,
    frames: Sequence[int] | None = None,
    blocks: Sequence[FloatArray] | None = None,
) -> ElementAnalysis:
    """Analyse pictures in memory, (H, W, 3) float32 each, working space; ``blocks`` (see ``condition``) serve the flicker.

    Without ``blocks`` the flicker is measured on the pictures themselves, taken as evenly spaced in time.
    """
    if not pictures:
        raise _nothing_named(name)
    cut = [_cut(picture, area) for picture in pictures]
    height, width = min(picture.shape[0] for picture in cut), min(picture.shape[1] for picture in cut)
    if min(height, width) < 32:
        raise InputError(f"The picture area of {name} is {width}x{height}; an analysis needs at least 32 pixels each way.")
    coded = [np.asarray(encode(picture, encoding), np.float32) for picture in cut]
    components = [rgb_to_ycbcr(picture, _MATRIX) for picture in coded]
    densities = [to_density(to_linear(picture, encoding)) for picture in cut]
    spectrum = measure_spectrum([part[..., 0] for part in components])
    ranges = density_range(densities)
    widths = [high - low for low, high in ranges]
    colour = colour_left(densities, [part[..., 1:] for part in components], [part[..., 0] for part in components])
    low, high = clipped(coded)
    series = blocks if blocks is not None else [block_densities(to_linear(picture, encoding)) for picture in cut]
    return ElementAnalysis(
        name=name,
        frames=list(frames) if frames is not None else list(range(1, len(pictures) + 1)),
        area=area or Window(0, 0, pictures[0].shape[1], pictures[0].shape[0]),
        resolution=spectrum.resolution,
        lines=2.0 * spectrum.resolution * height,
        detail=spectrum.detail(),
        spectrum={"frequency": spectrum.frequency.tolist(), "power": spectrum.mean.tolist(), "floor": spectrum.floor.tolist()},
        grain=grain_sigma(densities),
        density_range=ranges,
        contrast_kept=[width / max(widths) for width in widths] if max(widths) > _CONTRAST else [1.0] * 3,
        colour_spread=colour.spread,
        cast=colour.cast,
        flicker=flicker(series),
        clipped_low=low,
        clipped_high=high,
    )


def compare_elements(first: ElementAnalysis, second: ElementAnalysis) -> str:
    """Advice in one or two sentences: which element should be the source and which the reference of each pass."""
    detail = _details_alike(first, second)
    sharper = _better(first, second, *detail)
    richer = _better(first, second, first.colour, second.colour)
    figures = (
        f"detail {detail[0]:.3f} in {first.name} against {detail[1]:.3f} in {second.name}, "
        f"colour {first.colour:.3f} against {second.colour:.3f}"
    )
    if sharper is None and richer is None:
        return f"{first.name} and {second.name} have kept alike ({figures}); one has little to give the other."
    if sharper is None or richer is None:
        better = sharper or richer
        other = second if better is first else first
        assert better is not None
        task, kept = ("spatial", "detail") if richer is None else ("chroma", "colour")
        return (
            f"{better.name} has kept more {kept} and the rest is alike ({figures}); for a {task} pass use {other.name} as the "
            f"source and {better.name} as the reference."
        )
    if sharper is richer:
        other = second if sharper is first else first
        return (
            f"{sharper.name} has kept both more detail and more colour ({figures}); use {other.name} as the source and "
            f"{sharper.name} as the reference of both passes, and only where {sharper.name} is missing or damaged."
        )
    return (
        f"{sharper.name} has kept the detail and {richer.name} the colour ({figures}). For a chroma pass use {sharper.name} as "
        f"the source and {richer.name} as the reference; for a spatial pass use {richer.name} as the source and "
        f"{sharper.name}, or the chroma pass's result, as the reference."
    )


def _nothing_named(name: str) -> InputError:
    return InputError(f"No frame of {name} was named to be analysed; name at least one.")


def hue_of_cast(cast: Sequence[float]) -> str:
    """The colour that a density cast (red, green, blue, minus their mean) lends to a neutral, in words."""
    light = -np.asarray(cast, np.float64)
    if float(np.abs(light).max()) < _NEUTRAL:
        return "neutral"
    angle = np.degrees(np.arctan2(np.sqrt(3.0) * (light[1] - light[2]), 2.0 * light[0] - light[1] - light[2])) % 360.0
    names = ("red", "yellow", "green", "cyan", "blue", "magenta")
    return names[int((angle + 30.0) // 60.0) % 6]


def _coded_luma(picture: FloatArray, encoding: str) -> FloatArray:
    coded = np.asarray(encode(picture, encoding), np.float32)
    return np.ascontiguousarray(rgb_to_ycbcr(coded, _MATRIX)[..., 0], np.float32)


def _details_alike(first: ElementAnalysis, second: ElementAnalysis) -> tuple[float, float]:
    """The detail of both above one frequency per picture height: pixels of a larger scan are smaller."""
    heights = (first.area.height, second.area.height)
    if max(heights) < _ALIKE * min(heights):
        return first.detail, second.detail
    lowest = LOWEST_DETAIL * min(heights)  # cycles per picture height
    return first.detail_above(lowest / heights[0]), second.detail_above(lowest / heights[1])


def _better(first: ElementAnalysis, second: ElementAnalysis, ours: float, theirs: float) -> ElementAnalysis | None:
    if max(ours, theirs) < 1e-4:  # neither has anything
        return None
    ratio = ours / max(theirs, 1e-9)
    if ratio > _ALIKE:
        return first
    return second if ratio < 1.0 / _ALIKE else None


def _share(part: float) -> str:
    words = ((0.25, "a quarter"), (1 / 3, "a third"), (0.5, "half"), (2 / 3, "two thirds"), (0.75, "three quarters"))
    nearest, text = min(words, key=lambda word: abs(word[0] - part))
    return text if abs(nearest - part) < 0.04 else f"{100 * part:.0f} %"


def _cut(picture: FloatArray, area: Window | None) -> FloatArray:
    return picture if area is None else area.cut(picture)
