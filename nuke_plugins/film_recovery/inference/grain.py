"""Grain on a spatial recovery. No model can foretell the reference's grain; what is recovered has some of the source's left.

``source`` puts the source's own grain back as far as it was lost: the source less the recovered luma as blurred as the source
is, which is grain where the recovery is true, filtered to what is missing. With a the share of the grain's amplitude that the
recovery still has and H the blur, it is ``(1 - a) / (1 - H a)`` of it. ``reference`` adds grain that is made up: noise with the
spectrum of the reference's grain, less what the recovery still has (little, once it has been averaged, see ``degrain``),
stronger and weaker with luma as the reference's is; where the recovery is the grainier of the two it adds none. The header
names which it was.

Either changes luma alone, by adding the same to red, green and blue of the coded picture: Cb and Cr stay as they are.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from film_recovery.contract.card import ModelCard
from film_recovery.contract.errors import UsageError
from film_recovery.images.colour import luma
from film_recovery.images.encodings import decode, encode

TREATMENTS = ("recovered", "source", "reference")
_GRID, _TAPS = 64, 15  # frequencies a side at which the spectrum is taken, and side of the filter, pixels
_NO_GRAIN, _LEAST = 1e-12, 0.05  # power of coded luma that no picture shows; keeps a quotient of two small numbers small
_SEED = 0x66696C6D
_LEVEL_BLUR = 2.0  # pixels: the level that sets the strength shall not be the grain's own
FloatArray = npt.NDArray[np.float32]


def check_grain(card: ModelCard, treatment: str) -> None:
    """Raise :class:`UsageError` when the model cannot do what is asked."""
    if treatment not in TREATMENTS:
        raise UsageError(f"Unknown grain '{treatment}'; choose one of {', '.join(TREATMENTS)}.")
    if treatment == "recovered":
        return
    if card.task != "spatial":
        raise UsageError(f"Only a spatial recovery can be given grain; this model is for {card.task}. Leave --grain out.")
    if not card.grain:
        raise UsageError("This model's card does not tell of grain; train it again, or leave --grain out.")
    if treatment == "source" and card.balance is not None:
        raise UsageError("This model balances the source, so that its grain is another's; choose --grain reference.")


def with_grain(
    recovered: FloatArray, source: FloatArray, card: ModelCard, treatment: str, frame: int, left: float = 1.0
) -> FloatArray:
    """A recovered picture with the grain asked for, (H, W, 3), working space, any range; a pure function of its arguments.

    ``treatment`` has passed :func:`check_grain`. ``left`` is the share of the power of the recovery's grain that averaging has
    left; so much more is missing of the reference's. The grain of ``reference`` depends on the frame's number alone, so that
    chunks and repeated runs give the same bits, and two frames never the same grain.
    """
    if treatment == "recovered":
        return recovered
    coded = np.asarray(encode(recovered, card.encoding), np.float32)
    bright = np.asarray(luma(coded, card.matrix), np.float32)
    if treatment == "source":
        ours = np.asarray(luma(encode(source, card.encoding), card.matrix), np.float32)
        change = _put_back(ours - _blurred(bright, card.grain["softness"][0]), card)
    else:
        change = _made(bright, card, frame, left)
    return np.asarray(decode(coded + change[..., None], card.encoding), np.float32)


def _put_back(grain: FloatArray, card: ModelCard) -> FloatArray:
    frequency, source, recovered = (np.asarray(card.grain[name], np.float64) for name in ("frequency", "source", "recovered"))
    left = np.sqrt(np.clip(recovered / np.maximum(source, _NO_GRAIN), 0.0, 1.0))
    blur = np.exp(-2.0 * (np.pi * card.grain["softness"][0] * frequency) ** 2)
    share = (1.0 - left) / np.maximum(1.0 - blur * left, _LEAST)
    return np.asarray(cv2.filter2D(grain, cv2.CV_32F, _kernel(frequency, share), borderType=cv2.BORDER_REFLECT), np.float32)


def _made(bright: FloatArray, card: ModelCard, frame: int, left: float) -> FloatArray:
    grain = {name: np.asarray(values, np.float64) for name, values in card.grain.items()}
    missing = np.maximum(grain["reference"] - left * grain["recovered"], 0.0)
    random = np.random.Generator(np.random.Philox(key=[_SEED, frame & 0xFFFFFFFFFFFFFFFF]))
    white = random.standard_normal(bright.shape, dtype=np.float32)
    noise = cv2.filter2D(white, cv2.CV_32F, grain_kernel(grain["frequency"], missing), borderType=cv2.BORDER_REFLECT)
    strength = np.interp(_blurred(bright, _LEVEL_BLUR), grain["level"], grain["strength"])
    return np.asarray(noise * strength, np.float32)


def grain_kernel(frequency: npt.NDArray[np.float64], power: npt.NDArray[np.float64]) -> FloatArray:
    """The filter, (15, 15), that gives white noise of variance 1 this radial power spectrum."""
    return _kernel(frequency, np.sqrt(power))


def _kernel(frequency: npt.NDArray[np.float64], response: npt.NDArray[np.float64]) -> FloatArray:
    """The symmetric filter, (15, 15), with this radial frequency response, its ends tapered so that it does not ring."""
    axis = np.fft.fftfreq(_GRID)
    wanted = np.interp(np.hypot(axis[:, None], axis[None]), frequency, response)
    middle = slice(_GRID // 2 - _TAPS // 2, _GRID // 2 + _TAPS // 2 + 1)
    taper = np.hanning(_TAPS + 2)[1:-1] ** 0.5
    return np.asarray(np.fft.fftshift(np.fft.ifft2(wanted).real)[middle, middle] * taper[:, None] * taper, np.float32)


def _blurred(picture: FloatArray, sigma: float) -> FloatArray:
    if sigma <= 0.0:
        return picture
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.float32)
