"""Gamma, Invert, Clamp, Saturation, Premult, Unpremult, BlackOutside, Position, CopyMetaData against NumPy.

Each picture has values below 0 and above 1, an alpha, a channel of another layer, and a data window inside its format.
"""

from __future__ import annotations

from typing import Any

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("OpenImageIO")

from embedded_nuke.render import engine  # noqa: E402
from embedded_nuke.render.image import Box, Format, Image  # noqa: E402

RNG = np.random.default_rng(21)
NAMES = ("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha", "depth.Z")
VALUES = (RNG.random((6, 8, 5)) * 3 - 1).astype(np.float32)
VALUES[0, 0, 3] = 0.0  # nothing to divide by
MASK = (RNG.random((12, 16, 4)) * 2 - 0.5).astype(np.float32)
BOX = Box(2, 3, 10, 9)
LUMA = {"Rec 709": (0.2125, 0.7154, 0.0721), "Ccir 601": (0.299, 0.587, 0.114), "Average": (1 / 3, 1 / 3, 1 / 3)}


@pytest.fixture
def source(picture: Any) -> Any:
    """A Read of ``VALUES`` at ``BOX`` of a format of 16 x 12; black lies outside."""
    node = picture(VALUES, channels=("R", "G", "B", "A", "depth.Z"), window=(2, 3), full=(16, 12))
    image = engine.render_node(node, 1)
    assert (image.channels, image.box, image.outside) == (NAMES, BOX, (0.0,) * 5)
    return node


def shown(node: Any, box: Box = BOX) -> Any:
    return engine.render_node(node, 1).window(box, NAMES)


def chosen(mask: str) -> Any:
    """Which of ``NAMES`` a value of ``channels`` names."""
    return np.array([mask == "all" or (mask == "rgb" and index < 3) for index in range(5)])


def gamma(value: Any) -> Any:
    exponents = 1 / np.array(value, np.float64)
    return lambda v: np.where(v > 0, np.abs(v) ** exponents, v)


def saturated(mode: str, amount: float) -> Any:
    def run(v: Any) -> Any:
        rgb = v[..., :3]
        luma = rgb.max(-1, keepdims=True) if mode == "Maximum" else rgb @ np.array(LUMA[mode])[:, None]
        return np.concatenate([luma + (rgb - luma) * amount, v[..., 3:]], -1)

    return run


def clamped(low: Any, high: Any, low_to: Any = None, high_to: Any = None) -> Any:
    def run(v: Any) -> Any:
        result = v if low is None else np.where(v < low, low if low_to is None else low_to, v)
        return result if high is None else np.where(v > high, high if high_to is None else high_to, result)

    return run


# Class, channels of a fresh node, knobs, what it makes of all channels.
CASES = [
    ("Gamma", "all", {}, lambda v: v),
    ("Gamma", "all", {"value": 2.2}, gamma(2.2)),
    ("Gamma", "all", {"value": [2.0, 0.5, 1.0, 3.0]}, gamma([2.0, 0.5, 1.0, 3.0, 2.0])),
    ("Invert", "all", {}, lambda v: 1 - v),
    ("Invert", "all", {"clamp": True}, lambda v: np.clip(1 - v, 0, 1)),
    ("Clamp", "all", {}, lambda v: np.clip(v, 0, 1)),
    ("Clamp", "all", {"minimum": [0.1, 0.2, 0.3, 0.4], "maximum": 0.8}, clamped([0.1, 0.2, 0.3, 0.4, 0.1], 0.8)),
    ("Clamp", "all", {"minimum_enable": False}, clamped(None, 1.0)),
    ("Clamp", "all", {"maximum_enable": False}, clamped(0.0, None)),
    ("Clamp", "all", {"MinClampTo_enable": True, "MinClampTo": -7.0}, clamped(0.0, 1.0, low_to=-7.0)),
    ("Clamp", "all", {"MaxClampTo_enable": True, "MaxClampTo": 9.0}, clamped(0.0, 1.0, high_to=9.0)),
    *[("Saturation", "rgb", {"saturation": 0.3, "mode": mode}, saturated(mode, 0.3)) for mode in (*LUMA, "Maximum")],
    ("Saturation", "rgb", {"saturation": 1.8}, saturated("Rec 709", 1.8)),
    ("Saturation", "rgb", {"saturation": 0.0}, saturated("Rec 709", 0.0)),
]


def made(nuke: Any, case: Any, inputs: Any) -> Any:
    node = getattr(nuke.nodes, case[0])(inputs=inputs)
    for knob, value in case[2].items():
        node[knob].setValue(value)
    return node


def title(case: Any) -> str:
    return f"{case[0]}-{case[2]}"


@pytest.mark.parametrize("case", CASES, ids=title)
def test_colour_nodes_are_their_formula_inside_and_outside_the_box(nuke: Any, source: Any, case: Any) -> None:
    _, fresh, _, formula = case
    node = made(nuke, case, [source])
    expected = np.where(chosen(fresh), formula(VALUES.astype(np.float64)), VALUES)
    assert np.allclose(shown(node), expected, atol=1e-5)
    assert np.array_equal(shown(node)[..., ~chosen(fresh)], VALUES[..., ~chosen(fresh)])
    image = engine.render_node(node, 1)
    assert (image.channels, image.format, image.box) == (NAMES, Format(16, 12), BOX)
    assert np.allclose(image.window(Box(0, 0, 1, 1)), np.where(chosen(fresh), formula(np.zeros(5)), 0), atol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=title)
def test_colour_nodes_keep_channels_that_are_not_chosen(nuke: Any, source: Any, case: Any) -> None:
    node = made(nuke, case, [source])
    node["channels"].setValue("rgb")
    assert np.allclose(shown(node)[..., :3], case[3](VALUES.astype(np.float64))[..., :3], atol=1e-5)
    assert np.array_equal(shown(node)[..., 3:], VALUES[..., 3:])
    node["channels"].setValue("none")
    assert np.array_equal(shown(node), VALUES)


@pytest.mark.parametrize("case", CASES, ids=title)
@pytest.mark.parametrize("inverted", [False, True])
def test_colour_nodes_have_mask_and_mix(nuke: Any, source: Any, picture: Any, case: Any, inverted: bool) -> None:
    node = made(nuke, case, [source, picture(MASK)])
    node["invert_mask"].setValue(inverted)
    node["mix"].setValue(0.25)
    weight = MASK[3:9, 2:10, 3:]
    weight = np.clip((1 - weight if inverted else weight) * 0.25, 0, 1)
    changed = np.where(chosen(case[1]), case[3](VALUES.astype(np.float64)), VALUES)
    assert np.allclose(shown(node), VALUES * (1 - weight) + changed * weight, atol=1e-5)


@pytest.mark.parametrize("case", CASES, ids=title)
def test_colour_nodes_divide_by_the_alpha_and_multiply_again(nuke: Any, source: Any, case: Any) -> None:
    node = made(nuke, case, [source])
    node["channels"].setValue("rgb")
    node["unpremult"].setValue("rgba.alpha")
    alpha = VALUES[..., 3:4].astype(np.float64)
    divisor = np.where(alpha == 0, 1, alpha)
    expected = case[3](VALUES / divisor)[..., :3] * divisor
    assert np.allclose(shown(node)[..., :3], expected, rtol=1e-4, atol=1e-4)
    assert np.array_equal(shown(node)[..., 3:], VALUES[..., 3:])


def test_a_saturation_of_a_part_of_a_layer_is_refused(nuke: Any, source: Any) -> None:
    node = nuke.nodes.Saturation(inputs=[source], channels="rgba.red", saturation=0.5)
    with pytest.raises(RuntimeError, match=r"Saturation1 .*choose the whole layer"):
        engine.render_node(node, 1)


@pytest.mark.parametrize(("kind", "divides"), [("Premult", False), ("Unpremult", True)])
@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("channels", ["rgb", "all"])
def test_premult_and_unpremult(nuke: Any, source: Any, kind: str, divides: bool, inverted: bool, channels: str) -> None:
    node = getattr(nuke.nodes, kind)(inputs=[source], invert=inverted, channels=channels)
    alpha = VALUES[..., 3:4].astype(np.float64)
    factor = 1 / np.where(alpha == 0, 1, alpha) if divides != inverted else alpha
    wanted = chosen(channels) & (np.arange(5) != 3)  # the alpha itself stays
    assert np.allclose(shown(node), np.where(wanted, VALUES * factor, VALUES), rtol=1e-5, atol=1e-6)
    image = engine.render_node(node, 1)
    assert (image.channels, image.box, image.outside) == (NAMES, BOX, (0.0,) * 5)
    node["alpha"].setValue("none")
    assert np.array_equal(shown(node), VALUES)


def test_what_has_no_alpha_is_black_times_it_and_whole_over_it(nuke: Any, picture: Any) -> None:
    values = VALUES[..., :3].copy()
    assert not engine.render_node(nuke.nodes.Premult(inputs=[picture(values)]), 1).pixels.any()
    assert np.array_equal(engine.render_node(nuke.nodes.Unpremult(inputs=[picture(values)]), 1).pixels, values)


def test_premult_of_an_inverted_picture_goes_on_outside(nuke: Any, source: Any) -> None:
    inverted = nuke.nodes.Invert(inputs=[source], channels="all")
    half = nuke.nodes.Multiply(inputs=[inverted], value=0.5, channels="all")
    assert np.allclose(engine.render_node(nuke.nodes.Premult(inputs=[half]), 1).outside, [0.25, 0.25, 0.25, 0.5, 0.5])
    assert np.allclose(engine.render_node(nuke.nodes.Unpremult(inputs=[half]), 1).outside, [1, 1, 1, 0.5, 0.5])


def test_black_outside(nuke: Any, picture: Any) -> None:
    values = VALUES[..., :3].copy()
    whole = picture(values)  # it covers its format, so that its edges repeat
    before, after = (engine.render_node(node, 1) for node in (whole, nuke.nodes.BlackOutside(inputs=[whole])))
    around = before.box.grown(2)
    assert np.array_equal(before.window(around), np.pad(values, ((2, 2), (2, 2), (0, 0)), mode="edge"))
    assert np.array_equal(after.window(around), np.pad(values, ((2, 2), (2, 2), (0, 0))))
    assert (after.box, after.format, after.channels) == (before.box, before.format, before.channels)
    assert engine.bbox(nuke.toNode("BlackOutside1"), 1) == before.box.grown(1)


@pytest.mark.parametrize(("translate", "moved"), [([3, -2], (3, -2)), ([0.4, -0.6], (0, -1)), ([-20, 5], (-20, 5))])
def test_position_moves_by_whole_pixels(nuke: Any, source: Any, translate: Any, moved: Any) -> None:
    node = nuke.nodes.Position(inputs=[source])
    node["translate"].setValue(translate)
    image: Image = engine.render_node(node, 1)
    assert (image.box, image.format, image.channels) == (BOX.moved(*moved), Format(16, 12), NAMES)
    assert np.array_equal(image.pixels, VALUES)
    assert image.outside == (0.0,) * 5


@pytest.mark.parametrize(
    ("knobs", "expected"),
    [
        ({}, {"a": "mine", "b": "theirs", "c": "theirs"}),
        ({"mergeMode": "Meta+Image"}, {"a": "mine", "b": "mine", "c": "theirs"}),
        ({"mergeMode": "Meta only"}, {"b": "theirs", "c": "theirs"}),
        ({"mergeMode": "Image only"}, {"a": "mine", "b": "mine"}),
        ({"metadatafilter": "c"}, {"a": "mine", "b": "mine", "c": "theirs"}),
        ({"metadatafilter": "theirs"}, {"a": "mine", "b": "theirs", "c": "theirs"}),
        ({"metadatafilter": "theirs", "metadatafilterMode": "keys only"}, {"a": "mine", "b": "mine"}),
        ({"metadatafilter": "c", "metadatafilterMode": "values only"}, {"a": "mine", "b": "mine"}),
        ({"metadatafilter": "?", "imageMetadatafilter": "b", "mergeMode": "Meta+Image"}, {"b": "mine", "c": "theirs"}),
        ({"imageMetadatafilter": "a", "imageMetadatafilterMode": "keys only", "mergeMode": "Image only"}, {"a": "mine"}),
    ],
)
def test_copied_metadata(nuke: Any, source: Any, knobs: Any, expected: Any) -> None:
    texts = ('{set a "mine"} {set b "mine"}', '{set b "theirs"} {set c "theirs"}')
    constant = nuke.nodes.Constant(channels="rgb")
    sides = [nuke.nodes.ModifyMetaData(inputs=[one]) for one in (nuke.nodes.Crop(inputs=[constant]), constant)]
    for side, text in zip(sides, texts):
        side["metadata"].fromScript("{" + text + "}")
    node = nuke.nodes.CopyMetaData(inputs=sides)
    for knob, value in knobs.items():
        node[knob].setValue(value)
    assert dict(engine.render_node(node, 1).metadata) == expected
    node.setInput(0, source)
    assert np.array_equal(shown(node), VALUES)  # the picture is that of the first input


@pytest.mark.parametrize("value", ["1/0", "-1/0", "0/0"])
@pytest.mark.parametrize(
    ("kind", "knob"), [("Switch", "which"), ("Dissolve", "which"), ("Position", "translate"), ("Multiply", "value")]
)
def test_a_number_that_is_none_ends_the_render_in_a_sentence(nuke: Any, source: Any, kind: str, knob: str, value: str) -> None:
    node = getattr(nuke.nodes, kind)(inputs=[source], name="Odd")
    node[knob].setExpression(value)
    with pytest.raises(RuntimeError, match=rf"Odd.*{knob}"):
        engine.render_node(node, 1)
    assert node.error()


def test_the_range_of_a_switch_is_that_of_what_it_shows(nuke: Any) -> None:
    inputs = [nuke.nodes.FrameRange(inputs=[nuke.nodes.Constant()], first_frame=1, last_frame=last) for last in (5, 7)]
    switch = nuke.nodes.Switch(inputs=inputs)
    for which, last in ((-2, 5), (0, 5), (1, 7), (9, 7)):
        switch["which"].setValue(which)
        assert switch.lastFrame() == last
