from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch

from film_recovery.contract.exit_codes import ExitCode
from film_recovery.images.encodings import encode
from film_recovery.pairs.dataset import load_dataset


def test_a_run_is_handed_out_as_torchscript(finished_run: Path, tmp_path: Path, run_cli: Callable[..., Any]) -> None:
    done = run_cli("export", finished_run, "--torchscript", "--out", tmp_path / "chroma.pt", "--json")
    assert done.code == ExitCode.OK, done.err
    said = done.json
    assert said["task"] == "chroma" and said["difference"] <= 1e-4
    assert said["sha256"] == hashlib.sha256((tmp_path / "chroma.pt").read_bytes()).hexdigest()
    assert torch.jit.load(said["torchscript"])(torch.rand(1, 3, 20, 30)).shape == (1, 3, 20, 30)


def test_what_cannot_be_exported_is_told(finished_run: Path, tmp_path: Path, run_cli: Callable[..., Any]) -> None:
    assert run_cli("export", finished_run).code == ExitCode.USAGE
    model = finished_run / "export" / "chroma.onnx"
    assert run_cli("export", model, "--torchscript").code == ExitCode.BAD_INPUT
    assert run_cli("export", finished_run, "--torchscript", "--out", tmp_path).code == ExitCode.USAGE
    before = model.read_bytes()
    done = run_cli("export", finished_run, "--torchscript", "--out", model)
    assert done.code == ExitCode.USAGE and "chroma.onnx is no .pt file; name one" in done.sentence
    assert model.read_bytes() == before
    (tmp_path / "empty").mkdir()
    done = run_cli("export", tmp_path / "empty", "--torchscript")
    assert done.code == ExitCode.BAD_INPUT and "holds no exported model" in done.sentence


def test_a_report_is_written_over_no_other_kind_of_file(finished_run: Path, run_cli: Callable[..., Any]) -> None:
    job = finished_run / "job.json"
    before = job.read_bytes()
    done = run_cli("report", finished_run, "--out", job)
    assert done.code == ExitCode.USAGE and "job.json is no .html file; name one, as report.html." in done.sentence
    assert job.read_bytes() == before


def test_the_figures_of_a_report_are_the_models_on_the_held_out_pair(
    finished_run: Path, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    (pair,) = load_dataset(finished_run / "dataset").held_out
    model = ort.InferenceSession(str(finished_run / "export" / "chroma.onnx"), providers=["CPUExecutionProvider"])
    made = model.run(None, {"rgb": np.ascontiguousarray(pair.source.transpose(2, 0, 1)[None])})[0][0].transpose(1, 2, 0)
    done = run_cli("report", finished_run, "--out", tmp_path / "r.html", "--json")
    scores = {one["label"]: one["psnr"] for one in done.json["scores"]}
    for label, picture in (("source, untouched", pair.source), ("recovered", made)):
        off = np.square(np.asarray(encode(picture, "display")) - np.asarray(encode(pair.target, "display")), dtype=np.float64)
        assert scores[label] == pytest.approx(-10.0 * math.log10(off.mean()), abs=0.01)
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "On the held-out pairs" in page and "1 frame, coded domain" in page and "Frame 1005, not trained on." in page
