"""Whoever says that memory ran out, the person at the screen reads what can be done."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from film_recovery.contract.errors import DeviceError
from film_recovery.training.memory import memory_named


def test_what_the_libraries_here_say_is_told() -> None:
    for ask in (lambda: torch.empty(1 << 52), lambda: np.ones(1 << 52)):
        with pytest.raises(DeviceError, match=r"too little memory for this training.*smaller"), memory_named():
            ask()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
    ids=["allocator", "context", "cublas", "cudnn"],
)
def test_what_a_gpu_says_is_told(error: RuntimeError) -> None:
    with pytest.raises(DeviceError, match="too little memory") as told, memory_named():
        raise error
    assert str(error).splitlines()[0] in str(told.value)


def test_a_defect_stays_one() -> None:
    with pytest.raises(RuntimeError, match="shapes"), memory_named():
        raise RuntimeError("shapes cannot be multiplied")
