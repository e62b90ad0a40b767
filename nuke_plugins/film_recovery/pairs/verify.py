"""The dry run: everything wrong with a job's inputs, in words, with nothing written. The rules are in ``pairs.rules``."""

from __future__ import annotations

from film_recovery.contract.job import TrainingJob
from film_recovery.contract.progress import Reporter
from film_recovery.pairs.gather import gather
from film_recovery.pairs.rules import Finding


def verify_job(job: TrainingJob, reporter: Reporter | None = None) -> list[Finding]:
    """Read, judge and align all pairs of a job; return what was found, errors and warnings mixed, in order of discovery.

    Raises:
        InputError: an element does not exist, or the two cannot be told to hold the same kind of values.
        UsageError: the job contradicts itself.
        StoppedError: the reporter asked to stop.
    """
    job.check()
    return gather(job, reporter).findings
