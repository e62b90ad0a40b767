"""The live graph of a training: loss, smoothed, and the held-out figure with the line of the closed-form start."""

from __future__ import annotations

import math
from typing import Any

from film_recovery_nuke.panels.qt import Qt, QtCore, QtGui, QtWidgets
from film_recovery_nuke.run_state import Points, RunState, smoothed

_LOSS, _HELD_OUT, _START = "#e0a050", "#6db3f2", "#8a8a8a"
_MARGIN = 8


class LossGraph(QtWidgets.QWidget):
    """Two curves with an axis each: loss on the left (lower is better), held-out dB on the right (higher is better)."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._losses: Points = []
        self._held_out: Points = []
        self._start: float | None = None
        self._steps = 0
        self.log_scale = True
        self.smoothness = 0.6
        self.setMinimumSize(260, 150)
        self.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Expanding)

    def show_state(self, state: RunState) -> None:
        """Draw a run."""
        self._losses, self._held_out = list(state.losses), list(state.held_out)
        self._start, self._steps = state.start_psnr, state.steps
        self.update()

    def paintEvent(self, event: Any) -> None:
        """Draw everything anew; a run has some hundred points at most a pixel."""
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.Antialiasing)
        palette = self.palette()
        painter.fillRect(self.rect(), palette.color(QtGui.QPalette.Base))
        text = palette.color(QtGui.QPalette.Text)
        if not self._losses and not self._held_out:
            painter.setPen(text)
            painter.drawText(self.rect(), int(Qt.AlignCenter), "The curves begin with the first steps.")
            return
        area = self._area()
        painter.setPen(QtGui.QPen(palette.color(QtGui.QPalette.Mid), 1))
        painter.drawRect(area)
        last = max([self._steps] + [step for step, _ in (*self._losses, *self._held_out)])
        self._draw_losses(painter, area, last)
        self._draw_held_out(painter, area, last)
        painter.setPen(text)
        painter.drawText(area.adjusted(0, 0, 0, 18), int(Qt.AlignBottom | Qt.AlignRight), f"step {last}")
        painter.drawText(area.adjusted(0, 0, 0, 18), int(Qt.AlignBottom | Qt.AlignLeft), "0")

    def _area(self) -> Any:
        metrics = self.fontMetrics()
        side = metrics.horizontalAdvance("0.000000") + _MARGIN
        return QtCore.QRect(
            side, metrics.height() + _MARGIN, self.width() - 2 * side, self.height() - 2 * (metrics.height() + _MARGIN)
        )

    def _draw_losses(self, painter: Any, area: Any, last: int) -> None:
        points = [(step, value) for step, value in self._losses if value > 0 or not self.log_scale]
        if not points:
            return
        scale = math.log10 if self.log_scale else float
        fine = [(step, scale(value)) for step, value in points]
        low, high = _range([value for _, value in fine])
        faint = QtGui.QColor(_LOSS)
        faint.setAlpha(70)
        _curve(painter, area, fine, (last, low, high), faint, 1)
        _curve(painter, area, smoothed(fine, self.smoothness), (last, low, high), QtGui.QColor(_LOSS), 2)
        back = (lambda value: 10.0**value) if self.log_scale else float
        _labels(painter, self.rect(), area, (f"{back(high):.2g}", f"{back(low):.2g}"), "loss", QtGui.QColor(_LOSS), left=True)

    def _draw_held_out(self, painter: Any, area: Any, last: int) -> None:
        values = [value for _, value in self._held_out] + ([self._start] if self._start is not None else [])
        if not values:
            return
        low, high = _range(values)
        if self._start is not None:
            pen = QtGui.QPen(QtGui.QColor(_START), 1, Qt.DashLine)
            painter.setPen(pen)
            y = _y(area, self._start, low, high)
            painter.drawLine(area.left(), y, area.right(), y)
            painter.drawText(area.left() + 6, y - 4, "closed-form start")
        _curve(painter, area, self._held_out, (last, low, high), QtGui.QColor(_HELD_OUT), 2)
        _labels(painter, self.rect(), area, (f"{high:.1f}", f"{low:.1f}"), "held-out dB", QtGui.QColor(_HELD_OUT), left=False)


def _range(values: list[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = 0.05 * (high - low) or 0.5
    return low - room, high + room


def _y(area: Any, value: float, low: float, high: float) -> int:
    return int(area.bottom() - (value - low) / (high - low) * area.height())


def _curve(painter: Any, area: Any, points: Points, frame: tuple[int, float, float], colour: Any, width: int) -> None:
    last, low, high = frame
    path = QtGui.QPainterPath()
    for number, (step, value) in enumerate(points):
        x = area.left() + step / max(last, 1) * area.width()
        y = _y(area, value, low, high)
        path.moveTo(x, y) if number == 0 else path.lineTo(x, y)
    painter.setPen(QtGui.QPen(colour, width))
    painter.drawPath(path)
    if len(points) == 1:
        painter.drawEllipse(path.currentPosition(), 2.0, 2.0)


def _labels(painter: Any, whole: Any, area: Any, texts: tuple[str, str], title: str, colour: Any, left: bool) -> None:
    painter.setPen(colour)
    side = QtCore.QRect(0, area.top(), area.left() - 4, area.height())
    if not left:
        side = QtCore.QRect(area.right() + 4, area.top(), whole.width() - area.right() - 4, area.height())
    align = Qt.AlignRight if left else Qt.AlignLeft
    painter.drawText(side, int(Qt.AlignTop | align), texts[0])
    painter.drawText(side, int(Qt.AlignBottom | align), texts[1])
    top = QtCore.QRect(area.left(), 0, area.width(), area.top() - 2)
    painter.drawText(top, int(Qt.AlignBottom | (Qt.AlignLeft if left else Qt.AlignRight)), title)
