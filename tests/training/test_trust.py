"""What a pair should not be believed in is not learned: subtitles in the reference, masks, spoilt blocks."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch

from film_recovery.images.colour import rgb_to_ycbcr
from film_recovery.pairs.confidence import pair_trust
from film_recovery.pairs.dataset import Pair
from film_recovery.pairs.lut import ColourLut
from film_recovery.training.data import PreparedPair, cut, draw_crops
from film_recovery.training.evaluate import held_out_figure
from film_recovery.training.graph import RecoveryGraph
from film_recovery.training.losses import recovery_loss
from film_recovery.training.start import fit_start

_GRAPH = {"size": "small", "encoding": "display", "matrix": "709", "balance": None}
_LETTERS = (slice(150, 190), slice(60, 260))


@pytest.fixture(scope="module")
def titled(photograph: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A picture that turned red, and the one that kept its colour with a subtitle burnt in; (216, 320, 3), linear light."""
    good = cv2.resize(photograph, (320, 216), interpolation=cv2.INTER_AREA).astype(np.float32)
    good = np.clip(good, 0.0, 1.0)
    faded = good @ np.array([[0.9, 0.2, 0.1], [0.1, 0.6, 0.1], [0.05, 0.1, 0.5]], np.float32) + np.float32(0.05)
    letters = np.zeros(good.shape[:2], np.uint8)
    for line, text in enumerate(("SO GEHT ES", "NICHT WEITER")):
        cv2.putText(letters, text, (60, 168 + 20 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 255, 2, cv2.LINE_AA)
    return faded, np.maximum(good, letters[..., None].astype(np.float32) / 255.0)


def test_a_subtitle_is_not_believed_and_the_rest_is(titled: tuple[np.ndarray, np.ndarray]) -> None:
    faded, reference = titled
    trust = pair_trust(faded, reference, "display", [[0, 0, 30, 20]])
    assert trust is not None
    assert trust[(reference == 1.0).all(axis=-1)].mean() < 0.25
    outside = np.ones(trust.shape, bool)
    outside[120:, 30:300] = False
    outside[:30, :40] = False
    assert trust[outside].mean() > 0.9
    assert (trust[:20, :30] == 0).all()


def test_pictures_of_different_things_are_left_to_the_verdict_on_the_pair(titled: tuple[np.ndarray, np.ndarray]) -> None:
    faded, _ = titled
    assert pair_trust(faded, np.random.default_rng(1).random(faded.shape, np.float32), "display") is None


def test_a_mask_is_not_believed_even_where_pictures_hardly_agree(titled: tuple[np.ndarray, np.ndarray]) -> None:
    source, _ = titled
    other = np.ascontiguousarray(np.random.default_rng(0).random(source.shape, np.float32))
    height, width = source.shape[:2]
    trust = pair_trust(source, other, "display", [[0, height // 2, width, height]])
    assert trust is not None
    assert (trust[: height // 2] == 1.0).all()
    assert not trust[height // 2 :].any()


def test_a_spoilt_block_does_not_move_the_table(titled: tuple[np.ndarray, np.ndarray]) -> None:
    faded, _ = titled
    target, spoilt = faded * np.float32(0.5), faded * np.float32(0.5)
    spoilt[40:160, 40:200] = (1.0, 0.0, 1.0)
    trust = np.ones(faded.shape[:2], np.float32)
    trust[40:160, 40:200] = 0.0
    trusting, wary, clean = (
        ColourLut.fit([faded], [goal], 3, given) for goal, given in ((spoilt, None), (spoilt, [trust]), (target, [trust]))
    )
    errors = [float(np.abs(lut.apply(faded) - target).mean()) for lut in (trusting, wary, clean)]
    assert errors[1] == pytest.approx(errors[2])
    assert errors[0] > 5 * errors[1]


def test_the_start_of_a_training_does_not_learn_letters(titled: tuple[np.ndarray, np.ndarray]) -> None:
    faded, _ = titled
    clean = fit_start("chroma", [faded], [faded * np.float32(0.8)], "709", 0)
    spoilt = faded * np.float32(0.8)
    spoilt[_LETTERS] = 1.0
    trust = np.ones(faded.shape[:2], np.float32)
    trust[_LETTERS] = 0.0
    wary = fit_start("chroma", [faded], [spoilt], "709", 0, trust=[trust])
    trusting = fit_start("chroma", [faded], [spoilt], "709", 0)
    given = [torch.from_numpy(np.ascontiguousarray(faded.transpose(2, 0, 1)))[None]]
    given.append(torch.nn.functional.conv2d(given[0], RecoveryGraph("chroma", **_GRAPH, start=clean).to_ycc))
    with torch.no_grad():
        right, careful, misled = (start(*given) for start in (clean, wary, trusting))
    assert float((careful - right).abs().mean()) < 0.25 * float((misled - right).abs().mean())


@pytest.mark.parametrize("task", ["chroma", "spatial"])
def test_the_loss_neither_sees_nor_follows_what_is_not_believed(task: str) -> None:
    torch.manual_seed(0)
    start, target = torch.rand(2, 2, 64, 64), torch.rand(2, 2, 64, 64)
    predicted = torch.rand(2, 2, 64, 64, requires_grad=True)
    trust = torch.ones(2, 1, 64, 64)
    trust[:, :, 16:48, 16:48] = 0.0
    gain = torch.ones(1, 2, 1, 1)
    loss = recovery_loss(task, predicted, start, target, gain, 0.0, trust)
    loss.backward()
    assert predicted.grad is not None
    assert (predicted.grad[:, :, 18:46, 18:46] == 0).all()
    other = target.clone()
    other[:, :, 17:47, 17:47] = 9.0
    assert float(recovery_loss(task, predicted.detach(), start, other, gain, 0.0, trust)) == pytest.approx(float(loss.detach()))


def test_the_held_out_figure_is_that_of_what_is_believed() -> None:
    torch.manual_seed(0)
    graph = RecoveryGraph("chroma", **_GRAPH)
    features, trust = torch.rand(5, 32, 32), torch.ones(1, 32, 32)
    target = features[3:] + 0.01
    spoilt = target.clone()
    spoilt[:, 8:24, 8:24] = 5.0
    trust[:, 8:24, 8:24] = 0.0
    clean, wary = (held_out_figure(graph, [PreparedPair(1, features, goal, trust)], True) for goal in (target, spoilt))
    assert clean == pytest.approx(wary)
    assert held_out_figure(graph, [PreparedPair(1, features, spoilt, torch.ones_like(trust))], True) < clean - 20.0
    assert math.isfinite(clean)


def test_crops_and_their_trust_stay_together() -> None:
    ramp = torch.arange(64 * 80, dtype=torch.float32).reshape(1, 64, 80)
    pair = PreparedPair(1, ramp.expand(5, -1, -1), ramp.expand(2, -1, -1), ramp)
    features, target, trust = cut([pair], draw_crops(3, 5, [pair.area], 4, 32, True), 32)
    assert torch.equal(features[:, :1], trust)
    assert torch.equal(target[:, 1:], trust)
    assert torch.equal(pair.halved().trust[0], torch.nn.functional.avg_pool2d(ramp, 2)[0])


def test_a_pair_that_nobody_judged_is_believed_everywhere(titled: tuple[np.ndarray, np.ndarray]) -> None:
    from film_recovery.training.data import prepare

    faded, reference = titled
    pair = Pair(1, False, faded, reference, reference)
    assert (prepare(RecoveryGraph("chroma", **_GRAPH), pair, torch.device("cpu")).trust == 1).all()


@pytest.mark.parametrize("task", ["chroma", "spatial", "as-is"])
def test_where_nothing_is_believed_nothing_is_changed(titled: tuple[np.ndarray, np.ndarray], task: str) -> None:
    faded, reference = titled
    nothing = np.zeros(faded.shape[:2], np.float32)
    start = fit_start(task, [faded] * 2, [reference] * 2, "709", 0, trust=[nothing] * 2)
    coded = torch.from_numpy(faded).permute(2, 0, 1)[None]
    ycc = torch.from_numpy(rgb_to_ycbcr(faded, "709")).permute(2, 0, 1)[None].float()
    assert torch.equal(start(coded, ycc), ycc[:, start.first : start.first + start.outputs])
