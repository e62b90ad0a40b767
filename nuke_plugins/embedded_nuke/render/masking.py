"""What Nuke wraps around most operations: channels, (un)premultiplying, mask and mix.

Source of mask and mix: Keymix of the NDK's examples, where a factor of 0 or less gives the one picture, 1 or more the other,
exactly, and between them they are added in proportion.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable

import numpy as np

from embedded_nuke.render import channels as channel_names
from embedded_nuke.render.image import Image, Pixels
from embedded_nuke.render.operation import Operation, chosen_channels, fail, refuse

PixelFunction = Callable[[Pixels, tuple[str, ...]], Pixels]


def lerp(before: Pixels, after: Pixels, factor: Pixels) -> Pixels:
    """``before`` where ``factor`` ≤ 0, ``after`` where it is ≥ 1, else the two in proportion; NaN stays on its own side."""
    with np.errstate(invalid="ignore", over="ignore"):
        mixed = after * factor + before * (1.0 - factor)
    return np.where(factor <= 0, before, np.where(factor >= 1, after, mixed)).astype(np.float32)


def mask_plane(o: Operation, image: Image, mask_input: int) -> tuple[Pixels, float | None] | None:
    """The mask over the box of ``image`` as (height, width, 1), and its constant outside (None: edges repeat); None: no mask.

    With something on the mask input, ``maskChannelMask`` names its channel; else ``maskChannelInput`` a channel of input 0.
    """
    if not o.has("maskChannelMask"):
        return None
    if o.has_input(mask_input):
        source, channel = o.input(mask_input), channel_names.one(o.text("maskChannelMask"))
    else:
        source, channel = o.input(0), channel_names.one(o.text("maskChannelInput"))
    if not channel:
        return None
    if o.has("fringe") and o.flag("fringe"):
        raise refuse(o, "fringe", "true", "a mask that is the edge itself")
    plane = source.plane(channel, image.box)[:, :, None]
    beyond = None if source.outside is None else dict(zip(source.channels, source.outside)).get(channel, 0.0)
    if o.flag("invert_mask"):
        return 1.0 - plane, None if beyond is None else 1.0 - beyond
    return plane, beyond


def blend(o: Operation, before: Image, after: Image, mask_input: int = 1) -> Image:
    """``after`` over ``before`` by the node's mask and mix. Both have the same channels and box."""
    mix = o.number("mix") if o.has("mix") else 1.0
    mask = mask_plane(o, before, mask_input)
    if mask is None:
        if mix >= 1:
            return after
        beyond: float | None = 1.0
        factor = np.full((1, 1, 1), mix, np.float32)
    else:
        factor, beyond = mask[0] * np.float32(mix), mask[1]
    same = before.outside is not None and before.outside == after.outside
    if not same and (beyond is None or before.outside is None or after.outside is None):
        if before.outside is not None or after.outside is not None:
            wider = before.box.grown(1)
            before, after = before.boxed(wider), after.boxed(wider)
            return blend_flat(o, before, after, mask_input, mix)
        return after.with_pixels(lerp(before.pixels, after.pixels, factor))
    outside: Sequence[float] | None = before.outside
    if not same and beyond is not None and before.outside is not None and after.outside is not None:
        weight = np.float32(min(max(beyond, 0.0), 1.0) * mix)
        outside = lerp(np.array(before.outside, np.float32), np.array(after.outside, np.float32), weight).tolist()
    return after.with_pixels(lerp(before.pixels, after.pixels, factor), outside)


def blend_flat(o: Operation, before: Image, after: Image, mask_input: int, mix: float) -> Image:
    """The same where one of the pictures has constants outside and the mask repeats its edges: the border becomes pixels."""
    mask = mask_plane(o, before, mask_input)
    factor = np.float32(mix) if mask is None else mask[0] * np.float32(mix)
    return after.with_pixels(lerp(before.pixels, after.pixels, factor))


def per_pixel(o: Operation, function: PixelFunction) -> Image:
    """Run ``function(values, channels)`` on the chosen channels of input 0, with (un)premultiplying, mask and mix.

    ``values`` has the shape (…, channels); the function also maps the constant outside, so that black may become grey there.
    """
    image = o.input(0)
    chosen = chosen_channels(o, image)
    image = inject_mask(o, image, 1)
    if not chosen:
        return image
    source = image.only(chosen)
    alpha = channel_names.one(o.text("unpremult")) if o.has("unpremult") else ""
    divided = tuple(name for name in chosen if name != alpha)
    if alpha and divided:
        pixels = _premultiplied(o, image, source, alpha, function)
        after = source.with_pixels(pixels, None)
        # Dividing by an alpha of 0 leaves black alone, so the function maps black itself there.
        beyond = None if source.outside is None else function(np.array([[source.outside]], np.float32), chosen)[0, 0].tolist()
        after = after.with_pixels(after.pixels, beyond)
    else:
        beyond = None if source.outside is None else function(np.array([[source.outside]], np.float32), chosen)[0, 0].tolist()
        after = source.with_pixels(function(source.pixels, chosen), beyond)
    result = blend(o, source, after)
    whole = image.boxed(result.box)
    constants = dict(zip(chosen, result.outside)) if result.outside is not None else None
    planes = {name: result.pixels[:, :, index] for index, name in enumerate(chosen)}
    merged = whole.with_channels(planes, constants)
    return merged if result.outside is not None or merged.outside is None else _without_outside(merged)


def _without_outside(image: Image) -> Image:
    return Image(image.channels, image.box, image.format, image.pixels, image.metadata, None)


def _premultiplied(o: Operation, image: Image, source: Image, alpha: str, function: PixelFunction) -> Pixels:
    """Divide by the alpha, run, multiply again. Assumption: where the alpha is 0 neither is done, as in Nuke's Unpremult."""
    plane = image.plane(alpha)[:, :, None]
    if o.has("invert_unpremult") and o.flag("invert_unpremult"):
        plane = 1.0 - plane
    safe = np.where(plane == 0, np.float32(1.0), plane)
    kept = np.array([name == alpha for name in source.channels])
    before = np.where(kept, source.pixels, source.pixels / safe).astype(np.float32)
    after = function(before, source.channels)
    return np.where(kept, after, after * safe)


def inject_mask(o: Operation, image: Image, mask_input: int) -> Image:
    """With ``inject`` on, the mask is also stored in ``mask.a``, for nodes further down (Nuke's tooltip)."""
    if not (o.has("inject") and o.flag("inject")):
        return image
    mask = mask_plane(o, image, mask_input)
    if mask is None:
        return image
    if mask[1] is None and image.outside is not None:
        image = image.spread()
        mask = mask_plane(o, image, mask_input) or mask
    return image.with_channels({"mask.a": mask[0][:, :, 0]}, {"mask.a": mask[1] or 0.0})


def no_luminance_mix(o: Operation) -> None:
    """Grade and Expression of Nuke 17 have ``mix_luminance``; only its default, 0, is known."""
    if o.has("mix_luminance") and o.number("mix_luminance") != 0:
        raise fail(o, "mix_luminance is not rendered here, since its maths is not documented; set it to 0.")
