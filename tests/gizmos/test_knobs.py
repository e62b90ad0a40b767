"""What the gizmos, the examples and the host code name is there: node classes, knobs, inner nodes, icons, pinned names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from embedded_nuke.script import check
from embedded_nuke.script.commands import Command, parse_script
from embedded_nuke.script.words import split_words, value_of
from embedded_nuke.table import table

ROOT = Path(__file__).resolve().parents[2]
GIZMOS = sorted((ROOT / "gizmos").glob("*.gizmo"))
EXAMPLES = sorted((ROOT / "examples" / "nuke").glob("*.nk"))
HOST = sorted((ROOT / "nuke_plugins" / "film_recovery_nuke").rglob("*.py"))

# Scripts hold these names: a release may add to them, never rename or remove.
PINNED = {
    "RecoveryBalance": "encoding row0 row1 row2 offset frames align fitFromPairs resetBalance status",
    "RecoveryTarget": "task encoding matrix clampTarget dropAlpha bbox view",
    "RecoveryTrain": "task frames heldOut referenceFrames dataDirectory modelSize cropSize batchSize trainFor minutes steps "
    "stopWhenLevel checkpointInterval imageInterval "
    "initialWeights useGPUIfAvailable seed matrix encoding balance balanceNumbers align previewFrame previewOn "
    "verifyInputs startTraining stopTraining resumeTraining createInference run pairReasons status chart smoothness logScale "
    "model",
    "RecoveryInference": "modelFile useGPUIfAvailable precision tileSize steady grain confidence cacheFolder mix output "
    "missingFrames bakeFrame bakeRange clearCache bakeFrames status cacheKey",
    "RecoveryCompare": "mode label0 label1 label2 label3 showLabels wipe vertical differenceGain inputCount columns gap "
    "firstFrame frameColumns",
    "RecoveryBaseline": "lutFile encoding mix",
    "RecoveryMerge": "mode encoding matrix mix",
    "RecoveryCurve": "encoding direction",
    "RecoveryAlign": "output alignment load createSource retime filter rejectedFrames status "
    "useHand handHere automaticHere handTranslate handRotate handScale handCenter cropOn cropReformat cropBox masks mask1 "
    "mask2 mask3 mask4 differenceGain wipe to1 to2 to3 to4 referenceFrame warpOn warpFiles warpNumber loaded",
}
INPUTS = {"RecoveryBalance": 2, "RecoveryTarget": 2, "RecoveryTrain": 3, "RecoveryInference": 1, "RecoveryCompare": 4,
          "RecoveryBaseline": 1, "RecoveryMerge": 2, "RecoveryCurve": 1, "RecoveryAlign": 2}  # fmt: skip


def _commands(path: Path) -> list[Command]:
    return parse_script(check.read_text(path), path.name)


def _user_knobs(command: Command) -> dict[str, list[str]]:
    """Name to the words of its definition, of the user knobs of a gizmo or a group."""
    found = {}
    for line in command.knobs():
        if line.name == "addUserKnob":
            words = [value_of(word) for word in split_words(value_of(line.words[0]))]
            found[words[1]] = words
    return found


def _gizmo_head(path: Path) -> Command:
    return next(command for command in _commands(path) if command.kind == "Gizmo")


def _known_knobs(kind: str) -> set[str]:
    if kind in PINNED:
        return set(_user_knobs(_gizmo_head(ROOT / "gizmos" / f"{kind}.gizmo"))) | set(table.class_spec("Gizmo").knobs)
    spec = table.class_spec(kind)
    return {*spec.knobs, *spec.aliases, *(name for more in spec.file_type_knobs.values() for name in more)}


@pytest.mark.parametrize("path", [*GIZMOS, *EXAMPLES], ids=lambda path: path.name)
def test_it_comes_back_the_same_when_written_and_read_again(path: Path) -> None:
    assert check.check_text(check.read_text(path), path.name) == ""


@pytest.mark.parametrize("path", [*GIZMOS, *EXAMPLES], ids=lambda path: path.name)
def test_every_class_and_knob_in_a_script_is_known_and_none_needs_nukex(path: Path) -> None:
    for command in _commands(path):
        if not command.kind[0].isupper() or command.kind in ("Gizmo", "Group"):
            continue
        assert command.kind in PINNED or command.kind in table.known_classes(), f"line {command.line}: {command.kind}"
        assert command.kind in PINNED or not table.class_spec(command.kind).nukex, f"line {command.line}: {command.kind}"
        unknown = {line.name for line in command.knobs()} - _known_knobs(command.kind) - {"inputs"}
        assert not unknown, f"line {command.line}: {command.kind} has no knob {sorted(unknown)}"


@pytest.mark.parametrize("path", GIZMOS, ids=lambda path: path.stem)
def test_a_gizmo_explains_itself(path: Path) -> None:
    head = _gizmo_head(path)
    values = {line.name: line.words[0] for line in head.knobs() if line.name != "addUserKnob"}
    assert len(value_of(values["help"])) > 80
    assert int(value_of(values["tile_color"]), 16) & 0xFF == 0xFF
    icon = ROOT / "gizmos" / value_of(values["icon"])
    assert icon.read_bytes().startswith(b"\x89PNG")
    for name, words in _user_knobs(head).items():
        shown = words[0] not in ("20", "26") and "+INVISIBLE" not in words
        assert not shown or "t" in words, f"{name} has no tooltip"


def test_the_names_of_knobs_and_inputs_stay(nuke: Any) -> None:
    assert {path.stem for path in GIZMOS} == set(PINNED)
    for kind, names in PINNED.items():
        node = getattr(nuke.nodes, kind)()
        assert set(names.split()) <= set(node.knobs()), kind
        assert node.maxInputs() == INPUTS[kind], kind


def test_inner_writes_are_off_until_they_are_needed(nuke: Any) -> None:
    for kind in PINNED:
        for inner in getattr(nuke.nodes, kind)().nodes():
            if inner.Class() == "Write":
                assert inner["disable"].value(), f"{kind}.{inner.name()} would be rendered by every render"
                assert (inner["datatype"].value(), inner["raw"].value()) == ("32 bit float", True)


def _receiver(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return ast.unparse(node.func).split(".")[-1] if isinstance(node, ast.Call) else ""


_NODES = {"node", "root", "write", "hold", "one", "clip", "made", "read", "trainer", "backdrop", "inside", "toNode", "creator"}


def _named_knobs(path: Path) -> Iterator[tuple[int, str]]:
    """Line and name of every knob that is asked for by a fixed name."""
    for part in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        key: Any = None
        if isinstance(part, ast.Subscript) and _receiver(part.value) in _NODES:
            key = part.slice
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr == "knob" and part.args:
            key = part.args[0]
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield part.lineno, key.value


@pytest.mark.parametrize("path", HOST, ids=lambda path: path.stem)
def test_every_class_and_knob_in_the_host_code_is_known(path: Path) -> None:
    known = {knob for kind in (*table.known_classes(), *PINNED) for knob in _known_knobs(kind)}
    for line, name in _named_knobs(path):
        assert name in known, f"{path.name}:{line}: no node has a knob '{name}'"
    for part in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(part, ast.Call) and ast.unparse(part.func).startswith("nuke.nodes."):
            kind = ast.unparse(part.func)[len("nuke.nodes.") :]
            given = {keyword.arg for keyword in part.keywords if keyword.arg} - {"inputs"}
            assert given <= _known_knobs(kind), f"{path.name}:{part.lineno}: {kind}"
        made_by_name = isinstance(part, ast.Call) and ast.unparse(part.func).endswith("createNode")
        if made_by_name and isinstance(part.args[0], ast.Constant):
            kind = str(part.args[0].value)
            assert kind in PINNED or kind in table.known_classes(), f"{path.name}:{part.lineno}: {kind}"
