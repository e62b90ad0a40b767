"""ONNX Runtime sessions: one per model, device and precision, kept warm."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from film_recovery.contract.errors import DeviceError, UsageError
from film_recovery.inference.tiles import OutOfMemory
from film_recovery.modelfile.load import LoadedModel

FloatArray = npt.NDArray[np.float32]
_DEVICES = ("auto", "cpu", "cuda")
_PRECISIONS = ("auto", "fp32", "fp16")
_OUT_OF_MEMORY = ("failed to allocate memory", "bad allocation", "bad_alloc", "out of memory", "cudaerrormemoryallocation")
_sessions: dict[tuple[str, str, str, int], ort.InferenceSession] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class InferenceOptions:
    """How to run: ``device`` auto, cpu or cuda; ``precision`` auto (fp16 on a GPU), fp32 or fp16; ``tile`` side in pixels, None
    for the whole frame where it fits; ``threads`` on the CPU, None for all."""

    device: str = "auto"
    precision: str = "auto"
    tile: int | None = None
    threads: int | None = None

    def check(self) -> None:
        """Raise :class:`UsageError` for values that mean nothing."""
        if self.device not in _DEVICES or self.precision not in _PRECISIONS:
            raise UsageError(f"Choose a device of {', '.join(_DEVICES)} and a precision of {', '.join(_PRECISIONS)}.")
        if (self.tile is not None and self.tile < 64) or (self.threads is not None and self.threads < 1):
            raise UsageError("A tile is at least 64 pixels and the threads at least 1.")


class ModelSession:
    """Runs one model on whole pictures or tiles, (H, W, 3) float32 in the working space."""

    def __init__(self, model: LoadedModel, options: InferenceOptions) -> None:
        options.check()
        self.model = model
        self.device = _device(options.device)
        wants_half = options.precision == "fp16" or (options.precision == "auto" and self.device == "cuda")
        self.half = wants_half and model.half_path.is_file()
        self.threads = options.threads or 0

    def run(self, rgb: FloatArray) -> FloatArray:
        """Recover one picture at the chosen precision. Raises :class:`OutOfMemory` when the device has no room."""
        return self._run(rgb, self.half)

    def run_single(self, rgb: FloatArray) -> FloatArray:
        """Recover one picture in single precision, for frames that half precision spoiled."""
        return self._run(rgb, False)

    def _run(self, rgb: FloatArray, half: bool) -> FloatArray:
        session = self._session(half)
        image = np.ascontiguousarray(rgb.transpose(2, 0, 1))[None]
        run_options = ort.RunOptions()
        run_options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "gpu:0" if self.device == "cuda" else "cpu:0")
        try:
            result = session.run(None, {"rgb": image}, run_options)[0]
        except (MemoryError, RuntimeError, ort.capi.onnxruntime_pybind11_state.RuntimeException) as error:
            if isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in _OUT_OF_MEMORY):
                raise OutOfMemory(str(error)) from error
            raise
        return np.ascontiguousarray(np.asarray(result, np.float32)[0].transpose(1, 2, 0))

    def _session(self, half: bool) -> ort.InferenceSession:
        precision = "fp16" if half else "fp32"
        key = (self.model.sha256, self.device, precision, self.threads)
        with _lock:
            if key not in _sessions:
                content = self.model.half_path.read_bytes() if half else self.model.content
                options = _session_options(self.threads)
                _sessions[key] = ort.InferenceSession(content, options, providers=_providers(self.device))
            return _sessions[key]


def _device(wanted: str) -> str:
    available = "CUDAExecutionProvider" in ort.get_available_providers()
    if wanted == "cuda" and not available:
        raise DeviceError("ONNX Runtime has no CUDA here; use device cpu, or install the gpu extra (onnxruntime-gpu).")
    return "cuda" if wanted == "cuda" or (wanted == "auto" and available) else "cpu"


def _session_options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return options


def _providers(device: str) -> list[Any]:
    # HEURISTIC: an exhaustive search costs a third of a second for every new shape.
    cuda = ("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"})
    return [cuda, "CPUExecutionProvider"] if device == "cuda" else ["CPUExecutionProvider"]
