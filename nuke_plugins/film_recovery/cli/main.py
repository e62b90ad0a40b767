"""The command ``film-recovery``: a thin skin over the rooms. Each command imports what it needs when it runs, so that
``--help`` answers at once."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

import click

import film_recovery
from film_recovery.cli import align, analyse, apply, demo, doctor, elements, export, match, project, report, select, train
from film_recovery.cli.console import Globals, common_options, interrupt
from film_recovery.contract.errors import FilmRecoveryError, StorageError, UsageError
from film_recovery.contract.exit_codes import ExitCode

# Two thread pools fight over the cores: PyTorch and ONNX Runtime have their own, OpenBLAS only solves small systems here.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# What the system may say of a file at any time, and of the log that is written to; other such errors are defects of ours.
_OF_THE_SYSTEM = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT,
    errno.ENAMETOOLONG,
}  # fmt: skip
_EXIT_CODES = "\n".join(f"  {int(code)}  {code.meaning}" for code in ExitCode)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=f"\b\nExit codes:\n{_EXIT_CODES}",
)
@click.version_option(film_recovery.__version__, prog_name="film-recovery")
def cli() -> None:
    """Give one film element what another has kept.

    A faded internegative is sharp, a soft print kept its colour: train on a few paired frames, recover the whole sequence.

    \b
    Look at the elements, learn from frames that both have, recover everything, judge:
      film-recovery analyse "neg.####.exr" --against "print.####.exr"
      film-recovery train --task chroma --source "neg.####.exr" --reference "print.####.exr" --out runs/shot010
      film-recovery apply runs/shot010 --input "neg.####.exr" --output "recovered/shot010.####.exr"
      film-recovery report runs/shot010

    FILES is a pattern (neg.####.exr, neg.%04d.dpx), a folder of stills, or a movie file; quote patterns. RANGE is spelled as in
    Nuke: 1001-1055, 1-10x2, 1,5,9.
    """


for command in (
    train.train, train.resume, train.verify, train.stop, train.status, apply.apply, export.export, analyse.analyse,
    elements.balance, match.match, select.select, align.align, project.recover, report.compare, report.report, demo.demo,
    doctor.doctor,
):  # fmt: skip
    cli.add_command(common_options(command))
common_options(cli)

_GO_ON = "Run the same command again; a training goes on with film-recovery resume, apply with --skip-existing."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; print a user's mistake as one sentence; return the exit code of the table."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    state = Globals(as_json="--json" in given)
    with _interruptible(), _json_only(state.as_json):
        result, code = _run(given, state)
    if state.as_json and isinstance(result, dict) and not _told(json.dumps(_plain(result), allow_nan=False)):
        return int(ExitCode.STORAGE)
    return int(code)


def _told(text: str) -> bool:
    """Whether the result reached standard output; who reads it may be gone, and its disk full. What was done is done."""
    try:
        print(text, flush=True)
    except OSError as error:
        with contextlib.suppress(OSError):
            print(f"The result cannot be written to standard output ({error.strerror}).", file=sys.stderr, flush=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left in the buffer must not fail once more at the exit
        return False
    return True


def _run(given: list[str], state: Globals) -> tuple[Any, int]:
    """The result of the command and the exit code; with an error the result holds its message."""
    try:
        with _system_errors():
            _refuse_foreign_bytes(given)
            result = cli.main(args=given, prog_name="film-recovery", standalone_mode=False, obj=state)
    except FilmRecoveryError as error:
        if state.verbose:
            traceback.print_exc()
        message, code = str(error), error.exit_code
    except (click.exceptions.Abort, KeyboardInterrupt):
        message, code = f"Stopped by a signal. {_GO_ON}", ExitCode.STOPPED
    except click.ClickException as error:
        error.show()
        return {"error": error.format_message(), "exit_code": int(ExitCode.USAGE)}, ExitCode.USAGE
    else:
        if isinstance(result, dict):
            return result, int(result.get("exit_code", ExitCode.OK))
        return result, result if isinstance(result, int) else ExitCode.OK
    with contextlib.suppress(OSError):  # the log's own disk may be the one that is full
        print(message, file=sys.stderr, flush=True)
    return {"error": message, "exit_code": int(code)}, code


@contextlib.contextmanager
def _system_errors() -> Iterator[None]:
    """What the system refuses anywhere, as a :class:`StorageError`."""
    try:
        yield
    except OSError as error:
        if error.errno not in _OF_THE_SYSTEM:
            raise
        what = "The output" if error.filename is None else error.filename
        advice = "check its name, its permissions and its disk, then run again"
        raise StorageError(f"{what} cannot be read or written ({error.strerror}); {advice}.") from error


def _refuse_foreign_bytes(given: list[str]) -> None:
    """Image libraries name files in UTF-8 only."""
    for word in given:
        try:
            word.encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"{word!a} is not UTF-8, as names of files have to be; rename the file or folder.") from error


def _plain(value: Any) -> Any:
    """What JSON can hold: figures that are not finite (the PSNR of equal pictures) become null."""
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


@contextlib.contextmanager
def _json_only(active: bool) -> Iterator[None]:
    """Send whatever a library prints on standard output, even from C, to standard error, so that only the result is there."""
    if not active:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Make SIGTERM end a command as Ctrl-C does: with its clean-up, and with the exit code for *stopped*."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


if __name__ == "__main__":
    sys.exit(main())
