"""Writing a model file: one ONNX graph that holds the whole recovery, a typed half-precision variant, and the card.

The graph takes working-space RGB and returns working-space RGB, float32, any height and width: ``rgb`` (1, 3, H, W) to
``recovered`` (1, 3, H, W), opset 17, which ONNX Runtime 1.17 and newer read. In the half variant only the network's
convolutions run in fp16; colour mathematics, table and recombination stay in float32, so the kept component stays exact.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from film_recovery.contract.atomic import atomic_path
from film_recovery.contract.card import METADATA_KEY, ModelCard
from film_recovery.modelfile.check import check_model

OPSET = 17
INPUT, OUTPUT = "rgb", "recovered"
_HALF_OPS = ("Conv", "ConvTranspose")


def export_model(module: nn.Module, card: ModelCard, path: Path) -> None:
    """Write ``path`` (.onnx), ``path`` with ``.fp16.onnx``, and the card (.json) last; check both before they take their names.

    Args:
        module: in evaluation mode, on the CPU, float32 working-space RGB (1, 3, H, W) in and out.
        card: completed here with the files' hashes.

    Raises:
        ModelFileError: a written file differs from the module, or does not keep what it must.
        StorageError: the disk is full or read-only.
    """
    path = Path(path)
    half_path = path.with_suffix(".fp16.onnx")
    single = _trace(module)
    card.opset, card.files = OPSET, {}
    models = {path: single, half_path: to_half(single)}
    for target, model in models.items():
        _describe(model, card)
        with atomic_path(target) as temporary:
            temporary.write_bytes(model.SerializeToString(deterministic=True))
            check_model(temporary, module, card, half=target == half_path)
    card.files = {target.name: hashlib.sha256(target.read_bytes()).hexdigest() for target in models}
    card.save(path.with_suffix(".json"))


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose convolutions compute in fp16: weights stored as halves, a cast before and after each run of them."""
    half = onnx.ModelProto()
    half.CopyFrom(model)
    weights = {tensor.name: tensor for tensor in half.graph.initializer}
    network = [node for node in half.graph.node if node.op_type in _HALF_OPS and _in_network(node)]
    converted: set[str] = set()
    nodes: list[onnx.NodeProto] = []
    cast: dict[str, str] = {}
    for node in half.graph.node:
        if node not in network:
            nodes.append(node)
            continue
        source = node.input[0]
        if source not in cast:
            cast[source] = f"{source}_half"
            nodes.append(_cast(source, cast[source], f"{node.name}_to_half", TensorProto.FLOAT16))
        node.input[0] = cast[source]
        for name in node.input[1:]:
            if name not in converted:
                array = numpy_helper.to_array(weights[name]).astype("float16")
                weights[name].CopyFrom(numpy_helper.from_array(array, name))
                converted.add(name)
        result = node.output[0]
        node.output[0] = f"{result}_half"
        nodes.extend([node, _cast(node.output[0], result, f"{node.name}_to_single", TensorProto.FLOAT)])
    del half.graph.node[:]
    half.graph.node.extend(nodes)
    return half


def _cast(source: str, result: str, name: str, kind: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [result], name=name, to=kind)


def _in_network(node: onnx.NodeProto) -> bool:
    return "/network/" in node.name or node.name.startswith("network")


def _trace(module: nn.Module) -> onnx.ModelProto:
    buffer = io.BytesIO()
    axes = {2: "height", 3: "width"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns about its own age; the result is checked below
        torch.onnx.export(
            module.eval(),
            (torch.rand(1, 3, 50, 70),),
            buffer,  # type: ignore[arg-type]  # a stream works, the stub knows only paths
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: axes, OUTPUT: axes},
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    for value in (*model.graph.input, *model.graph.output):
        for size, name in zip(value.type.tensor_type.shape.dim, (1, 3, "height", "width"), strict=True):
            size.Clear()
            if isinstance(name, int):
                size.dim_value = name
            else:
                size.dim_param = name
    return model


def _describe(model: onnx.ModelProto, card: ModelCard) -> None:
    model.producer_name = "film-recovery"
    model.doc_string = f"{card.task} recovery, keeps {card.kept}; working-space RGB in and out"
    del model.metadata_props[:]
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, card.to_json()
