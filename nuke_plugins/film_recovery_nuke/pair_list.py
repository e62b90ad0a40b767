"""Pairs as a file: what a restorer notes about the frames, to hand on, to bring in from a spreadsheet, to train on."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from film_recovery.contract.atomic import write_text
from film_recovery.contract.curation import PAIRS_SCHEMA, ChosenPair, SelectionRecord, load_selection
from film_recovery_nuke.errors import HostError
from film_recovery_nuke.graph import Pair

_COLUMNS = ("source", "reference", "held_out", "reason", "scope", "adds", "by_hand")
_TRUE = frozenset({"1", "true", "yes", "x", "held out"})


@dataclass(frozen=True)
class PairList:
    """Pairs, and the record they came in, whose other fields go out with them again; None for a list without one."""

    pairs: list[Pair]
    record: SelectionRecord | None = None


def from_record(record: SelectionRecord) -> PairList:
    """The pairs of a record."""
    return PairList([_taken(pair) for pair in record.pairs], record)


def to_record(pairs: Iterable[Pair], record: SelectionRecord | None, source: str = "", reference: str = "") -> SelectionRecord:
    """A record of pairs that a person may have changed: everything else stays as it is in ``record``.

    Args:
        pairs: in any order; the record has them by source frame.
        record: where they came from; without one ``source`` and ``reference`` name the files, and the scope is the sequence.
    """
    frame = record or SelectionRecord(source, reference, "sequence", [], [])
    chosen = [
        ChosenPair(pair.source, pair.reference, pair.held_out, pair.reason, pair.scope or _scope_of(pair.source, frame),
                   list(pair.adds), pair.by_hand)
        for pair in sorted(pairs, key=lambda pair: pair.source)
    ]  # fmt: skip
    return dataclasses.replace(frame, pairs=chosen)


def save(found: PairList, path: Path, source: str = "", reference: str = "") -> None:
    """Write pairs by suffix: JSON is a ``pairs.json`` as ``train --pairs`` takes it, CSV a table of the pairs alone, with a
    line for each of ``adds``. Raises :class:`HostError` for another suffix, :class:`StorageError`."""
    if path.suffix.lower() == ".json":
        to_record(found.pairs, found.record, source, reference).save(path)
    elif path.suffix.lower() == ".csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({**dataclasses.asdict(pair), "adds": "\n".join(pair.adds)} for pair in found.pairs)
        write_text(path, text.getvalue())
    else:
        raise HostError(f"{path.name}: pairs are written as .csv or .json; choose one of the two.")


def load(path: Path) -> PairList:
    """Read a ``pairs.json``, or a list: CSV, or JSON with ``{"pairs": [...]}``. A list needs the column source alone; reference
    is then the same frame, and pairs count as a person's own unless ``by_hand`` says otherwise.

    Raises:
        HostError: the file cannot be read, a frame is no number, or a frame stands there twice; the message names the row.
        InputError: it is a damaged ``pairs.json`` or one of another version.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".json":
            value = json.loads(text)
            if value.get("schema") == PAIRS_SCHEMA:
                return from_record(load_selection(path))
            rows = value["pairs"]
        else:
            rows = list(csv.DictReader(io.StringIO(text)))
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise HostError(f"{path} holds no list of pairs ({error}); write it with the columns {', '.join(_COLUMNS)}.") from error
    pairs: list[Pair] = []
    for number, row in enumerate(rows, start=1):
        pair = _pair(row, f"{path.name}, row {number}")
        if any(known.source == pair.source for known in pairs):
            raise HostError(f"{path.name}, row {number}: frame {pair.source} stands there twice.")
        pairs.append(pair)
    return PairList(pairs)


def _taken(pair: ChosenPair) -> Pair:
    return Pair(pair.source, pair.reference, pair.held_out, pair.reason, pair.scope, tuple(pair.adds), pair.by_hand)


def _scope_of(frame: int, record: SelectionRecord) -> str:
    """The part of the film that a frame lies in, by name."""
    return next((scope.name for scope in record.scopes if scope.first <= frame <= scope.last), record.scope)


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
    adds = row.get("adds") or []
    adds = adds.splitlines() if isinstance(adds, str) else adds
    return Pair(
        found["source"], found["reference"], _flag(row.get("held_out"), False), str(row.get("reason") or ""),
        str(row.get("scope") or ""), tuple(str(text) for text in adds), _flag(row.get("by_hand"), True),
    )  # fmt: skip


def _flag(value: Any, absent: bool) -> bool:
    if value in (None, ""):
        return absent
    return value.strip().lower() in _TRUE if isinstance(value, str) else bool(value)
