"""Where a training is, read from its folder alone: that is how Nuke finds it again after it was closed."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from film_recovery.contract.findings import Finding, finding_of
from film_recovery.contract.run_folder import RunFolder
from film_recovery_nuke import worker

GATHERED = "gathered"
Points = list[tuple[int, float]]
_ENDS = ("finished", "failed", "stopped")


@dataclass
class RunState:
    """A run as it stands.

    Attributes:
        folder: the run's folder.
        state: ``absent``, ``lost`` (the folder is not where the node looks), ``gathered`` (frames are there, nothing was
            started), ``starting``, ``running``, ``stopped``, ``interrupted`` (killed: it can be resumed), ``failed``,
            ``finished``.
        step, steps: how far it is; ``steps`` 0 before it is known.
        losses, held_out: points ``(step, value)``; held-out figures are PSNR in dB, higher is better.
        start_psnr: what the closed-form start reaches on the held-out pairs, dB.
        handed_out: what the model that is handed out reaches on them, dB, and the share of the correction that it has; None
            before it is, and without held-out pairs.
        stage: what it is doing, in words.
        warnings: what it warned about, causes before symptoms; ``failure`` is why it failed.
        findings: what the training was judged to be, with what to do.
        sheet, preview, model: the newest contact sheet and preview, and the exported model.
        seconds_left: a guess from the last steps; None without one.
    """

    folder: Path
    state: str = "absent"
    task: str = ""
    step: int = 0
    steps: int = 0
    losses: Points = field(default_factory=list)
    held_out: Points = field(default_factory=list)
    start_psnr: float | None = None
    handed_out: tuple[float, float] | None = None
    stage: str = ""
    warnings: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    failure: str = ""
    sheet: Path | None = None
    preview: Path | None = None
    model: Path | None = None
    seconds_left: float | None = None

    @property
    def figure(self) -> float | None:
        """The held-out figure, dB: of the model that is handed out, until then the best so far."""
        if self.handed_out is not None:
            return self.handed_out[0]
        return max((value for _, value in self.held_out), default=None)

    @property
    def warning(self) -> str:
        """The one to tell where there is room for one, notes last; empty for none."""
        worst = [found.text for found in self.findings if found.severity == "warning"]
        return next(iter([*worst, *self.warnings]), "")

    def sentence(self) -> str:
        """The state in words, for a node's status line."""
        of = f"step {self.step} of {self.steps}" if self.steps else ""
        best = f"held-out {self.figure:.2f} dB" if self.figure is not None else ""
        best += f" with {self.handed_out[1]:.0%} of the correction" if self.handed_out else ""
        left = f"about {_duration(self.seconds_left)} left" if self.state == "running" and self.seconds_left else ""
        texts = {
            "absent": "No training yet.",
            "lost": f"{self.folder} is not there: it was moved or removed, or the script was saved elsewhere. Name as data "
            "directory the folder that it lies in now, or press Start for a new training."
            if not self.failure
            else f"{self.folder} cannot be looked at ({self.failure}); check its permissions, or the disk that it is on.",
            "gathered": "The frames are gathered; no training was started.",
            "interrupted": f"Interrupted at {of or 'its start'}: it was killed. Press Resume.",
            "failed": f"Failed: {self.failure or 'see worker.log in the run folder'}",
        }
        if self.state in texts:
            return texts[self.state]
        words = ", ".join(part for part in (self.state, of, best, left) if part)
        return words[0].upper() + words[1:] + "."


class RunReader:
    """Follows a run's diary; every :meth:`read` takes only what was added since, so it can be called every second."""

    def __init__(self, folder: Path) -> None:
        self.folder = RunFolder(folder)
        self._state = RunState(Path(folder))
        self._at = 0
        self._last = ""
        self._times: list[tuple[float, int]] = []

    def read(self) -> RunState:
        """The state now; ``lost`` also where the system does not let anybody look."""
        self._follow()
        state = self._state
        try:
            found = self.folder.model(state.task) if state.task else None
            state.model = found if found is not None and found.is_file() else None
            state.state = self._judge()
        except OSError as error:
            state.model, state.state, state.failure = None, "lost", error.strerror or str(error)
        return state

    def _judge(self) -> str:
        if not self.folder.path.is_dir():
            return "lost"
        if self._goes_on():
            return "starting"
        if self._last in _ENDS:
            return self._last
        if self.folder.is_locked():
            return "running" if self._last else "starting"
        if self._last or self.folder.job.is_file():
            return "interrupted"
        if worker.is_alive(self.folder.path):
            return "starting"  # it loads its packages, before it takes the lock
        failure = _last_words(self.folder.path / worker.LOG)
        if failure:
            self._state.failure = failure
            return "failed"
        return "gathered" if (self.folder.path / GATHERED).is_dir() else "absent"

    def _goes_on(self) -> bool:
        """Whether a worker was started after the diary's last line: it loads its packages, and has not said a word yet."""
        try:
            started, said = ((self.folder.path / name).stat().st_mtime_ns for name in (worker.PROCESS, self.folder.events.name))
        except OSError:
            return False
        return started > said and worker.is_alive(self.folder.path)

    def _follow(self) -> None:
        try:
            size = self.folder.events.stat().st_size
            if size < self._at:  # a resumed run has cut its diary back
                self.__init__(self.folder.path)  # type: ignore[misc]
            with open(self.folder.events, "rb") as stream:
                stream.seek(self._at)
                new = stream.read()
        except OSError:  # not there yet, or it was of an attempt that was refused, and the next has removed it
            if self._at:
                self.__init__(self.folder.path)  # type: ignore[misc]
            return
        whole = new.rfind(b"\n") + 1
        self._at += whole
        for line in new[:whole].splitlines():
            try:
                event = json.loads(line.decode("utf-8", "replace"))
            except json.JSONDecodeError:
                continue  # torn by a killed process
            if isinstance(event, dict) and isinstance(event.get("event"), str):
                self._take(event["event"], event)

    def _take(self, kind: str, event: dict[str, Any]) -> None:
        state = self._state
        self._last = kind
        state.step = max(state.step, int(event.get("step", 0) or 0))
        if kind == "started":
            state.task = str(event.get("task", state.task))
            state.steps = int(event.get("steps", state.steps) or 0)
            state.failure = ""
        elif kind in ("planned", "levelled"):
            state.steps = int(event.get("steps", state.steps) or 0)
        elif kind == "start":
            state.start_psnr = _number(event.get("held_out"))
        elif kind in ("progress", "held_out"):
            value = _number(event.get("loss" if kind == "progress" else "psnr"))
            if value is not None:
                (state.losses if kind == "progress" else state.held_out).append((int(event.get("step", 0)), value))
            self._time(float(event.get("time", 0.0)), state)
        elif kind in ("contact_sheet", "preview"):
            path = self.folder.path / str(event.get("path", ""))
            if kind == "preview":
                state.preview = path
            else:
                state.sheet = path
        elif kind == "warning":
            state.warnings.append(str(event.get("text", "")))
            found = finding_of(event)
            if found is not None:
                state.findings.append(found)
        elif kind == "failed":
            state.failure = str(event.get("text", ""))
        elif kind == "finished":
            figure, share = _number(event.get("psnr")), _number(event.get("share"))
            state.handed_out = None if figure is None or share is None else (figure, share)
        elif kind == "resumed":
            state.handed_out = state.seconds_left = None
            self._times = []  # of before the stop: the rate must not count the time in which nothing ran
        state.stage = kind.replace("_", " ")

    def _time(self, at: float, state: RunState) -> None:
        self._times = [*self._times[-40:], (at, state.step)]
        (begin, first), (end, last) = self._times[0], self._times[-1]
        if last > first and end > begin and state.steps:
            state.seconds_left = (end - begin) / (last - first) * max(state.steps - last, 0)


def runs_of(home: Path, node: str) -> list[str]:
    """The names of a node's runs in its data directory, ``NODE_v001`` and on, newest first. Raises :class:`OSError`."""
    name = re.compile(re.escape(node) + r"_v(\d{3,})", re.ASCII)
    found = [(int(match.group(1)), entry.name) for entry in home.iterdir() if (match := name.fullmatch(entry.name))]
    return [run for _, run in sorted(found, reverse=True)]


def read_run(folder: Path) -> RunState:
    """The state of a run, read once."""
    return RunReader(folder).read()


def smoothed(points: Points, smoothness: float) -> Points:
    """Exponentially smoothed points, as CopyCat's graph shows them; ``smoothness`` 0 (as they are) to below 1."""
    out: Points = []
    for step, value in points:
        before = out[-1][1] if out else value
        out.append((step, smoothness * before + (1.0 - smoothness) * value))
    return out


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def _last_words(log: Path) -> str:
    """The last line of the worker's output: why it ended before it had a diary."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    if seconds < 90:
        return f"{max(round(seconds / 10), 1) * 10:d} s"
    return f"{round(seconds / 60):d} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
