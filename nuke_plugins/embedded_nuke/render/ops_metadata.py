"""ModifyMetaData and CopyMetaData."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from embedded_nuke.render.image import Image
from embedded_nuke.render.operation import Operation, fail, op
from embedded_nuke.script.tcl import substitute
from embedded_nuke.script.words import split_words, value_of


def metadata_changes(o: Operation) -> list[list[str]]:
    """The knob ``metadata``: ``{set key "value"}`` and ``{remove key ""}``, one after the other."""
    # As it stands: each value may hold Tcl of its own.
    text = str(o.node.knob("metadata").value()).strip()
    if text.startswith("{") and len(split_words(text)) == 1 and split_words(value_of(text)):
        first = split_words(value_of(text))[0]
        text = value_of(text) if first.startswith("{") else text
    changes = []
    for word in split_words(text):
        parts = [value_of(part) for part in split_words(value_of(word))]
        if len(parts) < 2 or parts[0] not in ("set", "remove"):
            raise fail(o, f"metadata '{word[:60]}' cannot be read; write set or remove, a key and a value.")
        if len(parts) > 2:
            parts[2] = substitute(parts[2], o.node.scope(o.frame, None))
        changes.append(parts)
    return changes


def _typed(text: str) -> Any:
    """A number where the text is one. Assumption: Nuke stores such values as numbers too."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


@op("ModifyMetaData")
def modify_metadata(o: Operation) -> Image:
    """The picture with keys set and removed in order (reference guide); a removal may end in ``*``."""
    image = o.input(0)
    values: dict[str, Any] = dict(image.metadata)
    for change in metadata_changes(o):
        if change[0] == "set":
            values[change[1]] = _typed(change[2] if len(change) > 2 else "")
        else:
            for key in [key for key in values if fnmatch.fnmatchcase(key, change[1])]:
                del values[key]
    return replace(image, metadata=values)


def _filtered(values: Mapping[str, Any], pattern: str, mode: str) -> dict[str, Any]:
    if not pattern:
        return dict(values)
    wanted = f"*{pattern}*" if not any(letter in pattern for letter in "*?[") else pattern
    return {
        key: value
        for key, value in values.items()
        if (mode != "values only" and fnmatch.fnmatchcase(key, wanted))
        or (mode != "keys only" and fnmatch.fnmatchcase(str(value), wanted))
    }


@op("CopyMetaData")
def copy_metadata(o: Operation) -> Image:
    """Metadata of input 1 joined to that of input 0; assumption: the side named last in ``mergeMode`` wins."""
    image, other = o.input(0), o.input(1)
    own = _filtered(image.metadata, o.text("imageMetadatafilter"), o.text("imageMetadatafilterMode"))
    theirs = _filtered(other.metadata, o.text("metadatafilter"), o.text("metadatafilterMode"))
    mode = o.text("mergeMode")
    merged = {"Image+Meta": {**own, **theirs}, "Meta+Image": {**theirs, **own}, "Meta only": theirs, "Image only": own}
    return replace(image, metadata=merged[mode])
