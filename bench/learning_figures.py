"""How good recovered colour is: against the truth, and how it flickers against the truth's own changes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from handing_out import card_of, handed_out
from learning_cases import Case
from learning_methods import Method, kept_luma

from film_recovery.images.colour import rgb_to_ycbcr, swap_luma, ycbcr_to_rgb
from film_recovery.images.encodings import decode, encode
from film_recovery.review.flicker import PATCH, chroma_flicker
from film_recovery.review.metrics import delta_e

_OWN_LUMA = ("nothing", "density")  # shown as they are; every other result is laid on the kept luma
STEADIED = ("lut", "lut_kept_luma", "start", "ours")  # judged also with their sources steadied
_FOLLOWED = 0.03  # coded luma: largest mean error of a patch of the truth after the flow, for it to count
FloatArray = npt.NDArray[np.float32]


def judge(name: str, method: Method, case: Case) -> dict[str, object]:
    """All figures of a method on a case's unseen frames.

    ``psnr``: dB of coded RGB with the same luma on both sides, so that colour alone counts; ``frames`` the same for each
    frame; ``delta_e``: mean CIEDE2000 to the truth; ``flicker_still`` and ``flicker_moving``, coded units times 1000, and
    ``flicker_truth``, the truth's own of the first kind; None where nothing stands still or can be followed. ``steadied``:
    all of these once more as ``apply`` hands them out, without the flicker of whole frames and without shimmer; None for
    methods to which nobody does that, and where there are no frames around.
    """
    alone = [_finished(name, method, case, source) for source in (*case.sources, *case.run_sources)]
    figures = _figures(alone[: len(case.sources)], alone[len(case.sources) :], case)
    if name not in STEADIED or case.shot is None:
        return {**figures, "steadied": None}
    shot, card = case.shot, card_of(case.dataset.manifest)
    steady = handed_out(method.apply, shot.around, {*shot.judged, *shot.run}, shot.steadiness, card)
    judged, run = ([steady[frame] for frame in frames] for frames in (shot.judged, shot.run))
    return {**figures, "steadied": _figures(judged, run, case)}


def _finished(name: str, method: Method, case: Case, source: FloatArray) -> FloatArray:
    """What a method makes of a frame, on the luma that is kept."""
    encoding, matrix = case.dataset.manifest.encoding, case.dataset.manifest.matrix
    result = method.apply(source)
    if name in _OWN_LUMA:
        return result
    coded = np.asarray(encode(result, encoding), np.float32)
    return np.asarray(decode(swap_luma(coded, kept_luma(case.dataset, source), matrix), encoding), np.float32)


def _figures(judged: Sequence[FloatArray], run: Sequence[FloatArray], case: Case) -> dict[str, object]:
    encoding, matrix = case.dataset.manifest.encoding, case.dataset.manifest.matrix
    pairs = list(zip(judged, case.truths, strict=True))
    frames = [colour_psnr(result, truth, encoding, matrix) for result, truth in pairs]
    differences = [delta_e(result[1::2, 1::2], truth[1::2, 1::2], encoding)[0] for result, truth in pairs]
    both = (list(run), case.run_truths)
    still = [chroma_flicker(part, case.run_truths, encoding, matrix) for part in both] if run else [None] * 2
    moving = moving_flicker(run, case.run_truths, encoding, matrix)
    figures = dict(zip(("flicker_still", "flicker_truth", "flicker_moving"), (*still, moving), strict=True))
    return {
        "psnr": round(float(np.mean(frames)), 3),
        "frames": [round(one, 3) for one in frames],
        "delta_e": round(float(np.mean(differences)), 3),
        **{key: None if value is None else round(1000.0 * value, 3) for key, value in figures.items()},
    }


def colour_psnr(result: FloatArray, truth: FloatArray, encoding: str, matrix: str) -> float:
    """PSNR in dB, peak 1, of coded RGB when both pictures have the same luma."""
    error = rgb_to_ycbcr(encode(result, encoding), matrix) - rgb_to_ycbcr(encode(truth, encoding), matrix)
    error[..., 0] = 0.0
    return -10.0 * math.log10(max(float(np.square(ycbcr_to_rgb(error, matrix), dtype=np.float64).mean()), 1e-12))


def moving_flicker(results: Sequence[FloatArray], truths: Sequence[FloatArray], encoding: str, matrix: str) -> float | None:
    """Change of patch-mean Cb and Cr from frame to frame along the truth's motion, less the truth's own: RMS, coded units.

    The motion is OpenCV's DIS optical flow of the truth; patches that it does not follow are left out.
    """
    changes, own = moving_changes(results, truths, encoding, matrix)
    return root_mean_square(changes - own)


def moving_changes(
    results: Sequence[FloatArray], truths: Sequence[FloatArray], encoding: str, matrix: str
) -> tuple[FloatArray, FloatArray]:
    """What :func:`moving_flicker` compares, (N, 2) each: the changes of Cb and Cr in the results, and those in the truth."""
    found: list[list[FloatArray]] = [[np.zeros((0, 2), np.float32)], [np.zeros((0, 2), np.float32)]]
    for first in range(len(results) - 1):
        before, after = (_coded(one, encoding, matrix) for one in truths[first : first + 2])
        where = _flow(before[..., 0], after[..., 0])
        changes = []
        for pictures in ([_coded(one, encoding, matrix) for one in results[first : first + 2]], (before, after)):
            followed = cv2.remap(pictures[1], where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            changes.append(np.asarray(followed, np.float32) - pictures[0])
        good = _patches(np.abs(changes[1][..., :1]))[..., 0] <= _FOLLOWED
        for kept, change in zip(found, changes, strict=True):
            kept.append(_patches(change[..., 1:])[good])
    ours, theirs = (np.concatenate(kept) for kept in found)
    return ours, theirs


def root_mean_square(changes: FloatArray) -> float | None:
    """Of (N, 2) changes, Cb and Cr added; None for none."""
    return float(np.sqrt(np.square(changes, dtype=np.float64).sum(axis=-1).mean())) if len(changes) else None


def _coded(rgb: FloatArray, encoding: str, matrix: str) -> FloatArray:
    return rgb_to_ycbcr(encode(rgb, encoding), matrix)


def _flow(before: FloatArray, after: FloatArray) -> FloatArray:
    """For every pixel of the first luma its place in the second, (H, W, 2), x and y."""
    eight_bit = [np.asarray(np.clip(one, 0.0, 1.0) * 255.0 + 0.5, np.uint8) for one in (before, after)]
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(*eight_bit, None)
    y, x = np.indices(before.shape, np.float32)
    return np.asarray(flow + np.stack([x, y], axis=-1), np.float32)


def _patches(picture: FloatArray) -> FloatArray:
    """Means of whole patches, (rows, columns, C)."""
    rows, columns = picture.shape[0] // PATCH, picture.shape[1] // PATCH
    cut = picture[: rows * PATCH, : columns * PATCH].reshape(rows, PATCH, columns, PATCH, -1)
    return np.asarray(cut.mean(axis=(1, 3)), np.float32)
