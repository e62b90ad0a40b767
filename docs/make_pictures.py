"""Make the pictures of the panels: ``python docs/make_pictures.py``. They show a real script on two small spliced reels, what
the four commands of the page Curate found on them, and a run folder whose figures are made up.

Drawn offscreen, at 100 % and 200 %, in a dark palette like Nuke's; inside Nuke the panels have Nuke's own style.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
_COLOURS = {
    "Window": "#323232", "WindowText": "#dcdcdc", "Base": "#2a2a2a", "AlternateBase": "#303030", "Text": "#dcdcdc",
    "Button": "#3c3c3c", "ButtonText": "#dcdcdc", "Highlight": "#b06a1c", "HighlightedText": "#ffffff",
    "ToolTipBase": "#444444", "ToolTipText": "#eeeeee", "Mid": "#505050", "Dark": "#202020", "PlaceholderText": "#8c8c8c",
}  # fmt: skip


def main() -> int:
    """Draw everything, once for each scale, in a process of its own: Qt reads the scale at its start."""
    if len(sys.argv) > 1:
        return draw(sys.argv[1])
    for scale in ("1", "2"):
        variables = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "QT_SCALE_FACTOR": scale}
        if subprocess.call([sys.executable, __file__, scale], env=variables):
            return 1
    return 0


def draw(scale: str) -> int:
    """Draw every page of the panel."""
    sys.path[:0] = [str(ROOT / "nuke_plugins")]
    import embedded_nuke

    nuke = embedded_nuke.install(gui=True, plugin_path=[str(ROOT / "gizmos")])
    from film_recovery_nuke.panels.qt import QtWidgets

    application = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    application.setStyle("Fusion")
    application.setPalette(dark_palette())
    suffix = "" if scale == "1" else "@2x"
    with tempfile.TemporaryDirectory() as folder:
        panel = make_panel(nuke, Path(folder))
        PICTURES.mkdir(exist_ok=True)
        for number, name in enumerate(
            ("elements", "analyse", "pairs", "target", "train", "infer", "compare", "environment", "preferences")
        ):
            panel.go(number)
            panel.show()
            for _ in range(5):
                application.processEvents()
            panel.grab().save(str(PICTURES / f"{name}{suffix}.png"))
        panel.go(1)
        for number, name in enumerate(("match", "select", "align"), start=1):
            panel.pages[1].go(number)
            for _ in range(5):
                application.processEvents()
            panel.grab().save(str(PICTURES / f"{name}{suffix}.png"))
        panel.close()
    return 0


def dark_palette() -> Any:
    """Colours like Nuke's."""
    from film_recovery_nuke.panels.qt import QtGui

    palette = QtGui.QPalette()
    for role, colour in _COLOURS.items():
        palette.setColor(getattr(QtGui.QPalette, role), QtGui.QColor(colour))
    return palette


def make_panel(nuke: Any, folder: Path) -> Any:
    """A panel on two small reels, with a run in its folder."""
    from film_recovery_nuke.graph import Pair
    from film_recovery_nuke.panels.main_panel import FilmRecoveryPanel

    reels = folder / "reels"
    reels.mkdir()
    subprocess.run([sys.executable, str(ROOT / "tests" / "host" / "make_reels.py"), str(reels)], check=True)
    root = nuke.root()
    root["first_frame"].setValue(1001)
    root["last_frame"].setValue(1023)
    root["format"].setValue("320 180 0 0 320 180 1 small")
    elements = {}
    for side, name, files, first, last in (("source", "internegative_35mm", "neg", 1001, 1023),
                                           ("reference", "print_16mm", "pos", 5001, 5024)):  # fmt: skip
        elements[side] = nuke.nodes.Read(
            file=(reels / f"{files}.####.exr").as_posix(), file_type="exr", first=first, last=last, raw=True, name=name
        )
        elements[side].setXYpos(200 * len(elements), 0)
    nuke.scriptSaveAs(str(folder / "recovery_v001.nk"), 1)
    panel = FilmRecoveryPanel()
    for side, node in elements.items():
        panel.state.set(side, node)
    curate, pairs = panel.pages[1], panel.pages[2]
    for number in (0, 1):
        run_command(curate, number)
    pairs.table.add(Pair(1010, 5010, False, "the spoon", by_hand=True))
    run_command(curate, 2)
    node = curate.tabs[2].use()
    pairs.thumbnails()
    curate.tabs[3].use_pairs()
    run_command(curate, 3)
    make_run(folder / "recovery" / f"{node.name()}_v001")
    node["run"].setValue(f"{node.name()}_v001")
    panel.pages[4].refresh()
    curate.go(0)
    return panel


def run_command(page: Any, number: int) -> None:
    """Run the command of a tab to its end. Raises :class:`RuntimeError` with what it said when it fails."""
    from film_recovery_nuke import curation

    page.go(number)
    tab = page.tabs[number]
    tab.start()
    while curation.standing(tab.folder()).state == "running":
        time.sleep(0.2)
    if curation.standing(tab.folder()).state != "finished":
        raise RuntimeError(curation.standing(tab.folder()).sentence())
    tab.refresh()


def make_run(folder: Path) -> None:
    """A run's diary through the contract's own writer: a training of 2400 steps, at step 1500."""
    from film_recovery.contract.events import EventLog

    folder.mkdir(parents=True)
    log = EventLog(folder / "events.jsonl")
    log.append("started", task="chroma", steps=2400, precision="fp32", device="cpu")
    log.append("start", step=0, held_out=34.8)
    for step in range(20, 1501, 20):
        loss = 1.4 + 2.2 * math.exp(-step / 400.0) + 0.15 * math.sin(step * 1.7)
        log.append("progress", step=step, loss=round(loss, 4))
        if step % 100 == 0:
            log.append("held_out", step=step, psnr=round(36.9 - 2.1 * math.exp(-step / 500.0), 3))
    log.append("warning", step=1400, text="Frame 1019 is the farthest from its target; add a pair like it.")
    log.append("stopped", step=1500)


if __name__ == "__main__":
    sys.exit(main())
