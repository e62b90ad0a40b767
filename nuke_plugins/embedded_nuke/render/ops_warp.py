"""Nodes that move pixels by fractions: Transform, CornerPin2D, STMap."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from embedded_nuke.render import channels as channel_names
from embedded_nuke.render.image import Box, Image
from embedded_nuke.render.operation import Operation, fail, op, refuse
from embedded_nuke.render.resample import is_filter, kernel_reach, resample_axes, resample_map

_LARGEST = 1 << 16  # pixels a side; a box beyond this is a mistake


def affine_matrix(o: Operation) -> Any:
    """The 3 × 3 matrix of a node with ``translate``, ``rotate``, ``scale``, ``skewX``, ``skewY``, ``center``; y upwards, in
    pixels.

    Assumption, after Natron's transform, which mimics Nuke's: translate, then about the centre rotate (degrees,
    counter-clockwise), scale, skew, where skews are factors and not angles.
    """
    tx, ty = o.numbers("translate", 2)
    cx, cy = o.numbers("center", 2)
    sx, sy = o.numbers("scale", 2)
    angle = math.radians(o.number("rotate"))
    kx, ky = np.eye(3), np.eye(3)
    kx[0, 1], ky[1, 0] = o.number("skewX"), o.number("skewY")
    skew = kx @ ky if o.text("skew_order") == "XY" else ky @ kx
    turn = np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]])
    matrix = _move(tx + cx, ty + cy) @ turn @ np.diag([sx, sy, 1.0]) @ skew @ _move(-cx, -cy)
    # Sines of right angles are not quite 0 and 1.
    return np.where(np.abs(matrix - np.round(matrix)) < 1e-12, np.round(matrix), matrix)


def _move(x: float, y: float) -> Any:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


@op("Transform")
def transform(o: Operation) -> Image:
    """The picture moved, turned and scaled; filters as in :mod:`embedded_nuke.render.resample`.

    Whole-pixel moves change no value. With ``black_outside`` the picture ends at its box, without it the edges repeat.
    """
    matrix = affine_matrix(o)
    if o.flag("invert_matrix"):
        matrix = _inverse(o, matrix)
    return warp(o, o.input(0), matrix)


def _inverse(o: Operation, matrix: Any) -> Any:
    if abs(np.linalg.det(matrix)) < 1e-12:
        raise fail(o, "the transform flattens the picture and has no inverse; correct its numbers.")
    return np.linalg.inv(matrix)


def warp(o: Operation, image: Image, matrix: Any) -> Image:
    """The picture through a 3 × 3 matrix that maps places of the input to places of the result (pixels, y upwards)."""
    if o.has("motionblur") and o.number("motionblur") > 0:
        raise refuse(o, "motionblur", f"{o.number('motionblur'):g}", "0, and the blur of another node")
    if np.array_equal(matrix, np.eye(3)) or image.box.empty:
        return image
    source = image.black_outside() if o.flag("black_outside") else image
    moves = matrix[0:2, 2]
    if np.array_equal(matrix[:2, :2], np.eye(2)) and np.array_equal(matrix[2], [0, 0, 1]) and (moves == np.round(moves)).all():
        return replace(source, box=source.box.moved(int(moves[0]), int(moves[1])))
    name = o.text("filter")
    if not is_filter(name):
        raise fail(o, f"the filter '{name}' does not exist.")
    inverse = _inverse(o, matrix)
    box = _covered(o, image.box, matrix, kernel_reach(name))
    result = replace(image, box=box, pixels=_sampled(source, box, inverse, name), outside=source.outside)
    if o.flag("clamp"):
        result = replace(result, pixels=np.maximum(result.pixels, np.float32(0)))
    return result


def _covered(o: Operation, box: Box, matrix: Any, reach: float) -> Box:
    """The box of the result: the corners of the input's, rounded outwards, and what wide filters add."""
    corners = np.array([[x, y, 1.0] for x in (box.x, box.r) for y in (box.y, box.t)]) @ matrix.T
    if (corners[:, 2] <= 1e-9).any():
        raise fail(o, "a corner lies behind the viewer or on the horizon; correct the corners.")
    places = corners[:, :2] / corners[:, 2:]
    low, high = places.min(axis=0) + 1e-6, places.max(axis=0) - 1e-6
    extra = max(0, math.ceil(reach) - 1)
    found = Box(math.floor(low[0]), math.floor(low[1]), math.ceil(high[0]), math.ceil(high[1])).grown(extra)
    if found.width > _LARGEST or found.height > _LARGEST:
        raise fail(o, f"the result would be {found.width} x {found.height} pixels; correct the numbers.")
    return found if not found.empty else Box(found.x, found.y, found.x + 1, found.y + 1)


def _sampled(source: Image, box: Box, inverse: Any, name: str) -> Any:
    xs = np.arange(box.x, box.r) + 0.5
    ys = np.arange(box.t - 1, box.y - 1, -1) + 0.5
    if inverse[0, 1] == 0 and inverse[1, 0] == 0 and np.array_equal(inverse[2, :2], [0, 0]):
        inverse = inverse / inverse[2, 2]
        stretch = (abs(inverse[0, 0]), abs(inverse[1, 1]))
        return resample_axes(source, box, xs * inverse[0, 0] + inverse[0, 2], ys * inverse[1, 1] + inverse[1, 2], stretch, name)
    grid_x, grid_y = xs[None, :], ys[:, None]
    depth = inverse[2, 0] * grid_x + inverse[2, 1] * grid_y + inverse[2, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        map_x = (inverse[0, 0] * grid_x + inverse[0, 1] * grid_y + inverse[0, 2]) / depth
        map_y = (inverse[1, 0] * grid_x + inverse[1, 1] * grid_y + inverse[1, 2]) / depth
        # How far a step right or up in the result moves in the source.
        stretch_x = np.hypot((inverse[0, 0] - inverse[2, 0] * map_x) / depth, (inverse[0, 1] - inverse[2, 1] * map_x) / depth)
        stretch_y = np.hypot((inverse[1, 0] - inverse[2, 0] * map_y) / depth, (inverse[1, 1] - inverse[2, 1] * map_y) / depth)
    return resample_map(source, map_x, map_y, stretch_x, stretch_y, name)


def _corners(o: Operation) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    sources, targets = [], []
    for index in range(1, 5):
        if o.flag(f"enable{index}"):
            x, y = o.numbers(f"from{index}", 2)
            sources.append((x, y))
            x, y = o.numbers(f"to{index}", 2)
            targets.append((x, y))
    return sources, targets


def corner_matrix(o: Operation, sources: Any, targets: Any) -> Any:
    """The matrix that takes the source points to the target points.

    Four points give a perspective, three an affine map, two a turn with scale and move, one a move; points that are switched
    off do not count (reference guide).
    """
    count = len(sources)
    if count == 0:
        return np.eye(3)
    (x0, y0), (u0, v0) = sources[0], targets[0]
    if count == 1:
        return _move(u0 - x0, v0 - y0)
    if count == 2:
        before = complex(sources[1][0] - x0, sources[1][1] - y0)
        after = complex(targets[1][0] - u0, targets[1][1] - v0)
        if before == 0:
            raise fail(o, "the two from points are the same; move them apart.")
        ratio = after / before
        turn = np.array([[ratio.real, -ratio.imag, 0], [ratio.imag, ratio.real, 0], [0, 0, 1.0]])
        return _move(u0, v0) @ turn @ _move(-x0, -y0)
    rows, values = [], []
    for (x, y), (u, v) in zip(sources, targets):
        perspective = [[-u * x, -u * y], [-v * x, -v * y]] if count == 4 else [[], []]
        rows += [[x, y, 1, 0, 0, 0, *perspective[0]], [0, 0, 0, x, y, 1, *perspective[1]]]
        values += [u, v]
    try:
        solved = np.linalg.solve(np.array(rows, np.float64), np.array(values, np.float64))
    except np.linalg.LinAlgError as error:
        raise fail(o, "the from points lie on one line; move them apart.") from error
    return np.append(solved, [0, 0, 1] if count == 3 else [1]).reshape(3, 3)


@op("CornerPin2D")
def corner_pin(o: Operation) -> Image:
    """The picture with its points ``from1`` … ``from4`` moved to ``to1`` … ``to4``; ``invert`` goes back.

    ``transform_matrix``, the *extra matrix*, acts before the corners (assumption).
    """
    sources, targets = _corners(o)
    if o.flag("invert"):
        sources, targets = targets, sources
    matrix = corner_matrix(o, sources, targets)
    extra = np.array(o.numbers("transform_matrix", 16)).reshape(4, 4) if o.has("transform_matrix") else np.eye(4)
    if not np.array_equal(extra, np.eye(4)):
        plane = extra[np.ix_([0, 1, 3], [0, 1, 3])]
        matrix = matrix @ (_inverse(o, plane) if o.flag("invert") else plane)
    return warp(o, o.input(0), matrix)


@op("STMap")
def st_map(o: Operation) -> Image:
    """Each pixel from the place that the map names: 0 … 1 over width and height of the source's format, y upwards.

    Source: the reference guide: input 0 is the picture, input 1 the map, whose format and box the result has; ``uv`` names the
    layer of the map (its first two channels). A map value of (x + 0.5) / width is the middle of pixel x. The filter widens
    with the map's local stretch. Black outside the source's format (assumption).
    """
    picture, places = o.input(0), o.input(1)
    for knob in ("blur", "maskChannel"):
        if channel_names.one(o.text(knob)):
            raise refuse(o, knob, o.text(knob), "none")
    pair = channel_names.named(o.text("uv"), places.channels)[:2]
    if len(pair) < 2:
        raise fail(o, "uv names no layer with two channels; choose the layer that holds the map.")
    name = o.text("filter").split("\t")[0]
    if not is_filter(name):
        raise fail(o, f"the filter '{name}' does not exist.")
    box = places.box
    names = channel_names.chosen(o.text("channels"), picture.channels)
    map_x = places.plane(pair[0]).astype(np.float64) * picture.format.width
    map_y = places.plane(pair[1]).astype(np.float64) * picture.format.height
    stretch = (_steps(map_x), _steps(map_y))
    source = picture.only(names)
    inside = (map_x >= 0) & (map_x <= picture.format.width) & (map_y >= 0) & (map_y <= picture.format.height)
    pixels = resample_map(replace(source, outside=None), map_x, map_y, stretch[0], stretch[1], name)
    pixels = np.where(inside[:, :, None], pixels, np.float32(0))
    return Image(names, box, places.format, pixels, picture.metadata, (0.0,) * len(names))


def _steps(values: Any) -> Any:
    """How far neighbours lie apart, in source pixels."""
    across = np.gradient(values, axis=1) if values.shape[1] > 1 else np.zeros_like(values)
    up = np.gradient(values, axis=0) if values.shape[0] > 1 else np.zeros_like(values)
    return np.nan_to_num(np.hypot(across, up), nan=1.0, posinf=1.0, neginf=1.0)
