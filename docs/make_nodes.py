"""Write ``docs/nodes.md`` from the gizmos themselves: ``python docs/make_nodes.py``. A test keeps both equal."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "nuke_plugins"))

from embedded_nuke.script.check import read_text  # noqa: E402
from embedded_nuke.script.commands import Command, parse_script  # noqa: E402
from embedded_nuke.script.words import split_words, value_of  # noqa: E402

_ORDER = ("RecoveryAlign", "RecoveryBalance", "RecoveryTarget", "RecoveryTrain", "RecoveryInference", "RecoveryMerge",
          "RecoveryCompare", "RecoveryBaseline", "RecoveryCurve")  # fmt: skip
_KINDS = {"1": "text", "2": "file", "3": "whole number", "4": "choice", "6": "check box", "7": "number",
          "12": "position", "13": "three numbers", "14": "two numbers", "15": "box", "22": "button", "52": "panel"}  # fmt: skip
_HEAD = """# Nodes

Every node is a plain `.gizmo` of stock nodes, without anything of NukeX. The knobs' names are an interface: scripts hold
them, so they are never renamed. This page is written from the gizmos by `python docs/make_nodes.py`.
"""


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(_node(name) for name in _ORDER)


def _node(name: str) -> str:
    outer = parse_script(read_text(ROOT / "gizmos" / f"{name}.gizmo"), name)
    gizmo = next(command for command in outer if command.kind == "Gizmo")
    help_text = next(value_of(line.words[0]) for line in gizmo.knobs() if line.name == "help")
    inputs = ", ".join(_inputs(outer)) or "none"
    rows = [row for line in gizmo.knobs() if line.name == "addUserKnob" and (row := _row(value_of(line.words[0])))]
    table = "\n".join(["| knob | name | kind | |", "|---|---|---|---|", *rows])
    return f"\n## {name}\n\n{help_text}\n\nInputs: {inputs}.\n\n{table}\n"


def _inputs(commands: list[Command]) -> list[str]:
    found = []
    for command in commands:
        if command.kind == "Input":
            knobs = {line.name: value_of(line.words[0]) for line in command.knobs()}
            found.append((int(knobs.get("number", "0")), knobs["name"]))
    return [f"{number} {name}" for number, name in sorted(found)]


def _row(definition: str) -> str:
    words = split_words(definition)
    kind = _KINDS.get(words[0])
    if kind is None or "+INVISIBLE" in words:
        return ""
    options = {words[at]: value_of(words[at + 1]) for at in range(2, len(words) - 1) if words[at] in ("l", "t", "M")}
    values = ", ".join(value_of(word) for word in split_words(options.get("M", "")))
    tip = options.get("t", "").replace("|", "\\|")
    return f"| {options.get('l', '')} | `{value_of(words[1])}` | {kind}{': ' + values if values else ''} | {tip} |"


if __name__ == "__main__":
    (ROOT / "docs" / "nodes.md").write_text(page(), encoding="utf-8")
