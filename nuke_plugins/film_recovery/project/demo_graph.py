"""The demonstration's recovery, through the node graph: the script ``combined.nk``, run headless as a farm would run it.

The worker knows neither Nuke's side nor the stand-in that runs it here; both are started as a process, by a command line that
a real Nuke understands as well.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from film_recovery.contract.environment import clean_variables
from film_recovery.contract.errors import InputError
from film_recovery.contract.progress import Reporter
from film_recovery.project.demo_places import DemoPlaces
from film_recovery.project.processes import run_process

_PACKAGE = Path(__file__).resolve().parents[3]
_SCRIPT = "combined.nk"
_QUIET = ("Writing ",)  # a line a frame is for farms


def run_graph(places: DemoPlaces, minutes: float, seed: int, reporter: Reporter) -> dict[str, Any]:
    """Write the scripts from the records of the curation; train, bake and render ``combined.nk``. What is done is left alone.

    Returns:
        By inference node its run, model, frames and files, and the files of every Write.

    Raises:
        InputError: the package is not whole.
        FilmRecoveryError: the run failed; its last sentence, with its exit code.
    """
    variables = {**clean_variables(), "NUKE_PATH": str(_PACKAGE), "PYTHONPATH": str(_PACKAGE / "nuke_plugins"),
                 "FILM_RECOVERY_PYTHON": sys.executable, "PYTHONUNBUFFERED": "1"}  # fmt: skip
    maker = _PACKAGE / "examples" / "nuke" / "make_scripts.py"
    if not maker.is_file():
        raise InputError(f"{maker} is not there; run the demonstration from a whole clone of the project.")
    reporter.stage(f"Writing {_SCRIPT} from the records of the curation")
    run_process([sys.executable, str(maker), "--curation", str(places.curation), "--out", str(places.out), "--minutes",
                 f"{minutes:g}", "--seed", str(seed)], variables, reporter)  # fmt: skip
    script, record = places.out / _SCRIPT, places.out / "graph.json"
    reporter.stage(f"Running {_SCRIPT} headless, through the node graph")
    line = [
        sys.executable, "-m", "embedded_nuke", "-t",
        str(_PACKAGE / "nuke_plugins" / "film_recovery_nuke" / "bake_script.py"),
        str(script), "--train", "--save", "--record", str(record), f"{places.line[0].frame}-{places.line[-1].frame}",
    ]  # fmt: skip
    run_process(line, variables, reporter, _QUIET)
    result: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
    return result
