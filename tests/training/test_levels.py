"""Elements flicker: what every frame's level happens to be is not learned as colour."""

from __future__ import annotations

import numpy as np
import torch

from film_recovery.images.colour import rgb_to_ycbcr, ycbcr_to_rgb
from film_recovery.images.encodings import encode
from film_recovery.training.data import PreparedPair, levelled
from film_recovery.training.levels import flicker_levels
from film_recovery.training.start import Start, fit_start

_FLICKER = (0.012, -0.004, -0.008)  # of Cb; of Cr the opposite


def _pairs(photograph: np.ndarray, flicker: tuple[float, ...]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Three parts of a photograph of different colours, and what a print shows: more saturated, each with its own level."""
    coded = np.asarray(encode(photograph, "display"), np.float32)
    sources = [np.ascontiguousarray(part) for part in np.array_split(coded, len(flicker), axis=1)]
    targets = []
    for source, level in zip(sources, flicker, strict=True):
        ycc = rgb_to_ycbcr(source, "709")
        ycc[..., 1:] = 1.3 * ycc[..., 1:] + np.array([level, -level], np.float32)
        targets.append(ycbcr_to_rgb(ycc, "709"))
    return sources, targets


def _recovered(start: Start, coded: np.ndarray) -> np.ndarray:
    tensors = [torch.from_numpy(part).permute(2, 0, 1)[None] for part in (coded, rgb_to_ycbcr(coded, "709"))]
    return np.asarray(start(*tensors)[0].permute(1, 2, 0).detach().numpy())


def test_the_start_does_not_learn_flicker(photograph: np.ndarray) -> None:
    sources, targets = _pairs(photograph, _FLICKER)
    starts = [fit_start("chroma", sources, goals, "709", 0) for goals in (_pairs(photograph, (0.0,) * 3)[1], targets)]
    for source in sources:
        steady, flickering = (_recovered(start, source) for start in starts)
        assert np.abs(np.median(flickering - steady, axis=(0, 1))).max() < 0.003


def test_what_differs_from_place_to_place_is_no_flicker() -> None:
    """Two frames that lie apart on the left one way and on the right the other: their medians differ, their levels do not."""
    residuals = [np.zeros((2, 40, 64), np.float32) for _ in range(2)]
    residuals[0][:, :, :36], residuals[0][:, :, 36:] = 0.02, -0.02
    levels = flicker_levels(residuals, [np.ones((40, 64), np.bool_)] * 2)
    assert np.abs(levels).max() < 0.003
    whole = flicker_levels([residuals[1] + 0.02, residuals[1]], [np.ones((40, 64), np.bool_)] * 2)
    np.testing.assert_allclose(whole, [[0.01, 0.01], [-0.01, -0.01]], atol=1e-6)


def test_pairs_without_believed_pixels_have_no_level_and_move_no_other() -> None:
    residuals = [np.full((2, 16, 16), value, np.float32) for value in (0.01, 0.03, 0.5)]
    nowhere, everywhere = np.zeros((16, 16), np.bool_), np.ones((16, 16), np.bool_)
    levels = flicker_levels(residuals, [everywhere, everywhere, nowhere])
    np.testing.assert_allclose(levels, [[-0.01, -0.01], [0.01, 0.01], [0.0, 0.0]], atol=1e-7)
    assert not flicker_levels(residuals[:1], [everywhere]).any()
    assert not flicker_levels(residuals, [nowhere] * 3).any()


def test_a_level_is_known_from_places_that_not_all_pairs_believe() -> None:
    """Three pairs, each of which has another third of the picture spoiled; what is uneven in all is nobody's level."""
    random, uneven = np.random.default_rng(3), np.linspace(-0.02, 0.02, 96, dtype=np.float32)
    residuals, believed = [], []
    for number, level in enumerate((0.012, -0.004, -0.008)):
        residual = level + uneven + random.normal(0.0, 0.001, (2, 48, 96)).astype(np.float32)
        sure = np.ones((48, 96), np.bool_)
        sure[:, 32 * number : 32 * number + 32] = False
        residual[:, ~sure] = 0.3
        residuals.append(residual)
        believed.append(sure)
    found = flicker_levels(residuals, believed)
    np.testing.assert_allclose(found, np.array([[0.012] * 2, [-0.004] * 2, [-0.008] * 2]), atol=0.001)


def test_one_hardly_believed_pair_does_not_make_content_of_the_others_a_level() -> None:
    residuals = [np.zeros((2, 40, 64), np.float32) for _ in range(3)]
    residuals[0][:, :, :36], residuals[0][:, :, 36:] = 0.02, -0.02
    believed = [np.ones((40, 64), np.bool_) for _ in range(3)]
    believed[2][:, 8:] = False
    assert np.abs(flicker_levels(residuals, believed)).max() < 0.003


def test_levelled_targets_lie_alike_to_the_start_and_keep_what_they_have_in_common() -> None:
    random = np.random.default_rng(0)
    pairs = []
    for number, level in enumerate(_FLICKER):
        features = torch.from_numpy(random.normal(0.3, 0.1, (5, 20, 24)).astype(np.float32))
        noise = torch.from_numpy(random.normal(0.05, 0.01, (2, 20, 24)).astype(np.float32))
        target = features[3:] + noise + torch.tensor([level, -level])[:, None, None]
        trust = torch.ones(1, 20, 24)
        trust[:, :, 8:] = 0.2  # most of it is not believed, and wrong
        target[:, :, 8:] += 0.3 * number
        pairs.append(PreparedPair(number, features, target, trust))
    residuals = [(pair.target - pair.features[3:])[..., :8].flatten(1).median(dim=1).values for pair in levelled(pairs)]
    for residual in residuals:
        torch.testing.assert_close(residual, residuals[0], atol=0.002, rtol=0.0)
    torch.testing.assert_close(residuals[0], torch.full((2,), 0.05), atol=0.003, rtol=0.0)
