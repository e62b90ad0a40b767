from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import OpenEXR
import OpenImageIO as oiio
import pytest
from PIL import Image

from film_recovery.contract.errors import UnreadableImageError
from film_recovery.images.channels import find_colour, luminance_weights
from film_recovery.images.frame import Frame, Window
from film_recovery.images.io import read_frame, write_frame

SampledWriter = Callable[..., None]


def scanlines(path: Path, channels: dict[str, np.ndarray]) -> Path:
    OpenEXR.File({"type": OpenEXR.scanlineimage}, channels).write(str(path))
    return path


@pytest.mark.parametrize(
    ("names", "indices"),
    [
        (["R", "G", "B", "A"], (0, 1, 2)),
        (["B", "G", "R"], (2, 1, 0)),
        (["A", "left.R", "left.G", "left.B", "right.R", "right.G", "right.B"], (1, 2, 3)),
        (["left.R", "left.G", "left.B", "R", "G", "B"], (3, 4, 5)),
        (["red", "green", "blue"], (0, 1, 2)),
        (["Z", "main.red", "main.green", "main.blue"], (1, 2, 3)),
        (["Y"], (0, 0, 0)),
        (["Y", "A"], (0, 0, 0)),
        (["depth.Z"], (0, 0, 0)),
    ],
)
def test_colour_is_found_by_name(names: list[str], indices: tuple[int, int, int]) -> None:
    assert find_colour(names, Path("a.exr")).indices == indices


@pytest.mark.parametrize("names", [["depth.Z", "N.x", "N.y"], ["R", "G"], ["Y", "Cb", "Cr"], ["X", "Y", "Z"], ["u", "v"]])
def test_channels_that_are_no_colour_are_refused_by_name(names: list[str]) -> None:
    with pytest.raises(UnreadableImageError, match=f"a.exr has no colour channels .found {names[0]}"):
        find_colour(names, Path("a.exr"))


def test_luminance_weights_are_those_of_the_primaries() -> None:
    assert np.allclose(luminance_weights(None), [0.2126, 0.7152, 0.0722], atol=1e-4)
    ap0 = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)
    assert np.allclose(luminance_weights(ap0), [0.3439664498, 0.7281660966, -0.0721325464], atol=1e-8)


def test_luminance_chroma_exr_gives_the_colours_it_was_made_of(write_sampled_exr: SampledWriter, tmp_path: Path) -> None:
    columns = np.linspace(0.1, 4.0, 40, dtype=np.float32)
    rgb = np.stack([columns * 0.5 + 0.2, columns * 0.9, columns * 0.3 + 0.1], axis=-1)[None].repeat(12, axis=0)
    luminance = rgb @ luminance_weights(None).astype(np.float32)
    channels = {"Y": (luminance, 1)}
    for name, index in (("RY", 0), ("BY", 2)):
        chroma = (rgb[..., index] - luminance) / luminance
        channels[name] = (np.ascontiguousarray(chroma[::2, ::2]), 2)
    write_sampled_exr(tmp_path / "yc.exr", channels, (40, 12), origin=(-4, 2))
    frame = read_frame(tmp_path / "yc.exr")
    assert frame.data_window == Window(-4, 2, 40, 12)
    assert np.abs(frame.rgb[:, :-1:2] - rgb[:, :-1:2]).max() < 2e-6
    assert np.abs(frame.rgb[:, 4:-1] - rgb[:, 4:-1]).max() < 5e-3
    assert frame.extra == {}
    assert frame.metadata["PixelAspectRatio"] == 2.0
    assert frame.metadata["FramesPerSecond"][1] == (24000, 1001)


def test_what_luminance_chroma_needs_and_archives_want_of_a_header_is_read(
    write_sampled_exr: SampledWriter, tmp_path: Path
) -> None:
    ap0 = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)
    code = (0x81020304, 7)
    more = b"".join((
        b"chromaticities\0chromaticities\0" + struct.pack("<i8f", 32, *ap0),
        b"timeCode\0timecode\0" + struct.pack("<iII", 8, *code),
        b"keyCode\0keycode\0" + struct.pack("<i7i", 28, 1, 2, 3, 4, 5, 4, 64),
    ))  # fmt: skip
    rgb = np.float32([2.0, 0.0, 0.0])
    luminance = np.full((12, 40), rgb @ luminance_weights(ap0), np.float32)
    channels = {"Y": (luminance, 1)}
    for name, index in (("RY", 0), ("BY", 2)):
        channels[name] = (np.ascontiguousarray(((rgb[index] - luminance) / luminance)[::2, ::2]), 2)
    write_sampled_exr(tmp_path / "yc.exr", channels, (40, 12), more=more)
    frame = read_frame(tmp_path / "yc.exr")
    assert np.abs(frame.rgb - rgb).max() < 2e-5
    write_frame(tmp_path / "again.exr", frame)
    kept = {entry.name: entry.value for entry in oiio.ImageInput.open(str(tmp_path / "again.exr")).spec().extra_attribs}
    assert kept["smpte:TimeCode"] == code and kept["smpte:KeyCode"] == (1, 2, 3, 4, 5, 4, 64)
    assert np.allclose(kept["chromaticities"], ap0)


@pytest.mark.parametrize("origin", [(0, 0), (6, -2)])
def test_subsampled_colour_is_interpolated_where_it_lies(
    origin: tuple[int, int], write_sampled_exr: SampledWriter, tmp_path: Path
) -> None:
    rows, columns = np.mgrid[0:20, 0:30].astype(np.float32)
    ramp = columns * 0.25 + rows * 0.5 - 3.0
    coarse = np.ascontiguousarray(ramp[::2, ::2]).astype(np.float16)
    channels = {"R": (coarse, 2), "G": (ramp, 1), "B": (coarse, 2), "mask": (coarse, 2)}
    write_sampled_exr(tmp_path / "a.exr", channels, (30, 20), origin)
    frame = read_frame(tmp_path / "a.exr")
    assert np.array_equal(frame.rgb[..., 1], ramp)
    for plane in (frame.rgb[..., 0], frame.rgb[..., 2], frame.extra["mask"]):
        assert np.array_equal(plane[:-1, :-1], ramp[:-1, :-1])  # a ramp is what linear interpolation keeps
    assert frame.pixel_type == "float"


def test_a_truncated_subsampled_exr_is_refused(write_sampled_exr: SampledWriter, tmp_path: Path) -> None:
    plane = np.ones((20, 30), np.float32)
    write_sampled_exr(tmp_path / "a.exr", {"R": (plane[:10, :15], 2), "G": (plane, 1), "B": (plane[:10, :15], 2)}, (30, 20))
    (tmp_path / "cut.exr").write_bytes((tmp_path / "a.exr").read_bytes()[:-700])
    with pytest.raises(UnreadableImageError, match=r"cut\.exr is damaged or not whole"):
        read_frame(tmp_path / "cut.exr")


def test_other_parts_of_an_exr_become_channels_over_the_same_window(portrait: np.ndarray, tmp_path: Path) -> None:
    def part(name: str, channels: dict[str, np.ndarray], corner: int) -> OpenEXR.Part:
        height, width = next(iter(channels.values())).shape[:2]
        corners = np.array([[corner, corner], [corner + width - 1, corner + height - 1], [0, 0], [39, 39]], np.int32)
        windows = {"dataWindow": (corners[0], corners[1]), "displayWindow": (corners[2], corners[3])}
        return OpenEXR.Part({"type": OpenEXR.scanlineimage, **windows}, channels, name)

    rgb = np.ascontiguousarray(portrait[:40, :40])
    depth = np.ascontiguousarray(rgb[..., 0])
    parts = [part("beauty", {"RGB": rgb}, 0), part("depth", {"depth.Z": depth}, 10), part("right", {"RGB": rgb * 2}, 0)]
    OpenEXR.File(parts).write(str(tmp_path / "parts.exr"))
    frame = read_frame(tmp_path / "parts.exr")
    assert np.array_equal(frame.rgb, rgb)
    assert list(frame.extra) == ["depth.Z", "right.R", "right.G", "right.B"]
    assert np.array_equal(frame.extra["depth.Z"][10:, 10:], depth[:30, :30])
    assert not frame.extra["depth.Z"][:10].any()
    assert np.array_equal(frame.extra["right.G"], rgb[..., 1] * 2)
    write_frame(tmp_path / "again.exr", frame)
    assert list(read_frame(tmp_path / "again.exr").extra) == list(frame.extra)


def test_the_part_that_has_the_colour_decides_the_windows(portrait: np.ndarray, tmp_path: Path) -> None:
    def part(name: str, channels: dict[str, np.ndarray], corner: int) -> OpenEXR.Part:
        height, width = next(iter(channels.values())).shape[:2]
        window = (np.array([corner, corner], np.int32), np.array([corner + width - 1, corner + height - 1], np.int32))
        display = (np.array([0, 0], np.int32), np.array([39, 39], np.int32))
        return OpenEXR.Part({"type": OpenEXR.scanlineimage, "dataWindow": window, "displayWindow": display}, channels, name)

    rgb = np.ascontiguousarray(portrait[:40, :40])
    depth = np.ascontiguousarray(rgb[:10, :10, 0])
    parts = [part("depth", {"depth.Z": depth}, 5), part("beauty", {"RGB": rgb}, 0)]
    OpenEXR.File(parts).write(str(tmp_path / "parts.exr"))
    frame = read_frame(tmp_path / "parts.exr")
    assert np.array_equal(frame.rgb, rgb)
    assert frame.data_window == Window(0, 0, 40, 40)
    assert np.array_equal(frame.extra["depth.Z"][5:15, 5:15], depth)
    assert np.count_nonzero(frame.extra["depth.Z"]) == np.count_nonzero(depth)


def test_extra_channels_keep_every_bit_in_a_half_file(portrait: np.ndarray, tmp_path: Path) -> None:
    depth = (portrait[:30, :30, 0] + 1.0) * 1e7
    depth[0, 0] = np.inf  # what renderers write where there is nothing
    identifiers = np.arange(900, dtype=np.uint32).reshape(30, 30) * 17
    alpha = portrait[:30, :30, 1].astype(np.float16)
    scanlines(tmp_path / "in.exr", {"RGB": portrait[:30, :30].astype(np.float16), "A": alpha, "Z": depth, "id": identifiers})
    frame = read_frame(tmp_path / "in.exr")
    assert frame.pixel_type == "half"
    assert np.array_equal(frame.extra["id"], identifiers)
    write_frame(tmp_path / "out.exr", frame)
    again = read_frame(tmp_path / "out.exr")
    assert np.array_equal(again.rgb, frame.rgb)
    for name in ("A", "Z", "id"):
        assert np.array_equal(again.extra[name], frame.extra[name]), name
    with OpenEXR.File(str(tmp_path / "out.exr"), separate_channels=True) as file:
        kinds = {name: channel.pixels.dtype.name for name, channel in file.channels().items()}
    assert kinds == {"R": "float16", "G": "float16", "B": "float16", "A": "float16", "Z": "float32", "id": "float32"}


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_alpha_is_never_multiplied_into_colour(suffix: str, portrait: np.ndarray, tmp_path: Path) -> None:
    codes = (np.dstack([portrait[:20, :20], portrait[:20, :20, :1] * 0.1]) * 255).astype(np.uint8)
    Image.fromarray(codes).save(tmp_path / f"in{suffix}")
    frame = read_frame(tmp_path / f"in{suffix}")
    assert np.array_equal(np.rint(frame.rgb * 255), codes[..., :3])
    assert np.array_equal(np.rint(frame.extra["A"] * 255), codes[..., 3])
    write_frame(tmp_path / f"out{suffix}", frame, "uint8")
    assert np.array_equal(np.asarray(Image.open(tmp_path / f"out{suffix}")), codes)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1"])
def test_gray_and_palette_files_become_rgb(mode: str, portrait: np.ndarray, tmp_path: Path) -> None:
    picture = Image.fromarray((portrait[:16, :16] * 255).astype(np.uint8)).convert(mode)
    picture.save(tmp_path / "a.png")
    frame = read_frame(tmp_path / "a.png")
    assert np.array_equal(np.rint(frame.rgb * 255), np.asarray(picture.convert("RGB")))
    assert frame.is_coded


def test_deep_pixels_are_refused_with_advice(tmp_path: Path) -> None:
    spec = oiio.ImageSpec(2, 2, 5, "float")
    spec.channelnames = ("R", "G", "B", "A", "Z")
    spec.deep = True
    samples = oiio.DeepData()
    samples.init(spec)
    samples.set_samples(0, 1)
    sink = oiio.ImageOutput.create(str(tmp_path / "deep.exr"))
    assert sink.open(str(tmp_path / "deep.exr"), spec)
    assert sink.write_deep_image(samples)
    assert sink.close()
    with pytest.raises(UnreadableImageError, match=r"deep\.exr holds deep pixels; flatten it first"):
        read_frame(tmp_path / "deep.exr")


def test_coded_and_linear_files_are_told_apart(portrait: np.ndarray, tmp_path: Path) -> None:
    linear, coded_kinds = (("a.exr", "half"), ("b.tif", "float")), (("c.tif", "uint8"), ("d.dpx", "uint10"))
    for (name, kind), coded in [*((file, False) for file in linear), *((file, True) for file in coded_kinds)]:
        write_frame(tmp_path / name, Frame.from_rgb(portrait[:8, :8]), kind)
        frame = read_frame(tmp_path / name)
        assert (frame.is_coded, frame.pixel_type) == (coded, kind)
