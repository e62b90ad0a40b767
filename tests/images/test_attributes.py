from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
from PIL import Image, ImageCms

from film_recovery.images.attributes import frames_per_second, rational
from film_recovery.images.frame import Frame
from film_recovery.images.io import read_frame, write_frame
from film_recovery.images.sequence import open_sequence

TIME_CODE = (0x01234521, 7)
KEY_CODE = (1, 2, 345678, 4321, 12, 4, 64)


def film_metadata() -> dict[str, object]:
    return {
        "smpte:TimeCode": (oiio.TypeDesc("timecode"), TIME_CODE),
        "smpte:KeyCode": (oiio.TypeDesc("keycode"), KEY_CODE),
        "FramesPerSecond": rational(24000 / 1001),
        "PixelAspectRatio": 2.0,
        "DateTime": "1977:05:25 12:00:00",
        "chromaticities": (oiio.TypeDesc("float[8]"), (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329)),
        "scanner/gate": "super 16",
    }


def test_time_code_rate_and_all_else_travel_from_exr_to_exr(portrait: np.ndarray, tmp_path: Path) -> None:
    write_frame(tmp_path / "a.0001.exr", Frame.from_rgb(portrait[:8, :8], metadata=film_metadata()))
    first = read_frame(tmp_path / "a.0001.exr")
    write_frame(tmp_path / "b.0001.exr", first)
    second = read_frame(tmp_path / "b.0001.exr")
    for name, value in film_metadata().items():
        wanted = value[1] if isinstance(value, tuple) else value
        for frame in (first, second):
            got = frame.metadata[name]
            assert np.allclose(got[1], wanted) if isinstance(value, tuple) else got == wanted, name
    assert (tmp_path / "a.0001.exr").read_bytes() == (tmp_path / "b.0001.exr").read_bytes()
    assert open_sequence(tmp_path / "b.####.exr").fps == pytest.approx(24000 / 1001, abs=1e-9)


def test_a_dpx_scan_gives_its_rate_time_code_and_aspect_to_an_exr(portrait: np.ndarray, tmp_path: Path) -> None:
    metadata = {**film_metadata(), "dpx:Transfer": "Printing density", "dpx:InputDevice": "scanner 7"}
    metadata["FramesPerSecond"] = rational(25.0)
    write_frame(tmp_path / "a.dpx", Frame.from_rgb(portrait[:8, :8], metadata=metadata))
    scan = read_frame(tmp_path / "a.dpx")
    assert frames_per_second(scan.metadata) == 25.0
    assert scan.metadata["dpx:Transfer"] == "Printing density"
    write_frame(tmp_path / "a.exr", scan)
    master = read_frame(tmp_path / "a.exr").metadata
    assert master["smpte:TimeCode"][1] == TIME_CODE
    assert master["smpte:KeyCode"][1] == KEY_CODE
    assert master["FramesPerSecond"][1] == (25, 1)
    assert master["PixelAspectRatio"] == 2.0
    assert master["dpx/InputDevice"] == "scanner 7"  # EXR files take no names with another format's prefix
    write_frame(tmp_path / "back.dpx", read_frame(tmp_path / "a.exr"))
    assert read_frame(tmp_path / "back.dpx").metadata["dpx:InputDevice"] == "scanner 7"


RATES = [(24, (24, 1)), (23.976, (24000, 1001)), (30000 / 1001, (30000, 1001)), (12.5, (25, 2))]


@pytest.mark.parametrize(("rate", "exact"), RATES)
def test_rates_are_the_fractions_they_stand_for(rate: float, exact: tuple[int, int]) -> None:
    assert rational(rate)[1] == exact


@pytest.mark.parametrize("suffix", [".exr", ".tif", ".png", ".dpx"])
def test_equal_frames_give_equal_files_at_any_time_of_day(suffix: str, portrait: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    write_frame(path, Frame.from_rgb(portrait[:8, :8]))
    first = path.read_bytes()
    while int(time.time()) == int(path.stat().st_mtime):
        time.sleep(0.05)
    with multiprocessing.get_context("spawn").Pool(1) as others:  # another process has another number
        others.apply(write_frame, (path, Frame.from_rgb(portrait[:8, :8])))
    assert path.read_bytes() == first


def test_a_colour_profile_stays_with_coded_values_only(portrait: np.ndarray, tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray((portrait[:8, :8] * 255).astype(np.uint8)).save(tmp_path / "a.png", icc_profile=profile)
    frame = read_frame(tmp_path / "a.png")
    write_frame(tmp_path / "b.png", frame, "uint8")
    write_frame(tmp_path / "c.exr", frame)
    assert Image.open(tmp_path / "b.png").info["icc_profile"] == profile
    assert not [name for name in read_frame(tmp_path / "c.exr").metadata if name.startswith("ICC")]


def test_only_an_uncompressed_file_calls_itself_an_aces_container(portrait: np.ndarray, tmp_path: Path) -> None:
    frame = Frame.from_rgb(portrait[:8, :8], metadata={"acesImageContainerFlag": 1})
    write_frame(tmp_path / "zip.exr", frame)
    assert "acesImageContainerFlag" not in read_frame(tmp_path / "zip.exr").metadata
