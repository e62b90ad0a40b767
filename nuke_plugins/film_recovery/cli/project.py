"""The command for combined recovery: passes that build on each other, from one project file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from film_recovery.cli.console import PATH, stoppable


@click.command()
@click.argument("project", type=PATH)
@click.option("--only", multiple=True, metavar="PASS", help="Run only this pass and what it needs; may be repeated.")
@click.option("--plan", "plan_only", is_flag=True, help="Say what is up to date and what would be done, and why; do nothing.")
def recover(project: Path, only: tuple[str, ...], plan_only: bool) -> dict[str, Any]:
    """Run the passes of PROJECT, a .toml file, in order; what is up to date is left alone, what was stopped goes on.

    \b
    film-recovery recover reel3.toml --plan
    film-recovery recover reel3.toml

    docs/project-file.md describes the file.
    """
    if plan_only:
        from film_recovery.project.plan import plan_project

        steps = plan_project(project, list(only) or None)
        names = [step.name for step in steps]
        for step in steps:
            unit = f", {step.unit}" if names.count(step.name) > 1 else ""
            click.echo(f"{step.name}{unit}: {step.state}, {step.reason}", err=True)
        return {"passes": [asdict(step) for step in steps]}
    from film_recovery.project.run import run_project

    with stoppable() as reporter:
        return run_project(project, reporter, only=list(only) or None)
