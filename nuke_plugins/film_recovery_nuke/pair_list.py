"""Pairs as a file: what a restorer notes about the frames, to hand on or to bring in from a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from film_recovery.contract.atomic import write_json, write_text
from film_recovery_nuke.errors import HostError
from film_recovery_nuke.graph import Pair

_COLUMNS = ("source", "reference", "held_out", "reason")
_TRUE = frozenset({"1", "true", "yes", "x", "held out"})


def save(pairs: list[Pair], path: Path) -> None:
    """Write pairs as CSV or JSON, by suffix. Raises :class:`HostError` for another suffix, :class:`StorageError`."""
    rows = [
        {"source": pair.source, "reference": pair.reference, "held_out": pair.held_out, "reason": pair.reason} for pair in pairs
    ]
    if path.suffix.lower() == ".json":
        write_json(path, {"pairs": rows})
    elif path.suffix.lower() == ".csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(path, text.getvalue())
    else:
        raise HostError(f"{path.name}: pairs are written as .csv or .json; choose one of the two.")


def load(path: Path) -> list[Pair]:
    """Read pairs from CSV or JSON: columns source, reference (source if absent), held_out, reason.

    Raises:
        HostError: the file cannot be read, a frame is no number, or a frame stands there twice; the message names the row.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = json.loads(text)["pairs"] if path.suffix.lower() == ".json" else list(csv.DictReader(io.StringIO(text)))
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise HostError(f"{path} holds no list of pairs ({error}); write it with the columns {', '.join(_COLUMNS)}.") from error
    pairs: list[Pair] = []
    for number, row in enumerate(rows, start=1):
        pair = _pair(row, f"{path.name}, row {number}")
        if any(known.source == pair.source for known in pairs):
            raise HostError(f"{path.name}, row {number}: frame {pair.source} stands there twice.")
        pairs.append(pair)
    return pairs


def _pair(row: Any, where: str) -> Pair:
    if not isinstance(row, dict):
        raise HostError(f"{where} is no pair.")
    found: dict[str, int] = {}
    for side in ("source", "reference"):
        value = row.get(side)
        if side == "reference" and value in (None, ""):
            value = found["source"]
        try:
            found[side] = int(str(value).strip())
        except ValueError as error:
            raise HostError(f"{where}: '{value}' is no frame number for the {side}.") from error
    held_out = row.get("held_out", False)
    if isinstance(held_out, str):
        held_out = held_out.strip().lower() in _TRUE
    return Pair(found["source"], found["reference"], bool(held_out), str(row.get("reason") or ""))
