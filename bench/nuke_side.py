"""How fast Nuke's side is in the stand-in: start-up, opening a script, rendering, gathering. Writes ``nuke_side.md``.

These are figures of the stand-in, not of Nuke: they say what a headless run without Nuke costs beside the worker.
"""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "nuke_plugins"))

import embedded_nuke  # noqa: E402
from embedded_nuke.render import engine  # noqa: E402

TABLE = Path(__file__).with_name("nuke_side.md")
SIZE = (1920, 1080)
GIZMOS = ("RecoveryCurve", "RecoveryBalance", "RecoveryTarget", "RecoveryMerge", "RecoveryCompare")


def fastest(call: Callable[[], Any], times: int = 3) -> float:
    """Seconds of the fastest of a few calls."""
    found = []
    for _ in range(times):
        begin = time.perf_counter()
        call()
        found.append(time.perf_counter() - begin)
    return min(found)


def start_up() -> float:
    """Seconds of a process that opens the combined example."""
    program = f"import nuke; nuke.scriptOpen({str(ROOT / 'examples' / 'nuke' / 'combined.nk')!r})\n"
    variables = {**os.environ, "NUKE_PATH": str(ROOT), "PYTHONPATH": str(ROOT / "nuke_plugins")}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "open.py"
        file.write_text(program, encoding="utf-8")
        command = [sys.executable, "-m", "embedded_nuke", "-t", str(file)]
        return fastest(lambda: subprocess.run(command, env=variables, check=True, capture_output=True))


def rows() -> list[tuple[str, str]]:
    """What was measured, and the figure with its unit."""
    nuke: Any = embedded_nuke.install(plugin_path=[str(ROOT / "gizmos")])
    nuke.root()["format"].setValue(f"{SIZE[0]} {SIZE[1]} 0 0 {SIZE[0]} {SIZE[1]} 1 HD")
    megapixels = SIZE[0] * SIZE[1] / 1e6
    found = [("process that opens combined.nk", f"{start_up():.2f} s")]
    sources = [nuke.nodes.CheckerBoard2(boxsize=40 + 7 * number) for number in range(3)]

    def render(node: Any) -> None:
        engine.reset()
        for source in sources:
            engine.render_node(source, 1.0)  # what comes before is not measured
        engine.render_node(node, 1.0)

    base = fastest(lambda: [engine.reset(), *(engine.render_node(source, 1.0) for source in sources)])
    for name in GIZMOS:
        node = getattr(nuke.nodes, name)(inputs=sources)
        seconds = max(fastest(lambda node=node: render(node)) - base, 0.0)  # type: ignore[misc]
        found.append((f"{name}, 1080p", f"{1000 * seconds / megapixels:.0f} ms per megapixel"))
    with tempfile.TemporaryDirectory() as folder:
        write = nuke.nodes.Write(inputs=[sources[0]], file=f"{folder}/%04d.exr", file_type="exr", channels="rgb", raw=True)
        write["datatype"].setValue("32 bit float")
        seconds = fastest(lambda: nuke.execute(write, 1, 1))
        found.append(("gathering a frame (32-bit float EXR), 1080p", f"{1000 * seconds / megapixels:.0f} ms per megapixel"))
    return found


def main() -> int:
    """Measure and write the table."""
    when = datetime.date.today().isoformat()
    head = f"# Nuke's side, in the stand-in\n\n{when}, {os.cpu_count()} processors, Python {platform.python_version()}. "
    lines = [head + "Written by `bench/nuke_side.py`.\n", "| what | figure |", "|---|---|"]
    lines += [f"| {what} | {figure} |" for what, figure in rows()]
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
