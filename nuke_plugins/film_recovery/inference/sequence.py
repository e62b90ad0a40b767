"""A model over a whole sequence: read, recover, check, write.

What a frame becomes depends on itself and on a fixed window of frames beside it, so any chunk in any order is the same.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence as Frames
from pathlib import Path

import numpy as np

from film_recovery.contract.errors import InputError, MissingFrameError
from film_recovery.contract.progress import Reporter, SilentReporter
from film_recovery.images.ocio import to_aces
from film_recovery.images.ranges import format_frames
from film_recovery.images.sequence import Sequence
from film_recovery.inference.beside import Beside, may_steady, with_those_beside
from film_recovery.inference.confidence import ConfidenceMaps
from film_recovery.inference.early import EarlyFrames
from film_recovery.inference.grain import check_grain
from film_recovery.inference.outputs import Outputs
from film_recovery.inference.pipeline import ApplyReport, Recovery, run
from film_recovery.inference.session import InferenceOptions, ModelSession
from film_recovery.modelfile.load import LoadedModel, load_model


def apply_model(
    model: Path | str | LoadedModel,
    sequence: Sequence,
    output: Path | str,
    frames: Frames[int] | None = None,
    options: InferenceOptions | None = None,
    *,
    pixel_type: str | None = None,
    aces_from: str | None = None,
    skip_existing: bool = False,
    steady: bool | None = None,
    grain: str = "recovered",
    confidence: bool = False,
    reporter: Reporter | None = None,
) -> ApplyReport:
    """Recover frames of a sequence into ``output``, a pattern such as ``recovered.####.exr``.

    Channels beside RGB, windows and metadata are carried; the model's and the source's hashes are written into the header, so
    that ``skip_existing`` can tell a whole, current frame (by reading it) from anything else.
    Integer files hold coded values and floating-point ones linear light, unless their header or ``sequence.holds_coded`` says
    otherwise; coded values in a floating-point file are marked as such.
    ``aces_from`` names the working space of the files: the result is then written as ACES2065-1, through OpenColorIO.
    ``steady``: where the model keeps luma, takes the flicker of whole frames out of what the model sees, see
    :mod:`film_recovery.inference.steady`, and averages the recovered colour along the motion, see
    :mod:`film_recovery.inference.shimmer`; the luma that is kept stays that of the source as it is. Where it keeps chroma,
    averages the grain that is left in the recovered luma, see :mod:`film_recovery.inference.degrain`. None: wherever it can,
    but not where ``grain`` is the source's.
    ``grain`` of a spatial recovery: as ``recovered``, the ``source``'s own put back, or made up as the ``reference``'s, see
    :mod:`film_recovery.inference.grain`; the header tells which.
    ``confidence`` writes a layer ``confidence.Y`` beside the colour, see :mod:`film_recovery.images.familiar`.

    Raises:
        MissingFrameError: a frame is not there; nothing has been written.
        InputError: the model is not for these files, the output would overwrite the input, or pixels are NaN.
        UsageError: ``steady`` is asked of a model that keeps nothing or together with the source's grain, ``grain`` or
            ``confidence`` of a model that cannot have it, or ``confidence`` in files that cannot hold it.
        DivergedError: the model gives values that are not finite even in single precision.
        BusyError: another process writes the same frames with another model.
        StoppedError: stopped on request; all frames written so far are whole.
        StorageError: the disk is full, read-only or failing.
    """
    reporter = reporter or SilentReporter()
    options = options or InferenceOptions()
    loaded = model if isinstance(model, LoadedModel) else load_model(model)
    wanted = sorted(set(frames if frames is not None else sequence.frames))
    outputs = Outputs(output, wanted, pixel_type, linear=aces_from is not None)
    _check_request(sequence, wanted)
    outputs.refuse_overwriting(sequence)
    if aces_from is not None:
        to_aces(np.zeros((1, 1, 3), np.float32), aces_from)  # an unknown space is told before anything is written
    check_grain(loaded.card, grain)
    steadies = may_steady(loaded.card, steady, grain)
    seen = with_those_beside(sequence, wanted) if steadies else wanted
    early = EarlyFrames(sequence, seen)
    beside = Beside(sequence, loaded.card, seen, early.keep) if steadies else None
    maps = ConfidenceMaps(loaded.card, outputs.pattern) if confidence else None
    session = ModelSession(loaded, options)
    job = Recovery(
        loaded, session, early, outputs, frozenset(wanted), aces_from, skip_existing, beside, grain, maps, options.tile,
        reporter,
    )  # fmt: skip
    outputs.remove_leftovers()
    missing = sequence.missing if frames is None else ""
    if missing:
        reporter.note(f"{sequence.name} lacks {missing}, which {'are' if missing.strip('-0123456789') else 'is'} passed over.")
    begin = time.monotonic()
    report = run(job, seen)
    outputs.check_kept()
    session.rest()
    report.missing = missing
    report.seconds = time.monotonic() - begin
    report.peak_memory_mb = peak_memory_mb()
    return report


def _check_request(sequence: Sequence, wanted: list[int]) -> None:
    if not wanted:
        raise InputError(f"No frames to do in {sequence.name}; choose a frame range that exists.")
    absent = sorted(set(wanted) - set(sequence.frames))
    if absent:
        one = len(absent) == 1
        raise MissingFrameError(
            f"{sequence.name} lacks frame{'' if one else 's'} {format_frames(absent)}; restore {'it' if one else 'them'} or "
            f"choose other --frames."
        )
    for frame in wanted:
        path = sequence.path(frame)
        if path is not None and not path.is_file():
            raise MissingFrameError(f"{path} is gone since the sequence was listed; restore it or choose other --frames.")


def peak_memory_mb(*, children: bool = False) -> float:
    """Of this process since it began, or of the largest of it and its ended ``children``; 0 on Windows, which does not tell."""
    if sys.platform == "win32":
        return 0.0
    import resource

    asked = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN) if children else (resource.RUSAGE_SELF,)
    return max(resource.getrusage(who).ru_maxrss for who in asked) / (1024.0**2 if sys.platform == "darwin" else 1024.0)
