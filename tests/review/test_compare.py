"""Comparisons of sequences on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from film_recovery.contract.errors import InputError
from film_recovery.images.encodings import encode
from film_recovery.images.frame import Frame
from film_recovery.images.io import read_frame, write_frame
from film_recovery.images.sequence import open_sequence
from film_recovery.review.compare import compare_sequences


def test_coded_and_linear_files_look_alike_in_stills_and_movie(photograph: np.ndarray, tmp_path: Path) -> None:
    linear = np.ascontiguousarray(photograph[:96, :128])
    for frame in range(1, 5):
        write_frame(tmp_path / f"linear.{frame:04d}.exr", Frame.from_rgb(linear))
        write_frame(tmp_path / f"coded.{frame:04d}.dpx", Frame.from_rgb(np.asarray(encode(linear, "display"), np.float32)))
    files = [(name, str(tmp_path / f"{name}.####.{suffix}")) for name, suffix in (("coded", "dpx"), ("linear", "exr"))]
    written = compare_sequences(files, None, tmp_path / "out", movie=True)
    still, movie = read_frame(written[0]).rgb, open_sequence(written[-1]).read(2).rgb
    for picture, tolerance in ((still, 0.02), (movie, 0.06)):
        half = picture.shape[1] // 2
        levels = [np.quantile(side, [0.5, 0.9]) for side in (picture[:, :half], picture[:, half : 2 * half])]
        assert np.abs(levels[0] - levels[1]).max() < tolerance


def test_only_frames_that_all_have_are_compared(photograph: np.ndarray, tmp_path: Path) -> None:
    for name, frames in (("a", range(1, 7)), ("b", range(2, 8))):
        for frame in frames:
            write_frame(tmp_path / f"{name}.{frame:04d}.exr", Frame.from_rgb(photograph[:40, :60] * np.float32(0.1 * frame)))
    files, out = [(name, str(tmp_path / f"{name}.####.exr")) for name in ("a", "b")], tmp_path / "out"
    *stills, movie = compare_sequences(files, None, out, movie=True)
    numbers = [int(path.name.split(".")[1]) for path in stills]
    assert len(set(numbers)) == 3 and numbers == sorted(numbers) and set(numbers) <= set(range(2, 7))
    assert open_sequence(movie).frames == [1, 2, 3, 4, 5]
    assert compare_sequences(files, [3, 6], tmp_path / "two") == [tmp_path / "two" / f"comparison.000{n}.png" for n in (3, 6)]
    with pytest.raises(InputError, match="Frame 1 is not in every sequence"):
        compare_sequences(files, [1, 2], tmp_path / "none")
    write_frame(tmp_path / "c.0009.exr", Frame.from_rgb(photograph[:40, :60]))
    with pytest.raises(InputError, match="No frame is in every sequence"):
        compare_sequences([files[0], ("c", str(tmp_path / "c.####.exr"))], None, tmp_path / "none")
    assert not (tmp_path / "none").exists()
