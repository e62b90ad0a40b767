"""Too little memory for a training: for the person at the screen, who can ask for less."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from film_recovery.contract.errors import DeviceError

# What the CPU's allocator says, a GPU that is full before there is a context on it, and a library of it (cuBLAS, cuDNN).
_SIGNS = ("can't allocate memory", "out of memory", "alloc_failed")


@contextlib.contextmanager
def memory_named() -> Iterator[None]:
    """Raises :class:`DeviceError` in place of what PyTorch and NumPy raise when memory runs out."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error)
        if not isinstance(error, (MemoryError, torch.OutOfMemoryError)) and not any(sign in text.lower() for sign in _SIGNS):
            raise
        said = text.splitlines()[0] if text else "out of memory"
        raise DeviceError(
            "There is too little memory for this training. End other programs and resume it, or train anew with a smaller "
            f"--batch, --patch or --size; where there are many or large pairs, with fewer or a smaller --crop. ({said})"
        ) from error
