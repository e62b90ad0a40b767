"""Opening a model file from outside: every way in which it may be unfit is refused with one sentence before it runs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import google.protobuf.message
import numpy as np
import onnx
from onnx import numpy_helper

from film_recovery.contract.card import METADATA_KEY, ModelCard, load_card, parse_card
from film_recovery.contract.errors import InputError, ModelFileError
from film_recovery.contract.run_folder import RunFolder
from film_recovery.modelfile.card_values import unfit_value

OPSET = 17  # that is written, and the newest that is read
INPUT, OUTPUT = "rgb", "recovered"
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

    def half(self) -> bytes | None:
        """The half-precision variant, judged like the model itself; None if there is none that was made of this very model.

        Raises:
            ModelFileError: the file is there but unfit.
        """
        if not self.half_path.is_file():
            return None
        content = _read(self.half_path)
        return content if self.sha256 in judge(content, self.half_path).files.values() else None


def load_model(path: Path | str) -> LoadedModel:
    """Read and judge a model file, or the exported model of a run's folder.

    Raises:
        ModelFileError: missing, empty, truncated, too large, not ONNX, made for other software or another release, refers
            to data outside itself, uses custom operators, holds weights that are not finite, or is another file than the
            card beside it tells of.
    """
    try:
        path = find_model(Path(path))
    except (OSError, ValueError) as error:
        raise ModelFileError(f"'{path}' cannot be opened ({error}); name a model file (.onnx) or a run's folder.") from error
    content = _read(path)
    card = judge(content, path)
    digest = hashlib.sha256(content).hexdigest()
    _refuse_other_card(path, digest)
    return LoadedModel(path, card, content, digest)


def judge(content: bytes, path: Path) -> ModelCard:
    """The card of a model file's ``content`` after every check that needs nothing but these bytes; ``path`` is for messages.

    Raises :class:`ModelFileError`, as :func:`load_model` does.
    """
    model = _parse(content, path)
    _refuse_operators(model, path)
    _refuse_interface(model, path)
    _refuse_weights(model, path)
    return _card(model, path)


def find_model(path: Path) -> Path:
    """The model file that ``path`` names: itself, or the one exported by the run in that folder. Raises :class:`OSError` where
    the folder cannot be looked into."""
    if path.is_dir():
        export = RunFolder(path).export
        names = (p for p in (export.iterdir() if export.is_dir() else ()) if p.name.endswith(".onnx"))  # glob hides errors
        exported = sorted(p for p in names if not p.name.startswith(".") and not p.name.endswith(".fp16.onnx"))
        if not exported:
            raise ModelFileError(f"{path} holds no exported model; finish its training (film-recovery resume {path}) first.")
        return exported[0]
    if not path.is_file():
        raise ModelFileError(f"{path} does not exist; name a model file (.onnx) or a run's folder.")
    return path


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size == 0:
            raise ModelFileError(f"{path} is empty; export or copy the model again.")
        if size > _LARGEST:
            raise ModelFileError(f"{path} is larger than 2 GB, which no model of this program is; name another file.")
        return path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read ({error.strerror}); check its permissions and the disk.") from error


def _parse(content: bytes, path: Path) -> onnx.ModelProto:
    try:
        model = onnx.load_from_string(content)
        if not model.graph.node or not model.opset_import:
            raise ModelFileError(f"{path} is not a whole ONNX model; export or copy it again.")
        _refuse_outside(model, path)  # before the checker, which would go looking for the files
        onnx.checker.check_model(model, full_check=True)
    except (
        google.protobuf.message.DecodeError,
        onnx.checker.ValidationError,
        onnx.shape_inference.InferenceError,
        UnicodeDecodeError,
        ValueError,
    ) as error:
        raise ModelFileError(f"{path} is damaged or not an ONNX model; export or copy it again.") from error
    return model


def _tensors(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """Every tensor that the model holds, in its weights and in its operators."""
    tensors = list(model.graph.initializer)
    sparse = list(model.graph.sparse_initializer)
    for node in model.graph.node:
        for attribute in node.attribute:
            tensors += [*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors]
            sparse += [*([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []), *attribute.sparse_tensors]
    return tensors + [part for tensor in sparse for part in (tensor.values, tensor.indices)]


def _refuse_outside(model: onnx.ModelProto, path: Path) -> None:
    if any(attribute.HasField("g") or attribute.graphs for node in model.graph.node for attribute in node.attribute):
        raise ModelFileError(f"{path} holds nested graphs, which models of this program do not; name another file.")
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data for tensor in _tensors(model)):
        raise ModelFileError(f"{path} refers to data outside itself, which is not safe to follow; export it as one file.")


def _refuse_operators(model: onnx.ModelProto, path: Path) -> None:
    foreign = {entry.domain for entry in model.opset_import if entry.domain not in ("", "ai.onnx")}
    foreign |= {node.domain for node in model.graph.node if node.domain not in ("", "ai.onnx")}
    if foreign or model.functions:
        whose = ", ".join(sorted(foreign)) or "its own"
        raise ModelFileError(f"{path} needs operators of '{whose}'; name a model of this program.")
    opset = max(entry.version for entry in model.opset_import)
    if opset > OPSET:
        raise ModelFileError(
            f"{path} uses ONNX opset {opset}, this program reads up to {OPSET}; use the matching release."
        )


def _refuse_interface(model: onnx.ModelProto, path: Path) -> None:
    for kind, values, name in (("input", model.graph.input, INPUT), ("output", model.graph.output, OUTPUT)):
        names = [value.name for value in values]
        if names != [name]:
            raise ModelFileError(f"{path} has the {kind} {names}, expected ['{name}']; name a model of this program.")
        tensor = values[0].type.tensor_type
        shape = tuple(size.dim_value or None for size in tensor.shape.dim)
        if len(shape) != 4:
            raise ModelFileError(f"The {kind} of {path} has {len(shape)} dimensions, expected 4; name a model of this program.")
        if shape != _SHAPE:
            raise ModelFileError(
                f"The {kind} of {path} has the shape {shape}, expected {_SHAPE}; name a model of this program."
            )
        if tensor.elem_type != onnx.TensorProto.FLOAT:
            raise ModelFileError(f"The {kind} of {path} is not 32-bit float; name a model of this program.")


def _refuse_weights(model: onnx.ModelProto, path: Path) -> None:
    for tensor in _tensors(model):
        try:
            values = numpy_helper.to_array(tensor)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"{path} is damaged in the weights {tensor.name}; export or copy it again.") from error
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ModelFileError(f"{path} has weights that are not finite ({tensor.name}); train or export it again.")


def _card(model: onnx.ModelProto, path: Path) -> ModelCard:
    text = next((entry.value for entry in model.metadata_props if entry.key == METADATA_KEY), None)
    if text is None:
        raise ModelFileError(f"{path} carries no model card, so nothing tells what it is for; name a model of this program.")
    try:
        card = parse_card(text, f"The card in {path}")
    except InputError as error:
        raise ModelFileError(str(error)) from error
    except (RecursionError, ValueError) as error:
        raise ModelFileError(f"The card in {path} is damaged; export or copy the model again.") from error
    unfit = unfit_value(card)
    if unfit is None and card.opset != model.opset_import[0].version:
        unfit = "opset"
    if unfit is not None:
        value = str(getattr(card, unfit))[:40]
        raise ModelFileError(f"The card in {path} says {unfit} = {value}, which does not fit; export or copy the model again.")
    return card


def _refuse_other_card(path: Path, digest: str) -> None:
    """A card beside the model that tells of another file means that one of the two was exchanged."""
    beside = path.with_suffix(".json")
    try:
        files = load_card(beside).files if beside.is_file() else {}
    except (InputError, RecursionError, ValueError, OSError):
        return  # not a card of ours, or damaged: the one inside the model counts
    if isinstance(files, dict) and files and digest not in files.values():
        raise ModelFileError(f"{path} is not the file that its card {beside.name} tells of; copy the model and its card again.")
