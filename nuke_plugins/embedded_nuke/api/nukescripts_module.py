"""The module ``nukescripts``, as far as panels need it: registerWidgetAsPanel and restorePanel."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from embedded_nuke import sessions


class _Module(ModuleType):
    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"module '{self.__name__}': the stand-in does not know '{name}'.")


def _register_widget(widget: str, name: str, id: str) -> None:
    """Remember a widget's class (given as a text) under an id, and add it to the menu of panes."""
    if not isinstance(widget, str):
        raise TypeError("registerWidgetAsPanel() needs the widget's class as a text, which is evaluated later.")
    session = sessions.current()
    session.panels[id] = (name, widget)
    session.menus.menu("Pane").addCommand(name, f"# panel {id}")


def _restore_panel(id: str) -> None:
    """Open a panel that was registered; nobody sees it here. Raises :class:`ValueError` for another id."""
    if id not in sessions.current().panels:
        raise ValueError(f"There is no panel '{id}'.")


def build() -> dict[str, ModuleType]:
    """``nukescripts`` and its submodules by name."""
    top, panels = _Module("nukescripts"), _Module("nukescripts.panels")
    panels.__dict__.update({"registerWidgetAsPanel": _register_widget, "restorePanel": _restore_panel})
    top.__dict__.update({"panels": panels, "__path__": []})
    return {"nukescripts": top, "nukescripts.panels": panels}
