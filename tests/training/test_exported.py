"""The form that is exported computes what the plain one does, to 1e-6, whatever is in it."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
import torch
from scipy.interpolate import RegularGridInterpolator
from torch.nn import functional

from film_recovery.images.colour import rgb_to_ycbcr
from film_recovery.images.encodings import encode
from film_recovery.modelfile.export import _trace
from film_recovery.pairs.balance import DensityBalance
from film_recovery.pairs.lut import NODES, node_colours
from film_recovery.training.exported import decoded, encoded, of_cells
from film_recovery.training.graph import RecoveryGraph

BALANCE = DensityBalance(np.array([[1.3, 0.1, 0.0], [0.05, 1.1, 0.02], [0.0, -0.05, 1.2]]), np.array([-0.2, -0.1, -0.15]))
SHAPES = ((61, 83), (3, 3), (1, 17), (48, 64))


def learned(task: str, encoding: str = "display", matrix: str = "709", balance: DensityBalance | None = None) -> RecoveryGraph:
    """A graph in which every part does as much as it does after a training."""
    torch.manual_seed(11)
    graph = RecoveryGraph(task, size="small", encoding=encoding, matrix=matrix, balance=balance).eval()
    grid = node_colours()
    with torch.no_grad():
        if graph.start.uses_table:
            change = rgb_to_ycbcr((0.2 * np.sin(4.0 * grid[..., [1, 2, 0]]) * grid).astype(np.float32), matrix)
            graph.start.set_table(change[..., graph.learned])
        graph.start.kernel.normal_(std=0.01)
        graph.start.offset.normal_(std=0.01)
        if graph.start.context is not None:
            for name, spread in (("mixing", 0.5), ("shift", 0.3), ("weight", 0.02), ("bias", 0.01)):
                getattr(graph.start.context, name).normal_(std=spread)
            graph.start.context.limit.fill_(0.03)
        inputs = graph.network.inputs
        graph.standardise(torch.rand(inputs) * 0.4, torch.rand(inputs) * 0.3 + 0.1, torch.full_like(graph.gain.ravel(), 0.05))
        for name, parameter in graph.network.named_parameters():
            if name.startswith(("affine", "direct")):
                parameter.normal_(std=0.02)
    return graph


def picture(height: int, width: int) -> np.ndarray:
    image = (np.random.default_rng(height).random((1, 3, height, width)) * 1.2 - 0.1).astype(np.float32)
    image[..., : height // 8, :] *= 4.0
    return image


@pytest.mark.parametrize(
    ("task", "encoding", "matrix", "balance"),
    [
        ("chroma", "display", "709", BALANCE), ("chroma", "log", "2020", BALANCE), ("chroma", "none", "601", BALANCE),
        ("chroma", "none", "709", None), ("spatial", "display", "709", None), ("as-is", "display", "601", None),
    ],
)  # fmt: skip
def test_a_recovery_keeps_its_values(task: str, encoding: str, matrix: str, balance: DensityBalance | None) -> None:
    graph = learned(task, encoding, matrix, balance)
    content = _trace(graph.for_export()).SerializeToString()
    session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    for shape in SHAPES:
        image = picture(*shape)
        with torch.no_grad():
            wanted = encode(graph(torch.from_numpy(image)).numpy(), encoding)
        given = encode(session.run(None, {"rgb": image})[0], encoding)
        size = np.maximum(np.abs(wanted).max(axis=1, keepdims=True), 1.0)
        assert np.abs(wanted - encode(image, encoding)).max() > 0.05
        assert (np.abs(given - wanted) / size).max() <= 1e-6


@pytest.mark.parametrize(("side", "reach"), [(9, 1), (13, 2), (5, 1), (3, 1)])
def test_a_filter_of_cells_is_the_filter_of_pixels(side: int, reach: int) -> None:
    generator = torch.Generator().manual_seed(side)
    kernel = torch.randn(2, 3, side, side, generator=generator, dtype=torch.float64)
    image = torch.rand(1, 3, 40, 32, generator=generator, dtype=torch.float64)
    margin, pad = 4 * reach, side // 2
    around = functional.pad(image, (margin,) * 4, mode="replicate")
    cells = functional.conv2d(around, torch.from_numpy(of_cells(kernel.numpy(), reach)), stride=4)
    direct = functional.conv2d(functional.pad(image, (pad,) * 4, mode="replicate"), kernel)
    assert torch.allclose(functional.pixel_shuffle(cells, 4), direct, atol=1e-12)


def test_the_table_is_trilinear_as_scipy_understands_it() -> None:
    graph = learned("as-is")
    coded = (np.random.default_rng(5).random((1, 3, 90, 70)) * 1.4 - 0.2).astype(np.float32)
    coded[0, :, 0, :4] = [[0.0, 1.0, 1.0 / 32, 31.0 / 32]] * 3  # on the nodes, and on the last one
    with torch.no_grad():
        found = graph.for_export().start.table_change(torch.from_numpy(coded))[0].permute(1, 2, 0).numpy()
    axis = np.linspace(0.0, 1.0, NODES)
    table = graph.start.table.numpy().reshape(NODES, NODES, NODES, 3).astype(np.float64)
    wanted = RegularGridInterpolator((axis, axis, axis), table)(np.clip(coded[0].transpose(1, 2, 0), 0.0, 1.0))
    assert np.abs(found - wanted).max() <= 1e-6


@pytest.mark.parametrize("encoding", ["display", "log", "none"])
def test_its_curves_are_the_curves(encoding: str) -> None:
    """Everywhere, and most of all where they bend; compared in double precision with the curves of the pictures."""
    bend = np.array([0.0, 1e-12, 0.0031308, 0.0078125, 0.04045, 0.04044993, 0.155251141552511, 1.0, 1e4])
    near = (bend[:, None] * np.linspace(0.999, 1.001, 41)).ravel()
    values = np.concatenate([near, -near, np.linspace(-1.0, 4.0, 20001), np.geomspace(1e-9, 60.0, 5001)]).astype(np.float32)
    coded = encoded(torch.from_numpy(values), encoding).numpy()
    wanted = encode(values.astype(np.float64), encoding)
    assert (np.abs(coded - wanted) / np.maximum(np.abs(wanted), 1.0)).max() <= 1e-6
    within = values[np.abs(values) <= 1.5]  # the range of coded values: straight codes grow without a limit
    back = decoded(torch.from_numpy(within), encoding).numpy()
    again = encode(back.astype(np.float64), encoding)
    assert (np.abs(again - within) / np.maximum(np.abs(within), 1.0)).max() <= 1e-6


def test_the_kept_luma_is_exact_in_the_file(photograph: np.ndarray) -> None:
    graph = learned("chroma", balance=BALANCE)
    session = ort.InferenceSession(_trace(graph.for_export()).SerializeToString(), providers=["CPUExecutionProvider"])
    image = np.ascontiguousarray(photograph[:200, :300].transpose(2, 0, 1)[None], np.float32)
    with torch.no_grad():
        source = graph.coded_source(torch.from_numpy(image))[0].permute(1, 2, 0).numpy()
    result = encode(session.run(None, {"rgb": image})[0][0].transpose(1, 2, 0), "display")
    before, after = rgb_to_ycbcr(source, "709"), rgb_to_ycbcr(result, "709")
    assert np.abs(after - before)[..., 0].max() <= 1e-6
    assert np.abs(after - before)[..., 1:].max() > 0.02
