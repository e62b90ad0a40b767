"""TorchScript for the .cat route: the same recovery as the ONNX file, readable by old releases, exact in what it keeps."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch

from film_recovery.contract.card import METADATA_KEY, ModelCard, parse_card
from film_recovery.contract.errors import ModelFileError
from film_recovery.modelfile.check import kept_change
from film_recovery.modelfile.export import export_model
from film_recovery.modelfile.load import LoadedModel, load_model
from film_recovery.modelfile.torchscript import archive_format, write_torchscript
from film_recovery.pairs.balance import DensityBalance
from film_recovery.training.graph import RecoveryGraph
from film_recovery.training.scripted import enlarged, replicated, scripted

BALANCE = DensityBalance(np.array([[1.9, 0.3, 0.0], [0.1, 1.2, 0.05], [0.0, -0.05, 1.6]]), np.array([-0.5, -0.2, -0.3]))


def make(
    task: str, encoding: str = "display", matrix: str = "709", seed: int = 5, size: str = "small"
) -> tuple[RecoveryGraph, ModelCard]:
    """A graph in which every part does something: balance, table, filter, statistics and network."""
    torch.manual_seed(seed)
    balance = BALANCE if task == "chroma" else None
    graph = RecoveryGraph(task, size=size, encoding=encoding, matrix=matrix, balance=balance).eval()
    for parameter in graph.network.parameters():
        torch.nn.init.normal_(parameter, std=0.03)
    with torch.no_grad():
        for buffer in (graph.start.kernel, graph.start.offset, graph.mean):
            buffer.normal_(std=0.02)
        if graph.start.uses_table:
            graph.start.table.normal_(std=0.02)
        if graph.start.context is not None:
            for buffer in (graph.start.context.mixing, graph.start.context.shift, graph.start.context.weight):
                buffer.normal_(std=0.1)
            graph.start.context.limit.fill_(0.1)
        graph.deviation.fill_(0.7)
        graph.gain.fill_(0.5)
    card = ModelCard(
        "test", task, graph.kept, encoding, matrix, balance.numbers if balance else None, size, graph.receptive_field,
        graph.multiple, 1,
    )  # fmt: skip
    return graph, card


def exported(
    folder: Path, task: str, encoding: str = "display", matrix: str = "709", size: str = "small"
) -> tuple[RecoveryGraph, LoadedModel]:
    graph, card = make(task, encoding, matrix, size=size)
    export_model(graph, card, folder / "m.onnx")
    return graph, load_model(folder / "m.onnx")


def picture(height: int, width: int) -> np.ndarray:
    return (np.random.default_rng(3).random((1, 3, height, width)) * 1.6 - 0.3).astype(np.float32)


@pytest.mark.parametrize(
    ("task", "encoding", "matrix", "size"),
    [
        ("chroma", "display", "709", "small"), ("chroma", "none", "601", "small"), ("as-is", "display", "709", "small"),
        ("spatial", "log", "2020", "small"), ("spatial", "display", "709", "medium"),
    ],
)  # fmt: skip
def test_it_computes_what_the_onnx_file_does_and_keeps_what_it_must(
    task: str, encoding: str, matrix: str, size: str, tmp_path: Path
) -> None:
    graph, model = exported(tmp_path, task, encoding, matrix, size)
    assert write_torchscript(scripted(graph), model, tmp_path / "m.pt") <= 1e-4
    written = torch.jit.load(str(tmp_path / "m.pt"))
    session = ort.InferenceSession(model.content, providers=["CPUExecutionProvider"])
    for height, width in ((37, 90), (1, 1)):
        image = picture(height, width)
        result = written(torch.from_numpy(image)).numpy()
        wanted = session.run(None, {"rgb": image})[0]
        assert (np.abs(result - wanted) / np.maximum(np.abs(wanted), 1.0)).max() <= 1e-4
        assert kept_change(image[0].transpose(1, 2, 0), result[0].transpose(1, 2, 0), model.card) <= 1e-6


def test_older_releases_of_pytorch_can_read_it(tmp_path: Path) -> None:
    """Format 4 is PyTorch 1.6's; operators that came later would be found under these names."""
    graph, model = exported(tmp_path, "chroma")
    write_torchscript(scripted(graph), model, tmp_path / "m.pt")
    assert archive_format(tmp_path / "m.pt") <= 4
    with zipfile.ZipFile(tmp_path / "m.pt") as archive:
        code = "".join(archive.read(name).decode() for name in archive.namelist() if name.endswith(".py"))
    used = set(re.findall(r"torch\.(\w+)\(", code))
    assert not used & {"pad", "pixel_unshuffle", "upsample_bilinear2d", "_upsample_bilinear2d_aa", "clip", "unbind", "concat"}
    extra = {METADATA_KEY: ""}
    torch.jit.load(str(tmp_path / "m.pt"), _extra_files=extra)
    assert parse_card(extra[METADATA_KEY], "the file").task == "chroma"


def test_the_same_model_gives_the_same_bytes_and_no_name_of_the_machine(tmp_path: Path) -> None:
    graph, model = exported(tmp_path, "chroma")
    for name in ("one", "two"):
        write_torchscript(scripted(graph), model, tmp_path / f"{name}.pt")
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "two.pt").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.pt") as archive:
        assert {entry.split("/")[0] for entry in archive.namelist()} == {"archive"}


def test_nukes_half_precision_switch_keeps_as_much_as_halves_can(tmp_path: Path) -> None:
    """The switch casts module and input; what is kept may then move by the rounding of the picture itself."""
    graph, model = exported(tmp_path, "chroma")
    write_torchscript(scripted(graph), model, tmp_path / "m.pt")
    half = torch.jit.load(str(tmp_path / "m.pt")).half()
    image = np.clip(picture(33, 47), 0.0, 1.0).astype(np.float16)
    result = half(torch.from_numpy(image))
    assert result.dtype == torch.float16
    single = image.astype(np.float32)
    wanted = graph(torch.from_numpy(single)).detach().numpy()
    assert np.abs(result.float().numpy() - wanted).max() <= 3e-2
    found = result.float().numpy()[0].transpose(1, 2, 0)
    assert kept_change(single[0].transpose(1, 2, 0), found, model.card) <= 2e-3


def test_a_checkpoint_of_another_training_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    _, model = exported(tmp_path, "spatial")
    other, _ = make("spatial", seed=6)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ModelFileError, match="not of the same training"):
        write_torchscript(scripted(other), model, tmp_path / "m.pt")
    assert sorted(tmp_path.iterdir()) == before


def test_what_is_no_torchscript_is_told(tmp_path: Path) -> None:
    (tmp_path / "m.pt").write_bytes(b"not a zip")
    with pytest.raises(ModelFileError, match=r"m\.pt is no TorchScript file"):
        archive_format(tmp_path / "m.pt")


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 3), (8, 17)])
def test_its_own_padding_and_enlargement_are_pytorchs(height: int, width: int) -> None:
    image = torch.from_numpy(picture(height, width))
    padded = torch.nn.functional.pad(image, (2, 1, 0, 3), mode="replicate")
    assert torch.equal(replicated(image, 2, 1, 0, 3), padded)
    bilinear = torch.nn.functional.interpolate(image, scale_factor=4.0, mode="bilinear", align_corners=False)
    assert torch.allclose(enlarged(enlarged(image, 2, 4), 3, 4), bilinear, atol=1e-6)
