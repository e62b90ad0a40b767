from __future__ import annotations

from pathlib import Path

import numpy as np
import PyOpenColorIO as ocio
import pytest
from scipy.sparse.linalg import cg

from film_recovery.images.encodings import encode
from film_recovery.pairs.lut import NODES, ColourLut, equations


@pytest.fixture(scope="module")
def graded(photograph: np.ndarray) -> tuple[np.ndarray, np.ndarray, ColourLut]:
    coded = encode(photograph, "display")
    matrix = np.array([[0.9, 0.1, 0.0], [0.05, 0.9, 0.05], [0.0, 0.15, 0.8]], np.float32)
    wanted = ((coded @ matrix.T) ** 1.15).astype(np.float32)
    return coded, wanted, ColourLut.fit([coded], [wanted])


def test_the_fit_finds_a_smooth_colour_change(graded: tuple[np.ndarray, np.ndarray, ColourLut]) -> None:
    coded, wanted, lut = graded
    assert np.abs(lut.apply(coded) - wanted).mean() < 2e-3


def test_values_outside_zero_to_one_pass_unclamped(graded: tuple[np.ndarray, np.ndarray, ColourLut]) -> None:
    _, _, lut = graded
    out = lut.apply(np.array([[1.0, 1.0, 1.0], [4.0, 4.0, 4.0], [-1.0, -1.0, -1.0]], np.float32))
    assert np.allclose(out[1] - out[0], 3.0, atol=1e-5)
    assert (out[2] < -0.5).all()


def test_the_same_seed_gives_the_same_table(photograph: np.ndarray) -> None:
    coded = encode(photograph, "display")
    first, again = (ColourLut.fit([coded], [coded**1.1], seed=3) for _ in range(2))
    assert np.array_equal(first.delta, again.delta)


def test_the_cube_file_is_what_opencolorio_reads(graded: tuple[np.ndarray, np.ndarray, ColourLut], tmp_path: Path) -> None:
    coded, _, lut = graded
    path = tmp_path / "grade.cube"
    lut.write_cube(path, 'the "best" LUT')
    transform = ocio.FileTransform(str(path), interpolation=ocio.INTERP_LINEAR)
    processor = ocio.Config.CreateRaw().getProcessor(transform).getDefaultCPUProcessor()
    pixels = np.ascontiguousarray(coded[::7, ::7].reshape(-1, 3)).copy()
    expected = lut.apply(pixels)
    processor.applyRGB(pixels)
    assert np.abs(pixels - expected).max() < 2e-5


def test_the_fit_is_the_least_squares_solution_far_from_all_samples_too() -> None:
    random = np.random.default_rng(2)
    seen = random.uniform(0.15, 0.5, (4000, 3)).astype(np.float32)
    matrix = np.array([[0.2, -0.1, 0.05], [0.0, 0.15, -0.1], [-0.05, 0.1, 0.1]], np.float32)
    change = seen @ matrix + np.float32(0.02)
    normal, right = equations(seen, change, NODES)
    exact = np.stack([cg(normal, right[:, c], rtol=1e-8, maxiter=20_000)[0] for c in range(3)], axis=-1)
    found = ColourLut.fit([seen], [seen + change]).delta.reshape(-1, 3)
    assert np.abs(exact).max() > 0.1
    assert np.abs(found - exact).max() < 0.005
