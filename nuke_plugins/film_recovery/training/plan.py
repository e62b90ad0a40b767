"""The plan of a run: what the clock decides, decided early and written down.

A timed probe turns minutes into steps and picks the faster precision. A probe sees a moment, and machines that are shared or
grow warm become slower by half: so the steps that are left are counted anew after a tenth and after four tenths of the way,
unless the training was interrupted before.
From then on the schedule and the bits depend on the plan alone, not on the clock.
"""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from film_recovery.contract.errors import DeviceError, UsageError
from film_recovery.contract.job import TrainingJob
from film_recovery.contract.records import load_record, save_record
from film_recovery.training.losses import recovery_loss
from film_recovery.training.network import Network
from film_recovery.training.optimiser import Optimiser

SCHEMA, VERSION = "film-recovery/plan", 1
_EVALUATIONS = (3, 12)  # held-out figures over a run, fewest and usually most
_UNLOOKED = 10.0  # minutes, at most, between them in a long training, so that nobody waits for the first
_EVALUATION_SHARE = 0.2  # of the time, at most, unless even the fewest take more
_PROBE_STEPS = 8
_LEARNING_RATE = {"chroma": 5e-4, "spatial": 6e-3, "as-is": 1e-3}
_WARM_UP = 50
_COOLING = 0.1  # of the planned steps, in which a training that is cut short comes to its end
_EARLIEST = 0.4  # of the planned steps, before which none is
_LOOKS = (0.1, 0.4)  # of the steps or of the time, after which the steps that are left are counted anew
_LEVEL = 0.05  # dB for each tenth of the planned steps: a held-out figure that gains less has levelled off
_COARSE_SHARE = 0.25  # of the steps, at the start, at half resolution: a crop then sees four times the picture
_CLEARLY = 0.8  # of fp32's time: bf16 must need less. Timings of small networks tie
_PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass
class TrainingPlan:
    """Steps, precision, device and threads of a run; ``seconds_per_step`` and ``patch`` as probed."""

    steps: int
    precision: str
    device: str
    threads: int
    patch: int
    learning_rate: float
    evaluation_interval: int
    seconds_per_step: float
    planned_steps: int | None = None  # before it was cut short
    cool_from: int | None = None  # the step from which on the rate falls to its end, when it was cut short
    coarse_until: int | None = None  # the step from which on resolution is full, where the clock moved the end

    @property
    def whole(self) -> int:
        """Steps as they were planned: what the schedule goes by, whether or not the training is cut short."""
        return self.planned_steps or self.steps

    def cool(self, step: int) -> None:
        """Cut the training short: from ``step`` on the rate falls to its end within a tenth of the planned steps."""
        self.planned_steps, self.cool_from = self.whole, step
        self.steps = min(step + max(round(_COOLING * self.whole), 1), self.whole)

    @property
    def coarse_steps(self) -> int:
        """How many steps, at the start, are at half resolution."""
        return math.ceil(_COARSE_SHARE * self.whole) if self.coarse_until is None else self.coarse_until

    def end_at(self, steps: int, done: int) -> None:
        """Plan another number of steps than so far, after ``done`` of them and before the training was cut short. Once a step
        at full resolution is done, none at half resolution follows."""
        self.coarse_until = self.coarse_steps if done > self.coarse_steps else max(math.ceil(_COARSE_SHARE * steps), done)
        self.steps, self.evaluation_interval = steps, max(min(self.evaluation_interval, steps // _EVALUATIONS[0]), 1)

    def move(self, device: torch.device) -> None:
        """Go on on another device, and in a precision that it multiplies."""
        self.device, self.threads = str(device), _threads(device)
        if self.precision not in precisions(device):
            self.precision = "fp32"

    def save(self, path: Path) -> None:
        """Write the plan, whole or not at all."""
        save_record(path, self, SCHEMA, VERSION)

    def learning_rate_at(self, step: int) -> float:
        """Warm-up over the first steps, then a cosine down to a hundredth; ``step`` counts from 0."""
        if self.cool_from is not None and step >= self.cool_from:
            left = 1.0 - (step - self.cool_from) / (self.steps - self.cool_from)
            return max(self._planned_rate(self.cool_from) * left, 0.01 * self.learning_rate)
        return self._planned_rate(step)

    def _planned_rate(self, step: int) -> float:
        warm = min(1.0, (step + 1) / min(_WARM_UP, max(self.whole // 4, 1)))
        return self.learning_rate * warm * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * step / self.whole)))

    @property
    def autocast(self) -> torch.autocast:
        """The context for the network's forward pass; the loss stays outside it, in float32."""
        return torch.autocast(
            torch.device(self.device).type, dtype=_PRECISIONS[self.precision], enabled=self.precision != "fp32"
        )


class Clock:
    """Keeps a training to its time, with everything that a step brings along: held-out figures, pictures, checkpoints.

    Args:
        seconds: that it was told, from now on.
        steps: that were planned for them.
    """

    def __init__(self, seconds: float, steps: int) -> None:
        self._begin, self._seconds, self._steps, self._looks = time.monotonic(), seconds, steps, list(_LOOKS)
        self._last = (0.0, 0)  # seconds and steps when it looked last

    def steps(self, done: int) -> int | None:
        """How many steps there is time for altogether, after ``done`` of them; None when it is not the moment to count."""
        used, (before, first) = time.monotonic() - self._begin, self._last
        if not self._looks or max(done / self._steps, used / self._seconds) < self._looks[0]:
            return None
        if used <= before:  # a clock that ticks more coarsely than steps are done
            return None
        del self._looks[0]
        self._last = (used, done)
        self._steps = done + max(int((self._seconds - used) * (done - first) / (used - before)), 1)
        return self._steps


def has_levelled(held_out: Sequence[tuple[int, float]], whole: int) -> bool:
    """Whether the held-out figure has levelled off: over the last third of the steps done its best gained less than 0.05 dB
    for each tenth of the ``whole`` plan.

    A function of figures (step, dB; ascending) and steps alone, so a resumed training decides as one never stopped.
    """
    done = held_out[-1][0] if held_out else 0
    early = [value for step, value in held_out if step <= done * 2 / 3]
    if not _EARLIEST * whole <= done < (1.0 - _COOLING) * whole or not early:  # later there is nothing left to cut
        return False
    late = [value for step, value in held_out if step > done * 2 / 3]
    return max(late) - max(early) < _LEVEL * (done / 3) / (whole / 10)


def load_plan(path: Path) -> TrainingPlan:
    """Read a plan; raises :class:`InputError`."""
    return load_record(path, TrainingPlan, SCHEMA, VERSION)


def choose_device(wanted: str) -> torch.device:
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N`` to a device. Raises :class:`UsageError` for another word, and
    :class:`DeviceError` when it is not there."""
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise UsageError(f"'{wanted}' is not a device; use auto, cpu or cuda.") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise DeviceError("No CUDA device is available to PyTorch here; use device cpu, or install a CUDA build of torch.")
    if device.type not in ("cpu", "cuda"):
        raise DeviceError(f"Training on {device.type} is not possible; use auto, cpu or cuda.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(f"There is no {wanted} here, they end with cuda:{torch.cuda.device_count() - 1}; name one of these.")
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False  # colour is computed in single precision, not in ten bits of it
    return device


def make_plan(
    job: TrainingJob, network: Network, patch: int, evaluation_seconds: float, processes: int = 1
) -> TrainingPlan:
    """Probe the speed of a training step and decide. ``evaluation_seconds`` is the time of one held-out evaluation,
    ``processes`` how many share the crops of a step."""
    device = choose_device(job.device)
    candidates = [job.precision] if job.precision != "auto" else precisions(device)
    if job.steps is not None and device.type == "cpu":  # equal jobs are to give equal bits, whatever else the machine does
        candidates = candidates[-1:]
    crops = math.ceil(job.batch / processes)
    timed = {name: probe_step(network, crops, patch, name, device, job.task) for name in candidates}
    precision = min(timed, key=lambda name: timed[name] * (_CLEARLY if name == "fp32" else 1.0))
    if job.steps is not None:
        steps, evaluations = job.steps, _EVALUATIONS[1]
    else:
        budget = (job.minutes or 0.0) * 60.0
        affordable = _EVALUATION_SHARE * budget / max(evaluation_seconds, 1e-6)
        most = max(_EVALUATIONS[1], budget / 60.0 / _UNLOOKED)
        evaluations = int(min(max(affordable, _EVALUATIONS[0]), most))
        steps = max(int((budget - evaluations * evaluation_seconds) / timed[precision]), evaluations)
    return TrainingPlan(
        steps=steps,
        precision=precision,
        device=str(device),
        threads=_threads(device),
        patch=patch,
        learning_rate=job.learning_rate or _LEARNING_RATE[job.task],
        evaluation_interval=max(steps // evaluations, 1),
        seconds_per_step=round(timed[precision], 5),
    )


def probe_step(
    network: Network, batch: int, patch: int, precision: str, device: torch.device, task: str
) -> float:
    """Seconds of a training step of this network on random crops, with all that a step does but cutting them: the fastest of
    a few, which another program that happens to run at the same time disturbs least. Leaves the network as it was."""
    trial = copy.deepcopy(network).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = copy.deepcopy(trial).requires_grad_(False)
    optimiser = Optimiser(trial, task)
    features = torch.rand(batch, network.inputs, patch, patch, device=device).contiguous(memory_format=torch.channels_last)
    trust, seconds = torch.ones(batch, 1, patch, patch, device=device), []
    for _ in range(_PROBE_STEPS):
        begin = time.perf_counter()
        with torch.autocast(device.type, dtype=_PRECISIONS[precision], enabled=precision != "fp32"):
            out = trial(features)
        trial.zero_grad()
        target, gain = torch.zeros_like(out, dtype=torch.float32), torch.ones_like(out[:1, :, :1, :1], dtype=torch.float32)
        recovery_loss(task, out.float(), target, target, gain, 0.0, trust).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(trial.parameters(), 1.0)
        optimiser.step(1e-4)
        get_ema_multi_avg_fn(0.99)(list(averaged.parameters()), list(trial.parameters()), None)  # type: ignore[no-untyped-call]
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - begin)
    return min(seconds[1:])


def _threads(device: torch.device) -> int:
    return torch.get_num_threads() if device.type == "cpu" else 1


def precisions(device: torch.device) -> list[str]:
    """What is worth a try on a device: bf16 only where the hardware multiplies it; on a CPU without, a step takes nine times
    as long."""
    if device.type == "cuda":
        return ["bf16"] if torch.cuda.get_device_capability(device) >= (8, 0) else ["fp32"]
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text(encoding="ascii", errors="replace") if os.name == "posix" and cpuinfo.exists() else ""
    return ["fp32", "bf16"] if "avx512_bf16" in flags or "amx_bf16" in flags else ["fp32"]
