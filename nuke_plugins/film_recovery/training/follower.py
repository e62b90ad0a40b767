"""What the other processes do while one leads a training: compute their share of every step, and nothing else."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import NoReturn

from film_recovery.contract.job import load_job
from film_recovery.contract.run_folder import RunFolder
from film_recovery.pairs.dataset import load_dataset
from film_recovery.training.memory import memory_named
from film_recovery.training.plan import choose_device, load_plan
from film_recovery.training.signals import collected_signals
from film_recovery.training.team import Team
from film_recovery.training.trainer import Trainer


def follow(folder: RunFolder, team: Team) -> NoReturn:
    """Train along until the leader says that it is over, then end this process. The run ``folder`` must be seen from here.

    A signal to all processes is the leader's to obey, which ends the training for all.

    Raises:
        InputError, ModelFileError: the run cannot be read from here.
        DeviceError: another process is gone, or this one's device is not there.
    """
    with collected_signals(), memory_named():
        if team.await_order() is None:
            _end()
        plan = load_plan(folder.plan)
        plan = replace(plan, device=str(choose_device(team.device(plan.device))))
        training = [pair for pair in load_dataset(folder.dataset).pairs if not pair.held_out]
        trainer = Trainer.from_checkpoint(folder.last_checkpoint, load_job(folder.job), plan, training, team)
        del training
        team.assemble(trainer.device)
        while (order := team.await_order()) is not None:
            trainer.learn(order)
    _end()


def _end() -> NoReturn:
    """Nothing is left to clean up, and torchrun ends all processes when one aborts, as the interpreter's shutdown can with
    threads of gloo about (pytorch/pytorch pull request 179291)."""
    sys.stderr.flush()
    os._exit(0)
