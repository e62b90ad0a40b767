"""Colour, channel and merge nodes against closed forms, OpenImageIO and OpenColorIO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
oiio = pytest.importorskip("OpenImageIO")
ocio = pytest.importorskip("PyOpenColorIO")

from embedded_nuke.render import engine  # noqa: E402
from embedded_nuke.render.image import Box  # noqa: E402

RNG = np.random.default_rng(5)
# Values below 0 and above 1, as film scans and comps have them.
RGBA = (RNG.random((12, 16, 4), np.float32) * 3 - 1).astype(np.float32)
OTHER = (RNG.random((12, 16, 4), np.float32) * 3 - 1).astype(np.float32)


def pixels(node: Any, frame: float = 1) -> Any:
    return engine.render_node(node, frame).pixels


def test_grade_is_the_documented_formula(nuke: Any, picture: Any) -> None:
    node = nuke.nodes.Grade(inputs=[picture(RGBA)])
    values = {"blackpoint": 0.1, "whitepoint": 0.9, "black": 0.05, "white": 1.2, "multiply": 1.5, "add": 0.02}
    for name, value in values.items():
        node[name].setValue(value)
    node["black_clamp"].setValue(False)
    slope = 1.5 * (1.2 - 0.05) / (0.9 - 0.1)
    linear = RGBA[:, :, :3].astype(np.float64) * slope + 0.02 + 0.05 - slope * 0.1
    assert np.allclose(pixels(node)[:, :, :3], linear, atol=1e-5)
    assert np.array_equal(pixels(node)[:, :, 3], RGBA[:, :, 3])  # channels rgb
    node["gamma"].setValue(2.0)
    assert np.allclose(pixels(node)[:, :, :3], np.where(linear > 0, np.abs(linear) ** 0.5, linear), atol=1e-5)
    node["black_clamp"].setValue(True)
    node["white_clamp"].setValue(True)
    assert pixels(node)[:, :, :3].min() == 0 and pixels(node)[:, :, :3].max() == 1


def test_reverse_grade_undoes_it(nuke: Any, picture: Any) -> None:
    first = nuke.nodes.Grade(inputs=[picture(np.abs(RGBA))], white=0.7, gamma=1.3, black=0.1)
    second = nuke.nodes.Grade(inputs=[first], white=0.7, gamma=1.3, black=0.1, reverse=True)
    assert np.allclose(pixels(second), np.abs(RGBA), atol=1e-5)


def test_a_fresh_grade_changes_no_bit_but_the_clamp(nuke: Any, picture: Any) -> None:
    source = picture(RGBA)
    node = nuke.nodes.Grade(inputs=[source])
    assert np.array_equal(pixels(node)[:, :, :3], np.maximum(RGBA[:, :, :3], 0))
    node["black_clamp"].setValue(False)
    assert np.array_equal(pixels(node), RGBA)


def test_mask_and_mix(nuke: Any, picture: Any) -> None:
    mask = np.zeros((12, 16, 4), np.float32)
    mask[:, 4:8, 3], mask[:, 8:, 3] = 0.5, 2.0
    node = nuke.nodes.Multiply(inputs=[picture(RGBA), picture(mask)], value=3.0)
    factor = np.clip(mask[:, :, 3:], 0, 1)
    assert np.allclose(pixels(node), RGBA * (1 + 2 * factor), atol=1e-5)
    assert np.array_equal(pixels(node)[:, :4], RGBA[:, :4]) and np.array_equal(pixels(node)[:, 8:], RGBA[:, 8:] * np.float32(3))
    node["invert_mask"].setValue(True)
    node["mix"].setValue(0.5)
    assert np.allclose(pixels(node), RGBA * (1 + 2 * 0.5 * np.clip(1 - mask[:, :, 3:], 0, 1)), atol=1e-5)
    own = nuke.nodes.Add(inputs=[picture(np.abs(RGBA) / 2)], value=1.0, channels="rgb")
    own["maskChannelInput"].setValue("rgba.alpha")
    half = np.abs(RGBA) / 2
    assert np.allclose(pixels(own)[:, :, :3], half[:, :, :3] + np.clip(half[:, :, 3:], 0, 1), atol=1e-5)


def test_unpremult_around_a_grade(nuke: Any, picture: Any) -> None:
    values = np.array([[[0.2, 0.1, 0.0, 0.5], [0.3, 0.3, 0.3, 0.0]]], np.float32)
    node = nuke.nodes.Add(inputs=[picture(values)], value=0.1, channels="rgb")
    node["unpremult"].setValue("rgba.alpha")
    assert np.allclose(pixels(node)[0, 0], [0.25, 0.15, 0.05, 0.5])
    assert np.allclose(pixels(node)[0, 1], [0.4, 0.4, 0.4, 0.0])


def test_outside_follows_the_operation(nuke: Any, picture: Any) -> None:
    node = nuke.nodes.Add(inputs=[picture(np.ones((4, 4, 3), np.float32), window=(2, 2), full=(16, 12))], value=0.25)
    image = engine.render_node(node, 1)
    assert image.outside == (0.25, 0.25, 0.25)
    assert image.window(Box(-3, -3, 0, 0)).max() == 0.25


def test_color_matrix_against_numpy_and_its_inverse(nuke: Any, picture: Any) -> None:
    matrix = np.array([[0.2126, 0.7152, 0.0722], [-0.1146, -0.3854, 0.5], [0.5, -0.4542, -0.0458]])
    node = nuke.nodes.ColorMatrix(inputs=[picture(RGBA)])
    node["matrix"].fromScript("{" + " ".join("{" + " ".join(map(repr, row)) + "}" for row in matrix.tolist()) + "}")
    oracle = RGBA[:, :, :3].astype(np.float64) @ matrix.T
    assert np.allclose(pixels(node)[:, :, :3], oracle, atol=1e-6)
    back = nuke.nodes.ColorMatrix(inputs=[node], invert=True)
    back["matrix"].fromScript(node["matrix"].toScript())
    assert np.allclose(pixels(back), RGBA, atol=1e-5)
    node["channels"].setValue("rgba.red")
    with pytest.raises(engine.RenderError, match="whole layer"):
        pixels(node)


@pytest.mark.parametrize(("name", "style"), [("sRGB", "sRGB"), ("rec709", "Rec709")])
def test_colorspace_curves_against_opencolorio(nuke: Any, picture: Any, name: str, style: str) -> None:
    values = np.linspace(0, 1.0, 300, dtype=np.float32).reshape(10, 10, 3)
    node = nuke.nodes.Colorspace(inputs=[picture(values)], colorspace_out=name)
    config = ocio.Config.CreateRaw()
    numbers = {"sRGB": (2.4, 0.055), "Rec709": (1 / 0.45, 0.099)}[style]
    curve = ocio.ExponentWithLinearTransform(
        gamma=[numbers[0]] * 3 + [1.0], offset=[numbers[1]] * 3 + [0.0], direction=ocio.TRANSFORM_DIR_INVERSE
    )
    oracle = values.copy()
    config.getProcessor(curve).getDefaultCPUProcessor().applyRGB(oracle)
    assert np.allclose(pixels(node), oracle, atol=3e-4)
    back = nuke.nodes.Colorspace(inputs=[node], colorspace_in=name)
    assert np.allclose(pixels(back), values, atol=1e-6)


def test_colorspace_refuses_ycbcr_with_the_reason(nuke: Any, picture: Any) -> None:
    node = nuke.nodes.Colorspace(inputs=[picture(RGBA)], colorspace_out="YCbCr")
    with pytest.raises(engine.RenderError, match="documented nowhere"):
        pixels(node)


def _cube(path: Path) -> None:
    size = 5
    lines = [f"LUT_3D_SIZE {size}"]
    for b in range(size):
        for g in range(size):
            for r in range(size):
                lines.append(f"{(r / 4) ** 2:.6f} {g / 8 + 0.25:.6f} {1 - b / 4:.6f}")
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("class_name", ["OCIOFileTransform", "Vectorfield"])
def test_a_cube_file(nuke: Any, picture: Any, tmp_path: Path, class_name: str) -> None:
    _cube(tmp_path / "look.cube")
    values = RNG.random((4, 5, 4), np.float32)
    node = getattr(nuke.nodes, class_name)(inputs=[picture(values)])
    knob = "file" if class_name == "OCIOFileTransform" else "vfield_file"
    node[knob].setValue(str(tmp_path / "look.cube").replace("\\", "/"))
    grid = np.linspace(0, 1, 5)
    found = pixels(node)
    assert np.allclose(found[:, :, 0], np.interp(values[:, :, 0], grid, grid**2), atol=1e-5)
    assert np.allclose(found[:, :, 1], values[:, :, 1] / 2 + 0.25, atol=1e-5)
    assert np.allclose(found[:, :, 2], 1 - values[:, :, 2], atol=1e-5)
    assert np.array_equal(found[:, :, 3], values[:, :, 3])
    if class_name == "OCIOFileTransform":
        node["working_space"].setValue("sRGB")
        linear = np.float32(0.5)
        flat = nuke.nodes.Constant(color=float(linear))
        node.setInput(0, flat)
        coded = 1.055 * linear ** (1 / 2.4) - 0.055
        assert np.isclose(pixels(node)[0, 0, 2], (((1 - coded) + 0.055) / 1.055) ** 2.4, atol=1e-5)


def test_ocio_colorspace_of_a_config_file(nuke: Any, picture: Any, tmp_path: Path) -> None:
    config = ocio.Config.CreateFromBuiltinConfig("cg-config-v1.0.0_aces-v1.3_ocio-v2.1")
    (tmp_path / "show.ocio").write_text(config.serialize())
    root = nuke.root()
    root["colorManagement"].setValue("OCIO")
    root["OCIO_config"].setValue("custom")
    root["customOCIOConfigPath"].setValue(str(tmp_path / "show.ocio").replace("\\", "/"))
    values = RNG.random((3, 4, 3), np.float32)
    node = nuke.nodes.OCIOColorSpace(inputs=[picture(values)])
    node["in_colorspace"].fromScript("ACEScg")
    node["out_colorspace"].fromScript('"sRGB - Texture"')
    oracle = values.copy()
    config.getProcessor("ACEScg", "sRGB - Texture").getDefaultCPUProcessor().applyRGB(oracle)
    assert np.allclose(pixels(node), oracle, atol=1e-6)


@pytest.mark.parametrize(
    ("operation", "formula"),
    [
        ("over", lambda A, B, a, b: A + B * (1 - a)),
        ("under", lambda A, B, a, b: A * (1 - b) + B),
        ("difference", lambda A, B, a, b: abs(A - B)),
        ("plus", lambda A, B, a, b: A + B),
        ("minus", lambda A, B, a, b: A - B),
        ("from", lambda A, B, a, b: B - A),
        ("multiply", lambda A, B, a, b: np.where((A < 0) & (B < 0), A, A * B)),
        ("screen", lambda A, B, a, b: np.where((A <= 1) | (B <= 1), A + B - A * B, np.maximum(A, B))),
        ("max", lambda A, B, a, b: np.maximum(A, B)),
        ("min", lambda A, B, a, b: np.minimum(A, B)),
        ("average", lambda A, B, a, b: (A + B) / 2),
        ("copy", lambda A, B, a, b: A),
        ("hypot", lambda A, B, a, b: np.sqrt(A * A + B * B)),
        ("matte", lambda A, B, a, b: A * a + B * (1 - a)),
        ("exclusion", lambda A, B, a, b: A + B - 2 * A * B),
        ("xor", lambda A, B, a, b: A * (1 - b) + B * (1 - a)),
        ("stencil", lambda A, B, a, b: B * (1 - a)),
        ("in", lambda A, B, a, b: A * b),
    ],
)
def test_merge_formulas(nuke: Any, picture: Any, operation: str, formula: Any) -> None:
    node = nuke.nodes.Merge2(inputs=[picture(RGBA), picture(OTHER)], operation=operation)
    expected = formula(OTHER, RGBA, OTHER[:, :, 3:], RGBA[:, :, 3:])
    assert np.allclose(pixels(node), expected, atol=1e-5)
    node["mix"].setValue(0.25)
    assert np.allclose(pixels(node), RGBA * 0.75 + expected * 0.25, atol=1e-5)


def test_merge_over_against_openimageio(nuke: Any, picture: Any) -> None:
    front, back = RNG.random((12, 16, 4), np.float32), RNG.random((12, 16, 4), np.float32)
    node = nuke.nodes.Merge2(inputs=[picture(back), picture(front)])
    buffers = [oiio.ImageBuf(values) for values in (front, back)]
    for buffer in buffers:
        buffer.specmod().channelnames, buffer.specmod().alpha_channel = ("R", "G", "B", "A"), 3
    assert np.allclose(pixels(node), oiio.ImageBufAlgo.over(*buffers).get_pixels(), atol=1e-6)


def test_merge_boxes_outputs_and_several_inputs(nuke: Any, picture: Any) -> None:
    small = picture(np.ones((4, 4, 4), np.float32), window=(2, 2), full=(16, 12))
    back = picture(np.full((12, 16, 4), 0.5, np.float32))
    node = nuke.nodes.Merge2(inputs=[back, small], operation="plus")
    image = engine.render_node(node, 1)
    assert image.box == Box(0, 0, 16, 12) and image.outside is None
    assert image.pixels[:, :, 0].sum() == 0.5 * 16 * 12 + 16
    for choice, box in (("intersection", Box(1, 5, 7, 11)), ("B", Box(0, 0, 16, 12)), ("A", Box(1, 5, 7, 11))):
        node["bbox"].setValue(choice)
        assert engine.render_node(node, 1).box == box, choice  # with A's black border, as Nuke counts it
    node["bbox"].setValue("union")
    node["output"].setValue("rgb")
    assert np.all(engine.render_node(node, 1).plane("rgba.alpha") == 0.5)
    node.setInput(3, small)
    assert engine.render_node(node, 1).plane("rgba.red").max() == 2.5


def test_keymix_dissolve_switch(nuke: Any, picture: Any) -> None:
    first, second = picture(RGBA), picture(OTHER)
    mask = np.linspace(-0.5, 1.5, 12 * 16 * 4, dtype=np.float32).reshape(12, 16, 4)
    keymix = nuke.nodes.Keymix(inputs=[first, second, picture(mask)])
    weight = np.clip(mask[:, :, 3:], 0, 1)
    assert np.allclose(pixels(keymix), RGBA * (1 - weight) + OTHER * weight, atol=1e-5)
    dissolve = nuke.nodes.Dissolve(inputs=[first, second], which=0.25)
    assert np.allclose(pixels(dissolve), RGBA * 0.75 + OTHER * 0.25, atol=1e-5)
    for which, expected in ((0, RGBA), (1, OTHER)):
        dissolve["which"].setValue(which)
        assert np.array_equal(pixels(dissolve), expected)
    broken = nuke.nodes.Read(file="/nowhere/x.exr")
    switch = nuke.nodes.Switch(inputs=[broken, second], which=1)
    assert np.array_equal(pixels(switch), OTHER)  # the other input is not asked


def test_copy_shuffle_remove(nuke: Any, picture: Any) -> None:
    first, second = picture(RGBA), picture(OTHER)
    copy = nuke.nodes.Copy(inputs=[first, second], from0="rgba.green", to0="rgba.alpha")
    assert np.array_equal(pixels(copy)[:, :, 3], OTHER[:, :, 1]) and np.array_equal(pixels(copy)[:, :, :3], RGBA[:, :, :3])
    shuffle = nuke.nodes.Shuffle2(inputs=[first, second])
    assert np.array_equal(pixels(shuffle), RGBA)  # a fresh one passes B
    shuffle["fromInput2"].fromScript("{{1} B A}")
    shuffle["mappings"].fromScript(
        '"4 rgba.blue 0 2 rgba.red 0 0 white -1 -1 rgba.green 0 1 black -1 -1 rgba.blue 0 2 rgba.red 1 0 rgba.alpha 0 3"'
    )
    found = pixels(shuffle)
    assert np.array_equal(found[:, :, 0], RGBA[:, :, 2]) and (found[:, :, 1] == 1).all() and (found[:, :, 2] == 0).all()
    assert np.array_equal(found[:, :, 3], OTHER[:, :, 0])
    remove = nuke.nodes.Remove(inputs=[first], operation="keep", channels="rgb")
    assert engine.channels(remove, 1) == ("rgba.red", "rgba.green", "rgba.blue")


def test_a_shuffle_of_an_input_that_is_not_there_is_told(nuke: Any, picture: Any) -> None:
    shuffle = nuke.nodes.Shuffle2(inputs=[picture(np.ones((1, 1, 3), np.float32))])
    shuffle["mappings"].setValue("1 rgba.red 5 0 rgba.blue 0 2")
    with pytest.raises(RuntimeError, match="from input '5'"):
        engine.render_node(shuffle, 1)
    assert shuffle.error()


def test_expression_is_evaluated_per_pixel(nuke: Any, picture: Any) -> None:
    node = nuke.nodes.Expression(inputs=[picture(RGBA)])
    node["temp_name0"].setValue("t")
    node["temp_expr0"].setValue("r * 2")
    node["expr0"].setValue("t + frame")
    node["expr1"].setValue("g < 0 ? -log10(clamp(b, 0.001, 1)) : pow(g, 2)")
    node["expr2"].setValue("x + y * 100")
    node["expr3"].setValue("10 ** (-abs(a))")
    found = pixels(node, 3)
    r, g, b, a = (RGBA[:, :, i] for i in range(4))
    assert np.allclose(found[:, :, 0], r * 2 + 3, atol=1e-5)
    assert np.allclose(found[:, :, 1], np.where(g < 0, -np.log10(np.clip(b, 0.001, 1)), g**2), atol=1e-5)
    ys, xs = np.mgrid[11:-1:-1, 0:16]
    assert np.array_equal(found[:, :, 2], (xs + ys * 100).astype(np.float32))
    assert np.allclose(found[:, :, 3], 10.0 ** -np.abs(a), atol=1e-6)
    node["expr0"].setValue("nothing.at.all")
    with pytest.raises(engine.RenderError, match="expr0 cannot be evaluated"):
        pixels(node)


def test_expression_reads_knobs_of_its_group(nuke: Any, picture: Any) -> None:
    group = nuke.nodes.Group()
    gain = nuke.Double_Knob("gain")
    group.addKnob(gain)
    group["gain"].setValue(3.0)
    with group:
        inside = nuke.nodes.Input()
        expression = nuke.nodes.Expression(inputs=[inside], expr0="r * parent.gain")
        nuke.nodes.Output(inputs=[expression])
    group.setInput(0, picture(RGBA))
    before = engine.node_hash(group, 1)
    assert np.allclose(pixels(group)[:, :, 0], RGBA[:, :, 0] * 3, atol=1e-6)
    group["gain"].setValue(2.0)
    assert engine.node_hash(group, 1) != before
    assert np.allclose(pixels(group)[:, :, 0], RGBA[:, :, 0] * 2, atol=1e-6)
    group["disable"].setValue(True)
    assert np.array_equal(pixels(group), RGBA)


def test_unknown_maths_is_refused_with_node_and_frame(nuke: Any, picture: Any) -> None:
    node = nuke.nodes.HueShift(inputs=[picture(RGBA)])
    with pytest.raises(engine.RenderError, match="HueShift1: the class HueShift cannot be rendered here"):
        pixels(node)
    node["disable"].setValue(True)
    assert np.array_equal(pixels(node), RGBA)
