"""The dockable panel: the stages of a recovery, one after the other."""

from __future__ import annotations

from typing import Any

from film_recovery_nuke.panels.curate_page import CuratePage
from film_recovery_nuke.panels.environment_page import EnvironmentPage
from film_recovery_nuke.panels.preferences_page import PreferencesPage
from film_recovery_nuke.panels.qt import Qt, QtWidgets
from film_recovery_nuke.panels.stage_pages import ComparePage, ElementsPage, InferPage, PairsPage, TargetPage
from film_recovery_nuke.panels.state import PanelState
from film_recovery_nuke.panels.train_page import TrainPage

STAGES = (
    "1  Elements", "2  Curate", "3  Pairs", "4  Target", "5  Train", "6  Infer", "7  Compare", "Environment", "Preferences",
)  # fmt: skip


class FilmRecoveryPanel(QtWidgets.QWidget):
    """The stages on the left, the chosen one on the right. What was chosen in one stage is known in the next."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.state = PanelState()
        self.setWindowTitle("Film Recovery")
        self._list = QtWidgets.QListWidget()
        self._list.addItems(list(STAGES))
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self._list.setFixedWidth(self._list.sizeHintForColumn(0) + 4 * self.fontMetrics().horizontalAdvance("x"))
        pairs, train = PairsPage(self.state), TrainPage(self.state)
        self.pages = (
            ElementsPage(self.state), CuratePage(self.state, pairs.table, train.use_pairs), pairs, TargetPage(self.state),
            train, InferPage(self.state), ComparePage(self.state), EnvironmentPage(), PreferencesPage(),
        )  # fmt: skip
        self._stack = QtWidgets.QStackedWidget()
        for page in self.pages:
            area = QtWidgets.QScrollArea()
            area.setWidgetResizable(True)
            area.setFrameShape(QtWidgets.QFrame.NoFrame)
            area.setWidget(page)
            self._stack.addWidget(area)
        layout = QtWidgets.QHBoxLayout(self)
        layout.addWidget(self._list)
        layout.addWidget(self._stack, 1)
        self._list.currentRowChanged.connect(self._go)
        self._list.setCurrentRow(0)
        self.resize(860, 640)

    def go(self, stage: int) -> None:
        """Show a stage by its number in :data:`STAGES`."""
        self._list.setCurrentRow(stage)

    def closeEvent(self, event: Any) -> None:
        """End what the pages have running; trainings go on."""
        for page in self.pages:
            if hasattr(page, "stop"):
                page.stop()
        super().closeEvent(event)

    def _go(self, row: int) -> None:
        self._stack.setCurrentIndex(row)
        page = self.pages[row]
        if hasattr(page, "refresh"):
            page.refresh()
