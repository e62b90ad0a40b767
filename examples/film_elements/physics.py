"""The physics of film elements as plain functions on NumPy arrays; no state, no files.

Pictures are float32, shape (H, W, 3), red, green, blue. ``D`` is base-10 density, ``T`` linear light with white near 1.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt
from scipy.special import i0e, i1e

FloatArray = npt.NDArray[np.float32]

_LN10 = math.log(10.0)
_CIRCLE_UM = 48.0  # aperture of the RMS granularity standard (ISO 10505)


def density(linear: FloatArray, darkest: float) -> FloatArray:
    """``D = -log10(T)``, float32, with ``T`` floored so that ``D`` never passes ``darkest``."""
    return np.asarray(cv2.log(np.maximum(linear, np.float32(10.0**-darkest))) * np.float32(-1.0 / _LN10), np.float32)


def transmittance(densities: FloatArray) -> FloatArray:
    """``T = 10 ** -D``, float32, same shape."""
    return np.asarray(cv2.exp(densities * np.float32(-_LN10)), np.float32)


def fade_matrix(absorptions: npt.ArrayLike, kept: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """``A diag(f) A^-1``: what fading does to film densities, 3x3. ``D' = fade_matrix @ D + stain``."""
    a = np.asarray(absorptions, np.float64)
    return np.asarray(a @ np.diag(np.asarray(kept, np.float64)) @ np.linalg.inv(a))


def fade(
    densities: FloatArray,
    absorptions: npt.ArrayLike,
    kept: npt.ArrayLike,
    stain: npt.ArrayLike,
    field: FloatArray | None = None,
) -> FloatArray:
    """Film densities after dark fading.

    Args:
        densities: (H, W, 3), film density, base density taken off.
        absorptions: 3x3, density per unit of dye.
        kept: share of cyan, magenta, yellow dye left.
        stain: density added in red, green, blue light.
        field: (H, W), relative deviation of the fading time, 0 for none; None for even fading.
    """
    shift = np.asarray(stain, np.float64)[:, None]
    if field is None:
        return transform(densities, np.hstack([fade_matrix(absorptions, kept), shift]))
    a = np.asarray(absorptions, np.float64)
    shares = np.asarray(kept, np.float32)
    dyes = transform(densities, np.linalg.inv(a))
    # f ** (1 + e) = f * exp(e ln f); e is a few per cent.
    dyes *= shares * cv2.exp(field[..., None] * np.log(shares))
    return transform(dyes, np.hstack([a, shift]))


def transform(picture: FloatArray, matrix: npt.NDArray[np.floating]) -> FloatArray:
    """Apply a 3x3 or, with an offset in the last column, a 3x4 matrix to every pixel."""
    return np.asarray(cv2.transform(picture, matrix.astype(np.float32)), np.float32)


def pixel_pitch_um(picture_width_mm: float, picture_width_px: float) -> float:
    """Size on the film of one pixel of the scan, micrometres."""
    return 1000.0 * picture_width_mm / picture_width_px


def chain_half_frequency(stages_lp_mm: tuple[float, ...]) -> float:
    """Frequency (lp/mm) at which a chain of Gaussian stages passes half: ``1/f^2 = sum 1/f_i^2``."""
    return 1.0 / math.sqrt(sum(1.0 / stage**2 for stage in stages_lp_mm))


def blur_kernel(half_cycles_px: float) -> npt.NDArray[np.float64]:
    """Symmetric 1-D kernel whose frequency response is the Gaussian that is 1/2 at ``half_cycles_px`` (cycles per pixel).

    The kernel is the inverse Fourier transform over the scan's band, so the response holds even for blurs far below a
    pixel, where a sampled Gaussian does not.
    """
    sigma = math.sqrt(math.log(2.0) / 2.0) / (math.pi * half_cycles_px)
    radius = max(4, math.ceil(4.0 * sigma))
    frequency = (np.arange(4096) + 0.5) / 8192.0
    response = np.exp(-2.0 * (math.pi * sigma * frequency) ** 2)
    taps = np.arange(radius + 1)
    half = 2.0 * (response * np.cos(2.0 * math.pi * np.outer(taps, frequency))).sum(axis=1) / 8192.0
    kernel = np.concatenate([half[:0:-1], half])
    return np.asarray(kernel / kernel.sum())


def blur(picture: FloatArray, kernel: npt.NDArray[np.float64]) -> FloatArray:
    """Filter both axes with a 1-D kernel; edges replicated."""
    return np.asarray(cv2.sepFilter2D(picture, cv2.CV_32F, kernel, kernel, borderType=cv2.BORDER_REPLICATE), np.float32)


def pixel_granularity(rms_granularity: float, pitch_um: float) -> float:
    """Standard deviation of density of one pixel at density 1, by Selwyn's law (deviation times sqrt(area) is constant).

    ``rms_granularity`` is 1000 times the deviation through a 48 um circle.
    """
    circle = math.sqrt(math.pi) * _CIRCLE_UM / 2.0
    return rms_granularity / 1000.0 * circle / pitch_um


def grain_correction(size_um: float) -> float:
    """By how much the deviation must rise so that the 48 um circle still sees the rated granularity of coarse grain.

    Selwyn's law is that of a grain much smaller than the circle. For white noise through a Gaussian kernel of standard
    deviation ``s`` the circle of radius ``R`` sees ``1 - exp(-z) (I0(z) + I1(z))`` of the variance, ``z = R^2 / 2 s^2``
    (Weber's integral of ``J1^2(x) exp(-p^2 x^2) / x``).
    """
    if size_um <= 0.0:
        return 1.0
    z = (_CIRCLE_UM / 2.0 / size_um) ** 2 / 2.0
    return float(1.0 / math.sqrt(1.0 - i0e(z) - i1e(z)))


def grain(densities: FloatArray, sigma: float, size_px: float, generator: np.random.Generator) -> FloatArray:
    """Grain to add to film densities, independent in each layer.

    Args:
        densities: (H, W, 3) film densities.
        sigma: deviation of the white noise at density 1, per pixel.
        size_px: standard deviation of the Gaussian kernel that then correlates it. The kernel sums to 1, so an aperture
            much larger than the grain sees the deviation of ``sigma``, and single pixels less.
    """
    noise = generator.standard_normal(densities.shape, dtype=np.float32)
    if size_px > 0.05:
        taps = np.arange(-math.ceil(3.0 * size_px) - 1, math.ceil(3.0 * size_px) + 2)
        edges = np.array([math.erf((t - 0.5) / (size_px * math.sqrt(2.0))) for t in (*taps, taps[-1] + 1)])
        kernel = np.diff(edges)
        kernel /= kernel.sum()
        noise = np.asarray(cv2.sepFilter2D(noise, cv2.CV_32F, kernel, kernel, borderType=cv2.BORDER_REFLECT_101), np.float32)
    noise *= np.sqrt(np.maximum(densities, 0.0))
    noise *= np.float32(sigma)
    return noise


def slow_change(seconds: float, lowest_hz: float, highest_hz: float, generator: np.random.Generator) -> float:
    """A smooth random function of time with mean 0 and standard deviation 1, evaluated at one moment.

    A sum of six sines spread over the band; ``generator`` must be in the same state for every moment of one shot.
    """
    count = 6
    edges = np.linspace(lowest_hz, highest_hz, count + 1)
    frequencies = edges[:-1] + generator.random(count) * np.diff(edges)
    phases = generator.random(count) * 2.0 * math.pi
    return float(np.sin(2.0 * math.pi * frequencies * seconds + phases).sum() * math.sqrt(2.0 / count))


def slow_field(height: int, width: int, generator: np.random.Generator) -> FloatArray:
    """A smooth random field over the frame, (H, W), mean 0, largest absolute value 1."""
    coarse = generator.standard_normal((5, 7)).astype(np.float32)
    field = cv2.GaussianBlur(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), (0, 0), width / 24.0)
    field = field - field.mean()
    return np.asarray(field / np.abs(field).max(), np.float32)


def warp_field(height: int, width: int, coefficients: npt.NDArray[np.float64]) -> FloatArray:
    """Displacement, (H, W, 2), x and y, px: Legendre ``P2(u)``, ``u v``, ``P2(v)`` times ``coefficients`` (2x3).

    ``u``, ``v`` run from -1 to 1 over the picture. These terms are free of shift, scale, rotation and shear.
    """
    u = np.linspace(-1.0, 1.0, width, dtype=np.float32)[None, :]
    v = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None]
    field = np.empty((height, width, 2), np.float32)
    for axis, (across, twist, down) in enumerate(coefficients.astype(np.float32)):
        field[..., axis] = (across * (1.5 * u * u - 0.5) + down * (1.5 * v * v - 0.5)) + (twist * u) * v
    return field


def affine(size: tuple[int, int], scale: float, degrees: float, shift: tuple[float, float]) -> npt.NDArray[np.float64]:
    """2x3 matrix from truth pixels to element pixels: scale and turn about the middle, then shift. Pixel centres are
    whole numbers; ``size`` is (width, height) of both."""
    centre = (np.array(size, np.float64) - 1.0) / 2.0
    angle = math.radians(degrees)
    turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return np.hstack([turn, (centre + np.asarray(shift) - turn @ centre)[:, None]])


def invert_affine(matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The inverse 2x3 matrix."""
    turn = np.linalg.inv(matrix[:, :2])
    return np.hstack([turn, -(turn @ matrix[:, 2:])])


def frame_mask(size: tuple[int, int], softness_px: float, corner_px: float) -> FloatArray:
    """How much of the light passes the frame's aperture, (H, W), 0..1: a rectangle with soft edges and round corners."""
    width, height = size
    x = np.abs(np.arange(width) - (width - 1) / 2.0)[None, :] - (width / 2.0 - softness_px - corner_px)
    y = np.abs(np.arange(height) - (height - 1) / 2.0)[:, None] - (height / 2.0 - softness_px - corner_px)
    outside = np.hypot(np.maximum(x, 0.0), np.maximum(y, 0.0)) + np.minimum(np.maximum(x, y), 0.0) - corner_px
    ramp = np.clip(0.5 - outside / (2.0 * softness_px), 0.0, 1.0)
    return np.asarray(ramp * ramp * (3.0 - 2.0 * ramp), np.float32)


def dust_density(
    size: tuple[int, int],
    specks: list[tuple[float, float, float]],
    hairs: list[list[tuple[float, float]]],
    peak: float,
    softness_px: float,
) -> FloatArray:
    """Density of dirt, (H, W).

    Args:
        specks: (x, y, radius) px.
        hairs: points of each hair, (x, y) px.
        peak: density where dirt covers a pixel wholly.
        softness_px: blur of the dirt, px.
    """
    mask = np.zeros((size[1], size[0]), np.uint8)
    for x, y, radius in specks:
        centre = (round(x * 16), round(y * 16))
        cv2.circle(mask, centre, max(round(radius * 16), 8), 255, -1, cv2.LINE_AA, 4)
    for points in hairs:
        line = np.round(np.array(points) * 16).astype(np.int32)[:, None]
        cv2.polylines(mask, [line], False, 200, 1, cv2.LINE_AA, 4)
    return np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), softness_px) * np.float32(peak / 255.0), np.float32)
