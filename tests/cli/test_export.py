from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from film_recovery.contract.exit_codes import ExitCode


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
