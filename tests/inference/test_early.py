"""Frames read before their turn come out as they are in their files, and take no more memory than they may."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from film_recovery.images.frame import Frame
from film_recovery.images.io import read_frame, write_frame
from film_recovery.images.sequence import Sequence, open_sequence
from film_recovery.inference.early import EarlyFrames


def written(folder: Path, suffix: str) -> Sequence:
    random = np.random.default_rng(0)
    for number in range(1, 6):
        frame = Frame.from_rgb(random.uniform(0.0, 1.0, (20, 30, 3)))
        if suffix == ".exr":
            frame.extra["A"] = random.uniform(0.0, 1.0, (20, 30)).astype(np.float16).astype(np.float32)
        write_frame(folder / f"in.{number:04d}{suffix}", frame)
    return open_sequence(folder / f"in.####{suffix}")


def test_a_kept_frame_is_the_frame_of_the_file(tmp_path: Path) -> None:
    for suffix in (".exr", ".dpx"):
        sequence = written(tmp_path, suffix)
        early = EarlyFrames(sequence, [1, 2, 3])
        early.keep(2, sequence.read(2))
        path = sequence.files[2]
        whole = read_frame(path)
        path.unlink()
        found = early.take(2)
        np.testing.assert_array_equal(found.rgb, whole.rgb)
        assert (found.metadata, found.data_window, found.pixel_type) == (whole.metadata, whole.data_window, whole.pixel_type)
        assert found.extra.keys() == whole.extra.keys()
        assert all(np.array_equal(found.extra[name], whole.extra[name]) for name in whole.extra)


def test_rgb_that_is_finer_than_the_halves_of_its_file_is_kept_as_it_is(tmp_path: Path) -> None:
    """As of luminance and chroma; it takes the room that it needs."""
    sequence = written(tmp_path, ".exr")
    frame = sequence.read(2)
    finer = dataclasses.replace(frame, rgb=frame.rgb * np.float32(1.0 / 3.0))
    for room, is_kept in ((20 * 30 * (3 * 4 + 4), True), (20 * 30 * (3 * 4 + 4) - 1, False)):
        early = EarlyFrames(sequence, [2], most=room)
        early.keep(2, finer)
        assert np.array_equal(early.take(2).rgb, finer.rgb if is_kept else frame.rgb)


def test_what_does_not_fit_or_is_not_wanted_is_read_at_its_turn(tmp_path: Path) -> None:
    sequence = written(tmp_path, ".exr")
    one = 20 * 30 * (3 * 2 + 4)  # bytes: three halves and one float a pixel
    early = EarlyFrames(sequence, [1, 2, 3, 4], most=2 * one)
    for number in (1, 2, 3, 5):
        early.keep(number, sequence.read(number))
    for path in sequence.files.values():
        write_frame(path, Frame.from_rgb(np.zeros((20, 30, 3))))
    assert [bool(early.take(number).rgb.any()) for number in (1, 2, 3)] == [True, True, False]
    early.keep(4, sequence.read(4))
    early.keep(1, sequence.read(1))  # was taken
    assert not early.take(4).rgb.any()
