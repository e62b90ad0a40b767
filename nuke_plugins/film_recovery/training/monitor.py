"""What a person watches while a model trains: events, contact sheets and a preview of a frame outside the set."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from film_recovery.contract.events import EventLog
from film_recovery.contract.run_folder import RunFolder
from film_recovery.images.drawing import Cell, display, draw_grid, fit_width, save_png
from film_recovery.pairs.dataset import Pair
from film_recovery.training.graph import RecoveryGraph

_ROWS = 6  # rows of a contact sheet
_CELL = 480  # pixels
_SHARE = 0.05  # of the time, at most, that pictures take after the first


class Monitor:
    """Writes the events and pictures of one run into its folder."""

    def __init__(self, run: RunFolder, pairs: Sequence[Pair], preview: npt.NDArray[np.float32] | None) -> None:
        self.run = run
        self.log = EventLog(run.events)
        self.preview = preview
        held = [pair for pair in pairs if pair.held_out]
        self.shown = [*[pair for pair in pairs if not pair.held_out][: _ROWS - min(len(held), 2)], *held[:2]]
        self._given: list[list[Cell]] = []  # of each row what is the same in every sheet
        self._begin, self._drawing = time.monotonic(), 0.0  # seconds

    @property
    def has_time(self) -> bool:
        """Whether pictures have taken a twentieth of the time at most: those of large frames take as long as many steps."""
        return self._drawing <= _SHARE * (time.monotonic() - self._begin)

    def draw(self, graph: RecoveryGraph, step: int, *, handed_out: bool = False) -> None:
        """A contact sheet, and the preview where a frame for it is named; of what is ``handed_out``, or of the step."""
        begin = time.monotonic()
        what, told = (f"step {step}", {}) if not handed_out else ("as handed out", {"handed_out": True})
        self._contact_sheet(graph, step, what, told)
        if self.preview is not None:
            self._preview_frame(graph, self.preview, step, what, told)
        self._drawing += time.monotonic() - begin

    def _contact_sheet(self, graph: RecoveryGraph, step: int, what: str, told: dict[str, bool]) -> None:
        """Rows of input, target and output, labelled with the frame and whether it is held out."""
        if not self._given:
            self._given = [_given_cells(pair, graph.encoding) for pair in self.shown]
        rows = [
            [*given, (f"output · {what}", display(run_graph(graph, pair.source), graph.encoding))]
            for pair, given in zip(self.shown, self._given, strict=True)
        ]
        path = self.run.sheets / f"contact_{step:06d}.png"
        save_png(path, draw_grid(rows, f"{graph.task} recovery, {what}", _CELL))
        self.log.append("contact_sheet", step=step, path=path.relative_to(self.run.path).as_posix(), **told)

    def _preview_frame(
        self, graph: RecoveryGraph, frame: npt.NDArray[np.float32], step: int, what: str, told: dict[str, bool]
    ) -> None:
        """The preview frame as it comes and as the model gives it now, side by side."""
        row = [("preview · input", display(frame, graph.encoding)),
               (f"output · {what}", display(run_graph(graph, frame), graph.encoding))]  # fmt: skip
        path = self.run.preview / f"preview_{step:06d}.png"
        save_png(path, draw_grid([row], f"a frame outside the set, {what}", _CELL * 2))
        self.log.append("preview", step=step, path=path.relative_to(self.run.path).as_posix(), **told)


@torch.no_grad()
def run_graph(graph: RecoveryGraph, rgb: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """One picture, (H, W, 3) in the working space, through the whole graph."""
    device = graph.mean.device
    image = torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1)))[None].to(device)
    return np.ascontiguousarray(graph(image)[0].permute(1, 2, 0).cpu().numpy())


def event_figures(figures: dict[str, Any]) -> dict[str, Any]:
    """Rounded for the events file."""
    return {name: round(value, 5) if isinstance(value, float) else value for name, value in figures.items()}


def _given_cells(pair: Pair, encoding: str) -> list[Cell]:
    """Input and target, as large as they are shown."""
    where = f"{pair.frame}" + (" · held out" if pair.held_out else "")
    given = ((f"{where} · input", pair.source), ("target", pair.target))
    return [(label, fit_width(display(picture, encoding), _CELL)) for label, picture in given]
