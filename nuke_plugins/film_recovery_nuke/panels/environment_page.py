"""The page about the worker: which one is used, what it can do, making its environment."""

from __future__ import annotations

from typing import Any

from film_recovery_nuke import environment, worker
from film_recovery_nuke.panels.background import Background
from film_recovery_nuke.panels.qt import QtWidgets

_LINES = 400


class EnvironmentPage(QtWidgets.QWidget):
    """Find, check, make and test the worker's environment."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._work = Background(self)
        self._work.line.connect(self._say)
        self._work.done.connect(self._finished)
        self._work.failed.connect(self._failed)
        self._work.cancelled.connect(lambda: self._failed("Cancelled."))
        self._facts = QtWidgets.QFormLayout()
        self._values = {name: QtWidgets.QLabel("…") for name in ("Python", "Version", "Protocol", "Devices", "Problems")}
        for name, label in self._values.items():
            label.setWordWrap(True)
            self._facts.addRow(name, label)
        self._check = QtWidgets.QPushButton("Check")
        self._test = QtWidgets.QPushButton("Self-test")
        self._make = QtWidgets.QPushButton("Make environment")
        self._cancel = QtWidgets.QPushButton("Cancel")
        self._check.setToolTip("Ask the worker for its version.")
        self._test.setToolTip("Let the worker look itself over: packages, devices, disk.")
        self._make.setToolTip(
            "Make the worker's environment beside the package, or bring it up to date. Takes minutes and about 6 GB."
        )
        for button, slot in ((self._check, self.check), (self._test, self.self_test), (self._make, self.make_environment),
                             (self._cancel, self._work.cancel)):  # fmt: skip
            button.clicked.connect(slot)
        row = QtWidgets.QHBoxLayout()
        for button in (self._check, self._test, self._make, self._cancel):
            row.addWidget(button)
        row.addStretch(1)
        self._log = QtWidgets.QPlainTextEdit()
        self._log.setReadOnly(True)
        self._log.setMaximumBlockCount(_LINES)
        self._log.setPlaceholderText("What the worker and its set-up say appears here.")
        layout = QtWidgets.QVBoxLayout(self)
        intro = QtWidgets.QLabel("Training and inference run in the worker, a Python environment of its own outside Nuke.")
        intro.setWordWrap(True)
        layout.addWidget(intro)
        layout.addLayout(self._facts)
        layout.addLayout(row)
        layout.addWidget(self._log, 1)
        self._busy(False)

    def check(self) -> None:
        """Ask the worker what it is."""
        self._begin("check", lambda cancelled, say: worker.check(worker.find_python()))

    def self_test(self) -> None:
        """Let the worker look itself over."""

        def test(cancelled: Any, say: Any) -> Any:
            code, said, tail = worker.call(["doctor", "--quick"], cancelled, say)
            if said is None:
                raise worker.failed("The self-test failed", code, tail)
            return said

        self._begin("test", test)

    def make_environment(self) -> None:
        """Make the environment."""
        self._begin("make", lambda cancelled, say: environment.make(environment.suitable_python(), None, cancelled, say))

    def stop(self) -> None:
        """End what runs; called when the panel closes."""
        self._work.cancel()
        self._work.wait()

    def _begin(self, what: str, work: Any) -> None:
        if self._work.start(work):
            self._what = what
            self._busy(True)

    def _busy(self, busy: bool) -> None:
        for button in (self._check, self._test, self._make):
            button.setEnabled(not busy)
        self._cancel.setEnabled(busy)

    def _say(self, text: str) -> None:
        self._log.appendPlainText(text)

    def _finished(self, found: Any) -> None:
        self._busy(False)
        if self._what == "make":
            self._say(f"The environment is ready: {found}")
            self.check()
        elif self._what == "check":
            self._values["Python"].setText(f"{found.python_version}, {found.python}")
            self._values["Version"].setText(found.version)
            self._values["Protocol"].setText(str(found.protocol))
        else:
            devices = {use: found.get(f"{use}_device", "unknown") for use in ("training", "inference")}
            self._values["Devices"].setText(_plain(devices))
            problems = found.get("problems") or []
            self._values["Problems"].setText("\n".join(str(problem) for problem in problems) or "none found")

    def _failed(self, message: str) -> None:
        self._busy(False)
        self._say(message)
        if self._what == "check":
            self._values["Problems"].setText(message)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_plain(entry)}" for key, entry in value.items())
    return ", ".join(_plain(entry) for entry in value) if isinstance(value, (list, tuple)) else str(value)
