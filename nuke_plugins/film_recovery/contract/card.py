"""The model card: what a model file is, as JSON beside it and in its metadata (key ``film_recovery_card``)."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from film_recovery.contract.records import load_record, parse_record, save_record

SCHEMA, VERSION = "film-recovery/model-card", 1
METADATA_KEY = "film_recovery_card"


@dataclass
class ModelCard:
    """Everything that inference and a reader of the archive need to know.

    ``kept`` is ``luma``, ``chroma`` or ``nothing``; ``balance`` the 12 numbers of the density balance in the graph, or None.
    ``receptive_field`` is the radius in pixels beyond which an input pixel cannot change an output pixel; ``multiple`` the
    pixel grid on which tiles must start so that tiled equals whole. ``grain``, of a spatial recovery, is what it needs to be
    given grain: the power of the grain of ``source``, ``reference`` and ``recovered`` over ``frequency``, the reference's
    ``strength`` over ``level``, and ``softness``, see ``training.grain``. ``colours`` are those that the pairs showed, as
    ``images.familiar`` writes them, for confidence maps; empty in models of before there were any. ``files`` maps file names
    beside the card to SHA-256.
    """

    name: str
    task: str
    kept: str
    encoding: str
    matrix: str
    balance: list[float] | None
    size: str
    receptive_field: int
    multiple: int
    parameters: int
    opset: int = 17
    channels_in: list[str] = field(default_factory=lambda: ["R", "G", "B"])
    channels_out: list[str] = field(default_factory=lambda: ["R", "G", "B"])
    created: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    held_out: dict[str, float] = field(default_factory=dict)
    grain: dict[str, list[float]] = field(default_factory=dict)
    colours: str = ""
    files: dict[str, str] = field(default_factory=dict)
    notes: str = ""

    def to_json(self) -> str:
        """The card as one line of JSON, for a model file's metadata."""
        return json.dumps({"schema": SCHEMA, "version": VERSION, **dataclasses.asdict(self)}, ensure_ascii=False)

    def save(self, path: Path) -> None:
        """Write the card beside its model, whole or not at all."""
        save_record(path, self, SCHEMA, VERSION)


def parse_card(text: str, where: str) -> ModelCard:
    """Build a card from the JSON in a model's metadata; raises :class:`InputError` naming ``where``."""
    return parse_record(text, ModelCard, SCHEMA, VERSION, where)


def load_card(path: Path) -> ModelCard:
    """Read a card file; raises :class:`InputError`."""
    return load_record(path, ModelCard, SCHEMA, VERSION)
