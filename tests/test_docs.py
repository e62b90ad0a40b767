"""What the pages say is so: links lead somewhere, the commands exist, the examples can be read."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from film_recovery.cli.main import cli
from film_recovery.project.schema import load_project

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("*/README.md")])


def _named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    headings = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in headings, target
        elif "://" not in target:
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    names = {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert {name for name in names if f"({name})" not in index} == set()


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_commands_on_the_pages_can_be_understood(page: Path) -> None:
    """Every command line in a code block names a command and options that exist."""
    for block in re.findall(r"```\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.replace("[", " ").replace("]", " "))
            if words[:1] != ["film-recovery"]:
                continue
            known = {option for parameter in cli.commands[words[1]].params for option in parameter.opts}
            assert {word for word in words[2:] if word.startswith("--")} <= known, line


def test_continuous_integration_runs_the_two_commands_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    commands = [line for line in script.splitlines() if line.startswith("python3 ")]
    assert commands == ["python3 examples/run_demo.py", "python3 tests/run_tests.py"]
    assert "set -euo pipefail" in script
    blocks = re.findall(r"```\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert {f"{command}\n" for command in commands} <= set(blocks)


def test_the_project_file_on_its_page_can_be_read(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "project-file.md").read_text(encoding="utf-8")
    (tmp_path / "project.toml").write_text(re.findall(r"```toml\n(.*?)```", page, re.DOTALL)[0], encoding="utf-8")
    project = load_project(tmp_path / "project.toml")
    assert project.order() == ["colour", "detail"]
