"""The one family of errors that a person at the screen is meant to read.

Every message says what was found, where (file, frame, node) and what to do about it, in one sentence or two. The command
line prints the message alone and leaves with ``exit_code``; anything outside this family is a defect of ours and keeps its
traceback.
"""

from __future__ import annotations

from film_recovery.contract.exit_codes import ExitCode


class FilmRecoveryError(Exception):
    """Base of the family. ``exit_code`` is what a process that ends with this error returns."""

    exit_code: ExitCode = ExitCode.BAD_INPUT


class InputError(FilmRecoveryError):
    """Something the user named does not exist, cannot be read or does not fit together."""


class MissingFrameError(InputError):
    """A frame that the work needs is not on disk."""


class UnreadableImageError(InputError):
    """A file exists but does not hold a whole, readable image."""


class FrameRangeError(InputError):
    """A frame range is spelled in a way that Nuke would not understand."""


class VerificationError(InputError):
    """The training inputs were read but must not be trained on."""


class ProjectError(InputError):
    """A project file is misspelled or contradicts itself."""


class ModelFileError(InputError):
    """A model file is damaged, unsafe, or made for another task."""


class UsageError(FilmRecoveryError):
    """Options that contradict each other."""

    exit_code = ExitCode.USAGE


class DeviceError(FilmRecoveryError):
    """The device that was asked for is absent or has too little memory."""

    exit_code = ExitCode.NO_DEVICE


class DivergedError(FilmRecoveryError):
    """Training or inference produced values that are not finite."""

    exit_code = ExitCode.DIVERGED


class StoppedError(FilmRecoveryError):
    """The user asked to stop; what was done so far is kept."""

    exit_code = ExitCode.STOPPED


class BusyError(FilmRecoveryError):
    """Another process is at work in the same folder."""

    exit_code = ExitCode.BUSY


class StorageError(FilmRecoveryError):
    """The disk is full, read-only or went away."""

    exit_code = ExitCode.STORAGE
