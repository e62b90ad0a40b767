"""Qt panels. Qt is loaded when a panel is first made, never headless."""

from __future__ import annotations

PANEL_ID = "org.film_recovery.panel"
_WIDGET = "__import__('film_recovery_nuke.panels.main_panel', fromlist=['FilmRecoveryPanel']).FilmRecoveryPanel"


def register() -> None:
    """Add the panel to Nuke's panes; its class is named in a text that Nuke evaluates when the panel is opened."""
    from nukescripts import panels

    panels.registerWidgetAsPanel(_WIDGET, "Film Recovery", PANEL_ID)


def open_panel() -> None:
    """Open the panel as a pane or a window of its own."""
    from nukescripts import panels

    panels.restorePanel(PANEL_ID)
