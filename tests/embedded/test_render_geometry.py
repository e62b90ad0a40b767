"""Boxes, formats, filters and warps against closed forms, OpenImageIO and OpenCV."""

from __future__ import annotations

import math
from typing import Any

import pytest

np = pytest.importorskip("numpy")
oiio = pytest.importorskip("OpenImageIO")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from embedded_nuke.render import engine  # noqa: E402
from embedded_nuke.render.image import Box, Format, Image  # noqa: E402
from embedded_nuke.render.resample import KERNELS, axis_weights  # noqa: E402

RNG = np.random.default_rng(9)
PIXELS = RNG.random((12, 16, 3), np.float32)
BOXES = st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h), st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 9), st.integers(1, 9)
)


def smooth() -> Any:
    ys, xs = np.mgrid[0:48, 0:64].astype(np.float32)
    plane = 0.5 + 0.3 * np.sin(xs / 7) * np.cos(ys / 9)
    return np.stack([plane, xs / 64, ys / 48], axis=-1).astype(np.float32)


@settings(max_examples=60)
@given(BOXES, BOXES, st.booleans())
def test_window_repeats_edges_or_is_constant(box: Box, asked: Box, constant: bool) -> None:
    values = np.arange(box.width * box.height, dtype=np.float32).reshape(box.height, box.width, 1)
    image = Image(("a.a",), box, Format(16, 12), values, {}, (7.0,) if constant else None)
    found = image.window(asked)[:, :, 0]
    for y in range(asked.y, asked.t):
        for x in range(asked.x, asked.r):
            inside = box.x <= x < box.r and box.y <= y < box.t
            row, column = box.t - 1 - min(max(y, box.y), box.t - 1), min(max(x, box.x), box.r - 1) - box.x
            expected = 7.0 if constant and not inside else values[row, column, 0]
            assert found[asked.t - 1 - y, x - asked.x] == expected


def test_crop(nuke: Any, picture: Any) -> None:
    node = nuke.nodes.Crop(inputs=[picture(PIXELS)])
    node["box"].setValue([2, 3, 10, 9])
    image = engine.render_node(node, 1)
    assert image.box == Box(2, 3, 10, 9) and image.format == engine.format_of(node.input(0), 1)
    assert np.array_equal(image.pixels, PIXELS[3:9, 2:10])
    assert image.window(Box(0, 0, 2, 2)).max() == 0
    node["crop"].setValue(False)
    assert np.array_equal(engine.render_node(node, 1).plane("rgba.red", Box(0, 5, 1, 6))[0, 0], PIXELS[6, 2, 0])
    node["reformat"].setValue(True)
    image = engine.render_node(node, 1)
    assert (image.box, image.format.width, image.format.height) == (Box(0, 0, 8, 6), 8, 6)
    assert np.array_equal(image.pixels, PIXELS[3:9, 2:10])
    node["box"].setValue([-5, -5, 40, 40])
    node["reformat"].setValue(False)
    node["intersect"].setValue(True)
    assert engine.render_node(node, 1).box == Box(0, 0, 16, 12)


def test_boxes(nuke: Any, picture: Any) -> None:
    source = picture(PIXELS)
    grown = nuke.nodes.AdjBBox(inputs=[source], numpixels=3)
    assert engine.render_node(grown, 1).box == Box(-3, -3, 19, 15)
    small = nuke.nodes.Crop(inputs=[source])
    small["box"].setValue([4, 4, 8, 8])
    copied = nuke.nodes.CopyBBox(inputs=[source, small])
    image = engine.render_node(copied, 1)
    assert image.box == Box(4, 4, 8, 8) and np.array_equal(image.pixels, PIXELS[4:8, 4:8])


@pytest.mark.parametrize(
    ("resize", "center", "box"),
    [
        ("width", True, Box(0, 2, 32, 26)),
        ("height", True, Box(0, 0, 32, 28)),
        ("fit", True, Box(0, 2, 32, 26)),
        ("fit", False, Box(0, 0, 32, 24)),
        ("distort", True, Box(0, 0, 32, 28)),
        ("none", True, Box(8, 8, 24, 20)),
    ],
)
def test_reformat_boxes(nuke: Any, picture: Any, resize: str, center: bool, box: Box) -> None:
    node = nuke.nodes.Reformat(inputs=[picture(PIXELS)], resize=resize, center=center)
    node["format"].fromScript('"32 28 0 0 32 28 1 larger"')
    image = engine.render_node(node, 1)
    assert image.box == box and image.format == Format(32, 28, 1.0, "larger")


def test_reformat_keeps_shapes_on_other_pixel_aspects(nuke: Any, picture: Any) -> None:
    node = nuke.nodes.Reformat(inputs=[picture(PIXELS)])
    node["format"].fromScript('"16 24 0 0 16 24 2 anamorphic"')
    image = engine.render_node(node, 1)
    assert image.box == Box(0, 0, 16, 24)  # twice as many lines for pixels that are twice as wide
    assert image.format.pixel_aspect == 2


def test_reformat_scale_against_openimageio(nuke: Any, picture: Any) -> None:
    values = smooth()
    node = nuke.nodes.Reformat(inputs=[picture(values)], type="scale", scale=0.5, filter="Keys")
    oracle = oiio.ImageBufAlgo.resize(oiio.ImageBuf(values), filtername="keys", roi=oiio.ROI(0, 32, 0, 24)).get_pixels()
    inside = (slice(3, -3), slice(3, -3))
    assert np.allclose(engine.render_node(node, 1).pixels[inside], oracle[inside], atol=2e-3)
    node["scale"].setValue(2)
    oracle = oiio.ImageBufAlgo.resize(oiio.ImageBuf(values), filtername="keys", roi=oiio.ROI(0, 128, 0, 96)).get_pixels()
    inside = (slice(8, -8), slice(8, -8))
    assert np.allclose(engine.render_node(node, 1).pixels[inside], oracle[inside], atol=2e-3)


def test_reformat_mirrors_and_turns(nuke: Any, picture: Any) -> None:
    node = nuke.nodes.Reformat(inputs=[picture(PIXELS)], type="scale", scale=1, flip=True, flop=True)
    assert np.array_equal(engine.render_node(node, 1).pixels, PIXELS[::-1, ::-1])
    mirror = nuke.nodes.Mirror2(inputs=[node], flip=True, flop=True)
    assert np.array_equal(engine.render_node(mirror, 1).pixels, PIXELS)


@pytest.mark.parametrize("name", sorted(KERNELS))
def test_kernels_sum_to_one_and_keep_constants(name: str) -> None:
    for stretch in (1.0, 2.7):
        indices, weights = axis_weights(np.linspace(-3, 7, 41), stretch, name)
        assert np.allclose(weights.sum(axis=1), 1, atol=1e-6) and indices.shape == weights.shape
    at_centres, weights = axis_weights(np.arange(5) + 0.5, 1.0, name)
    if name in ("linear", "cubic", "keys", "simon", "rifman"):  # they pass through the samples
        assert np.array_equal(np.where(weights.round(6) == 1, at_centres, 0).sum(axis=1), np.arange(5))


def test_whole_pixel_moves_are_exact(nuke: Any, picture: Any) -> None:
    node = nuke.nodes.Transform(inputs=[picture(PIXELS)])
    node["translate"].setValue([3, -2])
    image = engine.render_node(node, 1)
    assert image.box == Box(3, -2, 19, 10) and np.array_equal(image.pixels, PIXELS) and image.outside == (0.0, 0.0, 0.0)
    assert engine.bbox(node, 1) == Box(2, -3, 20, 11)
    node["translate"].setValue([0, 0])
    node["center"].setValue([8, 6])
    node["rotate"].setValue(180)
    assert np.allclose(engine.render_node(node, 1).window(Box(0, 0, 16, 12)), PIXELS[::-1, ::-1], atol=1e-6)


def test_a_quarter_turn_is_counter_clockwise(nuke: Any, picture: Any) -> None:
    values = np.zeros((12, 12, 3), np.float32)
    values[6, 11] = 1  # at the right, just below the middle
    node = nuke.nodes.Transform(inputs=[picture(values)], rotate=90)
    node["center"].setValue([6, 6])
    found = engine.render_node(node, 1).window(Box(0, 0, 12, 12))[:, :, 0]
    assert found[0, 6] == pytest.approx(1, abs=1e-6)  # at the top


def test_transform_against_opencv(nuke: Any, picture: Any) -> None:
    cv2 = pytest.importorskip("cv2")
    values = smooth()
    node = nuke.nodes.Transform(inputs=[picture(values)], rotate=20, scale=1.3, filter="linear")
    node["center"].setValue([32, 24])
    node["translate"].setValue([2.25, -1.5])
    matrix = cv2.getRotationMatrix2D((31.5, 23.5), 20, 1.3)
    matrix[:, 2] += (2.25, 1.5)
    oracle = cv2.warpAffine(values, matrix, (64, 48), flags=cv2.INTER_LINEAR)
    found = engine.render_node(node, 1).window(Box(0, 0, 64, 48))
    assert np.abs(found - oracle)[12:-12, 12:-12].max() < 5e-3


def test_corner_pin(nuke: Any, picture: Any) -> None:
    values = smooth()
    source = picture(values)
    node = nuke.nodes.CornerPin2D(inputs=[source], filter="linear")
    corners = [(0, 0), (64, 0), (64, 48), (0, 48)]
    pinned = [(4, 2), (60, 5), (55, 44), (8, 40)]
    for index, (before, after) in enumerate(zip(corners, pinned), 1):
        node[f"from{index}"].setValue(list(before))
        node[f"to{index}"].setValue(list(after))
    back = nuke.nodes.CornerPin2D(inputs=[node], filter="linear", invert=True)
    for index, (before, after) in enumerate(zip(corners, pinned), 1):
        back[f"from{index}"].setValue(list(before))
        back[f"to{index}"].setValue(list(after))
    found = engine.render_node(back, 1).window(Box(0, 0, 64, 48))
    assert np.abs(found - values)[6:-6, 6:-6].max() < 0.02
    for index in (2, 3, 4):
        node[f"enable{index}"].setValue(False)
    assert engine.render_node(node, 1).box == Box(4, 2, 68, 50)  # one point only moves


def test_st_map_against_openimageio(nuke: Any, picture: Any) -> None:
    values = smooth()
    ys, xs = np.mgrid[0:48, 0:64]
    s = (xs + 0.5) / 64 * 0.9 + 0.05
    t = (ys + 0.5) / 48 * 0.8 + 0.1
    maps = np.stack([s, 1 - t, np.zeros_like(s)], axis=-1).astype(np.float32)
    node = nuke.nodes.STMap(inputs=[picture(values), picture(maps)], uv="rgb", filter="linear")
    identity = np.stack([(xs + 0.5) / 64, 1 - (ys + 0.5) / 48, np.zeros_like(s)], axis=-1).astype(np.float32)
    still = nuke.nodes.STMap(inputs=[picture(values), picture(identity)], uv="rgb", filter="linear")
    assert np.allclose(engine.render_node(still, 1).pixels, values, atol=1e-4)
    buffers = [oiio.ImageBuf(values), oiio.ImageBuf(np.stack([s, t], axis=-1).astype(np.float32))]
    oracle = oiio.ImageBufAlgo.st_warp(buffers[0], buffers[1], "triangle", 2.0).get_pixels()
    found = engine.render_node(node, 1).pixels
    assert np.abs(found - oracle)[2:-2, 2:-2].max() < 5e-3


def test_blur_against_closed_forms_and_scipy(nuke: Any, picture: Any) -> None:
    impulse = np.zeros((21, 21, 3), np.float32)
    impulse[10, 10] = 1
    node = nuke.nodes.Blur(inputs=[picture(impulse)], size=4.8)  # a standard deviation of 2
    row = engine.render_node(node, 1).pixels[10, :, 0]
    expected = np.exp(-0.5 * ((np.arange(21) - 10) / 2.0) ** 2)
    assert np.allclose(row / row[10], expected, atol=5e-5)  # cut off at four deviations
    assert engine.render_node(node, 1).pixels.sum() == pytest.approx(3, abs=1e-3)
    node["filter"].setValue("box")
    node["size"].setValue(3)
    assert np.allclose(engine.render_node(node, 1).pixels[9:12, 9:12], 1 / 9)
    ndimage = pytest.importorskip("scipy.ndimage")
    values = smooth()
    node = nuke.nodes.Blur(inputs=[picture(values)], size=4.8)
    oracle = ndimage.gaussian_filter(values, (2.0, 2.0, 0), mode="nearest", truncate=4.0)
    assert np.allclose(engine.render_node(node, 1).pixels, oracle, atol=1e-5)


def test_blur_of_a_small_box_grows_and_stays_within_the_format(nuke: Any, picture: Any) -> None:
    node = nuke.nodes.Blur(inputs=[picture(np.ones((4, 4, 3), np.float32), window=(1, 1), full=(16, 12))], size=2.4)
    assert engine.render_node(node, 1).box == Box(0, 3, 9, 12)
    node["crop"].setValue(False)
    assert engine.render_node(node, 1).box == Box(-3, 3, 9, 15)


def test_median_against_numpy(nuke: Any, picture: Any) -> None:
    node = nuke.nodes.Median(inputs=[picture(PIXELS)], size=3)
    padded = np.pad(PIXELS, ((1, 1), (1, 1), (0, 0)), mode="edge")
    windows = np.stack([padded[y : y + 12, x : x + 16] for y in range(3) for x in range(3)])
    assert np.array_equal(engine.render_node(node, 1).pixels, np.median(windows, axis=0).astype(np.float32))


def test_generators(nuke: Any) -> None:
    node = nuke.nodes.Constant()
    node["color"].setValue([0.1, 0.2, 0.3, 0.4])
    image = engine.render_node(node, 1)
    assert image.box == Box(0, 0, 16, 12) and np.allclose(image.pixels[0, 0], [0.1, 0.2, 0.3, 0.4])
    nuke.root()["format"].fromScript('"16 16 0 0 16 16 1 square"')
    checker = nuke.nodes.CheckerBoard2(boxsize=4, centerlinewidth=0)
    found = engine.render_node(checker, 1).pixels[:, :, 0]
    oracle = oiio.ImageBuf(oiio.ImageSpec(16, 16, 1, "float"))
    oiio.ImageBufAlgo.checker(oracle, 4, 4, 1, (0.1,), (0.5,))
    other = np.where(np.isclose(oracle.get_pixels()[:, :, 0], 0.1), 0.5, 0.1)
    assert np.allclose(found, oracle.get_pixels()[:, :, 0]) or np.allclose(found, other)


def test_contact_sheet_places(nuke: Any, picture: Any) -> None:
    sources = [picture(np.full((12, 16, 3), value, np.float32)) for value in (0.1, 0.2, 0.3)]
    node = nuke.nodes.ContactSheet(inputs=sources, width=34, height=26, rows=2, columns=2, gap=2, roworder="TopBottom")
    image = engine.render_node(node, 1)
    assert (image.format.width, image.format.height) == (34, 26)
    plane = image.pixels[:, :, 0]
    assert [plane[6, 8], plane[6, 26], plane[20, 8], plane[20, 26]] == pytest.approx([0.1, 0.2, 0.3, 0.0], abs=1e-6)
    assert plane[:, 16:18].max() == 0
    node["roworder"].setValue("BottomTop")
    assert engine.render_node(node, 1).pixels[20, 8, 0] == pytest.approx(0.1, abs=1e-6)


def test_text_lies_in_its_box_and_over_the_picture(nuke: Any, picture: Any) -> None:
    node = nuke.nodes.Text2(inputs=[picture(np.full((60, 120, 4), 0.25, np.float32))], message="Reference", font_size=20)
    node["box"].setValue([10, 10, 110, 50])
    node["xjustify"].setValue("center")
    node["yjustify"].setValue("center")
    node["color"].setValue([1, 0.5, 0, 1])
    found = engine.render_node(node, 1).pixels
    changed = np.argwhere(np.abs(found[:, :, 0] - 0.25) > 0.01)
    assert len(changed) > 100
    low, high = changed.min(axis=0), changed.max(axis=0)
    assert low[0] >= 10 and high[0] < 50 and low[1] >= 10 and high[1] < 110
    assert abs((low[1] + high[1]) / 2 - 60) < 3 and abs((low[0] + high[0]) / 2 - 30) < 6
    assert np.allclose(found.reshape(-1, 4)[found[:, :, 0].argmax()], [1, 0.5, 0, 1], atol=1e-3)
    node["message"].setValue("")
    assert np.array_equal(engine.render_node(node, 1).pixels, np.full((60, 120, 4), 0.25, np.float32))


@settings(max_examples=40)
@given(st.floats(-400, 400), st.floats(0.2, 3))
def test_rotations_keep_lengths(angle: float, scale: float) -> None:
    from types import SimpleNamespace

    from embedded_nuke.render.ops_warp import affine_matrix

    numbers = {"translate": [0, 0], "center": [3, 4], "scale": [scale, scale], "rotate": [angle], "skewX": [0], "skewY": [0]}
    operation = SimpleNamespace(
        numbers=lambda knob, count: numbers[knob], number=lambda knob: numbers[knob][0], text=lambda knob: "XY"
    )
    matrix = affine_matrix(operation)  # type: ignore[arg-type]
    assert abs(np.linalg.det(matrix) - scale**2) < 1e-9 * max(1, scale**2)
    assert np.allclose(matrix @ [3, 4, 1], [3, 4, 1]) and math.isclose(matrix[2, 2], 1)
