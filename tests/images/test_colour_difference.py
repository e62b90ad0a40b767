"""CIEDE2000 against Sharma's published table and against colour-science."""

from __future__ import annotations

import colour
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from film_recovery.images.colour_difference import delta_e_2000, delta_e_map, linear_to_lab
from film_recovery.images.encodings import encode

# Sharma, Wu, Dalal 2005, table 1: L1 a1 b1 L2 a2 b2 and the difference.
SHARMA = np.array([
    [50.0, 2.6772, -79.7751, 50.0, 0.0, -82.7485, 2.0425], [50.0, 3.1571, -77.2803, 50.0, 0.0, -82.7485, 2.8615],
    [50.0, 2.8361, -74.0200, 50.0, 0.0, -82.7485, 3.4412], [50.0, -1.3802, -84.2814, 50.0, 0.0, -82.7485, 1.0000],
    [50.0, -1.1848, -84.8006, 50.0, 0.0, -82.7485, 1.0000], [50.0, -0.9009, -85.5211, 50.0, 0.0, -82.7485, 1.0000],
    [50.0, 0.0, 0.0, 50.0, -1.0, 2.0, 2.3669], [50.0, -1.0, 2.0, 50.0, 0.0, 0.0, 2.3669],
    [50.0, 2.4900, -0.0010, 50.0, -2.4900, 0.0009, 7.1792], [50.0, 2.4900, -0.0010, 50.0, -2.4900, 0.0010, 7.1792],
    [50.0, 2.4900, -0.0010, 50.0, -2.4900, 0.0011, 7.2195], [50.0, 2.4900, -0.0010, 50.0, -2.4900, 0.0012, 7.2195],
    [50.0, -0.0010, 2.4900, 50.0, 0.0009, -2.4900, 4.8045], [50.0, -0.0010, 2.4900, 50.0, 0.0011, -2.4900, 4.7461],
    [50.0, 2.5, 0.0, 50.0, 0.0, -2.5, 4.3065], [50.0, 2.5, 0.0, 73.0, 25.0, -18.0, 27.1492],
    [50.0, 2.5, 0.0, 61.0, -5.0, 29.0, 22.8977], [50.0, 2.5, 0.0, 56.0, -27.0, -3.0, 31.9030],
    [50.0, 2.5, 0.0, 58.0, 24.0, 15.0, 19.4535], [50.0, 2.5, 0.0, 50.0, 3.1736, 0.5854, 1.0000],
    [60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644],
    [63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.2630],
    [22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373],
    [90.8027, -2.0831, 1.4410, 91.1528, -1.6435, 0.0447, 1.4441],
    [6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377], [2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082],
])  # fmt: skip


def test_published_table_is_reproduced_to_its_last_decimal() -> None:
    assert np.abs(delta_e_2000(SHARMA[:, :3], SHARMA[:, 3:6]) - SHARMA[:, 6]).max() < 5.1e-5


def test_agrees_with_colour_science_on_a_photograph(photograph: npt.NDArray[np.float32]) -> None:
    first = photograph[::4, ::4].astype(np.float64)
    second = np.clip(first * [0.9, 1.0, 0.7] + 0.01, 0.0, 1.0)
    labs = linear_to_lab(first), linear_to_lab(second)
    oracle = colour.delta_E(labs[0], labs[1], method="CIE 2000")
    assert np.abs(delta_e_2000(*labs) - oracle).max() < 1e-10


def test_float32_is_right_to_a_thousandth(portrait: npt.NDArray[np.float32]) -> None:
    first = linear_to_lab(portrait.astype(np.float64))
    second = linear_to_lab(portrait[:, ::-1].astype(np.float64))
    exact = delta_e_2000(first, second)
    quick = delta_e_2000(first.astype(np.float32), second.astype(np.float32))
    assert quick.dtype == np.float32
    assert np.percentile(np.abs(quick - exact), 99.9) < 1e-3
    assert abs(float(quick.mean()) - float(exact.mean())) < 1e-4


def test_lab_agrees_with_colour_science(photograph: npt.NDArray[np.float32]) -> None:
    white = colour.CCS_ILLUMINANTS["CIE 1931 2 Degree Standard Observer"]["D65"]
    space = colour.RGB_COLOURSPACES["ITU-R BT.709"].copy()
    space.use_derived_transformation_matrices(True)
    oracle = colour.XYZ_to_Lab(colour.RGB_to_XYZ(photograph.astype(np.float64), space, white), white)
    assert np.abs(linear_to_lab(photograph) - oracle).max() < 2e-3


def test_white_and_black_are_neutral_and_values_outside_are_clipped() -> None:
    lab = linear_to_lab(np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [4.0, 4.0, 4.0], [-1.0, -1.0, -1.0]]))
    assert np.abs(lab - [[100, 0, 0], [0, 0, 0], [100, 0, 0], [0, 0, 0]]).max() < 1e-9


@pytest.mark.parametrize("encoding", ["display", "none"])
def test_the_map_takes_working_space(photograph: npt.NDArray[np.float32], encoding: str) -> None:
    linear = photograph[:64, :64]
    other = linear * np.float32(0.8)
    files = (linear, other) if encoding == "display" else (encode(linear, "display"), encode(other, "display"))
    expected = delta_e_2000(linear_to_lab(linear), linear_to_lab(other))
    assert np.abs(delta_e_map(*files, encoding) - expected).max() < 1e-2


colours = st.tuples(st.floats(0, 100), st.floats(-120, 120), st.floats(-120, 120)).map(np.array)


@given(colours, colours)
def test_symmetric_finite_and_zero_only_for_equal(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> None:
    there, back = (float(delta_e_2000(*pair)) for pair in ((first, second), (second, first)))
    assert np.isfinite(there) and there >= 0.0
    assert there == pytest.approx(back, abs=1e-9)
    assert float(delta_e_2000(first, first)) == 0.0
