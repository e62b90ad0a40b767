"""The gizmos' stock nodes give the same numbers as the worker's Python, below 0 and above 1 too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from film_recovery.images.density import apply_balance
from film_recovery.images.encodings import decode, encode, from_linear, to_linear

ENCODINGS = ("display", "log", "none")
MATRICES = ("709", "601", "2020")
BALANCE = (1.6, -0.3, 0.05, -0.1, 1.2, 0.02, 0.0, -0.2, 1.4, 0.05, -0.02, 0.1)
TOLERANCE = 1e-5


def _close(found: Any, expected: Any) -> None:
    """Equal to 1e-5, of the value's size where that is above 1."""
    assert found.shape == expected.shape
    error = np.abs(found - expected) / np.maximum(np.abs(expected), 1.0)
    assert float(error.max()) <= TOLERANCE, float(error.max())


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_curve_is_the_workers(nuke: Any, read_node: Any, rendered: Any, pictures: Any, encoding: str) -> None:
    node = nuke.nodes.RecoveryCurve(inputs=[read_node(pictures[0], "a")], encoding=encoding)
    coded = rendered(node)
    _close(coded, np.asarray(encode(pictures[0].astype(np.float64), encoding), np.float32))
    node["direction"].setValue("decode")
    _close(rendered(node), np.asarray(decode(pictures[0].astype(np.float64), encoding), np.float32))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_balance_is_the_workers(nuke: Any, read_node: Any, rendered: Any, pictures: Any, encoding: str) -> None:
    node = nuke.nodes.RecoveryBalance(inputs=[read_node(pictures[0], "a")], encoding=encoding)
    _close(rendered(node), pictures[0])
    for index, knob in enumerate(("row0", "row1", "row2", "offset")):
        node[knob].setValue(list(BALANCE[3 * index : 3 * index + 3]))
    expected = from_linear(apply_balance(to_linear(pictures[0], encoding), BALANCE), encoding)
    _close(rendered(node), np.asarray(expected, np.float32))


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("task", ["chroma", "spatial", "as-is"])
def test_the_target_is_the_workers(
    nuke: Any, read_node: Any, rendered: Any, pictures: Any, task: str, matrix: str, encoding: str
) -> None:
    from film_recovery.images.colour import luma_coefficients

    source, reference = pictures
    node = nuke.nodes.RecoveryTarget(
        inputs=[read_node(source, "a"), read_node(reference, "b")], task=task, matrix=matrix, encoding=encoding
    )
    coded = [np.asarray(encode(part.astype(np.float64), encoding)) for part in (source, reference)]
    colour, luma = (coded[1], coded[0]) if task == "chroma" else coded
    swapped = colour + ((luma - colour) @ luma_coefficients(matrix))[..., None]
    expected = reference if task == "as-is" else np.asarray(decode(swapped, encoding), np.float32)
    _close(rendered(node), expected)
    node["view"].setValue("kept-component check")
    if task != "as-is":
        # 6e-7 of float32's own size of the values: nothing that was to be kept has moved.
        size = max(1.0, float(np.abs(coded[0]).max()), float(np.abs(swapped).max()))
        assert float(np.abs(rendered(node)).max()) <= 2e-6 * size


@pytest.mark.parametrize("mode", ["color", "luminosity"])
def test_the_merge_is_the_workers(nuke: Any, read_node: Any, rendered: Any, pictures: Any, mode: str) -> None:
    from film_recovery.project.merge import merge

    original, recovered = pictures
    node = nuke.nodes.RecoveryMerge(inputs=[read_node(original, "a"), read_node(recovered, "b")], mode=mode)
    _close(rendered(node), merge(original, recovered, mode, "display", "709"))
    node["mix"].setValue(0.0)
    assert np.array_equal(rendered(node), original)


def test_values_are_clamped_only_when_asked(nuke: Any, read_node: Any, rendered: Any, pictures: Any) -> None:
    node = nuke.nodes.RecoveryTarget(inputs=[read_node(pictures[0], "a"), read_node(pictures[1], "b")])
    assert rendered(node).min() < 0.0
    assert rendered(node).max() > 1.0
    node["clampTarget"].setValue(True)
    assert rendered(node).min() >= 0.0
    assert rendered(node).max() <= 1.0
