"""Writing a model file: one ONNX graph that holds the whole recovery, a typed half-precision variant, and the card.

The graph takes working-space RGB and returns working-space RGB, float32, any height and width: ``rgb`` (1, 3, H, W) to
``recovered`` (1, 3, H, W), opset 17, which ONNX Runtime 1.17 and newer read. In the half variant only the network's
convolutions run in fp16; colour mathematics, table and recombination stay in float32, so the kept component stays exact.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from film_recovery.contract.atomic import atomic_path
from film_recovery.contract.card import METADATA_KEY, ModelCard
from film_recovery.contract.errors import ModelFileError
from film_recovery.contract.hashes import file_sha256
from film_recovery.modelfile.check import check_model
from film_recovery.modelfile.load import INPUT, OPSET, OUTPUT

_HALF_OPS = ("Conv", "ConvTranspose", "Relu")  # rounding commutes with the last, which saves casts


@runtime_checkable
class Exportable(Protocol):
    """A module with another form of itself, of the same values, that runtimes compute faster."""

    def for_export(self) -> nn.Module:
        """The form that the file holds."""


def export_model(module: nn.Module, card: ModelCard, path: Path) -> None:
    """Write ``path`` (.onnx), beside it ``.fp16.onnx``, and the card (.json) last; each is checked before it takes its name.

    An older model of that name stays until the new one has passed. A network that half precision does not represent well
    enough gets no half variant, and the card's ``notes`` say so.

    Args:
        module: in evaluation mode, on the CPU, float32 working-space RGB (1, 3, H, W) in and out. Where it is
            :class:`Exportable`, the file holds that form, and is compared with the module itself.
        card: completed here with the opset and the files' hashes.

    Raises:
        ModelFileError: the written file differs from the module, or does not keep what it must; nothing was changed.
        StorageError: the disk is full or read-only.
    """
    path = Path(path)
    half_path, card_path = path.with_suffix(".fp16.onnx"), path.with_suffix(".json")
    card.opset, card.files = OPSET, {}
    model = _trace(module.for_export() if isinstance(module, Exportable) else module)
    with atomic_path(path) as temporary:
        _write(temporary, model, card)
        check_model(temporary, module, card, name=path.name)
        for stale in (half_path, card_path):  # they tell of the older model; without them the new one stands on its own
            stale.unlink(missing_ok=True)
    card.files = {path.name: file_sha256(path)}  # also inside the half variant, which thereby names its own model
    try:
        with atomic_path(half_path) as temporary:
            _write(temporary, to_half(model), card)
            check_model(temporary, module, card, half=True, name=half_path.name)
        card.files[half_path.name] = file_sha256(half_path)
    except ModelFileError as error:
        card.notes = f"{card.notes} No half-precision variant: {error}".strip()
    card.save(card_path)


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose convolutions compute in fp16: weights stored as halves, casts only where they meet single precision."""
    half = onnx.ModelProto()
    half.CopyFrom(model)
    weights = {tensor.name: tensor for tensor in half.graph.initializer}
    network = [_in_network(node) and node.op_type in _HALF_OPS for node in half.graph.node]
    used_in_single = {
        name for node, is_half in zip(half.graph.node, network, strict=True) if not is_half for name in node.input
    }
    converted: set[str] = set()
    nodes: list[onnx.NodeProto] = []
    half_of: dict[str, str] = {}
    for node, is_half in zip(half.graph.node, network, strict=True):
        if not is_half:
            nodes.append(node)
            continue
        source, result = node.input[0], node.output[0]
        if source not in half_of:
            half_of[source] = f"{source}_half"
            nodes.append(_cast(source, half_of[source], f"{node.name}_to_half", TensorProto.FLOAT16))
        half_of[result] = f"{result}_half"
        node.input[0], node.output[0] = half_of[source], half_of[result]
        for name in node.input[1:]:
            if name not in converted:
                with np.errstate(over="ignore"):  # infinities are found by the check
                    array = numpy_helper.to_array(weights[name]).astype(np.float16)
                weights[name].CopyFrom(numpy_helper.from_array(array, name))
                converted.add(name)
        nodes.append(node)
        if result in used_in_single:
            nodes.append(_cast(half_of[result], result, f"{node.name}_to_single", TensorProto.FLOAT))
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
    _part_equal_weights(model.graph)
    for value in (*model.graph.input, *model.graph.output):
        for size, name in zip(value.type.tensor_type.shape.dim, (1, 3, "height", "width"), strict=True):
            size.Clear()
            if isinstance(name, int):
                size.dim_value = name
            else:
                size.dim_param = name
    return model


def _part_equal_weights(graph: onnx.GraphProto) -> None:
    """Give every layer weights of its own: the tracer lets equal ones, such as zeros, be read through the first of them."""
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "Identity" and node.input[0] in weights]:
        own = graph.initializer.add()
        own.CopyFrom(weights[node.input[0]])
        own.name = node.output[0]
        graph.node.remove(node)


def _write(path: Path, model: onnx.ModelProto, card: ModelCard) -> None:
    model.producer_name = "film-recovery"
    model.doc_string = f"{card.task} recovery, keeps {card.kept}; working-space RGB in and out"
    del model.metadata_props[:]
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, card.to_json()
    path.write_bytes(model.SerializeToString(deterministic=True))
