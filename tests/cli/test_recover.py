"""``recover --only``: the passes that are named with what they build on, no other pass and no finished sequence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Cli = Callable[..., Any]
_PASS = 'frames = "1001,1004"\nheld_out = "1003"\nsteps = 1\nsize = "small"\npatch = 32\nbatch = 1\n'
_PROJECT = f"""\
name = "tiny"
output = "work"
[elements.negative]
files = "neg.####.exr"
[elements.print]
files = "print.####.exr"
[passes.colour]
task = "chroma"
source = "negative"
reference = "print"
apply = "1001-1004"
{_PASS}
[passes.detail]
task = "spatial"
source = "print"
reference = "colour"
apply = "1002"
{_PASS}
[passes.other]
task = "chroma"
source = "print"
reference = "negative"
apply = "1002"
{_PASS}
[sequence]
name = "finished"
order = ["colour", "detail"]
"""


def test_only_the_named_passes_and_those_they_build_on_are_run(run_cli: Cli, elements: Path) -> None:
    (elements / "project.toml").write_text(_PROJECT, encoding="utf-8")

    def run(*only: str) -> list[tuple[str, str]]:
        done = run_cli("recover", elements / "project.toml", *(word for name in only for word in ("--only", name)), "--json")
        assert done.code == 0, done.err
        assert "sequence" not in done.json and not (elements / "work" / "sequence").exists()
        return [(step["pass"], step["found"]) for step in done.json["passes"]]

    def rendered() -> list[str]:
        return sorted(path.name for path in (elements / "work").glob("passes/*/frames/*.exr"))

    colour = [f"colour.{frame}.exr" for frame in range(1001, 1005)]
    assert run("detail") == [("colour", "train"), ("detail", "train")]
    assert rendered() == [*colour, "detail.1002.exr"]
    assert run("other", "colour") == [("colour", "up to date"), ("other", "train")]
    assert rendered() == [*colour, "detail.1002.exr", "other.1002.exr"]
    unknown = run_cli("recover", elements / "project.toml", "--only", "colours")
    assert unknown.code == 3 and "no pass 'colours'; it has colour, detail, other" in unknown.sentence
