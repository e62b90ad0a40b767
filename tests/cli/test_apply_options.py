"""What ``apply`` is asked for on the command line, in the files that it writes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import colour as colour_science
import numpy as np
import OpenEXR
import pytest

Cli = Callable[..., Any]
Options = Callable[..., list[str]]


@pytest.fixture
def apply(run_cli: Cli, elements_master: Path, tmp_path: Path) -> Callable[..., OpenEXR.File]:
    """Recover frame 1002 of ``neg`` with a model and options; the file that was written, as OpenEXR reads it."""

    def call(model: Path, *options: str | Path) -> OpenEXR.File:
        output = tmp_path / f"{len(list(tmp_path.iterdir()))}" / "rec.####.exr"
        files = ("--input", elements_master / "neg.####.exr", "--output", output, "--frames", "1002")
        done = run_cli("apply", model, *files, *options)
        assert done.code == 0, done.err
        return OpenEXR.File(str(output.with_name("rec.1002.exr")), separate_channels=False)

    return call


def rgb(file: OpenEXR.File) -> Any:
    return file.channels()["RGB"].pixels


def test_float_and_aces_are_in_the_header_and_the_pixels(apply: Callable[..., OpenEXR.File], finished_run: Path) -> None:
    half, single = apply(finished_run), apply(finished_run, "--float")
    assert rgb(half).dtype == np.float16 and rgb(single).dtype == np.float32
    assert np.array_equal(rgb(single).astype(np.float16), rgb(half)) and "chromaticities" not in single.header()
    aces = apply(finished_run, "--float", "--aces-from", "Linear Rec.709 (sRGB)")
    assert aces.header()["chromaticities"] == pytest.approx((0.7347, 0.2653, 0, 1, 0.0001, -0.077, 0.32168, 0.33767))
    matrix = colour_science.matrix_RGB_to_RGB("ITU-R BT.709", "ACES2065-1", "Bradford")
    assert np.abs(rgb(aces) - rgb(single) @ matrix.T).max() < 1e-5


def test_precision_tile_and_threads_reach_the_model(
    apply: Callable[..., OpenEXR.File], run_cli: Cli, finished_run: Path, elements_master: Path, tmp_path: Path
) -> None:
    whole = rgb(apply(finished_run, "--float"))
    shared = rgb(apply(finished_run, "--float", "--precision", "fp32", "--tile", "64", "--threads", "1"))
    assert np.abs(shared - whole).max() < 1e-5
    assert np.abs(rgb(apply(finished_run, "--float", "--precision", "fp16")) - whole).max() < 2e-2
    model = shutil.copy(finished_run / "export" / "chroma.onnx", tmp_path / "alone.onnx")
    words = ("apply", model, "--input", elements_master / "neg.####.exr", "--output", tmp_path / "none.####.exr")
    for options, sentence in (
        (("--precision", "fp16"), "has no half-precision variant"),
        (("--tile", "63"), "A tile is at least 64 pixels"),
        (("--threads", "0"), "the threads at least 1"),
    ):
        assert sentence in run_cli(*words, *options).sentence


def test_values_that_are_said_to_be_coded_are_marked_as_such(
    apply: Callable[..., OpenEXR.File],
    run_cli: Cli,
    elements_master: Path,
    finished_run: Path,
    training: Options,
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    assert run_cli("train", *training(elements_master), "--encoding", "none", "--steps", "1", "--out", run).code == 0
    files = ("--input", elements_master / "neg.####.exr", "--output", tmp_path / "none" / "rec.####.exr")
    refused = run_cli("apply", run, *files)
    assert refused.code == 3 and "say --coded of float files" in refused.sentence
    assert apply(run, "--coded").header()["film_recovery/coded"] == 1
    assert "film_recovery/coded" not in apply(finished_run).header()
