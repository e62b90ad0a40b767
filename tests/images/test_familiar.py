from __future__ import annotations

import colour
import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import spearmanr

from film_recovery.images.encodings import encode
from film_recovery.images.familiar import MOST_COLOURS, FamiliarColours, cells_of, confidence_at
from film_recovery.images.frame import FloatArray
from film_recovery.pairs.lut import ColourLut


def known(cells: list[FloatArray], trust: list[FloatArray | None] | None = None) -> FamiliarColours:
    found = FamiliarColours.of(cells, trust or [None] * len(cells))
    assert found is not None
    return found


def patch(y: float, cb: float, cr: float) -> FloatArray:
    return np.full((20, 20, 3), (y, cb, cr), np.float32)


def test_confidence_is_the_share_of_the_usual_error_in_the_one_to_expect() -> None:
    assert np.allclose(confidence_at([0.0, 0.15, 0.15 + 0.35 * 3, 0.15 + 0.35 * 15]), [1.0, 1.0, 0.5, 0.25])


def test_cells_are_coded_means(photograph: FloatArray) -> None:
    """The luma is that of colour-science, of the mean light of 4x4 pixels."""
    cells = cells_of(photograph, None, "display", "709")
    assert cells.shape == (100, 150, 3) and cells.dtype == np.float32
    mean = photograph.reshape(100, 4, 150, 4, 3).mean(axis=(1, 3))
    coded = colour.models.eotf_inverse_sRGB(mean)
    ours = colour.RGB_to_YCbCr(coded, K=colour.WEIGHTS_YCBCR["ITU-R BT.709"], in_legal=False, out_legal=False)
    assert np.allclose(cells[..., 0], ours[..., 0], atol=1e-3)
    assert cells_of(photograph[:1, :3], None, "display", "709").shape == (1, 1, 3)


def test_distance_is_in_units_of_luma_and_chroma() -> None:
    colours = known([patch(0.4, 0.05, -0.1)])
    asked = [[0.4, 0.05, -0.1], [0.6, 0.05, -0.1], [0.4, 0.12, -0.1], [0.4, 0.05, 0.04], [0.6, 0.12, -0.1]]
    assert colours.distance(asked) == pytest.approx([0.0, 1.0, 2.0, 4.0, 5.0**0.5], abs=0.4)


def test_what_was_trained_on_is_known_and_a_missing_colour_is_not(photograph: FloatArray, portrait: FloatArray) -> None:
    colours = known([cells_of(photograph, None, "display", "709")])
    assert np.quantile(colours.confidence(photograph, None, "display", "709"), 0.1) > 0.7
    suit = colours.confidence(portrait, None, "display", "709")[:300, 400:]  # the flag's blue
    assert suit.mean() < 0.6


def test_text_brings_the_same_colours_back(photograph: FloatArray) -> None:
    colours = known([cells_of(photograph, None, "display", "709")])
    text = colours.to_text()
    again = FamiliarColours.from_text(text)
    assert len(text) <= 4 * MOST_COLOURS and again.to_text() == text
    cells = cells_of(photograph[::-1], None, "display", "709")
    assert np.array_equal(again.distance(cells), colours.distance(cells))


def test_as_many_colours_as_a_card_holds_are_kept() -> None:
    noise = np.random.default_rng(1).uniform([0.0, -0.5, -0.5], [1.0, 0.5, 0.5], (400, 400, 3)).astype(np.float32)
    colours = known([noise])
    assert 1 <= len(colours.colours) <= MOST_COLOURS
    assert len(FamiliarColours.from_text(colours.to_text()).colours) <= MOST_COLOURS


@pytest.mark.parametrize("text", ["", "AAA=", "AA", "!!!!", "AAAA" * (MOST_COLOURS + 1), "ÄÖÜß"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        FamiliarColours.from_text(text)


def test_pixels_that_are_not_believed_teach_nothing() -> None:
    both = np.concatenate([patch(0.3, 0.0, 0.0), patch(0.3, 0.2, -0.2)])
    trust = np.concatenate([np.ones((80, 80), np.float32), np.zeros((80, 80), np.float32)])
    colours = known([both], [trust])
    assert confidence_at(colours.distance([0.3, 0.2, -0.2])) < 0.3 < 0.9 < confidence_at(colours.distance([0.3, 0.0, 0.0]))
    assert FamiliarColours.of([both], [np.zeros_like(trust)]) is None


def test_values_beyond_the_table_and_small_pictures_have_a_confidence() -> None:
    colours = known([patch(0.3, 0.0, 0.0)])
    wild = np.array([[[5.0, -2.0, 0.1], [-1.0, 65504.0, 3.0]]], np.float32)
    found = colours.confidence(wild, None, "log", "709")
    assert found.shape == (1, 2) and np.isfinite(found).all() and (found > 0.0).all()


def test_low_confidence_means_a_large_error_of_a_table_that_was_learned(photograph: FloatArray, portrait: FloatArray) -> None:
    """A table learns a fading from one photograph; of another, its error rises as confidence falls."""

    def faded(coded: FloatArray) -> FloatArray:
        return np.asarray(coded ** np.array([0.6, 0.9, 0.8]) * [1.0, 0.95, 0.9] + 0.03, np.float32)

    coded = [np.asarray(encode(picture, "display"), np.float32) for picture in (photograph, portrait)]
    table = ColourLut.fit([faded(coded[0])], [coded[0]])
    cells = [cells_of(faded(one), None, "none", "709") for one in coded]
    error: npt.NDArray[np.float32] = np.abs(table.apply(faded(coded[1])) - coded[1]).mean(axis=-1)
    error = error.reshape(128, 4, 128, 4).mean(axis=(1, 3)).ravel()
    sure = confidence_at(known([cells[0]]).distance(cells[1])).ravel()
    assert spearmanr(sure, error)[0] < -0.5
    assert error[sure < 0.5].mean() > 2.0 * error[sure > 0.9].mean()
