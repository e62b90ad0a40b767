"""Run the demonstration from a fresh checkout: ``python3 examples/run_demo.py``. Arguments go to ``film-recovery demo``."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Set up the environment inside the checkout, then run the demonstration in it; returns its exit code."""
    environment = runpy.run_path(str(ROOT / "nuke_plugins" / "film_recovery" / "contract" / "environment.py"))
    try:
        # The same extras as for the tests, so that both commands share one environment.
        python = environment["ensure_environment"](ROOT / ".venv", ROOT, ("dev",))
    except environment["SetupError"] as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    return int(environment["become"](python, ["-m", "film_recovery.cli.main", "demo", *sys.argv[1:]], Path.cwd()))


if __name__ == "__main__":
    sys.exit(main())
