"""Channel names: layers, the words of channel knobs, and their spelling in image files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from embedded_nuke.render.image import RGB, RGBA

# The layers every Nuke script knows, with their channels in order.
LAYERS: dict[str, tuple[str, ...]] = {
    "rgb": ("red", "green", "blue"),
    "rgba": ("red", "green", "blue", "alpha"),
    "alpha": ("alpha",),
    "depth": ("Z",),
    "forward": ("u", "v"),
    "backward": ("u", "v"),
    "disparityL": ("x", "y"),
    "disparityR": ("x", "y"),
    "mask": ("a",),
    "rotopaint_mask": ("a",),
    "mask_splinewarp": ("a",),
    "mask_planartrack": ("a",),
    "deep": ("front", "back"),
}
_SHORT = {"red": "rgba.red", "green": "rgba.green", "blue": "rgba.blue", "alpha": "rgba.alpha"}
_FILE_TO_NUKE = {
    "R": "rgba.red", "G": "rgba.green", "B": "rgba.blue", "A": "rgba.alpha", "Z": "depth.Z",
    "r": "rgba.red", "g": "rgba.green", "b": "rgba.blue", "a": "rgba.alpha",
    "red": "rgba.red", "green": "rgba.green", "blue": "rgba.blue", "alpha": "rgba.alpha",
}  # fmt: skip
_COMPONENTS = {"R": "red", "G": "green", "B": "blue", "A": "alpha", "r": "red", "g": "green", "b": "blue", "a": "alpha"}


def layer_of(channel: str) -> str:
    """``rgba`` of ``rgba.red``."""
    return channel.split(".", 1)[0]


def layer_channels(layer: str, available: Iterable[str] = ()) -> tuple[str, ...]:
    """The full channel names of a layer, in order: those of ``available``, else of the layers that every script knows."""
    if layer in ("rgb", "rgba", "alpha"):
        return {"rgb": RGB, "rgba": RGBA, "alpha": RGBA[3:]}[layer]
    found = tuple(name for name in available if layer_of(name) == layer)
    return found or tuple(f"{layer}.{part}" for part in LAYERS.get(layer, ()))


def words_of(text: str) -> list[str]:
    """The words of a channel knob that are switched on: ``{-rgba.red rgba.green none}`` gives ``['rgba.green']``."""
    words = text.replace("{", " ").replace("}", " ").split()
    return [word for word in words if word not in ("none", "false") and not word.startswith("-")]


def full_name(word: str) -> str:
    """``red`` and ``alpha`` stand for ``rgba.red`` and ``rgba.alpha``; other names stay."""
    return _SHORT.get(word, word)


def named(text: str, available: Sequence[str] = ()) -> tuple[str, ...]:
    """Every channel that the value of a channel knob names, whether the picture has it or not; ``all`` means ``available``."""
    result: list[str] = []
    for word in words_of(text):
        if word == "all":
            found: Sequence[str] = available
        elif word in LAYERS or ("." not in word and word not in _SHORT):
            found = layer_channels(word, available)
        else:
            found = (full_name(word),)
        result.extend(name for name in found if name not in result)
    return tuple(result)


def chosen(text: str, available: Sequence[str]) -> tuple[str, ...]:
    """Those of ``available`` that the value of a channel knob names, in the order of ``available``."""
    wanted = set(named(text, available))
    return tuple(name for name in available if name in wanted)


def one(text: str) -> str:
    """The single channel of a channel knob such as ``rgba.alpha``; empty for ``none`` and for one that is switched off."""
    words = words_of(text)
    return full_name(words[0]) if words else ""


def from_file(name: str, layer: str = "") -> str:
    """Nuke's name for a channel of a file: ``R`` is ``rgba.red``, ``beauty.R`` ``beauty.red``, a bare unknown one ``other.X``.

    ``layer`` is the name of the part of a multi-part EXR in which bare names stand; empty in the first part.
    """
    if "." in name:
        before, after = name.rsplit(".", 1)
        if before in ("rgba", "rgb"):
            return f"rgba.{_COMPONENTS.get(after, after)}"
        return f"{before.replace('.', '_')}.{_COMPONENTS.get(after, after)}"
    if layer and layer not in ("rgba", "rgb", "main"):
        return f"{layer}.{_COMPONENTS.get(name, name)}"
    return _FILE_TO_NUKE.get(name, f"other.{name}")


def to_file(channel: str) -> str:
    """How Nuke's EXR writer spells a channel: R, G, B, A for ``rgba``, the full name for all others (NDK, exrWriter)."""
    return {"rgba.red": "R", "rgba.green": "G", "rgba.blue": "B", "rgba.alpha": "A"}.get(channel, channel)
