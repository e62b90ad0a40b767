"""Comparisons of sequences on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np

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
