"""A checkpoint is whole or absent, for everyone who may read its folder, and a full disk is told as one."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch

from film_recovery.contract.errors import ModelFileError, StorageError
from film_recovery.training.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint

_INFO = CheckpointInfo("chroma", "small", "display", "709", None, 7, 41.5, 5)


def _groups(value: float) -> dict[str, dict[str, torch.Tensor]]:
    return {"graph": {"weight": torch.full((64, 64), value)}, "best": {"weight": torch.full((64, 64), -value)}}


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "last.safetensors", _INFO, _groups(0.5))
    info, groups = load_checkpoint(tmp_path / "last.safetensors")
    assert info == _INFO
    assert {group: sorted(tensors) for group, tensors in groups.items()} == {"graph": ["weight"], "best": ["weight"]}
    assert torch.equal(groups["best"]["weight"], torch.full((64, 64), -0.5))


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_others_may_read_it_as_they_may_any_file_here(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        save_checkpoint(tmp_path / "last.safetensors", _INFO, _groups(0.5))
        (tmp_path / "plain").write_bytes(b"")
    finally:
        os.umask(before)
    assert (tmp_path / "last.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_full_disk_is_told_and_the_checkpoint_before_stays(
    full_disk_after: Callable[[int], AbstractContextManager[None]], tmp_path: Path
) -> None:
    path = tmp_path / "last.safetensors"
    save_checkpoint(path, _INFO, _groups(0.5))
    with full_disk_after(10_000), pytest.raises(StorageError, match=r"Cannot write .*last\.safetensors.*Free some space"):
        save_checkpoint(path, _INFO, _groups(1.0))
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.safetensors"]
    assert float(load_checkpoint(path)[1]["graph"]["weight"][0, 0]) == 0.5


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="everything is readable here")
def test_a_checkpoint_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "last.safetensors", _INFO, _groups(0.5))
    (tmp_path / "last.safetensors").chmod(0)
    with pytest.raises(ModelFileError, match="cannot be read"):
        load_checkpoint(tmp_path / "last.safetensors")
