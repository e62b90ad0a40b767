"""What ``nuke -t`` runs: ``nuke -t bake_script.py script.nk [node …] 1001-1055``. Exit codes are those of the worker's table.

It bakes what the Writes of these frames need and renders them. Run it again after anything went wrong: whole frames are kept.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

_CRASH, _STOPPED = 1, 6  # of the table, for when the table cannot even be imported


def words_after(name: str, words: Sequence[str]) -> list[str]:
    """The words of the whole command line after this script's name: Nuke takes a range at the end out of ``sys.argv``."""
    for position, word in enumerate(words):
        if os.path.basename(word) == name:
            return list(words[position + 1 :])
    return []


def main() -> int:
    """Bake and render what the command line asks for; returns the exit code."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if here not in sys.path:
        sys.path.insert(0, here)
    with contextlib.suppress(ValueError):  # off the main thread signals cannot be had; then a stop is a kill
        signal.signal(signal.SIGTERM, _interrupt)
    import nuke
    from film_recovery.contract.errors import FilmRecoveryError
    from film_recovery_nuke import bake

    gizmos = os.path.join(os.path.dirname(here), "gizmos").replace("\\", "/")
    if gizmos not in nuke.pluginPath():  # also where the package is not on NUKE_PATH
        nuke.pluginAddPath(gizmos)
    try:
        bake.run(bake.parse_order(words_after("bake_script.py", nuke.rawArgs) or sys.argv[1:]))
    except FilmRecoveryError as error:
        print(error, file=sys.stderr, flush=True)
        return int(error.exit_code)
    except KeyboardInterrupt:
        print("Stopped by a signal; run the same line again, whole frames are kept.", file=sys.stderr, flush=True)
        return _STOPPED
    except Exception:  # noqa: BLE001 - the outermost wall of a process: whatever it was, the farm has to see a failure
        traceback.print_exc()
        return _CRASH
    return 0


def _interrupt(_number: int, _frame: object) -> NoReturn:
    """End as Ctrl-C does: the worker is stopped, half-made files are removed."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
