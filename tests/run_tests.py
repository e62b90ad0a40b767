"""Run lint, types and all tests from a fresh checkout: ``python3 tests/run_tests.py``.

Arguments go to pytest, and leave the Pythons of other Nukes out.
"""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = ("nuke_plugins/film_recovery", "nuke_plugins/film_recovery_nuke", "nuke_plugins/embedded_nuke")
CHECKS = (("ruff", "check", "."), ("mypy", *_PACKAGES, "examples/film_elements"))


def main() -> int:
    """Set up the environment inside the checkout, then check and test in it; returns 0 when everything passed."""
    environment = runpy.run_path(str(ROOT / "nuke_plugins" / "film_recovery" / "contract" / "environment.py"))
    try:
        python = environment["ensure_environment"](ROOT / ".venv", ROOT, ("dev",))
    except environment["SetupError"] as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    # Two processes share the machine's cores: one thread each keeps them from fighting.
    variables = {**environment["clean_variables"](), "OMP_NUM_THREADS": "1", "QT_QPA_PLATFORM": "offscreen"}
    failed = []
    for check in (*CHECKS, ("pytest", "-q", "-n", "2", *sys.argv[1:])):
        print(f"== {' '.join(check)}", flush=True)
        if subprocess.call([str(python), "-m", *check], cwd=ROOT, env=variables):
            failed.append(check[0])
    if not sys.argv[1:] and subprocess.call([str(python), "tests/interpreters.py"], cwd=ROOT, env=variables):
        failed.append("the interpreters of other Nukes")
    print(f"Failed: {', '.join(failed)}." if failed else "All is well: ruff, mypy and pytest passed.", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
