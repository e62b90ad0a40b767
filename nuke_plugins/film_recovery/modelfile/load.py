"""Opening a model file from outside: every way in which it may be unfit is refused with one sentence before it runs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import google.protobuf.message
import numpy as np
import onnx
from onnx import numpy_helper

from film_recovery.contract.card import METADATA_KEY, ModelCard, parse_card
from film_recovery.contract.errors import InputError, ModelFileError
from film_recovery.contract.run_folder import RunFolder

NEWEST_OPSET = 17
_LARGEST = 2 * 1024**3 - 1  # bytes; protobuf's limit
_SHAPE = (1, 3, None, None)


@dataclass(frozen=True)
class LoadedModel:
    """A model file that has passed: its bytes, its card, and its SHA-256."""

    path: Path
    card: ModelCard
    content: bytes
    sha256: str

    @property
    def half_path(self) -> Path:
        """Where the half-precision variant lies if there is one."""
        return self.path.with_suffix(".fp16.onnx")


def load_model(path: Path | str) -> LoadedModel:
    """Read and judge a model file, or the exported model of a run's folder.

    Raises:
        ModelFileError: missing, empty, truncated, too large, not ONNX, made for other software or another release, refers
            to data outside itself, uses custom operators, or holds weights that are not finite.
    """
    path = find_model(Path(path))
    size = path.stat().st_size
    if size == 0:
        raise ModelFileError(f"{path} is empty; export or copy the model again.")
    if size > _LARGEST:
        raise ModelFileError(f"{path} is larger than 2 GB, which no model of this program is; name another file.")
    content = path.read_bytes()
    model = _parse(content, path)
    _refuse_outside(model, path)
    _refuse_operators(model, path)
    _refuse_interface(model, path)
    _refuse_weights(model, path)
    return LoadedModel(path, _card(model, path), content, hashlib.sha256(content).hexdigest())


def find_model(path: Path) -> Path:
    """The model file that ``path`` names: itself, or the one exported by the run in that folder."""
    if path.is_dir():
        exported = sorted(p for p in RunFolder(path).export.glob("*.onnx") if not p.name.endswith(".fp16.onnx"))
        if not exported:
            raise ModelFileError(f"{path} holds no exported model; finish its training (film-recovery resume {path}) first.")
        return exported[0]
    if not path.is_file():
        raise ModelFileError(f"{path} does not exist; name a model file (.onnx) or a run's folder.")
    return path


def _parse(content: bytes, path: Path) -> onnx.ModelProto:
    try:
        model = onnx.load_from_string(content)
        if not model.graph.node or not model.opset_import:
            raise ModelFileError(f"{path} is not a whole ONNX model; export or copy it again.")
        if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
            return model  # refused with its own sentence; the checker would go looking for the files
        onnx.checker.check_model(model)
    except (google.protobuf.message.DecodeError, onnx.checker.ValidationError, UnicodeDecodeError, ValueError) as error:
        raise ModelFileError(f"{path} is damaged or not an ONNX model; export or copy it again.") from error
    return model


def _refuse_outside(model: onnx.ModelProto, path: Path) -> None:
    tensors = [*model.graph.initializer]
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                tensors.append(attribute.t)
            if attribute.HasField("g") or attribute.graphs:
                raise ModelFileError(f"{path} holds nested graphs, which models of this program do not; name another file.")
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data for tensor in tensors):
        raise ModelFileError(f"{path} refers to data outside itself, which is not safe to follow; export it as one file.")


def _refuse_operators(model: onnx.ModelProto, path: Path) -> None:
    foreign = {entry.domain for entry in model.opset_import if entry.domain not in ("", "ai.onnx")}
    foreign |= {node.domain for node in model.graph.node if node.domain not in ("", "ai.onnx")}
    if foreign or model.functions:
        whose = ", ".join(sorted(foreign)) or "its own"
        raise ModelFileError(f"{path} needs operators of '{whose}'; name a model of this program.")
    opset = max(entry.version for entry in model.opset_import)
    if opset > NEWEST_OPSET:
        raise ModelFileError(
            f"{path} uses ONNX opset {opset}, this program reads up to {NEWEST_OPSET}; use the matching release."
        )


def _refuse_interface(model: onnx.ModelProto, path: Path) -> None:
    for kind, values, name in (("input", model.graph.input, "rgb"), ("output", model.graph.output, "recovered")):
        names = [value.name for value in values]
        if names != [name]:
            raise ModelFileError(f"{path} has the {kind} {names}, expected ['{name}']; name a model of this program.")
        sizes = values[0].type.tensor_type.shape.dim
        shape = tuple(size.dim_value or None for size in sizes)
        if len(shape) != 4:
            raise ModelFileError(f"The {kind} of {path} has {len(shape)} dimensions, expected 4; name a model of this program.")
        if shape != _SHAPE:
            raise ModelFileError(
                f"The {kind} of {path} has the shape {shape}, expected {_SHAPE}; name a model of this program."
            )


def _refuse_weights(model: onnx.ModelProto, path: Path) -> None:
    for tensor in model.graph.initializer:
        try:
            values = numpy_helper.to_array(tensor)
        except (ValueError, TypeError) as error:
            raise ModelFileError(f"{path} is damaged in the weights {tensor.name}; export or copy it again.") from error
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ModelFileError(f"{path} has weights that are not finite ({tensor.name}); train or export it again.")


def _card(model: onnx.ModelProto, path: Path) -> ModelCard:
    text = next((entry.value for entry in model.metadata_props if entry.key == METADATA_KEY), None)
    if text is None:
        raise ModelFileError(f"{path} carries no model card, so nothing tells what it is for; name a model of this program.")
    try:
        return parse_card(text, f"The card in {path}")
    except InputError as error:
        raise ModelFileError(str(error)) from error
