"""Read and Write on real files: boxes, depths, metadata, colour spaces, missing frames, proxy mode."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable

import pytest

np = pytest.importorskip("numpy")
oiio = pytest.importorskip("OpenImageIO")

from embedded_nuke.render import engine  # noqa: E402
from embedded_nuke.render.image import Box, Format  # noqa: E402

RNG = np.random.default_rng(3)
WILD = np.array([[[-1.5, 0.0, 1.0], [2.5, -0.25, 65504.0], [1e-7, 0.5, 0.18]]] * 2, np.float32)


def write_node(nuke: Any, source: Any, path: Path, **knobs: Any) -> Any:
    node = nuke.nodes.Write(file=str(path).replace("\\", "/"))
    node.setInput(0, source)
    node["raw"].setValue(True)
    for name, value in knobs.items():
        node[name].setValue(value)
    return node


def test_overscan_data_window_becomes_the_bounding_box_with_y_upwards(picture: Any) -> None:
    pixels = RNG.random((20, 30, 3), np.float32)
    node = picture(pixels, window=(-4, -3), full=(16, 12), PixelAspectRatio=2.0)
    image = engine.render_node(node, 1)
    assert image.box == Box(-4, 12 + 3 - 20, 26, 15)
    assert image.format == Format(16, 12, 2.0)
    assert image.outside is None  # it covers the format: edges repeat
    assert np.array_equal(image.pixels, pixels)
    assert engine.bbox(node, 1) == image.box


def test_a_data_window_inside_the_format_is_black_outside(picture: Any) -> None:
    node = picture(np.ones((4, 5, 3), np.float32), window=(3, 2), full=(16, 12))
    image = engine.render_node(node, 1)
    assert image.box == Box(3, 6, 8, 10)
    assert image.window(Box(0, 0, 16, 12)).sum() == 4 * 5 * 3
    assert engine.bbox(node, 1) == Box(2, 5, 9, 11)  # with the black border that Nuke counts


@pytest.mark.parametrize(("datatype", "kind"), [("16 bit half", "half"), ("32 bit float", "float")])
def test_exr_round_trip_is_exact(nuke: Any, picture: Any, tmp_path: Path, read_file: Any, datatype: str, kind: str) -> None:
    pixels = WILD.astype(np.float16).astype(np.float32)
    node = write_node(nuke, picture(pixels), tmp_path / "new" / "out.####.exr", create_directories=True)
    node["file_type"].setValue("exr")
    node["datatype"].setValue(datatype)
    path = engine.write_frame(node, 7)
    assert path.endswith("out.0007.exr") and os.listdir(tmp_path / "new") == ["out.0007.exr"]
    found = read_file(path)
    assert str(found.spec().format) in (kind, "float") and np.array_equal(found.get_pixels(), pixels)
    back = nuke.nodes.Read(file=path)
    assert np.array_equal(engine.render_node(back, 1).pixels, pixels)


def test_float_keeps_nan_and_infinity(nuke: Any, picture: Any, tmp_path: Path) -> None:
    pixels = np.array([[[np.nan, np.inf, -np.inf]]], np.float32)
    node = write_node(nuke, picture(pixels), tmp_path / "out.exr")
    node["file_type"].setValue("exr")
    node["datatype"].setValue("32 bit float")
    back = nuke.nodes.Read(file=engine.write_frame(node, 1))
    assert np.array_equal(engine.render_node(back, 1).pixels, pixels, equal_nan=True)


def test_write_keeps_box_aspect_and_layers(nuke: Any, picture: Any, tmp_path: Path, read_file: Any) -> None:
    channels = ("R", "G", "B", "A", "Z", "beauty.R")
    node = picture(RNG.random((6, 8, 6), np.float32), channels=channels, window=(2, 1), full=(16, 12), PixelAspectRatio=1.5)
    assert engine.channels(node, 1) == (
        "rgba.red", "rgba.green", "rgba.blue", "rgba.alpha", "beauty.red", "depth.Z",
    )  # fmt: skip
    out = write_node(nuke, node, tmp_path / "out.exr", channels="all")
    out["file_type"].setValue("exr")
    out["datatype"].setValue("32 bit float")
    spec = read_file(engine.write_frame(out, 1)).spec()
    assert (spec.x, spec.y, spec.width, spec.height) == (2, 1, 8, 6)
    assert (spec.full_width, spec.full_height, spec["PixelAspectRatio"]) == (16, 12, 1.5)
    assert set(spec.channelnames) == {"R", "G", "B", "A", "depth.Z", "beauty.red"}


def test_only_chosen_channels_are_written(nuke: Any, picture: Any, tmp_path: Path, read_file: Any) -> None:
    source = picture(np.ones((2, 2, 4), np.float32))
    node = write_node(nuke, source, tmp_path / "out.exr")
    assert set(read_file(engine.write_frame(node, 1)).spec().channelnames) == {"R", "G", "B"}
    node["channels"].setValue("depth")
    with pytest.raises(engine.RenderError, match="no channel selected"):
        engine.write_frame(node, 1)


def test_one_part_per_layer(nuke: Any, picture: Any, tmp_path: Path) -> None:
    pixels = RNG.random((3, 4, 4), np.float32)
    source = picture(pixels, channels=("R", "G", "B", "Z"))
    node = write_node(nuke, source, tmp_path / "out.exr", channels="all")
    node["file_type"].setValue("exr")
    node["datatype"].setValue("32 bit float")
    node["interleave"].setValue("channels")
    path = engine.write_frame(node, 1)
    assert oiio.ImageBuf(path).nsubimages == 2
    back = engine.render_node(nuke.nodes.Read(file=path), 1)
    assert set(back.channels) == {"rgba.red", "rgba.green", "rgba.blue", "depth.Z"}
    assert np.array_equal(back.window(back.box, ("rgba.red", "rgba.green", "rgba.blue", "depth.Z")), pixels)


@pytest.mark.parametrize("suffix", ["png", "tif", "dpx"])
def test_integer_files_round_to_the_nearest_code(nuke: Any, picture: Any, tmp_path: Path, read_file: Any, suffix: str) -> None:
    codes = np.arange(12).reshape(3, 4, 1).repeat(3, axis=2) * 20
    top = {"png": 255, "tif": 255, "dpx": 1023}[suffix]
    node = write_node(nuke, picture((codes / top).astype(np.float32)), tmp_path / f"out.{suffix}")
    path = engine.write_frame(node, 1)
    back = nuke.nodes.Read(file=path)
    back["raw"].setValue(True)
    assert np.array_equal(np.rint(engine.render_node(back, 1).pixels * top), codes)
    assert read_file(path).spec().width == 4


def test_jpeg_is_near(nuke: Any, picture: Any, tmp_path: Path) -> None:
    node = write_node(nuke, picture(np.full((16, 16, 3), 0.4, np.float32)), tmp_path / "out.jpg")
    back = nuke.nodes.Read(file=engine.write_frame(node, 1))
    back["raw"].setValue(True)
    assert np.allclose(engine.render_node(back, 1).pixels, 0.4, atol=0.01)


def test_colour_space_against_opencolorio(nuke: Any, picture: Any, tmp_path: Path) -> None:
    pixels = RNG.random((4, 6, 3), np.float32) * 0.9 + 0.05
    node = write_node(nuke, picture(pixels), tmp_path / "out.png")
    node["raw"].setValue(False)  # 8 bits: sRGB
    oracle = oiio.ImageBufAlgo.colorconvert(oiio.ImageBuf(pixels), "lin_srgb", "srgb_rec709_scene").get_pixels()
    back = nuke.nodes.Read(file=engine.write_frame(node, 1))
    back["raw"].setValue(True)
    assert np.allclose(engine.render_node(back, 1).pixels, oracle, atol=0.6 / 255)
    back["raw"].setValue(False)
    assert np.allclose(engine.render_node(back, 1).pixels, pixels, atol=0.01)


def test_metadata_of_an_exr_and_the_modes_of_write(nuke: Any, tmp_path: Path, write_file: Any, read_file: Any) -> None:
    path = write_file(tmp_path / "in.exr", np.ones((2, 2, 3), np.float32), reel="A001", take=3, FramesPerSecond=25.0)
    read = nuke.nodes.Read(file=str(path))
    values = engine.metadata(read, 1)
    assert values["exr/reel"] == "A001" and values["exr/take"] == 3
    assert (values["input/width"], values["input/filereader"], values["input/bitsperchannel"]) == (2, "exr", "32-bit float")
    assert values["nuke/node_hash"] == engine.node_hash(read, 1)
    changed = nuke.nodes.ModifyMetaData(inputs=[read])
    changed["metadata"].fromScript('{\n {set show/name "Test"}\n {remove exr/take ""}\n}')
    expected = {
        "no metadata": set(),
        "default metadata": {"nuke/node_hash"},
        "default metadata and exr/*": {"nuke/node_hash", "reel"},
        "all metadata except input/*": {"nuke/node_hash", "reel", "nuke/show/name"},
        "all metadata": {"nuke/node_hash", "reel", "nuke/show/name", "nuke/input/width"},
    }
    node = write_node(nuke, changed, tmp_path / "out.exr")
    node["file_type"].setValue("exr")
    looked_for = {"reel", "take", "nuke/show/name", "nuke/node_hash", "nuke/input/width"}
    for mode, wanted in expected.items():
        node["metadata"].setValue(mode)
        found = {attribute.name for attribute in read_file(engine.write_frame(node, 1)).spec().extra_attribs}
        assert found & looked_for == wanted, mode
    back = engine.metadata(nuke.nodes.Read(file=engine.write_frame(node, 1)), 1)
    assert back["exr/nuke/show/name"] == "Test"
    assert back["exr/nuke/node_hash"] == engine.node_hash(changed, 1)


@pytest.mark.parametrize(("rule", "frames"), [("hold", (1, 3)), ("loop", (2, 2)), ("bounce", (3, 1)), ("black", (None, None))])
def test_frames_outside_the_clip(nuke: Any, tmp_path: Path, write_file: Any, rule: str, frames: Any) -> None:
    for frame in (1, 2, 3):
        write_file(tmp_path / f"in.{frame:04d}.exr", np.full((2, 2, 3), frame, np.float32))
    read = nuke.nodes.Read(file=str(tmp_path / "in.%04d.exr"), first=1, last=3)
    read["before"].setValue(rule)
    read["after"].setValue(rule)
    for asked, shown in zip((-1, 5), frames):
        assert engine.render_node(read, asked).plane("rgba.red").max() == (shown or 0)


def test_missing_frames_follow_on_error(nuke: Any, tmp_path: Path, write_file: Any) -> None:
    write_file(tmp_path / "in.0001.exr", np.full((12, 16, 3), 0.25, np.float32))
    write_file(tmp_path / "in.0004.exr", np.full((12, 16, 3), 0.75, np.float32))
    read = nuke.nodes.Read(file=str(tmp_path / "in.####.exr"), first=1, last=4)
    with pytest.raises(RuntimeError, match=r"Read1 .*frame 2: .*in\.0002\.exr does not exist"):
        engine.render_node(read, 2)
    read["on_error"].setValue("black")
    assert engine.render_node(read, 2).pixels.max() == 0
    read["on_error"].setValue("checkerboard")
    assert len(np.unique(engine.render_node(read, 2).pixels)) == 2
    read["on_error"].setValue("nearest frame")
    assert engine.render_node(read, 3).pixels[0, 0, 0] == 0.75
    read["frame_mode"].setValue("start at")
    read["frame"].setValue("101")
    assert engine.frame_range(read) == (101, 104)
    assert engine.render_node(read, 104).pixels[0, 0, 0] == 0.75
    read["frame_mode"].setValue("expression")
    read["frame"].setValue("frame - 996")
    assert engine.render_node(read, 1000).pixels[0, 0, 0] == 0.75


def test_damaged_and_missing_files_say_so(nuke: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.exr").write_bytes(b"no picture")
    with pytest.raises(RuntimeError, match=r"bad\.exr cannot be opened"):
        engine.render_node(nuke.nodes.Read(file=str(tmp_path / "bad.exr")), 1)
    with pytest.raises(RuntimeError, match="is empty"):
        engine.render_node(nuke.nodes.Read(), 1)


def test_write_is_whole_or_absent_and_needs_its_folder(nuke: Any, tmp_path: Path, picture: Any) -> None:
    good = picture(np.ones((2, 2, 3), np.float32))
    node = write_node(nuke, good, tmp_path / "none" / "out.exr")
    with pytest.raises(RuntimeError, match="create_directories"):
        engine.write_frame(node, 1)
    broken = nuke.nodes.Read(file=str(tmp_path / "missing.exr"))
    node = write_node(nuke, broken, tmp_path / "out.exr")
    with pytest.raises(RuntimeError, match="does not exist"):
        engine.write_frame(node, 1)
    assert not list(tmp_path.glob("*out*")) and not list(tmp_path.glob(".*"))


def test_write_reading_shows_its_own_file(nuke: Any, picture: Any, tmp_path: Path) -> None:
    node = write_node(nuke, picture(np.full((2, 2, 3), 0.5, np.float32)), tmp_path / "out.exr")
    engine.write_frame(node, 1)
    other = picture(np.full((2, 2, 3), 2.0, np.float32))
    node.setInput(0, other)
    assert engine.render_node(node, 1).pixels.max() == 2.0
    node["reading"].setValue(True)
    assert engine.render_node(node, 1).pixels.max() == 0.5


def test_proxy_mode_writes_small(nuke: Any, tmp_path: Path, read_file: Any) -> None:
    source = nuke.nodes.Constant(color=0.5)
    node = write_node(nuke, source, tmp_path / "out.exr")
    root = nuke.root()
    root["proxy"].setValue(True)
    root["proxy_format"].fromScript('"8 6 0 0 8 6 1 half_size"')
    spec = read_file(engine.write_frame(node, 1)).spec()
    assert (spec.width, spec.height, spec.full_width, spec.full_height) == (8, 6, 8, 6)
    root["proxy"].setValue(False)
    assert read_file(engine.write_frame(node, 1)).spec().width == 16


def test_a_changed_file_changes_hash_and_picture(nuke: Any, tmp_path: Path, write_file: Callable[..., Path]) -> None:
    path = write_file(tmp_path / "in.exr", np.full((2, 2, 3), 1.0, np.float32))
    blur = nuke.nodes.Blur(inputs=[nuke.nodes.Read(file=str(path))])
    before = engine.node_hash(blur, 1)
    assert engine.render_node(blur, 1).pixels.max() == 1
    write_file(path, np.full((2, 2, 3), 3.0, np.float32))
    os.utime(path, ns=(1, 1))
    assert engine.node_hash(blur, 1) != before and engine.render_node(blur, 1).pixels.max() == 3
