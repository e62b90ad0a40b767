from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from film_recovery.contract.errors import DeviceError
from film_recovery.inference.tiles import WHOLE_PIXELS, OutOfMemory, largest_tile, recover, smallest_tile, tile_starts
from film_recovery.training.graph import RecoveryGraph
from film_recovery.training.monitor import run_graph


@pytest.fixture(scope="module")
def graph() -> RecoveryGraph:
    torch.manual_seed(2)
    made = RecoveryGraph("chroma", size="small", encoding="display", matrix="709", balance=None).eval()
    for parameter in made.network.parameters():
        torch.nn.init.normal_(parameter, std=0.04)
    return made


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(4).random((height, width, 3), np.float32)


@pytest.mark.parametrize("shape", [(611, 397), (304, 912)])
def test_tiled_equals_whole(graph: RecoveryGraph, shape: tuple[int, int]) -> None:
    rgb = picture(*shape)
    whole = run_graph(graph, rgb)
    tiled = recover(lambda part: run_graph(graph, part), rgb, 304, graph.receptive_field, graph.multiple)
    assert np.abs(whole - rgb).max() > 0.01
    assert np.abs(tiled - whole).max() <= 1e-5


def test_running_out_of_memory_halves_the_tile_and_changes_nothing(graph: RecoveryGraph) -> None:
    rgb, sizes = picture(608, 624), []

    def run(part: np.ndarray) -> np.ndarray:
        sizes.append(max(part.shape[:2]))
        if max(part.shape[:2]) > 500:
            raise OutOfMemory("too large")
        return run_graph(graph, part)

    result = recover(run, rgb, None, graph.receptive_field, graph.multiple)
    assert sizes[0] == 624 and max(sizes[1:]) <= 500
    assert np.abs(result - run_graph(graph, rgb)).max() <= 1e-5


def test_a_device_without_any_room_is_an_error(graph: RecoveryGraph) -> None:
    def run(part: np.ndarray) -> np.ndarray:
        raise OutOfMemory("none")

    with pytest.raises(DeviceError, match="Not enough memory"):
        recover(run, picture(900, 900), None, graph.receptive_field, graph.multiple)


@pytest.mark.parametrize("shape", [(2160, 3840), (3112, 4096), (4320, 8192), (300, 20000), (9000, 400)])
def test_tiles_have_the_same_area_however_large_the_picture(shape: tuple[int, int]) -> None:
    pictures: list[tuple[int, int]] = []

    def run(part: np.ndarray) -> np.ndarray:
        pictures.append(part.shape[:2])
        return part * 2.0

    rgb = np.random.default_rng(1).random((*shape, 3), np.float32)
    assert np.abs(recover(run, rgb, None, 112, 16) - 2.0 * rgb).max() <= 1e-6
    assert len(set(pictures)) == 1 and pictures[0][0] * pictures[0][1] <= WHOLE_PIXELS
    assert len(pictures) * pictures[0][0] * pictures[0][1] <= 1.3 * rgb.shape[0] * rgb.shape[1]


def test_a_2k_scan_is_done_as_a_whole() -> None:
    assert largest_tile(1556, 2048, 112, 16) == (1556, 2048)


@pytest.mark.parametrize(("margin", "more"), [(112, 1.07), (192, 1.11)])  # of small and medium, and of large networks
def test_a_4k_frame_takes_two_tiles(margin: int, more: float) -> None:
    down, across = largest_tile(2160, 4096, margin, 16)
    assert down >= 2160 and len(tile_starts(4096, across, margin, 16)) == 2
    assert 2 * down * across <= more * 2160 * 4096


@settings(max_examples=200)
@given(st.integers(1, 400), st.integers(0, 12), st.sampled_from([16, 32]), st.integers(0, 100))
def test_tiles_cover_everything_from_the_grid(blocks: int, more: int, multiple: int, margin: int) -> None:
    length, tile = blocks * multiple, smallest_tile(margin, multiple) + more * multiple
    starts = tile_starts(length, tile, margin, multiple)
    assert all(start % multiple == 0 for start in starts) and starts == sorted(set(starts))
    if tile < length:
        assert starts[0] == 0 and starts[-1] + tile == length
        assert all(b - a <= tile - 2 * margin for a, b in itertools.pairwise(starts))
