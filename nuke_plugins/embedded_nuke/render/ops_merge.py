"""Nodes that combine pictures: Merge2, Dissolve, Switch, Keymix."""

from __future__ import annotations

import math

import numpy as np

from embedded_nuke.render import channels as channel_names
from embedded_nuke.render.image import ALPHA, Box, Image, Pixels, common_box
from embedded_nuke.render.masking import blend, inject_mask, lerp, mask_plane
from embedded_nuke.render.merge_operations import ALPHA_MASKED, OPERATIONS
from embedded_nuke.render.operation import Operation, Request, fail, op, refuse, requests
from embedded_nuke.render.ops_channels import joined_base, merged_metadata
from embedded_nuke.render.ops_time import mixed
from embedded_nuke.render.ranges import switched


def _a_inputs(o: Operation) -> list[int]:
    """The A inputs in order: 1, then 3 and up (2 is the mask)."""
    return [index for index in range(1, o.input_count) if index != 2 and o.has_input(index)]


def _box(choice: str, first: Box, second: Box) -> Box:
    if choice == "intersection":
        return first.intersection(second)
    return {"A": second, "B": first}.get(choice) or first.union(second)


@op("Merge2")
def merge(o: Operation) -> Image:
    """A over B and the other operations, on ``Achannels``, ``Bchannels`` into ``output``, and on ``also_merge`` by name.

    Formulas: :mod:`embedded_nuke.render.merge_operations`. Further A inputs are merged one after the other, each over the
    result so far. Absent channels are 0. ``screen_alpha`` (Alpha masking) keeps A outside b's and B outside a's matte for
    blends that have it. Mask and mix go between B and the result. ``sRGB`` is refused.
    """
    name = o.text("operation")
    if name not in OPERATIONS:
        raise fail(o, f"the operation '{name}' does not exist.")
    sides = _a_inputs(o)
    base = o.input(0)
    if not sides:
        return base
    pictures = [base]
    result = base
    for index in sides:
        other = o.input(index)
        pictures.append(other)
        result = _merged(o, name, result, other)
    pictures[1:] = [o.input(sides[0])]
    metadata = merged_metadata(o, pictures)
    return Image(result.channels, result.box, base.format, result.pixels, metadata, result.outside)


def _merged(o: Operation, name: str, first: Image, second: Image) -> Image:
    choice = o.text("bbox")
    box = common_box(first, second, lambda b, a: _box(choice, b, a))
    base = inject_mask(o, joined_base(first, second, box), 2)
    box = base.box
    triples = _triples(o, base, second)
    if not triples:
        return base
    alphas = _alphas(o)
    targets = tuple(target for _, _, target in triples)
    missing = {target: np.zeros((box.height, box.width), np.float32) for target in targets if not base.has(target)}
    before = (base.with_channels(missing) if missing else base).only(targets)
    values = _computed(o, name, triples, (second.window(box), second.channels), (base.window(box), base.channels), alphas)
    outside = None
    if base.outside is not None and second.outside is not None:
        ends = [(np.array([[image.outside]], np.float32), image.channels) for image in (second, base)]
        outside = _computed(o, name, triples, ends[0], ends[1], alphas)[0, 0].tolist()
    result = blend(o, before, before.with_pixels(values, outside), 2)
    whole = (base.with_channels(missing) if missing else base).boxed(result.box)
    constants = None if result.outside is None else dict(zip(targets, result.outside))
    merged = whole.with_channels({target: result.pixels[:, :, i] for i, target in enumerate(targets)}, constants)
    if result.outside is None and merged.outside is not None:
        return Image(merged.channels, merged.box, merged.format, merged.pixels, merged.metadata, None)
    return merged


def _alphas(o: Operation) -> tuple[str, str]:
    """The alpha of each side: the fourth channel of its pulldown, ``rgba.alpha`` otherwise."""
    sides = []
    for knob in ("Achannels", "Bchannels"):
        names = channel_names.named(o.text(knob))
        sides.append(names[3] if len(names) > 3 else ALPHA)
    return sides[0], sides[1]


def _triples(o: Operation, base: Image, other: Image) -> list[tuple[str, str, str]]:
    """For each channel made: A's channel, B's channel, the result's. Pulldowns pair by place, ``also_merge`` by name."""
    available = base.channels + other.channels
    outputs = channel_names.named(o.text("output"), available)
    a_names, b_names = (channel_names.named(o.text(knob), available) for knob in ("Achannels", "Bchannels"))
    triples: dict[str, tuple[str, str, str]] = {}
    for place, target in enumerate(outputs):
        source_a = a_names[place] if place < len(a_names) else ""
        source_b = b_names[place] if place < len(b_names) else ""
        if base.has(source_b) or other.has(source_a) or base.has(target):
            triples[target] = (source_a, source_b, target)
    for name in channel_names.named(o.text("also_merge"), tuple(dict.fromkeys(available))):
        if base.has(name) or other.has(name):
            triples.setdefault(name, (name, name, name))
    return list(triples.values())


_Side = tuple[Pixels, tuple[str, ...]]


def _pick(side: _Side, name: str) -> Pixels:
    values, names = side
    return values[..., names.index(name)] if name in names else np.zeros(values.shape[:-1], np.float32)


def _computed(
    o: Operation, name: str, triples: list[tuple[str, str, str]], a_side: _Side, b_side: _Side, alphas: tuple[str, str]
) -> Pixels:
    if o.flag("sRGB"):
        raise refuse(o, "sRGB", "true", "two Colorspace nodes around the Merge")
    formula = OPERATIONS[name]
    a, b = _pick(a_side, alphas[0]), _pick(b_side, alphas[1])
    masked = o.flag("screen_alpha") and name in ALPHA_MASKED
    planes = []
    with np.errstate(all="ignore"):
        for source_a, source_b, target in triples:
            A, B = _pick(a_side, source_a), _pick(b_side, source_b)
            if masked and target == ALPHA:
                planes.append(a + b - a * b)
            elif masked:
                planes.append(np.where(a == 0, B, np.where(b == 0, A, formula(A, B, a, b))))
            else:
                planes.append(formula(A, B, a, b))
    return np.stack(planes, axis=-1).astype(np.float32)


def _dissolve_inputs(o: Operation) -> tuple[list[int], float]:
    sides = [0, *_a_inputs(o)] if o.has_input(1) or o.input_count > 3 else [0, 1]
    low = min(max(0.0, o.number("which")), float(len(sides) - 1))
    place = math.floor(low)
    weight = low - place
    return ([sides[place]] if weight == 0 else [sides[place], sides[place + 1]]), weight


@requests("Dissolve")
def _dissolve_requests(o: Operation) -> list[Request]:
    used, _ = _dissolve_inputs(o)
    if o.has_input(2) and 0 not in used:
        used = [0, *used]
    return [(index, o.frame) for index in (*used, 2) if o.has_input(index)]


@op("Dissolve")
def dissolve(o: Operation) -> Image:
    """The inputs in proportion: ``which`` 0 is the first, 1 the second; between them both, linearly (reference guide).

    Channels that are not chosen come from input 0, as does everything where the mask is 0. Metadata of input ``metainput``.
    """
    used, weight = _dissolve_inputs(o)
    base = o.input(0)
    picture = o.input(used[0]) if len(used) == 1 else mixed(o.input(used[0]), o.input(used[1]), weight)
    names = channel_names.chosen(o.text("channels"), picture.channels + base.channels)
    whole = set(base.channels) | set(picture.channels) <= set(names)
    mask = mask_plane(o, base, 2)
    result = picture if mask is None and whole else _chosen_over(o, base, picture, tuple(dict.fromkeys(names)))
    source = o.input(int(o.number("metainput"))) if o.number("metainput") else base
    return Image(result.channels, result.box, base.format, result.pixels, source.metadata, result.outside)


def _chosen_over(o: Operation, base: Image, picture: Image, names: tuple[str, ...]) -> Image:
    box = common_box(base, picture, Box.union)
    base = inject_mask(o, joined_base(base, picture, box), 2)
    missing = {name: np.zeros((box.height, box.width), np.float32) for name in names if not base.has(name)}
    base = base.with_channels(missing) if missing else base
    before = base.only(names)
    constants = dict(zip(picture.channels, picture.outside or ()))
    outside = None if base.outside is None else [constants.get(name, 0.0) for name in names]
    result = blend(o, before, before.with_pixels(picture.window(box, names), outside), 2)
    beyond = None if result.outside is None else dict(zip(names, result.outside))
    return base.boxed(result.box).with_channels({name: result.pixels[:, :, i] for i, name in enumerate(names)}, beyond)


@requests("Switch")
def _switch_requests(o: Operation) -> list[Request]:
    index = switched(o)
    return [(index, o.frame)] if o.has_input(index) else []


@op("Switch")
def switch(o: Operation) -> Image:
    """Input number ``which``; the others are not asked for anything."""
    return o.input(switched(o))


@op("Keymix")
def keymix(o: Operation) -> Image:
    """A (input 1) over B where the mask (input 2) is: ``B + (A - B)·mask·mix``, the mask held within 0 and 1.

    Source: the NDK's sample Keymix; there 0 and less gives B exactly and 1 and more A. Without a mask connected B comes out.
    """
    first, second = o.input(0), o.input(1)
    mask_image = o.input(2)
    names = channel_names.chosen(o.text("channels"), first.channels + second.channels)
    names = tuple(name for name in dict.fromkeys(names) if second.has(name))
    choice = o.text("bbox")
    channel = channel_names.one(o.text("maskChannel"))
    if not names or not channel or not o.has_input(2):
        return first.boxed(_box(choice, first.box, second.box))
    box = common_box(first, second, lambda b, a: _box(choice, b, a))
    constants = [image.outside is not None for image in (first, second, mask_image)]
    if choice == "union" and all(constants[:2]) and not constants[2]:
        box = box.grown(1)
    factor = mask_image.plane(channel, box)
    if o.flag("invertMask"):
        factor = np.float32(1) - factor
    factor = (factor * np.float32(o.number("mix")))[:, :, None]
    missing = {name: np.zeros((box.height, box.width), np.float32) for name in names if not first.has(name)}
    base = first.boxed(box)
    base = base.with_channels(missing) if missing else base
    pixels = lerp(base.window(box, names), second.window(box, names), factor)
    result = base.with_channels({name: pixels[:, :, index] for index, name in enumerate(names)})
    outside = _keymix_outside(o, base, second, mask_image, channel, names) if all(constants) else None
    return Image(result.channels, box, result.format, result.pixels, result.metadata, outside)


def _keymix_outside(
    o: Operation, base: Image, second: Image, mask: Image, channel: str, names: tuple[str, ...]
) -> tuple[float, ...]:
    at_mask = dict(zip(mask.channels, mask.outside or ())).get(channel, 0.0)
    weight = np.float32(((1 - at_mask) if o.flag("invertMask") else at_mask) * o.number("mix"))
    ends = [dict(zip(image.channels, image.outside or ())) for image in (base, second)]
    values = []
    for name in base.channels:
        before = ends[0].get(name, 0.0)
        values.append(float(lerp(np.float32(before), np.float32(ends[1].get(name, 0.0)), weight)) if name in names else before)
    return tuple(values)
