from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from film_recovery.contract.errors import UsageError
from film_recovery.images.encodings import below_toe, decode, density_to_linear, encode, linear_to_density

any_size = st.floats(1e-5, 65504.0)
signs = st.sampled_from([-1.0, 1.0])


@given(any_size, signs, st.sampled_from(["display", "none"]))
def test_display_coding_inverts_to_a_millionth_of_any_value(size: float, sign: float, encoding: str) -> None:
    value = np.float64(size * sign)
    assert abs(decode(encode(value, encoding), encoding) - value) <= 1e-6 * size
    single = np.float32(value)
    assert abs(decode(encode(single, encoding), encoding) - single) <= 3e-6 * size


@given(any_size, signs)
def test_log_coding_inverts_to_a_millionth_of_any_value(size: float, sign: float) -> None:
    value = np.float64(size * sign)
    assert abs(decode(encode(value, "log"), "log") - value) <= 1e-6 * size
    single = np.float32(value)
    # Near black the curve's offset, near the top its slope, cost some of float32's 24 bits.
    assert abs(decode(encode(single, "log"), "log") - single) <= 1e-5 * size + 2e-8


@pytest.mark.parametrize("encoding", ["display", "log"])
def test_codings_rise_everywhere_so_that_no_two_values_share_a_code(encoding: str) -> None:
    ramp = np.concatenate([-np.geomspace(1e4, 1e-6, 4000), np.geomspace(1e-6, 1e4, 4000)])
    assert (np.diff(encode(ramp, encoding)) > 0).all()


@pytest.mark.parametrize("encoding", ["display", "log", "none"])
def test_float32_tensors_are_coded_as_arrays_are(encoding: str) -> None:
    values = np.linspace(-2.0, 20.0, 5000, dtype=np.float32)
    for step in (encode, decode):
        with np.errstate(over="ignore"):
            array = step(values.clip(-2.0, 1.5), encoding)
        tensor = step(torch.from_numpy(values.clip(-2.0, 1.5)), encoding, torch)
        assert tensor.dtype == torch.float32
        assert array.dtype == np.float32
        assert np.allclose(tensor.numpy(), array, rtol=2e-6, atol=1e-6)


@given(st.floats(-100.0, 100.0))
def test_density_and_what_it_leaves_out_make_the_whole_value(value: float) -> None:
    whole = density_to_linear(linear_to_density(np.float64(value))) + below_toe(np.float64(value))
    assert whole == pytest.approx(value, rel=1e-12, abs=1e-12)


def test_an_unknown_encoding_is_one_sentence() -> None:
    for step in (encode, decode):
        with pytest.raises(UsageError, match="choose one of display, log, none"):
            step(np.zeros(1), "cineon")
