"""The house rules that a reader relies on, kept by reading the source: who may import whom, and how large things may grow."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
WORKER = ROOT / "nuke_plugins" / "film_recovery"
HOST = ROOT / "nuke_plugins" / "film_recovery_nuke"
EMBEDDED = ROOT / "nuke_plugins" / "embedded_nuke"
EXAMPLES = ROOT / "examples"
OUTSIDE_NUKE = sorted([*WORKER.rglob("*.py"), *(EXAMPLES / "film_elements").rglob("*.py")])
IN_NUKE = sorted(HOST.rglob("*.py"))
STAND_IN = sorted(EMBEDDED.rglob("*.py"))
MODULES = [*OUTSIDE_NUKE, *IN_NUKE, *STAND_IN]

_BELOW_PAIRS = {"contract", "images", "elements"}
ALLOWED = {
    "contract": set(),
    "images": {"contract"},
    "elements": {"contract", "images"},
    "pairs": _BELOW_PAIRS,
    "modelfile": {"contract", "images"},
    "training": {*_BELOW_PAIRS, "pairs", "modelfile"},
    "inference": {"contract", "images", "modelfile"},
    "review": {*_BELOW_PAIRS, "pairs", "modelfile", "inference"},
    "project": {*_BELOW_PAIRS, "pairs", "modelfile", "training", "inference", "review"},
    "cli": {*_BELOW_PAIRS, "pairs", "modelfile", "training", "inference", "review", "project"},
}
DISTRIBUTIONS = {
    "cv2": "opencv-python-headless", "google": "protobuf", "PIL": "pillow", "PyOpenColorIO": "opencolorio",
    "skimage": "scikit-image",
}  # fmt: skip
# Where the stand-in runs Python that a person gave it: a script named on the command line, or a callback of a trusted script.
RUNS_SCRIPTS = {EMBEDDED / "api" / "python_code.py"}
LONGEST_MODULE, LONGEST_FUNCTION = 600, 80


def _named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{_named(path)}:{node.lineno} imports relatively; write the whole name"
            module = node.module or ""
            yield module
            if module == "film_recovery":
                yield from (f"film_recovery.{name.name}" for name in node.names)


@pytest.mark.parametrize("path", OUTSIDE_NUKE, ids=_named)
def test_a_room_imports_only_the_rooms_below_it(path: Path) -> None:
    room = path.relative_to(WORKER).parts[0] if path.is_relative_to(WORKER) else "examples"
    allowed = {"images", "contract", "examples"} if room == "examples" else {room, *ALLOWED.get(room, set())}
    rooms = {parts[1] for name in _imports(path) if (parts := name.split("."))[0] == "film_recovery" and len(parts) > 1}
    assert rooms <= allowed | {"__version__"}
    assert not {"nuke", "nukescripts", "film_recovery_nuke", "embedded_nuke"} & {name.split(".")[0] for name in _imports(path)}


@pytest.mark.parametrize("path", IN_NUKE, ids=_named)
def test_inside_nuke_there_is_the_standard_library_nuke_and_qt(path: Path) -> None:
    """Nuke's Python has nothing else, and of the worker only the contract may be known."""
    names = set(_imports(path))
    roots = {name.split(".")[0] for name in names}
    assert roots <= sys.stdlib_module_names | {"nuke", "nukescripts", "film_recovery", "film_recovery_nuke"}
    is_shim = path == HOST / "panels" / "qt.py"  # Qt is chosen there, and nowhere else
    assert is_shim or "PySide" not in path.read_text(encoding="utf-8")
    assert not [name for name in names if name.startswith("film_recovery.") and name.split(".")[1] != "contract"]
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))


@pytest.mark.parametrize("path", STAND_IN, ids=_named)
def test_the_stand_in_knows_nothing_of_film_recovery(path: Path) -> None:
    """It stands for Nuke; only its renderer needs more than the standard library."""
    roots = {name.split(".")[0] for name in _imports(path)}
    rendering = {"numpy", "OpenImageIO", "PyOpenColorIO"} if path.is_relative_to(EMBEDDED / "render") else set()
    assert roots <= sys.stdlib_module_names | {"embedded_nuke"} | rendering
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))


@pytest.mark.parametrize("path", OUTSIDE_NUKE, ids=_named)
def test_only_the_demonstration_knows_the_examples(path: Path) -> None:
    if path.is_relative_to(WORKER) and path != WORKER / "project" / "demo.py":
        assert not [name for name in _imports(path) if name.split(".")[0] == "film_elements"]


@pytest.mark.parametrize("path", sorted((WORKER / "contract").glob("*.py")), ids=_named)
def test_the_contract_needs_nothing_but_the_standard_library(path: Path) -> None:
    """Nuke's own Python reads the contract too, and has nothing else."""
    roots = {name.split(".")[0] for name in _imports(path)}
    assert roots <= sys.stdlib_module_names | {"film_recovery"}
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))


def test_the_bootstrap_parses_with_an_old_python_and_imports_no_room() -> None:
    """It runs before anything is installed, and has to be able to say that Python is too old."""
    for path in (WORKER / "contract" / "environment.py", EXAMPLES / "run_demo.py", ROOT / "tests" / "run_tests.py"):
        ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 7))
        assert {name.split(".")[0] for name in _imports(path)} <= sys.stdlib_module_names


@pytest.mark.parametrize("path", MODULES, ids=_named)
def test_modules_and_functions_stay_readable(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE
    is_cli = path.is_relative_to(WORKER / "cli")
    for node in ast.walk(_tree(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not is_cli:
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= LONGEST_FUNCTION, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", MODULES, ids=_named)
def test_no_error_is_swallowed_wholesale(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"bare except in line {node.lineno}"
            said = ("# noqa: BLE001 - ", "# outermost wall")
            if not path.is_relative_to(WORKER) and any(mark in lines[node.lineno - 1] for mark in said):
                continue  # the last wall of a callback or a process: Nuke goes on; the reason stands in the line
            caught = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)}
            assert not caught & {"Exception", "BaseException"}, f"too much is caught in line {node.lineno}"


@pytest.mark.parametrize("path", MODULES, ids=_named)
def test_no_code_is_loaded_from_data(path: Path) -> None:
    assert not {"pickle", "marshal", "shelve", "dill", "joblib"} & {name.split(".")[0] for name in _imports(path)}
    calls = {ast.unparse(node.func) for node in ast.walk(_tree(path)) if isinstance(node, ast.Call)}
    forbidden = {"torch.load", "torch.jit.load", "eval", "exec", "yaml.load"}
    if path in RUNS_SCRIPTS:
        forbidden -= {"eval", "exec"}
    if path == WORKER / "modelfile" / "torchscript.py":
        forbidden -= {"torch.jit.load"}  # what it has just written itself, to check it
    assert not calls & forbidden


def test_every_package_that_is_imported_is_declared_and_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split(r"[<>=!~\[]", entry)[0].lower().replace("_", "-") for entry in project["dependencies"]}
    own = {"film_recovery", "film_elements", "film_recovery_nuke", "embedded_nuke", "nuke", "nukescripts"}
    own |= {"PySide2", "PySide6", "shiboken2", "shiboken6"}  # Nuke brings one of them
    used = {name.split(".")[0] for path in MODULES for name in _imports(path)} - set(sys.stdlib_module_names) - own
    assert {DISTRIBUTIONS.get(name, name).lower() for name in used} == declared

    extras = {re.split(r"[<>=!~\[]", entry)[0].lower() for entry in project["optional-dependencies"]["dev"]}
    pins = (ROOT / "nuke_plugins" / "constraints.txt").read_text(encoding="ascii").splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in pins if "==" in line}
    assert declared | extras <= pinned
    assert all(line.startswith("#") or re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in pins)


def test_the_pins_lie_within_the_ranges() -> None:
    """Or pip refuses to install anything at all, on a machine that has no environment yet."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "nuke_plugins" / "constraints.txt").read_text(encoding="ascii").splitlines()
    pins = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines if "==" in line)}
    for entry in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
        asked = Requirement(entry)
        assert asked.specifier.contains(pins[canonicalize_name(asked.name)]), entry


def test_empty_rooms_do_not_exist() -> None:
    folders = {path.parent for path in MODULES} - {WORKER, HOST, EMBEDDED}
    assert not [folder for folder in folders if {entry.name for entry in folder.glob("*.py")} == {"__init__.py"}]
