"""The module ``nukescripts``, as far as panels need it: PythonPanel, registerPanel, registerWidgetAsPanel, restorePanel."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Callable

from embedded_nuke import sessions
from embedded_nuke.graph.knob import CustomKnob, Knob


class _Module(ModuleType):
    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"module '{self.__name__}': the stand-in does not know '{name}'.")


class PythonPanel:
    """A panel of knobs. :meth:`showModalDialog` returns what the session's answers say, since nobody sees it."""

    def __init__(self, title: str = "", id: str = "", scrollable: bool = True) -> None:
        self.title = title
        self.id = id
        self._knobs: dict[str, Knob] = {}

    def addKnob(self, knob: Knob) -> None:
        """Add a knob."""
        self._knobs[knob.name()] = knob

    def removeKnob(self, knob: Knob) -> None:
        """Remove a knob."""
        self._knobs.pop(knob.name(), None)

    def knobs(self) -> dict[str, Knob]:
        """The knobs by name."""
        return dict(self._knobs)

    def knobChanged(self, knob: Knob) -> None:
        """Override to follow changes."""

    def setMinimumSize(self, width: int, height: int) -> None:
        """The least size."""

    def showModalDialog(self) -> bool:
        """Show it and wait; True for OK."""
        answers = sessions.current().answers
        return answers.pop(0) if answers else False

    def show(self) -> None:
        """Show it."""

    def addToPane(self, pane: Any = None) -> PythonPanel:
        """Put it into a pane."""
        return self


def _register_panel(id: str, command: Callable[[], Any]) -> None:
    """Remember what makes a panel, under an id."""
    sessions.current().panels[id] = ("", command)


def _register_widget(widget: str, name: str, id: str, create: bool = False) -> PythonPanel | None:
    """Remember a widget's class (given as a text) under an id, and add it to the menu of panes."""
    if not isinstance(widget, str):
        raise TypeError("registerWidgetAsPanel() needs the widget's class as a text, which is evaluated later.")
    session = sessions.current()
    session.panels[id] = (name, widget)
    session.menus.menu("Pane").addCommand(name, lambda: _restore_panel(id).addToPane())
    return _restore_panel(id) if create else None


def _restore_panel(id: str) -> Any:
    """Make the panel that was registered; nobody sees it here. Raises :class:`ValueError` for another id."""
    name, made_by = sessions.current().panels.get(id, ("", None))
    if made_by is None:
        raise ValueError(f"There is no panel '{id}'.")
    if not isinstance(made_by, str):
        return made_by()
    panel = PythonPanel(name, id)
    panel.addKnob(CustomKnob(name, "", made_by))
    return panel


def build() -> dict[str, ModuleType]:
    """``nukescripts`` and its submodules by name."""
    top, panels = _Module("nukescripts"), _Module("nukescripts.panels")
    panels.__dict__.update({
        "PythonPanel": PythonPanel, "registerPanel": _register_panel, "registerWidgetAsPanel": _register_widget,
        "restorePanel": _restore_panel,
    })  # fmt: skip
    top.__dict__.update({"panels": panels, "PythonPanel": PythonPanel, "__path__": []})
    return {"nukescripts": top, "nukescripts.panels": panels}
