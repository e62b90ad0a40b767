from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from film_recovery.contract.errors import InputError, StorageError, UnreadableImageError
from film_recovery.images.frame import Frame
from film_recovery.images.io import read_frame, write_frame

NOISE = np.random.default_rng(0).random((60, 60, 3), dtype=np.float32)
WRITTEN = [".exr", ".dpx", ".tif", ".png"]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("suffix", [*WRITTEN, ".jpg"])
def test_a_cut_file_of_any_kind_is_refused_by_name(suffix: str, share: float, tmp_path: Path) -> None:
    whole = tmp_path / f"whole{suffix}"
    if suffix == ".jpg":
        Image.fromarray((NOISE * 255).astype(np.uint8)).save(whole)
    else:
        write_frame(whole, Frame.from_rgb(NOISE))
    content = whole.read_bytes()
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(UnreadableImageError, match=r"cut\.\w+ (is damaged or not whole|cannot be opened)"):
        read_frame(cut)


@pytest.mark.parametrize("missing", [1, 5, 12, 30, 200, 3000, None])
@pytest.mark.parametrize("suffix", WRITTEN)
def test_a_disk_that_is_full_after_any_byte_is_told_and_leaves_the_old_file(
    suffix: str, missing: int | None, full_disk_after: Callable[[int], AbstractContextManager[None]], tmp_path: Path
) -> None:
    path = tmp_path / f"a{suffix}"
    write_frame(path, Frame.from_rgb(NOISE))
    before = path.read_bytes()
    room = len(before) - missing if missing else 0
    with full_disk_after(room), pytest.raises(StorageError, match=r"Cannot write .*free some space"):
        write_frame(path, Frame.from_rgb(NOISE))
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_name_too_long_for_the_disk_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="shorten the name"):
        write_frame(tmp_path / ("n" * 250 + ".exr"), Frame.from_rgb(NOISE))


@pytest.mark.parametrize("name", ["wh?at.exr", "a?b=c.png", "p|q.exr", "100%d.exr", "[x] ü#1.exr", "a*b.dpx", "ß $HOME ~.tif"])
def test_odd_names_are_only_names(name: str, tmp_path: Path) -> None:
    write_frame(tmp_path / "Söhne & Töchter" / name, Frame.from_rgb(NOISE))
    assert np.allclose(read_frame(tmp_path / "Söhne & Töchter" / name).rgb, NOISE, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "kind"), [("a.png", "half"), ("a.dpx", "float"), ("a.exr", "uint8"), ("a.jpg", None), ("a.mov", None), ("a", None)]
)
def test_what_a_format_cannot_hold_is_refused(name: str, kind: str | None, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Cannot write .*"):
        write_frame(tmp_path / name, Frame.from_rgb(NOISE), kind)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("bits", "kind"), [(10, "uint10"), (12, "uint12"), (16, "uint16"), (8, "uint8")])
def test_every_code_of_a_dpx_comes_back_exactly(bits: int, kind: str, tmp_path: Path) -> None:
    largest = 2**bits - 1
    codes = (np.arange(largest + 1, dtype=np.float32) / np.float32(largest)).reshape(-1, 64)[..., None].repeat(3, axis=2)
    write_frame(tmp_path / "a.dpx", Frame.from_rgb(codes), kind)
    frame = read_frame(tmp_path / "a.dpx")
    assert frame.pixel_type == kind
    assert np.array_equal(np.rint(frame.rgb * largest), np.rint(codes * largest))
    assert np.abs(frame.rgb - codes).max() < 1e-7


def test_integers_round_to_the_nearest_code(tmp_path: Path) -> None:
    values = np.linspace(-0.1, 1.1, 4096, dtype=np.float32).reshape(64, 64, 1).repeat(3, axis=2)
    for name, kind, largest in (("a.dpx", "uint10", 1023), ("b.png", "uint8", 255), ("c.tif", "uint16", 65535)):
        write_frame(tmp_path / name, Frame.from_rgb(values), kind)
        assert np.abs(read_frame(tmp_path / name).rgb - values.clip(0, 1)).max() <= 0.501 / largest


def test_a_sixteen_bit_ramp_keeps_all_its_levels(tmp_path: Path) -> None:
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    Image.fromarray(levels).save(tmp_path / "ramp.png")
    assert np.array_equal(np.rint(read_frame(tmp_path / "ramp.png").rgb[..., 1] * 65535), levels)
