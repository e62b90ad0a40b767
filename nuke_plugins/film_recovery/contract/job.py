"""A training job: everything that decides what a run does, written once as ``job.json`` in the run's folder."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

from film_recovery.contract.errors import UsageError
from film_recovery.contract.records import load_record, save_record

SCHEMA, VERSION = "film-recovery/job", 1
TASKS = ("chroma", "spatial", "as-is")
SIZES = ("small", "medium", "large")
ENCODINGS, MATRICES = ("display", "log", "none"), ("709", "601", "2020")
PRECISIONS = ("auto", "fp32", "bf16")
KEPT = {"chroma": "luma", "spatial": "chroma", "as-is": "nothing"}


@dataclass
class TrainingJob:
    """What to learn, from which frames, and how long.

    Frames are numbers of the source; the reference's (or target's) frame is the source's plus ``reference_offset``, unless
    ``reference_frames`` names another (source frame, as text, to reference frame). ``alignment`` is the path of an
    ``align.json`` whose transforms are taken instead of registering each pair anew.
    ``encoding`` and ``balance`` may be ``auto``: ``display`` for float files and ``none`` for coded ones; ``fit`` for
    chroma and ``none`` otherwise. ``balance`` may also be 12 numbers: the rows of the 3x3 matrix, then the offset, in density.
    ``crop`` is ``[x, y, width, height]`` in pixels of the source's data window, row 0 on top; None finds the picture area.
    ``stop_when_level`` ends a training early, well before its last step, once its held-out figure has levelled off.
    ``initial_weights`` is a run or checkpoint whose network this one begins with; ``auto`` takes those that are shipped for
    the task and size, if there are any, ``none`` begins with no correction.
    Exactly one of ``steps`` and ``minutes`` is set; minutes become steps by the probe, which records them in the run.
    """

    task: str
    source: str
    reference: str
    frames: list[int] = field(default_factory=list)
    held_out: list[int] = field(default_factory=list)
    reference_offset: int = 0
    encoding: str = "auto"
    matrix: str = "709"
    balance: str | list[float] = "auto"
    align: str = "affine"
    crop: list[int] | None = None
    size: str = "medium"
    patch: int = 128
    batch: int = 8
    steps: int | None = None
    minutes: float | None = None
    seed: int = 0
    learning_rate: float | None = None
    checkpoint_interval: int = 500
    sheet_interval: int = 250
    preview: int | None = None
    initial_weights: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    reasons: dict[str, str] = field(default_factory=dict)
    reference_frames: dict[str, int] = field(default_factory=dict)
    alignment: str | None = None
    stop_when_level: bool = False

    def partner(self, frame: int) -> int:
        """The reference's frame that shows what the source's ``frame`` shows."""
        return self.reference_frames.get(str(frame), frame + self.reference_offset)

    @property
    def kept(self) -> str:
        """The component that the recovery must not change: ``luma``, ``chroma`` or ``nothing``."""
        return KEPT[self.task]

    def check(self) -> None:
        """Raise :class:`UsageError` for values that contradict each other or lie outside their range."""
        if self.task not in TASKS:
            raise UsageError(f"Unknown task '{self.task}'; choose one of {', '.join(TASKS)}.")
        if self.size not in SIZES:
            raise UsageError(f"Unknown model size '{self.size}'; choose one of {', '.join(SIZES)}.")
        if self.encoding not in ("auto", *ENCODINGS):
            raise UsageError(f"Unknown encoding '{self.encoding}'; choose auto, {', '.join(ENCODINGS)}.")
        if self.matrix not in MATRICES:
            raise UsageError(f"Unknown matrix '{self.matrix}'; choose one of {', '.join(MATRICES)}.")
        if (self.steps is None) == (self.minutes is None):
            raise UsageError("Give either steps or minutes, not both and not neither.")
        if (self.steps is not None and self.steps < 1) or (self.minutes is not None and not 0.0 < self.minutes < math.inf):
            raise UsageError("A training needs at least one step, and an end; choose other steps or minutes.")
        if not 0 <= self.seed < 2**63:
            raise UsageError(f"The seed is {self.seed}; it must be a whole number from 0 to 2^63 - 1.")
        if self.patch < 32 or self.patch % 16:
            raise UsageError(f"The crop size is {self.patch}; it must be a multiple of 16 and at least 32.")
        if self.batch < 1 or self.checkpoint_interval < 1 or self.sheet_interval < 1:
            raise UsageError("Batch and intervals must be 1 or more.")
        if self.precision not in PRECISIONS:
            raise UsageError(f"Unknown precision '{self.precision}'; choose one of {', '.join(PRECISIONS)}.")
        if self.align not in ("affine", "none"):
            raise UsageError(f"Unknown alignment '{self.align}'; choose affine or none.")
        if not all(re.fullmatch(r"-?\d+", frame) for frame in self.reference_frames):
            raise UsageError("The partners of source frames must be listed by frame number.")
        shared = sorted(set(self.frames) & set(self.held_out))
        if shared:
            raise UsageError(f"Frame {shared[0]} is on both sides of the held-out line; take it out of one list.")
        if not isinstance(self.balance, str) and len(self.balance) != 12:
            raise UsageError(f"A balance is 12 numbers, found {len(self.balance)}: nine of the matrix, then three offsets.")
        if not isinstance(self.balance, str) and not all(math.isfinite(number) for number in self.balance):
            raise UsageError("The balance holds a number that is NaN or infinite; give 12 finite ones.")
        if isinstance(self.balance, str) and self.balance not in ("auto", "fit", "none"):
            raise UsageError(f"Unknown balance '{self.balance}'; choose auto, fit, none or 12 numbers.")

    def save(self, path: Path) -> None:
        """Write the job, whole or not at all."""
        save_record(path, self, SCHEMA, VERSION)


def load_job(path: Path) -> TrainingJob:
    """Read and check a job. Raises :class:`InputError` or :class:`UsageError`."""
    job = load_record(path, TrainingJob, SCHEMA, VERSION)
    job.check()
    return job
