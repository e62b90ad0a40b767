"""``executeInMainThread``: how other threads reach the graph.

Called *from* the main thread, real Nuke hangs for ever (Foundry's threading page); the stand-in raises instead, so that a test
finds it.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

from embedded_nuke import sessions


def _request(call: Callable[..., Any], args: Any, kwargs: dict[str, Any] | None) -> Callable[[], Any]:
    words = args if isinstance(args, tuple) else (args,)
    return lambda: call(*words, **(kwargs or {}))


def _refuse_main(what: str) -> None:
    if threading.get_ident() == sessions.current().main_thread:
        raise RuntimeError(f"nuke.{what} was called from the main thread; real Nuke hangs there. Call the function itself.")


def executeInMainThread(call: Callable[..., Any], args: Any = (), kwargs: dict[str, Any] | None = None) -> None:
    """Ask the main thread to call something, and go on. An exception in it is printed."""
    _refuse_main("executeInMainThread")
    run = _request(call, args, kwargs)

    def guarded() -> None:
        try:
            run()
        except Exception:  # noqa: BLE001 - as Nuke does: printed, and None is returned
            traceback.print_exc(file=sys.stderr)

    sessions.current().queue.put(guarded)


def executeInMainThreadWithResult(call: Callable[..., Any], args: Any = (), kwargs: dict[str, Any] | None = None) -> Any:
    """Ask the main thread to call something, wait, and return what it gave; None, printed, if it raised."""
    _refuse_main("executeInMainThreadWithResult")
    run = _request(call, args, kwargs)
    done = threading.Event()
    result: list[Any] = [None]

    def guarded() -> None:
        try:
            result[0] = run()
        except Exception:  # noqa: BLE001 - as Nuke does: printed, and None is returned
            traceback.print_exc(file=sys.stderr)
        finally:
            done.set()

    sessions.current().queue.put(guarded)
    done.wait()
    return result[0]
