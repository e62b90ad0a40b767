"""Processes that train together, as torchrun starts them; on the CPU, where they speak to each other as on several machines."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from film_recovery.contract.events import read_events
from film_recovery.contract.job import load_job
from film_recovery.contract.run_folder import RunFolder
from film_recovery.images.frame import Frame
from film_recovery.images.io import write_frame
from film_recovery.modelfile.load import load_model
from film_recovery.pairs.dataset import load_dataset
from film_recovery.training.build import build_graph
from film_recovery.training.checkpoint import load_checkpoint

Command = list[str]
COMMAND = [sys.executable, "-m", "film_recovery.cli.main"]
TOGETHER = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", *COMMAND[2:]]
STEPS = 60


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory, photograph: np.ndarray) -> Command:
    """``train`` on a faded element and one that kept its colour."""
    folder = tmp_path_factory.mktemp("elements")
    for frame in range(1, 5):
        picture = photograph[20:180, 40 * frame : 40 * frame + 224]
        faded = picture ** np.float32([0.5, 0.9, 0.8]) * 0.8
        write_frame(folder / f"faded.{frame:04d}.exr", Frame.from_rgb(faded), "float")
        write_frame(folder / f"print.{frame:04d}.exr", Frame.from_rgb(cv2.GaussianBlur(picture, (0, 0), 1.0)), "float")
    values = {
        "task": "chroma", "source": folder / "faded.####.exr", "reference": folder / "print.####.exr", "frames": "1,2,4",
        "held-out": "3", "size": "small", "patch": 64, "batch": 5, "precision": "fp32", "checkpoint-interval": 10,
        "sheet-interval": 1000,
    }  # fmt: skip
    return ["train", *(word for name, value in values.items() for word in (f"--{name}", str(value)))]


def run(command: Command) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=900, check=False)


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


class Running:
    """A training by two processes that can be disturbed."""

    def __init__(self, command: Command, folder: Path, log: Path) -> None:
        self.run, self.log = RunFolder(folder), log
        self._stream = open(log, "w", encoding="utf-8")  # noqa: SIM115 - as long as the process
        self.process = subprocess.Popen(command, env=environment(), stdout=self._stream, stderr=self._stream)

    def wait_for_step(self, step: int) -> None:
        self._until(lambda: any(event["step"] >= step for event in read_events(self.run.events, "progress")))

    def wait_for(self, file: Path) -> None:
        self._until(file.exists)

    @contextlib.contextmanager
    def held(self, rank: int) -> Iterator[None]:
        """A process of it stands still meanwhile."""
        process = self.find(rank)
        os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process, signal.SIGCONT)

    def find(self, rank: int) -> int:
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
                variables = (folder / "environ").read_bytes().split(b"\0")
            except OSError:  # it has ended, or is somebody else's
                continue
            if int(parent) == self.process.pid and f"RANK={rank}".encode() in variables:
                return int(folder.name)
        raise AssertionError(f"no process of rank {rank}")

    def finish(self) -> str:
        self.process.wait(timeout=900)
        return self.log.read_text(encoding="utf-8")

    def _until(self, happened: Callable[[], bool]) -> None:
        end = time.monotonic() + 900  # only a hang takes so long
        while not happened():
            assert self.process.poll() is None and time.monotonic() < end, self.log.read_text(encoding="utf-8")
            time.sleep(0.02)

    def close(self) -> None:
        for rank in (0, 1):  # they would outlive the process that has started them
            with contextlib.suppress(AssertionError, ProcessLookupError):
                os.kill(self.find(rank), signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        self._stream.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[Command, Path], Running]]:
    running: list[Running] = []

    def begin(command: Command, folder: Path) -> Running:
        running.append(Running(command, folder, tmp_path / "log"))
        return running[-1]

    yield begin
    for one in running:
        one.close()


@pytest.fixture(scope="module")
def pair(options: Command, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that two processes made, and that was never stopped."""
    folder = RunFolder(tmp_path_factory.mktemp("pair") / "run")
    done = run([*TOGETHER, *options, "--steps", str(STEPS), "--out", str(folder.path), "--json"])
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"held_out"') == 1  # the leader alone tells of it
    return folder


def untrained(folder: RunFolder) -> dict[str, torch.Tensor]:
    """The weights that a run began with."""
    return build_graph(load_job(folder.job), load_dataset(folder.dataset)).state_dict()


def groups(folder: RunFolder) -> dict[str, dict[str, torch.Tensor]]:
    return load_checkpoint(folder.last_checkpoint)[1]


def test_two_processes_learn_what_one_learns(options: Command, pair: RunFolder, tmp_path: Path) -> None:
    alone = RunFolder(tmp_path / "alone")
    done = run([*COMMAND, *options, "--steps", str(STEPS), "--out", str(alone.path)])
    assert done.returncode == 0, done.stderr
    ours, theirs, fresh = groups(pair)["graph"], groups(alone)["graph"], untrained(alone)
    apart = max(float((tensor - ours[name]).abs().max()) for name, tensor in theirs.items())
    moved = max(float((tensor - fresh[name]).abs().max()) for name, tensor in theirs.items())
    assert 0.0 < apart < 0.1 * moved  # trust weighs the pixels of each process's own crops
    assert load_model(pair.model("chroma")).card.held_out["psnr"] == pytest.approx(
        load_model(alone.model("chroma")).card.held_out["psnr"], abs=0.01
    )
    (started,) = read_events(pair.events, "started")
    assert started["processes"] == 2


def test_stopped_and_resumed_by_two_processes_the_bits_are_the_same(
    options: Command, pair: RunFolder, start: Callable[[Command, Path], Running], tmp_path: Path
) -> None:
    running = start([*TOGETHER, *options, "--steps", str(STEPS), "--out", str(tmp_path / "run")], tmp_path / "run")
    running.wait_for(running.run.path / "lock")
    both = [running.find(rank) for rank in (1, 0)]
    running.wait_for_step(5)
    for process in both:  # as Ctrl-C at a terminal: the follower goes on until the leader has ended the step
        os.kill(process, signal.SIGINT)
    assert f"resume with: film-recovery resume {tmp_path / 'run'}" in running.finish()
    assert load_checkpoint(running.run.last_checkpoint)[0].step < STEPS
    done = run([*TOGETHER, "resume", str(tmp_path / "run")])
    assert done.returncode == 0, done.stderr
    ours, theirs = groups(running.run), groups(pair)
    assert all(torch.equal(theirs[group][name], tensor) for group in ours for name, tensor in ours[group].items())


def test_a_process_that_is_killed_ends_the_training_in_words_and_another_one_goes_on(
    options: Command, start: Callable[[Command, Path], Running], tmp_path: Path
) -> None:
    running = start([*TOGETHER, *options, "--steps", "300", "--out", str(tmp_path / "run")], tmp_path / "run")
    running.wait_for(running.run.path / "lock")
    follower = running.find(1)
    running.wait_for_step(20)
    os.kill(follower, signal.SIGKILL)
    log = running.finish()
    assert running.process.returncode != 0
    assert "Another process of this training has ended" in log and "resume" in log
    saved = load_checkpoint(running.run.last_checkpoint)[0].step
    assert 10 <= saved < 300
    done = run([*COMMAND, "resume", str(tmp_path / "run")])
    assert done.returncode == 0, done.stderr
    assert load_model(running.run.model("chroma")).card.training["steps"] == 300


def test_a_finished_run_is_resumed_by_two_processes_and_by_one(pair: RunFolder, tmp_path: Path) -> None:
    again = RunFolder(tmp_path / "again")
    shutil.copytree(pair.path, again.path)
    for command in (TOGETHER, COMMAND):
        done = run([*command, "resume", str(again.path)])
        assert done.returncode == 0, done.stderr
    kinds = [event["event"] for event in read_events(again.events)]
    assert kinds.count("resumed") == 2
    assert [kind for kind in kinds if kind != "resumed"] == [event["event"] for event in read_events(pair.events)]


def test_minutes_are_counted_from_when_all_are_ready(
    options: Command, start: Callable[[Command, Path], Running], tmp_path: Path
) -> None:
    minutes = 0.05
    running = start([*TOGETHER, *options, "--minutes", str(minutes), "--out", str(tmp_path / "run")], tmp_path / "run")
    running.wait_for(running.run.path / "lock")
    with running.held(1):  # it has joined, and the leader still prepares the pairs
        running.wait_for(running.run.last_checkpoint)  # the last that the leader does before it waits
        assert not read_events(running.run.events, "progress")
        time.sleep(60.0 * minutes + 1.0)
    log = running.finish()
    assert running.process.returncode == 0, log
    planned = read_events(running.run.events, "planned")
    assert 1 <= len(planned) <= 2
    assert planned[0]["steps"] > planned[0]["step"] + 1  # what is left once the time is up


FAILING = """
import torch
from film_recovery.contract.errors import DeviceError, InputError
from film_recovery.training.team import Order, joined

with joined() as team:
    if team.rank:
        assert team.await_order() is not None
        team.assemble(torch.device("cpu"))
        assert team.await_order() == Order(7, 0.25, True)
        weight = torch.nn.Parameter(torch.zeros(3))
        weight.grad = torch.ones(3)
        try:
            team.add_up([weight], torch.ones(()), 0.5)
        except DeviceError:
            print("told of it", flush=True)
            raise
    team.assemble(torch.device("cpu"))
    team.order(Order(7, 0.25, True))
    raise InputError("out of something")
"""


def test_a_leader_that_fails_within_a_step_leaves_nobody_waiting(tmp_path: Path) -> None:
    script = tmp_path / "failing.py"
    script.write_text(FAILING, encoding="utf-8")
    done = run([*TOGETHER[: TOGETHER.index("-m", 2)], str(script)])
    assert done.returncode != 0
    assert "out of something" in done.stderr and "told of it" in done.stdout


def test_what_cannot_be_shared_is_refused_before_anything_is_written(options: Command, tmp_path: Path) -> None:
    changed = [*options, "--steps", "3", "--out", str(tmp_path / "run")]
    changed[changed.index("--batch") + 1] = "1"
    done = run([*TOGETHER, *changed])
    assert done.returncode != 0
    assert "A batch of 1 crops cannot be shared by 2 processes; give --batch 2 or more." in done.stderr
    assert not (tmp_path / "run").exists()
