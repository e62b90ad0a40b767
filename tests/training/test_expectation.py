"""Of colours that the pairs lack, a table expects half of what the physics of fading would do to them."""

from __future__ import annotations

import numpy as np
import skimage.data
import torch

from film_recovery.images.colour import rgb_to_ycbcr
from film_recovery.images.encodings import decode, encode
from film_recovery.pairs.balance import DensityBalance
from film_recovery.pairs.lut import change_at, node_colours
from film_recovery.training.expectation import expected_change
from film_recovery.training.start import fit_start

_FADING = DensityBalance(np.array([[0.55, 0.03, 0.01], [0.05, 0.9, 0.02], [0.04, 0.08, 0.7]]), np.array([0.05, 0.02, 0.08]))


def _faded(coded: np.ndarray) -> np.ndarray:
    return np.asarray(encode(_FADING.apply(decode(coded, "display")), "display"), np.float32)


def _picture() -> tuple[np.ndarray, np.ndarray]:
    """A coded picture, and where it is red: a third brighter in red than in green."""
    coded = np.asarray(skimage.data.astronaut(), np.float32) / np.float32(255.0) * np.float32(0.9) + np.float32(0.05)
    return coded, coded[..., 0] > 1.33 * coded[..., 1]


def test_half_of_a_fading_is_expected_at_every_colour() -> None:
    coded, _ = _picture()
    expected = expected_change([_faded(coded)], [coded], "display", "709")
    true = rgb_to_ycbcr(coded - _faded(coded), "709")
    found = change_at(expected, _faded(coded))
    assert np.abs(found - 0.5 * true).mean() < 0.15 * np.abs(0.5 * true).mean()


def test_without_a_fading_nothing_is_expected() -> None:
    coded, _ = _picture()
    assert np.abs(expected_change([coded], [coded], "display", "709")).max() < 1e-3
    assert expected_change([coded], [coded], "none", "709").shape == (*node_colours().shape[:3], 3)


def test_nothing_beyond_white_is_expected_of_a_picture_that_has_nearly_lost_its_colour() -> None:
    """Densities that bring so little colour back are powers of ten at the corners of the table."""
    coded, _ = _picture()
    luma = rgb_to_ycbcr(coded, "709")[..., :1]
    expected = expected_change([luma + np.float32(0.05) * (coded - luma)], [coded], "display", "709")
    assert np.abs(expected).max() < 1.0


def test_colours_that_the_pairs_lack_are_recovered_better() -> None:
    coded, red = _picture()
    learned = coded.copy()
    learned[red] = coded[~red].mean(axis=0)
    given = _faded(coded)
    planes = torch.from_numpy(given).permute(2, 0, 1)[None]
    ycc = torch.from_numpy(rgb_to_ycbcr(given, "709")).permute(2, 0, 1)[None]
    errors = []
    for unbalanced in (None, "display"):
        start = fit_start("chroma", [_faded(learned)], [learned], "709", 0, unbalanced=unbalanced)
        recovered = start.looked_up(planes, ycc)[0, 1:].permute(1, 2, 0).numpy()
        errors.append(np.abs(recovered - rgb_to_ycbcr(coded, "709")[..., 1:]).mean(axis=-1))
    assert errors[1][red].mean() < 0.8 * errors[0][red].mean()
    assert errors[1][~red].mean() < 1.1 * errors[0][~red].mean()


def test_a_pair_of_which_nothing_is_believed_teaches_hardly_anything() -> None:
    coded, _ = _picture()
    given, nowhere = _faded(coded), np.zeros(coded.shape[:2], np.float32)
    alone = fit_start("chroma", [given], [coded], "709", 0, trust=[None])
    both, careless = (
        fit_start("chroma", [given, given], [coded, 1.0 - coded], "709", 0, trust=[None, trust]) for trust in (nowhere, None)
    )
    planes = torch.from_numpy(given).permute(2, 0, 1)[None]
    ycc = torch.from_numpy(rgb_to_ycbcr(given, "709")).permute(2, 0, 1)[None]
    with torch.no_grad():
        learned, found, spoilt = (start(planes, ycc) for start in (alone, both, careless))
    assert float((found - learned).abs().mean()) < 0.1 * float((spoilt - learned).abs().mean())
