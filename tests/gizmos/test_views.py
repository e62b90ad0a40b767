"""What the gizmos show: the target's views and rules, the comparison's modes, the baseline against the worker's own LUT."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


def _channels(node: Any) -> set[str]:
    from embedded_nuke.render import engine

    return set(engine.render_node(node, 1.0).channels)


def _window(node: Any) -> tuple[int, int, int, int]:
    from embedded_nuke.render import engine

    box = engine.render_node(node, 1.0).box
    return box.x, box.y, box.r, box.t


def test_the_targets_views(nuke: Any, read_node: Any, rendered: Any, pictures: Any) -> None:
    source, reference = pictures
    node = nuke.nodes.RecoveryTarget(inputs=[read_node(source, "a"), read_node(reference, "b")])
    target = rendered(node)
    for view, expected in (("source", source), ("reference", reference), ("difference", np.abs(target - source))):
        node["view"].setValue(view)
        assert np.allclose(rendered(node), expected, rtol=0, atol=1e-6), view


def test_the_kept_component_check_shows_a_change_that_should_not_be(
    nuke: Any, read_node: Any, rendered: Any, pictures: Any
) -> None:
    """Clamping moves the luma that a chroma recovery keeps: there, and only there, the check is not black."""
    source, reference = pictures
    node = nuke.nodes.RecoveryTarget(inputs=[read_node(source, "a"), read_node(reference, "b")], clampTarget=True,
                                     view="kept-component check")  # fmt: skip
    found = rendered(node)
    assert found[..., 0].max() > 0.1
    assert not found[..., 1:].any()
    node["clampTarget"].setValue(False)
    unclamped = rendered(node)
    assert unclamped.max() <= 1e-5


def test_alpha_is_dropped_or_kept_and_the_window_is_the_sources(nuke: Any, read_node: Any, pictures: Any) -> None:
    alpha = np.ones((*pictures[0].shape[:2], 1), np.float32)
    source = nuke.nodes.Crop(inputs=[read_node(np.concatenate([pictures[0], alpha], axis=-1), "a")])
    source["box"].setValue([10, 5, 200, 60])
    reference = read_node(pictures[1], "b")
    node = nuke.nodes.RecoveryTarget(inputs=[source, reference])
    assert _channels(node) == {"rgba.red", "rgba.green", "rgba.blue"}
    assert _window(node) == _window(source)
    node["dropAlpha"].setValue(False)
    assert "rgba.alpha" in _channels(node)  # the source's
    node["bbox"].setValue("union")
    assert _window(node)[:2] == (0, 0)


def _compare(nuke: Any, read_node: Any, pictures: Any, **knobs: Any) -> Any:
    inputs = [read_node(picture, name) for picture, name in zip(pictures, "ab")]
    return nuke.nodes.RecoveryCompare(inputs=inputs, inputCount=2, columns=2, showLabels=False, **knobs)


def test_side_by_side_puts_the_first_picture_left(nuke: Any, read_node: Any, rendered: Any, pictures: Any) -> None:
    node = _compare(nuke, read_node, pictures)
    found = rendered(node)
    height, width = pictures[0].shape[:2]
    found = found[-height - 1 : -1, 1:-1] if found.shape[1] == 2 * width + 2 else found
    assert found.shape == (height, 2 * width, 3)
    assert np.allclose(found[:, :width], pictures[0], atol=1e-4)
    assert np.allclose(found[:, width:], pictures[1], atol=1e-4)
    node["columns"].setValue(1)
    upright = rendered(node)
    assert upright.shape[0] >= 2 * height


@pytest.mark.parametrize("vertical", [False, True])
def test_the_wipe_takes_each_pixel_from_one_picture(
    nuke: Any, read_node: Any, rendered: Any, pictures: Any, vertical: bool
) -> None:
    node = _compare(nuke, read_node, pictures, mode="wipe", wipe=0.3, vertical=vertical)
    first, second = pictures
    height, width = first.shape[:2]
    found = _inside(rendered(node), height, width)
    if vertical:
        line = height - round(0.7 * height)
        expected = np.concatenate([first[:line], second[line:]])
    else:
        line = round(0.3 * width)
        expected = np.concatenate([first[:, :line], second[:, line:]], axis=1)
    assert np.array_equal(found, expected)


def _inside(picture: Any, height: int, width: int) -> Any:
    """Without the pixel of black that a cropped picture has around it."""
    edge = (picture.shape[0] - height) // 2
    return picture[edge : edge + height, edge : edge + width]


def test_the_difference_is_multiplied(nuke: Any, read_node: Any, rendered: Any, pictures: Any) -> None:
    node = _compare(nuke, read_node, pictures, mode="difference", differenceGain=3.0)
    assert np.allclose(rendered(node), 3.0 * np.abs(pictures[0] - pictures[1]), rtol=0, atol=1e-5)


def test_the_contact_sheet_has_a_row_an_input_and_a_column_a_frame(nuke: Any, rendered: Any) -> None:
    inputs = []
    for number in range(2):
        ramp = nuke.nodes.Constant(channels="rgb")
        ramp["color"].setExpression(f"{10 * (number + 1)}+frame", 0)
        inputs.append(ramp)
    node = nuke.nodes.RecoveryCompare(inputs=inputs, inputCount=2, mode="contact sheet", firstFrame=5, frameColumns=3,
                                      showLabels=False)  # fmt: skip
    found = rendered(node)[..., 0]
    height, width = found.shape
    middles = [[found[height * (2 * row + 1) // 4, width * (2 * column + 1) // 6] for column in range(3)] for row in range(2)]
    assert np.allclose(middles, [[15, 16, 17], [25, 26, 27]], atol=1e-3)


def test_labels_are_written_where_they_say(nuke: Any, read_node: Any, rendered: Any, pictures: Any) -> None:
    grey = [np.full_like(picture, 0.4) for picture in pictures]
    node = _compare(nuke, read_node, grey, label0="first", label1="second")
    plain = rendered(node)
    node["showLabels"].setValue(True)
    changed = np.abs(rendered(node) - plain).max(axis=-1) > 0.01
    rows, columns = np.nonzero(changed)
    assert changed.any()
    assert rows.min() > changed.shape[0] // 2  # at the bottom
    assert columns.min() < changed.shape[1] // 4 < changed.shape[1] // 2 < columns.max()  # one on each picture


@pytest.mark.parametrize("encoding", ["display", "log", "none"])
def test_the_baseline_is_the_workers_own_lut(
    nuke: Any, read_node: Any, rendered: Any, pictures: Any, tmp_path: Path, encoding: str
) -> None:
    """A 33-node cube through OpenColorIO: the same numbers as the worker's, below 0 and above 1 too."""
    from film_recovery.images.encodings import decode, encode

    nodes = 33
    grid = np.linspace(0.0, 1.0, nodes)
    blue, green, red = np.meshgrid(grid, grid, grid, indexing="ij")
    table = np.stack([red**1.2, 0.9 * green + 0.1 * red * blue, 0.8 * blue + 0.1], axis=-1).astype(np.float32)
    lines = "\n".join(" ".join(f"{value:.9g}" for value in entry) for entry in table.reshape(-1, 3))
    path = tmp_path / "curve.cube"
    path.write_text(f"LUT_3D_SIZE {nodes}\n{lines}\n", encoding="ascii")
    node = nuke.nodes.RecoveryBaseline(inputs=[read_node(pictures[0], "a")], lutFile=path.as_posix(), encoding=encoding)
    coded = np.asarray(encode(pictures[0].astype(np.float64), encoding))
    expected = np.asarray(decode(_looked_up(table, coded), encoding), np.float32)
    error = np.abs(rendered(node) - expected) / np.maximum(np.abs(expected), 1.0)
    assert float(error.max()) <= 2e-5
    node["mix"].setValue(0.0)
    assert np.array_equal(rendered(node), pictures[0])


def _looked_up(table: Any, coded: Any) -> Any:
    """Trilinear in a table [blue, green, red]; beyond 0 to 1 the change of the nearest face, as ``pairs.lut`` has it."""
    from itertools import product

    last = table.shape[0] - 1
    inside = np.clip(coded, 0.0, 1.0)
    low = np.clip(np.floor(inside * last), 0, last - 1).astype(int)
    part = inside * last - low
    total = np.zeros_like(coded)
    for corner in product((0, 1), repeat=3):
        weight = np.prod([part[..., axis] if bit else 1 - part[..., axis] for axis, bit in enumerate(corner)], axis=0)
        at = [low[..., axis] + bit for axis, bit in enumerate(corner)]
        total += weight[..., None] * table[at[2], at[1], at[0]]
    return total + coded - inside


def test_comparing_counts_its_inputs_and_greys_out_what_has_no_effect(nuke: Any, read_node: Any, pictures: Any) -> None:
    from film_recovery_nuke.nodes import compare, target

    node = nuke.nodes.RecoveryCompare()
    assert compare.count_inputs(node) == 2
    for index in range(3):
        node.setInput(index, read_node(pictures[0], f"i{index}"))
    compare.knob_changed(node, SimpleNamespace(name=lambda: "inputChange"))
    assert node["inputCount"].value() == 3
    node["mode"].setValue("wipe")
    compare.knob_changed(node, node["mode"])
    assert node["wipe"].enabled()
    assert not node["differenceGain"].enabled()
    swapping = nuke.nodes.RecoveryTarget(task="as-is")
    target.knob_changed(swapping, swapping["task"])
    assert not swapping["matrix"].enabled()
