from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenEXR
import OpenImageIO as oiio
import pytest
import skimage.data

from film_recovery.contract.errors import InputError, MissingFrameError, UnreadableImageError
from film_recovery.images.frame import Frame, Window
from film_recovery.images.io import read_frame, write_frame


def wide(photograph: np.ndarray) -> np.ndarray:
    picture = photograph[:60, :91] * 3.0 - 0.2
    return np.asarray(picture, np.float32)


def test_exr_float_keeps_every_bit_windows_layers_and_metadata(photograph: np.ndarray, tmp_path: Path) -> None:
    rgb = wide(photograph)
    frame = Frame(
        rgb, Window(-5, 3, 91, 60), Window(0, 0, 80, 70), {"A": rgb[..., 0] * 0.5, "depth.Z": rgb[..., 1] + 7.0},
        {"FramesPerSecond": 25.0, "PixelAspectRatio": 2.0, "studio/shot": "ümläut"}, "float",
    )  # fmt: skip
    path = tmp_path / "with space [ü]" / "a%.0001.exr"
    write_frame(path, frame, "float")
    again = read_frame(path)
    assert np.array_equal(again.rgb, rgb)
    assert (again.data_window, again.display_window) == (frame.data_window, frame.display_window)
    assert list(again.extra) == ["A", "depth.Z"]
    assert np.array_equal(again.extra["depth.Z"], frame.extra["depth.Z"])
    assert again.metadata["PixelAspectRatio"] == 2.0
    assert again.metadata["studio/shot"] == "ümläut"
    assert again.pixel_type == "float" and not again.is_coded


@pytest.mark.parametrize("multiplied", [False, True])
def test_a_tiff_says_of_its_alpha_what_the_file_it_comes_from_said(
    multiplied: bool, photograph: np.ndarray, tmp_path: Path
) -> None:
    spec = oiio.ImageSpec(91, 60, 4, "uint16")
    if not multiplied:
        spec.attribute("oiio:UnassociatedAlpha", 1)
    alpha = np.linspace(0.1, 1.0, 91 * 60, dtype=np.float32).reshape(60, 91, 1)
    given = oiio.ImageOutput.create("a.tif")
    assert given.open(str(tmp_path / "a.tif"), spec)
    assert given.write_image(np.ascontiguousarray(np.dstack([photograph[:60, :91].clip(0.0, 1.0) * alpha, alpha])))
    given.close()
    write_frame(tmp_path / "b.tif", read_frame(tmp_path / "a.tif"), "uint16")
    one, other = (oiio.ImageBuf(str(tmp_path / name)).get_pixels(oiio.FLOAT) for name in ("a.tif", "b.tif"))
    assert np.abs(one - other).max() < 1e-4


def test_half_exr_is_lossless_for_halves_and_uses_zip(photograph: np.ndarray, tmp_path: Path) -> None:
    rgb = wide(photograph).astype(np.float16).astype(np.float32)
    write_frame(tmp_path / "a.exr", Frame.from_rgb(rgb))
    assert np.array_equal(read_frame(tmp_path / "a.exr").rgb, rgb)
    assert OpenEXR.File(str(tmp_path / "a.exr")).header()["compression"] == OpenEXR.ZIP_COMPRESSION


def test_equal_pictures_give_equal_files(photograph: np.ndarray, tmp_path: Path) -> None:
    for name in ("a.exr", "b.exr"):
        write_frame(tmp_path / name, Frame.from_rgb(photograph))
    assert (tmp_path / "a.exr").read_bytes() == (tmp_path / "b.exr").read_bytes()
    assert "DateTime" not in read_frame(tmp_path / "a.exr").metadata


@pytest.mark.parametrize("suffix", [".exr", ".tif", ".dpx"])
def test_windows_are_kept(suffix: str, photograph: np.ndarray, tmp_path: Path) -> None:
    frame = Frame(wide(photograph).clip(0.0, 1.0), Window(64, 3, 91, 60), Window(0, 0, 220, 70))
    write_frame(tmp_path / f"a{suffix}", frame)
    again = read_frame(tmp_path / f"a{suffix}")
    assert (again.data_window, again.display_window) == (frame.data_window, frame.display_window)


@pytest.mark.parametrize(("suffix", "x", "y"), [(".png", 64, 3), (".png", -7, -2), (".tif", -7, 3), (".dpx", 64, -2)])
def test_where_windows_cannot_be_kept_the_display_window_is_the_picture(
    suffix: str, x: int, y: int, photograph: np.ndarray, tmp_path: Path
) -> None:
    rgb = wide(photograph).clip(0.0, 1.0)
    write_frame(tmp_path / "a.exr", Frame(rgb, Window(x, y, 91, 60), Window(0, 0, 120, 70), {"A": rgb[..., 0]}), "float")
    frame = read_frame(tmp_path / "a.exr")
    write_frame(tmp_path / f"a{suffix}", frame)
    again, whole = read_frame(tmp_path / f"a{suffix}"), Window(0, 0, 120, 70)
    assert again.data_window == again.display_window == whole
    shown = oiio.ImageBuf(str(tmp_path / "a.exr"))
    expected = oiio.ImageBufAlgo.crop(shown, oiio.ROI(0, 120, 0, 70)).get_pixels(oiio.FLOAT)
    assert np.abs(again.rgb - expected[..., :3]).max() <= 0.51 / 1023
    assert "A" not in again.extra or np.abs(again.extra["A"] - expected[..., 3]).max() <= 0.51 / 65535


@pytest.mark.parametrize(("suffix", "steps"), [(".png", 65535), (".tif", 65535), (".dpx", 1023)])
def test_integer_files_keep_their_levels_and_count_as_coded(suffix: str, steps: int, tmp_path: Path) -> None:
    ramp = (np.arange(1024, dtype=np.float32) * (steps // 1024) / steps)[None, :, None].repeat(3, axis=2).repeat(4, axis=0)
    path = tmp_path / f"ramp{suffix}"
    write_frame(path, Frame.from_rgb(ramp))
    again = read_frame(path)
    assert again.is_coded
    assert len(np.unique(again.rgb)) == len(np.unique(ramp))
    assert np.abs(again.rgb - ramp).max() <= 0.51 / steps


def test_what_other_programs_write_is_read(tmp_path: Path) -> None:
    coffee = skimage.data.coffee()
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"diffuse.RGB": coffee.astype(np.float32)}).write(str(tmp_path / "layer.exr"))
    assert np.array_equal(read_frame(tmp_path / "layer.exr").rgb, coffee.astype(np.float32))
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Y": coffee[..., 0].astype(np.float32)}).write(str(tmp_path / "gray.exr"))
    gray = read_frame(tmp_path / "gray.exr").rgb
    assert np.array_equal(gray[..., 1], coffee[..., 0].astype(np.float32)) and gray.shape[2] == 3


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused_by_name(share: float, photograph: np.ndarray, tmp_path: Path) -> None:
    write_frame(tmp_path / "a.exr", Frame.from_rgb(photograph))
    content = (tmp_path / "a.exr").read_bytes()
    (tmp_path / "cut.exr").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(UnreadableImageError, match=r"cut\.exr"):
        read_frame(tmp_path / "cut.exr")


def test_missing_text_and_unfit_values_are_one_sentence(photograph: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(MissingFrameError, match="does not exist"):
        read_frame(tmp_path / "none.exr")
    (tmp_path / "text.exr").write_text("no image")
    with pytest.raises(UnreadableImageError, match="cannot be opened"):
        read_frame(tmp_path / "text.exr")
    broken = photograph.copy()
    broken[3, 4, 1] = np.nan
    with pytest.raises(InputError, match="1 values of colour are NaN"):
        write_frame(tmp_path / "nan.exr", Frame.from_rgb(broken))
    with pytest.raises(InputError, match="65504"):
        write_frame(tmp_path / "big.exr", Frame.from_rgb(photograph + 1e5))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text.exr"]


def test_mutated_files_never_crash(photograph: np.ndarray, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    write_frame(tmp_path / "a.exr", Frame.from_rgb(photograph[:40, :40]))
    content = bytearray((tmp_path / "a.exr").read_bytes())
    outcomes = set()
    for number in range(200):
        spoiled = bytearray(content)
        for at in random.integers(0, 400 if number % 2 else len(content), 6):  # the header is as often hit as the pixels
            spoiled[at] = int(random.integers(256))
        (tmp_path / "b.exr").write_bytes(spoiled)
        try:
            outcomes.add(read_frame(tmp_path / "b.exr").rgb.shape[2])
        except (UnreadableImageError, MemoryError) as error:
            outcomes.add(type(error).__name__)
        assert oiio.geterror() == "", "an error is left that the next reader would take for its own"
    assert {"UnreadableImageError"} <= outcomes <= {3, "UnreadableImageError", "MemoryError"}
