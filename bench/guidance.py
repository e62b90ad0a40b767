"""Are spoiled trainings named, and sound ones left in peace? ``.venv/bin/python bench/guidance.py`` writes ``guidance.md``.

Twelve trainings are spoiled on purpose and six are sound; each is trained by the trainer itself, short and small, and what it
tells about itself is compared with what was done to it. A spoiled one counts when the right name is among at most two
warnings, a sound one when there is none. The limits of the judges were set while looking at the first set; the second, of
other footage, elements and chance, was not looked at.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from guidance_cases import Case, checked, usual

from film_recovery.contract.findings import Finding, load_findings
from film_recovery.contract.job import TrainingJob
from film_recovery.contract.run_folder import RunFolder
from film_recovery.training.loop import train_dataset

HERE = Path(__file__).parent
STEPS = 160
_NEVER = 1_000_000


def train(case: Case, folder: Path) -> list[Finding]:
    """Train a case into a new folder; its findings."""
    values: dict[str, object] = {
        "steps": STEPS, "size": "small", "patch": 64, "batch": 4, "device": "cpu", "precision": "fp32",
        "sheet_interval": _NEVER, "checkpoint_interval": _NEVER, **case.settings,
    }  # fmt: skip
    train_dataset(TrainingJob("chroma", "", "", **values), folder, case.make())  # type: ignore[arg-type]
    return load_findings(RunFolder(folder).findings)


def is_right(case: Case, warnings: list[Finding]) -> bool:
    """The right name among at most two for a spoiled case, none for a sound one."""
    names = [finding.name for finding in warnings]
    return len(names) <= 2 and any(name in case.right for name in names) if case.right else not names


def table(cases: list[Case], folder: Path) -> tuple[list[str], int, int]:
    """Rows of a set, and how many spoiled and sound cases were judged rightly."""
    rows, counts = [], {True: 0, False: 0}
    for number, case in enumerate(cases):
        begin = time.perf_counter()
        warnings = [finding for finding in train(case, folder / str(number)) if finding.severity == "warning"]
        right = is_right(case, warnings)
        counts[bool(case.right)] += right
        named = ", ".join(finding.name for finding in warnings) or "nothing"
        wanted = " or ".join(case.right) or "nothing"
        rows.append(f"| {case.name} | {case.what} | {wanted} | {named} | {'yes' if right else 'NO'} |")
        print(f"{rows[-1]} {time.perf_counter() - begin:.0f} s", flush=True)
        for finding in warnings:
            print(f"    {finding.text}", flush=True)
    return rows, counts[True], counts[False]


def main() -> int:
    """Run and write the page; 1 when fewer than 11 of 12 are named or a sound one is warned about."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="run the cases whose names hold this word, and write no page")
    parser.add_argument("--keep", type=Path, help="keep the runs in this folder, to look at their pictures")
    options = parser.parse_args()
    begin, lines, passed = time.perf_counter(), [], True
    with tempfile.TemporaryDirectory() as temporary:
        for title, cases in (("The usual set", usual()), ("Other elements and chance, partly other footage", checked())):
            chosen = [case for case in cases if options.only in f"{title} {case.name}"]
            spoiled, sound = (sum(bool(case.right) is one for case in chosen) for one in (True, False))
            rows, named, quiet = table(chosen, (options.keep or Path(temporary)) / title.split()[-1])
            passed = passed and named >= spoiled - 1 and quiet == sound
            lines += [
                f"## {title}", "",
                f"Spoiled and named: {named} of {spoiled}. Sound and not warned about: {quiet} of {sound}.", "",
                "| case | what was done | right | named | counts |", "|---|---|---|---|---|", *rows, "",
            ]  # fmt: skip
    if not options.only:
        head = [
            "# Guidance", "",
            f"{datetime.date.today().isoformat()}, {os.cpu_count()} processors, Python {platform.python_version()}, "
            f"{(time.perf_counter() - begin) / 60:.0f} minutes. Written by `bench/guidance.py`.", "",
            f"Simulated elements, 352x196, six pairs and two held out unless told otherwise, small network, {STEPS} steps.",
            "A spoiled training counts when the right name is among at most two warnings, a sound one when there is none.",
            "The limits of the judges were set while looking at the first set and at pairs of other chance,",
            "not at the second.", "",
        ]  # fmt: skip
        (HERE / "guidance.md").write_text("\n".join([*head, *lines]), encoding="utf-8")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
