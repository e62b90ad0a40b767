"""Several processes that train one model, each on a device of its own, as ``torchrun`` starts them.

The crops of a step are dealt out among them and their gradients added up, so that what is learned is the same with two devices
as with one, but for rounding and for trust, which weighs the pixels of a process's own crops against each other. The first
process leads: it alone prepares the pairs, judges, draws and writes, and says of every step that it comes; the others follow
(see :mod:`follower`). What is said goes over the network (gloo), gradients of a GPU from GPU to GPU (NCCL).
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import distributed

from film_recovery.contract.errors import DeviceError, UsageError
from film_recovery.contract.job import TrainingJob

_PATIENCE = datetime.timedelta(days=7)  # followers wait while the leader prepares and judges
_PATIENCE_IN_STEP = datetime.timedelta(minutes=10)  # when GPUs wait for each other's gradients
_OWN = ("cuda error", "cuda failure", "out of memory")  # what this process's own GPU says, also by NCCL
_Item = TypeVar("_Item")


class Order(NamedTuple):
    """What a step depends on besides the crops: its number, the learning rate, and whether it is one at half resolution."""

    step: int
    rate: float
    coarse: bool


class Team:
    """This process among those that train together; by itself, one process that is alone.

    ``rank`` is its number, 0 of the leader, and ``count`` how many there are.
    """

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank, self.count = rank, count
        self._is_over = count == 1
        self._gpus: distributed.ProcessGroup | None = None  # through which GPUs reach each other
        self._is_in_step = False  # a leader that fails in one has followers that wait for its gradients, not for its word

    def check(self, job: TrainingJob) -> None:
        """Raises :class:`UsageError` for a job that so many processes cannot share."""
        if job.batch < self.count:
            raise UsageError(
                f"A batch of {job.batch} crops cannot be shared by {self.count} processes; give --batch {self.count} or more."
            )
        if self.count > 1 and ":" in job.device:
            raise UsageError(f"{self.count} processes cannot share {job.device}; train on cuda, and each takes its own.")

    def device(self, planned: str) -> str:
        """A follower's device in a training whose leader uses ``planned``. Raises :class:`DeviceError` when it has none."""
        if not planned.startswith("cuda"):
            return planned
        here, there_are = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if here >= there_are:
            raise DeviceError(f"There are {there_are} GPUs for more processes; start torchrun with as many as there are GPUs.")
        torch.cuda.set_device(here)
        return f"cuda:{here}"

    def share(self, items: Sequence[_Item]) -> Sequence[_Item]:
        """The part of ``items`` (crops) that is this process's."""
        return items[self.rank :: self.count]

    def assemble(self, device: torch.device) -> None:
        """Wait until all are ready to train on their ``device``. The leader comes here when the run can be read, which it then
        says; a follower when it has heard that and read it. Raises :class:`DeviceError` when another process is gone."""
        if self.count > 1:
            if self.rank == 0:
                self._say(1.0, 0.0, 0.0, 0.0)
            with _losses_named():
                distributed.all_reduce(torch.zeros(1))  # by the network, where a process that is gone is noticed
                if device.type == "cuda":
                    self._gpus = distributed.new_group(backend="nccl", timeout=_PATIENCE_IN_STEP)
                    distributed.all_reduce(torch.zeros(1, device=device), group=self._gpus)  # the first one takes seconds

    def order(self, order: Order) -> None:
        """The leader says that this step is next. Raises :class:`DeviceError` when a follower is gone."""
        self._say(1.0, *order)
        self._is_in_step = True

    def dismiss(self) -> None:
        """The leader says that there is no more to train, once, and not where followers could not hear it."""
        if not self._is_over and not self._is_in_step:
            self._say(0.0, 0.0, 0.0, 0.0)
            self._part()

    def await_order(self) -> Order | None:
        """A follower waits to hear that the run can be read, and then for steps; None when there is no more. Raises
        :class:`DeviceError` when the leader is gone."""
        said = torch.empty(4, dtype=torch.float64)
        self._pass_on(said)
        more, step, rate, coarse = said.tolist()
        if not more:
            self._part()
            return None
        return Order(int(step), rate, bool(coarse))

    def add_up(self, parameters: Iterable[torch.nn.Parameter], loss: torch.Tensor, weight: float) -> torch.Tensor:
        """Make every process's gradients the sum of those of all, each times its ``weight``, in place; returns the loss, a
        scalar, summed alike. Raises :class:`DeviceError` when another process is gone."""
        if self.count == 1:
            return loss.detach()
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        packed = torch.cat([loss.detach().reshape(1), *(gradient.flatten() for gradient in gradients)]) * weight
        with _losses_named():
            distributed.all_reduce(packed, group=self._gpus)
        parts = torch.split(packed[1:], [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view(gradient.shape))
        self._is_in_step = False
        return packed[0].clone()  # a view would keep all gradients

    def _say(self, *message: float) -> None:
        if self.count > 1:
            self._pass_on(torch.tensor(message, dtype=torch.float64))

    def _pass_on(self, message: torch.Tensor) -> None:
        """From the leader to all others; a tensor on the CPU, so that no GPU is waited for."""
        with _losses_named():
            distributed.broadcast(message, src=0)

    def _part(self) -> None:
        """All together, since GPUs wait for each other in this too; so it is left out after an error."""
        self._is_over = True
        distributed.destroy_process_group()


@contextlib.contextmanager
def joined() -> Iterator[Team]:
    """The processes that ``torchrun`` started together with this one; outside it, this one alone.

    Raises:
        DeviceError: the others cannot be reached.
    """
    if not distributed.is_available() or not distributed.is_torchelastic_launched() or os.environ["WORLD_SIZE"] == "1":
        yield Team()
        return
    rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    with _losses_named():
        distributed.init_process_group("gloo", rank=rank, world_size=count, timeout=_PATIENCE)
    team = Team(rank, count)
    try:
        yield team
    finally:
        if rank == 0:
            with contextlib.suppress(DeviceError):  # whoever is gone needs not be told
                team.dismiss()


@contextlib.contextmanager
def _losses_named() -> Iterator[None]:
    """A process that is gone shows as a broken connection, in words that nobody can act upon."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or any(sign in str(error).lower() for sign in _OWN):
            raise
        raise DeviceError(
            "Another process of this training has ended, or cannot be reached; what it said stands above. Go on from the last "
            f"checkpoint with film-recovery resume, with any number of processes. ({str(error).splitlines()[0]})"
        ) from error
