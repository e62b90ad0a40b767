"""A training that was told a time keeps it, also where the probe was wrong; what the clock decided is in the plan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from film_recovery.cli.main import main
from film_recovery.contract.events import read_events
from film_recovery.contract.job import TrainingJob
from film_recovery.contract.run_folder import RunFolder
from film_recovery.pairs.dataset import Dataset, Pair
from film_recovery.pairs.manifest import Manifest
from film_recovery.review.run_report import training_facts
from film_recovery.training import plan as plan_module
from film_recovery.training.loop import train_dataset
from film_recovery.training.network import make_network
from film_recovery.training.plan import Clock, TrainingPlan, load_plan, make_plan


class Time:
    """Seconds that pass when they are told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(plan_module.time, "monotonic", lambda: self.now)


def seconds_taken(seconds: float, planned: int, slower: float, turns: float) -> tuple[float, float]:
    """How long a training takes, and its longest step, on a machine ``slower`` than the probe had it, which after a quarter of
    the time becomes ``turns`` as slow again."""
    with pytest.MonkeyPatch.context() as patch:
        time = Time(patch)
        clock, steps, done, usual = Clock(seconds, planned), planned, 0, seconds / planned * slower
        while done < steps:
            time.now += usual * (turns if time.now - 1000.0 > 0.25 * seconds else 1.0)
            done += 1
            steps = clock.steps(done) or steps
        return time.now - 1000.0, usual * max(turns, 1.0)


@given(st.floats(5.0, 3600.0), st.integers(50, 3000), st.floats(0.3, 20.0))
def test_steps_fit_the_time_whatever_the_probe_said(seconds: float, planned: int, slower: float) -> None:
    taken, step = seconds_taken(seconds, planned, slower, 1.0)
    assert abs(taken - seconds) <= 2.0 * step


@given(st.floats(5.0, 3600.0), st.integers(400, 3000), st.floats(0.5, 2.0))
def test_a_machine_that_becomes_slower_or_faster_is_followed(seconds: float, planned: int, turns: float) -> None:
    taken, step = seconds_taken(seconds, planned, 1.0, turns)
    assert 0.75 * seconds - 2.0 * step <= taken <= 1.35 * seconds + 2.0 * step  # left to itself: 0.63 and 1.75


def test_a_probe_that_was_wrong_costs_no_more_than_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(2)
    pictures = [random.uniform(0.1, 0.8, (48, 64, 3)).astype(np.float32) for _ in range(3)]
    pairs = [Pair(number, number == 2, one, one * 0.9, one * 0.9) for number, one in enumerate(pictures)]
    manifest = Manifest("chroma", "display", "709", "luma", None, [0, 0, 64, 48], "", "", 0, {}, [], [])
    monkeypatch.setattr(plan_module, "probe_step", lambda *_: 1e-5)  # far too fast
    job = TrainingJob("chroma", "", "", minutes=0.05, size="small", patch=32, batch=2, device="cpu")
    result = train_dataset(job, tmp_path / "run", Dataset(manifest, pairs))
    run = RunFolder(tmp_path / "run")
    started, planned = read_events(run.events, "started"), read_events(run.events, "planned")
    assert len(planned) == 2 and result.steps == planned[-1]["steps"] == load_plan(run.plan).steps
    assert result.steps < 0.1 * started[0]["steps"]
    assert read_events(run.events, "held_out")[-1]["step"] == result.steps
    assert ("steps", str(result.steps)) in training_facts(run)
    assert main(["status", str(run.path)]) == 0
    assert f"step {result.steps} of {result.steps}," in capsys.readouterr().err


def test_a_coarse_clock_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    time = Time(monkeypatch)
    clock = Clock(10.0, 100)
    assert [clock.steps(done) for done in (10, 11, 12)] == [None] * 3
    time.now += 2.0
    assert clock.steps(20) == 100


def test_a_plan_that_ends_sooner_is_still_judged_on_its_way() -> None:
    plan = TrainingPlan(1200, "fp32", "cpu", 1, 32, 1e-3, 100, 0.01)
    plan.end_at(150, 20)
    assert (plan.steps, plan.evaluation_interval) == (150, 50)
    plan.end_at(900, 60)
    assert (plan.steps, plan.evaluation_interval) == (900, 50)


@given(st.integers(20, 2000), st.floats(0.1, 4.0), st.floats(0.1, 4.0))
@example(1200, 1.0, 1.8)
@example(1000, 0.2, 1.0)
def test_no_step_at_half_resolution_follows_one_at_full(planned: int, first: float, second: float) -> None:
    plan, coarse, done = TrainingPlan(planned, "fp32", "cpu", 1, 32, 1e-3, 100, 0.01), [], 0
    looks = {max(planned // 10, 1): first, max(int(0.4 * planned * first), 2): second}
    while done < plan.steps:
        coarse.append(done < plan.coarse_steps)
        done += 1
        if done in looks:
            plan.end_at(max(round(plan.steps * looks[done]), done + 1), done)
    assert coarse == sorted(coarse, reverse=True)
    assert sum(coarse) == plan.coarse_steps


def _probed(monkeypatch: pytest.MonkeyPatch, seconds: dict[str, float]) -> None:
    monkeypatch.setattr(plan_module, "precisions", lambda _: list(seconds))
    monkeypatch.setattr(plan_module, "probe_step", lambda *values: seconds[values[3]])


@pytest.mark.parametrize(("bf16", "chosen"), [(0.0076, "fp32"), (0.0065, "fp32"), (0.0060, "bf16")])
def test_a_precision_is_not_chosen_by_the_chance_of_a_timing(
    monkeypatch: pytest.MonkeyPatch, bf16: float, chosen: str
) -> None:
    _probed(monkeypatch, {"fp32": 0.0080, "bf16": bf16})
    job = TrainingJob("chroma", "", "", minutes=1.0, size="small", device="cpu")
    assert make_plan(job, make_network("chroma", 5, 2, "small"), 64, 1.0).precision == chosen


@pytest.mark.parametrize("bf16", [0.0010, 0.0160])
def test_where_steps_are_counted_no_clock_decides_the_bits(monkeypatch: pytest.MonkeyPatch, bf16: float) -> None:
    _probed(monkeypatch, {"fp32": 0.0080, "bf16": bf16})
    job = TrainingJob("chroma", "", "", steps=100, size="small", device="cpu")
    assert make_plan(job, make_network("chroma", 5, 2, "small"), 64, 1.0).precision == "bf16"


@pytest.mark.parametrize(("minutes", "looks"), [(2.0, 12), (100.0, 12), (600.0, 60)])
def test_nobody_waits_an_hour_for_the_first_held_out_figure(
    monkeypatch: pytest.MonkeyPatch, minutes: float, looks: int
) -> None:
    _probed(monkeypatch, {"fp32": 0.01})
    job = TrainingJob("chroma", "", "", minutes=minutes, size="small", device="cpu")
    plan = make_plan(job, make_network("chroma", 5, 2, "small"), 64, 1.0)
    assert plan.steps // plan.evaluation_interval == looks
