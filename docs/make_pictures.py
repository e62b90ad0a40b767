"""Make the pictures of the panels: ``python docs/make_pictures.py``. They show a real script
and a real run folder; the records on the page Curate are made up, through the contract, to fill its tables.

Drawn offscreen, at 100 % and 200 %, in a dark palette like Nuke's; inside Nuke the panels have Nuke's own style.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
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
    """A panel on a small real script with a run in its folder."""
    from film_recovery_nuke.graph import Pair
    from film_recovery_nuke.panels.main_panel import FilmRecoveryPanel

    root = nuke.root()
    root["first_frame"].setValue(1001)
    root["last_frame"].setValue(1048)
    root["format"].setValue("320 180 0 0 320 180 1 small")
    checker = nuke.nodes.CheckerBoard2(boxsize=40)
    source = nuke.nodes.Grade(inputs=[checker], name="internegative_35mm")
    source["multiply"].setValue([1.1, 0.7, 0.8, 1.0])
    reference = nuke.nodes.Blur(inputs=[checker], name="print_16mm", size=6)
    nuke.scriptSaveAs(str(folder / "recovery_v001.nk"), 1)
    panel = FilmRecoveryPanel()
    panel.state.names.update(source=source.name(), reference=reference.name())
    reasons = {1001: "lobby, warm", 1010: "skin, hat", 1015: "between 1010 and 1020", 1020: "red carpet", 1029: "foliage",
               1034: "between 1029 and 1048", 1048: "night, blue"}  # fmt: skip
    held_out = (1015, 1034)
    panel.pages[2].table.set_pairs([Pair(frame, frame, frame in held_out, text) for frame, text in reasons.items()])
    panel.pages[2].thumbnails()
    make_records(panel.pages[1])
    panel.go(4)
    node = panel.pages[4].use_pairs()
    make_run(folder / "recovery" / f"{node.name()}_v001")
    node["run"].setValue(f"{node.name()}_v001")
    panel.pages[4].refresh()
    return panel


def make_records(page: Any) -> None:
    """Records of the four commands through the contract: a reel with a splice, and a long name."""
    from film_recovery.contract import curation

    folders = [tab.folder() for tab in page.tabs]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "request.json").write_text("{}")
    sentences = ("Sharp, resolves 61 % of the finest detail; cyan has faded to a fifth.",
                 "Soft, resolves 24 % of the finest detail; its colours span the whole gamut.")  # fmt: skip
    names = ("internegative_35mm_reel_02_scan_2048x1556_log_before_cleaning.####.dpx", "print_16mm.####.exr")
    said = {"elements": [{"name": name, "sentence": text} for name, text in zip(names, sentences, strict=True)],
            "advice": "Chroma: the internegative is the source, the print the reference. Spatial: no gain."}  # fmt: skip
    (folders[0] / "worker.log").write_text(json.dumps(said))
    flat = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    parts = [curation.Segment(1001 + 40 * k, 1003 + 38 * k, 36 - k, 0.99 - 0.04 * k, [0] * (36 - k)) for k in range(9)]
    curation.MatchRecord(names[0], names[1], False, flat, parts, [[1037, 1040]], [], [], [],
                         ["Eight splices; source frames 1037-1040 have no partner."],
                             ).save(folders[1] / "match.json")  # fmt: skip
    reasons = ("warm lobby light", "skin in daylight", "foliage against sky", "deep shadow", "red carpet", "night exterior")
    pairs = [curation.ChosenPair(1001 + 53 * k, 1003 + 51 * k, k % 4 == 2, reasons[k % 6], "sequence",
                                 [f"covers {12 + k} % more of the looks"]) for k in range(14)]  # fmt: skip
    curation.SelectionRecord(names[0], names[1], "sequence", pairs,
                             [curation.ScopeRecord("sequence", 1001, 1728, 0.93, ["saturated blue"])],
                             [{"source": 1037, "reason": "a splice"}],
                             ["Look at 1160 for blue: nothing else has it."]).save(folders[2] / "pairs.json")  # fmt: skip
    bad = {4: ("rejected", "the picture is a flash: nothing to hold on to"), 9: ("doubtful", "little detail in the lower half")}
    frames = [curation.FrameAlignment(1001 + k, 1003 + k, flat, None, 0.08 + 0.01 * (k % 7), 0.3, 0.95,
                                      *bad.get(k, ("aligned", ""))) for k in range(48)]  # fmt: skip
    curation.AlignmentRecord(names[0], names[1], [320, 180], [320, 180], False, [8, 4, 304, 172], [[60, 150, 200, 20]],
                             frames).save(folders[3] / "align.json")  # fmt: skip


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
    log.append("warning", step=1400, text="Frame 1029 is the farthest from its target; add a pair like it.")
    log.append("stopped", step=1500)


if __name__ == "__main__":
    sys.exit(main())
