"""ONNX Runtime that has CUDA built in and cannot start it goes on with the CPU: so do we, to the end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from film_recovery.contract.card import ModelCard
from film_recovery.contract.errors import DeviceError
from film_recovery.inference import session as sessions
from film_recovery.inference.session import InferenceOptions, ModelSession
from film_recovery.modelfile.export import export_model
from film_recovery.modelfile.load import load_model
from film_recovery.training.graph import RecoveryGraph


def test_a_gpu_that_cannot_start_is_done_without(
    tmp_path: Path, photograph: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runtime here is the CPU's own: asked for CUDA, it falls back as one with a missing driver does."""
    torch.manual_seed(0)
    graph = RecoveryGraph("chroma", size="small", encoding="display", matrix="709", balance=None).eval()
    card = ModelCard("t", "chroma", "luma", "display", "709", None, "small", graph.receptive_field, graph.multiple, 1)
    export_model(graph, card, tmp_path / "model.onnx")
    model = load_model(tmp_path / "model.onnx")
    assert model.half() is not None
    monkeypatch.setattr(sessions, "_device", lambda wanted: "cuda")
    session = ModelSession(model, InferenceOptions())
    assert (session.device, session.half) == ("cpu", False)
    picture = np.ascontiguousarray(photograph[:64, :96])
    np.testing.assert_allclose(session.run(picture), picture, atol=1e-5)  # an untrained model changes nothing
    session.rest()
    with pytest.raises(DeviceError, match="cannot start CUDA"):
        ModelSession(model, InferenceOptions(device="cuda"))
