"""Closed-form starts, ready in a second or two: what the network only has to correct.

A 33-node colour look-up table (chroma and as-is), then the linear filter that brings the result closest to the targets in the
least-squares sense: for colour it takes out the grain that the table amplified, guided by luma, and because grain is nearly
all that it is to take out, it may change no pixel by much more than grain does; for spatial recovery, where there is no table,
it is a Wiener deconvolution learned from the pairs. All of it is a module inside the exported graph.

Targets whose colour is softer than the source's (video, a soft print, a reference that lies off: :mod:`softness`) would teach
the filter to blur. So it is fitted through the same blur, and the grain that the blur took from its view is given back to the
normal equations as what it is, white noise: a Wiener filter for the sharp picture. What that makes of edges no target can
judge; sharp targets have, so by them it may change more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from film_recovery.images.colour import rgb_to_ycbcr, ycbcr_to_rgb
from film_recovery.pairs.lut import ColourLut, change_at, fit_table, sampled, sampled_changes
from film_recovery.training.expectation import expected_change
from film_recovery.training.levels import flicker_levels
from film_recovery.training.parts import BELIEVED, LEARNED_AREA, Coder, Part, as_it_is, thinned, tiles_of
from film_recovery.training.softness import LARGEST, measure_softness, noticeable, soften
from film_recovery.training.start_module import FILTER_SIDE, Start

_FILTER_SAMPLES = 60_000
_RIDGE = 1e-4  # of the mean diagonal; holds the filter back where the pairs have no contrast
# Deviations of grain, by sharp and by soft targets: larger changes are not grain but an edge, or a colour that the pairs lack.
_LIMIT, _LIMIT_SOFT = 4.0, 1.5
_LEVEL_SAMPLES, _LEVEL_NODES = 60_000, 17  # pixels of all pictures, and table, to see how their targets' levels lie
_GRAIN = 1.5  # times the measured variance: grain is not quite white, and weighs more in colour than in figures
FloatArray = npt.NDArray[np.float32]


@torch.no_grad()
def fit_start(
    task: str,
    source: Sequence[FloatArray],
    target: Sequence[FloatArray],
    matrix: str,
    seed: int,
    *,
    trust: Sequence[FloatArray | None] | None = None,
    tolerant: bool = True,
    softest: float = LARGEST,
    unbalanced: str | None = None,
    code: tuple[Coder, Coder] = (as_it_is, as_it_is),
) -> Start:
    """Fit the start of ``task`` from pictures and targets, (H, W, 3) each; ``trust`` (H, W) each, 0..1, or None for all.

    ``code`` makes coded values of a picture's and of a target's, pixel by pixel; of large pictures only the parts that are
    learned from go through it. ``unbalanced`` is the encoding of pictures to which no density balance was applied: the table
    then expects what :mod:`expectation` says. ``softest`` is by how many pixels the targets' colour can be softer at most, see
    :mod:`softness`. Without ``tolerant`` soft targets are copied pixel by pixel, to compare with.
    """
    start, believed = Start(task), trust or [None] * len(source)
    levels = np.zeros((len(source), 3), np.float32)  # by which targets are too high
    if start.uses_table:
        parts = [_coded_part(code, *pair) for pair in thinned(source, target, believed)]
        if task == "chroma":
            levels = _target_levels(parts, matrix, seed)
        parts = [(picture, goal - levels[number], believed, number) for picture, goal, believed, number in parts]
        pictures, goals, weights, _ = (list(column) for column in zip(*parts, strict=True))
        colours, change = sampled_changes(pictures, goals, seed, weights)
        learned_change = rgb_to_ycbcr(change, matrix)[:, start.first :]
        if unbalanced is None:
            start.set_table(fit_table(colours, learned_change))
        else:
            expected = expected_change(pictures, goals, unbalanced, matrix, weights)[..., start.first :]
            start.set_table(expected + fit_table(colours, learned_change - change_at(expected, colours)))
    tiles = [_coded_part(code, *pair) for pair in tiles_of(source, target, believed, LEARNED_AREA, start.filter_reach)]
    looked_up, goals = [], []
    for picture, goal, _, number in tiles:
        tensors = [torch.from_numpy(p).permute(2, 0, 1)[None] for p in (picture, rgb_to_ycbcr(picture, matrix))]
        looked_up.append(start.looked_up(*tensors)[0].numpy())
        goals.append(rgb_to_ycbcr(goal - levels[number], matrix).transpose(2, 0, 1))
    learned, noise = slice(start.first, start.first + start.outputs), np.zeros(start.inputs)
    if task == "chroma":
        grain = _grain_variance([part[learned] for part in looked_up])
        if tolerant:
            softness = measure_softness(
                [part[0] for part in looked_up], [part[learned] for part in looked_up], [part[learned] for part in goals]
            )
            softness = noticeable(min(softness, softest))
            start.softness.fill_(softness)
            if softness:
                noise[learned] = _GRAIN * grain
                looked_up = [soften(torch.from_numpy(part)[None], softness)[0].numpy() for part in looked_up]
        start.set_limit(np.asarray((_LIMIT_SOFT if start.softness else _LIMIT) * np.sqrt(grain), np.float32))
    given = [part[: start.inputs] for part in looked_up]
    wanted = [goal[learned] - part[learned] for goal, part in zip(goals, looked_up, strict=True)]
    start.set_filter(*_fit_filter(given, wanted, [part[2] for part in tiles], FILTER_SIDE[task], seed, noise, start.first))
    return start


def _target_levels(parts: Sequence[Part], matrix: str, seed: int) -> FloatArray:
    """By how much each picture's target is too high in Cb and Cr, (pictures, 3), as a change of coded RGB that keeps luma.

    Both elements flicker, and a table that is fitted to every frame's own level learns the flicker as if it were colour. A
    first table, of fewer samples and nodes, tells how the frames lie to each other.
    """
    step = max(int((sum(part[0].shape[0] * part[0].shape[1] for part in parts) / _LEVEL_SAMPLES) ** 0.5), 1)
    thin = (slice(None, None, step), slice(None, None, step))
    few = [(picture[thin], goal[thin], None if seen is None else seen[thin]) for picture, goal, seen, _ in parts]
    pictures, goals, trust = (list(column) for column in zip(*few, strict=True))
    table = ColourLut.fit(pictures, goals, seed, trust, _LEVEL_NODES)
    residuals, sure = [], []
    for picture, goal, believed in zip(pictures, goals, trust, strict=True):
        residuals.append(rgb_to_ycbcr(goal - table.apply(picture), matrix)[..., 1:].transpose(2, 0, 1))
        sure.append(np.ones(picture.shape[:2], np.bool_) if believed is None else believed > BELIEVED)
    shift = np.zeros((len(residuals), 3), np.float32)
    shift[:, 1:] = flicker_levels(residuals, sure)
    return ycbcr_to_rgb(shift, matrix)


def _coded_part(
    code: tuple[Coder, Coder], picture: FloatArray, goal: FloatArray, believed: FloatArray | None, number: int
) -> Part:
    """A part with coded values."""
    return code[0](picture), code[1](goal), believed, number


def _grain_variance(pictures: Sequence[FloatArray]) -> npt.NDArray[np.float64]:
    """Variance of white noise in each channel of (C, H, W) pictures, by the median second difference along both axes."""
    found = []
    for picture in pictures:
        second = picture[:, :-1, :-1] - picture[:, 1:, :-1] - picture[:, :-1, 1:] + picture[:, 1:, 1:]
        found.append((1.4826 * np.median(np.abs(second), axis=(1, 2))) ** 2 / 4.0)
    return np.asarray(np.mean(found, axis=0), np.float64)


def _fit_filter(
    given: Sequence[FloatArray],
    wanted: Sequence[FloatArray],
    trust: Sequence[FloatArray | None],
    side: int,
    seed: int,
    noise: npt.NDArray[np.float64],
    first: int,
) -> tuple[FloatArray, FloatArray]:
    """Least squares over sampled neighbourhoods, averaged over the four flips (a filter has no reason to lean to a side).

    ``given`` are (inputs, H, W), ``wanted`` the changes (outputs, H, W); ``noise`` (inputs,) is the variance of white noise
    that the pictures have besides what is ``given``; output 0 is a change of input ``first``. Returns kernel and offset.
    """
    inputs, outputs, pad = given[0].shape[0], wanted[0].shape[0], side // 2
    count, share = inputs * side * side + 1, max(_FILTER_SAMPLES // len(given), 1)
    normal, right = np.zeros((count, count)), np.zeros((count, outputs))
    random = np.random.default_rng(seed)
    for picture, change, believed in zip(given, wanted, trust, strict=True):
        padded = np.pad(picture, ((0, 0), (pad, pad), (pad, pad)), mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(1, 2))
        height, width = picture.shape[1:]
        at = sampled(height * width, share, believed, random)
        rows = windows[:, at // width, at % width].transpose(1, 0, 2, 3)
        rows = (rows + rows[..., ::-1, :] + rows[..., ::-1] + rows[..., ::-1, ::-1]) * np.float32(0.25)
        rows = rows.reshape(len(at), count - 1)  # perhaps none, where nothing is believed
        design = np.concatenate([rows, np.ones((len(at), 1), np.float32)], axis=1).astype(np.float64)
        normal += design.T @ design
        right += design.T @ change.reshape(outputs, -1)[:, at].T.astype(np.float64)
    samples = float(normal[-1, -1])
    if not samples:  # nothing is believed
        return np.zeros((outputs, inputs, side, side), np.float32), np.zeros(outputs, np.float32)
    for channel in np.flatnonzero(noise):
        taps = np.arange(channel * side * side, (channel + 1) * side * side)
        normal[taps, taps] += samples * noise[channel]
        right[taps[len(taps) // 2], channel - first] -= samples * noise[channel]  # what is passed on unchanged has it too
    ridge = _RIDGE * np.trace(normal) / count
    solution = np.linalg.solve(normal + ridge * np.eye(count), right)
    kernel = solution[:-1].T.reshape(outputs, inputs, side, side)
    kernel = (kernel + kernel[..., ::-1, :] + kernel[..., ::-1] + kernel[..., ::-1, ::-1]) * 0.25
    return kernel.astype(np.float32), solution[-1].astype(np.float32)
