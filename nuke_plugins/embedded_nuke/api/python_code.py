"""The one place where Python that a person gave is run: a script named on the command line, code in a knob or a callback.

Code of knobs runs here only when it came from a gizmo of the plugin path, from Python itself, or with a trusted script; the
graph asks before it calls.
"""

from __future__ import annotations

import sys
from typing import Any

from embedded_nuke.sessions import Session


def run_knob_code(code: str, context: dict[str, Any]) -> Any:
    """Run a knob's code as in ``__main__``; the value of an expression, else None. Errors come through as they are."""
    main = sys.modules["__main__"].__dict__
    main["nuke"] = sys.modules["nuke"]
    where = f"<{context.get('where', 'knob')}>"
    if context.get("expression"):
        return eval(compile(code.strip(), where, "eval"), main)
    exec(compile(code, where, "exec"), main)
    return None


def run_file(path: str, name: str = "__main__") -> None:
    """Run a Python file as Nuke's ``-t`` does: in ``__main__``, so that its classes can be found by name."""
    with open(path, "rb") as stream:
        code = compile(stream.read(), path, "exec")
    main: dict[str, Any] = sys.modules["__main__"].__dict__ if name == "__main__" else {"__name__": name}
    main["__file__"] = path
    main["nuke"] = sys.modules["nuke"]
    exec(code, main)


def attach(session: Session) -> None:
    """Let a session's knobs run Python."""
    session.run_code = run_knob_code
