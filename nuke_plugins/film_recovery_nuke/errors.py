"""Errors that an artist is meant to read, and how they are shown."""

from __future__ import annotations

import contextlib
import functools
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, TypeVar

import nuke
from film_recovery.contract.errors import FilmRecoveryError
from film_recovery_nuke import logs

_F = TypeVar("_F", bound=Callable[..., Any])


class HostError(FilmRecoveryError):
    """Something on Nuke's side cannot be done; the message says what was found, where, and what to do."""


class WorkerError(HostError):
    """The worker is missing, of another version, or does not answer."""


class CancelledError(HostError):
    """The artist pressed Cancel; nothing half-made is left."""


@contextlib.contextmanager
def looked_at(path: Path) -> Iterator[None]:
    """What the system says of a path that it does not let anybody look at, as a :class:`HostError`."""
    try:
        yield
    except OSError as error:
        raise HostError(
            f"{path} cannot be looked at ({error.strerror or error}); check its permissions, or the disk that it is on."
        ) from error


def show(message: str) -> None:
    """Tell the artist: a box in a GUI session, the terminal otherwise."""
    logs.write(message)
    if nuke.GUI:
        nuke.message(message)
    else:
        print(message, file=sys.stderr, flush=True)


def shown(function: _F) -> _F:
    """For what a button or a menu calls: an error of ours becomes a box, a defect a box and a traceback in the terminal.

    Headless the error is raised instead, since nobody would read a box there.
    """

    @functools.wraps(function)
    def guarded(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except CancelledError as error:
            logs.write(str(error))
            if not nuke.GUI:
                raise
        except FilmRecoveryError as error:
            if not nuke.GUI:
                raise
            show(str(error))
        except Exception:  # outermost wall of a button: Nuke goes on, and the traceback is kept
            if not nuke.GUI:
                raise
            traceback.print_exc()
            logs.write(traceback.format_exc())
            log = f" and in {logs.path()}" if logs.path() else ""
            show(f"Film Recovery has failed; this is a defect. The traceback is in the terminal{log}.")
        return None

    return guarded  # type: ignore[return-value]
