"""One run's state and its step. Everything that a step depends on is in the plan, the dataset or the checkpoint."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from film_recovery.contract.errors import ModelFileError
from film_recovery.contract.job import TrainingJob
from film_recovery.pairs.dataset import Pair
from film_recovery.training.checkpoint import CheckpointInfo, graph_from_checkpoint, load_checkpoint
from film_recovery.training.data import cut, draw_crops, levelled, prepare
from film_recovery.training.evaluate import held_out_figure, level_spread, middle
from film_recovery.training.graph import RecoveryGraph
from film_recovery.training.initial import with_share
from film_recovery.training.losses import check_finite, recovery_loss
from film_recovery.training.network import HEADS
from film_recovery.training.optimiser import Optimiser
from film_recovery.training.plan import TrainingPlan
from film_recovery.training.settle import share_to_hand_out
from film_recovery.training.team import Order, Team

_EMA = 0.995
_FOR_FLICKER = 0.1  # dB that weights must gain which make frames flicker more than the start does
_RESTLESS, _LEAST_SPREAD = 1.25, 5e-4  # times the start's spread of levels, and coded values beside it


class Trainer:
    """Holds the graph, its averaged weights, the optimiser and the best weights; :meth:`step` trains one step, of which
    the processes of a ``team`` each compute a part."""

    def __init__(
        self, job: TrainingJob, plan: TrainingPlan, graph: RecoveryGraph, pairs: Sequence[Pair], team: Team | None = None
    ) -> None:
        self.job, self.plan, self.team = job, plan, team or Team()
        self.device = torch.device(plan.device)
        self.graph = graph.to(self.device)
        graph.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = copy.deepcopy(graph.network).requires_grad_(False)
        self.optimiser = Optimiser(graph.network, job.task)
        self.softness = float(graph.start.softness)
        self.training = [prepare(graph, pair, self.device) for pair in pairs if not pair.held_out]
        if job.task == "chroma":
            self.training = levelled(self.training)
        self.held_out = [prepare(graph, pair, self.device) for pair in pairs if pair.held_out]
        smallest = min(min(pair.area) for pair in self.training)
        self.begins_coarse = job.task != "spatial" and smallest // 2 >= plan.patch  # at half resolution
        self.coarse = [pair.halved() for pair in self.training] if self.begins_coarse else []
        self.watched = [middle(pair) for pair in (*self.training, *self.held_out)]
        self.restless = _RESTLESS * level_spread(self.graph, self.watched, start_only=True) + _LEAST_SPREAD
        self.done = 0
        self._unread: list[tuple[torch.Tensor, int, list[int]]] = []  # losses on the device, with their steps and frames
        self._losses: list[float] = []  # read, and not yet told
        self._last: tuple[int, list[int]] | None = None  # of the steps whose losses were read, and its frames
        self.best: float | None = None
        self.best_step: int | None = None
        self.share = 1.0  # of the best correction that is handed out
        self.best_weights = copy.deepcopy(self.averaged.state_dict())

    @classmethod
    def from_checkpoint(
        cls, path: Path, job: TrainingJob, plan: TrainingPlan, pairs: Sequence[Pair], team: Team
    ) -> Trainer:
        """As it was when the checkpoint was saved. Raises :class:`ModelFileError` when that cannot be read."""
        info, groups = load_checkpoint(path)
        trainer = cls(job, plan, graph_from_checkpoint(path)[1], pairs, team)
        try:
            trainer.restore(info, groups)
        except KeyError as error:
            raise ModelFileError(f"{path} comes from another release, which trained otherwise; start the run anew.") from error
        return trainer

    def begin(self, start: float | None) -> None:
        """Before the first step: until training helps, the ``start`` alone (its held-out figure in dB, None without held-out
        pairs) is the best there is, or the initial weights where they do better; unjudged, the initial weights are."""
        if start is None:
            return
        self.best, self.best_step = start, 0
        self.best_weights = with_share(self.best_weights, 0.0)
        self.evaluate()

    def step(self) -> None:
        """Train one step. Its loss is not waited for, so that a GPU always has work: see :meth:`read_losses`. Raises
        :class:`DeviceError` when another process of the team is gone."""
        step, plan = self.done, self.plan
        order = Order(step, plan.learning_rate_at(step), self.begins_coarse and step < plan.coarse_steps)
        self.team.order(order)
        loss, frames = self.learn(order)
        self._unread.append((loss, step, frames))

    def learn(self, order: Order) -> tuple[torch.Tensor, list[int]]:
        """Do what a step is; returns the loss, on the device, and the frames of its crops."""
        step, pairs = order.step, self.coarse if order.coarse else self.training
        if not order.coarse:
            self.coarse = []  # none follows, and they fill a device
        turn = self.job.task != "spatial"  # a scan is not blurred alike along and across its lines
        crops = draw_crops(self.job.seed, step, [pair.area for pair in pairs], self.job.batch, self.plan.patch, turn)
        share = self.team.share(crops)
        features, target, trust = cut(pairs, share, self.plan.patch)
        with self.plan.autocast:
            standard = ((features - self.graph.mean) / self.graph.deviation).contiguous(memory_format=torch.channels_last)
            correction = self.graph.network(standard)
        predicted = features[:, 3:] + self.graph.bounded(correction.float()) * self.graph.gain
        softness = self.softness * (0.5 if order.coarse else 1.0)
        loss = recovery_loss(self.job.task, predicted, features[:, 3:], target, self.graph.gain, softness, trust)
        self.graph.network.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        loss = self.team.add_up(self.graph.network.parameters(), loss, len(share) / len(crops))
        nn.utils.clip_grad_norm_(self.graph.network.parameters(), 1.0)
        self.optimiser.step(order.rate)
        decay = min(_EMA, (1.0 + step) / (10.0 + step))
        means, weights = list(self.averaged.parameters()), list(self.graph.network.parameters())
        get_ema_multi_avg_fn(decay)(means, weights, None)  # type: ignore[no-untyped-call]
        self.done = step + 1
        return loss, [pairs[crop.pair].frame for crop in crops]

    def read_losses(self) -> list[float]:
        """The losses of the steps since this was last called; waits for the device. Raises :class:`DivergedError` when one is
        not finite, or the weights are not."""
        self._check()
        losses, self._losses = self._losses, []
        return losses

    def _check(self) -> None:
        """What is not finite must not be judged, shown or saved. Raises :class:`DivergedError`."""
        unread, self._unread = self._unread, []
        self._losses += [check_finite(loss, step, frames) for loss, step, frames in unread]
        if unread:  # the last step can have spoiled the weights after its loss
            self._last = unread[-1][1:]
            check_finite(sum((weight.double().sum() for weight in self.averaged.parameters()), torch.zeros(())), *self._last)

    def evaluate(self) -> float | None:
        """The held-out figure of the averaged weights in dB; remembers the best weights. None without held-out pairs.

        Weights with which the levels of frames spread clearly more than the start's, which is what flickers, must be better by
        more than a tenth of a dB. Raises :class:`DivergedError`.
        """
        self._check()
        if not self.held_out:
            self.best_weights = copy.deepcopy(self.averaged.state_dict())
            self.best_step = self.done
            return None
        graph = self.with_weights(self.averaged.state_dict())
        figure = held_out_figure(graph, self.held_out)
        if self._last is not None:
            check_finite(torch.tensor(figure), *self._last)
        is_better = self.best is None or figure > self.best
        if is_better and self.best is not None and figure <= self.best + _FOR_FLICKER:
            is_better = level_spread(graph, self.watched) <= self.restless
        if is_better:
            self.best, self.best_step = figure, self.done
            self.best_weights = copy.deepcopy(self.averaged.state_dict())
        return figure

    def settle(self) -> None:
        """After the last step: of the best correction of colour keep as much as the held-out pairs speak for."""
        weights = self.best_weights
        heads = [tensor for name, tensor in weights.items() if name.startswith(HEADS)]
        if heads and not any(bool(tensor.any()) for tensor in heads):
            self.share = 0.0
        if self.job.task != "chroma" or self.best_step is None or self.share == 0.0:
            return
        self.share = share_to_hand_out(lambda share: self.with_weights(with_share(weights, share)), self.held_out)
        self.best_weights = with_share(weights, self.share)
        if self.held_out:
            self.best = held_out_figure(self.with_weights(self.best_weights), self.held_out)

    @property
    def coarse_steps(self) -> int:
        """How many of the steps done were at half resolution."""
        return min(self.done, self.plan.coarse_steps) if self.begins_coarse else 0

    @property
    def times_seen(self) -> float:
        """How often the pixels of the training pairs were shown, on average; a crop at half resolution shows four times as
        many."""
        pixels = sum(pair.area[0] * pair.area[1] for pair in self.training)
        return (self.done + 3 * self.coarse_steps) * self.job.batch * self.plan.patch**2 / pixels

    def with_weights(self, weights: dict[str, torch.Tensor]) -> RecoveryGraph:
        """A copy of the graph that runs with the given weights. Raises :class:`DivergedError`."""
        self._check()
        graph = copy.deepcopy(self.graph).requires_grad_(False)
        graph.network.load_state_dict(weights)
        return graph.eval()

    def info(self) -> CheckpointInfo:
        """The checkpoint's header at this moment."""
        graph = self.graph
        return CheckpointInfo(
            task=graph.task,
            size=graph.size,
            encoding=graph.encoding,
            matrix=graph.matrix,
            balance=graph.balance.numbers if graph.balance else None,
            step=self.done,
            best=self.best,
            best_step=self.best_step,
        )

    def state(self) -> dict[str, dict[str, torch.Tensor]]:
        """Every tensor that the next step depends on, in groups. Raises :class:`DivergedError`."""
        self._check()
        return {
            "graph": self.graph.state_dict(),
            "averaged": self.averaged.state_dict(),
            "best": self.best_weights,
            **self.optimiser.state(),
        }

    def restore(self, info: CheckpointInfo, groups: dict[str, dict[str, torch.Tensor]]) -> None:
        """Go back to a checkpoint of the same run; the next step is then the one that would have followed it. Raises KeyError
        where a step follows and what it depends on is not there."""
        self.graph.load_state_dict(groups["graph"])
        self.averaged.load_state_dict(groups["averaged"])
        self.best_weights = {name: tensor.to(self.device) for name, tensor in groups["best"].items()}
        self.best, self.best_step, self.done = info.best, info.best_step, info.step
        if self.done < self.plan.steps:  # a finished run is resumed to export it anew, also one of another release
            self.optimiser.restore(groups)
