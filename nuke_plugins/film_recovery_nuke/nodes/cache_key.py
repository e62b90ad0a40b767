"""Under which key the baked frames of a RecoveryInference lie, and whose they are.

Nodes are renamed and copied; scripts are saved as other versions, moved, and rendered on a farm under names of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import uuid
from pathlib import Path
from typing import Any

import nuke
from film_recovery_nuke import graph, needs, preferences
from film_recovery_nuke.cache import FrameCache

_HALF = 8  # digits of a headless key's either half
_VERSION = re.compile(r"[._ -]?(?<![a-z])v\d+", re.IGNORECASE)  # in a script's file name


def of_another_name(node: Any, stem: Path, model: str) -> Path | None:
    """What was baked headless of a script of another name: a farm may render a copy that it has given a name of its own.

    Only where there is one such cache, and a frame of it was baked from the picture that the node has. Else it may be another
    script's; then the frames are missing, and that is told.
    """
    if nuke.GUI or node["cacheKey"].value():
        return None
    found = list(stem.parent.glob(f"{stem.name[:-_HALF]}*_{model}"))
    return found[0] if len(found) == 1 and _is_of_this_picture(node, FrameCache(found[0])) else None


def _is_of_this_picture(node: Any, cache: FrameCache) -> bool:
    with contextlib.suppress(RuntimeError):  # its input cannot be looked at
        for frame in cache.frames():
            record = cache.record(frame)
            if record is not None and record.input_hash and record.input_hash == input_hash(node, frame):
                return True
    return False


def input_hash(node: Any, frame: int) -> str:
    """Nuke's hash of what feeds the node at a frame; empty where Nuke gives none."""
    source = node.input(0)
    if source is None:
        return ""
    return str(source.metadata("nuke/node_hash", frame) or "")


def cache_stem(node: Any, make_key: bool = False) -> Path | None:
    """The cache's folder without the model's part of its name; None in a GUI session before the first bake, unless
    ``make_key``. Raises :class:`HostError` for a relative folder in a script that was never saved."""
    key = str(node["cacheKey"].value())
    if key:
        return _found_stem(node, key)
    farm = _stem(node, _headless_key(node))
    if not nuke.GUI:
        return farm
    if not _is_used(farm):  # else a farm has baked for this script: that is found here too
        if not make_key:
            return None
        key = uuid.uuid4().hex[:8]
    if make_key:
        node["cacheKey"].setValue(key or _headless_key(node))
    return _stem(node, key) if key else farm


def _found_stem(node: Any, key: str, but: Any = None) -> Path:
    """Where a node's frames lie under a key: under its name, or under the former one of a node that was renamed.

    A former name is followed only where the folder says whose it was, and no other node with the key bears that name; ``but``
    is left out of these.
    """
    stem = _stem(node, key)
    if _is_used(stem):
        return stem
    others = {other.fullName() for other in _holders(key)} - {known.fullName() for known in (node, but) if known is not None}
    folders = [(folder, FrameCache(folder).owner()) for folder in stem.parent.glob(f"*_{key}_*")]
    stems = {
        folder.with_name(folder.name.rpartition("_")[0])
        for folder, owner in folders
        if owner is not None and owner.node not in others
    }
    return stems.pop() if len(stems) == 1 else stem


def _is_used(stem: Path) -> bool:
    return any(stem.parent.glob(f"{stem.name}_*"))


def _holders(key: str) -> list[Any]:
    """The nodes of the script that have a key."""
    nodes = nuke.allNodes(needs.INFERENCE, nuke.root(), recurseGroups=True)
    return [node for node in nodes if node["cacheKey"].value() == key]


def forget_key_of_others(node: Any, is_new: bool = False) -> None:
    """A copy of a node comes with its key; what is baked under it stays the original's alone, in this script or in another.

    Of two nodes with one key the one that ``is_new`` is the copy. Headless nobody copies nodes, and a farm renders copies of
    the script from wherever it likes: there a key is believed.
    """
    key = str(node["cacheKey"].value())
    if not key or not nuke.GUI:
        return
    stem, others = _found_stem(node, key), [other for other in _holders(key) if other.fullName() != node.fullName()]
    if _is_used(stem):
        is_copy = is_new and any(_found_stem(other, key, but=node) == stem for other in others)
        # A script that is being opened may still have no name, or the one of where it lay when it was saved; a bake asks again.
        is_named = not is_new or Path(graph.script_path()).is_file()
        is_copy = is_copy or (is_named and _is_of_another_script(stem))
    else:
        is_copy = bool(others)
    if is_copy:
        node["cacheKey"].setValue("")


def _is_of_another_script(stem: Path) -> bool:
    """Whether other scripts alone have baked by hand what lies there."""
    owners = [FrameCache(folder).owner() for folder in stem.parent.glob(f"{stem.name}_*")]
    scripts = [owner.script for owner in owners if owner is not None]
    return bool(scripts) and not any(_is_this_script(script) for script in scripts)


def _is_this_script(path: str) -> bool:
    """Whether a script's file is the open one, another version of it beside it, or was moved or never saved."""
    own = graph.script_path()
    if path in ("", own) or not Path(path).exists():
        return True
    there, here = Path(path), Path(own)
    return there.parent == here.parent and _VERSION.sub("", there.stem) == _VERSION.sub("", here.stem)


def _stem(node: Any, key: str) -> Path:
    text = node["cacheFolder"].evaluate() or ""
    home = graph.folder_from(text, preferences.get("cache_folder"), "cache folder")
    return home / f"{node.fullName().replace('.', '_')}_{key}"


def _headless_key(node: Any) -> str:
    """Of a node that was never baked by hand: what a farm bakes has to be found again by the render of the script, wherever the
    farm has copied it to. The first half is the node's, the second the script's: two scripts in one folder stay apart.
    """
    parts = node.fullName(), Path(graph.script_path()).stem
    return "".join(hashlib.sha256(part.encode()).hexdigest()[:_HALF] for part in parts)


def keep_key(node: Any) -> None:
    """Note in the node under which key its frames lie, so that a GUI session finds what was baked headless."""
    if not node["cacheKey"].value():
        node["cacheKey"].setValue(_headless_key(node))
