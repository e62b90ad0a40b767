"""Work in a thread of its own. It never touches the graph; what it finds comes back to the interface thread by signals."""

from __future__ import annotations

import threading
import traceback
from typing import Any, Callable

from film_recovery.contract.errors import FilmRecoveryError
from film_recovery_nuke.errors import CancelledError
from film_recovery_nuke.panels.qt import QtCore, Signal

Work = Callable[[Callable[[], bool], Callable[[str], None]], Any]


class Background(QtCore.QObject):
    """Runs one piece of work at a time: a function of ``(cancelled, say)``.

    Signals: ``line(str)``, ``done(object)``, ``failed(str)``, ``cancelled()``; one of the last three ends the work.
    """

    line = Signal(str)
    done = Signal(object)
    failed = Signal(str)
    cancelled = Signal()

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, work: Work) -> bool:
        """Begin; False while something runs already."""
        if self.is_running():
            return False
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()
        return True

    def cancel(self) -> None:
        """Ask the work to end."""
        self._stop.set()

    def is_running(self) -> bool:
        """Whether something runs."""
        return self._thread is not None and self._thread.is_alive()

    def wait(self, seconds: float = 10.0) -> None:
        """Wait for the end, for instance when the panel closes."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self, work: Work) -> None:
        try:
            self.done.emit(work(self._stop.is_set, self.line.emit))
        except CancelledError:
            self.cancelled.emit()
        except FilmRecoveryError as error:
            self.failed.emit(str(error))
        except Exception as error:  # noqa: BLE001 - the thread's outermost wall: the panel tells it, the terminal keeps the trace
            traceback.print_exc()
            self.failed.emit(f"This is a defect: {error!r}. The traceback is in the terminal.")
