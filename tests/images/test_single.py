"""The fast curves and conversions of whole pictures are those of the encodings, in single precision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from film_recovery.images import single
from film_recovery.images.density import apply_balance
from film_recovery.images.encodings import ENCODING_NAMES, decode, encode
from film_recovery.images.frame import Frame
from film_recovery.images.io import read_frame, write_frame

NUMBERS = [2.6, -0.15, -0.03, 0.2, 1.1, 0.05, 0.08, -0.1, 1.6, -0.02, 0.01, 0.03]


def values() -> single.FloatArray:
    random = np.random.default_rng(3)
    some = np.concatenate([random.uniform(-0.5, 1.5, 9000), random.normal(0.0, 1e-3, 2000), 10.0 ** random.uniform(-8, 4, 994)])
    edges = [0.0, 1.0, 0.0031308, 0.04045, 0.0078125, 0.155251141552511]
    return np.asarray(np.concatenate([some, edges]), np.float32).reshape(50, 80, 3)


@pytest.mark.parametrize("encoding", ENCODING_NAMES)
def test_curves_are_those_of_the_encodings(encoding: str) -> None:
    picture = values()
    there = single.by_bands(lambda rows: single.encoded(rows, encoding), picture)
    truth = encode(picture.astype(np.float64), encoding)
    np.testing.assert_allclose(there, truth, rtol=1e-6, atol=2e-7)
    coded = np.asarray(np.clip(truth, -1.0, 1.5), np.float32)
    back = single.by_bands(lambda rows: single.decoded(rows, encoding), coded)
    np.testing.assert_allclose(back, decode(coded.astype(np.float64), encoding), rtol=3e-6, atol=2e-7)


def test_the_balance_is_that_of_the_pairs() -> None:
    picture = np.clip(values(), -0.5, 4.0)
    matrix = np.hstack([np.reshape(NUMBERS[:9], (3, 3)), np.reshape(NUMBERS[9:], (3, 1))]).astype(np.float32)
    found = single.by_bands(lambda rows: single.balanced(rows, matrix), picture)
    np.testing.assert_allclose(found, apply_balance(picture, NUMBERS), rtol=3e-6, atol=1e-6)


def test_halves_are_rounded_to_the_nearest_and_come_back_as_they_are() -> None:
    every = np.arange(65536, dtype=np.uint16).view(np.float16)
    every = every[np.isfinite(every)].reshape(-1, 16)
    np.testing.assert_array_equal(single.from_half(every).view(np.uint32), every.astype(np.float32).view(np.uint32))
    np.testing.assert_array_equal(single.to_half(single.from_half(every)).view(np.uint16), every.view(np.uint16))
    ordered = np.sort(single.from_half(every).ravel())
    between = (0.5 * (ordered[1:].astype(np.float64) + ordered[:-1])).astype(np.float32).reshape(1, -1)  # ties
    np.testing.assert_array_equal(single.to_half(between), between.astype(np.float16))


@pytest.mark.parametrize("count", [2, 3, 5, 70])
def test_planes_and_pictures_are_each_others_opposite(count: int) -> None:
    picture = np.random.default_rng(0).normal(size=(7, 9, count)).astype(np.float32)
    planes = single.planes_of(picture)
    assert all(plane.flags.c_contiguous and np.array_equal(plane, picture[:, :, i]) for i, plane in enumerate(planes))
    np.testing.assert_array_equal(single.from_planes(planes), picture)


@pytest.mark.parametrize("extra", [(), ("A",), ("A", "mask.M")])
def test_a_file_of_halves_holds_what_openimageio_would_have_written(tmp_path: Path, extra: tuple[str, ...]) -> None:
    rgb = np.random.default_rng(1).normal(0.3, 2.0, (40, 33, 3)).astype(np.float32)
    frame = Frame.from_rgb(rgb)
    frame.extra.update({name: np.asarray(rgb[:, :, 0] > 0, np.float32) for name in extra})
    write_frame(tmp_path / "a.exr", frame, "half")
    read = oiio.ImageBuf(str(tmp_path / "a.exr"))
    assert read.spec().getattribute("compression") == "zip"
    assert str(read.spec().format) == "half"
    found = read.get_pixels("float")
    np.testing.assert_array_equal(found[:, :, :3], rgb.astype(np.float16).astype(np.float32))
    again = read_frame(tmp_path / "a.exr")
    np.testing.assert_array_equal(again.rgb, found[:, :, :3])
    assert list(again.extra) == list(extra)
    for index, name in enumerate(extra):
        np.testing.assert_array_equal(again.extra[name], found[:, :, 3 + index])
