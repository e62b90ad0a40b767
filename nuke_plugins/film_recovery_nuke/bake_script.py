"""What ``nuke -t`` runs: ``nuke -t bake_script.py script.nk [node …] 1001-1055``. Exit codes are those of the worker's table."""

from __future__ import annotations

import os
import sys
from typing import List, Sequence


def words_after(name: str, words: Sequence[str]) -> List[str]:
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
    import nuke

    from film_recovery.contract.errors import FilmRecoveryError
    from film_recovery_nuke import bake

    try:
        bake.run(bake.parse_order(words_after("bake_script.py", nuke.rawArgs) or sys.argv[1:]))
    except FilmRecoveryError as error:
        print(error, file=sys.stderr, flush=True)
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
