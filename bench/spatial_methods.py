"""What ``spatial.py`` compares: a tuned deconvolution, the closed-form start, a plain U-Net, our network under other losses.

The losses that are here and not in the product were measured and are no better; they stay so that the comparison can be made.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from learning_methods import plain_graph
from torch.nn import functional

from film_recovery.contract.job import TrainingJob
from film_recovery.images.colour import luma
from film_recovery.images.encodings import encode
from film_recovery.pairs.dataset import Dataset
from film_recovery.training import trainer as trainer_module
from film_recovery.training.build import build_graph
from film_recovery.training.graph import RecoveryGraph
from film_recovery.training.monitor import run_graph
from film_recovery.training.plan import make_plan
from film_recovery.training.spatial_losses import spatial_loss

FloatArray = npt.NDArray[np.float32]
Recover = Callable[[FloatArray], FloatArray]  # working space RGB (H, W, 3) to coded luma (H, W)
Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
_SIGMAS = (0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.2, 1.4)  # pixels
_NOISES = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)  # noise over signal at 1 cycle per pixel, rising with the square of frequency
_PAD, _PATCH, _BATCH, _EVALUATIONS, _EVALUATION_SECONDS = 16, 96, 8, 4, 0.3
_STRUCTURE = 0.03**2  # keeps the similarity of flat parts finite, coded luma squared


def coded_luma(rgb: FloatArray) -> FloatArray:
    """Of a picture in linear light."""
    return np.asarray(luma(encode(rgb, "display"), "709"), np.float32)


def tuned_deconvolution(dataset: Dataset) -> tuple[Recover, str]:
    """A Wiener deconvolution with the Gaussian blur and the noise that bring the training sources closest to the references."""
    pairs = [(coded_luma(pair.source), coded_luma(pair.reference)) for pair in dataset.training]
    found = {
        (sigma, noise): float(np.mean([np.square(_wiener(s, sigma, noise) - r).mean() for s, r in pairs]))
        for sigma in _SIGMAS
        for noise in _NOISES
    }
    sigma, noise = min(found, key=lambda one: found[one])
    return lambda rgb: _wiener(coded_luma(rgb), sigma, noise), f"blur {sigma:g} px, noise {noise:g}"


def _wiener(picture: FloatArray, sigma: float, noise: float) -> FloatArray:
    """``H / (H^2 + noise f^2)``: pictures fall with the square of frequency, grain hardly does (Gonzalez & Woods, ch. 5)."""
    padded = np.pad(picture, _PAD, mode="reflect")
    squared = np.fft.fftfreq(padded.shape[0])[:, None] ** 2 + np.fft.rfftfreq(padded.shape[1])[None] ** 2
    transfer = np.exp(-2.0 * (np.pi * sigma) ** 2 * squared)
    spectrum = np.fft.rfft2(padded) * transfer / (transfer**2 + noise * squared)
    return np.asarray(np.fft.irfft2(spectrum, padded.shape)[_PAD:-_PAD, _PAD:-_PAD], np.float32)


def of_graph(graph: RecoveryGraph) -> Recover:
    """A graph's luma."""
    return lambda rgb: coded_luma(run_graph(graph, rgb))


def start(dataset: Dataset) -> RecoveryGraph:
    """The closed-form start alone."""
    return build_graph(_job(1, 0), dataset)


def trained(
    dataset: Dataset, steps: int, seed: int, loss: Loss = spatial_loss, initial_weights: str = "auto"
) -> RecoveryGraph:
    """Our network after its steps, the best weights by the held-out pair, under a loss."""
    torch.manual_seed(seed)
    job = dataclasses.replace(_job(steps, seed), initial_weights=initial_weights)
    return _after(job, build_graph(job, dataset), dataset, loss)


def plain(dataset: Dataset, seconds: float, seed: int) -> RecoveryGraph:
    """A plain RGB U-Net after so many seconds of the same crops under the same loss, the best weights likewise."""
    torch.manual_seed(seed)
    job = _job(None, seed, seconds / 60.0)
    graph = plain_graph(TrainingJob("as-is", "", "", minutes=1.0, size="small", device="cpu"), dataset)
    return _after(job, graph, dataset, spatial_loss)


def _after(job: TrainingJob, graph: RecoveryGraph, dataset: Dataset, loss: Loss) -> RecoveryGraph:
    plan = make_plan(job, graph.network, _PATCH, _EVALUATION_SECONDS)
    trainer = trainer_module.Trainer(job, plan, graph, dataset.pairs)
    kept = trainer_module.recovery_loss
    trainer_module.recovery_loss = lambda _task, predicted, _start, target, gain, _softness, trust: (
        loss(predicted.float(), target.float(), gain, trust)
    )
    try:
        for _ in range(plan.steps):
            trainer.step()
            if trainer.done % max(plan.steps // _EVALUATIONS, 1) == 0:
                trainer.evaluate()
    finally:
        trainer_module.recovery_loss = kept
    return trainer.with_weights(trainer.best_weights)


def _job(steps: int | None, seed: int, minutes: float | None = None) -> TrainingJob:
    return TrainingJob(
        "spatial", "", "", steps=steps, minutes=minutes, patch=_PATCH, batch=_BATCH, seed=seed, device="cpu"
    )


def absolute(predicted: torch.Tensor, target: torch.Tensor, gain: torch.Tensor, trust: torch.Tensor) -> torch.Tensor:
    """Mean absolute error."""
    return ((predicted - target) / gain * trust).abs().mean()


def gradients(predicted: torch.Tensor, target: torch.Tensor, gain: torch.Tensor, trust: torch.Tensor) -> torch.Tensor:
    """Mean absolute error at the pixel, of means over 4 and 16 pixels, and of differences between neighbours."""
    error = (predicted - target) / gain * trust
    loss = error.abs().mean() + sum(functional.avg_pool2d(error, pool).abs().mean() for pool in (4, 16))
    steps = (error[:, :, 1:] - error[:, :, :-1], error[:, :, :, 1:] - error[:, :, :, :-1])
    return loss + sum(step.abs().mean() for step in steps) * 0.5


def pyramid(predicted: torch.Tensor, target: torch.Tensor, gain: torch.Tensor, trust: torch.Tensor) -> torch.Tensor:
    """Absolute error of a Laplacian pyramid of four levels, each counting twice the finer one (Bojanowski et al. 2018)."""
    return sum(
        ((fine * 2**level).abs().mean() for level, fine in enumerate(_pyramid((predicted - target) / gain * trust))),
        torch.zeros(()),
    )


def similarity(predicted: torch.Tensor, target: torch.Tensor, gain: torch.Tensor, trust: torch.Tensor) -> torch.Tensor:
    """Absolute error and the contrast-structure term of SSIM at four scales (Zhao et al. 2017)."""
    loss, one, two = absolute(predicted, target, gain, trust), predicted, target
    for _ in range(4):
        means = [functional.avg_pool2d(part, 7, 1) for part in (one, two, one * one, two * two, one * two)]
        variances = means[2] - means[0] ** 2 + means[3] - means[1] ** 2
        alike = (2.0 * (means[4] - means[0] * means[1]) + _STRUCTURE) / (variances + _STRUCTURE)
        loss = loss + 0.84 * (1.0 - alike).mean()
        one, two = functional.avg_pool2d(one, 2), functional.avg_pool2d(two, 2)
    return loss


def variance(predicted: torch.Tensor, target: torch.Tensor, gain: torch.Tensor, trust: torch.Tensor) -> torch.Tensor:
    """Mean square error, and the deviation of each octave as the target's, its grain included."""
    loss = spatial_loss(predicted, target, gain, trust)
    for own, wanted in zip(_pyramid(predicted / gain)[:3], _pyramid(target / gain)[:3], strict=True):
        both = [torch.sqrt(functional.avg_pool2d(part * part, 8) + 1e-3).mean((1, 2, 3)) for part in (own, wanted)]
        loss = loss + (both[0] - both[1]).square().mean()
    return loss


LOSSES: dict[str, Loss] = {
    "ours": spatial_loss, "absolute error": absolute, "with means and gradients": gradients, "Laplacian pyramid": pyramid,
    "multi-scale similarity": similarity, "matched variance": variance,
}  # fmt: skip


def _pyramid(picture: torch.Tensor) -> list[torch.Tensor]:
    taps = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0
    kernel = (taps[:, None] * taps[None])[None, None]
    levels = []
    for _ in range(4):
        coarse = functional.conv2d(functional.pad(picture, (2, 2, 2, 2), mode="reflect"), kernel)
        levels.append(picture - coarse)
        picture = coarse[:, :, ::2, ::2]
    return levels
