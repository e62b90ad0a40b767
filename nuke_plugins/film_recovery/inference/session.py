"""ONNX Runtime sessions: one per model, device, precision and number of threads, shared and kept warm."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from film_recovery.contract.errors import DeviceError, ModelFileError, UsageError
from film_recovery.contract.processors import processors
from film_recovery.images.single import from_planes
from film_recovery.inference.tiles import WHOLE_PIXELS, OutOfMemory
from film_recovery.modelfile.load import LoadedModel

FloatArray = npt.NDArray[np.float32]
_DEVICES = ("auto", "cpu", "cuda")
_PRECISIONS = ("auto", "fp32", "fp16")
_CUDA = "CUDAExecutionProvider"
_OUT_OF_MEMORY = (
    "failed to allocate memory", "bad allocation", "bad_alloc", "out of memory", "cudaerrormemoryallocation", "alloc_failed",
)  # fmt: skip
_OF_THE_GPU = ("cuda", "cudnn", "cublas")
# ONNX Runtime's errors have no family of their own.
_RUNTIME_ERRORS = (
    ort_errors.EPFail, ort_errors.Fail, ort_errors.InvalidArgument, ort_errors.InvalidGraph, ort_errors.InvalidProtobuf,
    ort_errors.NoModel, ort_errors.NotImplemented, ort_errors.RuntimeException, RuntimeError,
)  # fmt: skip
_KEPT_WARM = 8  # sessions; a project runs pass after pass, each with models of its own
MOST_AT_ONCE = 4  # pictures
# Of all pictures that are recovered at once, so that memory does not grow with processors: in the model, and altogether.
_PIXELS_IN_MODEL, _PIXELS_AT_ONCE = 2 * WHOLE_PIXELS, 4 * WHOLE_PIXELS
_sessions: OrderedDict[tuple[str, str, str, int], ort.InferenceSession] = OrderedDict()
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
    """Runs one model on whole pictures or tiles, (H, W, 3) float32 in the working space.

    ``device`` is the one in use (cpu or cuda), ``half`` whether :meth:`run` computes in half precision. Several threads may run
    pictures at the same time and share the processors. The last bits of a result can depend on the share, so that pictures of
    one sequence are to be given the same, however many of them there are.

    Raises:
        UsageError: the options mean nothing.
        DeviceError: cuda was asked for and is not there.
        ModelFileError: ONNX Runtime cannot run the model, or fp16 was asked for and the model has no such variant.
    """

    def __init__(self, model: LoadedModel, options: InferenceOptions) -> None:
        options.check()
        self.model = model
        self.threads = options.threads
        self._used: set[tuple[str, int]] = set()  # precisions, and of how many pictures at once
        self.device = _device(options.device)
        self._turn = threading.Lock()  # at a GPU
        session = self._first(options)
        if self.device == "cuda" and _CUDA not in session.get_providers():
            # Built in, but the driver or a library is missing: ONNX Runtime then goes on with the CPU.
            if options.device == "cuda":
                raise DeviceError("ONNX Runtime cannot start CUDA here; check the driver with nvidia-smi or use device cpu.")
            self.device = "cpu"
            self._used.clear()
            self._first(options)

    def _first(self, options: InferenceOptions) -> ort.InferenceSession:
        """Choose the precision and open a session of it, whose errors come before those of any picture."""
        wants_half = options.precision == "fp16" or (options.precision == "auto" and self.device == "cuda")
        self._half_content = self.model.half() if wants_half else None
        self.half = self._half_content is not None
        if options.precision == "fp16" and not self.half:
            raise ModelFileError(
                f"{self.model.path} has no half-precision variant ({self.model.half_path.name}) of its own beside it; "
                "use precision fp32, or export the model again."
            )
        try:
            return self._session("fp16" if self.half else "fp32")
        except OutOfMemory as error:
            raise DeviceError(f"There is no room for {self.model.path.name}; close other programs.") from error

    def at_once(self, pixels: int) -> int:
        """How many pictures of this size do best at the same time. Parts of a model keep one processor busy only, so that two
        pictures with half the processors each are done sooner than one after the other. A GPU takes one after the other, while
        processors do what comes before and after."""
        threads, pixels = self.threads or processors(), max(pixels, 1)
        fit = _PIXELS_AT_ONCE // pixels
        if self.device == "cuda":
            return max(min(MOST_AT_ONCE, threads, fit), 1)
        most = max(min(MOST_AT_ONCE, threads, fit, _PIXELS_IN_MODEL // min(pixels, WHOLE_PIXELS)), 1)
        return next(count for count in range(most, 0, -1) if threads % count <= threads / 4)  # those are left over

    def run(self, rgb: FloatArray, at_once: int = 1) -> FloatArray:
        """Recover one of ``at_once`` pictures at the chosen precision. Raises :class:`OutOfMemory` when there is no room."""
        return self._run(rgb, "fp16" if self.half else "fp32", at_once)

    def run_single(self, rgb: FloatArray, at_once: int = 1) -> FloatArray:
        """Recover one picture in single precision, for frames that half precision spoiled."""
        return self._run(rgb, "fp32", at_once)

    def rest(self) -> None:
        """Give back the memory that is kept from picture to picture; a sequence of one shape needs it again and again."""
        picture = np.zeros((self.model.card.multiple, self.model.card.multiple, 3), np.float32)
        for precision, at_once in sorted(self._used):
            self._run(picture, precision, at_once, shrink=True)

    def _run(self, rgb: FloatArray, precision: str, at_once: int, *, shrink: bool = False) -> FloatArray:
        session = self._session(precision, at_once)
        image = np.empty((1, 3, *rgb.shape[:2]), np.float32)
        cv2.split(np.ascontiguousarray(rgb, np.float32), list(image[0]))
        run_options = ort.RunOptions()
        if shrink:
            arena = "gpu:0" if self.device == "cuda" else "cpu:0"
            run_options.add_run_config_entry("memory.enable_memory_arena_shrinkage", arena)
        with self._named(), self._turn if self.device == "cuda" else contextlib.nullcontext():
            result = session.run(None, {"rgb": image}, run_options)[0]
        if result.shape != image.shape:
            sizes = " and ".join(f"{shape[3]}x{shape[2]}" for shape in (image.shape, result.shape))
            raise ModelFileError(f"{self.model.path} makes pictures of another size ({sizes}); export the model again.")
        return from_planes(list(np.asarray(result, np.float32)[0]))

    def _session(self, precision: str, at_once: int = 1) -> ort.InferenceSession:
        threads = self.threads or 0
        if self.device == "cpu":  # its own choice is one bound to each processor of the machine, also those that are not ours
            threads = max((self.threads or processors()) // at_once, 1)
        key = (self.model.sha256, self.device, precision, threads)
        with _lock:
            self._used.add((precision, at_once))
            if key not in _sessions:
                content = self._half_content if precision == "fp16" else self.model.content
                _sessions[key] = self._open(content, threads)
            while len(_sessions) > _KEPT_WARM:
                _sessions.popitem(last=False)
            _sessions.move_to_end(key)
            return _sessions[key]

    def _open(self, content: bytes | None, threads: int) -> ort.InferenceSession:
        with self._named():
            session = ort.InferenceSession(content, _session_options(threads), providers=_providers(self.device))
        if self.device == "cuda":
            session.disable_fallback()  # a GPU that fails is told, not gone on without
        return session

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """ONNX Runtime's errors by what they mean: :class:`OutOfMemory`, :class:`DeviceError`, :class:`ModelFileError`."""
        try:
            yield
        except MemoryError as error:
            raise OutOfMemory(str(error)) from error
        except _RUNTIME_ERRORS as error:
            said = str(error).lower()
            if any(sign in said for sign in _OUT_OF_MEMORY):
                raise OutOfMemory(str(error)) from error
            if self.device == "cuda" and any(sign in said for sign in _OF_THE_GPU):
                raise DeviceError(f"The GPU failed ({_reason(error)}); check it with nvidia-smi or use device cpu.") from error
            reason = f"ONNX Runtime {ort.__version__} cannot run {self.model.path} ({_reason(error)})"
            raise ModelFileError(f"{reason}; export or copy the model again.") from error


def _device(wanted: str) -> str:
    available = _CUDA in ort.get_available_providers()
    if available and wanted != "cpu" and hasattr(ort, "preload_dlls"):
        with contextlib.redirect_stdout(sys.stderr):  # it prints what it does not find
            ort.preload_dlls()  # CUDA and cuDNN out of the nvidia wheels, where PyTorch also has them from
    if wanted == "cuda" and not available:
        raise DeviceError("ONNX Runtime has no CUDA here; use device cpu, or install onnxruntime-gpu (docs/install.md).")
    return "cuda" if wanted == "cuda" or (wanted == "auto" and available) else "cpu"


def _session_options(threads: int) -> ort.SessionOptions:
    """Measured on a CPU: planned memory takes half as much again and is no faster; threads that spin while they wait take up to
    a quarter more processor time, which reading and writing need."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options


def _providers(device: str) -> list[Any]:
    # HEURISTIC: an exhaustive search costs a third of a second for every new shape.
    # Without TF32: the kept component passes through the graph, and single precision is to be single.
    cuda = (_CUDA, {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"})
    return [cuda, "CPUExecutionProvider"] if device == "cuda" else ["CPUExecutionProvider"]


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
