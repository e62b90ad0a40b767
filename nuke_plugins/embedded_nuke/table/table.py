"""Node classes and their knobs, read from ``knobs.json``."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class UnknownClassError(RuntimeError):
    """There is no such node class, or the stand-in knows it by name only."""


@dataclass(frozen=True)
class KnobSpec:
    """A knob: its Python class in Nuke, its value on a fresh node (None: not known), the values of an enumeration."""

    name: str
    kind: str
    default: str | None
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClassSpec:
    """A node class. ``inputs`` is the least and the most, masks counted. ``aliases`` are old names of knobs that still load."""

    name: str
    inputs: tuple[int, int]
    knobs: Mapping[str, KnobSpec]
    nukex: bool
    aliases: Mapping[str, str]
    file_type_knobs: Mapping[str, Mapping[str, KnobSpec]]


@functools.lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads((Path(__file__).parent / "knobs.json").read_text(encoding="utf-8"))
    return table


def _specs(knobs: Mapping[str, Any]) -> dict[str, KnobSpec]:
    return {
        name: KnobSpec(name, entry[0], entry[1], tuple(entry[2]) if len(entry) > 2 else ())
        for name, entry in knobs.items()
        if entry[0] != "Obsolete_Knob"
    }


@functools.cache
def class_spec(name: str) -> ClassSpec:
    """What is known of a class.

    Raises:
        UnknownClassError: it does not exist, or only its name is known.
    """
    entry = _table()["classes"].get(name)
    if entry is None:
        known = "is known by name only, without its knobs" if name in class_names() else "does not exist"
        raise UnknownClassError(f"{name}: Unknown command or node class; it {known}.")
    knobs = {**_specs(_table()["common"]), **_specs(entry["knobs"])}
    types = {kind: _specs(more) for kind, more in entry.get("file_type_knobs", {}).items()}
    return ClassSpec(name, tuple(entry["inputs"]), knobs, entry.get("nukex", False), entry.get("aliases", {}), types)


@functools.lru_cache(maxsize=1)
def known_classes() -> frozenset[str]:
    """Classes whose knobs are known."""
    return frozenset(_table()["classes"])


@functools.lru_cache(maxsize=1)
def class_names() -> frozenset[str]:
    """Every class name of Nuke 17.0v3 that is known, with or without its knobs."""
    return frozenset(_table()["names"]) | known_classes()
