from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from film_recovery.pairs.alignment import Aligned, Measured, align_groups, without_blocks
from film_recovery.pairs.deformation import NO_WARP, reference_points
from film_recovery.pairs.residual import Blocks

SIZE = (960, 540)
GRID = np.stack(np.meshgrid(np.arange(60.0, 920.0, 60.0), np.arange(50.0, 500.0, 50.0)), axis=-1).reshape(-1, 2)
NONE = Blocks(np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32), 40, 0.1)
ROUGH = np.array([[1.004, 0.001, 4.0], [-0.001, 1.003, -3.0], [0.0, 0.0, 1.0]])


def truth(shift: tuple[float, float], turn: float = 0.05, lean: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Reference pixels to source pixels."""
    angle = np.radians(turn)
    linear = 1.008 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = (np.array(SIZE) - 1) / 2
    matrix = np.eye(3)
    matrix[:2, :2], matrix[:2, 2] = linear, middle + shift - linear @ middle
    tilt = np.eye(3)
    tilt[2, :2] = lean
    centre = np.array([[1.0, 0.0, middle[0]], [0.0, 1.0, middle[1]], [0.0, 0.0, 1.0]])
    return matrix @ centre @ tilt @ np.linalg.inv(centre)


def seen(frame: int, matrix: np.ndarray, warp: np.ndarray, random: np.random.Generator, noise: float = 0.05) -> Measured:
    """What blocks say of a pair that lies by ``matrix`` and ``warp`` and was registered roughly; a tenth of them lies."""
    start = ROUGH.copy()
    start[:2, 2] += matrix[:2, 2]
    # The reference point that a source point shows, seen through the rough matrix, lies so far off.
    there = np.column_stack([reference_points(GRID, matrix, warp, SIZE), np.ones(len(GRID))]) @ start.T
    shifts = there[:, :2] / there[:, 2:] - GRID + noise * random.standard_normal(GRID.shape)
    liars = random.random(len(GRID)) < 0.1
    shifts[liars] += random.uniform(-8.0, 8.0, (int(liars.sum()), 2))
    return Measured(frame, frame + 7, start, Blocks(GRID.astype(np.float32), shifts.astype(np.float32), 150, 0.8), True)


def error(found: Aligned, matrix: np.ndarray, warp: np.ndarray) -> np.ndarray:
    difference = reference_points(GRID, found.matrix, found.warp, SIZE) - reference_points(GRID, matrix, warp, SIZE)
    return np.hypot(*difference.T)


@settings(max_examples=10)
@given(values=st.lists(st.floats(-2.0, 2.0), min_size=14, max_size=14), seed=st.integers(0, 999))
def test_weave_and_a_warp_are_found_through_liars(values: list[float], seed: int) -> None:
    random, warp = np.random.default_rng(seed), np.array(values).reshape(2, 7)
    matrices = [truth(tuple(3.0 * random.standard_normal(2))) for _ in range(8)]
    [found] = align_groups([[seen(k, matrix, warp, random) for k, matrix in enumerate(matrices)]], SIZE)
    errors = np.concatenate([error(one, matrix, warp) for one, matrix in zip(found, matrices, strict=True)])
    assert np.median(errors) < 0.06
    assert np.percentile(errors, 95) < 0.2
    assert all(one.supported for one in found)


def test_frames_of_a_shot_are_better_together() -> None:
    random = np.random.default_rng(5)
    matrices = [truth((0.3 * k, -0.2 * k)) for k in range(9)]
    pairs = [seen(k, matrix, NO_WARP, random, noise=0.4) for k, matrix in enumerate(matrices)]
    together = align_groups([pairs], SIZE)[0]
    alone = [align_groups([[pair]], SIZE)[0][0] for pair in pairs]
    errors = [
        np.mean([error(one, m, NO_WARP).mean() for one, m in zip(kind, matrices, strict=True)]) for kind in (together, alone)
    ]
    assert errors[0] < 0.7 * errors[1]


def test_a_perspective_goes_into_the_matrix_and_an_affine_pair_keeps_none() -> None:
    random = np.random.default_rng(6)
    lean = (6e-6, -5e-6)
    matrices = [truth((k, -k), lean=lean) for k in range(5)]
    [found] = align_groups([[seen(k, matrix, NO_WARP, random) for k, matrix in enumerate(matrices)]], SIZE)
    assert max(np.percentile(error(one, m, NO_WARP), 95) for one, m in zip(found, matrices, strict=True)) < 0.15
    assert np.abs(found[0].matrix[2, :2]).max() > 2e-6
    assert found[0].matrix[2, 2] == 1.0
    [plain] = align_groups([[seen(k, truth((k, 0.0)), NO_WARP, random) for k in range(5)]], SIZE)
    assert not np.any(plain[0].matrix[2, :2])


def test_a_frame_that_says_nothing_lies_between_its_neighbours() -> None:
    random = np.random.default_rng(7)
    matrices = [truth((float(k), 0.0)) for k in range(7)]
    pairs = [seen(k, matrix, NO_WARP, random) for k, matrix in enumerate(matrices)]
    pairs[3] = Measured(3, 10, np.eye(3), NONE, False)
    [found] = align_groups([pairs], SIZE)
    assert [one.supported for one in found] == [True] * 3 + [False] + [True] * 3
    assert np.median(error(found[3], matrices[3], NO_WARP)) < 0.2


def test_nothing_to_go_by_comes_back_as_it_was() -> None:
    [[found]] = align_groups([[Measured(1, 1, ROUGH, NONE, False)]], SIZE)
    assert not found.supported
    assert np.allclose(found.matrix, ROUGH)
    assert not found.warp.any()


def test_another_warp_of_one_shot_stays_with_it() -> None:
    random = np.random.default_rng(8)
    warps = [np.zeros((2, 7)), np.zeros((2, 7))]
    warps[0][0, 3], warps[1][1, 4] = 1.5, -1.5
    groups = [[seen(100 * g + k, truth((k, k)), warps[g], random) for k in range(6)] for g in range(2)]
    for found, warp in zip(align_groups(groups, SIZE), warps, strict=True):
        assert max(np.median(error(one, truth((k, k)), warp)) for k, one in enumerate(found)) < 0.06


def test_blocks_near_a_mask_say_nothing() -> None:
    pair = seen(1, truth((0.0, 0.0)), NO_WARP, np.random.default_rng(9))
    left = without_blocks(pair, [(0, 400, 960, 140)], 20.0)
    assert left.blocks.points[:, 1].max() <= 380
    assert len(left.blocks.points) == len(left.blocks.shifts) < len(pair.blocks.points)
