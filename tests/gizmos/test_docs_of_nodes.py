"""The page of nodes is the gizmos' own text, and what is shipped for a real Nuke runs in the stand-in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_of_nodes_is_up_to_date() -> None:
    import runpy

    made = runpy.run_path(str(ROOT / "docs" / "make_nodes.py"))["page"]()
    assert (ROOT / "docs" / "nodes.md").read_text(encoding="utf-8") == made, "run python docs/make_nodes.py"


def test_the_measurement_for_a_real_nuke_runs() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "nuke_plugins"), "NUKE_PATH": str(ROOT)}
    command = [sys.executable, "-m", "embedded_nuke", "-t", str(ROOT / "tests" / "gizmos" / "measure_in_nuke.py")]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=600)
    assert result.returncode == 0, result.stdout + result.stderr
    assert [line.split()[-1] for line in result.stdout.splitlines()] == ["good"] * 4
