"""From one frame of truth to the scan of one film element, with its exact geometry.

The order is that of the film's life: the picture is put in its place and loses detail, becomes dye with grain, ages, and is
scanned. Whatever is random is drawn from (seed, element, frame), so a frame is the same whichever others are made.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from film_elements import physics
from film_elements.parameters import Element
from film_elements.physics import FloatArray

_REFERENCE_WIDTH = 960.0  # the pixels that the parameters speak of
_EVERY_FRAME = -1


@dataclass(frozen=True)
class Geometry:
    """Where truth and element meet in one frame.

    An element pixel ``p`` shows the truth at ``inverse(matrix) p + warp(p)``.

    Attributes:
        matrix: 2x3 float64, truth pixels to element pixels; pixel centres are whole numbers.
        warp: 2x3 float64 coefficients of :func:`physics.warp_field`, truth pixels; the same in all frames of a shot.
    """

    matrix: npt.NDArray[np.float64]
    warp: npt.NDArray[np.float64]

    def truth_positions(self, height: int, width: int) -> FloatArray:
        """For every element pixel the truth position it shows, (H, W, 2), x and y, px."""
        inverse = physics.invert_affine(self.matrix).astype(np.float32)
        x = np.arange(width, dtype=np.float32)[None, :]
        y = np.arange(height, dtype=np.float32)[:, None]
        positions = physics.warp_field(height, width, self.warp)
        for axis in (0, 1):
            positions[..., axis] += inverse[axis, 0] * x + (inverse[axis, 1] * y + inverse[axis, 2])
        return positions

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"matrix": self.matrix.tolist(), "warp": self.warp.tolist()}


@dataclass(frozen=True)
class ElementFrame:
    """One scanned frame.

    Attributes:
        scan: linear RGB, float32 (H, W, 3), the element as scanned.
        truth: the same, of the unharmed picture in this element's geometry and frame edge: the yardstick.
        picture: float32 (H, W), 0..1, how much of the picture (not the border) each pixel holds.
        geometry: where each pixel comes from.
    """

    scan: FloatArray
    truth: FloatArray
    picture: FloatArray
    geometry: Geometry


class ElementSimulator:
    """Makes the frames of one element.

    Args:
        element: what it is.
        size: (width, height) of the truth and of the scan, px.
        seed: with the element's name and the frame number it decides everything random.
        fps: frames per second, for what changes slowly.
    """

    def __init__(self, element: Element, size: tuple[int, int], seed: int, fps: float = 25.0) -> None:
        self.element = element
        self.size = size
        self.seed = seed
        self.fps = fps
        self._pixels = size[0] / _REFERENCE_WIDTH

    @property
    def picture_width_px(self) -> float:
        """Width of the picture in the scan when the film is new."""
        return self.size[0] * (1.0 - 2.0 * self.element.scan.border)

    @property
    def pitch_um(self) -> float:
        """Size of a pixel on the film, micrometres."""
        return physics.pixel_pitch_um(self.element.picture_width_mm, self.picture_width_px)

    @property
    def half_cycles_px(self) -> float:
        """Spatial frequency, cycles per pixel, at which the element passes half of the contrast."""
        return physics.chain_half_frequency(self.element.stages_lp_mm) * self.pitch_um / 1000.0

    @property
    def grain_sigma(self) -> float:
        """Deviation of density on the film per pixel at density 1, before the grain's kernel, such that the 48 um circle
        measures the rated granularity."""
        grain = self.element.grain
        return physics.pixel_granularity(grain.rms_granularity, self.pitch_um) * physics.grain_correction(grain.size_um)

    def geometry(self, frame: int) -> Geometry:
        """The exact geometry of one frame."""
        steady = self.element.steadiness
        jump = self._random("jump", frame).standard_normal(2) * steady.jump_px
        weave = [self._slow(f"weave {axis}", frame, steady.lowest_hz, steady.highest_hz) for axis in "xy"]
        shift = (jump + np.array(weave) * steady.weave_px) * self._pixels
        turn = steady.rotation_degrees * float(np.tanh(self._slow("rotation", frame, steady.lowest_hz, steady.highest_hz)))
        scale = (1.0 - 2.0 * self.element.scan.border) * (1.0 - steady.shrinkage)
        return Geometry(physics.affine(self.size, scale, turn, (float(shift[0]), float(shift[1]))), self._warp)

    def truth(self, frame_rgb: FloatArray, frame: int) -> FloatArray:
        """The truth in this element's geometry and frame edge, nothing else done to it."""
        picture, mask, _ = self._place(frame_rgb, frame)
        return picture * mask[..., None]

    def simulate(self, frame_rgb: FloatArray, frame: int) -> ElementFrame:
        """Scan one frame.

        Args:
            frame_rgb: the truth, linear Rec.709 RGB, float32 (height, width, 3), white near 1.
            frame: its number, which also seeds what is random in it.
        """
        placed, mask, geometry = self._place(frame_rgb, frame)
        film = self._film_density(physics.blur(placed, self._blur_kernel), frame)
        seen = self._seen_density(film, frame)
        seen += self._dust(frame)[..., None]
        scan = physics.transmittance(seen)
        scan *= mask[..., None]
        placed *= mask[..., None]
        return ElementFrame(scan, placed, mask, geometry)

    def faded_density(self, truth_density: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """The formula without chance: seen density of a flat patch with this truth density, (..., 3) float64.

        Blur, grain, flicker, dust, uneven fading and the frame edge are left out.
        """
        film = self._to_film(np.asarray(truth_density, np.float64))
        fading = self.element.fading
        aged = film @ physics.fade_matrix(self.element.absorptions, fading.kept).T + fading.stain
        return self._to_seen(aged) + self.timing_offset

    @cached_property
    def timing_offset(self) -> npt.NDArray[np.float64]:
        """Density per channel by which the scan was timed: takes a share of the cast at one grey away, and all of its
        change in brightness."""
        scan, fading = self.element.scan, self.element.fading
        if scan.timing == 0.0:
            return np.zeros(3)
        grey = np.full(3, -np.log10(scan.timed_grey))
        aged = self._to_film(grey) @ physics.fade_matrix(self.element.absorptions, fading.kept).T + fading.stain
        shift = self._to_seen(aged) - grey
        luma = float(shift @ np.array([0.2126, 0.7152, 0.0722]))
        return np.asarray(-(luma + scan.timing * (shift - luma)))

    def _to_film(self, seen: npt.NDArray[Any]) -> npt.NDArray[Any]:
        element = self.element
        slope, light = np.array(element.tone.contrast), np.array(element.tone.printer_light)
        toned = (seen - element.tone.pivot) * slope + (element.tone.pivot + light)
        return np.asarray(element.gradient * (element.toe_density - toned) if element.polarity == "negative" else toned)

    def _to_seen(self, film: npt.NDArray[Any]) -> npt.NDArray[Any]:
        element = self.element
        return element.toe_density - film / element.gradient if element.polarity == "negative" else film

    def _film_density(self, picture: FloatArray, frame: int) -> FloatArray:
        """Density on the film, grain included, before ageing."""
        slope = (self._to_film(np.ones(3)) - self._to_film(np.zeros(3)))[:, None] * np.eye(3)
        start = self._to_film(np.zeros(3))[:, None]
        film = physics.transform(physics.density(picture, self.element.toe_density), np.hstack([slope, start]))
        film += physics.grain(film, self.grain_sigma, self.element.grain.size_um / self.pitch_um, self._random("grain", frame))
        return film

    def _seen_density(self, film: FloatArray, frame: int) -> FloatArray:
        """Aged, scanned and, for a negative, inverted."""
        element = self.element
        aged = physics.fade(film, element.absorptions, element.fading.kept, element.fading.stain, self._fade_field)
        if element.grain.scanner_noise:
            noise = self._random("scanner", frame).standard_normal(aged.shape, dtype=np.float32)
            aged += noise * np.float32(element.grain.scanner_noise)
        flicker = [self._slow(f"flicker {c}", frame, element.flicker.lowest_hz, element.flicker.highest_hz) for c in "rgb"]
        shift = self.timing_offset + np.array(flicker) * element.flicker.amplitude
        factor, start = 1.0, 0.0
        if element.polarity == "negative":
            factor, start = -1.0 / element.gradient, element.toe_density
        aged *= np.float32(factor)
        aged += (start + shift).astype(np.float32)
        return aged

    def _place(self, frame_rgb: FloatArray, frame: int) -> tuple[FloatArray, FloatArray, Geometry]:
        """The truth resampled into the scan, the frame edge there, and the geometry."""
        geometry = self.geometry(frame)
        width, height = self.size
        x, y = cv2.split(geometry.truth_positions(height, width))
        picture = cv2.remap(frame_rgb, x, y, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE)
        mask = cv2.warpAffine(self._frame_mask, geometry.matrix, (width, height), flags=cv2.INTER_LINEAR)
        # Lanczos rings below 0 beside hard edges; light cannot.
        return np.maximum(np.asarray(picture, np.float32), 0.0), np.asarray(mask, np.float32), geometry

    def _dust(self, frame: int) -> FloatArray:
        dust, chance = self.element.dust, self._random("dust", frame)
        specks = []
        for _ in range(chance.poisson(dust.specks_per_frame)):
            x, y = chance.random(2) * self.size
            specks.append((float(x), float(y), float(chance.uniform(*dust.speck_radius_px)) * self._pixels))
        hairs = []
        for _ in range(chance.poisson(dust.hairs_per_frame)):
            start, angle, bend = chance.random(2) * self.size, chance.random() * 2.0 * np.pi, chance.normal(0.0, 0.12)
            step = chance.uniform(*dust.hair_length_px) * self._pixels / 12.0
            angles = angle + bend * np.arange(12) + 0.08 * chance.standard_normal(12)
            steps = step * np.stack([np.cos(angles), np.sin(angles)], axis=1)
            hairs.append([(float(x), float(y)) for x, y in start + np.cumsum(steps, axis=0)])
        if not specks and not hairs:
            return np.zeros((self.size[1], self.size[0]), np.float32)
        return physics.dust_density(self.size, specks, hairs, dust.density, max(0.6 * self._pixels, 0.3))

    def _slow(self, what: str, frame: int, lowest_hz: float, highest_hz: float) -> float:
        return physics.slow_change(frame / self.fps, lowest_hz, highest_hz, self._random(what, _EVERY_FRAME))

    def _random(self, what: str, frame: int) -> np.random.Generator:
        """The source of chance for one purpose in one frame (or, with a negative number, in the whole shot)."""
        words = [self.seed, zlib.crc32(self.element.name.encode()), zlib.crc32(what.encode()), frame + 1]
        return np.random.Generator(np.random.SFC64(np.random.SeedSequence(words)))

    @cached_property
    def _blur_kernel(self) -> npt.NDArray[np.float64]:
        return physics.blur_kernel(self.half_cycles_px)

    @cached_property
    def _frame_mask(self) -> FloatArray:
        scan = self.element.scan
        return physics.frame_mask(self.size, scan.edge_softness_px * self._pixels, scan.corner_radius_px * self._pixels)

    @cached_property
    def _fade_field(self) -> FloatArray | None:
        if self.element.fading.unevenness == 0.0:
            return None
        field = physics.slow_field(self.size[1], self.size[0], self._random("fading", _EVERY_FRAME))
        return field * np.float32(self.element.fading.unevenness)

    @cached_property
    def _warp(self) -> npt.NDArray[np.float64]:
        coefficients = self._random("warp", _EVERY_FRAME).uniform(-1.0, 1.0, (2, 3))
        if self.element.steadiness.warp_px == 0.0:
            return np.zeros((2, 3))
        largest = np.abs(physics.warp_field(65, 65, coefficients)).max(axis=(0, 1))
        return np.asarray(coefficients * (self.element.steadiness.warp_px * self._pixels / largest)[:, None])
