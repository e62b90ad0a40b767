from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from film_recovery.contract.errors import UsageError
from film_recovery.images.colour import rgb_to_ycbcr
from film_recovery.images.encodings import encode
from film_recovery.pairs.targets import make_target

PIXELS = arrays(np.float32, (4, 5, 3), elements=st.floats(-0.25, 6.0, width=32))


@pytest.mark.parametrize("encoding", ["display", "log", "none"])
@pytest.mark.parametrize("matrix", ["601", "709", "2020"])
@settings(max_examples=30)
@given(source=PIXELS, reference=PIXELS)
def test_luma_and_chroma_come_from_where_they_should_unclamped(
    encoding: str, matrix: str, source: np.ndarray, reference: np.ndarray
) -> None:
    targets = [make_target(task, source, reference, encoding, matrix) for task in ("chroma", "spatial")]
    ours, theirs, chroma, spatial = (
        rgb_to_ycbcr(encode(rgb.astype(np.float64), encoding), matrix) for rgb in (source, reference, *targets)
    )
    for got, luma, colour in ((chroma, ours, theirs), (spatial, theirs, ours)):
        assert np.allclose(got[..., 0], luma[..., 0], atol=5e-6)
        assert np.allclose(got[..., 1:], colour[..., 1:], atol=5e-6)


@given(source=PIXELS, reference=PIXELS)
def test_as_is_is_the_reference_to_the_bit(source: np.ndarray, reference: np.ndarray) -> None:
    assert np.array_equal(make_target("as-is", source, reference, "display", "709"), reference)


def test_pictures_of_two_shapes_and_unknown_tasks_are_refused() -> None:
    with pytest.raises(UsageError, match="differ in shape"):
        make_target("chroma", np.zeros((4, 4, 3)), np.zeros((4, 5, 3)), "none", "709")
    with pytest.raises(UsageError, match="Unknown task"):
        make_target("colour", np.zeros((4, 4, 3)), np.zeros((4, 4, 3)), "none", "709")
