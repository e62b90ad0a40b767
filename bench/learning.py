"""What does training add to one LUT, and how soon? ``.venv/bin/python bench/learning.py`` measures it against known truth.

Each case is learned from a few pairs and judged on frames not learned from: by closed-form methods, by the training, and by a
plain RGB network trained as long by the same code, at each budget of seconds. Every finished piece is a line of JSON in the
cache, so a run that was cut off goes on when it is started again; changed code begins anew. Tables and a plot are written
beside those lines, and with ``--publish`` beside this file.

    --budgets 30,120   seconds that a training is told; with --full 10,30,120,300
    --only rabbit      cases whose names hold one of these words, divided by commas; --list names them
    --full             more cases and seeds, plain RGB trained for more than two minutes too: for a night
    --real FOLDER      real pairs too, <shot>/<row>_input.png and _target.png, one of three left out in turn: LUT against ours;
                       without it the page shows what was last published of them, and when that was measured
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import itertools
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from learning_cases import FULL, MORE, SIMULATION, USUAL, Case, Recipe, real_folds, simulated
from learning_figures import judge
from learning_methods import closed_form, closed_form_seconds, trained
from learning_page import published, write_page
from learning_results import Result
from selection import processor
from tolerance import CACHE

import film_recovery
from film_recovery.contract.atomic import write_text
from film_recovery.contract.errors import FilmRecoveryError
from film_recovery.training.initial import SHIPPED

HERE = Path(__file__).parent
RESULTS = CACHE / "learning" / "results.jsonl"
TRAINED = ("ours", "plain_rgb")
_LONGEST_PLAIN = 120.0  # seconds that plain RGB is trained for; with --full as long as ours
# What decides a figure: a change of any of these makes earlier results void.
_DECIDES = (
    "training/*.py", "modelfile/*.py", "pairs/balance.py", "pairs/lut.py", "pairs/targets.py", "pairs/dataset.py",
    "images/encodings.py", "images/colour.py", "images/colour_difference.py", "images/density.py", "images/single.py",
    "review/metrics.py", "review/baselines.py", "review/flicker.py", "contract/job.py", "contract/steady.py",
    "inference/steady.py", "inference/shimmer.py", "inference/beside.py", "inference/session.py", "inference/tiles.py",
)  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """One line of the results to be: a case, and the method ("" for all in closed form) trained for ``budget`` seconds."""

    case: str
    method: str
    budget: float


class Ledger:
    """Finished results on disk, one JSON line each; those of other code or of another machine stay there and are not used."""

    def __init__(self, path: Path) -> None:
        self.path, self.code, self.machine = path, _code(), _machine()
        path.parent.mkdir(parents=True, exist_ok=True)
        self.lines = [line for line in _lines(path) if _is_whole(line)]  # the last may have been cut off
        write_text(path, "".join(f"{line}\n" for line in self.lines))
        found = [json.loads(line) for line in self.lines]
        self.results = [Result(**one) for one in found if (one["code"], one["machine"]) == (self.code, self.machine)]

    def has(self, piece: Piece) -> bool:
        """Whether the piece is finished."""
        method = piece.method or "nothing"
        return any((one.case, one.method, one.budget) == (piece.case, method, piece.budget) for one in self.results)

    def add(self, results: Sequence[Result]) -> None:
        """Write the results of one piece, all or, when the process dies, none that would be taken for whole."""
        with open(self.path, "a", encoding="utf-8") as stream:
            stream.write("".join(json.dumps(dataclasses.asdict(one)) + "\n" for one in reversed(results)))
            stream.flush()
            os.fsync(stream.fileno())
        self.results += results


def measure(case: Case, piece: Piece, ledger: Ledger) -> list[Result]:
    """Do one piece: the closed-form methods together (the first of them is ``nothing``), or one training."""
    stamp = (time.strftime("%Y-%m-%d"), ledger.code, ledger.machine)
    if piece.method:
        with tempfile.TemporaryDirectory() as folder:
            method = trained(piece.method, case.dataset, piece.budget, 0, Path(folder) / "run")
            return [Result(piece.case, piece.method, piece.budget, *stamp, judge(piece.method, method, case), method.facts)]
    facts = {} if piece.case.startswith("real") else closed_form_seconds(case.dataset)
    methods = closed_form(case.dataset)
    return [Result(piece.case, name, 0.0, *stamp, judge(name, method, case), facts) for name, method in methods.items()]


def pieces(recipes: Sequence[Recipe], budgets: Sequence[float], full: bool) -> Iterator[Piece]:
    """Everything that the simulated cases ask for: plain RGB for two minutes at most unless ``full``; of those of more pairs
    only ours, by the shortest budget."""
    for recipe in recipes:
        yield Piece(recipe.name, "", 0.0)
        wanted = itertools.product(budgets, TRAINED) if recipe not in MORE else [(budgets[0], "ours")]
        for budget, method in wanted:
            if full or method == "ours" or budget <= _LONGEST_PLAIN:
                yield Piece(recipe.name, method, budget)


def main() -> int:
    """Measure what is not yet measured and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budgets", type=lambda text: tuple(sorted(float(one) for one in text.split(","))))
    parser.add_argument("--only", type=lambda text: tuple(text.split(",")), default=("",))
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--real", type=Path)
    parser.add_argument("--publish", action="store_true")
    parser.add_argument("--list", action="store_true")
    given = parser.parse_args()
    if given.publish and given.only != ("",):
        parser.error("a part of the cases is not published; leave out --only")
    budgets = given.budgets or ((10.0, 30.0, 120.0, 300.0) if given.full else (30.0, 120.0))
    recipes = [one for one in (*(FULL if given.full else USUAL), *MORE) if any(word in one.name for word in given.only)]
    if given.list:
        print("\n".join(recipe.name for recipe in recipes))
        return 0
    ledger, wanted = Ledger(RESULTS), list(pieces(recipes, budgets, given.full))
    for recipe in recipes:
        left = [piece for piece in wanted if piece.case == recipe.name and not ledger.has(piece)]
        case = simulated(recipe) if left else None
        for piece in left:
            assert case is not None
            _do(case, piece, ledger)
    for case in real_folds(given.real) if given.real and any(word in "real" for word in given.only) else ():
        both = [Piece(case.name, "", 0.0), Piece(case.name, "ours", _real_budget(budgets))]
        wanted += both
        for piece in both:
            if not ledger.has(piece):
                _do(case, piece, ledger)
    names = {(piece.case, piece.budget) for piece in wanted}
    shown = [one for one in ledger.results if (one.case, one.budget) in names]
    if not given.real:
        shown += [one for one in published(HERE / "learning.jsonl") if one.case.startswith("real")]
    words = " ".join("FOLDER" if word == str(given.real) else word for word in sys.argv[1:])
    folder = HERE if given.publish else RESULTS.parent
    regressions = write_page(folder, shown, f"bench/learning.py {words}".strip(), HERE / "learning.jsonl", _machine())
    print((folder / "learning.md").read_text(encoding="utf-8"))
    failed = [piece for piece in wanted if not ledger.has(piece)]
    print(f"{len(regressions)} regressions, {len(failed)} failed. Written to {folder / 'learning.md'}.")
    return 1 if failed else 0


def _real_budget(budgets: Sequence[float]) -> float:
    """Real folds are trained for 30 seconds, or the nearest budget there is."""
    return min(budgets, key=lambda one: abs(one - 30.0))


def _do(case: Case, piece: Piece, ledger: Ledger) -> None:
    """Do a piece, or say why it failed; it is tried again by the next run."""
    try:
        results = measure(case, piece, ledger)
    except FilmRecoveryError as error:
        print(f"{piece.case} {piece.method} {piece.budget:g} s failed: {error}", file=sys.stderr, flush=True)
        return
    ledger.add(results)
    for one in results:
        print(f"{one.case:>20} {one.method:>14} {one.budget:4g} s {one.figures['psnr']:7.2f} dB  {one.facts}", flush=True)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _is_whole(line: str) -> bool:
    try:
        return bool(json.loads(line))
    except json.JSONDecodeError:
        return False


def _code() -> str:
    """A hash of what decides the figures."""
    room = Path(film_recovery.__file__).parent
    files = [path for pattern in _DECIDES for path in sorted(room.glob(pattern))]
    files += [HERE / f"learning_{name}.py" for name in ("methods", "figures")] + [HERE / "handing_out.py"]
    files += [*SIMULATION, *sorted(SHIPPED.glob("initial_*"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def _machine() -> str:
    cores = len(os.sched_getaffinity(0))
    return f"{processor()}, {cores} processors, Python {platform.python_version()}, PyTorch {torch.__version__}"


if __name__ == "__main__":
    sys.exit(main())
