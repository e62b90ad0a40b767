"""How commands talk: a bar on a terminal, plain lines in a farm's log, nothing but JSON on standard output when asked."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import click

from film_recovery.contract.errors import FrameRangeError, UsageError

_LINE_SECONDS = 10.0
PATH = click.Path(path_type=Path, readable=False)  # what cannot be read is told where it is read, as an input and no wrong use


@dataclass
class Globals:
    """What every command can be told: ``--json`` and ``-v``."""

    as_json: bool = False
    verbose: bool = False


def common_options(command: click.Command) -> click.Command:
    """Give a command ``--json`` and ``-v``, so that they may stand before or after its name."""

    def remember(context: click.Context, option: click.Parameter, value: bool) -> None:
        if value:
            setattr(context.ensure_object(Globals), str(option.name), True)

    settings: dict[str, Any] = {"is_flag": True, "expose_value": False, "is_eager": True, "callback": remember}
    command.params += [
        click.Option(["--json", "as_json"], help="Print one JSON object on standard output, and nothing else.", **settings),
        click.Option(["-v", "--verbose"], help="Tell the time with each line, and where an error arose.", **settings),
    ]
    return command


class ConsoleReporter:
    """Listens for the command line. Everything goes to standard error, so that standard output can be piped."""

    def __init__(self, verbose: bool = False) -> None:
        self.asked = False
        self._verbose = verbose
        self._terminal = sys.stderr.isatty()
        self._bar: Any = None
        self._created = time.monotonic()
        self._pace: _Pace | None = None

    def stage(self, text: str) -> None:
        """Name the stage that begins."""
        self._close()
        self.note(text)

    def note(self, text: str) -> None:
        """Print a line without breaking the bar."""
        if self._verbose:
            text = f"[{time.monotonic() - self._created:7.1f} s] {text}"
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr, flush=True)

    def progress(self, done: int, total: int, unit: str, figures: dict[str, float] | None = None) -> None:
        """Move the bar, or print a line every ten seconds where there is no terminal."""
        words = {name.replace("_", " "): f"{value:.4g}" for name, value in (figures or {}).items()}
        if self._terminal:
            self._move_bar(done, total, unit, words)
            return
        if self._pace is None or not self._pace.continues(done, total, unit):
            self._pace = _Pace(done, total, unit)
        if self._pace.due(done):
            self.note(self._pace.line(done, words))

    def should_stop(self) -> bool:
        """True after SIGINT or SIGTERM."""
        return self.asked

    def _move_bar(self, done: int, total: int, unit: str, words: dict[str, str]) -> None:
        from tqdm import tqdm

        if self._bar is None or self._bar.total != total or done < self._bar.n:
            self._close()
            self._bar = tqdm(total=total, initial=done, unit=unit, file=sys.stderr, dynamic_ncols=True)
        if words:
            self._bar.set_postfix(words, refresh=False)
        self._bar.update(done - self._bar.n)
        if done >= total:
            self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar = None


class _Pace:
    """How fast something goes, told in lines that are not too many."""

    def __init__(self, done: int, total: int, unit: str) -> None:
        self.first, self.total, self.unit = done, total, unit
        self.latest = done
        self.begin = self.last_line = time.monotonic()

    def continues(self, done: int, total: int, unit: str) -> bool:
        """Whether these figures belong to the same stretch of work."""
        return (total, unit) == (self.total, self.unit) and done > self.latest

    def due(self, done: int) -> bool:
        """Whether a line should be printed now."""
        self.latest = done
        return done == self.total or time.monotonic() - self.last_line >= _LINE_SECONDS

    def line(self, done: int, words: dict[str, str]) -> str:
        """``step 120/400, 3.1 a second, 1:30 left, loss 0.01``."""
        self.last_line = now = time.monotonic()
        parts = [f"{self.unit} {done}/{self.total}"]
        if done > self.first:
            rate = (done - self.first) / max(now - self.begin, 1e-9)
            parts.append(f"{rate:.3g} a second")
            if done < self.total:
                minutes, seconds = divmod(round((self.total - done) / rate), 60)
                parts.append(f"{minutes}:{seconds:02d} left")
        return ", ".join([*parts, *(f"{name} {value}" for name, value in words.items())])


@contextmanager
def stoppable() -> Iterator[ConsoleReporter]:
    """A reporter that asks the work to stop after the first SIGINT or SIGTERM; a second one interrupts it at once."""
    context = click.get_current_context(silent=True)
    reporter = ConsoleReporter(context.ensure_object(Globals).verbose if context else False)

    def ask(number: int, _frame: object) -> None:
        reporter.asked = True
        signal.signal(number, interrupt)
        os.write(2, b"\nStopping cleanly; once more to stop at once.\n")

    previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield reporter
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def interrupt(_number: int, _frame: object) -> NoReturn:
    """A signal handler that ends the work at once, with its clean-up."""
    raise KeyboardInterrupt


def frames_option(text: str | None) -> list[int] | None:
    """A ``--frames`` value as numbers; None stays None. Raises :class:`UsageError` for what is not a range."""
    if text is None:
        return None
    from film_recovery.images.ranges import parse_frames

    try:
        return parse_frames(text)
    except FrameRangeError as error:
        raise UsageError(str(error)) from error


def single_output(path: Path | None, fallback: Path) -> Path:
    """Where a single file goes. Raises :class:`UsageError` when the path is a folder, or has another suffix than the usual one:
    a run's own file could be meant by mistake, and would be written over."""
    chosen = path if path is not None else fallback
    if chosen.is_dir():
        raise UsageError(f"{chosen} is a folder; name a file.")
    if chosen.suffix.lower() != fallback.suffix:
        raise UsageError(f"{chosen} is no {fallback.suffix} file; name one, as {fallback.name}.")
    return chosen
