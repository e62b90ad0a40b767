"""Reading and writing of versioned JSON records that are dataclasses on both sides."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from film_recovery.contract.atomic import write_json
from film_recovery.contract.errors import InputError

Record = TypeVar("Record")
Entry = TypeVar("Entry")
_PLAIN: dict[str, Any] = {"int": int, "float": (int, float), "str": str, "bool": bool}


def save_record(path: Path, record: Any, schema: str, version: int) -> None:
    """Write a dataclass as JSON with its schema name and version, whole or not at all."""
    write_json(Path(path), {"schema": schema, "version": version, **dataclasses.asdict(record)})


def parse_record(text: str, kind: type[Record], schema: str, version: int, where: str) -> Record:
    """Build the dataclass ``kind`` from JSON text.

    Raises:
        InputError: not JSON, another schema, a newer version, or a field is missing, unknown or of another type; the message
            names ``where``.
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{where} is damaged (not JSON at line {error.lineno}); restore it or start anew.") from error
    if not isinstance(value, dict) or value.pop("schema", None) != schema:
        raise InputError(f"{where} is not a record of the kind '{schema}'; name the right file.")
    found = value.pop("version", None)
    if found != version:
        raise InputError(f"{where} has version {found} of '{schema}', this program reads {version}; use the matching release.")
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(value) - set(fields))
    missing = sorted(
        name
        for name, field in fields.items()
        if name not in value and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    )
    if unknown or missing:
        raise InputError(f"{where} does not fit: unknown {unknown or 'none'}, missing {missing or 'none'}; restore the file.")
    wrong = _misfit(value, fields.values())
    if wrong is not None:
        raise InputError(f"{where} is damaged ({wrong}); restore it or start anew.")
    return kind(**value)


def load_record(path: Path, kind: type[Record], schema: str, version: int) -> Record:
    """Read a record from a file; raises :class:`InputError` also when the file is absent."""
    if not Path(path).is_file():
        raise InputError(f"There is no file {path}; check the name, or that of the folder which should hold it.")
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no record but a file of another kind; name the right file.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check its permissions, or the disk it is on.") from error
    return parse_record(text, kind, schema, version, str(path))


def load_entries(kind: type[Entry], values: Any, path: Path, what: str) -> list[Entry]:
    """Dataclasses from the dictionaries of a list of a record; fields with defaults may be missing.

    Raises:
        InputError: it is no list of such dictionaries, or a value is of another type; ``path`` is the record's, ``what`` a
            word for one of them.
    """
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    names = {one.name for one in fields}
    needed = {one.name for one in fields if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING}
    if not isinstance(values, list) or not all(isinstance(v, dict) and needed <= set(v) <= names for v in values):
        raise InputError(f"{path} is damaged (a {what} lacks fields or has unknown ones); make it again.")
    wrong = next((found for found in (_misfit(value, fields) for value in values) if found is not None), None)
    if wrong is not None:
        raise InputError(f"{path} is damaged (a {what}'s {wrong}); make it again.")
    return [kind(**value) for value in values]


def _misfit(values: dict[str, Any], fields: Iterable[dataclasses.Field[Any]]) -> str | None:
    """The first value of a record that is not of its field's type, in words."""
    for field in fields:
        if field.name in values and not _fits(values[field.name], str(field.type)):
            return f"{field.name} is {json.dumps(values[field.name])[:40]}, not {field.type}"
    return None


def _fits(value: Any, annotation: str) -> bool:
    """Whether a value of JSON is what an annotation says, where that is plain. Annotations are text: Python 3.9 cannot make
    types of all of them."""
    if annotation.endswith(" | None"):
        return value is None or _fits(value, annotation[: -len(" | None")])
    if annotation.startswith("list["):
        return isinstance(value, list) and all(_fits(one, annotation[len("list[") : -1]) for one in value)
    if annotation not in _PLAIN:
        return True
    return isinstance(value, _PLAIN[annotation]) and isinstance(value, bool) == (annotation == "bool")
