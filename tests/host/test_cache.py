"""The cache of an inference node: what counts as fresh, what survives, and whose files it touches."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.fixture
def cache(nuke: Any, tmp_path: Path, exr: Callable[..., Path]) -> Any:
    """A cache that holds frame 1001, made of input ``in`` by model ``m``."""
    from film_recovery_nuke.cache import FrameCache, Record, file_hash

    made = FrameCache(tmp_path / "cache")
    exr(made.recovered(1001), np.full((4, 6, 3), 0.5, np.float32))
    made.write_record(1001, Record("m", "s", "node", "in", file_hash(made.recovered(1001))))
    return made


def test_fresh_is_what_was_made_of_exactly_this(cache: Any) -> None:
    assert cache.state(1001, "m", "s", "node") == "fresh"
    for other in (("other", "s", "node"), ("m", "other", "node"), ("m", "s", "other")):
        assert cache.state(1001, *other) == "stale"
    assert cache.state(1002, "m", "s", "node") == "missing"
    assert cache.holds(1001, "m", "s", "in")
    assert not cache.holds(1001, "m", "s", "other input") and not cache.holds(1002, "m", "s", "in")
    assert cache.frames() == [1001]


def test_existence_proves_nothing(cache: Any) -> None:
    """A truncated or exchanged file, a damaged record: none of them counts."""
    path = cache.recovered(1001)
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    assert not cache.holds(1001, "m", "s", "in")
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert not cache.holds(1001, "m", "s", "in")
    path.write_bytes(whole)
    assert cache.holds(1001, "m", "s", "in")
    record = path.with_suffix(".json")
    ours = '{"schema": "film-recovery/baked-frame/1", "record": 3}'
    for damaged in ("", "{", "[]", '{"schema": "another", "record": {}}', ours):
        record.write_text(damaged, encoding="utf-8")
        assert cache.record(1001) is None
        assert cache.state(1001, "m", "s", "node") == "missing"
        assert not cache.holds(1001, "m", "s", "in")
    path.unlink()
    assert cache.state(1001, "m", "s", "node") == "missing"


def test_a_frame_that_is_being_made_stands_for_nothing_else(cache: Any, exr: Callable[..., Path]) -> None:
    from film_recovery_nuke.cache import Record

    now = Record("new model", "s", "node", "in", "")
    cache.begin(1001, now)
    assert not cache.recovered(1001).exists()
    assert cache.state(1001, "new model", "s", "node") == "missing"
    exr(cache.recovered(1001), np.full((4, 6, 3), 0.25, np.float32))
    cache.begin(1001, now)
    assert cache.recovered(1001).exists(), "a bake that was killed goes on with what it had made"
    assert not cache.holds(1001, "new model", "s", "in")
    cache.begin(1001, Record("new model", "s", "node", "another input", ""))
    assert not cache.recovered(1001).exists()


def test_a_frame_that_another_process_finished_stays_if_it_is_whole(cache: Any) -> None:
    from film_recovery_nuke.cache import Record

    before = cache.record(1001)
    cache.begin(1001, Record("m", "s", "node", "in", ""))
    assert cache.record(1001) == before and cache.holds(1001, "m", "s", "in")
    path = cache.recovered(1001)
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    cache.begin(1001, Record("m", "s", "node", "in", ""))
    assert not path.exists() and cache.record(1001).file == ""


def test_rendered_inputs_go_with_their_process(cache: Any) -> None:
    with cache.inputs() as place:
        (place / "input.1001.exr").write_bytes(b"x")
        with cache.inputs() as other:
            assert other != place
        assert (place / "input.1001.exr").exists()
    assert not place.exists()
    with pytest.raises(RuntimeError), cache.inputs() as place:
        raise RuntimeError
    assert not place.exists()


@pytest.mark.skipif(os.name != "posix", reason="only there one may ask whether a process lives")
def test_what_a_killed_process_left_is_removed_and_what_a_living_one_needs_is_not(cache: Any) -> None:
    from film_recovery.contract.processes import this_machine

    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True)
    dead = cache.folder / f".input_{this_machine()}_{gone.stdout.strip()}_abc"
    living = cache.folder / f".input_{this_machine()}_{os.getppid()}_abc"
    elsewhere = cache.folder / ".input_another-machine_1_abc"
    for folder in (dead, living, elsewhere):
        folder.mkdir()
        (folder / "input.1001.exr").write_bytes(b"x")
    with cache.inputs():
        assert not dead.exists() and living.exists() and elsewhere.exists()


def test_clearing_touches_nothing_but_baked_frames(cache: Any) -> None:
    note = cache.folder / "notes.txt"
    note.write_text("mine", encoding="utf-8")
    assert cache.clear() == 1
    assert sorted(cache.folder.iterdir()) == [note]
    note.unlink()
    assert cache.clear() == 0
    assert not cache.folder.exists()


def test_a_picture_is_told_by_pixels_and_windows_not_by_dates(nuke: Any, tmp_path: Path, exr: Callable[..., Path]) -> None:
    from film_recovery_nuke.cache import picture_hash

    picture = np.random.default_rng(0).random((20, 30, 3)).astype(np.float32)
    plain = exr(tmp_path / "a.exr", picture)
    later = exr(tmp_path / "b.exr", picture, capDate="2026:01:02 03:04:05", longer="x" * 999)
    assert picture_hash(plain) == picture_hash(later)
    other = picture.copy()
    other[19, 29, 2] = np.nextafter(other[19, 29, 2], np.float32(2.0))
    assert picture_hash(plain) != picture_hash(exr(tmp_path / "c.exr", other))
    assert picture_hash(plain) != picture_hash(exr(tmp_path / "d.exr", picture, window=(1, 0), full=(0, 0, 30, 20)))
    assert picture_hash(tmp_path / "none.exr") == ""


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300))
def test_hashing_damaged_files_neither_fails_nor_hangs(nuke: Any, tmp_path: Path, data: bytes) -> None:
    from film_recovery_nuke.cache import picture_hash

    path = tmp_path / "damaged.exr"
    path.write_bytes(data)
    plain = picture_hash(path)
    path.write_bytes(b"\x76\x2f\x31\x01\x02\x00\x00\x00" + data)
    assert len(plain) == len(picture_hash(path)) == 64
