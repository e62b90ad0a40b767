"""Nodes that move channels: Shuffle2, the old Shuffle, Copy, Remove."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from embedded_nuke.render import channels as channel_names
from embedded_nuke.render.image import Box, Image, Pixels, common_box, common_outside
from embedded_nuke.render.masking import blend, inject_mask
from embedded_nuke.render.operation import Operation, fail, op

# For each channel written: input (0 is B, 1 is A, -1 a constant) and the channel or constant.
Route = tuple[int, str]


def _mappings(o: Operation) -> dict[str, Route]:
    """``N src input index dst output index …``; NUKE: input and index are -1 for ``white`` and ``black``."""
    words = o.text("mappings").replace('"', " ").split()
    if not words or not words[0].isdigit() or len(words) != 1 + 6 * int(words[0]):
        raise fail(o, f"mappings '{o.text('mappings')[:80]}' cannot be read; write a number and six words for each channel.")
    routes: dict[str, Route] = {}
    order = _input_order(o)
    for at in range(1, len(words), 6):
        source, side, target = words[at], words[at + 1], words[at + 3]
        if source in ("white", "black"):
            routes[channel_names.full_name(target)] = (-1, source)
        elif side in ("0", "1"):
            routes[channel_names.full_name(target)] = (order[int(side)], channel_names.full_name(source))
        else:
            raise fail(o, f"mappings take '{source}' from input '{side}'; write 0 for the first and 1 for the second.")
    return routes


def _input_order(o: Operation) -> list[int]:
    """Which input (0 is B, 1 is A) feeds the left pulldowns ``in1`` and ``in2``; ``fromInput1 {{1} B A}`` means A."""
    order = []
    for knob in ("fromInput1", "fromInput2"):
        value = o.text(knob)
        order.append(1 if value.strip() == "A" or value.replace("{", " ").replace("}", " ").split()[:1] == ["1"] else 0)
    return order


def _shuffled(o: Operation, routes: dict[str, Route], base: Image, inputs: list[Image], adds: tuple[str, ...]) -> Image:
    planes: dict[str, Pixels] = {}
    outside: dict[str, float] = {}
    for name, (source, channel) in routes.items():
        if name not in base.channels and name not in adds:
            continue
        if source < 0:
            value = 1.0 if channel == "white" else 0.0
            planes[name], outside[name] = np.full((base.box.height, base.box.width), value, np.float32), value
        else:
            planes[name] = inputs[source].plane(channel, base.box)
            outside[name] = dict(zip(inputs[source].channels, inputs[source].outside or ())).get(channel, 0.0)
    return base.with_channels(planes, outside)


@op("Shuffle2")
def shuffle2(o: Operation) -> Image:
    """Channels by ``mappings``; what is not written passes from B (NUKE.md's note on Shuffle2).

    The box is B's, or the union with A where A is used. Layers named by ``out1`` and ``out2`` are made if they are new.
    """
    first, second = o.input(0), o.input(1)
    routes = _mappings(o)
    uses_a = any(source == 1 for source, _ in routes.values())
    box = common_box(first, second, Box.union) if uses_a else first.box
    base = joined_base(first, second, box) if uses_a else first
    return _shuffled(o, routes, base, [base, second], tuple(routes))


def joined_base(first: Image, second: Image, box: Box) -> Image:
    """The first picture over the box of the two; its edges repeat where one of them repeats them."""
    base = first.boxed(box)
    return base if common_outside(first, second) else replace(base, outside=None)


@op("Shuffle")
def shuffle(o: Operation) -> Image:
    """The old Shuffle: ``red`` … ``alpha`` of layer ``out`` from components of ``in`` and ``in2``, or black and white.

    Source: files of the corpus. ``red2`` … and ``out2`` do the same for a second layer.
    """
    image = o.input(0)
    routes: dict[str, Route] = {}
    for suffix in ("", "2"):
        targets = channel_names.named(o.text(f"out{suffix}"), image.channels) if o.has(f"out{suffix}") else ()
        for target, knob in zip(targets, ("red", "green", "blue", "alpha")):
            part = target.split(".", 1)[1]
            name = (part if part in ("red", "green", "blue", "alpha") else knob) + suffix
            choice = o.text(name) if o.has(name) and o.text(name) else name.rstrip("2")
            routes[target] = _old_route(o, choice, image)
    return _shuffled(o, routes, image, [image], tuple(routes))


def _old_route(o: Operation, choice: str, image: Image) -> Route:
    if choice in ("black", "white"):
        return -1, choice
    layer = o.text("in2") if choice.endswith("2") and o.has("in2") else o.text("in") if o.has("in") else "rgba"
    parts = channel_names.layer_channels(layer or "rgba", image.channels)
    place = ("red", "green", "blue", "alpha").index(choice.rstrip("2"))
    wanted = [name for name in parts if name.endswith("." + choice.rstrip("2"))]
    if wanted:
        return 0, wanted[0]
    if place < len(parts):
        return 0, parts[place]
    return (-1, "white") if choice.startswith("alpha") else (-1, "black")


@op("Copy")
def copy(o: Operation) -> Image:
    """Channels ``from0`` … ``from3`` of A (input 1) into ``to0`` … ``to3`` of B, and those of ``channels`` into their own
    place.

    Mask and mix as everywhere. ``bbox``: union of both, B or A (reference guide). Metadata by ``metainput``.
    """
    first, second = o.input(0), o.input(1)
    routes: dict[str, str] = {name: name for name in channel_names.chosen(o.text("channels"), second.channels)}
    for index in range(4):
        source, target = channel_names.one(o.text(f"from{index}")), channel_names.one(o.text(f"to{index}"))
        if source and target:
            routes[target] = source
    choice = o.text("bbox")
    box = common_box(first, second, Box.union) if choice == "union" else first.box if choice == "B" else second.box
    if not routes:
        return inject_mask(o, first.boxed(box), 2)
    base, other = inject_mask(o, joined_base(first, second, box), 2), second
    names = tuple(routes)
    missing = {name: np.zeros((base.box.height, base.box.width), np.float32) for name in names if not base.has(name)}
    before = (base.with_channels(missing) if missing else base).only(names)
    pixels = other.window(base.box, tuple(routes[name] for name in names))
    constants = dict(zip(other.channels, other.outside or ()))
    outside = None if base.outside is None else [constants.get(routes[name], 0.0) for name in names]
    result = blend(o, before, before.with_pixels(pixels, outside), 2)
    base = base.boxed(result.box)
    beyond = None if result.outside is None else dict(zip(names, result.outside))
    merged = base.with_channels({name: result.pixels[:, :, index] for index, name in enumerate(names)}, beyond)
    if result.outside is None and merged.outside is not None:
        merged = Image(merged.channels, merged.box, merged.format, merged.pixels, merged.metadata, None)
    metadata = merged_metadata(o, [first, second])
    return Image(merged.channels, merged.box, merged.format, merged.pixels, metadata, merged.outside)


def merged_metadata(o: Operation, images: list[Image]) -> dict[str, object]:
    """By ``metainput``: of B, of A, or of all, with B's winning."""
    choice = o.text("metainput") if o.has("metainput") else "B"
    if choice == "All":
        merged: dict[str, object] = {}
        for image in reversed(images):
            merged.update(image.metadata)
        return merged
    return dict(images[1 if choice == "A" else 0].metadata)


@op("Remove")
def remove(o: Operation) -> Image:
    """Without the channels of ``channels`` … ``channels4``, or with only those (``operation keep``)."""
    image = o.input(0)
    named: set[str] = set()
    for knob in ("channels", "channels2", "channels3", "channels4"):
        named.update(channel_names.chosen(o.text(knob), image.channels))
    keep = o.text("operation") == "keep"
    return image.only([name for name in image.channels if (name in named) == keep])
