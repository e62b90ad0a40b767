from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from film_recovery.contract.job import SIZES
from film_recovery.images.colour import rgb_to_ycbcr
from film_recovery.images.encodings import encode
from film_recovery.pairs.balance import DensityBalance
from film_recovery.pairs.lut import ColourLut
from film_recovery.training.data import draw_crops
from film_recovery.training.graph import RecoveryGraph
from film_recovery.training.network import make_network
from film_recovery.training.start import fit_start
from film_recovery.training.start_module import Start

BALANCE = DensityBalance(np.array([[1.9, 0.3, 0.0], [0.1, 1.2, 0.05], [0.0, -0.05, 1.6]]), np.array([-0.5, -0.2, -0.3]))


def trained(task: str, encoding: str, balance: DensityBalance | None = None) -> RecoveryGraph:
    torch.manual_seed(7)
    graph = RecoveryGraph(task, size="small", encoding=encoding, matrix="709", balance=balance)
    for parameter in graph.network.parameters():  # as if it had learned something, heads included
        torch.nn.init.normal_(parameter, std=0.02)
    return graph.eval()


def wide_range(height: int = 61, width: int = 83) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    image = torch.rand(1, 3, height, width, generator=generator) * 1.2 - 0.1
    image[:, :, :5] *= 8.0
    return image


@pytest.mark.parametrize("encoding", ["display", "log", "none"])
@pytest.mark.parametrize(("task", "kept"), [("chroma", [0]), ("spatial", [1, 2])])
def test_the_kept_component_is_exact(task: str, kept: list[int], encoding: str) -> None:
    graph = trained(task, encoding, BALANCE if task == "chroma" else None)
    image = wide_range()
    with torch.no_grad():
        source = graph.coded_source(image)[0].permute(1, 2, 0).numpy()
        result = encode(graph(image)[0].permute(1, 2, 0).numpy(), encoding)
    before, after = rgb_to_ycbcr(source, "709")[..., kept], rgb_to_ycbcr(result, "709")[..., kept]
    usual = np.abs(source).max(axis=-1) < 1.2
    assert np.abs(after - before)[usual].max() <= 1e-6
    assert (np.abs(after - before) / np.maximum(np.abs(source).max(axis=-1, keepdims=True), 1.0)).max() <= 1e-6
    learned = [channel for channel in (0, 1, 2) if channel not in kept]
    assert np.abs(rgb_to_ycbcr(result, "709") - rgb_to_ycbcr(source, "709"))[..., learned].max() > 0.01


@pytest.mark.parametrize("task", ["chroma", "spatial", "as-is"])
def test_an_untrained_graph_hands_out_its_start(task: str) -> None:
    graph = RecoveryGraph(task, size="small", encoding="display", matrix="709", balance=None)
    image = wide_range(32, 48)
    with torch.no_grad():
        assert torch.allclose(graph(image), image, atol=2e-5)


@pytest.mark.parametrize("shape", [(3, 3), (1, 17), (16, 16), (50, 3)])
def test_any_size_goes_through(shape: tuple[int, int]) -> None:
    with torch.no_grad():
        assert trained("chroma", "display")(torch.rand(1, 3, *shape)).shape[2:] == shape


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("task", ["chroma", "spatial"])
def test_the_receptive_field_is_no_larger_than_said(task: str, size: str) -> None:
    torch.manual_seed(1)
    network = make_network(task, 5, 2, size)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    radius = network.receptive_field
    side = (2 * radius + 80) // 16 * 16
    image = torch.rand(1, 5, side, side, requires_grad=True)
    network(image)[0, 0, side // 2 + 3, side // 2 + 3].backward()
    assert image.grad is not None
    rows = image.grad.abs().sum(dim=(0, 1, 3)).nonzero().ravel()
    reach = max(side // 2 + 3 - int(rows.min()), int(rows.max()) - side // 2 - 3)
    assert radius - 8 * network.cell <= reach <= radius


def test_the_lut_in_the_graph_equals_the_lut(photograph: np.ndarray) -> None:
    coded = np.asarray(encode(photograph, "display"), np.float32)
    lut = ColourLut.fit([coded], [coded[..., ::-1] * 0.5 + 0.2])
    start = Start("as-is")
    start.set_table(rgb_to_ycbcr(lut.delta, "709"))
    values = (coded[:64, :64] * 1.4 - 0.2).astype(np.float32)
    tensor = torch.from_numpy(values).permute(2, 0, 1)[None]
    ycc = torch.from_numpy(rgb_to_ycbcr(values, "709")).permute(2, 0, 1)[None]
    result = start(tensor, ycc)[0].permute(1, 2, 0).numpy()
    assert np.abs(result - rgb_to_ycbcr(lut.apply(values), "709")).max() < 2e-5


def test_the_filter_start_sharpens_a_blurred_picture(photograph: np.ndarray) -> None:
    import cv2

    coded = np.asarray(encode(photograph, "display"), np.float32)
    soft = cv2.GaussianBlur(coded, (0, 0), 1.2)
    start = fit_start("spatial", [soft], [coded], "709", 0)
    ycc_soft, ycc = rgb_to_ycbcr(soft, "709"), rgb_to_ycbcr(coded, "709")
    out = start(torch.from_numpy(soft).permute(2, 0, 1)[None], torch.from_numpy(ycc_soft).permute(2, 0, 1)[None])
    before, after = np.abs(ycc_soft[..., 0] - ycc[..., 0]).mean(), np.abs(out[0, 0].numpy() - ycc[..., 0]).mean()
    assert after < 0.7 * before


@settings(max_examples=60)
@given(st.integers(0, 2**63), st.integers(0, 10**6), st.integers(1, 5), st.integers(40, 90))
def test_crops_are_a_pure_function_of_seed_and_step_and_stay_inside(seed: int, step: int, pairs: int, side: int) -> None:
    areas = [(side + index, side + 2 * index) for index in range(pairs)]
    crops = draw_crops(seed, step, areas, 4, 32, True)
    assert crops == draw_crops(seed, step, areas, 4, 32, True)
    assert crops != draw_crops(seed, step + 1, areas, 4, 32, True) or side == 32
    for crop in crops:
        height, width = areas[crop.pair]
        assert 0 <= crop.top <= height - 32 and 0 <= crop.left <= width - 32
