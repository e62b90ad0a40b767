"""The merge modes against the formulas of the W3C, written out as they stand there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from film_recovery.images.colour import luma, rgb_to_ycbcr
from film_recovery.images.encodings import encode
from film_recovery.project.merge import merge

FloatArray = npt.NDArray[np.float32]


def w3c_lum(colour: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return (colour * weights).sum(axis=-1, keepdims=True)


def w3c_set_lum(
    colour: npt.NDArray[np.float64], lum: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """SetLum without ClipColor (Compositing and Blending Level 1, section 10.2)."""
    d = lum - w3c_lum(colour, weights)
    return colour + d


@pytest.fixture
def pair(photograph: FloatArray, portrait: FloatArray) -> tuple[FloatArray, FloatArray]:
    return photograph[:300, :400], portrait[:300, :400]


@pytest.mark.parametrize(("mode", "first"), [("color", 1), ("luminosity", 0)])
def test_merges_are_the_w3c_blend_modes_in_the_coded_domain(
    pair: tuple[FloatArray, FloatArray], mode: str, first: int
) -> None:
    original, recovered = pair
    weights = np.array([0.2126, 0.7152, 0.0722])
    coded = [np.asarray(encode(picture.astype(np.float64), "display")) for picture in pair]
    expected = w3c_set_lum(coded[first], w3c_lum(coded[1 - first], weights), weights)
    merged = merge(original, recovered, mode, "display", "709")  # type: ignore[arg-type]
    assert np.asarray(encode(merged.astype(np.float64), "display")) == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("matrix", ["601", "709", "2020"])
@pytest.mark.parametrize("encoding", ["display", "log", "none"])
def test_color_keeps_the_originals_luma_and_luminosity_its_chroma(
    pair: tuple[FloatArray, FloatArray], encoding: str, matrix: str
) -> None:
    original, recovered = (picture * 1.4 - 0.05 for picture in pair)  # below black and above white too
    coded = np.asarray(encode(original, encoding), np.float32)
    colour = np.asarray(encode(merge(original, recovered, "color", encoding, matrix), encoding), np.float32)
    light = np.asarray(encode(merge(original, recovered, "luminosity", encoding, matrix), encoding), np.float32)
    assert np.abs(luma(colour, matrix) - luma(coded, matrix)).max() < 5e-6
    assert np.abs(rgb_to_ycbcr(light, matrix) - rgb_to_ycbcr(coded, matrix))[..., 1:].max() < 5e-6


def test_merging_a_picture_with_itself_changes_nothing(photograph: FloatArray) -> None:
    for mode in ("color", "luminosity"):
        assert merge(photograph, photograph, mode, "display", "709") == pytest.approx(photograph, abs=1e-6)  # type: ignore[arg-type]
