"""Settings in layers: what the package ships < studio files < the user's file. Each value remembers which layer set it.

Studio files are named by the environment variable ``FILM_RECOVERY_CONFIG``, several with the system's path separator, later
ones winning; the user's is ``~/.nuke/film_recovery.json``. A value on a node wins over all of them.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from film_recovery.contract.atomic import write_json
from film_recovery_nuke.errors import HostError

VARIABLE = "FILM_RECOVERY_CONFIG"
# Key: default, and what it is for. All are texts; empty means that the package decides.
KEYS: dict[str, tuple[str, str]] = {
    "worker_python": ("", "Python of the worker's environment; empty finds the one beside the package"),
    "data_folder": ("", "where trainings go when the node names no data directory; empty puts them beside the script"),
    "cache_folder": ("", "where baked frames go when the node names no folder; empty puts them beside the script"),
    "device": ("auto", "auto, cpu or cuda"),
}


@dataclass(frozen=True)
class Setting:
    """A value, and the layer that set it: ``package`` or a file."""

    value: str
    layer: str


def user_file() -> Path:
    """The user's file, whether it exists or not."""
    return Path.home() / ".nuke" / "film_recovery.json"


def load() -> tuple[dict[str, Setting], list[str]]:
    """All settings, and warnings in words: unknown keys, values that are no text.

    Raises:
        HostError: a file is named and cannot be read, or is no JSON object.
    """
    found = {key: Setting(default, "package") for key, (default, _) in KEYS.items()}
    warnings: list[str] = []
    studio = [Path(name) for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name]
    for file in studio:
        if not file.is_file():
            raise HostError(f"{VARIABLE} names {file}, which does not exist; correct the variable.")
    for file in (*studio, user_file()):
        if file.is_file():
            _take(file, found, warnings)
    return found, warnings


def get(key: str) -> str:
    """One value. Raises :class:`HostError` as :func:`load` does, :class:`KeyError` for an unknown key."""
    return load()[0][key].value


def save_user(values: dict[str, str]) -> None:
    """Write the user's file, whole or not at all; keys that are not given keep their value there. An empty value is taken out
    of it, so that what the layers below say holds again.

    Raises:
        HostError: an unknown key, or the file that is there is damaged.
        StorageError: it cannot be written.
    """
    unknown = sorted(set(values) - set(KEYS))
    if unknown:
        raise HostError(f"There is no setting '{unknown[0]}'; there are {', '.join(KEYS)}.")
    before = _read(user_file()) if user_file().is_file() else {}
    given_back = {key for key, value in values.items() if not value}
    write_json(user_file(), {key: value for key, value in {**before, **values}.items() if key not in given_back})


def _take(file: Path, found: dict[str, Setting], warnings: list[str]) -> None:
    for key, value in _read(file).items():
        if key not in KEYS:
            warnings.append(f"{file}: there is no setting '{key}'; it is ignored.")
        elif not isinstance(value, str):
            warnings.append(f"{file}: '{key}' is no text; it is ignored.")
        else:
            found[key] = Setting(value, str(file))


def _read(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise HostError(f"{file} cannot be read ({error}); correct or remove it.") from error
    except json.JSONDecodeError as error:
        raise HostError(f"{file} is no JSON (line {error.lineno}); correct or remove it.") from error
    if not isinstance(value, dict):
        raise HostError(f"{file} holds no JSON object; correct or remove it.")
    return value
