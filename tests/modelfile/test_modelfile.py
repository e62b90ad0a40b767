from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from film_recovery.contract.card import METADATA_KEY, ModelCard, load_card
from film_recovery.contract.errors import ModelFileError
from film_recovery.modelfile import check
from film_recovery.modelfile.check import kept_change
from film_recovery.modelfile.export import export_model
from film_recovery.modelfile.load import load_model
from film_recovery.pairs.balance import DensityBalance
from film_recovery.training.graph import RecoveryGraph

BALANCE = DensityBalance(np.array([[1.9, 0.3, 0.0], [0.1, 1.2, 0.05], [0.0, -0.05, 1.6]]), np.array([-0.5, -0.2, -0.3]))


def make(task: str, encoding: str = "display") -> tuple[RecoveryGraph, ModelCard]:
    torch.manual_seed(5)
    balance = BALANCE if task == "chroma" else None
    graph = RecoveryGraph(task, size="small", encoding=encoding, matrix="709", balance=balance).eval()
    for parameter in graph.network.parameters():
        torch.nn.init.normal_(parameter, std=0.03)
    card = ModelCard(
        "test", task, graph.kept, encoding, "709", balance.numbers if balance else None, "small", graph.receptive_field,
        graph.multiple, 1,
    )  # fmt: skip
    return graph, card


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "chroma.onnx"
    graph, card = make("chroma")
    export_model(graph, card, path)
    return path


def picture(height: int = 45, width: int = 70) -> np.ndarray:
    return (np.random.default_rng(1).random((1, 3, height, width)) * 1.4 - 0.2).astype(np.float32)


@pytest.mark.parametrize("encoding", ["display", "log", "none"])
@pytest.mark.parametrize("task", ["chroma", "spatial", "as-is"])
def test_the_file_computes_what_the_module_does_and_keeps_what_it_must(task: str, encoding: str, tmp_path: Path) -> None:
    graph, card = make(task, encoding)
    export_model(graph, card, tmp_path / "m.onnx")
    image = picture()
    for path, limit in ((tmp_path / "m.onnx", 1e-4), (tmp_path / "m.fp16.onnx", 2e-2)):
        session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        result = session.run(None, {"rgb": image})[0]
        with torch.no_grad():
            expected = graph(torch.from_numpy(image)).numpy()
        assert (np.abs(result - expected) / np.maximum(np.abs(expected), 1.0)).max() <= limit
        assert kept_change(image[0].transpose(1, 2, 0), result[0].transpose(1, 2, 0), card) <= 1e-6


def test_a_model_for_a_dye_that_is_nearly_gone_can_be_exported(tmp_path: Path) -> None:
    torch.manual_seed(5)
    matrix = np.array([[9.41, -0.68, -0.12], [1.02, 1.16, 0.10], [0.35, -0.24, 2.45]])
    balance = DensityBalance(matrix, np.array([0.36, 0.08, 0.11]))
    graph = RecoveryGraph("chroma", size="small", encoding="display", matrix="709", balance=balance).eval()
    for parameter in graph.network.parameters():
        torch.nn.init.normal_(parameter, std=0.03)
    card = ModelCard(
        "test", "chroma", "luma", "display", "709", balance.numbers, "small", graph.receptive_field, graph.multiple, 1
    )
    export_model(graph, card, tmp_path / "m.onnx")
    assert load_model(tmp_path / "m.onnx").card.balance == balance.numbers


class GatherElements(OpRun):
    """As the operator is specified; onnx's own gathers wrongly along axes of more than 32."""

    def _run(self, data: np.ndarray, indices: np.ndarray, axis: int) -> tuple[np.ndarray]:
        return (np.take_along_axis(data, indices, axis),)


def test_the_reference_implementation_of_onnx_agrees(exported: Path) -> None:
    image = picture(17, 19)
    reference = ReferenceEvaluator(str(exported), new_ops=[GatherElements]).run(None, {"rgb": image})[0]
    result = ort.InferenceSession(str(exported), providers=["CPUExecutionProvider"]).run(None, {"rgb": image})[0]
    assert np.abs(reference - result).max() <= 1e-4


def test_the_file_is_complete_and_readable_by_old_runtimes(exported: Path) -> None:
    model = onnx.load(str(exported))
    assert {entry.domain: entry.version for entry in model.opset_import} == {"": 17}
    assert model.ir_version <= 9
    loaded = load_model(exported)
    card = load_card(exported.with_suffix(".json"))
    assert set(card.files) == {"chroma.onnx", "chroma.fp16.onnx"}
    assert card.files["chroma.onnx"] == loaded.sha256
    assert loaded.card.balance == BALANCE.numbers and loaded.card.kept == "luma"


def test_the_half_file_holds_half_weights_and_single_ends(exported: Path) -> None:
    model = onnx.load(str(exported.with_suffix(".fp16.onnx")))
    assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT
    assert sum(tensor.data_type == TensorProto.FLOAT16 for tensor in model.graph.initializer) > 10
    weights = sum(parameter.numel() for parameter in make("chroma")[0].network.parameters())
    saved = exported.stat().st_size - exported.with_suffix(".fp16.onnx").stat().st_size
    assert 1.9 * weights < saved < 2.1 * weights  # bytes


def test_the_same_weights_give_the_same_bytes(exported: Path, tmp_path: Path) -> None:
    graph, card = make("chroma")
    export_model(graph, card, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == exported.read_bytes()


def test_a_file_that_differs_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "PARITY", 0.0)
    graph, card = make("chroma")
    with pytest.raises(ModelFileError, match="differs from the trained model"):
        export_model(graph, card, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


class Brighter(torch.nn.Module):
    """A recovery that does not keep the luma that it promises."""

    def __init__(self, graph: RecoveryGraph) -> None:
        super().__init__()
        self.graph = graph.for_export()

    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        brighter: torch.Tensor = self.graph(rgb) * 1.0001
        return brighter


def test_a_graph_that_breaks_its_promise_is_refused(tmp_path: Path) -> None:
    graph, card = make("chroma")
    with pytest.raises(ModelFileError, match="changes the kept luma"):
        export_model(Brighter(graph), card, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_diverged_network_is_not_exported_and_the_older_model_stays(exported: Path, tmp_path: Path) -> None:
    for suffix in (".onnx", ".fp16.onnx", ".json"):
        shutil.copy(exported.with_suffix(suffix), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    graph, card = make("chroma")
    with torch.no_grad():
        graph.network.stem.weight[0, 0, 0, 0] = torch.nan
    with pytest.raises(ModelFileError, match=r"^chroma\.onnx has weights that are not finite"):
        export_model(graph, card, tmp_path / "chroma.onnx")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_network_beyond_half_precision_has_no_half_variant_and_says_so(exported: Path, tmp_path: Path) -> None:
    for suffix in (".onnx", ".fp16.onnx", ".json"):
        shutil.copy(exported.with_suffix(suffix), tmp_path)
    graph, card = make("chroma")
    with torch.no_grad():
        graph.network.stem.weight *= 1e6
        graph.network.direct.weight *= 1e-6
        graph.network.affine.weight *= 1e-6
    export_model(graph, card, tmp_path / "chroma.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chroma.json", "chroma.onnx"]
    assert "No half-precision variant: chroma.fp16.onnx" in load_card(tmp_path / "chroma.json").notes
    assert load_model(tmp_path / "chroma.onnx").half() is None


@pytest.mark.parametrize("task", ["chroma", "spatial"])
def test_a_network_that_has_learned_nothing_has_both_variants(task: str, tmp_path: Path) -> None:
    """Its heads are zeros, and so is what a start without a filter adds: equal weights of unequal precision."""
    graph = RecoveryGraph(task, size="small", encoding="display", matrix="709", balance=None).eval()
    card = ModelCard("t", task, graph.kept, "display", "709", None, "small", graph.receptive_field, graph.multiple, 1)
    export_model(graph, card, tmp_path / "m.onnx")
    assert load_model(tmp_path / "m.onnx").half() is not None


def test_the_half_variant_belongs_to_its_own_model_alone(exported: Path, tmp_path: Path) -> None:
    loaded = load_model(exported)
    assert loaded.half() == loaded.half_path.read_bytes()
    for suffix in (".onnx", ".fp16.onnx"):
        shutil.copy(exported.with_suffix(suffix), tmp_path / f"renamed{suffix}")
    assert load_model(tmp_path / "renamed.onnx").half() is not None
    graph, card = make("chroma")
    with torch.no_grad():
        graph.network.stem.weight *= 1.1
    export_model(graph, card, tmp_path / "other.onnx")
    shutil.copy(tmp_path / "other.fp16.onnx", tmp_path / "renamed.fp16.onnx")
    assert load_model(tmp_path / "renamed.onnx").half() is None
    (tmp_path / "renamed.fp16.onnx").write_bytes(b"spoiled")
    with pytest.raises(ModelFileError, match=r"renamed\.fp16\.onnx is damaged"):
        load_model(tmp_path / "renamed.onnx").half()


def test_a_model_beside_the_card_of_another_file_is_refused_by_name(exported: Path, tmp_path: Path) -> None:
    for suffix in (".onnx", ".json"):
        shutil.copy(exported.with_suffix(suffix), tmp_path)
    load_model(tmp_path / "chroma.onnx")
    graph, card = make("chroma")
    with torch.no_grad():
        graph.network.stem.weight *= 1.1
    export_model(graph, card, tmp_path / "other.onnx")
    shutil.copy(tmp_path / "other.onnx", tmp_path / "chroma.onnx")
    with pytest.raises(ModelFileError, match=r"chroma\.onnx is not the file that its card chroma\.json tells of"):
        load_model(tmp_path / "chroma.onnx")
    (tmp_path / "chroma.json").unlink()
    load_model(tmp_path / "chroma.onnx")


def spoil(model: onnx.ModelProto, how: str) -> None:
    graph = model.graph
    if how == "rank":
        del graph.input[0].type.tensor_type.shape.dim[3]
    elif how == "channels":
        graph.input[0].type.tensor_type.shape.dim[1].dim_value = 4
    elif how == "name":
        graph.output[0].name = "out"
        graph.node[-1].output[0] = "out"
    elif how == "opset":
        model.opset_import[0].version = 23
    elif how == "external":
        tensor = graph.initializer[0]
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", "../../../etc/passwd"
    elif how == "nan":
        big = max(graph.initializer, key=lambda tensor: len(tensor.raw_data))
        values = numpy_helper.to_array(big).copy()
        values.flat[0] = np.nan
        big.CopyFrom(numpy_helper.from_array(values, big.name))
    elif how == "card":
        del model.metadata_props[:]
    elif how == "card damaged":
        model.metadata_props[0].value = "{"
    elif how == "operator":
        model.opset_import.append(helper.make_opsetid("com.evil", 1))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("rank", "3 dimensions|damaged"), ("channels", "shape|damaged"), ("name", "expected"), ("opset", "opset 23|damaged"),
        ("external", "outside itself"), ("nan", "not finite"), ("card", "no model card"), ("card damaged", "damaged"),
        ("operator", "com.evil"),
    ],
)  # fmt: skip
def test_unfit_files_are_refused_with_one_sentence(how: str, words: str, exported: Path, tmp_path: Path) -> None:
    model = onnx.load(str(exported))
    spoil(model, how)
    path = tmp_path / "bad.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelFileError, match=words) as raised:
        load_model(path)
    assert "\n" not in str(raised.value) and METADATA_KEY not in str(raised.value)


def test_missing_empty_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="does not exist"):
        load_model(tmp_path / "none.onnx")
    with pytest.raises(ModelFileError, match="no exported model"):
        load_model(tmp_path)
    for content, words in ((b"", "empty"), (b"GIF89a" * 100, "damaged or not")):
        (tmp_path / "m.onnx").write_bytes(content)
        with pytest.raises(ModelFileError, match=words):
            load_model(tmp_path / "m.onnx")


def test_truncated_and_flipped_files_never_crash(exported: Path, tmp_path: Path) -> None:
    content, random = exported.read_bytes(), np.random.default_rng(0)
    path = tmp_path / "m.onnx"
    for share in np.linspace(0.01, 0.999, 25):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(ModelFileError):
            load_model(path)

    for _ in range(40):
        spoiled = bytearray(content)
        spoiled[int(random.integers(len(content)))] ^= 1 << int(random.integers(8))
        path.write_bytes(spoiled)
        try:
            load_model(path)
        except ModelFileError:
            continue
